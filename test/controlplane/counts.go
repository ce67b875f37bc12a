package controlplane

import (
	"fmt"
	"slices"
	"strings"
)

// Request is a kind of request, as far as requests are told apart in counts.
type Request struct {
	Verb        string // get, list, watch, create, update, patch, delete, deletecollection
	Group       string // empty for the core group
	Resource    string // empty for what is not an object, such as discovery
	Subresource string // such as status, else empty
	Path        string // only where Resource is empty
}

// String is readable and sorts by resource: "apps/deployments/status patch".
func (r Request) String() string {
	what := r.Path
	if r.Resource != "" {
		what = strings.Trim(r.Group+"/"+r.Resource+"/"+r.Subresource, "/")
	}
	return what + " " + r.Verb
}

// Writes tells whether r is one that changes objects.
func (r Request) Writes() bool {
	return r.Resource != "" && !slices.Contains([]string{"get", "list", "watch"}, r.Verb)
}

// Counts is how often each kind of request was made.
type Counts map[Request]int

// Total is the number of all requests.
func (c Counts) Total() int { return c.Sum(func(Request) bool { return true }) }

// Writes is the number of requests that change objects.
func (c Counts) Writes() int { return c.Sum(Request.Writes) }

// Of is the number of requests with a verb for a resource, whatever its group,
// its subresources included. An empty verb or resource stands for any.
func (c Counts) Of(verb, resource string) int {
	return c.Sum(func(r Request) bool {
		return (verb == "" || verb == r.Verb) && (resource == "" || resource == r.Resource)
	})
}

// Sum is the number of requests of the kinds that match picks.
func (c Counts) Sum(match func(Request) bool) int {
	sum := 0
	for request, n := range c {
		if match(request) {
			sum += n
		}
	}
	return sum
}

// String lists the counts, a line for each kind of request.
func (c Counts) String() string {
	lines := make([]string, 0, len(c))
	for request, n := range c {
		lines = append(lines, fmt.Sprintf("%s: %d\n", request, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
