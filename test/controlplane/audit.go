package controlplane

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	fileAudit       = "audit.log"
	fileAuditPolicy = "audit-policy.json"
)

// AuditMark is a moment, and where in the audit log what comes after it is. Zero is the
// beginning.
type AuditMark struct {
	offset int64
	at     time.Time
}

// AuditEvent is one request that the API server has answered, or for a watch
// has begun to answer.
type AuditEvent struct {
	Time      time.Time // when the request came in
	User      string    // who sent it
	As        string    // whom the user acted for, if anybody
	UserAgent string
	Request   Request
	Namespace string
	Name      string
	DryRun    bool          // nothing was to be kept
	Code      int           // HTTP status of the answer
	Took      time.Duration // from request to answer
}

// MarkAudit makes AuditCounts start from here, and returns the place for
// those who count from several. What came in before does not count, whenever it is
// answered: an object can be seen to have changed before the answer to who changed it
// is in the log.
func (c *ControlPlane) MarkAudit() (AuditMark, error) {
	if err := c.audited(); err != nil {
		return AuditMark{}, err
	}
	now := time.Now()
	offset, err := endOfLines(c.plan.file(fileAudit))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return AuditMark{}, fmt.Errorf("mark the audit log: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark = AuditMark{offset, now}
	return c.mark, nil
}

// endOfLines returns where the last whole line of a file ends: what follows is
// a line that is still being written. It is an offset in bytes.
func endOfLines(path string) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	chunk := make([]byte, 64<<10)
	for end > 0 {
		start := max(0, end-int64(len(chunk)))
		part := chunk[:end-start]
		if _, err := file.ReadAt(part, start); err != nil {
			return 0, err
		}
		if at := bytes.LastIndexByte(part, '\n'); at >= 0 {
			return start + int64(at) + 1, nil
		}
		end = start
	}
	return 0, nil
}

// AuditCounts counts the requests of a user since the last MarkAudit, or
// since the start. An empty name counts those of everybody. A request is in
// the count by the time its answer has been read to the end.
func (c *ControlPlane) AuditCounts(user string) (Counts, error) {
	c.mu.Lock()
	mark := c.mark
	c.mu.Unlock()
	return c.AuditCountsSince(mark, user)
}

// AuditCountsSince is AuditCounts from a place of the caller's choice.
func (c *ControlPlane) AuditCountsSince(mark AuditMark, user string) (Counts, error) {
	events, err := c.AuditEvents(mark, user)
	counts := Counts{}
	for _, event := range events {
		counts[event.Request]++
	}
	return counts, err
}

// AuditEvents lists the requests of a user, or of everybody if user is empty,
// in the order in which they were answered.
func (c *ControlPlane) AuditEvents(since AuditMark, user string) ([]AuditEvent, error) {
	if err := c.audited(); err != nil {
		return nil, err
	}
	file, err := os.Open(c.plan.file(fileAudit))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no request has been audited yet
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(since.offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return parseAudit(file, since.at, user)
}

func (c *ControlPlane) audited() error {
	switch {
	case c.binary == "":
		return fmt.Errorf("read the audit log: %w", errForeign)
	case !c.plan.options.Audit:
		return errors.New("read the audit log: the control plane was started without Options.Audit")
	}
	return nil
}

// parseAudit reads whole lines; one that is still being written is left out, as is what
// came in before since.
func parseAudit(r io.Reader, since time.Time, user string) ([]AuditEvent, error) {
	var events []AuditEvent
	reader := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, fmt.Errorf("read the audit log: %w", err)
		}
		var record auditRecord
		if err := json.Unmarshal(line, &record); err != nil {
			return events, fmt.Errorf("read the audit log: %w", err)
		}
		if record.counts() && !record.RequestReceivedTimestamp.Before(since) && (user == "" || user == record.User.Username) {
			events = append(events, record.event())
		}
	}
}
