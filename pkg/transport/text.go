package transport

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is how much of the words of a server a message repeats, in bytes.
const maxText = 400

// OneLine makes what a server says fit for a message: short, and on one line.
func OneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError
	}), " ")
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
