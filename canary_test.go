package scim_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// Where secrets and people's data may be found after a connection's whole life, and where not.

// canaries are texts that were sent or handed out, by what may become of them.
type canaries struct {
	tokens    []string // only in the answer that hands them out
	passwords []string // nowhere
	personal  []string // neither in logs nor in journals
}

func (c *canaries) personalText(text string) string {
	c.personal = append(c.personal, text)
	return text
}
func (c *canaries) password(text string) string { c.passwords = append(c.passwords, text); return text }

// secrets are what nobody may find anywhere.
func (c *canaries) secrets() []string {
	return slices.Concat(c.tokens, c.passwords, []string{adminSecret})
}

// handout makes sure that the call before was the one whose answer holds a token, and lets it be the only one.
func (c *canaries) handout(e *estate, token string) string {
	e.t.Helper()
	last := len(e.answers) - 1
	require.Equal(e.t, 1, strings.Count(e.answers[last], token))
	e.answers[last] = strings.ReplaceAll(e.answers[last], token, "handed out")
	c.tokens = append(c.tokens, token)
	return token
}

// live uses a connection in every way, well and badly, with canaries in every place that a client fills.
func (c *canaries) live(l *link) {
	t, e := l.e.t, l.e
	t.Helper()
	users := []string{}
	for _, name := range []string{"kanarina", "kanarino"} {
		made := e.scim(0, l.token, "POST", "/Users", fmt.Sprintf(`{"schemas":["%s"],"userName":"%s","externalId":"%[2]s-x","password":"%[3]s",
			"displayName":"%[2]s-d","emails":[{"value":"%[2]s@example.test"}],"name":{"givenName":"%[2]s-g"}}`,
			userURN, c.personalText(name), c.password("canary-of-a-password-"+name)))
		users = append(users, made.decode(t, 201)["id"].(string))
	}
	made := e.scim(0, l.token, "POST", "/Groups", fmt.Sprintf(`{"schemas":["%s"],"displayName":"%s","members":[{"value":"%s"}]}`,
		groupURN, c.personalText("kanarigroup"), users[0]))
	group := made.decode(t, 201)["id"].(string)

	word := c.personalText("kanariword@example.test")
	secret := c.password("canary-of-a-password-in-a-request-that-fails")
	quoted := func(format string) string { return url.QueryEscape(fmt.Sprintf(format, word)) }
	for _, q := range [][3]string{
		{"POST", "/Users", userText("kanarina")},
		{"POST", "/Users", `{"schemas":["` + userURN + `"],"userName":"` + word + `","active":"` + word + `","password":"` + secret + `"}`},
		{"POST", "/Users", `{"schemas":["` + userURN + `"],"userName":"` + word + `","password":"` + secret + `"`},
		{"POST", "/Users", `{"schemas":["urn:` + word + `"],"userName":"` + word + `"}`},
		{"POST", "/Users", `{"schemas":["` + userURN + `"],"emails":[{"value":"` + word + `","primary":true},{"value":"x","primary":true}]}`},
		{"POST", "/Users", `{"schemas":["` + userURN + `"],"userName":"` + word + `-ok","@` + word + `":"` + secret + `"}`},
		{"POST", "/Users", `{"userName":"` + word + `","userName":"` + word + `"}`},
		{"POST", "/Groups", groupText(word + strings.Repeat("x", 600))},
		{"POST", "/Groups", `{"schemas":["` + groupURN + `"],"displayName":"` + word + `","members":[{"value":"` + word + `"}]}`},
		{"PUT", "/Users/" + users[1], `{"schemas":["` + userURN + `"],"userName":"kanarina","password":"` + secret + `"}`},
		{"PUT", "/Users/" + word, userText(word)},
		{"PATCH", "/Users/" + users[0], patchText(`{"op":"replace","path":"emails[value eq \"` + word + `\"].nope","value":"` + word + `"}`)},
		{"PATCH", "/Users/" + users[0], patchText(`{"op":"replace","path":"nope","value":"` + word + `"}`)},
		{"PATCH", "/Users/" + users[0], patchText(`{"op":"` + word + `","path":"title","value":"` + word + `"}`)},
		{"PATCH", "/Users/" + users[0], patchText(`{"op":"replace","path":"active","value":"` + word + `"}`)},
		{"PATCH", "/Users/" + users[0], patchText(`{"op":"replace","path":"password","value":"` + secret + `"}`)},
		{"PATCH", "/Users/" + users[0], patchText(`{"op":"replace","path":"emails[type eq \"` + word + `\" and","value":1}`)},
		{"PATCH", "/Users/" + users[0], patchText(`{"op":"replace","value":{"emails[type eq \"` + word + `\"].value":"` + word + `"}}`)},
		{"PATCH", "/Groups/" + group, patchText(`{"op":"add","path":"members","value":[{"value":"` + word + `"}]}`)},
		{"PATCH", "/Groups/" + group, patchText(`{"op":"add","path":"members","value":[{"value":"` + c.personalText("kanarimember") + `"}]}`)},
		{"PATCH", "/Groups/" + group, patchText(`{"op":"remove","path":"members[value eq \"` + word + `\"]"}`)},
		{"GET", "/Users?filter=" + quoted(`userName eq "%s"`), ""},
		{"GET", "/Users?filter=" + quoted(`userName eq "%s" and (`), ""},
		{"GET", "/Users?filter=" + quoted(`nope eq "%s"`), ""},
		{"GET", "/Users?filter=" + quoted(`userName %s "x"`), ""},
		{"GET", "/Users?filter=" + quoted(`active eq "%s"`), ""},
		{"GET", "/Users?filter=" + quoted(`meta.created gt "%s"`), ""},
		{"GET", "/Users?filter=" + quoted(`%s`), ""},
		{"GET", "/Users?filter=" + quoted(`userName eq %s`), ""},
		{"GET", "/Users?filter=" + url.QueryEscape(`password eq "`+secret+`"`), ""},
		{"GET", "/Users?startIndex=" + word + "&count=" + word + "&" + word + "=" + word, ""},
		{"GET", "/Users?attributes=" + word + "&excludedAttributes=" + word, ""},
		{"GET", "/Users/" + word, ""},
		{"GET", "/" + word, ""},
		{"GET", "/Schemas/" + word, ""},
		{"DELETE", "/Users/" + word, ""},
		{strings.ToUpper(c.personalText("kanarimethod")), "/Users", ""},
		{"POST", "/Bulk", word},
		{"POST", "/Users/.search", `{"schemas":["` + searchURN + `"],"filter":"userName eq \"` + word + `\"","attributes":["` + word + `"]}`},
		{"POST", "/Users/.search", `{"schemas":["` + searchURN + `"],"filter":"userName eq ` + word + ` x"}`},
		{"POST", "/.search", `{"schemas":["` + searchURN + `"],"filter":"` + word + `"}`},
	} {
		for _, headers := range [][]string{nil, {
			"User-Agent", word, "X-Request-Id", word, "If-Match", `W/"` + word + `"`, "Accept", word, "Content-Type", word, "Cookie", word,
		}} {
			a := e.scim(0, l.token, q[0], q[1], q[2], headers...)
			require.Less(t, a.status, 502, "%v: %s", q, a.body)
			require.NotEqual(t, 500, a.status, "%v: %s", q, a.body)
			require.NotEqual(t, 503, a.status, "%v: %s", q, a.body)
		}
	}
	e.scim(0, l.token, "DELETE", "/Users/"+users[1], "").decode(t, 204)
}

