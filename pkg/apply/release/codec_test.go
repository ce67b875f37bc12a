package release

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	digest "github.com/opencontainers/go-digest"
	"helm.sh/helm/v3/pkg/chart"
	helm "helm.sh/helm/v3/pkg/release"
)

// The vectors of the contract, and one that has everything.
func TestDigest(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 700, time.FixedZone("", 3600))
	full := content{
		name: "foo", namespace: "apps", version: 3, manifest: "<a>&\"\u2028é",
		info:   info{FirstDeployed: at, LastDeployed: at, Description: "Upgrade complete", Status: statusDeployed, Notes: "n"},
		chart:  &chart.Metadata{Name: "c", Version: "1.2.3", APIVersion: "v2"},
		values: map[string]any{"b": 1.5, "a": map[string]any{"x": "<"}},
		hooks: []*storedHook{
			{Name: "t", Kind: "Pod", Events: []helm.HookEvent{helm.HookTest}},
			{Name: "h", Kind: "Job", Path: "p", Manifest: "m", Events: []helm.HookEvent{helm.HookPreInstall}, Weight: -1,
				Run: HookRun{Started: at, Phase: helm.HookPhaseSucceeded}, DeletePolicies: []helm.HookDeletePolicy{"hook-failed"}},
		},
	}
	text := `{"name":"foo","version":3,"info":{"first_deployed":"2026-02-03T04:05:06.0000007+01:00",` +
		`"last_deployed":"2026-02-03T04:05:06.0000007+01:00","description":"Upgrade complete","status":"deployed","notes":"n"},` +
		`"chartMetadata":{"name":"c","version":"1.2.3","apiVersion":"v2"},"config":{"a":{"x":"\u003c"},"b":1.5},` +
		`"manifest":"\u003ca\u003e\u0026\"\u2028é","hooks":[{"name":"h","kind":"Job","path":"p","manifest":"m",` +
		`"events":["pre-install"],"last_run":{"started_at":"2026-02-03T04:05:06.0000007+01:00","phase":"Succeeded"},` +
		`"weight":-1,"delete_policies":["hook-failed"]}],"namespace":"apps","ociDigest":"sha256:abc"}` + "\n"
	for name, c := range map[string]struct {
		content content
		oci     string
		want    string
	}{
		"only a name": {content{name: "foo"}, "", "sha256:f1498f27a16a09cd7e1ee610d924df065c03d30035638babc95dd9a8d412ce4d"},
		"everything":  {full, "sha256:abc", digest.FromString(text).String()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.content.digestOf(digest.SHA256, c.oci)
			if err != nil || got != c.want {
				t.Errorf("got %s, want %s (%v)", got, c.want, err)
			}
		})
	}
	if _, err := full.digestOf("md5", ""); err == nil {
		t.Error("an algorithm that there is not")
	}
}

// A long text is digested in pieces and has to come out as if it were not.
func TestLongText(t *testing.T) {
	for name, s := range map[string]string{
		"ASCII":      strings.Repeat("abc<", 10000),
		"runes":      strings.Repeat("é\U0001F600x", 9001),
		"no runes":   strings.Repeat("\x80\xff", 20000),
		"empty":      "",
		"line marks": strings.Repeat("\u2028\n", 9999),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w := &writer{to: &out}
			longText(w, s)
			want, _ := json.Marshal(s)
			if w.err != nil || out.String() != string(want) {
				t.Errorf("differs from the whole (%v)", w.err)
			}
		})
	}
}

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return []byte(base64.StdEncoding.EncodeToString(out.Bytes()))
}

