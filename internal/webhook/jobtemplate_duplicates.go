package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"dispatcher.ivan.vc/internal/webhook/server"
)

const (
	// duplicatesPath is the path of the webhook for duplicates in lists. It is called before the API server checks the
	// schema, which refuses duplicates in the same lists, but does not say what to write instead. So its failurePolicy is
	// Ignore.
	duplicatesPath = server.UndecodedPrefix + "duplicates-dispatcher-ivan-vc-v1alpha1-jobtemplate"

	// maxDuplicates is how many duplicates are reported.
	maxDuplicates = 100
)

// duplicateExplainer refuses a JobTemplate with duplicates in lists in which a Job may have some. The CRD has keys for
// these lists, so that several managers can apply items, and the API server wants such keys to be unique. It changes
// nothing, and allows what it does not understand: the schema is checked next.
type duplicateExplainer struct{}

var _ admission.Handler = duplicateExplainer{}

// Handle answers one request.
func (duplicateExplainer) Handle(_ context.Context, request admission.Request) admission.Response {
	// The object has not been checked. Nothing else of it may be read: to read a quantity can take hours.
	var template listsOfTemplate
	if err := json.Unmarshal(request.Object.Raw, &template); err != nil {
		return admission.Allowed("")
	}
	errs := template.duplicates()
	if len(errs) == 0 {
		return admission.Allowed("")
	}
	refusal := apierrors.NewInvalid(jobTemplateKind, request.Name, errs[:min(len(errs), maxDuplicates)])
	_ = countRefusal(jobTemplateKind, refusal)
	response := admission.Denied("")
	response.Result = &refusal.ErrStatus
	response.Result.Code = http.StatusUnprocessableEntity
	return response
}

// listsOfTemplate has the lists of a JobTemplate in which a Job may have duplicates.
type listsOfTemplate struct {
	Spec struct {
		JobTemplate struct {
			Spec struct {
				Template struct {
					Spec listsOfPod `json:"spec"`
				} `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

type listsOfPod struct {
	InitContainers   []listsOfContainer `json:"initContainers"`
	Containers       []listsOfContainer `json:"containers"`
	ImagePullSecrets []namedItem        `json:"imagePullSecrets"`
	HostAliases      []struct {
		IP string `json:"ip"`
	} `json:"hostAliases"`
}

type listsOfContainer struct {
	Env   []namedItem `json:"env"`
	Ports []struct {
		ContainerPort json.Number `json:"containerPort"`
		Protocol      string      `json:"protocol"`
	} `json:"ports"`
}

type namedItem struct {
	Name string `json:"name"`
}

func (t *listsOfTemplate) duplicates() field.ErrorList {
	pod := &t.Spec.JobTemplate.Spec.Template.Spec
	path := field.NewPath("spec", "jobTemplate", "spec", "template", "spec")
	errs := duplicatesOf(path.Child("imagePullSecrets"), len(pod.ImagePullSecrets),
		func(i int) string { return pod.ImagePullSecrets[i].Name }, "leave it out: %s has the same name")
	errs = append(errs, duplicatesOf(path.Child("hostAliases"), len(pod.HostAliases),
		func(i int) string { return pod.HostAliases[i].IP }, "add its hostnames to those of %s, which has the same ip")...)
	for i := range pod.InitContainers {
		errs = append(errs, pod.InitContainers[i].duplicates(path.Child("initContainers").Index(i))...)
	}
	for i := range pod.Containers {
		errs = append(errs, pod.Containers[i].duplicates(path.Child("containers").Index(i))...)
	}
	return errs
}

func (c *listsOfContainer) duplicates(path *field.Path) field.ErrorList {
	errs := duplicatesOf(path.Child("env"), len(c.Env), func(i int) string { return c.Env[i].Name },
		"leave out %s: it has the same name, and a container gets the last of them")
	return append(errs, duplicatesOf(path.Child("ports"), len(c.Ports), func(i int) string {
		protocol := c.Ports[i].Protocol
		if protocol == "" {
			protocol = "TCP"
		}
		return c.Ports[i].ContainerPort.String() + "/" + protocol
	}, "leave it out: %s has the same containerPort and protocol")...)
}

// duplicatesOf reports the items of a list whose key an earlier item has. advice gets the name of that item.
func duplicatesOf(list *field.Path, length int, key func(int) string, advice string) field.ErrorList {
	var errs field.ErrorList
	first := make(map[string]int, length)
	for i := range length {
		earlier, found := first[key(i)]
		if !found {
			first[key(i)] = i
			continue
		}
		err := field.Duplicate(list.Index(i), key(i))
		err.Detail = fmt.Sprintf(advice, list.Index(earlier))
		errs = append(errs, err)
	}
	return errs
}
