package scim_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// What only a real connection shows, and faults below and beside the handler.

// capable is a store with every optional interface.
type capable interface {
	store.Store
	store.Transactor
	store.MemberLister
	store.GroupLister
}

// tap passes calls on to a store, and lets a test watch them, fail them or panic in them.
type tap struct {
	capable
	on    atomic.Pointer[func(ctx context.Context, call string, argument any) error]
	pages atomic.Pointer[func(query store.MemberQuery) (store.MemberPage, error)] // in place of the store's members
}

func tapped(s store.Store) *tap { return &tap{capable: s.(capable)} }

// withTap puts a tap between the handler and the store.
func withTap(c *setup) { c.config.Store = tapped(c.config.Store) }

// tap returns the tap of a server built with withTap.
func (s *server) tap() *tap { return s.store.Store.(*tap) }

// when makes the tap call f before each call, with the call's name and its main argument; an error of f is the call's.
func (p *tap) when(f func(ctx context.Context, call string, argument any) error) { p.on.Store(&f) }

func (p *tap) before(ctx context.Context, call string, argument any) error {
	if f := p.on.Load(); f != nil {
		return (*f)(ctx, call, argument)
	}
	return nil
}

func (p *tap) Create(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
	if err := p.before(ctx, "Create", draft); err != nil {
		return store.Applied{}, err
	}
	return p.capable.Create(ctx, scope, draft)
}

func (p *tap) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	if err := p.before(ctx, "Get", ref); err != nil {
		return store.Resource{}, err
	}
	return p.capable.Get(ctx, scope, ref)
}

func (p *tap) List(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
	if err := p.before(ctx, "List", query); err != nil {
		return store.Page{}, err
	}
	return p.capable.List(ctx, scope, query)
}

func (p *tap) Update(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
	if err := p.before(ctx, "Update", change); err != nil {
		return store.Applied{}, err
	}
	return p.capable.Update(ctx, scope, ref, change, w)
}

func (p *tap) Delete(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
	if err := p.before(ctx, "Delete", ref); err != nil {
		return store.Deleted{}, err
	}
	return p.capable.Delete(ctx, scope, ref, w)
}

func (p *tap) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
	if err := p.before(ctx, "Members", query); err != nil {
		return store.MemberPage{}, err
	}
	if f := p.pages.Load(); f != nil {
		return (*f)(query)
	}
	return p.capable.Members(ctx, scope, query)
}

func (p *tap) Groups(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
	if err := p.before(ctx, "Groups", members); err != nil {
		return nil, err
	}
	return p.capable.Groups(ctx, scope, members)
}

// unreadable is a body that notes whether somebody read it.
type unreadable struct{ read atomic.Bool }

func (u *unreadable) Read([]byte) (int, error) {
	u.read.Store(true)
	return 0, io.ErrUnexpectedEOF
}

func (u *unreadable) Close() error { return nil }

// twice adds another line of a header to a request.
func twice(r *http.Request, name, value string) *http.Request {
	r.Header.Add(name, value)
	return r
}

// live is a server behind a listener of net/http, with a clock that goes.
type live struct {
	*server
	url, addr string
	client    *http.Client
}

