package harness

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// metrics returns all metrics that are served at an address as text.
func metrics(address string) (string, error) {
	res, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return "", fmt.Errorf("read the metrics: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", fmt.Errorf("read the metrics: %w", err)
	}
	return string(text), nil
}

// metric returns the value of one, added up over its series that hold all of labels.
func metric(address, name string, labels []string) (float64, error) {
	text, err := metrics(address)
	if err != nil {
		return 0, err
	}
	total := 0.0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		series, value, ok := strings.Cut(line, " ")
		if at := strings.LastIndexByte(line, ' '); at > 0 {
			series, value = line[:at], line[at+1:]
		}
		bare, _, _ := strings.Cut(series, "{")
		if !ok || bare != name || !containsAll(series, labels) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(value, &v); err == nil {
			total += v
		}
	}
	return total, nil
}

func containsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}
