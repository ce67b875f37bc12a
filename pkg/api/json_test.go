package api

import (
	"encoding/json"
	"testing"
)

func TestJSON(t *testing.T) {
	cases := map[string]struct {
		in, want string
		fails    bool
	}{
		"an object keeps its order and numbers": {in: `{"b":1,"a":1.0,"big":9007199254740993}`, want: `{"b":1,"a":1.0,"big":9007199254740993}`},
		"a scalar":                              {in: `"x"`, want: `"x"`},
		"null":                                  {in: `null`, want: `null`},
		"half a value":                          {in: `{"a":`, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v struct {
				Values JSON `json:"values"`
			}
			err := json.Unmarshal([]byte(`{"values":`+tc.in+`}`), &v)
			if (err != nil) != tc.fails {
				t.Fatalf("unmarshal: %v", err)
			}
			if tc.fails {
				return
			}
			got, err := json.Marshal(v)
			if err != nil || string(got) != `{"values":`+tc.want+`}` {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func TestJSONRefusesHalfAValue(t *testing.T) {
	t.Parallel()
	var j JSON
	if err := j.UnmarshalJSON([]byte(`{"a":`)); err == nil {
		t.Error("no error")
	}
}

// The digests in the status of HelmReleases are made of this text.
func TestDigestedTypesKeepTheirFieldOrder(t *testing.T) {
	s := Selector{"g", "v", "k", "ns", "n", "a", "l"}
	cases := map[string]struct {
		value any
		want  string
	}{
		"image": {
			Image{Name: "a", NewName: "b", NewTag: "c", Digest: "d"},
			`{"name":"a","newName":"b","newTag":"c","digest":"d"}`,
		},
		"patch": {
			Patch{Patch: "p", Target: &s},
			`{"patch":"p","target":{"group":"g","version":"v","kind":"k","namespace":"ns","name":"n","annotationSelector":"a","labelSelector":"l"}}`,
		},
		"common metadata": {
			CommonMetadata{Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"b": "2", "a": "1"}},
			`{"annotations":{"a":"1","b":"2"},"labels":{"l":"1"}}`,
		},
		"nothing": {CommonMetadata{}, `{}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(tc.value)
			if err != nil || string(got) != tc.want {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}
