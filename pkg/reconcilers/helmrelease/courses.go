package helmrelease

import (
	"sync"

	"github.com/fluxd/fluxd/pkg/apply"
)

// courses are those of the reconciles that have not ended. An object has one worker at
// a time, so that its course needs no lock.
type courses struct {
	mu  sync.Mutex // guards all
	all map[apply.Owner]*course
}

func newCourses() *courses { return &courses{all: make(map[apply.Owner]*course)} }

// of returns the course that the owner is on, or begins one.
func (c *courses) of(owner apply.Owner) *course {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.all[owner]
	if one == nil {
		one = &course{}
		c.all[owner] = one
	}
	return one
}

func (c *courses) end(owner apply.Owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, owner)
}

// renew ends a course and begins another one.
func (c *courses) renew(owner apply.Owner) *course {
	c.end(owner)
	return c.of(owner)
}
