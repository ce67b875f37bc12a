package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
)

const (
	// postTimeout bounds one try to deliver a fact, from dialling to the answer.
	postTimeout = 5 * time.Second
	// postTries is the number of tries.
	postTries = 5
	// postPause is the time before the second try; it doubles each time.
	postPause = time.Second
	// maxNotification is the length that receivers are told to expect of a
	// message, in bytes.
	maxNotification = 39000
	// maxAnswer is how much of an answer is read so that a connection can be used
	// again.
	maxAnswer = 4 << 10
)

// errRefused is an answer that no repetition would change.
var errRefused = errors.New("the receiver refused the event")

// Notifier posts facts to a notification endpoint, the one of --events-addr.
type Notifier struct {
	address  string
	instance string
	client   *http.Client
	log      logr.Logger
}

// NewNotifier returns a notifier that posts to address, an http or https URL.
// instance names this process in the notifications.
func NewNotifier(address, instance string, log logr.Logger) *Notifier {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: postTimeout}).DialContext,
		TLSHandshakeTimeout: postTimeout,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     30 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	return &Notifier{
		address: address, instance: instance, log: log,
		client: &http.Client{Transport: transport, Timeout: postTimeout},
	}
}

// Handle delivers f, trying again while the endpoint is away. The answer 429 means
// that the endpoint knows the fact already. Trace facts and facts about objects of
// the cluster scope are nobody's business there.
func (n *Notifier) Handle(ctx context.Context, f Fact) {
	s := f.Subject
	if f.Severity == Trace || s.Kind == "" || s.Name == "" || s.Namespace == "" {
		return
	}
	if f.Time.IsZero() {
		f.Time = time.Now()
	}
	if err := n.deliver(ctx, f); err != nil && ctx.Err() == nil {
		n.log.Error(err, "cannot forward an event", "object", s.String(), "reason", f.Reason)
	}
}

func (n *Notifier) deliver(ctx context.Context, f Fact) error {
	body, err := json.Marshal(newNotification(f, n.instance))
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	pause := postPause
	for try := 1; ; try++ {
		err := n.post(ctx, body)
		if err == nil || try == postTries || errors.Is(err, errRefused) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (n *Notifier) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := n.client.Do(request)
	if err != nil {
		return fmt.Errorf("post an event: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
	switch code := answer.StatusCode; {
	case code < 300, code == http.StatusTooManyRequests:
		return nil
	case code < 500:
		return fmt.Errorf("%w: %s", errRefused, answer.Status)
	default:
		return fmt.Errorf("post an event: %s", answer.Status)
	}
}