// misplace sends a token to wherever somebody may have pasted it. None of these calls does anything.
func (c *canaries) misplace(l *link, token string) {
	t, e := l.e.t, l.e
	t.Helper()
	for _, q := range [][3]string{
		{"GET", "/Users?access_token=" + token + "&token=" + token, ""},
		{"GET", "/Users/" + token, ""},
		{"GET", "/" + token, ""},
		{"GET", "/Users?filter=" + token, ""},
		{"GET", "/Users?filter=" + url.QueryEscape(`userName eq "`+token+`"`), ""},
		{"DELETE", "/Users/" + token, ""},
		{"POST", "/Users", `{"schemas":["` + userURN + `"],"active":"` + token + `"}`},
		{"POST", "/Users", `{"schemas":["` + token + `"],"` + token + `":1}`},
		{"POST", "/Users", token},
		{"PATCH", "/Users/" + token, patchText(`{"op":"` + token + `","path":"` + token + `"}`)},
		{token, "/Users", ""},
	} {
		for _, as := range []string{"", "x" + token, token + "x", token[:len(token)-1] + "_", l.token} {
			a := e.scim(0, as, q[0], q[1], q[2], "X-Api-Key", token, "Cookie", "token="+token, "User-Agent", token)
			if as != "" && as != l.token {
				require.Equal(t, 401, a.status)
			}
		}
	}
	for _, q := range [][3]string{
		{"GET", "/tenants/" + token + "/connections", ""},
		{"GET", "/tenants/tenant/connections/" + token, ""},
		{"GET", "/tenants/tenant/connections/" + token + "/tokens", ""},
		{"GET", "/tenants/tenant/connections/" + token + "/journal", ""},
		{"PATCH", "/tenants/tenant/connections/" + token, `{"strict":true}`},
		{"PATCH", "/tenants/tenant/connections/" + token, `{"strict":5}`},
		{"DELETE", "/tenants/tenant/connections/" + token, ""},
		{"POST", "/tenants/tenant/connections/" + token + "/rotate/start", ""},
		{"POST", "/tenants/tenant/connections/" + token + "/rotate/cancel", ""},
		{"DELETE", l.path + "/tokens/" + token, ""},
		{"GET", l.path + "/tokens/" + token, ""},
		{"GET", l.path + "/" + token, ""},
		{"GET", "/" + token, ""},
		{"GET", l.path + "/journal?cursor=" + token, ""},
		{"GET", l.path + "/journal?failed=" + token + "&" + token + "=" + token, ""},
		{"GET", l.path + "/groups?cursor=" + token + "&limit=" + token, ""},
		{"POST", "/tenants/tenant/connections", `{"identity_provider":"` + token + `"}`},
		{"POST", "/tenants/tenant/connections", `{"bearer_token":"` + token + `"}`},
		{"POST", "/tenants/tenant/connections", `{"` + token + `":"` + token + `"}`},
		{"POST", "/tenants/tenant/connections", `{"policy":{"` + token + `":"` + token + `"}}`},
		{"POST", "/tenants/tenant/connections", `{"bearer_token_expires_at":"` + token + `"}`},
		{"POST", "/tenants/tenant/connections", token},
		{"POST", l.path + "/rotate/start", `{"next_bearer_token":"` + token + `"}`},
		{"POST", l.path + "/rotate/start", `{"next_bearer_token_expires_at":"` + token + `"}`},
		{"POST", l.path + "/tokens", `{"name":"x","bearer_token":"` + token + `"}`},
		{"POST", l.path + "/tokens", `{"name":"` + token + `\n"}`},
		{"POST", l.path + "/tokens", `{"name":["` + token + `"]}`},
		{"PATCH", l.path, `{"status":"` + token + `"}`},
		{"PATCH", l.path, `{"display_name":"` + token + `\u0000"}`},
		{"PATCH", l.path, `{"` + token + `":1,"` + token + `":2}`},
		{token, l.path, ""},
	} {
		a := e.serve(e.nodes[0].admin, q[0], q[1], adminSecret, q[2],
			"X-Api-Key", token, "Cookie", "token="+token, "Referer", "https://x.test/"+token)
		require.GreaterOrEqual(t, a.status, 400, "%v: %s", q, a.body)
		require.Less(t, a.status, 500, "%v: %s", q, a.body)
	}
	for _, as := range []string{"", token, "x" + token} {
		require.Equal(t, 401, e.serve(e.nodes[0].admin, "GET", l.path, as, "").status)
	}
}

