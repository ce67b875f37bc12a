package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// ErrChart says that something is no chart that can be used.
var ErrChart = errors.New("unusable chart")

// Limits bound one chart with all its subcharts. A zero field means its default.
type Limits struct {
	// Archive is how long the archive may be; 10 MiB.
	Archive int64
	// File is how long one file may be; 5 MiB.
	File int64
	// Total is how much all files may have; 100 MiB.
	Total int64
	// Files is how many there may be; 20,000.
	Files int
	// Memory is charged with the files. The caller leaves it. Nil is without bounds.
	Memory *artifacts.Share
}

func (l Limits) orDefaults() Limits {
	return Limits{
		Archive: cmp.Or(l.Archive, 10<<20), File: cmp.Or(l.File, 5<<20),
		Total: cmp.Or(l.Total, 100<<20), Files: cmp.Or(l.Files, 20_000), Memory: l.Memory,
	}
}

// ArchiveBytes returns how long an archive may be.
func (l Limits) ArchiveBytes() int64 { return l.orDefaults().Archive }

const (
	// maxNesting is how deep archives may be nested in the charts folder.
	maxNesting = 8
	// maxName is how long the name of a file may be.
	maxName = 1024
)

// allowance is what is left of the limits while a chart is loaded.
type allowance struct {
	ctx    context.Context
	limits Limits
	bytes  int64
	files  int
}

func newAllowance(ctx context.Context, l Limits) *allowance {
	l = l.orDefaults()
	return &allowance{ctx: ctx, limits: l, bytes: l.Total, files: l.Files}
}

// take takes a file of the given size.
func (a *allowance) take(name string, size int64) error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	switch {
	case size > a.limits.File:
		return fmt.Errorf("%w: file %q is larger than the maximum of %d bytes", ErrTooLarge, clip(name), a.limits.File)
	case size > a.bytes:
		return fmt.Errorf("%w: its files have more than %d bytes", ErrTooLarge, a.limits.Total)
	case a.files == 0:
		return fmt.Errorf("%w: it has more than %d files", ErrTooLarge, a.limits.Files)
	case len(name) > maxName:
		return fmt.Errorf("%w: a file name has more than %d bytes", ErrChart, maxName)
	}
	a.bytes -= size
	a.files--
	return a.limits.Memory.Grow(a.ctx, size)
}
