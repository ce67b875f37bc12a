package install

import (
	"fmt"
	"io"

	"github.com/fluxd/fluxd/pkg/apply"
)

// Progress tells a person what happens, step by step, with the marks that the flux
// command line has.
type Progress struct{ Out io.Writer }

// Step says what is about to be done.
func (p Progress) Step(format string, args ...any) { p.print("►", format, args...) }

// Done says what was done.
func (p Progress) Done(format string, args ...any) { p.print("✔", format, args...) }

// Failed says what is not as it should be.
func (p Progress) Failed(format string, args ...any) { p.print("✗", format, args...) }

// Note tells something that matters to the reader.
func (p Progress) Note(format string, args ...any) { p.print("⚠", format, args...) }

func (p Progress) print(mark, format string, args ...any) {
	fmt.Fprintf(p.Out, mark+" "+format+"\n", args...)
}

// Changes lists what was written, and says how much was left as it was.
func (p Progress) Changes(changes apply.Changes) {
	same := 0
	for _, change := range changes {
		if change.Action == apply.Unchanged {
			same++
			continue
		}
		p.Done("%s", change)
	}
	if same > 0 {
		p.Done("%d objects unchanged", same)
	}
}
