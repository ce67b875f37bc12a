package kustomize

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

const (
	// lineWeight is what a line of YAML takes at the peak of a build with kustomize, which
	// parses and copies everything, and plainWeight of one without, where the objects that
	// come out are what counts. Measured, in bytes: up to 1,200 and 220.
	lineWeight  = 1200
	plainWeight = 300
	// firstGrant is what a build may take before it is known what it reads.
	firstGrant = 1 << 20
	// longLine is how many bytes a line has from which on it is looked at more closely.
	longLine = 512
)

// errHeavier ends a build that reads more than it was admitted with. Nobody sees it.
var errHeavier = errors.New("the build takes more memory than it has")

// admission is what a build may take of the memory, by what it reads. Its weight is an
// estimate: memory goes with the nodes of the YAML, and lines are as good a count of
// those as can be had without parsing it.
type admission struct {
	line    int64 // what a line weighs
	granted int64 // what all may weigh; zero is without bounds
	weight  int64 // so far
	heavier bool  // than what was granted
}

// add weighs a file.
func (a *admission) add(content []byte) error {
	if a.granted == 0 {
		return nil
	}
	a.weight += int64(len(content)) + a.line*nodes(content)
	if a.weight > a.granted {
		a.heavier = true
		return errHeavier
	}
	return nil
}

// nodes is about how many nodes YAML or JSON has, taking each line for one but those of
// text in block style, and counting what separates them in lines that have several.
func nodes(content []byte) int64 {
	n, text := int64(0), -1 // text is the indentation of what a block of text belongs to
	for line := range bytes.Lines(content) {
		trimmed := bytes.TrimSpace(line)
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		if text >= 0 && (indent > text || len(trimmed) == 0) {
			continue
		}
		text = -1
		n++
		if blockBegins(trimmed) {
			text = indent
		} else if len(line) > longLine || bytes.ContainsAny(line, "{[") {
			n += int64(bytes.Count(line, []byte(",")) + bytes.Count(line, []byte("{")) + bytes.Count(line, []byte("[")))
		}
	}
	return n
}

// blockBegins says whether text in block style follows a line. Where quotes, brackets or
// comments could make it look so it says no: rather too many nodes than too few.
func blockBegins(line []byte) bool {
	line = bytes.TrimRight(line, "+-0123456789")
	return !bytes.ContainsAny(line, "\"'{[#") && (bytes.HasSuffix(line, []byte(": |")) || bytes.HasSuffix(line, []byte(": >")))
}

// admit calls build with room for what it reads, which is known when it has been read: if
// that is more, build ends, which must not hold up anybody, and begins again once there
// is more. It waits while others have the memory. [artifacts.ErrNoHeadroom] says that
// there will never be enough.
func (b *Builder) admit(ctx context.Context, v *view, o Options, line int64, build func() error) error {
	most := cmp.Or(b.config.Limits.Memory, math.MaxInt64)
	if o.Memory == nil && most == math.MaxInt64 {
		return build()
	}
	defer func() { v.admission = admission{} }() // what is read to explain an error is not weighed
	for granted := min(firstGrant, most); ; granted = min(max(2*granted, v.admission.weight), most) {
		if err := o.Memory.Hold(ctx, granted); err != nil {
			return err
		}
		v.admission = admission{line: line, granted: granted}
		if err := build(); !v.admission.heavier {
			return err
		}
		if granted == most {
			return fmt.Errorf("%w: what the build reads takes more than %d MiB once it is parsed", artifacts.ErrNoHeadroom, most>>20)
		}
	}
}
