package scim_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// What handlers, verifiers, limiters and stores remember between requests is counted, since the size of the heap depends on more.

// retained counts the entries of all maps, lists and buffers that can be reached from values through types of this module. What
// databases and loggers hold is not theirs.
func retained(values ...any) int {
	c := counter{}
	for _, v := range values {
		c.walk(reflect.ValueOf(v))
	}
	return c.entries
}

type counter struct {
	entries int
	seen    map[reflect.Value]bool
}

func (c *counter) walk(v reflect.Value) {
	if !v.IsValid() || !isOurs(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if c.seen == nil {
			c.seen = map[reflect.Value]bool{}
		}
		if !v.IsNil() && !c.seen[v] {
			c.seen[v] = true
			c.walk(v.Elem())
		}
	case reflect.Interface:
		c.walk(v.Elem())
	case reflect.Struct:
		for _, field := range v.Fields() {
			c.walk(field)
		}
	case reflect.Map:
		c.entries += v.Len()
		for entries := v.MapRange(); entries.Next(); {
			c.walk(entries.Value())
		}
	case reflect.Slice:
		c.entries += v.Len()
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			c.walk(v.Index(i))
		}
	case reflect.Chan:
		c.entries += v.Len()
	}
}

// isOurs reports whether values of a type are looked into: those of this module, and those without a name.
func isOurs(t reflect.Type) bool {
	path := t.PkgPath()
	return path == "" || path == modulePath || strings.HasPrefix(path, modulePath+"/")
}

func TestRetainedEntriesAreCounted(t *testing.T) {
	t.Parallel()
	b := scim.NewTokenBucket(1)
	before := retained(b)
	for i := range 7 {
		b.Allow(fmt.Sprint(i), time.Now())
	}
	require.Equal(t, before+7, retained(b))
	require.Equal(t, before+7, retained(scim.Config{RateLimiter: b}))
	memory := memstore.New()
	before = retained(memory)
	_, err := memory.Create(t.Context(), store.Scope{Connection: "c", Tenant: "t"}, store.Draft{
		Ref: store.Ref{Type: "User", ID: "u"}, At: time.Now(), Document: store.NewDocument([]byte(`{"schemas":["urn:x"],"userName":"u"}`)),
	})
	require.NoError(t, err)
	require.Greater(t, retained(memory), before)
	require.Equal(t, 5, retained([]any{[]int{1, 2}, map[string]*sync.Mutex{"a": {}}}))
}

// crowd accepts any number of tokens, each with a connection of its own.
var crowd = verifierFunc(func(_ context.Context, text string) (scim.Credential, error) {
	return scim.Credential{Connection: scim.Connection{ID: text, Tenant: "tenant-" + text}, TokenID: text}, nil
})

// plain sends a request without a body, past the tripwires, and returns the status.
func (s *server) plain(target, token, address string) int {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/scim/v2"+target, http.NoBody)
	r.RemoteAddr = address
	r.Header["Authorization"] = []string{"Bearer " + token}
	r.Header["X-Forwarded-For"] = []string{address}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code
}

func silently(c *setup) { c.config.Logger = slog.New(slog.DiscardHandler) }

// A thousand connections of one server each find their own, and nothing is remembered of them that grows with their requests.
func TestAThousandConnections(t *testing.T) {
	t.Parallel()
	const connections = 1000
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			s := newServer(t, silently, func(c *setup) {
				c.config.Store, c.config.Verifier, c.config.RateLimiter, c.config.Events = backend, crowd, nil, nil
			})
			token := func(i int) string { return fmt.Sprintf("token-of-connection-%04d-0123456789", i) }
			var all sync.WaitGroup
			for first := range 4 {
				all.Go(func() {
					for i := first; i < connections; i += 4 {
						if a := s.as(token(i)).do("POST", "/Users", user("someone", map[string]any{"nickName": token(i)})); a.status != 201 {
							t.Errorf("%d %s", a.status, a.body)
						}
					}
				})
			}
			all.Wait()
			before := retained(s.handler, backend)
			for round := range 2 {
				for i := range connections {
					require.Equal(t, 200, s.plain("/Users?count=0", token(i), "192.0.2.1:1"))
				}
				require.Equal(t, before, retained(s.handler, backend), "round %d", round)
			}
			for i := 0; i < connections; i += 99 {
				a := s.as(token(i)).get("/Users")
				require.EqualValues(t, 1, a.at("totalResults"))
				require.Equal(t, token(i), a.at("Resources", 0, "nickName"))
			}
			require.Equal(t, before, retained(s.handler, backend))
			covers(t, "R-02")
		})
	}
}

