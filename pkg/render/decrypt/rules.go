package decrypt

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// rules say which leaves of a tree are encrypted. At most one of them is set.
type rules struct {
	unencryptedSuffix, encryptedSuffix string

	unencryptedRegex, encryptedRegex               *regexp.Regexp
	unencryptedCommentRegex, encryptedCommentRegex *regexp.Regexp
}

// defaultUnencryptedSuffix is the rule of a file that has none.
const defaultUnencryptedSuffix = "_unencrypted"

// newRules reads the rules of the metadata.
func newRules(m fields) (rules, error) {
	r := rules{unencryptedSuffix: m.text("unencrypted_suffix"), encryptedSuffix: m.text("encrypted_suffix")}
	set := 0
	for _, suffix := range []string{r.unencryptedSuffix, r.encryptedSuffix} {
		if suffix != "" {
			set++
		}
	}
	for name, field := range map[string]**regexp.Regexp{
		"unencrypted_regex": &r.unencryptedRegex, "encrypted_regex": &r.encryptedRegex,
		"unencrypted_comment_regex": &r.unencryptedCommentRegex, "encrypted_comment_regex": &r.encryptedCommentRegex,
	} {
		text := m.text(name)
		if text == "" {
			continue
		}
		set++
		compiled, err := regexp.Compile(text)
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
		*field = compiled
	}
	switch {
	case set > 1:
		return r, errors.New("more than one rule says what is encrypted")
	case set == 0:
		r.unencryptedSuffix = defaultUnencryptedSuffix
	}
	return r, nil
}

// encrypted says whether a leaf, or a comment, is encrypted.
func (r *rules) encrypted(path []string, above [][]string, isComment bool) bool {
	switch {
	case r.encryptedSuffix != "":
		return anyOf(path, func(s string) bool { return strings.HasSuffix(s, r.encryptedSuffix) })
	case r.unencryptedRegex != nil:
		return !anyOf(path, r.unencryptedRegex.MatchString)
	case r.encryptedRegex != nil:
		return anyOf(path, r.encryptedRegex.MatchString)
	case r.unencryptedCommentRegex != nil:
		return !commented(above, r.unencryptedCommentRegex, false)
	case r.encryptedCommentRegex != nil:
		return commented(above, r.encryptedCommentRegex, isComment)
	}
	return !anyOf(path, func(s string) bool { return strings.HasSuffix(s, r.unencryptedSuffix) })
}

func anyOf(list []string, f func(string) bool) bool {
	for _, s := range list {
		if f(s) {
			return true
		}
	}
	return false
}

// commented says whether one of the comments matches; notLast leaves out the last one,
// which is the comment in question.
func commented(above [][]string, r *regexp.Regexp, notLast bool) bool {
	for i, comments := range above {
		if notLast && i == len(above)-1 && len(comments) > 0 {
			comments = comments[:len(comments)-1]
		}
		if anyOf(comments, r.MatchString) {
			return true
		}
	}
	return false
}
