package nodes

import (
	"context"
	"fmt"
	"log"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// workers is how many Pods are moved at once.
const workers = 8

// pods moves the Pods of all nodes through their lives.
type pods struct {
	client kubernetes.Interface
	delays delays
	queue  workqueue.TypedRateLimitingInterface[string]
	store  cache.Store
	ips    addresses

	mu    sync.Mutex              // guards since
	since map[types.UID]time.Time // when a Pod was first seen on its node
}

func newPods(client kubernetes.Interface, d delays) *pods {
	limit := workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 5*time.Second)
	return &pods{
		client: client,
		delays: d,
		queue:  workqueue.NewTypedRateLimitingQueue(limit),
		since:  map[types.UID]time.Time{},
	}
}

// run watches the Pods that are bound to a node and moves them until ctx ends.
func (p *pods) run(ctx context.Context) error {
	bound := fields.OneTermNotEqualSelector("spec.nodeName", "")
	source := cache.NewListWatchFromClient(p.client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll, bound)
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source,
		ObjectType:    &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    p.enqueue,
			UpdateFunc: func(_, after any) { p.enqueue(after) },
			DeleteFunc: p.forget,
		},
		Transform: withoutManagedFields,
	})
	p.store = store
	for range workers {
		go func() {
			for p.next(ctx) {
			}
		}()
	}
	informer.RunWithContext(ctx)
	p.queue.ShutDown()
	return nil
}

// withoutManagedFields saves memory. An update that lacks them leaves them be.
func withoutManagedFields(obj any) (any, error) {
	if pod, ok := obj.(*corev1.Pod); ok {
		pod.ManagedFields = nil
	}
	return obj, nil
}

func (p *pods) enqueue(obj any) {
	if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
		p.queue.Add(key)
	}
}

func (p *pods) forget(obj any) {
	if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = unknown.Obj
	}
	if pod, ok := obj.(*corev1.Pod); ok {
		p.mu.Lock()
		delete(p.since, pod.UID)
		p.mu.Unlock()
	}
}

// next moves one Pod and tells whether there may be more.
func (p *pods) next(ctx context.Context) bool {
	key, stopped := p.queue.Get()
	if stopped {
		return false
	}
	defer p.queue.Done(key)
	again, err := p.move(ctx, key)
	switch {
	case err == nil || apierrors.IsNotFound(err):
		p.queue.Forget(key)
	case apierrors.IsConflict(err):
		p.queue.AddRateLimited(key)
	default:
		log.Printf("%s: %v", key, err)
		p.queue.AddRateLimited(key)
	}
	if again > 0 {
		p.queue.AddAfter(key, again)
	}
	return true
}

// move brings one Pod to the phase it belongs in and returns when to look at
// it again.
func (p *pods) move(ctx context.Context, key string) (time.Duration, error) {
	obj, found, err := p.store.GetByKey(key)
	if err != nil || !found {
		return 0, err
	}
	pod := obj.(*corev1.Pod)
	if pod.DeletionTimestamp != nil {
		return 0, p.remove(ctx, pod)
	}
	to, again := decide(pod, p.age(pod), p.delays)
	if to == pending {
		return again, nil // it is pending as the API server made it
	}
	if err := p.write(ctx, pod, to); err != nil {
		return 0, fmt.Errorf("update status: %w", err)
	}
	return again, nil
}

// remove ends a terminating Pod. One that is held by a finalizer is reported
// as failed first: the Job controller lets go only of Pods that have finished.
func (p *pods) remove(ctx context.Context, pod *corev1.Pod) error {
	over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if len(pod.Finalizers) > 0 && !over {
		if err := p.write(ctx, pod, failed); err != nil {
			return fmt.Errorf("report the end: %w", err)
		}
	}
	if *pod.DeletionGracePeriodSeconds == 0 {
		return nil // deleted already, finalizers remain
	}
	options := *metav1.NewDeleteOptions(0)
	options.Preconditions = metav1.NewUIDPreconditions(string(pod.UID))
	return p.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options)
}

// write saves the status that goes with a phase, if it is not there yet.
func (p *pods) write(ctx context.Context, pod *corev1.Pod, to phase) error {
	want := status(pod, to, p.ips.of(pod), metav1.Now())
	if equality.Semantic.DeepEqual(want, pod.Status) {
		return nil
	}
	pod = pod.DeepCopy()
	pod.Status = want
	_, err := p.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

// age is how long pod has been on its node. It is remembered here because the
// times in a Pod are whole seconds.
func (p *pods) age(pod *corev1.Pod) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	since, known := p.since[pod.UID]
	if !known {
		since = time.Now()
		if pod.Status.StartTime != nil { // of an earlier run of this program
			since = pod.Status.StartTime.Time
		}
		p.since[pod.UID] = since
	}
	return time.Since(since)
}
