package helm

// brackets follows YAML in flow style, as far as to find its end.
type brackets struct {
	depth int
	quote byte // of the open quoted text, else 0
	last  byte // the last character that is no space
	plain bool // last belongs to a text without quotes
}

// take goes on with the next piece, a line or what remains of one. It returns
// where the outermost bracket closes, or -1. What could be read in two ways is
// errLayout.
func (b *brackets) take(text []byte) (int, error) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if b.quote != 0 {
			end := closing(text[i:], b.quote)
			if end < 0 {
				return -1, nil
			}
			b.last, b.quote = b.quote, 0
			i += end
			continue
		}
		switch c {
		case ' ', '\t':
			continue
		case '#':
			if i == 0 || text[i-1] == ' ' || text[i-1] == '\t' {
				b.plain = false
				return -1, nil
			}
		case '[', '{':
			if b.plain {
				return -1, errLayout
			}
			b.depth++
		case ']', '}':
			b.plain = false
			if b.depth--; b.depth == 0 {
				return i + 1, nil
			}
		case ',':
			b.plain = false
		case '"', '\'':
			if !b.plain {
				b.quote = c
				continue
			}
		case ':':
			if b.plain && i+1 < len(text) && text[i+1] != ' ' {
				break // within a text, such as a URL
			}
			b.plain = false
		case '&', '*', '!', '|', '>', '%', '@', '`', '?':
			if !b.plain {
				return -1, errLayout
			}
		default:
			b.plain = true
		}
		b.last = c
	}
	return -1, nil
}