// boundless is a ConnectionStore in which every token exists, each with a connection of its own.
type boundless struct{ store.ConnectionStore }

func (boundless) FindToken(_ context.Context, _ string, digest store.Digest) (store.Token, store.Connection, error) {
	id := fmt.Sprintf("%x", digest[:16])
	connection := store.Connection{ID: id, Tenant: "tenant-" + id, Status: store.StatusActive}
	return store.Token{ID: "token-" + id, Connection: id, Digest: digest}, connection, nil
}

// However many connections there are, limiters, caches and what waits for the background work hold some of them only, and all are
// served.
func TestConnectionsAreForgotten(t *testing.T) {
	t.Parallel()
	const most = 10_000 // of anything, as TokenBucket's documentation says; that of Connections says less for its journal
	d := newDial()
	memory := memstore.New()
	connections, err := scim.NewConnections(scim.ConnectionsConfig{
		Store: boundless{memory}, Journal: memory, CacheFor: time.Second, Now: func() time.Time { return d.at },
	})
	require.NoError(t, err)
	limiter := scim.NewTokenBucket(1)
	s := newServer(t, silently, func(c *setup) {
		c.config.Verifier, c.config.Journal, c.config.RateLimiter, c.config.Now = connections, connections, limiter, func() time.Time { return d.at }
	})
	fixed := []int{retained(limiter), retained(connections) - retained(memory)}
	peaks := []int{0, 0}
	for i := range 25_000 {
		if status := s.plain("/ServiceProviderConfig", fmt.Sprintf("token-of-connection-%d", i), "192.0.2.1:1"); status != 200 {
			require.Equal(t, 200, status)
		}
		if i%1000 == 999 {
			peaks[0] = max(peaks[0], retained(limiter)-fixed[0])
			peaks[1] = max(peaks[1], retained(connections)-retained(memory)-fixed[1])
		}
	}
	for i, most := range []int{most, 3 * most} { // tokens that were found, tokens that were used, entries of the journal
		require.LessOrEqual(t, peaks[i], most)
		require.Greater(t, peaks[i], most/2, "nothing is counted")
	}
	require.Positive(t, connections.JournalDropped())
	require.NoError(t, connections.Flush(t.Context()))
	require.NoError(t, connections.Sweep(t.Context()))
	require.LessOrEqual(t, retained(connections)-retained(memory)-fixed[1], most, "what was stored is held no more")
	covers(t, "R-02")
}

// Nothing is remembered of a token that is not valid, nor of whoever sent it.
func TestNothingIsRememberedOfBadTokens(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			bogus := 1000
			if b.name == "memstore" {
				bogus = 100_000
			}
			backend := b.open(t)
			connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: backend.(store.ConnectionStore), CacheFor: time.Second})
			require.NoError(t, err)
			_, secret, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
			require.NoError(t, err)
			good := string(secret)
			limiter := scim.NewTokenBucket(scim.DefaultRate)
			s := newServer(t, silently, func(c *setup) {
				c.config.Store, c.config.Verifier, c.config.Journal, c.config.RateLimiter = backend, connections, connections, limiter
			})
			require.Equal(t, 200, s.plain("/Users", good, "192.0.2.1:1"))
			before := retained(s.handler, connections, limiter, backend)
			for i := range bogus {
				text := good[:len(good)-6] + fmt.Sprintf("!%05d", i) // the id inside is right
				switch i % 3 {
				case 1:
					text = fmt.Sprintf("scim_%016d_%s", i, good[22:]) // of that shape, with another id
				case 2:
					text = fmt.Sprintf("canary-of-a-bogus-token-%08d", i)
				}
				address := fmt.Sprintf("10.%d.%d.%d:%d", i>>16&255, i>>8&255, i&255, 1024+i%60_000)
				if status := s.plain("/Users", text, address); status != 401 {
					require.Equal(t, 401, status, text)
				}
			}
			require.Equal(t, before, retained(s.handler, connections, limiter, backend))
			require.Equal(t, 200, s.plain("/Users", good, "192.0.2.1:1"))
			covers(t, "R-03")
		})
	}
}
