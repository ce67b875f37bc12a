package apply

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// step is one desired object on its way through a pass.
type step struct {
	obj   *unstructured.Unstructured
	entry Entry
	stage int
	marks flags     // on the desired object
	want  uint64    // digest of the desired object and of what is ignored in it
	skip  *pointers // what is ignored in it

	served served // zero while the kind is not served
	src    *source
	key    key
	old    bool // the last inventory has it

	// What is known of the live object. Without known, only that nobody looked.
	known, here bool
	rec         record
	left        left

	verdict verdict
}

// serve notes how the kind is served, and takes away a namespace that a
// cluster-scoped object cannot have.
func (s *step) serve(v served) {
	s.served = v
	s.key = v.place(s.entry.Namespace, s.entry.Name)
	s.entry.Namespace = s.key.namespace
}

// pending says that Apply has to do something about the object.
func (s *step) pending() bool { return s.verdict == compare || s.verdict == write }

// unread says that the live object has to be read, because there is one to be
// expected and no record that can be trusted.
func (s *step) unread(by author) bool {
	if s.src == nil {
		return false
	}
	mine := s.left.author == by
	return !s.known && (s.old || mine) || s.known && s.here && s.rec.flags&stale != 0
}

// verdict is what is to be done about one object.
type verdict uint8

const (
	// leave: it is as we left it, at no request.
	leave verdict = iota
	// hold: a mark tells us to keep our hands off it.
	hold
	// compare: a dry-run tells whether it has to be written.
	compare
	// write: it is known to differ from what is wanted.
	write
)

// facts is what a verdict is made of.
type facts struct {
	desired flags // marks on the desired object
	known   bool  // the rest holds
	here    bool  // the object exists
	live    flags // marks and state of the live object
	mine    bool  // it carries our labels, and we remember how we left it
	same    bool  // what is wanted is what was sent
	intact  bool  // what we own is as we left it
	bare    bool  // we own nothing of it: somebody has cleared its managed fields
	ignores bool  // some of its fields are ignored
	resync  bool  // memory does not count
	repair  bool  // what is not to be repaired is left alone
	client  bool  // the client merges, and takes nothing over
}

func (s *step) facts(by author, r Request) facts {
	return facts{
		desired: s.marks, known: s.known, here: s.here, live: s.rec.flags, resync: r.Resync, repair: r.Repair, client: r.Client != nil,
		mine:    s.left.author == by && s.rec.owner == by.owner && s.left.want != 0,
		same:    s.left.want == s.want,
		intact:  s.left.owned == s.rec.owned,
		bare:    s.rec.owned == 0,
		ignores: s.skip != nil,
	}
}

// decide is the heart of the plan. Section 1.4 for the marks, 2.9 for the rest.
func decide(f facts) verdict {
	exists := f.known && f.here
	off := hands
	if f.repair {
		off |= markNoRepair
	}
	if (f.desired&off) != 0 || exists && f.live&off != 0 {
		return hold
	}
	if exists && f.desired&markIfNotPresent != 0 {
		return hold
	}
	if !exists || !f.mine || f.resync {
		return compare
	}
	cleanup := !f.client && f.live&foreign != 0 && (f.desired|f.live)&markMerge == 0
	if f.same && f.intact && !cleanup {
		return leave
	}
	if cleanup || f.ignores || f.bare {
		return compare
	}
	return write
}
