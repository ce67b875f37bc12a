package decrypt

import (
	"bytes"
	"fmt"
	"strings"
)

// format is how a file is written.
type format int

const (
	asBinary format = iota // a JSON object with one value while it is encrypted
	asDotenv
	asINI
	asJSON
	asYAML
)

func (f format) String() string {
	return [...]string{"binary", "dotenv", "INI", "JSON", "YAML"}[f]
}

// formatOf returns the format that a file name, or the key of a Secret, implies.
func formatOf(name string) format {
	for suffix, f := range map[string]format{
		".dockerconfigjson": asJSON, ".json": asJSON, ".yaml": asYAML, ".yml": asYAML, ".env": asDotenv, ".ini": asINI,
	} {
		if strings.HasSuffix(name, suffix) {
			return f
		}
	}
	return asBinary
}

// marker is what an encrypted file of a format has in it.
func (f format) marker() []byte {
	return []byte([...]string{`"mac": "ENC[`, "sops_mac=ENC[", "[sops]", `"mac": "ENC[`, "mac: ENC["}[f])
}

// marked says whether content looks like an encrypted file of the format.
func (f format) marked(content []byte) bool { return bytes.Contains(content, f.marker()) }

// detect returns the format that content looks like an encrypted file of.
func detect(content []byte) (format, bool) {
	for _, f := range []format{asJSON, asYAML, asDotenv, asINI} {
		if f.marked(content) {
			return f, true
		}
	}
	return 0, false
}

// load reads an encrypted file.
func (f format) load(content []byte) (*envelope, error) {
	branches, metadata, err := f.parse(content)
	if err != nil {
		return nil, fmt.Errorf("failed to load encrypted %s data: %w", f, err)
	}
	e, err := newEnvelope(branches, metadata)
	if err != nil {
		return nil, fmt.Errorf("failed to load encrypted %s data: %w", f, err)
	}
	return e, nil
}

func (f format) parse(content []byte) ([]branch, branch, error) {
	switch f {
	case asYAML:
		branches, err := loadYAML(content)
		if err != nil {
			return nil, nil, err
		}
		return cut(branches)
	case asDotenv:
		return single(content, loadDotenv, cutFlat)
	case asINI:
		return single(content, loadINI, cutINI)
	}
	b, err := loadJSON(content)
	if err != nil {
		return nil, nil, err
	}
	return cut([]branch{b})
}

// single reads a file that is one branch.
func single(content []byte, load func([]byte) (branch, error), cut func(branch) (branch, branch, error)) ([]branch, branch, error) {
	b, err := load(content)
	if err != nil {
		return nil, nil, err
	}
	rest, metadata, err := cut(b)
	return []branch{rest}, metadata, err
}

// emit writes a decrypted file.
func (f format) emit(branches []branch) ([]byte, error) {
	if len(branches) == 0 {
		branches = []branch{nil}
	}
	switch f {
	case asYAML:
		return emitYAML(branches)
	case asDotenv:
		return emitDotenv(branches[0])
	case asINI:
		return emitINI(branches)
	case asJSON:
		return emitJSON(branches[0])
	}
	return emitBinary(branches)
}
