package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// meter measures what something costs from a moment on: the subject, and the API
// server that it keeps busy.
type meter struct {
	*bench
	began          time.Time
	subject, serve time.Duration // CPU at the beginning
}

// cost is what a meter has measured.
type cost struct {
	counts         controlplane.Counts
	subject, serve time.Duration // CPU
	peak           int64         // bytes of memory, ever
}

// measure begins to measure. The time that things take counts from here.
func (b *bench) measure() (*meter, error) {
	u, err := b.subject.Usage()
	if err != nil {
		return nil, err
	}
	serve, err := b.serving()
	if err != nil {
		return nil, err
	}
	if _, err := b.cluster.MarkAudit(); err != nil {
		return nil, err
	}
	return &meter{bench: b, subject: u.CPU, serve: serve, began: time.Now()}, nil
}

// serving is the CPU time that the API server and its database have taken.
func (b *bench) serving() (time.Duration, error) {
	var pids []int
	for name, pid := range b.cluster.PIDs() {
		if name == "kube-apiserver" || name == "etcd" {
			pids = append(pids, pid)
		}
	}
	u, err := harness.UsageOf(pids...)
	return u.CPU, err
}

// took is the time since the beginning.
func (m *meter) took() time.Duration { return time.Since(m.began) }

// end returns the costs once the subject has come to rest: what is put off, such as
// events, is in them.
func (m *meter) end(ctx context.Context) (cost, error) {
	counts, err := m.requests(ctx)
	if err != nil {
		return cost{}, err
	}
	u, err := m.bench.subject.Usage()
	if err != nil {
		return cost{}, err
	}
	serve, err := m.serving()
	return cost{counts: counts, subject: u.CPU - m.subject, serve: serve - m.serve, peak: u.Peak}, err
}

// rows adds the costs to the table. Each is what the requests are counted for, of
// which there are n.
func (c cost) rows(t *table, title, share, each string, n int, requests string) {
	t.compare(title+": CPU", share, c.subject.Seconds(), "%s", c.subject)
	t.compare(title+": CPU of the API server and etcd", "", c.serve.Seconds(), "%s", c.serve)
	t.compare(title+": peak resident memory", "90 MiB", float64(c.peak), "%s", mib(c.peak))
	t.compare(title+": API requests for each "+each, requests, float64(c.counts.Total()), "%.1f, of them %.1f writes",
		float64(c.counts.Total())/float64(n), float64(c.counts.Writes())/float64(n))
}

const (
	// calm is how long the subject must have asked nothing to be at rest.
	calm = 3 * time.Second
	// restless is how long it may take until it is.
	restless = time.Minute
)

// alone leaves the subject alone for some time once it is at rest and begin, which may
// be nil, has been called. It returns the CPU time that this took, what the subject uses
// afterwards, and what it has asked of the API server.
func (b *bench) alone(ctx context.Context, long time.Duration, begin func()) (cpu time.Duration, after harness.Usage, counts controlplane.Counts, err error) {
	before, err := b.settled(ctx)
	if err != nil {
		return 0, after, nil, err
	}
	if _, err := b.cluster.MarkAudit(); err != nil {
		return 0, after, nil, err
	}
	if begin != nil {
		begin()
	}
	if err := pause(ctx, long); err != nil {
		return 0, after, nil, err
	}
	if after, err = b.subject.Usage(); err != nil {
		return 0, after, nil, err
	}
	counts, err = b.requests(ctx)
	return after.CPU - before.CPU, after, counts, err
}

// requests returns what the subject has asked of the API server since the mark,
// without watches and the renewal of Leases, once it is at rest.
func (b *bench) requests(ctx context.Context) (controlplane.Counts, error) {
	var counts controlplane.Counts
	for began, total, since := time.Now(), -1, time.Now(); time.Since(since) < calm; {
		if time.Since(began) > restless {
			return nil, errors.New("the requests do not end")
		}
		var err error
		if counts, err = b.asked(); err != nil {
			return nil, err
		}
		if now := counts.Total(); now != total {
			total, since = now, time.Now()
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if b.verbose {
		fmt.Fprint(os.Stderr, counts)
	}
	return counts, nil
}

// asked counts the requests since the mark so far.
func (b *bench) asked() (controlplane.Counts, error) {
	counts, err := b.cluster.AuditCounts(controlplane.FluxdUser)
	maps.DeleteFunc(counts, func(r controlplane.Request, _ int) bool { return r.Verb == "watch" || r.Resource == "leases" })
	return counts, err
}
