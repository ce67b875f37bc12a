package decrypt

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/render"
)

// Edit returns the edit that decrypts objects. One that carries marker as an
// annotation with the value "disabled", in any case, is left alone.
//
// A whole object that is encrypted is decrypted without looking at its MAC, which the
// build has made worthless by adding labels, say. The entries of a Secret are files as
// SOPS wrote them.
func (d *Decrypter) Edit(marker string) render.Edit {
	return func(ctx context.Context, document []byte) ([]byte, error) {
		out, err := d.edit(ctx, document, marker)
		if err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("decryption failed for %s: %w", render.Name(document), err)
		}
		return out, err
	}
}

// head is what has to be known of an object.
type head struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name        string         `json:"name"`
		Namespace   string         `json:"namespace"`
		Annotations map[string]any `json:"annotations"`
	} `json:"metadata"`
	SOPS json.RawMessage `json:"sops"`
	Data json.RawMessage `json:"data"`
}

// encrypted says whether the object has the metadata of SOPS with a MAC in it.
func (h *head) encrypted() bool {
	var m struct {
		MAC any `json:"mac"`
	}
	return len(h.SOPS) > 0 && json.Unmarshal(h.SOPS, &m) == nil && m.MAC != nil && m.MAC != ""
}

func (d *Decrypter) edit(ctx context.Context, document []byte, marker string) ([]byte, error) {
	var h head
	if err := json.Unmarshal(document, &h); err != nil {
		return nil, render.ErrNoObject
	}
	if text, _ := h.Metadata.Annotations[marker].(string); strings.EqualFold(text, "disabled") {
		return document, nil
	}
	name := h.Metadata.Namespace + "/" + h.Metadata.Name
	switch {
	case h.encrypted():
		out, err := d.object(ctx, document)
		if err != nil {
			return nil, fmt.Errorf("failed to decrypt and format '%s' %s data: %w", name, h.Kind, err)
		}
		return out, nil
	case h.Kind == "Secret" && len(h.Data) > 0:
		return d.entries(ctx, document, h.Data, name)
	}
	return document, nil
}

// object decrypts a whole object.
func (d *Decrypter) object(ctx context.Context, document []byte) (out []byte, err error) {
	defer func() {
		if recover() != nil {
			out, err = nil, errors.New("failed to emit encrypted JSON file as decrypted JSON")
		}
	}()
	e, err := d.tree(ctx, document, asJSON, false)
	if err != nil {
		return nil, err
	}
	return compactJSON(e.branches[0])
}

// entries decrypts those entries of a Secret that are encrypted files.
func (d *Decrypter) entries(ctx context.Context, document, data []byte, name string) ([]byte, error) {
	var values map[string]any
	if json.Unmarshal(data, &values) != nil {
		return document, nil //nolint:nilerr // the API server explains it better
	}
	changed := false
	for _, key := range slices.Sorted(maps.Keys(values)) {
		text, _ := values[key].(string)
		content, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			continue // as above
		}
		in, found := detect(content)
		if !found {
			continue
		}
		if len(content) > maxFile {
			return nil, tooLarge(int64(len(content)))
		}
		plain, err := d.file(ctx, content, in, formatOf(key), true)
		if err != nil {
			return nil, fmt.Errorf("failed to decrypt and format '%s' Secret field '%s': %w", name, key, err)
		}
		values[key], changed = base64.StdEncoding.EncodeToString(plain), true
	}
	if !changed {
		return document, nil
	}
	return withData(document, values)
}

// withData returns a document with other data.
func withData(document []byte, values map[string]any) ([]byte, error) {
	var obj map[string]any
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&obj); err != nil {
		return nil, render.ErrNoObject
	}
	obj["data"] = values
	out, err := json.Marshal(obj)
	if err != nil {
		return nil, render.ErrNoObject
	}
	return out, nil
}
