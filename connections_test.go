package scim_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// Connections, their tokens, and what New accepts.

// ledger is a ConnectionStore that a test can look into.
type ledger struct {
	store.ConnectionStore
	tokens []store.Token
	fail   error
	find   func(store.Token, store.Connection) (store.Token, store.Connection)
	asked  []string
}

func newLedger() *ledger { return &ledger{ConnectionStore: memstore.New()} }

func (l *ledger) CreateToken(ctx context.Context, token store.Token) error {
	l.tokens = append(l.tokens, token)
	return l.ConnectionStore.CreateToken(ctx, token)
}

func (l *ledger) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	l.asked = append(l.asked, id)
	if l.fail != nil {
		return store.Token{}, store.Connection{}, l.fail
	}
	token, connection, err := l.ConnectionStore.FindToken(ctx, id, digest)
	if l.find != nil {
		token, connection = l.find(token, connection)
	}
	return token, connection, err
}

func newConnections(t *testing.T, config scim.ConnectionsConfig) *scim.Connections {
	t.Helper()
	if config.Store == nil {
		config.Store = newLedger()
	}
	connections, err := scim.NewConnections(config)
	require.NoError(t, err)
	return connections
}

func TestCreateConnections(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 3600))
	connections := newConnections(t, scim.ConnectionsConfig{Now: func() time.Time { return at }, PerTenant: -1})
	for _, c := range []struct {
		draft  scim.ConnectionDraft
		idp    dialect.IdentityProvider
		policy dialect.Policy
	}{
		{scim.ConnectionDraft{Tenant: "t"}, dialect.Generic, dialect.Policy{}},
		{scim.ConnectionDraft{Tenant: "t", IdentityProvider: dialect.Okta, DisplayName: "Okta of T"}, dialect.Okta, dialect.PolicyFor(dialect.Okta)},
		{scim.ConnectionDraft{Tenant: "t", IdentityProvider: dialect.MicrosoftEntra, Strict: true}, dialect.MicrosoftEntra, dialect.PolicyFor(dialect.MicrosoftEntra)},
		{
			scim.ConnectionDraft{Tenant: "t", IdentityProvider: dialect.MicrosoftEntra, Policy: &dialect.Policy{BareRemove: dialect.BareRemoveRefuse}},
			dialect.MicrosoftEntra, dialect.Policy{BareRemove: dialect.BareRemoveRefuse},
		},
	} {
		got, err := connections.Create(ctx, c.draft)
		require.NoError(t, err)
		require.Equal(t, scim.Connection{
			ID: got.ID, Tenant: "t", DisplayName: c.draft.DisplayName, IdentityProvider: c.idp, Policy: c.policy, Strict: c.draft.Strict,
			CreatedAt: at.UTC().Truncate(time.Microsecond),
		}, got)
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, got.ID)
	}
	for _, draft := range []scim.ConnectionDraft{{}, {Tenant: "t", IdentityProvider: "nobody"}, {IdentityProvider: dialect.Okta}} {
		_, err := connections.Create(ctx, draft)
		require.Error(t, err)
	}
}

func TestConnectionsPerTenant(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, c := range []struct{ perTenant, allowed int }{{0, 1}, {1, 1}, {3, 3}, {-1, 8}} {
		connections := newConnections(t, scim.ConnectionsConfig{PerTenant: c.perTenant})
		var created, refused atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := connections.Create(ctx, scim.ConnectionDraft{Tenant: "t"})
				switch {
				case err == nil:
					created.Add(1)
				case errors.Is(err, scim.ErrConnectionExists):
					refused.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, c.allowed, created.Load())
		require.EqualValues(t, 8-c.allowed, refused.Load())
		_, err := connections.Create(ctx, scim.ConnectionDraft{Tenant: "other"})
		require.NoError(t, err)
	}
}

