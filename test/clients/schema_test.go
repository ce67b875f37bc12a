package clients

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fluxd/fluxd/pkg/api"
)

// ask sends a request to the API server, which is answered in JSON of the given type.
func ask(t *testing.T, path, accept string, into any) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", shared.Cluster.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// tableColumns are the columns that kubectl get shows, without -o wide.
func tableColumns(t *testing.T, path string) []string {
	t.Helper()
	var table struct {
		ColumnDefinitions []struct {
			Name     string `json:"name"`
			Priority int    `json:"priority"`
		} `json:"columnDefinitions"`
	}
	ask(t, path, "application/json;as=Table;v=v1;g=meta.k8s.io", &table)
	var names []string
	for _, c := range table.ColumnDefinitions {
		if c.Priority == 0 {
			names = append(names, strings.ToUpper(c.Name))
		}
	}
	return names
}

// fieldSchema is that of a field as the API server publishes it.
type fieldSchema struct {
	Description string                 `json:"description"`
	Properties  map[string]fieldSchema `json:"properties"`
	Items       *fieldSchema           `json:"items"`
	Ref         string                 `json:"$ref"`
	AllOf       []fieldSchema          `json:"allOf"`
}

// Down to the last field of what the API server publishes, which is what kubectl explain
// reads, there is a description.
func TestEveryFieldIsDescribed(t *testing.T) {
	for _, r := range api.Resources() {
		var document struct {
			Components struct {
				Schemas map[string]fieldSchema `json:"schemas"`
			} `json:"components"`
		}
		ask(t, "/openapi/v3/apis/"+r.Kind.Group+"/"+r.Kind.Version, "application/json", &document)
		found := false
		for name, s := range document.Components.Schemas {
			if !strings.HasSuffix(name, "."+r.Kind.Kind) {
				continue
			}
			found = true
			for _, path := range s.undescribed(r.Kind.Kind) {
				t.Errorf("%s has no description", path)
			}
		}
		if !found {
			t.Errorf("no schema of %s", r.Kind)
		}
	}
}

// undescribed returns the paths of the fields below that have no description.
func (s fieldSchema) undescribed(path string) []string {
	var found []string
	for name, field := range s.Properties {
		if field.Description == "" && !slices.ContainsFunc(field.AllOf, func(a fieldSchema) bool { return a.Ref != "" }) && field.Ref == "" {
			found = append(found, path+"."+name)
		}
		found = append(found, field.undescribed(path+"."+name)...)
	}
	if s.Items != nil {
		found = append(found, s.Items.undescribed(path+"[]")...)
	}
	return found
}