func (s *server) listen() *live {
	s.t.Helper()
	listener := httptest.NewServer(s.handler)
	transport := &http.Transport{}
	s.t.Cleanup(func() {
		transport.CloseIdleConnections()
		listener.Close()
	})
	return &live{
		server: s, url: listener.URL + "/scim/v2", addr: listener.Listener.Addr().String(),
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func realTime(c *setup) { c.config.Now = time.Now }

// heard is an answer that came over a connection.
type heard struct {
	status int
	header http.Header
	length int64 // as announced, -1 if it was not
	body   string
	err    error // of reading the body
}

func hear(w *http.Response) heard {
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	return heard{w.StatusCode, w.Header, w.ContentLength, string(body), err}
}

// fetch sends a request through net/http's client.
func (l *live) fetch(method, target string, body io.Reader) heard {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.url+target, body)
	require.NoError(l.t, err)
	r.Header.Set("Authorization", "Bearer "+l.token)
	w, err := l.client.Do(r)
	require.NoError(l.t, err)
	return hear(w)
}

// dial opens a connection for bytes that no client would send.
func (l *live) dial() net.Conn {
	l.t.Helper()
	conn, err := net.Dial("tcp", l.addr)
	require.NoError(l.t, err)
	l.t.Cleanup(func() { conn.Close() })
	require.NoError(l.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// raw writes a request and reads one answer. The line ends of text become CRLF.
func (l *live) raw(conn net.Conn, text string) heard {
	l.t.Helper()
	_, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n"))
	require.NoError(l.t, err)
	return l.answer(bufio.NewReader(conn))
}

// answer reads one final answer.
func (l *live) answer(r *bufio.Reader) heard {
	l.t.Helper()
	for {
		w, err := http.ReadResponse(r, nil)
		require.NoError(l.t, err)
		if a := hear(w); a.status != http.StatusContinue {
			require.NoError(l.t, a.err)
			return a
		}
	}
}

// head returns everything before the body of a raw request.
func (l *live) head(method, target string, headers ...string) string {
	lines := append([]string{method + " /scim/v2" + target + " HTTP/1.1", "Host: x", "Authorization: Bearer " + l.token}, headers...)
	return strings.Join(lines, "\n") + "\n\n"
}

// closed requires that the server ends the connection.
func closed(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "the connection stays open")
}

func TestHead(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		l := s.listen()
		for _, target := range []string{"/Users/" + id, "/Users", "/ServiceProviderConfig", "/Users/none", "/Schemas/" + userURN} {
			get, head := l.fetch("GET", target, nil), l.fetch("HEAD", target, nil)
			require.NotEmpty(t, get.body)
			require.Empty(t, head.body)
			require.Equal(t, get.status, head.status)
			require.EqualValues(t, len(get.body), head.length)
			for _, name := range []string{"X-Request-Id", "Date"} {
				get.header.Del(name)
				head.header.Del(name)
			}
			require.Equal(t, get.header, head.header)
		}
		require.Equal(t, `W/"1"`, l.fetch("HEAD", "/Users/"+id, nil).header.Get("ETag"))
		covers(t, "9110-9.3.2-01")
	})
}

func TestNotModifiedOnTheWire(t *testing.T) {
	t.Parallel()
	l := newServer(t).listen()
	id := l.user("anna").id()
	conn := l.dial()
	a := l.raw(conn, l.head("GET", "/Users/"+id, `If-None-Match: "1"`))
	require.Equal(t, 304, a.status)
	require.Empty(t, a.body)
	require.Equal(t, `W/"1"`, a.header.Get("ETag"))
	require.Equal(t, 200, l.raw(conn, l.head("GET", "/Users/"+id, `If-None-Match: "2"`)).status, "the connection is out of step")
	a = l.raw(conn, l.head("DELETE", "/Users/"+id))
	require.Equal(t, 204, a.status)
	require.Empty(t, a.body)
}

func TestCrookedRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	l := newServer(t, realTime).listen()
	id := l.user("anna").id()
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"doubled slashes", "GET //scim//v2//Users HTTP/1.1\nHost: x\nAuthorization: Bearer " + tokenA + "\n\n", 200},
		{"absolute form", "GET http://evil.example/scim/v2/Users HTTP/1.1\nHost: evil.example\nAuthorization: Bearer " + tokenA + "\n\n", 200},
		{"dot segments", l.head("GET", "/Users/../Groups"), 404},
		{"two credentials", l.head("GET", "/Users", "Authorization: Bearer "+tokenB), 401},
		{"two credentials, in another case", l.head("GET", "/Users", "AUTHORIZATION: Bearer "+tokenA), 401},
		{"a folded header", l.head("GET", "/Users", " folded"), 401},
		{"an empty credential", "GET /scim/v2/Users HTTP/1.1\nHost: x\nAuthorization:\n\n", 401},
		{"a lower-case scheme", "GET /scim/v2/Users HTTP/1.1\nHost: x\nauthorization: bearer " + tokenA + "\n\n", 200},
		{"a control character in a header", l.head("GET", "/Users", "X-A: a\x00b"), 400},
		{"a backslash", "GET /scim/v2\\Users HTTP/1.1\nHost: x\nAuthorization: Bearer " + tokenA + "\n\n", 404},
		{"a bad escape", l.head("GET", "/Users/%zz"), 400},
		{"an unknown method", l.head("BREW", "/Users"), 405},
		{"HTTP/1.0", "GET /scim/v2/Users HTTP/1.0\nAuthorization: Bearer " + tokenA + "\n\n", 200},
		{"a length and chunks", l.head("POST", "/Users", "Content-Length: 5", "Transfer-Encoding: chunked") + "0\n\n", 400},
		{"two lengths", l.head("POST", "/Users", "Content-Length: 5", "Content-Length: 6") + "{}", 400},
		{"a negative length", l.head("POST", "/Users", "Content-Length: -1"), 400},
		{"a bad chunk", l.head("POST", "/Users", "Transfer-Encoding: chunked") + "zz\n{}\n", 400},
		{"an unknown encoding of the transfer", l.head("POST", "/Users", "Transfer-Encoding: gzip"), 501},
		{"a body with GET", l.head("GET", "/Users/"+id, "Content-Length: 2") + "{}", 200},
		{"a body with DELETE", l.head("DELETE", "/Users/none", "Content-Length: 2") + "{}", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := l.raw(l.dial(), c.text)
			require.Equal(t, c.status, a.status, a.body)
		})
	}
	require.Equal(t, "anna", l.get("/Users/"+id).at("userName"))
}

