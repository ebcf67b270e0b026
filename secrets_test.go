package scim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// What must not leave the handler: passwords, tokens, and other people's words in logs.

// spy notes everything that the handler hands to the store.
func spy(p *tap) *[]string {
	var kept []string
	p.when(func(_ context.Context, _ string, argument any) error {
		switch a := argument.(type) {
		case store.Draft:
			kept = append(kept, string(a.Document.JSON()), fmt.Sprint(a.Unique))
		case patch.ChangeSet:
			kept = append(kept, string(a.After.JSON()), fmt.Sprint(a.Unique))
			for _, c := range a.Changes {
				kept = append(kept, c.Path, string(c.Before), string(c.After))
			}
		case store.Query:
			terms, _ := a.Filter.Equality()
			kept = append(kept, fmt.Sprint(terms))
		}
		return nil
	})
	return &kept
}

func TestPasswordsGoNowhere(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		secret := s.secret("canary-of-a-password")
		kept := spy(s.tap())
		with := func(name string) map[string]any { return map[string]any{name: secret} }
		created := s.user("anna", with("password"))
		target := "/Users/" + created.id()
		s.user("bert", with("PassWord"))
		s.do("PUT", target, user("anna", with("password"), map[string]any{"title": "x"})).is(200)
		for _, path := range []string{"password", "PASSWORD", userURN + ":password"} {
			for _, name := range []string{"add", "replace", "remove"} {
				s.patch(target, op(name, path, secret)).is(200)
			}
			s.patch(target, pathless("replace", with(path))).is(200)
		}
		covers(t, "OKTA-12")
		s.patch(target, op("replace", "title", "y"), op("replace", "password", secret)).is(200)
		for _, query := range []string{"", "?attributes=password", "?attributes=" + userURN + ":password", "?attributes=PASSWORD,userName", "?excludedAttributes=title"} {
			require.NotContains(t, strings.ToLower(string(s.get(target+query).body)), "password")
			require.NotContains(t, strings.ToLower(string(s.get("/Users"+query).body)), "password")
		}
		a := s.do("POST", "/Users/.search", search(map[string]any{"attributes": []string{"password", "PASSWORD"}})).is(200)
		require.NotContains(t, strings.ToLower(string(a.body)), "password")
		require.ElementsMatch(t, []string{"id", "schemas"}, keys(s.patch(target+"?attributes=password", op("replace", "password", secret)).is(200).json()))

		// Requests that fail keep it to themselves as well.
		s.do("POST", "/Users", user("bert", with("password"))).fails(409, "uniqueness")
		s.do("POST", "/Users", user("carl", with("password"), map[string]any{"active": secret})).fails(400, "invalidValue")
		s.do("POST", "/Users", user(secret, map[string]any{"active": 5})).fails(400, "invalidValue")
		s.do("POST", "/Users", `{"schemas":["`+userURN+`"],"password":"`+secret+`","userName":`).is(400)
		s.do("PUT", target, user("bert", with("password"))).fails(409, "uniqueness")
		s.patch(target, op("replace", "password", secret), op("replace", "nope", secret)).fails(400, "invalidPath")
		s.patch(target, op("replace", "active", secret)).fails(400, "invalidValue")
		s.patch(target, map[string]any{"op": secret, "path": "password", "value": secret}).fails(400, "invalidSyntax")
		s.do("GET", "/Users?filter="+url.QueryEscape(`password eq "`+secret+`"`), nil).fails(400, "invalidFilter")
		s.do("GET", "/Users?filter="+url.QueryEscape(secret), nil).fails(400, "invalidFilter")
		for _, e := range s.events.take() {
			s.leaks("event", fmt.Sprintf("%+v", e))
			for _, r := range []*store.Resource{e.Before, e.After} {
				if r != nil {
					s.leaks("event", string(r.Document.JSON()))
				}
			}
			for _, c := range e.Changes {
				require.NotEqual(t, "password", c.Path)
			}
		}
		covers(t, "threat:S-01")

		require.Equal(t, "anna", created.at("userName"))
		require.NotContains(t, strings.ToLower(string(s.get("/Schemas").body)), `"password"`)
		require.NotEmpty(t, *kept)
		for _, text := range *kept {
			require.NotContains(t, text, secret)
			require.NotContains(t, strings.ToLower(text), "password")
		}
		covers(t, "threat:S-05")
	}, withTap)
}

