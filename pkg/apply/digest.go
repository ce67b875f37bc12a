package apply

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hasher digests JSON values to 64 bits. The seed is random per process: a digest
// never leaves it, nobody can construct two objects that collide, and nobody can
// guess a Secret from one. Maps are summed up, so their order costs no sort.
type hasher struct{ seed maphash.Seed }

func newHasher() hasher { return hasher{maphash.MakeSeed()} }

// Tags keep values of different types apart. Nothing, an empty map and an empty
// list are one value: the API server does not tell them apart either.
const (
	tagEmpty uint64 = 0x9e3779b97f4a7c15 + iota
	tagMap
	tagList
	tagString
	tagNumber
	tagTrue
	tagFalse
	tagAbsent
)

// mix combines two digests; the order matters.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

func (h hasher) text(s string) uint64 { return maphash.String(h.seed, s) }

// value digests v without the parts that skip names.
func (h hasher) value(v any, skip *pointers) uint64 {
	switch v := v.(type) {
	case nil:
		return tagEmpty
	case string:
		return mix(tagString, h.text(v))
	case bool:
		if v {
			return tagTrue
		}
		return tagFalse
	case int64:
		return h.number(float64(v), uint64(v))
	case int:
		return h.number(float64(v), uint64(v))
	case float64:
		return h.number(v, uint64(int64(v)))
	case map[string]any:
		return h.fields(v, skip)
	case []any:
		return h.items(v, skip)
	}
	return mix(tagString, h.text(fmt.Sprint(v)))
}

// number makes 1 and 1.0 equal, and keeps integers beyond 2^53 apart.
func (h hasher) number(f float64, i uint64) uint64 {
	return mix(mix(tagNumber, math.Float64bits(f)), i)
}

func (h hasher) fields(m map[string]any, skip *pointers) uint64 {
	var sum uint64
	n := 0
	for name, v := range m {
		sub, drop := skip.at(name)
		if drop {
			continue
		}
		sum += mix(h.text(name), h.value(v, sub))
		n++
	}
	if n == 0 {
		return tagEmpty
	}
	return mix(tagMap+uint64(n), sum)
}

func (h hasher) items(list []any, skip *pointers) uint64 {
	sum, n := tagList, 0
	for i, v := range list {
		sub, drop := skip.index(i)
		if drop {
			continue
		}
		sum = mix(sum, h.value(v, sub))
		n++
	}
	if n == 0 {
		return tagEmpty
	}
	return sum
}

// content digests what a person would call a change of obj: labels, annotations,
// and everything beside metadata and status. It is what decides whether a dry-run
// would change anything (section 2.9, step 6).
func (h hasher) content(obj *unstructured.Unstructured, skip *pointers) uint64 {
	if skip.whole() {
		return 0
	}
	var sum uint64
	for name, v := range obj.Object {
		switch name {
		case "metadata", "status", "apiVersion", "kind":
			continue
		}
		if sub, drop := skip.at(name); !drop {
			sum += mix(h.text(name), h.value(v, sub))
		}
	}
	metadata, _ := skip.at("metadata")
	for _, name := range [...]string{"labels", "annotations"} {
		if sub, drop := metadata.at(name); !drop {
			sum += mix(h.text(name)+1, h.value(field(obj, "metadata", name), sub))
		}
	}
	return sum
}