func TestOversizedBodiesOnTheWire(t *testing.T) {
	t.Parallel()
	l := newServer(t, realTime, withLimits(scim.Limits{BodyBytes: 1 << 20})).listen()
	refused := func(t *testing.T, a heard) {
		t.Helper()
		require.Equal(t, 413, a.status)
		var e struct{ Status string }
		require.NoError(t, json.Unmarshal([]byte(a.body), &e))
		require.Equal(t, "413", e.Status)
	}
	t.Run("a length of a terabyte", func(t *testing.T) {
		conn := l.dial()
		refused(t, l.raw(conn, l.head("POST", "/Users", "Content-Length: 1000000000000")+"{"))
		closed(t, conn)
	})
	t.Run("a byte too many", func(t *testing.T) {
		refused(t, l.raw(l.dial(), l.head("POST", "/Users", fmt.Sprintf("Content-Length: %d", 1<<20+1))+strings.Repeat(" ", 1<<20+1)))
	})
	t.Run("chunks without end", func(t *testing.T) {
		conn := l.dial()
		_, err := io.WriteString(conn, strings.ReplaceAll(l.head("POST", "/Users", "Transfer-Encoding: chunked"), "\n", "\r\n"))
		require.NoError(t, err)
		sent := make(chan int)
		go func() {
			chunk := "10000\r\n" + strings.Repeat(" ", 1<<16) + "\r\n"
			n := 0
			for {
				m, err := io.WriteString(conn, chunk)
				if n += m; err != nil {
					sent <- n
					return
				}
			}
		}()
		// The answer may be lost to the reset that ends the connection, but it does end.
		if w, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			require.Equal(t, 413, hear(w).status)
		}
		require.Less(t, <-sent, 64<<20)
	})
	covers(t, "H-04")
	t.Run("a length that lies", func(t *testing.T) {
		conn := l.dial()
		_, err := io.WriteString(conn, strings.ReplaceAll(l.head("POST", "/Users", "Content-Length: 100")+"{}", "\n", "\r\n"))
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		require.Equal(t, 400, l.answer(bufio.NewReader(conn)).status)
	})
	_, total := l.list("/Users")
	require.Zero(t, total)
	require.Equal(t, 201, l.fetch("POST", "/Users", strings.NewReader(resource(""))).status)
}

func TestSlowBodies(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		l := s.listen()
		s.take()
		for _, text := range []string{
			l.head("POST", "/Users", "Content-Length: 100") + `{"schemas"`, l.head("POST", "/Users", "Content-Length: 100"),
			l.head("POST", "/Users", "Transfer-Encoding: chunked") + "5\n" + `{"sch`,
		} {
			conn := l.dial()
			a := l.raw(conn, text) // comes once the time for a request is over
			require.Equal(t, 408, a.status, a.body)
			closed(t, conn)
		}
		require.Empty(t, s.take())
	}, realTime, withLimits(scim.Limits{RequestTime: 150 * time.Millisecond}))
}