// A password has no type here, because it is not looked at.
func TestPasswordsOfAnyShape(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for i, value := range []any{nil, 5, true, "", []any{1}, map[string]any{"a": map[string]any{"b": 1}}, strings.Repeat("x", 10_000)} {
		s.user(fmt.Sprintf("u%d", i), map[string]any{"password": value})
	}
	s.do("POST", "/Users", `{"schemas":["`+userURN+`"],"userName":"x","password":"a","PASSWORD":"b"}`).fails(400, "invalidSyntax")
}

func TestHiddenAttributesAreNoOracle(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		secret := s.secret("canary-pin-4711")
		s.create("/Devices", device("lamp", map[string]any{"pin": secret}))
		s.create("/Devices", device("other"))
		plain := string(s.get("/Devices").body)
		for _, filter := range []string{
			`pin eq "canary-pin-4711"`, `pin sw "c"`, `pin pr`, `not (pin pr)`, `PIN co "c"`, deviceURN + `:pin pr`, `deviceName pr and pin pr`, `pin[value sw "c"]`, `pin ne null`,
		} {
			a := s.refused("/Devices", filter)
			named := strings.ReplaceAll(strings.ReplaceAll(a.detail(), "PIN", "pin"), "pin", "nope")
			require.Equal(t, s.refused("/Devices", "nope pr").detail(), named)
		}
		require.Equal(t, plain, string(s.get("/Devices?sortBy=pin").body))
		require.Len(t, s.filter("/Devices", deviceURN+" pr"), 2)
	}, withDevices)
}

// sentinels holds a word in every place of a request that is the client's.
func TestTheLogHoldsNoWordOfTheClient(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		const word = "Sentinel-4711"
		id := s.user("anna").id()
		body := user(word, map[string]any{
			"displayName": word, "externalId": word, "emails": []any{map[string]any{"value": word, "type": word}}, "unknown": word,
			"schemas": []string{userURN, "urn:" + word}, "name": map[string]any{"givenName": word, "x": map[string]any{"y": word}},
		})
		headers := []string{
			"User-Agent", word, "Accept", word, "X-Request-Id", word, "X-Forwarded-For", word, "If-Match", `"` + word + `"`, "If-None-Match", `"` + word + `"`, "Cookie", word,
			"Referer", word, "Traceparent", word,
		}
		quoted := url.QueryEscape(`userName eq "` + word + `"`)
		for _, r := range []struct {
			method, target string
			body           any
		}{
			{"POST", "/Users", body}, {"PUT", "/Users/" + id, body}, {"PATCH", "/Users/" + id, patchBody(op("replace", "title", word), pathless("add", map[string]any{"nickName": word}))},
			{"PATCH", "/Users/" + id, patchBody(op("replace", word, word))}, {"PATCH", "/Users/" + id, patchBody(op(word, "title", word))},
			{"PATCH", "/Users/" + id, patchBody(op("replace", `emails[type eq "`+word+`"].value`, word))}, {"PATCH", "/Users/" + id, patchBody(op("replace", `emails[type regex "`+word+`"].value`, word))},
			{"GET", "/Users?filter=" + quoted, nil}, {"GET", "/Users?filter=" + word, nil}, {"GET", "/Users?" + word + "=" + word, nil}, {"GET", "/Users?count=" + word, nil},
			{"GET", "/Users/" + word, nil}, {"GET", "/" + word, nil}, {"GET", "/Schemas/" + word, nil}, {"DELETE", "/Users/" + word, nil}, {word, "/Users", nil},
			{"POST", "/Users/.search", search(map[string]any{"filter": `userName eq "` + word + `"`, "attributes": []string{word}})}, {"POST", "/Users", word}, {"POST", "/Users", `"` + word},
			{"POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": word, "members": memberList(word)}}, {"POST", "/Bulk", word},
		} {
			s.do(r.method, r.target, r.body, headers...)
			s.do(r.method, r.target, r.body, "Content-Type", word)
			s.do(r.method, r.target, r.body)
		}
		s.as(word).do("GET", "/Users", nil).fails(401, "")
		require.NotContains(t, strings.ToLower(s.log.String()), strings.ToLower(word))
		require.Contains(t, s.log.String(), "unknown", "the names of ignored attributes are logged")
		covers(t, "O-01")
	})
}

