package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// BusyError says that a host asked not to be asked for a while.
type BusyError struct {
	Host  string
	Until time.Time
}

// Error does not say until when: a condition that repeats it stays the same.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%s asks to wait before the next request (Retry-After)", e.Host)
}

// RetryAfter returns how long to wait before the next try if err is or wraps a
// [BusyError], zero if it does not.
func RetryAfter(err error) time.Duration {
	busy, ok := errors.AsType[*BusyError](err)
	if !ok {
		return 0
	}
	return max(time.Until(busy.Until), time.Millisecond)
}

// asksToWait returns the pause that an answer asks for (RFC 9110, section 10.2.3),
// zero if it asks for none.
func asksToWait(res *http.Response, now time.Time) time.Duration {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := res.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
