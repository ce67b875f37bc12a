package signature

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// logEntry is what a bundle says of an entry in a log of signatures.
type logEntry struct {
	Index int64 `json:"logIndex,string"`
	ID    struct {
		Key []byte `json:"keyId"`
	} `json:"logId"`
	Integrated int64 `json:"integratedTime,string"` // seconds; 0 where the log does not say
	Promise    *struct {
		Signed []byte `json:"signedEntryTimestamp"`
	} `json:"inclusionPromise"`
	Proof *inclusion `json:"inclusionProof"`
	Body  []byte     `json:"canonicalizedBody"`
}

// inclusion is the proof that an entry is in a log.
type inclusion struct {
	Index      int64    `json:"logIndex,string"`
	Root       []byte   `json:"rootHash"`
	Size       int64    `json:"treeSize,string"`
	Hashes     [][]byte `json:"hashes"`
	Checkpoint struct {
		Envelope string `json:"envelope"`
	} `json:"checkpoint"`
}

var errLog = errors.New("no trusted log has the signature")

// logged checks that the entry is in a trusted log: by the proof, by the promise, or
// both, whatever there is. It returns when the log is to be trusted, and the time of the
// entry, which is zero unless the log vouches for it.
func (r *Root) logged(e logEntry) (valid period, at time.Time, err error) {
	if e.Promise == nil && e.Proof == nil {
		return valid, at, errLog
	}
	if e.Proof != nil {
		by, err := r.included(*e.Proof, e.Body)
		if err != nil || e.Promise == nil {
			return by.valid, at, err
		}
		valid = by.valid
	}
	at = time.Unix(e.Integrated, 0)
	trusted, ok := find(r.logs, e.ID.Key, at)
	if !ok {
		return valid, at, errLog
	}
	// The fields in the order of their names are the canonical form (RFC 8785).
	signed, err := json.Marshal(struct {
		Body       []byte `json:"body"`
		Integrated int64  `json:"integratedTime"`
		ID         string `json:"logID"`
		Index      int64  `json:"logIndex"`
	}{e.Body, e.Integrated, hex.EncodeToString(e.ID.Key), e.Index})
	if err != nil {
		return valid, at, err
	}
	if checkMessage(trusted.key, signed, e.Promise.Signed) != nil {
		return valid, at, errors.New("the promise of the log is not signed by it")
	}
	return valid, at, nil
}

// included checks a proof of inclusion, and returns the log that signed the tree it leads
// to.
func (r *Root) included(p inclusion, body []byte) (log, error) {
	by, size, root, err := r.checkpoint(p.Checkpoint.Envelope)
	if err != nil {
		return by, err
	}
	leaf := sha256.Sum256(append([]byte{0}, body...))
	if p.Size != size || p.Index < 0 || p.Index >= size || !bytes.Equal(p.Root, root) || !bytes.Equal(rootOf(leaf[:], p), root) {
		return by, errors.New("the proof that the signature is in the log does not hold")
	}
	return by, nil
}

// rootOf returns the hash of the tree that a proof leads to (RFC 9162, section
// 2.1.3.2), nil if it leads nowhere.
func rootOf(hash []byte, p inclusion) []byte {
	index, last := uint64(p.Index), uint64(p.Size-1)
	for _, sibling := range p.Hashes {
		switch {
		case last == 0:
			return nil
		case index&1 == 1 || index == last:
			hash = parent(sibling, hash)
			if index&1 == 0 && index != 0 {
				shift := bits.TrailingZeros64(index)
				index >>= shift
				last >>= shift
			}
		default:
			hash = parent(hash, sibling)
		}
		index >>= 1
		last >>= 1
	}
	if last != 0 {
		return nil
	}
	return hash
}

func parent(left, right []byte) []byte {
	h := sha256.New()
	h.Write([]byte{1})
	h.Write(left)
	h.Write(right)
	return h.Sum(nil)
}

// checkpoint reads the signed head of a log: a note of lines (origin, size, root hash),
// an empty line, and lines with signatures.
func (r *Root) checkpoint(envelope string) (by log, size int64, root []byte, err error) {
	malformed := errors.New("the head of the log is malformed")
	text, signatures, ok := strings.Cut(envelope, "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) < 3 {
		return by, 0, nil, malformed
	}
	if size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return by, 0, nil, malformed
	}
	if root, err = base64.StdEncoding.DecodeString(lines[2]); err != nil {
		return by, 0, nil, malformed
	}
	for line := range strings.Lines(signatures) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "—" {
			continue
		}
		signature, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil || len(signature) <= hintBytes {
			continue
		}
		for _, one := range r.logs {
			if checkMessage(one.key, []byte(text+"\n"), signature[hintBytes:]) == nil {
				return one, size, root, nil
			}
		}
	}
	return by, 0, nil, errors.New("the head of the log is not signed by a trusted log")
}

// hintBytes is the length of what precedes a signature of a note, to say by which key
// it is.
const hintBytes = 4

// parseSimple reads the log entry in the annotation of a simple signature.
func parseSimple(annotation string) (logEntry, error) {
	var e logEntry
	if annotation == "" {
		return e, errLog
	}
	var raw struct {
		Signed  []byte `json:"SignedEntryTimestamp"`
		Payload struct {
			Body       []byte `json:"body"`
			Integrated int64  `json:"integratedTime"`
			Index      int64  `json:"logIndex"`
			ID         string `json:"logID"`
		} `json:"Payload"`
	}
	if err := json.Unmarshal([]byte(annotation), &raw); err != nil {
		return e, errors.New("the log entry of the signature is malformed")
	}
	id, err := hex.DecodeString(raw.Payload.ID)
	if err != nil {
		return e, fmt.Errorf("the log entry of the signature is malformed: %w", err)
	}
	e.Index, e.Integrated, e.Body, e.ID.Key = raw.Payload.Index, raw.Payload.Integrated, raw.Payload.Body, id
	e.Promise = &struct {
		Signed []byte `json:"signedEntryTimestamp"`
	}{raw.Signed}
	return e, nil
}
