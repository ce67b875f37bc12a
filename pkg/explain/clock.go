package explain

import (
	"strings"
	"time"
)

// when returns a time as people read it: in full, and how far away it is.
func when(t, now time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	distance := "now"
	switch d := t.Sub(now).Round(time.Second); {
	case d > 0:
		distance = "in " + span(d)
	case d < 0:
		distance = span(-d) + " ago"
	}
	return t.UTC().Format(time.RFC3339) + " (" + distance + ")"
}

// span returns a duration without the zeros at its end.
func span(d time.Duration) string {
	if d >= time.Minute {
		d = d.Round(time.Second)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
