package explain

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Report explains one object.
type Report struct {
	// Causes lead from the object to the root.
	Causes []Cause
	// Accounts tell more of each object on the way.
	Accounts []Account
	// Note says what the report lacks; empty is nothing.
	Note string
}

// Account is what is known of one object, as lines of a label and a text.
type Account struct {
	Object string
	Lines  [][2]string
}

// Explain says why an object is as it is. The error is one of the context.
func (e *Explainer) Explain(ctx context.Context, ref reconcilers.Ref, now time.Time) (*Report, error) {
	n, err := e.gather(ctx, ref)
	if err != nil {
		return nil, err
	}
	return e.report(n, now), nil
}

func (e *Explainer) report(n *Node, now time.Time) *Report {
	r := &Report{}
	var nodes []*Node
	r.Causes, nodes = chain(n, now)
	for _, one := range nodes {
		if a := e.account(one, now); len(a.Lines) > 0 {
			r.Accounts = append(r.Accounts, a)
		}
	}
	return r
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	if r.Note != "" {
		fmt.Fprintf(&b, "%s\n\n", r.Note)
	}
	for i, c := range r.Causes {
		if i == 0 {
			fmt.Fprintf(&b, "%s %s\n", c.Object, c.Says)
			continue
		}
		field := ""
		if c.Field != "" {
			field = " (" + c.Field + ")"
		}
		fmt.Fprintf(&b, "  ↳ its %s %s%s %s\n", c.Role, c.Object, field, c.Says)
	}
	for _, a := range r.Accounts {
		fmt.Fprintf(&b, "\n%s\n", a.Object)
		for _, line := range a.Lines {
			fmt.Fprintf(&b, "  %-11s %s\n", line[0], line[1])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
