package preview

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// session is one preview under way.
type session struct {
	*Previews
	request  Request
	world    World
	configs  *configs
	registry *reconcilers.Registry
	free     func()

	// pinned is the source whose content the request names; zero if it names none.
	pinned   reconcilers.Ref
	contents map[string]reconcilers.Content
	releases []func()
	held     int64 // bytes of the contents

	queue    []item
	seen     map[reconcilers.Ref]bool
	expected forecast.Expected
	report   Report
	told     int // objects in the report
}

// item is one object to look into, as it would be and as it is.
type item struct {
	obj, before api.Object
	ref         reconcilers.Ref
	deleted     bool
}

// begin reads the object and prepares the world.
func (p *Previews) begin(ctx context.Context, r Request) (*session, error) {
	store, err := artifacts.New(artifacts.Options{Budget: p.cfg.Budget})
	if err != nil {
		return nil, err
	}
	s := &session{
		Previews: p, request: r, configs: newConfigs(p.cfg.Configs),
		contents: map[string]reconcilers.Content{}, seen: map[reconcilers.Ref]bool{},
	}
	s.world = World{Store: store, Objects: newObjects(ctx, p.cfg.Live), Configs: s.configs}
	plugins, free := p.cfg.Plugins(s.world)
	s.free = free
	if s.registry, err = reconcilers.NewRegistry(plugins...); err != nil {
		s.end()
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// enter puts the object of the request into the queue.
func (s *session) enter(ctx context.Context) error {
	r := s.request
	plugin, ok := s.registry.Plugin(r.Kind)
	if !ok || !plugin.Previews() {
		return fmt.Errorf("%w: there are no previews of %s", ErrRequest, r.Kind.Kind)
	}
	ref := refOf(r)
	if r.Policy != nil {
		if err := r.Policy.Owner(ctx, ref); err != nil {
			return err
		}
	}
	obj, err := s.read(ctx, r)
	if err != nil {
		return err
	}
	s.add(item{obj: obj, ref: ref, deleted: obj.GetDeletionTimestamp() != nil})
	return nil
}

func refOf(r Request) reconcilers.Ref { return reconcilers.NewRef(r.Kind, r.Namespace, r.Name) }

func (s *session) add(i item) {
	if s.seen[i.ref] {
		return
	}
	s.seen[i.ref] = true
	s.queue = append(s.queue, i)
}

// end frees what the preview held.
func (s *session) end() {
	for _, release := range s.releases {
		release()
	}
	if s.free != nil {
		s.free()
	}
	s.world.Store.Close()
}

// run looks into one object after the other: what a later one reads may be what an
// earlier one would change.
func (s *session) run(ctx context.Context) (*Report, error) {
	for len(s.queue) > 0 {
		next := s.queue[0]
		s.queue = s.queue[1:]
		if len(s.report.Results) == s.cfg.Owners {
			s.report.Truncated = fmt.Sprintf("only the first %d objects that apply others are looked into", s.cfg.Owners)
			break
		}
		if s.told >= s.cfg.Objects {
			s.report.Truncated = fmt.Sprintf("more than %d objects are told of, and the rest is not looked into", s.cfg.Objects)
			break
		}
		o, err := s.look(ctx, next)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && len(s.report.Results) == 0 && errors.Is(err, ErrDenied) {
			return nil, err
		}
		if err != nil {
			o.Error = err.Error()
		}
		s.told += len(o.Objects)
		objects := o.Objects
		o.Objects = slices.Clone(objects) // what is told is less
		s.withhold(ctx, &o)
		s.report.Results = append(s.report.Results, o)
		if !o.Remote { // another cluster has nothing to do with ours
			s.follow(objects)
		}
	}
	return &s.report, nil
}

// look asks the plugin of an object what it would do.
func (s *session) look(ctx context.Context, i item) (forecast.Owner, error) {
	o := forecast.Owner{Kind: i.ref.Kind, Namespace: i.ref.Namespace, Name: i.ref.Name}
	if s.request.Policy != nil {
		if err := s.request.Policy.Owner(ctx, i.ref); err != nil {
			return o, err
		}
	}
	plugin, _ := s.registry.Plugin(i.ref.GroupKind)
	return plugin.Preview(ctx, i.obj, reconcilers.Question{
		Deleted: i.deleted, Before: i.before, Present: present, Expected: &s.expected,
		Source: func(ctx context.Context, source reconcilers.Ref, applied string) (reconcilers.Content, *reconcilers.Content, error) {
			return s.source(ctx, i.ref, source, applied)
		},
	})
}

// follow takes in what would become of objects, for those that are looked into later,
// and finds these.
func (s *session) follow(objects []forecast.Object) {
	s.expected.Add(objects)
	for _, obj := range objects {
		s.configs.take(obj)
		if obj.Result == nil || obj.Action == forecast.Failed || !isOurs(obj.GroupKind()) {
			continue
		}
		typed, err := s.cfg.Live.Typed(obj.Result)
		if err != nil {
			s.report.Results = append(s.report.Results, forecast.Owner{
				Kind: obj.Kind, Namespace: obj.Namespace, Name: obj.Name, Error: err.Error(),
			})
			continue
		}
		ref := reconcilers.NewRef(obj.GroupKind(), obj.Namespace, obj.Name)
		next := item{ref: ref, deleted: obj.Action == forecast.Deleted}
		if plugin, ok := s.registry.Plugin(ref.GroupKind); ok && plugin.Previews() && s.request.Recursive {
			before, _ := s.world.Objects.find(ref)
			next.before, _ = before.(api.Object)
			next.obj, _ = typed.(api.Object)
			s.add(next)
		}
		if !next.deleted {
			s.world.Objects.put(ref.GroupKind, typed)
		}
	}
}

// isOurs says whether a kind is one of fluxd.
func isOurs(gk schema.GroupKind) bool {
	return slices.ContainsFunc(api.Resources(), func(r api.Resource) bool { return r.Kind.GroupKind() == gk })
}
