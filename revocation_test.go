package scim_test

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// traffic is requests of several clients with several tokens, while somebody else changes what the tokens are worth.
type traffic struct {
	e       *estate
	crew    string       // id of a group that all clients change
	now     atomic.Int64 // a logical clock: moments have an order and nothing else
	turn    atomic.Int64
	stopped atomic.Bool
	work    sync.WaitGroup

	mu     sync.Mutex
	moved  *sync.Cond
	tokens []string
	began  map[string]int64 // when the last request with a token began that has been answered
	sent   []sent
}

// sent is a request that was answered.
type sent struct {
	token      string
	what       string
	begin, end int64
	answered
}

// worth is what tokens are worth from a moment between begin and end on.
type worth struct {
	begin, end int64
	valid      map[string]bool
}

func newTraffic(e *estate, token string) *traffic {
	e.t.Helper()
	tr := &traffic{e: e, began: map[string]int64{}, tokens: []string{token}}
	tr.moved = sync.NewCond(&tr.mu)
	tr.crew = e.scim(0, token, "POST", "/Groups", groupText("Crew")).decode(e.t, 201)["id"].(string)
	return tr
}

// start sends requests from so many clients until stop.
func (tr *traffic) start(clients int) {
	tr.e.t.Cleanup(func() {
		tr.stopped.Store(true)
		tr.work.Wait()
	})
	for n := range clients {
		tr.work.Go(func() {
			c := &client{tr: tr, n: n}
			for !tr.stopped.Load() {
				c.next()
			}
		})
	}
}

// stop ends the traffic when at least so many requests were answered.
func (tr *traffic) stop(atLeast int) {
	tr.mu.Lock()
	for len(tr.sent) < atLeast {
		tr.moved.Wait()
	}
	tr.mu.Unlock()
	tr.stopped.Store(true)
	tr.work.Wait()
}

// everyToken waits until a request was answered with each token that began after a moment.
func (tr *traffic) everyToken(after int64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for i := 0; i < len(tr.tokens); {
		if tr.began[tr.tokens[i]] > after {
			i++
			continue
		}
		tr.moved.Wait()
	}
}

func (tr *traffic) add(token string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.tokens = append(tr.tokens, token)
}

// client is one of the senders. It works on a user of its own, and on the group.
type client struct {
	tr    *traffic
	n     int
	users int
	id    string // of the user that it has, empty: none
	step  int
}

func userText(name string) string { return `{"schemas":["` + userURN + `"],"userName":"` + name + `"}` }
func groupText(name string) string {
	return `{"schemas":["` + groupURN + `"],"displayName":"` + name + `"}`
}

var idInside = regexp.MustCompile(`"id":"([^"]+)"`)

// next sends one request, with the token whose turn it is, to the process whose turn it is.
func (c *client) next() {
	tr := c.tr
	turn := tr.turn.Add(1)
	tr.mu.Lock()
	token := tr.tokens[int(turn)%len(tr.tokens)]
	tr.mu.Unlock()

	name := fmt.Sprintf("user-%d-%d", c.n, c.users)
	method, target, body := "POST", "/Users", userText(name)
	c.step++
	if own := "/Users/" + c.id; c.id != "" {
		switch c.step % 8 {
		case 0:
			method, target, body = "DELETE", own, ""
		case 1:
			method, target, body = "GET", own, ""
		case 2:
			method, target, body = "PATCH", own, patchText(`{"op":"replace","path":"title","value":"Sailor `+fmt.Sprint(c.step)+`"}`)
		case 3:
			method, target, body = "GET", "/Users?filter="+url.QueryEscape(`userName eq "`+name+`"`), ""
		case 4:
			method, target, body = "PUT", own, userText(name)
		case 5:
			method, target, body = "PATCH", "/Groups/"+tr.crew, patchText(`{"op":"add","path":"members","value":[{"value":"`+c.id+`"}]}`)
		case 6:
			method, target, body = "GET", "/Groups/"+tr.crew+"?excludedAttributes=members", ""
		case 7:
			method, target, body = "PATCH", "/Groups/"+tr.crew, patchText(`{"op":"remove","path":"members[value eq \"`+c.id+`\"]"}`)
		}
	}
	begin := tr.now.Add(1)
	a := tr.e.scim(int(turn/7), token, method, target, body)
	end := tr.now.Add(1)
	switch {
	case a.status == 404, a.status < 300 && method == "DELETE":
		c.id = ""
	case a.status < 300 && method == "POST":
		c.users++
		c.id = idInside.FindStringSubmatch(a.body)[1]
	}

	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.sent = append(tr.sent, sent{token, method + " " + target, begin, end, a})
	tr.began[token] = max(tr.began[token], begin)
	tr.moved.Broadcast()
}

// verdict says which answers a request may have: those of each state of its token that was there while it ran.
func (s sent) verdict(history []worth) (accepted, refused bool) {
	for i, w := range history {
		over := int64(math.MaxInt64)
		if i+1 < len(history) {
			over = history[i+1].end
		}
		if w.begin < s.end && s.begin < over {
			accepted = accepted || w.valid[s.token]
			refused = refused || !w.valid[s.token]
		}
	}
	return accepted, refused
}

// custody is a connection whose tokens change hands, and what they were worth when.
type custody struct {
	*link
	tr      *traffic
	active  bool
	valid   map[string]bool
	history []worth
	calls   int
}

