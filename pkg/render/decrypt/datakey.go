package decrypt

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrDataKey says that the keys at hand do not open a file.
var ErrDataKey = errors.New("cannot get sops data key")

// useFunc decrypts a data key, or a part of one, with a master key.
type useFunc func(ctx context.Context, k masterKey) ([]byte, error)

// dataKey recovers the data key of e.
func (e *envelope) dataKey(ctx context.Context, use useFunc) ([]byte, error) {
	var parts [][]byte
	var problems []string
	for i, g := range e.groups {
		part, tried, err := open(ctx, g, use)
		switch {
		case err != nil:
			return nil, err
		case part != nil:
			parts = append(parts, part)
		case len(e.groups) > 1:
			problems = append(problems, fmt.Sprintf("group %d: %s", i+1, tried))
		default:
			problems = append(problems, tried)
		}
	}
	switch {
	case len(e.groups) == 1 && len(parts) == 1:
		return parts[0], nil
	case len(e.groups) > 1 && len(parts) >= max(e.threshold, 2):
		key, err := combine(parts)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDataKey, err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrDataKey, strings.Join(problems, "; "))
}

// open tries the keys of a group until one works. Without one it says what was tried.
func open(ctx context.Context, keys []masterKey, use useFunc) (part []byte, tried string, err error) {
	var problems []string
	for _, k := range keys {
		part, err := use(ctx, k)
		switch {
		case ctx.Err() != nil:
			return nil, "", ctx.Err()
		case err == nil && len(part) > 0:
			return part, "", nil
		case err == nil:
			err = errors.New("the data key is empty")
		}
		problems = append(problems, fmt.Sprintf("%s: %v", k, err))
	}
	if problems == nil {
		problems = []string{"the group has no keys"}
	}
	return nil, strings.Join(problems, ", "), nil
}

var errParts = errors.New("the parts of the data key do not belong together")

// combine recovers a secret from parts of it, by Shamir's scheme in the field of 256
// elements that AES uses. Each part is the values of one polynomial per byte, followed
// by where they were taken.
func combine(parts [][]byte) ([]byte, error) {
	size := len(parts[0]) - 1
	at := make(map[byte]bool, len(parts))
	for _, p := range parts {
		if len(p) != size+1 || size < 1 || at[p[size]] || p[size] == 0 {
			return nil, errParts
		}
		at[p[size]] = true
	}
	secret := make([]byte, size)
	for i, p := range parts {
		// The value at zero of the polynomial that is one here and zero at the others.
		weight := byte(1)
		for j, q := range parts {
			if i != j {
				weight = multiply(weight, multiply(q[size], invert(p[size]^q[size])))
			}
		}
		for n := range secret {
			secret[n] ^= multiply(weight, p[n])
		}
	}
	return secret, nil
}

// multiply is the product in the field of AES, whatever the values in the same time.
func multiply(a, b byte) byte {
	product := byte(0)
	for range 8 {
		product ^= a & -(b & 1)
		a = a<<1 ^ 0x1b&-(a>>7)
		b >>= 1
	}
	return product
}

// invert returns a to the 254th power, which is one over a.
func invert(a byte) byte {
	power := a
	for range 6 {
		power = multiply(multiply(power, power), a) // 3, 7, 15, 31, 63, 127
	}
	return multiply(power, power)
}
