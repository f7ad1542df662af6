package server

import "k8s.io/apimachinery/pkg/util/json"

// maxNames bounds the names in a review, all together. Answers repeat them several times, and JSON can make 6 bytes of
// each of theirs. Those of Kubernetes have at most some hundred bytes, and some names of users are longer.
const maxNames = 16 << 10

// names are what answers repeat of a review, and what the API server is asked about because of it.
type names struct {
	Request struct {
		UID       string `json:"uid"`
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		Kind      struct {
			Group   string `json:"group"`
			Version string `json:"version"`
			Kind    string `json:"kind"`
		} `json:"kind"`
		UserInfo struct {
			Username string `json:"username"`
		} `json:"userInfo"`
		Object    namedObject `json:"object"`
		OldObject namedObject `json:"oldObject"`
	} `json:"request"`
}

type namedObject struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		JobTemplateName string `json:"jobTemplateName"`
	} `json:"spec"`
}

func (o *namedObject) size() int {
	return len(o.Metadata.Name) + len(o.Metadata.Namespace) + len(o.Spec.JobTemplateName)
}

// hasLongNames tells whether the names in a review are too long.
func hasLongNames(body []byte) bool {
	if len(body) <= maxNames {
		return false
	}
	review := names{}
	_ = json.Unmarshal(body, &review) // The webhook says what is wrong.
	asked := &review.Request
	size := len(asked.UID) + len(asked.Name) + len(asked.Namespace) + len(asked.UserInfo.Username) +
		len(asked.Kind.Group) + len(asked.Kind.Version) + len(asked.Kind.Kind) +
		asked.Object.size() + asked.OldObject.size()
	return size > maxNames
}
