// Package events is the bus of facts and its observers.
//
// Work goes on the queue; facts go on the bus, and the bus never causes work.
// [Bus.Publish] never blocks: each observer has a bounded queue that drops its
// oldest fact and counts the loss, so that a dead webhook or a slow API server
// cannot hold up a rollout. Facts reach an observer in the order in which they
// were published.
//
// The observers:
//
//   - [Recorder] writes facts as Kubernetes events. A fact that repeats within
//     ten minutes raises the count of the event that it made. With a [Pace], those
//     of a burst are written behind the work that they tell of.
//   - [Journal] logs facts that are no failures, where flux logs finds them.
//   - [Notifier] posts facts to a notification endpoint in the wire format of
//     Flux. A [Trace] fact is never forwarded.
//
// [Metrics] stands beside the bus: it is told of every run, also of those that
// are no news to anybody. It has a registry of its own and registers nothing
// globally, except that [Metrics.CountRequests] hooks into client-go, which
// knows no other way.
package events