// The clock of the configuration dates resources. How long a client may take is a matter of real time: a host that stops its clock
// in a test must still be able to read bodies.
func TestTheConfiguredClockIsNoDeadline(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]time.Time{"past": time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), "future": time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newServer(t, func(c *setup) { c.config.Now = func() time.Time { return now } }).listen()
			a := l.fetch("POST", "/Users", strings.NewReader(resource("")+strings.Repeat(" ", 1<<20)))
			require.Equal(t, 201, a.status, a.body)
		})
	}
}

// Requests that are answered before their body is read leave the connection in step.
func TestUnreadBodiesOnTheWire(t *testing.T) {
	t.Parallel()
	l := newServer(t, realTime).listen()
	conn := l.dial()
	reader := bufio.NewReader(conn)
	send := func(text string) int {
		_, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n"))
		require.NoError(t, err)
		return l.answer(reader).status
	}
	body := resource("")
	length := fmt.Sprintf("Content-Length: %d", len(body))
	require.Equal(t, 404, send(l.head("POST", "/Nope", length)+body))
	require.Equal(t, 405, send(l.head("PUT", "/Users", length)+body))
	require.Equal(t, 415, send(l.head("POST", "/Users", length, "Content-Type: text/xml")+body))
	require.Equal(t, 401, send("POST /scim/v2/Users HTTP/1.1\nHost: x\n"+length+"\n\n"+body))
	require.Equal(t, 501, send(l.head("POST", "/Bulk", length)+body))
	require.Equal(t, 201, send(l.head("POST", "/Users", length, "Expect: 100-continue")+body))
	require.Equal(t, 200, send(l.head("GET", "/Users")))
}

func TestPanicsAreAnswers(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		crew := s.group("Crew", id).id()
		before := []string{string(s.get("/Users").body), string(s.get("/Groups").body)}
		s.events.take()
		l := s.listen()
		for _, call := range []string{"Create", "Get", "List", "Update", "Delete", "Members", "Groups"} {
			s.tap().when(func(_ context.Context, name string, _ any) error {
				if name == call {
					panic("nil pointer, as bugs have it")
				}
				return nil
			})
			for _, r := range []struct {
				method, target string
				body           any
				calls          []string
			}{
				{"GET", "/Users", nil, []string{"List", "Groups"}}, {"GET", "/Groups/" + crew, nil, []string{"Get", "Members"}}, {"POST", "/Users", user("bert"), []string{"Create"}},
				{"PUT", "/Users/" + id, user("anna", map[string]any{"title": "x"}), []string{"Get", "Update"}}, {"DELETE", "/Users/" + id, nil, []string{"Delete"}},
				{"PATCH", "/Groups/" + crew, patchBody(op("remove", "members")), []string{"Get", "Update"}},
			} {
				if !strings.Contains(fmt.Sprint(r.calls), call) {
					continue
				}
				a := s.do(r.method, r.target, r.body).fails(500, "")
				require.Equal(t, "internal error", a.detail())
				require.NotContains(t, string(a.body)+fmt.Sprint(a.header), "nil pointer")
			}
			require.Equal(t, 200, l.fetch("GET", "/ServiceProviderConfig", nil).status)
		}
		s.tap().when(func(context.Context, string, any) error { return nil })
		after := []string{string(s.get("/Users").body), string(s.get("/Groups").body)}
		require.Equal(t, before, after, "a panic left a change behind")
		require.Empty(t, s.events.take())
		require.Contains(t, s.log.String(), "nil pointer", "the log must tell what happened")
		covers(t, "7644-3.12-29")
	}, withTap, realTime)
}

func TestPanicsOfASinkUndoTheChange(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		s.events.take()
		s.events.broken.Store(true)
		s.do("POST", "/Users", user("bert")).fails(500, "")
		s.patch("/Users/"+id, op("replace", "active", false)).fails(500, "")
		s.do("DELETE", "/Users/"+id, nil).fails(500, "")
		s.events.broken.Store(false)
		require.Empty(t, s.events.take())
		ids, _ := s.list("/Users")
		require.Equal(t, []string{id}, ids)
		require.Equal(t, `W/"1"`, s.get("/Users/"+id).version())
		s.do("DELETE", "/Users/"+id, nil).is(204)
	})
}

