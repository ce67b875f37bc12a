package kube

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// minFollowPause and maxFollowPause bound how long after a failure the watch is
	// tried again.
	minFollowPause = time.Second
	maxFollowPause = time.Minute
)

// errNoVersion says that an API server gave no version to watch from.
var errNoVersion = errors.New("the list of Secrets has no version")

// Start watches for changes once somebody reads, until ctx ends. Nothing is remembered
// after that.
func (s *Secrets) Start(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-s.wanted:
	}
	for pause := minFollowPause; ctx.Err() == nil; {
		began := time.Now()
		_ = s.followUntilFailure(ctx) // meanwhile every read is live, which is all that it means
		s.follow(false)
		if time.Since(began) > maxFollowPause {
			pause = minFollowPause
		}
		Pause(ctx, pause)
		pause = min(2*pause, maxFollowPause)
	}
}

// followUntilFailure watches from now on. The end of a watch, which servers bring about
// every some minutes, is no failure: the next one begins where it ended.
func (s *Secrets) followUntilFailure(ctx context.Context) error {
	list, err := s.changes.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	version := list.GetResourceVersion()
	for first := true; ; first = false {
		if version == "" {
			return errNoVersion
		}
		w, err := s.changes.Watch(ctx, metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true})
		if err != nil {
			return err
		}
		if first {
			s.follow(true)
		}
		began := time.Now()
		if version, err = s.read(w, version); err != nil {
			return err
		}
		if time.Since(began) < minFollowPause {
			return errEnded
		}
	}
}

// errEnded says that a watch ended at once, which it may go on doing.
var errEnded = errors.New("the watch ended at once")

// read forgets what a watch tells of and returns the version that it got to.
func (s *Secrets) read(w watch.Interface, version string) (string, error) {
	defer w.Stop()
	for event := range w.ResultChan() {
		if event.Type == watch.Error {
			return "", apierrors.FromObject(event.Object)
		}
		o := asObject(event.Object)
		if o == nil {
			return "", errNoVersion
		}
		version = o.GetResourceVersion()
		if event.Type != watch.Bookmark {
			s.Changed(o.GetNamespace(), o.GetName())
		}
	}
	return version, nil
}
