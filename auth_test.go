package scim_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// Authentication: RFC 7644, section 2; RFC 6750.

// everywhere are targets of every route, and some of none.
var everywhere = []string{
	"/Users", "/Users/", "/Users/x", "/Users/.search", "/Groups", "/Groups/x", "/Groups/.search", "/.search", "/", "", "/Bulk", "/Me", "/Me/x",
	"/ServiceProviderConfig", "/Schemas", "/Schemas/" + userURN, "/ResourceTypes", "/ResourceTypes/User", "/Nope", "/users", "/Users/x/y", "/admin", "/?filter=%zz",
	"/Users?filter=(", "/?aadOptscim062020/Users",
}

var everyMethod = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE", "get"}

// crooked are targets that a router could take for something else than they say.
func crooked(id string) []string {
	return []string{
		"/Users%2F" + id, "/%55sers", "/%55sers/" + id, "/Users/%2e%2e/Groups", "//Users", "/Users/../Groups", "/Users/" + id + "%00", "\\Users", "/Users/..%2fGroups",
		"/./Users", "/Users;a=b", "/Users%00", "/%2e%2e/%2e%2e/etc/passwd", "/Users%3Ffilter=x",
	}
}

func TestNothingIsThereWithoutAToken(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		s.take()
		stranger := s.as("")
		want := string(stranger.do("GET", "/Users", nil).fails(401, "").body)
		same := func(a *response) {
			t.Helper()
			a.fails(401, "")
			require.Equal(t, want, string(a.body))
			require.Equal(t, `Bearer realm="scim"`, a.header.Get("WWW-Authenticate"))
			require.Empty(t, a.header.Get("Allow"))
		}
		for _, method := range everyMethod {
			for _, target := range everywhere {
				same(stranger.do(method, target, nil))
			}
		}
		same(stranger.do("POST", "/Users", "{not even JSON", "Content-Type", "text/xml"))
		same(stranger.do("GET", "/Users/"+id, nil))
		outside := stranger.request("GET", "/Users", nil)
		outside.URL.Path = "/somewhere/else"
		same(stranger.send(outside))
		covers(t, "A-01", "7644-3.12-31")
		for _, target := range crooked(id) {
			same(stranger.do("GET", target, nil))
			same(stranger.do("DELETE", target, nil))
		}
		covers(t, "A-10")
		require.Empty(t, s.take(), "the store was called for a stranger")
		covers(t, "9110-15.5.2-01")
	})
}

func TestCrookedPathsWithAToken(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		before := string(s.get("/Users/" + id).body)
		s.take()
		for _, target := range crooked(id) {
			if target == "//Users" {
				continue // means /Users, and is answered as such (ENTRA-09)
			}
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				a := s.do(method, target, nil)
				require.Contains(t, []int{400, 404, 405}, a.status, method+" "+target)
			}
		}
		for _, scope := range s.store.take() {
			t.Errorf("the store was called for %v", scope)
		}
		covers(t, "A-11")
		require.Equal(t, before, string(s.get("/Users/"+id).body))
	})
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	type1 := s.get("/ServiceProviderConfig").at("authenticationSchemes", 0, "type")
	require.Len(t, s.get("/ServiceProviderConfig").at("authenticationSchemes"), 1)
	challenge := s.as("").do("GET", "/Users", nil).fails(401, "").header.Values("WWW-Authenticate")
	require.Len(t, challenge, 1)
	require.Equal(t, "oauthbearertoken", type1)
	require.True(t, strings.HasPrefix(challenge[0], "Bearer "))
	covers(t, "7644-2-01")
	require.Regexp(t, `^Bearer realm="[^"]+"`, challenge[0])
	covers(t, "6750-3-01")
	require.NotContains(t, challenge[0], "error")
	covers(t, "6750-3.1-01")

	for _, authorization := range []string{"Bearer xyz", "Bearer " + tokenA + "x", "Basic YTpi", "Bearer", "", "x"} {
		r := s.request("GET", "/Users", nil)
		r.Header["Authorization"] = []string{authorization}
		a := s.send(r).fails(401, "")
		challenge := a.header.Values("WWW-Authenticate")
		require.Equal(t, []string{`Bearer realm="scim", error="invalid_token"`}, challenge, authorization)
		parameters := regexp.MustCompile(`([a-z_]+)="([\x20-\x21\x23-\x5b\x5d-\x7e]*)"`).FindAllStringSubmatch(challenge[0], -1)
		names := map[string]int{}
		for _, p := range parameters {
			names[p[1]]++
		}
		require.Equal(t, map[string]int{"realm": 1, "error": 1}, names)
	}
	covers(t, "6750-3.1-02", "6750-3-02")
}