// pagesOf answers with members that nobody stored, failing behind the page with that number.
func pagesOf(pages, failing int) func(store.MemberQuery) (store.MemberPage, error) {
	return func(q store.MemberQuery) (store.MemberPage, error) {
		var number int
		_, _ = fmt.Sscan(q.After, &number)
		if number == failing {
			return store.MemberPage{}, errors.New("the connection broke")
		}
		var page store.MemberPage
		for i := range q.Limit {
			page.Memberships = append(page.Memberships, store.Membership{Group: q.Groups[0], Member: store.Member{ID: fmt.Sprintf("m-%d-%d", number, i), Type: "User"}})
		}
		if number+1 < pages {
			page.Next = fmt.Sprint(number + 1)
		}
		return page, nil
	}
}

func TestLargeGroupsAreStreamed(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		crew := "/Groups/" + s.group("Crew").id()
		l := s.listen()
		whole := pagesOf(12, -1)
		s.tap().pages.Store(&whole)
		a := l.fetch("GET", crew, nil)
		require.NoError(t, a.err)
		require.Equal(t, scimMedia, a.header.Get("Content-Type"))
		require.EqualValues(t, -1, a.length)
		var group struct{ Members []struct{ Value string } }
		require.NoError(t, json.Unmarshal([]byte(a.body), &group))
		require.Len(t, group.Members, 12_000)

		// Up to the first byte, a fault is an answer; behind it, it breaks the connection, and nothing that arrived passes for all.
		early := pagesOf(12, 0)
		s.tap().pages.Store(&early)
		require.Equal(t, 503, l.fetch("GET", crew, nil).status)
		late := pagesOf(12, 9)
		s.tap().pages.Store(&late)
		for _, target := range []string{crew, "/Groups"} {
			a = l.fetch("GET", target, nil)
			require.Equal(t, 200, a.status)
			require.Error(t, a.err)
			require.False(t, json.Valid([]byte(a.body)))
		}
		records := s.log.records(t)
		require.Contains(t, records[len(records)-1]["cause"], "the connection broke")
	}, withTap, realTime)
}

func TestRequestsOfAClientThatIsGone(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		s.events.take()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for _, r := range []*http.Request{
			s.request("POST", "/Users", user("bert")), s.request("PATCH", "/Users/"+id, patchBody(op("add", "title", "x"))), s.request("DELETE", "/Users/"+id, nil),
		} {
			s.send(r.WithContext(gone)).fails(503, "")
		}
		require.Empty(t, s.events.take())
		ids, _ := s.list("/Users")
		require.Equal(t, []string{id}, ids)
		require.Equal(t, `W/"1"`, s.get("/Users/"+id).version())
	})
}

// FuzzHandler sends anything: no answer is a 5xx but 501, and each passes the tripwires of the harness.
func FuzzHandler(f *testing.F) {
	for _, seed := range []struct{ method, target, body string }{
		{"GET", "/Users?filter=userName+eq+%22a%22&count=1", ""}, {"POST", "/Users", resource(`,"emails":[{"value":"a"}]`)}, {"POST", "/Users/.search", `{"schemas":["` + searchURN + `"]}`},
		{"PATCH", "/Users/{id}", operations(`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`)}, {"PUT", "/Users/{id}", resource("")},
		{"PATCH", "/Groups/{group}", operations(`{"op":"add","path":"members","value":[{"value":"{id}"}]}`)}, {"GET", "/Groups/{group}?attributes=members.value", ""},
		{"DELETE", "/Users/{id}", ""}, {"GET", "/Schemas/" + userURN, ""}, {"OPTIONS", "/", "{"}, {"GET", "/Users/%2e%2e", ""}, {"GET", "/?aadOptscim062020/Users", ""},
	} {
		f.Add(seed.method, seed.target, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		s := newServer(t)
		id := s.user("anna").id()
		fill := strings.NewReplacer("{id}", id, "{group}", s.group("Crew", id).id())
		r := s.request("GET", "/Users", fill.Replace(body))
		r.Method = method
		path, query, _ := strings.Cut(fill.Replace(target), "?")
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = "/scim/v2"+path, "", query
		a := s.send(r)
		if a.status >= 500 {
			require.Equal(t, 501, a.status)
		}
	})
}
