package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit says what a number counts.
type Unit string

// The units.
const (
	UnitSeconds Unit = "seconds"
	UnitBytes   Unit = "bytes"
	UnitCount   Unit = "count"
	UnitPercent Unit = "percent"
)

// Value is a number with its unit.
type Value struct {
	Number float64
	Unit   Unit
}

// Seconds is a time.
func Seconds(d time.Duration) Value { return Value{d.Seconds(), UnitSeconds} }

// Bytes is an amount of memory or of traffic.
func Bytes(n int64) Value { return Value{float64(n), UnitBytes} }

// Count is how many or, where it is an average, how many of something for each.
func Count(n float64) Value { return Value{n, UnitCount} }

// Percent is a share of a hundred.
func Percent(n float64) Value { return Value{n, UnitPercent} }

// String is v with about three digits that matter.
func (v Value) String() string {
	switch v.Unit {
	case UnitSeconds:
		if v.Number < 1 {
			return strconv.FormatFloat(math.Round(v.Number*1000), 'f', -1, 64) + " ms"
		}
		return digits(v.Number) + " s"
	case UnitBytes:
		return inBytes(v.Number)
	case UnitPercent:
		return digits(v.Number) + " %"
	}
	return digits(v.Number)
}

func inBytes(n float64) string {
	names := []string{"B", "KiB", "MiB", "GiB"}
	i := 0
	for ; i < len(names)-1 && math.Abs(n) >= 1000; i++ { // rather 0.98 MiB than 1,004 KiB
		n /= 1024
	}
	return digits(n) + " " + names[i]
}

// digits writes n with as many decimals as make three digits, and none for those that
// are whole.
func digits(n float64) string {
	decimals := 0
	switch size := math.Abs(n); {
	case n == math.Trunc(n) || size >= 100:
	case size >= 10:
		decimals = 1
	default:
		decimals = 2
	}
	text := strconv.FormatFloat(n, 'f', decimals, 64)
	whole, fraction, found := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		return whole + "." + fraction
	}
	return whole
}

// Goal is what a figure of fluxd should be at most. The zero value is none.
type Goal struct {
	// Part is the share of what the Flux controllers take: 5 for a fifth.
	Part int `json:"part,omitempty"`
	// Most is in the unit of the figure, nil if there is no such goal.
	Most *float64 `json:"most,omitempty"`
}

// Part is the goal to take the nth part of what the Flux controllers take.
func Part(n int) Goal { return Goal{Part: n} }

// Most is the goal to take no more than v.
func Most(v Value) Goal { return Goal{Most: &v.Number} }

var parts = map[int]string{1: "as much", 2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 10: "a tenth"}

// text says the goal in words.
func (g Goal) text(unit Unit) string {
	switch {
	case g.Most != nil:
		return Value{*g.Most, unit}.String()
	case parts[g.Part] != "":
		return parts[g.Part]
	case g.Part > 0:
		return fmt.Sprintf("1/%d", g.Part)
	}
	return ""
}