// step makes a change through another process each time, and notes what tokens are worth now: one that was handed out is used by
// everybody from then on. It returns when each token was used once more.
func (c *custody) step(change func(node int) (token string, valid bool)) (token string) {
	w := worth{begin: c.tr.now.Add(1)}
	c.calls++
	token, valid := change(c.calls)
	w.end = c.tr.now.Add(1)
	if token != "" {
		c.valid[token] = valid
	}
	w.valid = map[string]bool{}
	if c.active {
		w.valid = maps.Clone(c.valid)
	}
	c.history = append(c.history, w)
	if valid {
		c.tr.add(token)
	}
	c.tr.everyToken(w.end)
	return token
}

// do makes a change that is one call and ends a token, if one is given.
func (c *custody) do(method, target, body, ended string) {
	c.e.t.Helper()
	c.step(func(n int) (string, bool) {
		c.manage(n, method, target, body).decode(c.e.t, 200)
		return ended, false
	})
}

// fresh makes a change that hands a token out.
func (c *custody) fresh(change func(node int) string) (token string) {
	c.e.t.Helper()
	return c.step(func(n int) (string, bool) { return change(n), true })
}

func (c *custody) become(status string) {
	c.e.t.Helper()
	c.active = status == "active"
	c.do("PATCH", "", `{"status":"`+status+`"}`, "")
}

// upheaval is everything that can happen to the tokens of a connection.
func (c *custody) upheaval() {
	issue := func(name string) (id, token string) {
		token = c.fresh(func(n int) (text string) {
			id, text = c.issue(n, name)
			return text
		})
		return id, token
	}
	first := c.token
	idOne, one := issue("one")
	idTwo, two := issue("two")
	second := c.fresh(c.rotate)
	c.do("POST", "/rotate/complete", "", first)
	c.do("DELETE", "/tokens/"+idOne, "", one)
	third := c.fresh(c.rotate)
	c.do("POST", "/rotate/cancel", "", third)
	c.become("disabled")
	fourth := c.fresh(c.rotate)
	c.become("active")
	c.do("PATCH", "", `{"display_name":"Another name"}`, "")
	c.do("POST", "/rotate/complete", "", second)
	c.do("DELETE", "/tokens/"+idTwo, "", two)
	c.become("disabled")
	c.become("active")
	fifth := c.fresh(c.rotate)
	c.do("POST", "/rotate/complete", "", fourth)
	require.Equal(c.e.t, map[string]bool{
		first: false, one: false, two: false, second: false, third: false, fourth: false, fifth: true,
	}, c.valid)
}

// While tokens are rotated, revoked and suspended, every request is answered by what its token was worth at the time: one that began
// after a revocation was answered is refused, one that was answered before it began is not, and nothing fails.
func TestRequestsAreAnsweredByTheStateOfTheirToken(t *testing.T) {
	t.Parallel()
	cached := func(c *scim.ConnectionsConfig, _ *scim.Config) { c.CacheFor = time.Second }
	for _, c := range []struct {
		name, backend string
		nodes         int
		tunes         []tune
	}{
		{"memstore", "memstore", 1, nil},
		{"memstore, two processes", "memstore", 2, nil},
		{"memstore, cached", "memstore", 1, []tune{cached}},
		{"sqlite", "sqlite", 1, nil},
		{"sqlite, two processes", "sqlite", 2, nil},
		{"postgresql", "postgresql", 1, nil},
		{"postgresql, three processes", "postgresql", 3, nil},
		{"postgresql, cached", "postgresql", 1, []tune{cached}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := openEstate(t, c.backend, c.nodes, c.tunes...)
			l := e.connect("tenant", "")
			tr := newTraffic(e, l.token)
			k := &custody{link: l, tr: tr, active: true, valid: map[string]bool{l.token: true}}
			k.history = []worth{{begin: math.MinInt64, valid: maps.Clone(k.valid)}}
			e.events.take()
			tr.start(8)
			k.upheaval()
			tr.stop(200)
			k.judge(t)
			covers(t, "A-14")
		})
	}
}

// judge holds every answer against the history, and what is stored against the answers.
func (c *custody) judge(t *testing.T) {
	t.Helper()
	seen := map[bool]int{}
	users := map[string]bool{}
	written := 0
	for _, s := range c.tr.sent {
		accepted, refused := s.verdict(c.history)
		where := fmt.Sprintf("%s from %d to %d: %d %s", s.what, s.begin, s.end, s.status, s.body)
		switch {
		case s.status == 401:
			require.True(t, refused, "refused, although the token was valid: %s", where)
			seen[false]++
			continue
		case s.status < 200 || s.status > 299:
			t.Fatalf("neither 2xx nor 401: %s", where)
		}
		require.True(t, accepted, "accepted, although the token was not valid: %s", where)
		seen[true]++
		method, target, _ := strings.Cut(s.what, " ")
		switch method {
		case "POST":
			users[idInside.FindStringSubmatch(s.body)[1]] = true
		case "DELETE":
			require.True(t, users[strings.TrimPrefix(target, "/Users/")])
			delete(users, strings.TrimPrefix(target, "/Users/"))
		}
		if method != "GET" {
			written++
		}
	}
	require.GreaterOrEqual(t, seen[true]+seen[false], 200)
	require.Greater(t, seen[true], 30)
	require.Greater(t, seen[false], 30)

	// What was refused changed nothing, and what was accepted is there.
	last := ""
	for token, valid := range c.valid {
		if valid {
			last = token
		}
	}
	found := map[string]bool{}
	page := c.e.scim(0, last, "GET", "/Users?count=500&attributes=userName", "").decode(t, 200)
	for _, r := range page["Resources"].([]any) {
		found[r.(map[string]any)["id"].(string)] = true
	}
	require.Equal(t, users, found)
	created := 0
	for _, e := range c.e.events.take() {
		switch e.Type {
		case scim.UserCreated:
			created++
		case scim.UserDeleted:
			created--
		}
	}
	require.Equal(t, len(users), created)
	require.Positive(t, written)
}
