package main

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/explain"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// insight is what the running process knows of objects, and the cluster of all others.
type insight struct {
	explain.Cluster
	daemon *daemon
}

// Object implements [explain.World]. Our kinds are as the process sees them.
func (i insight) Object(ctx context.Context, ref reconcilers.Ref) (obj *unstructured.Unstructured, foreign bool, err error) {
	if _, ours := explain.OwnKind(ref.Kind + "." + ref.Group); !ours {
		obj, foreign, err = i.Cluster.Object(ctx, ref)
		if errors.Is(err, door.ErrDenied) {
			err = errors.New("fluxd may not read it") // whoever asks, may
		}
		return obj, foreign, err
	}
	switch stored := i.daemon.cache.Stored(ref.GroupKind, ref.Namespace, ref.Name).(type) {
	case *kube.Undecodable:
		return nil, false, fmt.Errorf("it does not fit its type: %w", stored.Err)
	case api.Object:
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(stored)
		return &unstructured.Unstructured{Object: fields}, false, err
	}
	obj, _, err = i.Cluster.Object(ctx, ref)
	return obj, obj != nil, err
}

// State implements [explain.World].
func (i insight) State(ref reconcilers.Ref) (explain.State, bool) {
	s, ok := i.daemon.engine.State(ref)
	return explain.State(s), ok
}

// Artifact implements [explain.World].
func (i insight) Artifact(ref reconcilers.Ref, digest string) explain.Bytes {
	if i.daemon.parts.store.Has(artifacts.Owner{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}, digest) {
		return explain.BytesInMemory
	}
	return explain.BytesCold
}

// explanations returns what explains objects to callers of the API.
func (d *daemon) explanations() *explain.Handler {
	return explain.NewHandler(explain.Config{
		World:       insight{explain.Cluster{Dynamic: d.clients.Dynamic, Mapper: d.clients.Mapper}, d},
		ConfigLabel: d.options.configSelector, NoConfigs: d.options.gates["DisableConfigWatchers"],
	}, d.working.Load)
}