func TestIssuedTokens(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	kept := newLedger()
	connections := newConnections(t, scim.ConnectionsConfig{Store: kept, Now: func() time.Time { return now }})
	connection, err := connections.Create(ctx, scim.ConnectionDraft{Tenant: "t", IdentityProvider: dialect.Okta})
	require.NoError(t, err)
	seen := map[string]bool{}
	for range 50 {
		text, issued, err := connections.IssueToken(ctx, connection.ID)
		require.NoError(t, err)
		require.Regexp(t, `^scim_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$`, text)
		require.False(t, seen[text] || seen[issued.ID])
		seen[text], seen[issued.ID] = true, true
		require.Equal(t, store.Token{
			ID: issued.ID, Connection: connection.ID, Digest: sha256.Sum256([]byte(text)), LastFour: text[len(text)-4:],
			CreatedAt: now, ExpiresAt: now.Add(5 * 365 * 24 * time.Hour),
		}, issued)
		require.Equal(t, issued, kept.tokens[len(kept.tokens)-1])
		require.NotContains(t, fmt.Sprintf("%+v", kept.tokens), text[22:])

		credential, err := connections.VerifyToken(ctx, text)
		require.NoError(t, err)
		require.Equal(t, scim.Credential{Connection: connection, TokenID: issued.ID}, credential)
		require.Equal(t, issued.ID, kept.asked[len(kept.asked)-1], "a token is looked up by its id")
	}
	_, _, err = connections.IssueToken(ctx, "nobody")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestTokensAreVerified(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	kept := newLedger()
	connections := newConnections(t, scim.ConnectionsConfig{Store: kept, Now: func() time.Time { return now }, TokenLifetime: time.Hour, PerTenant: 2})
	a, err := connections.Create(ctx, scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	b, err := connections.Create(ctx, scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	// A connection without tokens opens for nobody.
	for _, text := range []string{"", "x", b.ID, a.ID} {
		_, err = connections.VerifyToken(ctx, text)
		require.ErrorIs(t, err, scim.ErrUnauthorized)
	}
	first, issued, err := connections.IssueToken(ctx, a.ID)
	require.NoError(t, err)
	second, _, err := connections.IssueToken(ctx, a.ID)
	require.NoError(t, err)
	other, _, err := connections.IssueToken(ctx, b.ID)
	require.NoError(t, err)
	for text, want := range map[string]string{first: a.ID, second: a.ID, other: b.ID} {
		credential, err := connections.VerifyToken(ctx, text)
		require.NoError(t, err)
		require.Equal(t, want, credential.Connection.ID)
	}
	for i := range first {
		changed := []byte(first)
		changed[i] ^= 1
		_, err = connections.VerifyToken(ctx, string(changed))
		require.ErrorIs(t, err, scim.ErrUnauthorized, i)
	}
	for _, text := range []string{
		first[:len(first)-1], first + "a", first[1:], strings.ToUpper(first), first[:22] + second[22:], second[:22] + first[22:], first[:21], first[22:], "scim_" + issued.ID,
		string(issued.Digest[:]), fmt.Sprintf("%x", issued.Digest), "", " " + first,
	} {
		_, err = connections.VerifyToken(ctx, text)
		require.ErrorIs(t, err, scim.ErrUnauthorized, text)
	}
	// Whatever the store finds, the digest decides.
	forged, _, err := kept.ConnectionStore.FindToken(ctx, issued.ID, issued.Digest)
	require.NoError(t, err)
	kept.find = func(store.Token, store.Connection) (store.Token, store.Connection) { return forged, a }
	_, err = connections.VerifyToken(ctx, other)
	require.ErrorIs(t, err, scim.ErrUnauthorized)
	kept.find = nil

	now = issued.ExpiresAt.Add(-1)
	_, err = connections.VerifyToken(ctx, first)
	require.NoError(t, err)
	now = issued.ExpiresAt
	_, err = connections.VerifyToken(ctx, first)
	require.ErrorIs(t, err, scim.ErrUnauthorized)

	kept.fail = errors.New("the database is down")
	_, err = connections.VerifyToken(ctx, first)
	require.ErrorIs(t, err, kept.fail)
	require.NotErrorIs(t, err, scim.ErrUnauthorized)
}

func TestAddedTokens(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kept := newLedger()
	connections := newConnections(t, scim.ConnectionsConfig{Store: kept, PerTenant: 2})
	a, err := connections.Create(ctx, scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	b, err := connections.Create(ctx, scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	own := strings.Repeat("c3_x", 8)
	for _, text := range []string{own, strings.Repeat("~!", 512), "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"} {
		added, err := connections.AddToken(ctx, a.ID, text)
		require.NoError(t, err)
		require.Equal(t, store.Digest(sha256.Sum256([]byte(text))), added.Digest)
		require.NotContains(t, text, added.ID)
		require.NotContains(t, fmt.Sprintf("%+v", kept.tokens), text)
		credential, err := connections.VerifyToken(ctx, text)
		require.NoError(t, err)
		require.Equal(t, a.ID, credential.Connection.ID)
		require.Equal(t, added.ID, credential.TokenID)
		for _, connection := range []string{a.ID, b.ID} {
			_, err = connections.AddToken(ctx, connection, text)
			require.ErrorIs(t, err, store.ErrExists)
		}
	}
	for _, text := range []string{
		"", "12345678", strings.Repeat("a", 31), strings.Repeat("a", 1025), strings.Repeat("a", 20) + " " + strings.Repeat("b", 20), strings.Repeat("a", 40) + "\n",
		strings.Repeat("é", 20), strings.Repeat("a", 40) + "\x00", strings.Repeat("a", 40) + ",", "\t" + strings.Repeat("a", 40), strings.Repeat("a", 40) + "\x7f",
	} {
		_, err := connections.AddToken(ctx, b.ID, text)
		require.Error(t, err, text)
		require.NotErrorIs(t, err, store.ErrExists)
		_, err = connections.VerifyToken(ctx, text)
		require.ErrorIs(t, err, scim.ErrUnauthorized)
	}
	_, err = connections.AddToken(ctx, "nobody", strings.Repeat("z", 40))
	require.ErrorIs(t, err, store.ErrNotFound)

	// A token of the library's own shape, of another installation perhaps, is found by the id inside it.
	elsewhere := newConnections(t, scim.ConnectionsConfig{})
	c, err := elsewhere.Create(ctx, scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	text, issued, err := elsewhere.IssueToken(ctx, c.ID)
	require.NoError(t, err)
	added, err := connections.AddToken(ctx, b.ID, text)
	require.NoError(t, err)
	require.Equal(t, issued.ID, added.ID)
	credential, err := connections.VerifyToken(ctx, text)
	require.NoError(t, err)
	require.Equal(t, b.ID, credential.Connection.ID)
}

func TestNewConnectionsNeedsAStore(t *testing.T) {
	t.Parallel()
	_, err := scim.NewConnections(scim.ConnectionsConfig{})
	require.Error(t, err)
}

func TestStaticTokens(t *testing.T) {
	t.Parallel()
	good, connection := strings.Repeat("0123456789", 4), scim.Connection{ID: "c", Tenant: "t"}
	v, err := scim.StaticToken(good, connection)
	require.NoError(t, err)
	credential, err := v.VerifyToken(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, connection, credential.Connection)
	for _, text := range []string{"", good[1:], good + "0", good[:39] + "8", strings.ToUpper(good) + "x"} {
		_, err = v.VerifyToken(t.Context(), text)
		require.ErrorIs(t, err, scim.ErrUnauthorized)
	}
	for _, text := range []string{"", "12345678", good[:31], good + " ", good + "\n", good + "é", strings.Repeat("a", 1025)} {
		_, err = scim.StaticToken(text, connection)
		require.Error(t, err, text)
	}
	for _, connection := range []scim.Connection{{}, {ID: "c"}, {Tenant: "t"}} {
		_, err = scim.StaticToken(good, connection)
		require.Error(t, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	verifier, err := scim.StaticToken(tokenA, scim.Connection{ID: "c", Tenant: "t"})
	require.NoError(t, err)
	good := func() scim.Config { return scim.Config{BaseURL: baseURL, Store: memstore.New(), Verifier: verifier} }
	refuses := func(name string, change func(*scim.Config)) {
		t.Helper()
		config := good()
		change(&config)
		h, err := scim.New(config)
		require.Error(t, err, name)
		require.Nil(t, h, name)
	}
	refuses("no store", func(c *scim.Config) { c.Store = nil })
	refuses("no verifier", func(c *scim.Config) { c.Verifier = nil })
	covers(t, "A-02")
	for _, base := range []string{
		"", "/scim/v2", "scim.example.test/v2", "//scim.example.test/v2", "https://", "https:///v2", "https://u:p@scim.example.test/v2", "https://scim.example.test/v2?x=1",
		"https://scim.example.test/v2#x", "https://scim.example.test/%zz", "mailto:x", "://x", "https://scim.example.test:port/",
	} {
		refuses(base, func(c *scim.Config) { c.BaseURL = base })
	}
	for name, limits := range map[string]scim.Limits{
		"body": {BodyBytes: -1}, "depth": {JSONDepth: -1}, "values": {JSONValues: -1}, "filter": {FilterBytes: -1}, "filter depth": {FilterDepth: -1}, "terms": {FilterTerms: -1},
		"operations": {PatchOperations: -1}, "work": {PatchWork: -1}, "members": {Members: -1}, "names": {AttributeNames: -1}, "page": {PageSize: -1}, "max page": {MaxPageSize: -1}, "time": {RequestTime: -1},
		"page above the maximum": {PageSize: 11, MaxPageSize: 10},
	} {
		refuses(name, func(c *scim.Config) { c.Limits = limits })
	}
	named := func(name, endpoint string) scim.ResourceType {
		rt := deviceType()
		rt.Name, rt.Endpoint = name, endpoint
		return rt
	}
	for name, types := range map[string][]scim.ResourceType{
		"no types": {}, "no name": {named("", "/Things")}, "no endpoint": {named("Thing", "")}, "a bad endpoint": {named("Thing", "Things")}, "two segments": {named("Thing", "/a/b")},
		"a reserved endpoint": {named("Thing", "/Schemas")}, "a name twice": {scim.UserType(), named("user", "/Things")}, "an endpoint twice": {scim.UserType(), named("Thing", "/USERS")},
		"a type twice": {scim.UserType(), scim.UserType()},
	} {
		refuses(name, func(c *scim.Config) { c.Types = types })
	}
	for _, rt := range []scim.ResourceType{scim.GroupType(), scim.UserType()} {
		config := good()
		config.Store, config.Types = struct{ store.Store }{memstore.New()}, []scim.ResourceType{rt}
		_, err = scim.New(config)
		if rt.Name == "Group" {
			require.ErrorContains(t, err, "MemberLister")
		} else {
			require.NoError(t, err)
		}
	}
	config := good()
	config.Store = memberless{memstore.New()}
	_, err = scim.New(config)
	require.ErrorContains(t, err, "MemberLister", "a store that declines is none")
}

type memberless struct{ capable }

func (memberless) Members(context.Context, store.Scope, store.MemberQuery) (store.MemberPage, error) {
	return store.MemberPage{}, errors.ErrUnsupported
}

func TestDefaultsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	verifier, err := scim.StaticToken(tokenA, scim.Connection{ID: "c", Tenant: "t"})
	require.NoError(t, err)
	for base, path := range map[string]string{
		"https://scim.example.test": "", "https://scim.example.test/": "", "http://localhost:8080/scim/v2": "/scim/v2", "https://x.test/scim/v2//": "/scim/v2",
		"https://x.test/a%20b/%C3%A9": "/a%20b/%C3%A9",
	} {
		h, err := scim.New(scim.Config{BaseURL: base, Store: memstore.New(), Verifier: verifier, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		before := time.Now().Add(-time.Second)
		s := &server{t: t, handler: h, store: &scopeRecorder{}, token: tokenA}
		r := httptest.NewRequest(http.MethodPost, path+"/Users", bytes.NewReader(jsonOf(t, user("anna"))))
		r.Header.Set("Authorization", "Bearer "+tokenA)
		a := s.send(r).is(201)
		require.Equal(t, strings.TrimRight(base, "/")+"/Users/"+a.id(), a.at("meta", "location"))
		require.Regexp(t, `^[0-9a-f-]{36}$`, a.id())
		created, err := time.Parse(time.RFC3339Nano, a.at("meta", "created").(string))
		require.NoError(t, err)
		require.WithinRange(t, created, before, time.Now().Add(time.Second))
	}
}

func TestMount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		base        string
		ours, other []string
	}{
		{
			base:  baseURL,
			ours:  []string{"/scim/v2", "/scim/v2/", "/scim/v2/Users", "//scim//v2//Users", "/scim/v2/nope", "/scim/v2/../admin", "/scim/v2/Users/x/y"},
			other: []string{"/", "/scim", "/scim/", "/scim/v2x", "/scim/v1/Users", "/x/scim/v2", "/SCIM/v2/Users", "/scim/%76%32/Users", "/Users", "/scim%2Fv2/Users"},
		},
		{
			base:  "https://scim.example.test/scim/{connection}",
			ours:  []string{"/scim/a", "/scim/connection-a/Users", "/scim/b/Users", "/scim/%7Bconnection%7D/Users"},
			other: []string{"/", "/scim", "/scim/", "/x/a/Users"},
		},
		{base: "https://scim.example.test", ours: []string{"/", "/Users", "/x/y"}},
	} {
		s := newServer(t, func(setup *setup) { setup.config.BaseURL = c.base })
		next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
		})
		mounted := s.handler.Mount(next)
		status := func(method, path string) int {
			r := s.as("").request(method, "/", user("anna"))
			u, err := r.URL.Parse("http://x.test" + path)
			require.NoError(t, err)
			u.Path, u.RawPath = unescaped(t, path), path
			r.URL = u
			w := httptest.NewRecorder()
			mounted.ServeHTTP(w, r)
			return w.Code
		}
		for _, method := range []string{"GET", "POST"} {
			for _, path := range c.ours {
				require.Equal(t, 401, status(method, path), path)
			}
			for _, path := range c.other {
				require.Equal(t, http.StatusTeapot, status(method, path), path)
			}
		}
	}
}

func unescaped(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://x.test"+path, http.NoBody)
	require.NoError(t, err)
	return r.URL.Path
}

func TestTokenBucket(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	burst := func(b *scim.TokenBucket, connection string, at time.Time) (n int, wait time.Duration) {
		for {
			wait, ok := b.Allow(connection, at)
			if !ok {
				return n, wait
			}
			n++
		}
	}
	for rate, want := range map[int]int{0: 2, -5: 2, 1: 2, 10: 20, 100: 200} {
		b := scim.NewTokenBucket(rate)
		n, wait := burst(b, "a", at)
		require.Equal(t, want, n)
		require.InDelta(t, time.Second/time.Duration(max(rate, 1)), wait, float64(time.Millisecond))
		n, _ = burst(b, "b", at)
		require.Equal(t, want, n, "connections share a bucket")
		// Being refused costs nothing: after the wait, the next request passes.
		for range 100 {
			b.Allow("a", at)
		}
		_, ok := b.Allow("a", at.Add(wait))
		require.True(t, ok)
		n, _ = burst(b, "a", at.Add(time.Hour))
		require.Equal(t, want, n)
	}

	// A clock that jumps locks nobody out.
	b := scim.NewTokenBucket(1)
	burst(b, "a", at)
	_, wait := burst(b, "a", at.Add(-time.Hour))
	require.LessOrEqual(t, wait, 2*time.Second)
	_, ok := b.Allow("a", at.Add(-time.Hour).Add(wait))
	require.True(t, ok)
	burst(b, "a", at.Add(time.Hour))
	_, wait = burst(b, "a", at)
	require.LessOrEqual(t, wait, 2*time.Second)
	covers(t, "R-07")

	// With more connections than it remembers, those that are idle are forgotten before the one that is limited.
	b = scim.NewTokenBucket(1)
	for i := range 9_999 {
		_, ok := b.Allow(fmt.Sprint(i), at)
		require.True(t, ok)
	}
	later := at.Add(2 * time.Second)
	burst(b, "busy", later)
	for i := range 5_000 {
		_, ok := b.Allow(fmt.Sprint("new", i), later)
		require.True(t, ok)
	}
	_, ok = b.Allow("busy", later)
	require.False(t, ok)

	for range 1000 {
		_, ok := scim.Unlimited.Allow("a", at)
		require.True(t, ok)
	}
}

func TestTheDefaultRate(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *setup) { c.config.RateLimiter, c.config.Now = nil, newStoppedClock() })
	passed := 0
	for s.do("GET", "/ServiceProviderConfig", nil).status == 200 {
		passed++
	}
	require.Equal(t, 2*scim.DefaultRate, passed)
	require.Equal(t, "1", s.do("GET", "/Users", nil).fails(429, "").header.Get("Retry-After"))
	require.GreaterOrEqual(t, scim.DefaultRate, 25)
	covers(t, "ENTRA-73")
}

func newStoppedClock() func() time.Time {
	at := newClock().now()
	return func() time.Time { return at }
}
