package helm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/strvals"
	"sigs.k8s.io/yaml"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// ReadObject returns the entries of a Secret or ConfigMap in the namespace of the
// release. [ErrNoObject] says that there is none.
type ReadObject func(ctx context.Context, kind, name string) (map[string][]byte, error)

// What a reference to values can lack.
var (
	// ErrNoObject says that there is no object of that name.
	ErrNoObject = errors.New("resource not found")
	// ErrNoKey says that the object has no such entry.
	ErrNoKey = errors.New("key not found")
)

// Sources are what the values of a release are composed of.
type Sources struct {
	// Files come before everything else, see [ValuesFiles.Read]. The caller gives
	// them away.
	Files map[string]any
	// Namespace is that of the release object, for messages.
	Namespace string
	// References are spec.valuesFrom.
	References []v2.ValuesReference
	// Inline is spec.values, which the caller gives away: a reference with a target
	// path may write into it. That it does so is what lets the reference win.
	Inline map[string]any
}

// Compose returns the values of a release, and a message for each optional reference
// that was skipped. Each object is read once. An error of read other than [ErrNoObject]
// is returned as it is; others wrap [ErrValues].
//
// Maps are merged by key and everything else is replaced; later references win, and the
// inline values over them. A map is copied only where both sides have one, so what was
// merged from one side alone is shared with it: a reference with a target path, which
// writes into the result of the inline values so far, mostly writes into the inline
// values with it, and so survives that they are merged once more in the end. Where an
// earlier reference has a map of that name it does not.
func Compose(ctx context.Context, s Sources, read ReadObject) (values map[string]any, skipped []string, err error) {
	c := composer{namespace: s.Namespace, read: read, objects: make(map[string]map[string][]byte)}
	result := merge(nil, s.Files)
	for _, ref := range s.References {
		data, err := c.entry(ctx, ref)
		switch {
		case errors.Is(err, errSkip):
			continue
		case err != nil:
			return nil, nil, err
		case ref.TargetPath != "":
			result = merge(result, s.Inline)
			err = set(result, ref, string(data))
		default:
			var parsed map[string]any
			err = yaml.Unmarshal(data, &parsed)
			result = merge(result, parsed)
		}
		if err != nil {
			return nil, nil, c.refused(ref, err)
		}
	}
	return merge(result, s.Inline), c.skipped, nil
}

// merge returns a with b over it. Neither changes, but the result shares what only one
// of them has.
func merge(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a)+len(b))
	for key, value := range a {
		out[key] = value
	}
	for key, value := range b {
		over, isMap := value.(map[string]any)
		under, wasMap := out[key].(map[string]any)
		if isMap && wasMap {
			value = merge(under, over)
		}
		out[key] = value
	}
	return out
}

// literal keeps what has a meaning in the notation of --set from having it.
var literal = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`)

// set sets one value in the notation of --set. A quoted text loses all quotes at its ends
// and stays a text.
func set(values map[string]any, ref v2.ValuesReference, text string) error {
	if ref.Literal {
		return strvals.ParseIntoString(ref.TargetPath+"="+literal.Replace(text), values)
	}
	for _, quote := range []string{"'", `"`} {
		if strings.HasPrefix(text, quote) && strings.HasSuffix(text, quote) {
			return strvals.ParseIntoString(ref.TargetPath+"="+strings.Trim(text, `'"`), values)
		}
	}
	return strvals.ParseInto(ref.TargetPath+"="+text, values)
}

// errSkip says that an optional reference leads nowhere.
var errSkip = errors.New("skip")

// composer reads the objects of one composition.
type composer struct {
	namespace string
	read      ReadObject
	objects   map[string]map[string][]byte // nil for those that do not exist
	skipped   []string
}

// entry returns what a reference names.
func (c *composer) entry(ctx context.Context, ref v2.ValuesReference) ([]byte, error) {
	name := ref.Kind + "/" + ref.Name
	object, known := c.objects[name]
	if !known {
		found, err := c.read(ctx, ref.Kind, ref.Name)
		if err != nil && !errors.Is(err, ErrNoObject) {
			return nil, err
		}
		if err == nil && found == nil {
			found = map[string][]byte{}
		}
		object, c.objects[name] = found, found
	}
	data, ok := object[ref.GetValuesKey()]
	switch {
	case object == nil:
		return nil, c.missing(ref, ErrNoObject)
	case !ok:
		return nil, c.missing(ref, ErrNoKey)
	}
	return data, nil
}

// missing returns the error of a reference that leads nowhere, and errSkip for one that
// may.
func (c *composer) missing(ref v2.ValuesReference, why error) error {
	err := c.refused(ref, why)
	if !ref.Optional {
		return err
	}
	c.skipped = append(c.skipped, err.Error())
	return errSkip
}

// refused says which reference an error is about.
func (c *composer) refused(ref v2.ValuesReference, err error) error {
	optional := ""
	if ref.Optional {
		optional = " optional"
	}
	return &reference{
		text: fmt.Sprintf("could not resolve%s %s chart values reference '%s/%s' with key '%s': %s",
			optional, ref.Kind, c.namespace, ref.Name, ref.GetValuesKey(), clip(err.Error())),
		cause: err,
	}
}

// reference is an error about a reference.
type reference struct {
	text  string
	cause error
}

func (e *reference) Error() string { return e.text }

func (e *reference) Unwrap() []error { return []error{ErrValues, e.cause} }