// A connection lives, is attacked and dies. Then everything that came out, and everything that is kept, is searched.
func TestCanariesOfAWholeLife(t *testing.T) {
	t.Parallel()
	onEachEstate(t, func(t *testing.T, e *estate) {
		c := &canaries{}
		l := e.connect("tenant", `{"display_name":"A link"}`)
		c.handout(e, l.token)
		c.live(l)
		id, named := l.issue(0, "a name")
		c.handout(e, named)
		next := c.handout(e, l.rotate(0))
		for _, token := range []string{l.token, named, next} {
			e.scim(0, token, "GET", "/Users", "").decode(t, 200)
		}
		c.misplace(l, next)
		c.misplace(l, named)
		own := c.handoutOwn(l)
		for _, target := range []string{"", "/tokens", "/groups", "/journal?limit=1000", "/journal?failed=true"} {
			l.manage(0, "GET", target, "").decode(t, 200)
		}
		listed := e.manage(0, "GET", "/tenants/tenant/connections", "")
		require.Contains(t, listed.body, `"bearer_token_last_four":"`+l.token[len(l.token)-4:]+`"`)
		covers(t, "S-14")
		l.manage(0, "POST", "/rotate/complete", "").decode(t, 200)
		l.manage(0, "DELETE", "/tokens/"+id, "").decode(t, 200)
		c.handout(e, l.rotate(0))
		l.manage(0, "POST", "/rotate/cancel", "").decode(t, 200)
		for _, token := range []string{l.token, named, own} {
			e.scim(0, token, "GET", "/Users", "").decode(t, 401)
		}
		l.manage(0, "PATCH", "", `{"status":"disabled"}`).decode(t, 200)
		e.scim(0, next, "POST", "/Users", userText("kanarina")).decode(t, 401)
		l.manage(0, "PATCH", "", `{"status":"active","identity_provider":"microsoft-entra"}`).decode(t, 200)
		e.scim(0, next, "GET", "/Users", "").decode(t, 200)
		journal := l.manage(0, "GET", "/journal?limit=1000", "")
		require.Greater(t, len(journal.decode(t, 200)["entries"].([]any)), 100)
		c.search(e, l, journal.body, true)
		l.manage(0, "DELETE", "", "").decode(t, 200)
		e.scim(0, next, "GET", "/Users", "").decode(t, 401)
		e.sweep()
		c.search(e, l, "", false)
		covers(t, "A-13", "S-20", "O-01")
	})
}