func TestTokensThatAreNotValid(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.take()
		refused := func(headers ...string) {
			t.Helper()
			r := s.request("GET", "/Users", nil)
			r.Header["Authorization"] = headers
			a := s.send(r).fails(401, "")
			require.Equal(t, "the request needs a valid bearer token", a.detail())
		}
		for _, header := range []string{"", "Bearer", "Bearer ", "Bearer \t", "Bearer  ", " ", "\t", "bearer", "Bearer\x00", "Bearer ,"} {
			refused(header)
		}
		covers(t, "A-04")
		flipped := []byte(tokenA)
		flipped[7] ^= 1
		for _, token := range []string{
			"0123456789abcdefghijklmnopqrstuvwxyzABCD", string(flipped), tokenA[1:], tokenA[:len(tokenA)-1], strings.ToUpper(tokenA), tokenA + " ", tokenA + "\x00",
			tokenA + "\r\n", tokenA + "%0d%0a", tokenA + "\t", "\u00a0" + tokenA, tokenA + "=", "\"" + tokenA + "\"", strings.Repeat("a", 1100), tokenA + strings.Repeat("a", 1100),
		} {
			refused("Bearer " + token)
		}
		covers(t, "A-06")
		for _, scheme := range []string{"Basic", "Digest", "Token", "Bear", "BearerX", "OAuth", "Negotiate"} {
			refused(scheme + " " + tokenA)
		}
		refused("Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+tokenA)))
		refused("Bearer "+tokenA, "Bearer "+tokenA)
		refused("Bearer "+tokenA, "Bearer "+tokenB)
		refused("Bearer wrong", "Bearer "+tokenA)
		covers(t, "9110-5.3-01")
		refused("Bearer " + tokenA + ", Bearer " + tokenB)
		refused("Bearer " + tokenA + "," + tokenB)
		refused("Bearer " + tokenA + " " + tokenB)
		stranger := s.as("")
		for _, name := range []string{"access_token", "token", "Authorization", "bearer_token"} {
			r := stranger.request("GET", "/Users", nil)
			r.URL.RawQuery = name + "=" + tokenA
			stranger.send(r).fails(401, "")
			stranger.do("GET", "/Users", nil, "Cookie", name+"="+tokenA).fails(401, "")
		}
		stranger.do("POST", "/Users", "access_token="+tokenA, "Content-Type", "application/x-www-form-urlencoded").fails(401, "")
		stranger.do("GET", "/Users", nil, "X-Authorization", "Bearer "+tokenA, "Proxy-Authorization", "Bearer "+tokenA, "X-Api-Key", tokenA).fails(401, "")
		covers(t, "A-07", "6750-2.3-01")
		require.Empty(t, s.take())

		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer   "} {
			r := s.request("GET", "/Users", nil)
			r.Header.Set("Authorization", scheme+tokenA)
			s.send(r).is(200)
		}
		covers(t, "A-08", "9110-11.1-01")

		// An access_token in the query is an unknown parameter, and never a second credential.
		s.do("GET", "/Users?access_token=wrong", nil).is(200)
		require.EqualValues(t, 0, s.do("GET", "/Users?access_token="+"x", nil).is(200).at("totalResults"))
	})
}

func TestBareTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := s.request("GET", "/Users", nil)
	r.Header.Set("Authorization", tokenA)
	s.send(r).is(200)
	records := s.log.records(t)
	require.Equal(t, []any{"bare-token"}, records[len(records)-1]["rules"])
	covers(t, "OKTA-02")
	r.Header.Set("Authorization", tokenA[1:])
	s.send(r).fails(401, "")

	s = newServer(t, strictly)
	s.send(r).fails(401, "")
	r.Header.Set("Authorization", tokenA)
	s.send(r).fails(401, "")
	s.get("/Users")
}