// unpacked returns the stored JSON of data.
func unpacked(t *testing.T, data []byte) string {
	t.Helper()
	r, err := unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// release returns the stored revision in a Secret document.
func inDocument(t *testing.T, doc []byte) []byte {
	t.Helper()
	var secret struct {
		Type string            `json:"type"`
		Data map[string][]byte `json:"data"`
	}
	if err := json.Unmarshal(doc, &secret); err != nil || secret.Type != secretType {
		t.Fatalf("type %q (%v)", secret.Type, err)
	}
	return secret.Data["release"]
}

const storedByHelm = `{"name":"web","info":{"first_deployed":"2026-02-03T04:05:06.123456789+01:00","last_deployed":"2026-02-03T04:05:06Z",` +
	`"deleted":"","description":"Install complete","status":"deployed","notes":"hi","rollback_revision":7},` +
	`"chart":{"metadata":{"name":"c","version":"1.0.0","appVersion":"2"},"lock":null,` +
	`"templates":[{"name":"a.yaml","data":"YTo=","modtime":"2026-01-01T00:00:00Z"},{"name":"b.yaml","data":"Yjo="}],` +
	`"values":{"replicas":12345678901234567890},"schema":"e30=","schemamodtime":"2026-01-01T00:00:00Z","files":[]},` +
	`"config":{"a":"<b>","n":3},"manifest":"---\n# Source: c\n","hooks":[{"name":"h","kind":"Job","events":["pre-install"],` +
	`"last_run":{"started_at":"","completed_at":"","phase":""},"weight":2,"novel":1}],"version":4,"namespace":"apps",` +
	`"apply_method":"ssa","novelty":{"deep":[1,2.50]}}`

// What is too large for a Secret is packed as well as Helm does before it is refused.
func TestLargeRevisionsArePackedBetter(t *testing.T) {
	text := func(w io.Writer) error {
		for i := range 250000 {
			if _, err := io.WriteString(w, strconv.Itoa(i*7919)); err != nil {
				return err
			}
		}
		return nil
	}
	quick, size, err := pack(identity{}, gzip.DefaultCompression, text)
	if err != nil {
		t.Fatal(err)
	}
	best, _, err := pack(identity{}, gzip.BestCompression, text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := document(identity{}, text)
	if want := best; size <= mostData || bytes.Equal(quick, best) || err != nil || !bytes.Equal(want, got) {
		t.Errorf("%d bytes of %d, packed into %d (%v)", size, mostData, len(got), err)
	}
	small, err := document(identity{}, func(w io.Writer) error { _, err := io.WriteString(w, storedByHelm); return err })
	if err != nil || len(small) > 2000 {
		t.Errorf("%d bytes (%v)", len(small), err)
	}
}

func TestDecode(t *testing.T) {
	for name, data := range map[string][]byte{
		"packed": packed(t, storedByHelm),
		"plain":  []byte(base64.StdEncoding.EncodeToString([]byte(storedByHelm))),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := decode(data)
			if err != nil {
				t.Fatal(err)
			}
			got := []any{c.name, c.namespace, c.version, c.method, c.info.Status, c.info.Deleted.IsZero(), c.chart.AppVersion,
				c.values, len(c.hooks), c.hooks[0].Weight, c.hooks[0].Run}
			want := []any{"web", "apps", 4, ServerSide, statusDeployed, true, "2",
				map[string]any{"a": "<b>", "n": 3.0}, 1, 2, HookRun{}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			ch, values, err := decodeChart(data)
			if err != nil || len(ch.Templates) != 2 || string(ch.Templates[1].Data) != "b:" || values["n"] != 3.0 {
				t.Errorf("chart %v, values %v (%v)", ch, values, err)
			}
		})
	}
}

// A rewrite changes what it is about, and nothing else: not a number, not what is not
// known here.
func TestRewriteKeepsWhatItDoesNotKnow(t *testing.T) {
	data := packed(t, storedByHelm)
	c, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	c.info.Status, c.info.Description = statusSuperseded, "other"
	c.hooks[0].Run = HookRun{Phase: helm.HookPhaseFailed}
	doc, err := document(identity{Name: "n"}, func(w io.Writer) error { return c.rewrite(w, data) })
	if err != nil {
		t.Fatal(err)
	}
	got := unpacked(t, inDocument(t, doc))
	want := strings.NewReplacer(`"status":"deployed"`, `"status":"superseded"`, "Install complete", "other",
		`"deleted":"",`, "", `"last_run":{"started_at":"","completed_at":"","phase":""}`, `"last_run":{"phase":"Failed"}`).
		Replace(storedByHelm)
	if diff := cmp.Diff(ordered(t, want), ordered(t, got)); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(got, "12345678901234567890") || !strings.Contains(got, `{"deep":[1,2.50]}`) {
		t.Errorf("numbers have changed: %s", got)
	}
	again, err := decode(inDocument(t, doc))
	if err != nil || again.info.Status != statusSuperseded || again.method != ServerSide {
		t.Errorf("read again: %+v (%v)", again, err)
	}
}

// ordered decodes JSON, so that the order of members does not count.
func ordered(t *testing.T, text string) any {
	t.Helper()
	var v any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestCorrupt(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":            {},
		"no base64":        []byte("!"),
		"no gzip":          []byte(base64.StdEncoding.EncodeToString([]byte("\x1f\x8b\x08 "))),
		"cut gzip":         packed(t, storedByHelm)[:120],
		"no JSON":          packed(t, "x"),
		"a list":           packed(t, "[]"),
		"cut JSON":         packed(t, storedByHelm[:300]),
		"a text as number": packed(t, `{"version":"x"}`),
		"a null hook":      packed(t, `{"hooks":[null]}`),
		"a status list":    packed(t, `{"info":{"status":[]}}`),
		"a bomb":           packed(t, `{"manifest":"`+strings.Repeat(" ", mostText)+`"}`),
		"a bomb in chart":  packed(t, `{"chart":{"files":`+strings.Repeat(" ", mostText)+`[]}}`),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decode(data); !errors.Is(err, ErrCorrupt) {
				t.Errorf("decode: %v", err)
			}
			_, _, _ = decodeChart(data)
		})
	}
}

// What is new is read by the types of Helm.
func TestEncodeIsReadByHelm(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	ch := &chart.Chart{
		Metadata: &chart.Metadata{Name: "c", Version: "1.0.0"}, Values: map[string]any{"a": 1.0},
		Templates: []*chart.File{{Name: "templates/a.yaml", Data: []byte("a: b")}}, Schema: []byte("{}"),
	}
	c := content{
		name: "web", namespace: "apps", version: 1, manifest: "---\n", method: ServerSide, values: map[string]any{"x": "y"},
		info:  info{FirstDeployed: at, LastDeployed: at, Status: statusPendingInstall, Description: "d"},
		hooks: storeHooks([]*Hook{{Name: "h", Kind: "Job", Events: []helm.HookEvent{helm.HookPreInstall}, Weight: 3}}),
	}
	doc, err := document(identity{Name: "n"}, func(w io.Writer) error { return c.encode(w, ch) })
	if err != nil {
		t.Fatal(err)
	}
	var got helm.Release
	if err := json.Unmarshal([]byte(unpacked(t, inDocument(t, doc))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "web" || got.Version != 1 || got.Info.Status != statusPendingInstall || !got.Info.FirstDeployed.Time.Equal(at) ||
		string(got.Chart.Templates[0].Data) != "a: b" || got.Hooks[0].Weight != 3 || got.Config["x"] != "y" || string(got.Chart.Schema) != "{}" {
		t.Errorf("read %+v", got)
	}
}
