package events

import (
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// Annotations returns what every event of obj carries: those given, and the
// object's own annotations that ask to be copied, by their prefix.
func Annotations(obj metav1.Object, own map[string]string) map[string]string {
	out := maps.Clone(own)
	for key, value := range obj.GetAnnotations() {
		if !strings.HasPrefix(key, api.EventAnnotationPrefix) {
			continue
		}
		if out == nil {
			out = make(map[string]string)
		}
		out[key] = value
	}
	return out
}
