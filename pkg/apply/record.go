package apply

import (
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"strings"
	"unique"

	"github.com/fluxd/fluxd/pkg/api"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// record is what is kept of a live object.
type record struct {
	uid     uid
	version version
	owned   uint64 // digest of the fields that our manager owns
	content uint64 // digest of what a person would call the content
	// owner is whose labels the object carries; the zero handle is nobody.
	owner   unique.Handle[Owner]
	message string // why the health is not current
	flags   flags
	health  health
}

// uid is a UID in 16 bytes; zero stands for one that is no UUID, which only
// aggregated API servers may hand out. An object without uid is read before it is
// deleted.
type uid [16]byte

func parseUID(s string) uid {
	var u uid
	if len(s) != 36 {
		return uid{}
	}
	if _, err := hex.Decode(u[:], []byte(strings.ReplaceAll(s, "-", ""))); err != nil || u.text() != types.UID(s) {
		return uid{}
	}
	return u
}

// text returns the UID as the API server writes it.
func (u uid) text() types.UID {
	s := hex.EncodeToString(u[:])
	return types.UID(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:])
}

// version is a resource version. Those of one resource are numbers that grow, which
// Kubernetes promises of all that it serves itself (KEP-5504). Of any other, and of
// numbers of more than 63 bits, only equality is known. No object has version 0.
type version uint64

const unordered version = 1 << 63

func parseVersion(s string) version {
	if _, err := resourceversion.CompareResourceVersion(s, s); err == nil { // well-formed
		if n, err := strconv.ParseUint(s, 10, 63); err == nil {
			return version(n)
		}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return version(h.Sum64()) | unordered
}

// older says that v is known to come before w.
func (v version) older(w version) bool { return v.ordered() && w.ordered() && v < w }

// covers says that v is known to be w or to come after it.
func (v version) covers(w version) bool { return v.ordered() && w.ordered() && w <= v }

func (v version) ordered() bool { return v&unordered == 0 }

// terms are what an owner asks of the records of its objects.
type terms struct {
	ignore *ignoreRules
	rules  *Rules
}

// reducer turns live objects into records.
type reducer struct {
	hash     hasher
	manager  string
	labels   Labels
	prefix   string
	takeover takeover
	driftKey string
	updates  bool // what the manager wrote by other means than apply is owned, too
}

// reduce returns the record of obj. termsOf tells what its owner asks for. It
// keeps nothing of obj.
func (r *reducer) reduce(obj *unstructured.Unstructured, termsOf func(unique.Handle[Owner]) terms) record {
	rec := record{
		uid:     parseUID(text(obj, "metadata", "uid")),
		version: parseVersion(text(obj, "metadata", "resourceVersion")),
		owner:   r.ownerOf(obj),
		flags:   r.marks(obj),
	}
	t := termsOf(rec.owner)
	skip := t.ignore.pointers(obj)
	rec.owned = r.hash.owned(obj, r.manager, r.updates, skip)
	rec.content = r.hash.content(obj, skip)
	rec.health, rec.message = judge(obj, t.rules)
	if text(obj, "metadata", "deletionTimestamp") != "" {
		rec.flags |= deleting
	}
	if r.takeover.needed(obj) {
		rec.flags |= foreign
	}
	if field(obj, "spec", "ttlSecondsAfterFinished") != nil && obj.GetKind() == "Job" {
		rec.flags |= expires
	}
	if rec.health != current && obj.GetKind() == "Pod" && text(obj, "status", "phase") == "Pending" {
		rec.flags |= timed
	}
	return rec
}

// marks returns the marks on obj.
func (r *reducer) marks(obj *unstructured.Unstructured) flags {
	f := marksOf(obj, r.prefix)
	if r.driftKey == "" {
		return f
	}
	for _, where := range [...]string{"annotations", "labels"} {
		if strings.EqualFold(text(obj, "metadata", where, r.driftKey), api.ValueDisabled) {
			f |= markNoRepair
		}
	}
	return f
}

// ownerOf reads the ownership labels of obj.
func (r *reducer) ownerOf(obj *unstructured.Unstructured) unique.Handle[Owner] {
	o := Owner{
		Namespace: text(obj, "metadata", "labels", r.labels.Namespace),
		Name:      text(obj, "metadata", "labels", r.labels.Name),
	}
	if o.Name == "" {
		return unique.Handle[Owner]{}
	}
	return unique.Make(o)
}
