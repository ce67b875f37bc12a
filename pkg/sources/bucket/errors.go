package bucket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"sync"

	"github.com/fluxd/fluxd/pkg/transport"
)

var (
	// ErrNotFound says that there is no such bucket, or none that may be seen.
	ErrNotFound = errors.New("not found")
	// ErrGone says that there is no such object, or no longer.
	ErrGone = errors.New("object not found")
	// ErrAuth says that the credentials are wrong, or do not suffice.
	ErrAuth = errors.New("access denied")
	// ErrTooLarge says that the bucket exceeds a limit.
	ErrTooLarge = errors.New("the bucket is too large")
	// ErrTimeout says that the store was too slow.
	ErrTimeout = errors.New("timed out")
	// ErrEndpoint says that the address of the store cannot be one.
	ErrEndpoint = errors.New("invalid endpoint")
	// ErrName says that the name of the bucket cannot be one.
	ErrName = errors.New("invalid bucket name")
	// ErrCredentials says that credentials are malformed, whatever they are for.
	ErrCredentials = errors.New("invalid credentials")
	// ErrProtocol says that the answer of the store is not one of its kind.
	ErrProtocol = errors.New("unexpected answer")
	// ErrKey says that the key of an object cannot be a path of a tree.
	ErrKey = errors.New("unusable key")
)

// AnswerError is an answer that is no success.
type AnswerError struct {
	Status int
	// Code and Message are what the store says, if it says anything.
	Code, Message string
}

// Error implements error.
func (e *AnswerError) Error() string {
	text := fmt.Sprintf("HTTP status %d", e.Status)
	if e.Code != "" {
		text += " " + Clean(e.Code)
	}
	if e.Message != "" {
		text += ": " + Clean(e.Message)
	}
	return text
}

// Temporary says whether the same request may succeed a moment later.
func (e *AnswerError) Temporary() bool {
	switch e.Status {
	case 408, 429, 500, 502, 503, 504:
		return true
	}
	return false
}

// queries finds the query strings of URLs in a text.
var queries = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(https?://[^\s"'?]*)\?[^\s"']*`)
})

// Clean makes text of a store fit for a message: short, on one line, and without
// the query strings of URLs, which may be credentials.
func Clean(text string) string {
	return transport.OneLine(queries().ReplaceAllString(text, "$1"))
}

// explain says what was done, and classifies what the network did.
func explain(ctx context.Context, err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	late := slow(ctx, err)
	// The port of this side is another one every time, and a message should stay.
	err = saying(ports().ReplaceAllString(err.Error(), "$1"), err)
	if late && !errors.Is(err, ErrTimeout) {
		return fmt.Errorf("%s: %w: %w", doing, ErrTimeout, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// ports finds the address of this side in what the network says.
var ports = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b((?:tcp|udp)\d? )\S+:\d+->`)
})

func slow(ctx context.Context, err error) bool {
	var timeout net.Error
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// saying returns an error with another text, which still unwraps.
func saying(text string, err error) error {
	if text == err.Error() {
		return err
	}
	return &said{text, err}
}

type said struct {
	text string
	err  error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.err }
