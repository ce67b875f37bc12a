package releases

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/fluxd/fluxd/test/harness/world"
)

// record returns a release as Helm stores it.
func (r release) record(secret string) map[string]any {
	r.T.Helper()
	text := r.Kubectl("get", "secret", secret, "-o", "jsonpath={.data.release}")
	var decoded map[string]any
	err := func() error {
		outer, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return err
		}
		inner, err := base64.StdEncoding.DecodeString(string(outer))
		if err != nil {
			return err
		}
		plain, err := gzip.NewReader(bytes.NewReader(inner))
		if err != nil {
			return err
		}
		content, err := io.ReadAll(plain)
		if err != nil {
			return err
		}
		return json.Unmarshal(content, &decoded)
	}()
	if err != nil {
		r.T.Fatal(err)
	}
	return decoded
}

// rewrite stores a release as another tool would: without anything that it does not
// know.
func (r release) rewrite(secret string, content map[string]any, status string) {
	r.T.Helper()
	plain, err := json.Marshal(content)
	if err != nil {
		r.T.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		r.T.Fatal(err)
	}
	if err := w.Close(); err != nil {
		r.T.Fatal(err)
	}
	r.Patch(world.Secrets, secret, map[string]any{
		"metadata": map[string]any{"annotations": nil, "labels": map[string]any{"status": status}},
		"data":     map[string]any{"release": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(packed.Bytes())))},
	})
}

// pend leaves a release pending, as a tool that died.
func (r release) pend(secret string) {
	r.T.Helper()
	content := r.record(secret)
	content["info"].(map[string]any)["status"] = "pending-upgrade"
	r.rewrite(secret, content, "pending-upgrade")
}
