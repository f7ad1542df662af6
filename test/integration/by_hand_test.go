package integration

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

// difference is one between the Job of an execution and the same Job made by hand.
type difference struct {
	field string // as docs/templates.md lists it

	// undo makes both equal in this.
	undo func(byHand, ours *unstructured.Unstructured)
}

// ofTheTemplate is a label of the JobTemplates in these specs.
const ofTheTemplate = "example.com/of-the-template"

var (
	jobLabels      = []string{"metadata", "labels"}
	jobAnnotations = []string{"metadata", "annotations"}
	podLabels      = []string{"spec", "template", "metadata", "labels"}
	ownLabels      = []string{dispatcherv1alpha1.LabelJobTemplate, dispatcherv1alpha1.LabelJobExecution}

	// generatedLabels are what the API server puts on the pods of a Job.
	generatedLabels = []string{
		"batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name",
	}
)

// differences are all that there are.
var differences = []difference{
	{"`metadata.ownerReferences`", func(_, ours *unstructured.Unstructured) {
		Expect(ours.GetOwnerReferences()).To(HaveExactElements(HaveField("Kind", "JobExecution")))
		ours.SetOwnerReferences(nil)
	}},
	{"labels `dispatcher.ivan.vc/job-template` and `dispatcher.ivan.vc/job-execution`",
		func(_, ours *unstructured.Unstructured) {
			without(ours, jobLabels, ownLabels...)
			without(ours, podLabels, ownLabels...)
		}},
	{"labels of the JobTemplate object", func(byHand, ours *unstructured.Unstructured) {
		Expect(ours.GetLabels()).To(HaveKey(ofTheTemplate))
		Expect(byHand.GetLabels()).NotTo(HaveKey(ofTheTemplate))
		without(ours, jobLabels, ofTheTemplate)
	}},
	{"labels that the API server generates", func(byHand, ours *unstructured.Unstructured) {
		if _, ok := byHand.GetLabels()["job-name"]; ok {
			without(byHand, jobLabels, generatedLabels...)
		}
		for _, key := range generatedLabels {
			Expect(ours.GetLabels()).NotTo(HaveKey(key))
		}
	}},
	{"annotations `dispatcher.ivan.vc/job-template-uid` and `dispatcher.ivan.vc/job-template-generation`",
		func(_, ours *unstructured.Unstructured) {
			without(ours, jobAnnotations, dispatcherv1alpha1.AnnotationJobTemplateUID,
				dispatcherv1alpha1.AnnotationJobTemplateGeneration)
		}},
	{"annotation `dispatcher.ivan.vc/left-out`", func(_, ours *unstructured.Unstructured) {
		if _, ok := ours.GetAnnotations()[dispatcherv1alpha1.AnnotationLeftOut]; ok {
			without(ours, jobAnnotations, dispatcherv1alpha1.AnnotationLeftOut)
		}
	}},
	{"`spec.ttlSecondsAfterFinished` of less than a week", func(_, ours *unstructured.Unstructured) {
		text, raised := ours.GetAnnotations()[dispatcherv1alpha1.AnnotationJobTTL]
		if !raised {
			return
		}
		without(ours, jobAnnotations, dispatcherv1alpha1.AnnotationJobTTL)
		seconds, err := strconv.ParseInt(text, 10, 32)
		Expect(err).NotTo(HaveOccurred())
		Expect(unstructured.SetNestedField(ours.Object, seconds, "spec", "ttlSecondsAfterFinished")).To(Succeed())
	}},
}

// without removes keys, which must be there, from the map at path, and the map if it is empty then.
func without(job *unstructured.Unstructured, path []string, keys ...string) {
	GinkgoHelper()
	values, _, err := unstructured.NestedStringMap(job.Object, path...)
	Expect(err).NotTo(HaveOccurred())
	for _, key := range keys {
		Expect(values).To(HaveKey(key))
		delete(values, key)
	}
	unstructured.RemoveNestedField(job.Object, path...)
	if len(values) > 0 {
		Expect(unstructured.SetNestedStringMap(job.Object, values, path...)).To(Succeed())
	}
}

// authored returns what an author can have written of a Job that the API server returned: its spec, and the name,
// labels and annotations of its metadata.
func authored(job *unstructured.Unstructured) *unstructured.Unstructured {
	job = job.DeepCopy()
	kept := map[string]any{}
	for _, key := range []string{"name", "labels", "annotations", "finalizers"} {
		if value, ok := job.Object["metadata"].(map[string]any)[key]; ok {
			kept[key] = value
		}
	}
	job.Object = map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": kept, "spec": job.Object["spec"]}
	if manual, _, _ := unstructured.NestedBool(job.Object, "spec", "manualSelector"); !manual {
		unstructured.RemoveNestedField(job.Object, "spec", "selector")
		without(job, podLabels, generatedLabels...)
	}
	metadata, _, _ := unstructured.NestedMap(job.Object, "spec", "template", "metadata")
	if delete(metadata, "creationTimestamp"); len(metadata) == 0 {
		unstructured.RemoveNestedField(job.Object, "spec", "template", "metadata")
	}
	return job
}

