package door

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/kube"
)

// cluster knows one token and what its owner may.
type cluster struct {
	mu    sync.Mutex // guards the fields below
	may   map[kube.Action]bool
	asked []string
	away  bool
	now   time.Time
}

func (c *cluster) Token(_ context.Context, token string) (kube.Subject, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, "whose is "+token)
	if c.away {
		return kube.Subject{}, false, errors.New("away with " + token)
	}
	user, ok := strings.CutPrefix(token, "token-of-")
	return kube.Subject{User: user, Groups: []string{"g"}}, ok, nil
}

func (c *cluster) Allowed(_ context.Context, who kube.Subject, a kube.Action) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, who.User+" "+a.Verb+" "+a.Name)
	if c.away {
		return false, errors.New("away")
	}
	return c.may[a], nil
}

func (c *cluster) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *cluster) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// questions returns what was asked since the last call.
func (c *cluster) questions() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return asked
}

func newCluster() *cluster {
	return &cluster{may: map[kube.Action]bool{secret("mine"): true}, now: time.Unix(0, 0)}
}

func secret(name string) kube.Action {
	return kube.Action{Verb: "get", Resource: "secrets", Namespace: "apps", Name: name}
}

// knock asks for something and returns the status and the answer.
func knock(h http.Handler, headers ...string) (int, string) {
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, value := range headers {
		req.Header.Add("Authorization", value)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Code, strings.TrimSpace(rec.Body.String())
}

var inside = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
	_, _ = w.Write([]byte("hello " + From(req.Context()).Name()))
})

func TestWhoGetsIn(t *testing.T) {
	c := newCluster()
	h := New(Config{Reviewer: c, Now: c.clock}).Wrap(inside)
	for name, tt := range map[string]struct {
		headers []string
		status  int
	}{
		"nobody":            {nil, 401},
		"a token":           {[]string{"Bearer token-of-ann"}, 200},
		"in another case":   {[]string{"bearer token-of-ann"}, 200},
		"another token":     {[]string{"Bearer other"}, 401},
		"an empty token":    {[]string{"Bearer "}, 401},
		"a password":        {[]string{"Basic YW5u"}, 401},
		"two tokens":        {[]string{"Bearer token-of-ann", "Bearer token-of-bob"}, 401},
		"a token for pages": {[]string{"Bearer token-of-" + strings.Repeat("a", longestToken)}, 401},
	} {
		status, text := knock(h, tt.headers...)
		if status != tt.status || (status == 200) != (text == "hello ann") {
			t.Errorf("%s: %d %s, want %d", name, status, text, tt.status)
		}
	}
}

// Through the proxy of the API server a token comes in a header of its own.
func TestTokenThroughAProxy(t *testing.T) {
	c := newCluster()
	h := New(Config{Reviewer: c, Now: c.clock}).Wrap(inside)
	for name, tt := range map[string]struct {
		authorization string
		tokens        []string
		status        int
	}{
		"a token":               {"", []string{"token-of-ann"}, 200},
		"another token":         {"", []string{"other"}, 401},
		"an empty token":        {"", []string{" "}, 401},
		"two tokens":            {"", []string{"token-of-ann", "token-of-bob"}, 401},
		"one in each header":    {"Bearer token-of-ann", []string{"token-of-bob"}, 401},
		"a password beside one": {"Basic YW5u", []string{"token-of-ann"}, 401},
	} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		if tt.authorization != "" {
			req.Header.Set("Authorization", tt.authorization)
		}
		for _, token := range tt.tokens {
			req.Header.Add(HeaderToken, token)
		}
		rec := httptest.NewRecorder()
		if h.ServeHTTP(rec, req); rec.Code != tt.status {
			t.Errorf("%s: %d, want %d", name, rec.Code, tt.status)
		}
	}
}

// What the API server said counts for a while, and a failure of it for nobody.
func TestAnswersAreRemembered(t *testing.T) {
	c := newCluster()
	h := New(Config{Reviewer: c, Now: c.clock, Rate: 1000, Burst: 1000}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v := From(req.Context())
		for _, name := range []string{"mine", "other"} {
			err := v.May(req.Context(), secret(name))
			if denied := errors.Is(err, ErrDenied); denied != (name == "other") && !c.away {
				t.Errorf("%s: %v", name, err)
			}
		}
	}))
	for range 3 {
		knock(h, "Bearer token-of-ann")
	}
	want := []string{"whose is token-of-ann", "ann get mine", "ann get other"}
	if diff := cmp.Diff(want, c.questions()); diff != "" {
		t.Error(diff)
	}
	c.pass(10 * time.Second)
	knock(h, "Bearer token-of-ann")
	if diff := cmp.Diff(want, c.questions()); diff != "" {
		t.Errorf("after a while: %s", diff)
	}
	c.away = true
	c.pass(10 * time.Second)
	if status, text := knock(h, "Bearer token-of-ann"); status != 503 || strings.Contains(text, "token-of") {
		t.Errorf("while the API server is away: %d %s", status, text)
	}
}

// A caller who calls too often is told to wait, and nobody else is; so are those who
// guess tokens.
func TestPace(t *testing.T) {
	c := newCluster()
	h := New(Config{Reviewer: c, Now: c.clock, Rate: 1, Burst: 2}).Wrap(inside)
	calls := func(token string, n int) (let int) {
		for range n {
			if status, _ := knock(h, "Bearer "+token); status == 200 {
				let++
			}
		}
		return let
	}
	got := []int{calls("token-of-ann", 5), calls("token-of-bob", 5)}
	c.pass(time.Second)
	got = append(got, calls("token-of-ann", 5))
	if diff := cmp.Diff([]int{2, 2, 1}, got); diff != "" {
		t.Error(diff)
	}
	c.questions()
	refused := 0
	for i := range 2 * unknownBurst {
		if status, _ := knock(h, "Bearer guess"+strings.Repeat("x", i)); status == 429 {
			refused++
		}
	}
	if asked := len(c.questions()); asked > unknownBurst || refused+asked != 2*unknownBurst {
		t.Errorf("%d guesses were reviewed, %d refused", asked, refused)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	m := newMemory[int, int](3, time.Minute, func() time.Time { return now })
	for i := range 10 {
		m.put(i, i)
		now = now.Add(time.Second)
	}
	_, first := m.get(6)
	last, known := m.get(9)
	if len(m.values) != 3 || first || !known || last != 9 {
		t.Errorf("%v", m.values)
	}
	now = now.Add(time.Hour)
	if _, known := m.get(9); known {
		t.Error("it is remembered for too long")
	}
	m.put(11, 11)
	if len(m.values) != 1 {
		t.Errorf("what is over is kept: %v", m.values)
	}
}

// A handler that nobody has put behind a door shows nothing.
func TestWithoutADoor(t *testing.T) {
	if err := From(t.Context()).May(t.Context(), secret("mine")); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestDenial(t *testing.T) {
	for want, a := range map[string]kube.Action{
		`forbidden: "ann" may not get secrets "mine" in the namespace "apps"`:    secret("mine"),
		`forbidden: "ann" may not create serviceaccounts/token`:                  {Verb: "create", Resource: "serviceaccounts", Subresource: "token"},
		`forbidden: "ann" may not patch widgets.g.test "a" in the namespace "b"`: {Verb: "patch", Group: "g.test", Resource: "widgets", Name: "a", Namespace: "b"},
	} {
		if got := (&DeniedError{User: "ann", Action: a}).Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
