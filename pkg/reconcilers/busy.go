package reconcilers

import "context"

type busyKey struct{}

// Busy says that the run of ctx has found something new to do. People are told of a run
// that lasts if it is one that they wait for: of a new object or spec, of one that is not
// ready, or by request. Of any other they are told only from here on, since looking
// whether all is well is no news, however long it takes.
func Busy(ctx context.Context) {
	if tell, ok := ctx.Value(busyKey{}).(func()); ok {
		tell()
	}
}

// WithBusy returns a context whose run calls tell when it says [Busy].
func WithBusy(ctx context.Context, tell func()) context.Context {
	return context.WithValue(ctx, busyKey{}, tell)
}
