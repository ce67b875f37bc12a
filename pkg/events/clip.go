package events

import "unicode/utf8"

// clip cuts s to at most limit bytes, never through a character, and shows with
// three dots that it did.
func clip(s string, limit int) string {
	const dots = "..."
	if len(s) <= limit {
		return s
	}
	end := limit - len(dots)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + dots
}