func TestOneRecordPerRequest(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*bytes.Buffer) slog.Handler{
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := newServer(t, func(c *setup) { c.config.Logger = slog.New(make(&out)) })
			requests := 0
			for _, text := range []string{"a\n{\"level\":\"error\"}", "\x1b[31mred", "a\u2028b", "a\r\nlevel=ERROR", "\u0085", "a\" level=ERROR b=\""} {
				s.do("POST", "/Users", user("u"+text, map[string]any{text: 1, "displayName": text})).is(201)
				s.do("POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": text, "members": memberList(text)}).fails(400, "invalidValue")
				s.do("GET", "/Users/"+url.PathEscape(text), nil).fails(404, "")
				requests += 3
			}
			require.Equal(t, requests, strings.Count(out.String(), "\n"))
			for _, forged := range []string{"\x1b", "\u2028", "\u0085", "\r", `"level":"error"`, "level=ERROR"} {
				require.NotContains(t, out.String(), forged)
			}
			covers(t, "O-02")
		})
	}
}

func TestCausesStayInside(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		cause := `pq: duplicate key value violates unique constraint "users_key" DETAIL: Key (name)=(canary-value) exists (SQLSTATE 23505) ` + "postgres://app:" + "hunter2" + "@db:5432/x"
		for _, err := range []error{errors.New(cause), fmt.Errorf("%s: %w", cause, context.DeadlineExceeded), fmt.Errorf("%s: %w", cause, store.ErrScope)} {
			s.tap().when(func(_ context.Context, call string, _ any) error { return fmt.Errorf("store.%s: %w", call, err) })
			for _, a := range []*response{
				s.do("GET", "/Users/"+id, nil), s.do("GET", "/Users", nil), s.do("POST", "/Users", user("bert")), s.do("PUT", "/Users/"+id, user("anna")),
				s.patch("/Users/"+id, op("add", "title", "x")), s.do("DELETE", "/Users/"+id, nil),
			} {
				require.GreaterOrEqual(t, a.status, 500)
				for _, leak := range []string{"canary-value", "hunter2", "SQLSTATE", "pq:", "users_key", "postgres"} {
					require.NotContains(t, string(a.body)+fmt.Sprint(a.header), leak)
				}
				require.Contains(t, s.log.String(), a.header.Get("X-Request-Id"), "the log must lead to the cause")
			}
		}
		require.Contains(t, s.log.String(), "users_key")
		covers(t, "O-04")
	}, withTap)
}

// Values of exported types hold no token, so that printing them tells none.
func TestPrintedValuesHoldNoToken(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-a-static-token-0123456789"
	connection := scim.Connection{ID: "c", Tenant: "t"}
	static, err := scim.StaticToken(canary, connection)
	require.NoError(t, err)
	memory := memstore.New()
	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: memory})
	require.NoError(t, err)
	created, secret, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t", Token: scim.TokenDraft{Text: canary}})
	require.NoError(t, err)
	require.Equal(t, canary, string(secret))
	tokens, err := connections.Tokens(t.Context(), created.Scope())
	require.NoError(t, err)
	credential, err := connections.VerifyToken(t.Context(), canary)
	require.NoError(t, err)
	for _, value := range []any{static, connections, connections, tokens, secret, credential, created, scim.Config{Verifier: static}, memory} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			require.NotContains(t, fmt.Sprintf(verb, value), canary)
		}
		if encoded, err := json.Marshal(value); err == nil {
			require.NotContains(t, string(encoded), canary)
		}
	}
	covers(t, "O-05")
}

// Keys that nobody knows are logged as names: a key may be a path, with a person's address in its filter.
func TestIgnoredKeysAreLoggedAsNames(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone").id()
		for _, secret := range []string{"nadia", "12345", "secret"} {
			s.secret(secret)
		}
		s.patch(path, pathless("replace", attrs{
			`emails[value eq "nadia@example.test"].nope`: "x", "my secret 12345": "y", " nadia": 1, "\u00fcnadia": 1,
		})).is(200)
		records := s.log.records(t)
		require.ElementsMatch(t, []any{"emails", "my", "?", "?"}, records[len(records)-1]["ignored_attributes"])
	})
}
