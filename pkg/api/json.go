package api

import (
	"bytes"
	"encoding/json"
)

// JSON holds a value of any shape as it was written.
type JSON struct {
	// Raw is the encoded value, nil for null.
	Raw []byte `json:"-"`
}

// MarshalJSON writes the value as it came.
func (j JSON) MarshalJSON() ([]byte, error) {
	if len(j.Raw) == 0 {
		return []byte("null"), nil
	}
	return j.Raw, nil
}

// UnmarshalJSON keeps a copy of data, which must be one valid value.
func (j *JSON) UnmarshalJSON(data []byte) error {
	if !json.Valid(data) {
		var v any
		return json.Unmarshal(data, &v) // for its error
	}
	if bytes.Equal(data, []byte("null")) {
		j.Raw = nil
		return nil
	}
	j.Raw = bytes.Clone(data)
	return nil
}
