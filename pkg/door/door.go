package door

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/kube"
)

// Reviewer knows whose tokens are and what somebody may; [kube.Reviewer] asks the API
// server.
type Reviewer interface {
	Token(ctx context.Context, token string) (who kube.Subject, valid bool, err error)
	Allowed(ctx context.Context, who kube.Subject, a kube.Action) (bool, error)
}

// Config is what a [Door] is made of. A zero field means its default.
type Config struct {
	Reviewer Reviewer
	// Remember is for how long an answer of the API server counts; ten seconds.
	Remember time.Duration
	// Rate and Burst bound the calls of one caller: so many a second, after a burst; 5
	// and 20.
	Rate, Burst float64
	// Now is the clock; the real one.
	Now func() time.Time
}

// Limits of what is kept and asked.
const (
	mostTokens   = 1024
	mostCallers  = 1024
	mostAnswers  = 16 << 10
	longestToken = 16 << 10
	unknownRate  = 20 // reviews a second of tokens that are not known
	unknownBurst = 100
)

// Door lets callers in. It is safe for concurrent use.
type Door struct {
	reviewer Reviewer
	rate     float64
	burst    float64
	now      func() time.Time

	tokens  *memory[[sha256.Size]byte, login]
	answers *memory[question, bool]
	callers *memory[string, *bucket]
	unknown *bucket
}

type login struct {
	who   kube.Subject
	valid bool
}

type question struct {
	user [sha256.Size]byte // all of the subject
	kube.Action
}

// New returns a door. No request is made.
func New(c Config) *Door {
	if c.Now == nil {
		c.Now = time.Now
	}
	remember := cmp.Or(c.Remember, 10*time.Second)
	return &Door{
		reviewer: c.Reviewer, rate: cmp.Or(c.Rate, 5), burst: cmp.Or(c.Burst, 20), now: c.Now,
		tokens:  newMemory[[sha256.Size]byte, login](mostTokens, remember, c.Now),
		answers: newMemory[question, bool](mostAnswers, remember, c.Now),
		callers: newMemory[string, *bucket](mostCallers, time.Minute, c.Now),
		unknown: newBucket(unknownRate, unknownBurst, c.Now),
	}
}

// Errors by which callers are turned away.
var (
	errToken = errors.New("a valid bearer token of the cluster is needed")
	errBusy  = errors.New("too many requests")
)

// Wrap calls next for those who are let in, and answers the others.
func (d *Door) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		who, err := d.identify(req)
		if err == nil && !d.pace(who.User) {
			err = errBusy
		}
		if err != nil {
			turnAway(w, err)
			return
		}
		v := &Visitor{door: d, who: who, sum: sum(who)}
		next.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), visitorKey{}, v)))
	})
}

// turnAway answers somebody who is not let in.
func turnAway(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errToken):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, errToken.Error(), http.StatusUnauthorized)
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		http.Error(w, errBusy.Error(), http.StatusTooManyRequests)
	default:
		http.Error(w, "the API server cannot be asked who this is", http.StatusServiceUnavailable)
	}
}

// HeaderToken is where callers put a token who come through the proxy of the API server,
// which keeps the Authorization header to itself.
const HeaderToken = "Fluxd-Token"

// shown returns the one token that a request shows.
func shown(req *http.Request) (token string, ok bool) {
	headers, proxied := req.Header.Values("Authorization"), req.Header.Values(HeaderToken)
	switch {
	case len(headers)+len(proxied) != 1:
		return "", false
	case len(headers) == 1:
		var scheme string
		scheme, token, ok = strings.Cut(headers[0], " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			return "", false
		}
	default:
		token = proxied[0]
	}
	token = strings.TrimSpace(token)
	return token, token != "" && len(token) <= longestToken
}

// identify returns whose token a request shows.
func (d *Door) identify(req *http.Request) (kube.Subject, error) {
	token, ok := shown(req)
	if !ok {
		return kube.Subject{}, errToken
	}
	key := sha256.Sum256([]byte(token))
	known, ok := d.tokens.get(key)
	if !ok {
		if !d.unknown.take() {
			return kube.Subject{}, errBusy
		}
		var err error
		known.who, known.valid, err = d.reviewer.Token(req.Context(), token)
		if err != nil {
			return kube.Subject{}, err
		}
		d.tokens.put(key, known)
	}
	if !known.valid {
		return kube.Subject{}, errToken
	}
	return known.who, nil
}

// pace says whether a caller may call once more.
func (d *Door) pace(user string) bool {
	b, ok := d.callers.get(user)
	if !ok {
		b = newBucket(d.rate, d.burst, d.now)
	}
	d.callers.put(user, b) // for a minute more
	return b.take()
}

// sum tells subjects apart in all that decides what they may.
func sum(who kube.Subject) [sha256.Size]byte {
	return sha256.Sum256([]byte(fmt.Sprintf("%q %q %q %q", who.User, who.UID, who.Groups, who.Extra)))
}