// handoutOwn gives a connection a token whose text the host chose, and revokes it after it was used.
func (c *canaries) handoutOwn(l *link) string {
	t := l.e.t
	t.Helper()
	const own = "canary-of-a-token-that-the-host-brought-along"
	connections := l.e.nodes[0].connections
	kept, text, err := connections.IssueToken(t.Context(), l.scope, scim.TokenDraft{Name: "own", Text: own})
	require.NoError(t, err)
	require.Equal(t, own, string(text))
	c.tokens = append(c.tokens, own)
	l.e.scim(0, own, "GET", "/Users", "").decode(t, 200)
	_, err = connections.RevokeToken(t.Context(), l.scope, kept.ID)
	require.NoError(t, err)
	_, _, err = connections.StartRotation(t.Context(), l.scope, scim.TokenDraft{Text: scim.Secret(own + ",")})
	require.Error(t, err)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), own)
	return own
}

// search looks for canaries in all that came out and all that is kept. full says that what may be kept must be.
func (c *canaries) search(e *estate, l *link, journal string, full bool) {
	t := e.t
	t.Helper()
	answers, kept, log := strings.Join(e.answers, "\n"), strings.Join(e.tables(), "\n"), e.log.String()
	happened := e.happened()
	for _, secret := range c.secrets() {
		for place, text := range map[string]string{
			"an answer": answers, "the store": kept, "the log": log, "an event": happened,
			"memory": strings.Join(texts([]any{e.nodes[0].connections, e.nodes[0].handler, e.nodes[0].admin}), "\n"),
		} {
			lacks(t, place, text, secret[:len(secret)-4]) // the last four characters are no secret
			lacks(t, place, text, url.QueryEscape(secret))
		}
	}
	for _, word := range c.personal {
		for place, text := range map[string]string{"the log": log, "the journal": journal} {
			lacks(t, place, strings.ToLower(text), word)
		}
	}
	for _, row := range e.tables() {
		if strings.HasPrefix(row, "scim_journal ") {
			for _, word := range c.personal {
				lacks(t, "the journal as it is stored", strings.ToLower(row), word)
			}
		}
	}
	if full {
		require.Contains(t, kept, "kanarina", "the search does not see what is stored")
		require.Contains(t, happened, "kanarina", "the search does not see what happened")
		require.Contains(t, answers, "kanarina", "the search does not see what was answered")
		require.Contains(t, log, l.scope.Connection, "the search does not see what is logged")
		require.Contains(t, kept, "own", "the search does not see the names of tokens")
	}
}

