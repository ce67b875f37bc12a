package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// meter measures what something costs from a moment on: the subject, the network, and
// the API server that it keeps busy.
type meter struct {
	*bench
	began        time.Time
	cpu, serving time.Duration // CPU at the beginning
	fetched, api int64         // bytes at the beginning
}

// cost is what a meter has measured.
type cost struct {
	asked
	restless     bool          // the requests had not come to an end
	cpu, serving time.Duration // of the subject, and of the API server and etcd
	after        harness.Usage // at the end
	fetched, api int64         // bytes from the sources, and to and from the API server
}

// asked are the requests of the subject to the API server, without watches and the
// renewal of Leases.
type asked struct {
	controlplane.Counts
	dryRuns int       // of the writes
	last    time.Time // when the last was answered
}

func (a asked) reads() int  { return a.Total() - a.Counts.Writes() }
func (a asked) writes() int { return a.Counts.Writes() - a.dryRuns }

// measure begins to measure. The time that things take counts from here. Without a
// subject, it is that of one that is about to be started.
func (b *bench) measure() (*meter, error) {
	m := &meter{bench: b, fetched: b.fetched(), api: b.apiTraffic()}
	if b.subject != nil {
		if err := b.subject.ForgetPeak(); err != nil {
			return nil, err
		}
		u, err := b.subject.Usage()
		if err != nil {
			return nil, err
		}
		m.cpu = u.CPU
	}
	var err error
	if m.serving, err = b.serving(); err != nil {
		return nil, err
	}
	if b.mark, err = b.cluster.MarkAudit(); err != nil {
		return nil, err
	}
	m.began = time.Now()
	return m, nil
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

const (
	// calm is how long the subject must have asked nothing to be at rest.
	calm = 3 * time.Second
	// restless is how long it may take until it is.
	restless = time.Minute
)

// end returns the costs once the subject has come to rest: what is put off, such as
// events, is in them.
func (m *meter) end(ctx context.Context) (cost, error) {
	still, err := m.rested(ctx, calm, restless)
	if err != nil {
		return cost{}, err
	}
	c, err := m.now()
	c.restless = !still
	return c, err
}

// now returns the costs so far.
func (m *meter) now() (cost, error) {
	u, err := m.subject.Usage()
	if err != nil {
		return cost{}, err
	}
	serving, err := m.bench.serving()
	if err != nil {
		return cost{}, err
	}
	a, err := m.asked()
	if err == nil && m.verbose {
		fmt.Fprint(os.Stderr, a.Counts)
	}
	return cost{
		asked: a, cpu: u.CPU - m.cpu, serving: serving - m.serving, after: u,
		fetched: m.bench.fetched() - m.fetched, api: m.apiTraffic() - m.api,
	}, err
}

// goals are those for what all scenarios have in common.
type goals struct{ cpu, memory, writes report.Goal }

// usual are what fluxd was built for, and atRest where nothing is to be changed. Who
// installs or upgrades writes each object, whoever that is.
var (
	usual  = goals{cpu: report.Part(5), memory: report.Part(4)}
	atRest = goals{cpu: usual.cpu, memory: usual.memory, writes: report.Part(10)}
)

// add adds the costs to the section. They are divided by n, which is how often
// something was done, except for memory.
func (c cost) add(b *bench, n float64, g goals) {
	note := ""
	if c.restless {
		note = fmt.Sprintf("after %s, without an end", restless)
	}
	each := func(total int64) float64 { return float64(total) / n }
	b.add(report.CPU, report.Seconds(time.Duration(each(int64(c.cpu)))), g.cpu)
	b.add(report.Peak, report.Bytes(c.after.Peak), g.memory)
	b.add(report.Reads, report.Count(each(int64(c.reads()))), noGoal, note)
	b.add(report.Writes, report.Count(each(int64(c.writes()))), g.writes, note)
	b.add(report.DryRuns, report.Count(each(int64(c.dryRuns))), noGoal, note)
	b.add(report.Fetched, report.Bytes(int64(each(c.fetched))), noGoal)
	b.add(report.APITraffic, report.Bytes(int64(each(c.api))), noGoal)
	b.add(report.ServerCPU, report.Seconds(time.Duration(each(int64(c.serving)))), noGoal)
}

// alone leaves the subject alone for some time once it is at rest and begin, which may
// be nil, has been called, and returns what that costs.
func (b *bench) alone(ctx context.Context, long time.Duration, begin func()) (cost, error) {
	if _, err := b.settled(ctx); err != nil {
		return cost{}, err
	}
	m, err := b.measure()
	if err != nil {
		return cost{}, err
	}
	if begin != nil {
		begin()
	}
	if err := pause(ctx, long); err != nil {
		return cost{}, err
	}
	return m.now()
}

// rested waits until the subject has asked nothing of the API server for some time, and
// says whether that came to be within the patience.
func (b *bench) rested(ctx context.Context, quiet, patience time.Duration) (bool, error) {
	for began, total, since := time.Now(), -1, time.Now(); time.Since(since) < quiet; {
		if time.Since(began) > patience {
			return false, nil
		}
		a, err := b.asked()
		if err != nil {
			return false, err
		}
		if now := a.Total(); now != total {
			total, since = now, time.Now()
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return false, err
		}
	}
	return true, nil
}

// asked counts the requests since the last measure so far.
func (b *bench) asked() (asked, error) {
	events, err := b.cluster.AuditEvents(b.mark, controlplane.FluxdUser)
	a := asked{Counts: controlplane.Counts{}}
	for _, e := range events {
		if e.Request.Verb == "watch" || e.Request.Resource == "leases" {
			continue
		}
		a.Counts[e.Request]++
		if e.DryRun {
			a.dryRuns++
		}
		if at := e.Time.Add(e.Took); at.After(a.last) {
			a.last = at
		}
	}
	return a, err
}
