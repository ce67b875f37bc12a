package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// longest is how long the tests of a folder may take, with what they need.
const longest = 15 * time.Minute

// Stops is what is to be done when the tests are over, last first.
type Stops struct{ all []func() error }

// Add has f called before everything that was added earlier.
func (s *Stops) Add(f func() error) { s.all = append(s.all, f) }

// Dir returns a new folder, which goes in the end.
func (s *Stops) Dir(name string) (string, error) {
	dir, err := os.MkdirTemp("", name+"-")
	if err == nil {
		s.Add(func() error { return os.RemoveAll(dir) })
	}
	return dir, err
}

func (s *Stops) stop() error {
	var failures []error
	for i := len(s.all) - 1; i >= 0; i-- {
		failures = append(failures, s.all[i]())
	}
	return errors.Join(failures...)
}

// Main is the TestMain of a folder whose tests share what start starts. It runs them and
// does not return. What start has added to stops is stopped in the end, also if it
// fails in the middle; an error of either is one of the tests. With -short nothing
// is started and no test is run.
func Main(m *testing.M, start func(ctx context.Context, stops *Stops) error) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("-short: these tests start programs such as a control plane, which may have to be built for minutes")
		os.Exit(0)
	}
	os.Exit(run(m, start))
}

func run(m *testing.M, start func(context.Context, *Stops) error) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	stops := &Stops{}
	defer func() {
		if err := stops.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err := start(ctx, stops); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// AtOnce has that many tests per processor run at once, unless the caller of the tests
// says how many: most of the time they wait. It is for the start of [Main].
func AtOnce(perProcessor int) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(perProcessor*runtime.GOMAXPROCS(0))) // it is a number
	}
}