// issuer is a server whose tokens are issued by Connections.
func issuer(t *testing.T, config scim.ConnectionsConfig, options ...func(*setup)) (*server, *scim.Connections) {
	t.Helper()
	var connections *scim.Connections
	s := newServer(t, append([]func(*setup){func(c *setup) {
		config.Now = c.config.Now
		if config.Store == nil {
			config.Store = memstore.New()
		}
		var err error
		connections, err = scim.NewConnections(config)
		require.NoError(t, err)
		c.config.Verifier = connections
	}}, options...)...)
	return s, connections
}

func TestATokenStopsWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	s, connections := issuer(t, scim.ConnectionsConfig{TokenLifetime: time.Hour})
	connection, _, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	issued, token, err := connections.IssueToken(t.Context(), connection.Scope(), scim.TokenDraft{Name: "n"})
	require.NoError(t, err)
	later := s.as(s.secret(string(token)))
	later.get("/Users")
	s.clock.advance(issued.ExpiresAt.Sub(s.clock.now()) - time.Second)
	later.get("/Users")
	s.clock.advance(time.Second)
	a := later.do("GET", "/Users", nil).fails(401, "")
	require.Contains(t, a.header.Get("WWW-Authenticate"), `error="invalid_token"`)
	covers(t, "7644-7.4-01")

	// Nothing is remembered of a token: what the verifier says counts from the next request on.
	var revoked atomic.Bool
	s = newServer(t, func(c *setup) {
		verify := verifiers(t, map[string]scim.Connection{tokenA: c.a})
		c.config.Verifier = verifierFunc(func(ctx context.Context, text string) (scim.Credential, error) {
			if revoked.Load() {
				return scim.Credential{}, fmt.Errorf("the connection is gone: %w", scim.ErrUnauthorized)
			}
			return verify.VerifyToken(ctx, text)
		})
	})
	for range 3 {
		revoked.Store(false)
		s.get("/Users")
		revoked.Store(true)
		s.do("GET", "/Users", nil).fails(401, "")
	}
	covers(t, "A-09")
}

func TestVerifiersThatFail(t *testing.T) {
	t.Parallel()
	answers := map[string]struct {
		credential scim.Credential
		err        error
		panics     bool
		status     int
	}{
		"an error":      {err: errors.New("dial tcp 10.0.0.7:5432: i/o timeout"), status: 503},
		"a time-out":    {err: context.DeadlineExceeded, status: 503},
		"nobody":        {status: 503},
		"no tenant":     {credential: scim.Credential{Connection: scim.Connection{ID: "c"}}, status: 503},
		"no connection": {credential: scim.Credential{Connection: scim.Connection{Tenant: "t"}}, status: 503},
		"a panic":       {panics: true, status: 500},
		"a wrapped no":  {err: fmt.Errorf("expired: %w", scim.ErrUnauthorized), status: 401},
	}
	for name, c := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, s *server) {
				s.take()
				for _, method := range []string{"GET", "POST", "DELETE"} {
					a := s.do(method, "/Users", user("anna")).fails(c.status, "")
					require.NotContains(t, string(a.body), "10.0.0.7")
					require.Equal(t, c.status == 503, a.header.Get("Retry-After") != "")
					require.Equal(t, c.status == 401, a.header.Get("WWW-Authenticate") != "")
				}
				require.Empty(t, s.take())
			}, func(setup *setup) {
				setup.config.Verifier = verifierFunc(func(context.Context, string) (scim.Credential, error) {
					if c.panics {
						panic("canary")
					}
					return c.credential, c.err
				})
			})
		})
	}
	t.Run("all of them", func(t *testing.T) { covers(t, "A-03", "A-16") })
}

func TestAVerifierSeesOnlyWhatCouldBeAToken(t *testing.T) {
	t.Parallel()
	var seen []string
	s := newServer(t, func(c *setup) {
		c.config.Verifier = verifierFunc(func(_ context.Context, text string) (scim.Credential, error) {
			seen = append(seen, text)
			return scim.Credential{}, scim.ErrUnauthorized
		})
	})
	for _, header := range []string{"", "Bearer", "Bearer  ", "Bearer a b", "Bearer a,b", "Basic x", "Bearer " + strings.Repeat("a", 8<<10+1), "Bearer a\x01", "Bearer \u00e9"} {
		r := s.request("GET", "/Users", nil)
		r.Header["Authorization"] = []string{header}
		s.send(r).fails(401, "")
	}
	require.Empty(t, seen)
	s.as("abc").do("GET", "/Users", nil).fails(401, "")
	require.Equal(t, []string{"abc"}, seen)
}

func TestTokensStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	s := newServer(t) // whose tripwires look for tokens in answers and, in the end, in the log
	s.get("/Users")
	r := s.request("GET", "/Users", nil)
	r.URL.RawQuery = "access_token=" + tokenA
	s.send(r).is(200)
	wrong := s.secret("canary-of-a-wrong-token-0123456789")
	s.as(wrong).do("GET", "/Users", nil).fails(401, "")
	s.leaks("log", s.log.String())
	record := s.log.records(t)[0]
	require.Equal(t, "static", record["token_id"])
	require.Equal(t, "connection-a", record["connection"])
	require.Equal(t, "tenant-a", record["tenant"])
	covers(t, "7644-2-03")
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		codes := map[int]int{}
		for range 6 {
			body := &unreadable{}
			r := s.request("POST", "/Users", nil)
			r.Body, r.ContentLength = body, 10
			a := s.send(r)
			codes[a.status]++
			if a.status == 429 {
				a.fails(429, "")
				require.False(t, body.read.Load(), "the body was read")
				require.Regexp(t, `^[1-9][0-9]*$`, a.header.Get("Retry-After"))
			}
		}
		require.Equal(t, map[int]int{400: 2, 429: 4}, codes)
		s.take()
		for _, target := range everywhere {
			s.do("GET", target, nil).fails(429, "")
		}
		require.Empty(t, s.take())
		b := s.as(tokenB)
		b.get("/Users")
		s.as("wrong").do("GET", "/Users", nil).fails(401, "")
		covers(t, "R-05")
		s.clock.advance(time.Second)
		s.get("/Users")
	}, func(c *setup) { c.config.RateLimiter = scim.NewTokenBucket(1) })
}

// Entra's own tokens are longer than those that Connections takes from a host (ENTRA-06). What counts is the token, not the header.
func TestTokensOfTheirOwnLength(t *testing.T) {
	t.Parallel()
	var seen string
	s := newServer(t, func(c *setup) {
		c.config.Verifier = verifierFunc(func(_ context.Context, text string) (scim.Credential, error) {
			seen = text
			return scim.Credential{Connection: scim.Connection{ID: "c", Tenant: "t"}, TokenID: "jwt"}, nil
		})
	})
	jwt := strings.Repeat("h", 140) + "." + strings.Repeat("p", 1100) + "." + strings.Repeat("s", 342)
	for _, token := range []string{jwt, strings.Repeat("j", 8<<10)} {
		for _, header := range []string{"Bearer " + token, token, "bearer    " + token} {
			s.do("GET", "/Users", nil, "Authorization", header).is(200)
			require.Equal(t, token, seen)
		}
	}
	s.as(strings.Repeat("j", 8<<10+1)).do("GET", "/Users", nil).fails(401, "")
}

// varied is a text of n characters with as many different ones as a token needs.
func varied(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }

// Whatever is taken for a token can authenticate.
func TestEveryAddedTokenWorks(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		if c != ',' {
			all.WriteByte(c)
		}
	}
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: backend.(store.ConnectionStore)})
			require.NoError(t, err)
			connection, _, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
			require.NoError(t, err)
			s := newServer(t, func(c *setup) { c.config.Store, c.config.Verifier = backend, connections })
			for _, text := range []string{varied(32), varied(1017), varied(1018), varied(1024), all.String(), "aaaaaaaaaaaaaaaaaaaaaaaaa1234567"} {
				_, _, err := connections.IssueToken(t.Context(), connection.Scope(), scim.TokenDraft{Name: "n", Text: scim.Secret(text)})
				require.NoError(t, err)
				s.as(text).do("GET", "/Users", nil).is(200)
				_, err = scim.StaticToken(text, connection)
				require.NoError(t, err)
			}
			for _, text := range []string{varied(31), varied(1025), varied(40) + ",", varied(20) + "," + varied(20), "aaaaaaaaaaaaaaaaaaaaaaaaaa123456"} {
				_, _, err := connections.IssueToken(t.Context(), connection.Scope(), scim.TokenDraft{Name: "n", Text: scim.Secret(text)})
				require.Error(t, err)
				_, err = scim.StaticToken(text, connection)
				require.Error(t, err)
			}
		})
	}
}
