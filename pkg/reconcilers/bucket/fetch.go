package bucket

import (
	"context"
	"errors"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// errOther says that a tree is not what a listing says, since the bucket has changed
// meanwhile.
var errOther = errors.New("the bucket changed while it was fetched")

// fetch gets the tree of a listing. Those who see the same share it, if it is what the
// listing says; if not, it is for who has fetched it alone.
func (a *one) fetch(ctx context.Context, source *bucket.Source, l *bucket.Listing) (sources.Snapshot, *bucket.Known, error) {
	var snapshot sources.Snapshot
	var known *bucket.Known
	mine, key := false, "bucket "+a.access+" "+l.Revision()
	tree, err := a.Store.Share(ctx, key, func(ctx context.Context) (_ *artifacts.Tree, err error) {
		mine = true
		snapshot, known, err = a.download(ctx, source, l)
		if err == nil && snapshot.Revision != l.Revision() {
			err = errOther
		}
		return snapshot.Tree, err
	})
	switch {
	case errors.Is(err, errOther) && mine:
		return snapshot, known, nil
	case errors.Is(err, errOther):
		return a.download(ctx, source, l)
	case err != nil:
		return snapshot, known, err
	case !mine:
		snapshot, known = source.Made(tree, l)
	}
	return snapshot, a.memory.same(key, known), nil
}

// download gets what neither the stored tree has nor the one that an unfinished fetch left.
// Where it fails, how far it got is kept for the next attempt, so that a bucket that takes
// longer than the timeout is had in the end.
func (a *one) download(ctx context.Context, source *bucket.Source, l *bucket.Listing) (sources.Snapshot, *bucket.Known, error) {
	before, held := a.memory.of(a.Owner), []bucket.Held{}
	hold := func(owner artifacts.Owner, digest string, known *bucket.Known) func() {
		tree, release, err := a.Store.Open(owner, digest)
		if err != nil {
			return func() {} // it is not there, or has been let go of
		}
		held = append(held, bucket.Held{Tree: tree, Known: known})
		return release
	}
	if a.Stored() {
		defer hold(a.Owner, a.obj.Status.Artifact.Digest, before.tree)()
	}
	if _, ok := a.Store.Newest(partOf(a.Owner)); ok {
		defer hold(partOf(a.Owner), "", before.part)()
	}
	snapshot, known, err := source.Fetch(ctx, a.Store, l, held...)
	if err != nil && snapshot.Tree != nil {
		a.keepPart(snapshot.Tree, known)
	}
	return snapshot, known, err
}

// partOf is under whom an unfinished tree is stored. No object has that name.
func partOf(owner artifacts.Owner) artifacts.Owner {
	owner.Name += "/unfinished"
	return owner
}

// keepPart stores an unfinished tree, if nothing else has to go for it.
func (a *one) keepPart(tree *artifacts.Tree, known *bucket.Known) {
	if use := a.Store.Stats(); use.Used+tree.Size() > use.Budget {
		return
	}
	if _, err := a.Store.Put(partOf(a.Owner), "unfinished", tree, nil); err != nil {
		return // it does not fit after all
	}
	a.memory.learn(a.Owner, func(l *learned) { l.part = known })
}

// dropPart forgets an unfinished tree that is of no use any more.
func (a *one) dropPart() {
	if _, ok := a.Store.Newest(partOf(a.Owner)); ok {
		a.Store.Forget(partOf(a.Owner))
		a.memory.learn(a.Owner, func(l *learned) { l.part = nil })
	}
}

// finish remembers what the stored tree was made of.
func (a *one) finish(known *bucket.Known) {
	a.dropPart()
	a.memory.learn(a.Owner, func(l *learned) { l.tree = known })
}

// region returns that of the bucket: what the spec says, or what was learned.
func (a *one) region() string {
	if before := a.memory.of(a.Owner); a.obj.Spec.Region == "" && before.place == a.place() {
		return before.region
	}
	return a.obj.Spec.Region
}

// learnRegion remembers the region that the store named, which saves a request of every
// attempt.
func (a *one) learnRegion(service bucket.Service) {
	s, ok := service.(interface{ Region() string })
	if !ok || s.Region() == a.region() {
		return
	}
	a.memory.learn(a.Owner, func(l *learned) { l.place, l.region = a.place(), s.Region() })
}
