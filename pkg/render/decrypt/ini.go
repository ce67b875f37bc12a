package decrypt

import (
	"bytes"
	"errors"
	"strings"

	"gopkg.in/ini.v1"
)

// loadINI returns the sections of a file, each a branch.
func loadINI(in []byte) (branch, error) {
	file, err := ini.LoadSources(ini.LoadOptions{AllowNonUniqueSections: true}, in)
	if err != nil {
		return nil, errors.New("it is not valid INI")
	}
	var b branch
	var r budget
	for _, section := range file.Sections() {
		var entries branch
		if section.Comment != "" {
			entries = append(entries, item{key: comment{text: bareComment(section.Comment)}})
		}
		for _, key := range section.Keys() {
			if err := r.take(0); err != nil {
				return nil, err
			}
			entries = append(entries, item{key.Name(), key.Value()})
			if key.Comment != "" {
				entries = append(entries, item{key: comment{text: bareComment(key.Comment)}})
			}
		}
		b = append(b, item{section.Name(), entries})
	}
	return b, nil
}

// bareComment takes the sign off a comment.
func bareComment(text string) string {
	for _, sign := range []string{";", "#"} {
		if strings.HasPrefix(text, sign) {
			return strings.TrimLeft(text, sign+" ")
		}
	}
	return text
}

// cutINI takes the metadata out of the sections: it is one, without structure.
func cutINI(b branch) (branch, branch, error) {
	branches, flat, err := cut([]branch{b})
	if err != nil {
		return nil, nil, err
	}
	for i, it := range flat {
		if text, ok := it.value.(string); ok {
			flat[i].value = strings.ReplaceAll(text, `\n`, "\n")
		}
	}
	metadata, err := unflatten(flat)
	return branches[0], metadata, err
}

// emitINI writes sections. Comments stand before what they belong to.
func emitINI(branches []branch) ([]byte, error) {
	file := ini.Empty(ini.LoadOptions{AllowNonUniqueSections: true})
	file.DeleteSection(ini.DefaultSection)
	for _, b := range branches {
		for _, it := range b {
			name, ok := it.key.(string)
			if !ok {
				continue
			}
			entries, ok := it.value.(branch)
			if !ok {
				return nil, errors.New("an INI file has values outside of sections")
			}
			section, err := file.NewSection(name)
			if err != nil {
				return nil, errors.New("the result cannot be written as INI")
			}
			if err := fillSection(section, entries); err != nil {
				return nil, err
			}
		}
	}
	var out bytes.Buffer
	if _, err := file.WriteTo(&out); err != nil {
		return nil, errors.New("the result cannot be written as INI")
	}
	return out.Bytes(), nil
}

func fillSection(section *ini.Section, entries branch) error {
	var last *ini.Key
	for i, it := range entries {
		c, isComment := it.key.(comment)
		switch {
		case isComment && i == 0:
			section.Comment = c.text
		case isComment && last != nil:
			last.Comment = c.text
		case !isComment:
			name, _ := it.key.(string)
			key, err := section.NewKey(name, leafText(it.value))
			if err != nil {
				return errors.New("the result cannot be written as INI")
			}
			last = key
		}
	}
	return nil
}