// lacks requires that a text is not in another one, and shows where it is.
func lacks(t testing.TB, place, text, canary string) {
	t.Helper()
	if i := strings.Index(text, canary); i >= 0 {
		t.Fatalf("%q is in %s: %q", canary, place, text[max(0, i-300):min(len(text), i+len(canary)+100)])
	}
}

// happened returns all that the events held.
func (e *estate) happened() string {
	e.events.mu.Lock()
	defer e.events.mu.Unlock()
	var out strings.Builder
	for _, event := range e.events.list {
		fmt.Fprintf(&out, "%+v\n%s\n", event, strings.Join(texts(event), "\n"))
	}
	return out.String()
}

// However values of exported types are printed, they print no token.
func TestPrintedValuesHoldNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-a-token-that-is-printed-0123456789"
	secret := scim.Secret(canary)
	draft := scim.TokenDraft{Name: "n", Text: secret}
	memory := memstore.New()
	config := scim.ConnectionsConfig{Store: memory, CacheFor: time.Second}
	connections, err := scim.NewConnections(config)
	require.NoError(t, err)
	created, text, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t", Token: draft})
	require.NoError(t, err)
	require.Equal(t, secret, text)
	credential, err := connections.VerifyToken(t.Context(), canary)
	require.NoError(t, err)
	_, found, err := connections.IssueToken(t.Context(), created.Scope(), scim.TokenDraft{Name: "n"})
	require.NoError(t, err)
	kept, err := connections.Tokens(t.Context(), created.Scope())
	require.NoError(t, err)
	static, err := scim.StaticToken(canary, created)
	require.NoError(t, err)
	handler, err := scim.New(scim.Config{BaseURL: baseURL, Store: memory, Verifier: connections})
	require.NoError(t, err)
	adminConfig := scim.AdminConfig{Handler: handler, Connections: connections, Authorize: nobodyMay}
	admin, err := scim.NewAdmin(adminConfig)
	require.NoError(t, err)
	_, _, refused := connections.IssueToken(t.Context(), created.Scope(), scim.TokenDraft{Name: "n", Text: secret + "\n"})
	require.Error(t, refused)
	_, _, taken := connections.IssueToken(t.Context(), created.Scope(), draft)
	require.ErrorIs(t, taken, store.ErrExists)

	values := map[string]any{
		"Secret": secret, "*Secret": &secret, "minted": found, "TokenDraft": draft, "*TokenDraft": &draft,
		"ConnectionDraft": scim.ConnectionDraft{Tenant: "t", Token: draft}, "*ConnectionDraft": &scim.ConnectionDraft{Tenant: "t", Token: draft},
		"list": []scim.TokenDraft{draft}, "map": map[string]scim.Secret{"x": secret},
		"AdminConfig": adminConfig, "ConnectionsConfig": config, "Config": scim.Config{Verifier: connections, Store: memory},
		"Connections": connections, "Admin": admin, "Handler": handler, "Credential": credential, "Connection": created,
		"Token": kept, "StaticToken": static, "Store": memory, "refusal": refused, "taken": taken,
		"ConnectionChange": scim.ConnectionChange{}, "wrapped": fmt.Errorf("no: %w", refused), "joined": errors.Join(refused, taken),
	}
	holds := func(how, printed string) {
		for _, text := range []string{canary, string(found), canary[:20], fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
			require.NotContains(t, printed, text, how)
		}
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08.3f", "% x", "%t", "%U", "%60v", "%-60s"} {
			holds(name+" "+verb, fmt.Sprintf(verb, value))
		}
		holds(name+" Sprint", fmt.Sprint(value, value))
		for how, encode := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "XML": xml.Marshal} {
			if encoded, err := encode(value); err == nil {
				holds(name+" as "+how, string(encoded))
			}
		}
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("value", slog.Any("value", value), slog.Group("group", slog.Any("value", value)))
		}
		require.NotEmpty(t, out.String())
		holds(name+" in a log", out.String())
	}
	require.Equal(t, "[redacted] [redacted]", fmt.Sprintf("%s %v", secret, secret))
	require.Equal(t, canary, string(secret))
	encoded, err := json.Marshal(draft)
	require.NoError(t, err)
	require.Contains(t, string(encoded), `"Text":"[redacted]"`)
	covers(t, "O-05")
}
