package main

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/engine"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/kube"
)

const (
	// journalQueue, recorderQueue and notifierQueue are how many facts may wait for
	// each.
	journalQueue  = 1024
	recorderQueue = 1024
	notifierQueue = 1024
)

// observer hands what the engine does to the metrics, and has memory given back
// afterwards.
type observer struct {
	metrics *events.Metrics
	thrift  *thrift
}

// Reconciled implements [engine.Observer].
func (o observer) Reconciled(key engine.Key, took time.Duration, ready metav1.ConditionStatus) {
	o.metrics.Reconciled(key.Kind, key.Namespace, key.Name, took, ready)
	o.thrift.worked()
}

// Forgotten implements [engine.Observer].
func (o observer) Forgotten(key engine.Key) { o.metrics.Forgotten(key.Kind, key.Namespace, key.Name) }

// Working implements [engine.Observer].
func (o observer) Working(kind schema.GroupKind, more int) { o.metrics.Working(kind.Kind, more) }

// LostWakeup implements [engine.Observer].
func (o observer) LostWakeup(engine.Key) { o.metrics.LostWakeup() }

// observeFacts connects the observers to the bus.
func (d *daemon) observeFacts() error {
	ctx, instance := context.Background(), identity()
	d.bus.Observe(ctx, "journal", journalQueue, events.NewJournal(d.log.WithName("journal")).Handle)
	if d.options.recordEvents {
		writer, err := kube.NewEventWriter(d.clients)
		if err != nil {
			return err
		}
		recorder := events.NewRecorder(writer, instance, d.log.WithName("events"))
		pace := events.NewPace(func() bool { return d.engine.Busy() })
		d.bus.ObservePaced(ctx, "recorder", recorderQueue, pace, recorder.Handle)
	}
	if address := d.options.eventsAddr; address != "" {
		notifier := events.NewNotifier(address, instance, d.log.WithName("notifications"))
		d.bus.Observe(ctx, "notifier", notifierQueue, notifier.Handle)
	}
	d.server.metrics.Bus(d.bus)
	return nil
}