var _ = Describe("The Job of an execution, compared with the same Job made by hand", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	// handmade returns a Job as the API server stores it if a user creates it.
	handmade := func(ctx context.Context, job *unstructured.Unstructured) *unstructured.Unstructured {
		GinkgoHelper()
		job = job.DeepCopy()
		job.SetNamespace(namespace)
		Expect(admin.Create(ctx, job, client.DryRunAll)).To(Succeed())
		return job
	}

	// executed returns the Job of an execution, as the API server has stored it.
	executed := func(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) *unstructured.Unstructured {
		GinkgoHelper()
		Expect(admin.Create(ctx, execution)).To(Succeed())
		jobs := &unstructured.UnstructuredList{}
		jobs.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("JobList"))
		Eventually(func(g Gomega) {
			g.Expect(admin.List(ctx, jobs, client.InNamespace(namespace),
				client.MatchingLabels{dispatcherv1alpha1.LabelJobExecution: execution.Name})).To(Succeed())
			g.Expect(jobs.Items).To(HaveLen(1))
		}).WithContext(ctx).Should(Succeed())
		return &jobs.Items[0]
	}

	// same is the one comparison: all that is not in differences must be equal.
	same := func(byHand, ours *unstructured.Unstructured) {
		GinkgoHelper()
		byHand = byHand.DeepCopy()
		for _, d := range differences {
			d.undo(byHand, ours)
		}
		Expect(cmp.Diff(authored(byHand).Object, authored(ours).Object)).To(BeEmpty(), "-by hand +by Dispatcher")
	}

	// templateWith returns a template of what an author has written of a Job. It is suspended, so that no pods are made.
	templateWith := func(name string, metadata, spec any) *unstructured.Unstructured {
		GinkgoHelper()
		template := &unstructured.Unstructured{Object: map[string]any{
			"spec": map[string]any{"jobTemplate": map[string]any{"metadata": metadata, "spec": spec}},
		}}
		template.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobTemplate"))
		template.SetNamespace(namespace)
		template.SetName(name)
		template.SetLabels(map[string]string{ofTheTemplate: "a"})
		return template
	}

	files, err := filepath.Glob("testdata/jobs/*.yaml")
	if err != nil || len(files) < 10 {
		panic("no Jobs found")
	}
	for _, file := range files {
		It("is equal: "+strings.TrimSuffix(filepath.Base(file), ".yaml"), func(ctx SpecContext) {
			job := &unstructured.Unstructured{}
			readYAML(file, &job.Object)
			Expect(unstructured.SetNestedField(job.Object, true, "spec", "suspend")).To(Succeed())
			byHand := handmade(ctx, job)

			By("pasting it as it was written")
			metadata := job.Object["metadata"].(map[string]any)
			name := job.GetName()
			delete(metadata, "name")
			Expect(admin.Create(ctx, templateWith("written", metadata, job.Object["spec"]))).To(Succeed())
			ours := executed(ctx, user.NewExecution(namespace, name, "written", ""))
			same(byHand, ours)

			By("pasting it as the API server has stored it, without what it has generated")
			stored := authored(byHand)
			if _, generated := stored.GetLabels()["job-name"]; generated {
				without(stored, jobLabels, generatedLabels...)
			}
			delete(stored.Object["metadata"].(map[string]any), "name")
			Expect(admin.Create(ctx, templateWith("stored", stored.Object["metadata"], stored.Object["spec"]))).To(Succeed())
			ours = executed(ctx, user.NewExecution(namespace, name+"-again", "stored", ""))
			ours.SetName(name)
			same(byHand, ours)
		})
	}

	cases, err := filepath.Glob("../../internal/render/testdata/*/job.yaml")
	if err != nil || len(cases) < 15 {
		panic("no golden cases found")
	}
	for _, file := range cases {
		It("is equal: the golden case "+filepath.Base(filepath.Dir(file)), func(ctx SpecContext) {
			golden := &dispatcherv1alpha1.JobTemplate{}
			readYAML(filepath.Join(filepath.Dir(file), "template.yaml"), golden)
			golden.Namespace, golden.UID, golden.Generation = namespace, "", 0
			golden.Labels = merged(golden.Labels, map[string]string{ofTheTemplate: "a"})
			job(golden).Suspend = new(true)
			withoutExcess(golden)
			execution := goldenExecution(filepath.Dir(file), golden)
			golden.Spec.SamplePayload = new(execution.Spec.Payload)
			written := writtenByHand(golden, execution)
			if err := admin.Create(ctx, written.DeepCopy(), client.DryRunAll); err != nil {
				By("refusing both")
				var fields []string
				for field := range causes(err) {
					fields = append(fields, "spec.jobTemplate."+field)
				}
				err := admin.Create(ctx, golden)
				Expect(fields).NotTo(BeEmpty())
				Expect(slices.Collect(maps.Keys(causes(err)))).To(ConsistOf(fields), "%v", err)
				return
			}
			byHand := handmade(ctx, written)
			Expect(admin.Create(ctx, golden)).To(Succeed())
			ours := executed(ctx, execution)
			for key := range golden.Labels {
				if _, ok := byHand.GetLabels()[key]; !ok && key != ofTheTemplate && ours.GetLabels()[key] != "" {
					without(ours, jobLabels, key) // It is another label of the JobTemplate object.
				}
			}
			same(byHand, ours)
		})
	}

	It("differs as docs/templates.md lists it, and in nothing else", func() {
		page, err := os.ReadFile(filepath.Join(plane.Root, "docs", "templates.md"))
		Expect(err).NotTo(HaveOccurred())
		_, table, found := strings.Cut(string(page), "| differs from a Job made by hand | how |\n|---|---|\n")
		Expect(found).To(BeTrue())
		table, _, _ = strings.Cut(table, "\n\n")
		var listed, known []string
		for row := range strings.Lines(table) {
			listed = append(listed, strings.TrimSpace(strings.Split(row, "|")[1]))
		}
		for _, d := range differences {
			known = append(known, d.field)
		}
		Expect(listed).To(ConsistOf(known))
	})
})
