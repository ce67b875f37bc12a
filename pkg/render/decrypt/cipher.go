package decrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// sealed is the form of an encrypted value.
var sealed = pattern(`^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]`)

var (
	//lint:ignore ST1005 the text is what people and tools know
	errNotSealed = errors.New("Input string <redacted> does not match sops' data format")
	errSealed    = errors.New("a value is damaged, or was encrypted with another key or for another place")
)

// opener decrypts the values of a file.
type opener struct{ block cipher.Block }

func newOpener(dataKey []byte) (opener, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return opener{}, fmt.Errorf("the data key has %d bytes", len(dataKey))
	}
	return opener{block}, nil
}

// open decrypts a value that is bound to where. An empty value is not encrypted.
func (o opener) open(text, where string) (any, error) {
	if text == "" {
		return "", nil
	}
	parts := sealed().FindStringSubmatch(text)
	if parts == nil {
		return nil, errNotSealed
	}
	var raw [3][]byte // data, nonce, tag
	for i := range raw {
		var err error
		if raw[i], err = base64.StdEncoding.DecodeString(parts[i+1]); err != nil {
			return nil, errNotSealed
		}
	}
	gcm, err := cipher.NewGCMWithNonceSize(o.block, len(raw[1]))
	if err != nil {
		return nil, errNotSealed
	}
	bytes, err := gcm.Open(nil, raw[1], append(raw[0], raw[2]...), []byte(where))
	if err != nil {
		return nil, errSealed
	}
	return typed(string(bytes), parts[4])
}

// typed returns the value that text stands for.
func typed(text, kind string) (any, error) {
	var value any
	var err error
	switch kind {
	case "str", "bytes":
		return text, nil
	case "comment":
		return comment{text: text}, nil
	case "int":
		value, err = strconv.Atoi(text)
	case "float":
		value, err = strconv.ParseFloat(text, 64)
	case "bool":
		value, err = strconv.ParseBool(text)
	case "time":
		var t time.Time
		err = t.UnmarshalText([]byte(text))
		value = t
	default:
		return nil, errors.New("a value has an unknown type")
	}
	if err != nil {
		return nil, errors.New("a value is not of the type that it says")
	}
	return value, nil
}

// macBytes is what a leaf contributes to the MAC.
func macBytes(v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return []byte(v), nil
	case int:
		return []byte(strconv.Itoa(v)), nil
	case float64:
		return []byte(strconv.FormatFloat(v, 'f', -1, 64)), nil
	case bool:
		if v {
			return []byte("True"), nil
		}
		return []byte("False"), nil
	case time.Time:
		return v.MarshalText()
	}
	return nil, fmt.Errorf("a value of the type %T is not supported", v)
}
