package webhook

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestComplete(t *testing.T) {
	for _, test := range []struct {
		reason, name, generateName, want string
	}{
		{"a name stays", "a", "b-", "a"},
		{"a suffix is added as the API server would", "", "b-", "b-xxxxx"},
		{"a long one is cut as the API server would", "", strings.Repeat("b", 70), strings.Repeat("b", 58) + "xxxxx"},
	} {
		object := metav1.ObjectMeta{Name: test.name, GenerateName: test.generateName}
		setNameAndNamespace(&object, "default")
		if object.Name != test.want || object.Namespace != "default" {
			t.Errorf("%s: got %s/%s, want default/%s", test.reason, object.Namespace, object.Name, test.want)
		}
	}
}
