package kube

import (
	"context"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Pauses between two tries to begin a first watch.
const (
	firstPatience   = time.Second
	slowestPatience = 15 * time.Second
)

// patiently begins a watch. One that begins with a list is tried again here as long as the
// API server refuses connections or is too busy: a reflector would wait for up to a minute
// by itself, and not hear meanwhile that the process is to end.
func patiently(ctx context.Context, o metav1.ListOptions, begin func() (watch.Interface, error)) (watch.Interface, error) {
	if o.SendInitialEvents == nil || !*o.SendInitialEvents {
		return begin()
	}
	for pause := firstPatience; ; pause = min(2*pause, slowestPatience) {
		w, err := begin()
		if !utilnet.IsConnectionRefused(err) && !apierrors.IsTooManyRequests(err) {
			return w, err
		}
		if !Pause(ctx, pause+rand.N(pause/2)) {
			return nil, ctx.Err()
		}
	}
}

// quietly has an informer say nothing of watches that end because the process does.
func quietly(informer cache.SharedInformer) {
	_ = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, r *cache.Reflector, err error) {
		if ctx.Err() == nil {
			cache.DefaultWatchErrorHandler(ctx, r, err)
		}
	}) // fails only once started
}
