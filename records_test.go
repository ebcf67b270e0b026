package scim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/internal/dbtest"
)

// What people read about a connection: one record for each thing that happened, whatever words a client puts into it.

func nobodyMay(*http.Request, scim.Action, string) error { return errors.New("nobody may") }

// forgeries are texts that would end a line, look like a record, or change how a terminal shows it.
var forgeries = []string{
	"a\n{\"level\":\"ERROR\",\"msg\":\"forged\"}", "a\r\nlevel=ERROR msg=forged", "\x1b[31mred\x1b[0m",
	"a\u2028b", "a\u2029b", "a\u0085b", "a\x00b", "a\tb",
	`a" level=ERROR msg="forged`, `a","level":"ERROR","msg":"forged`, "a\\nb", "\u202egnp.exe", "\ufeffa", "a\x7fb", "a\vb",
}

// recorded is a log that a test counts.
func recorded(out *logBuffer, handler func(*logBuffer) slog.Handler) tune {
	return func(k *scim.ConnectionsConfig, c *scim.Config) {
		logger := slog.New(handler(out))
		k.Logger, c.Logger = logger, logger
		c.Events = scim.FanOut(c.Events, scim.LogEvents(logger))
		k.Events = scim.FanOut(k.Events, scim.LogEvents(logger))
	}
}

// No text of a client or an administrator makes two records of one, in a log of either shape or in the journal.
func TestEveryRecordIsOne(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(*logBuffer) slog.Handler{
		"json": func(b *logBuffer) slog.Handler {
			return slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
		"text": func(b *logBuffer) slog.Handler {
			return slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
	} {
		for _, backend := range backends {
			t.Run(name+" on "+backend.name, func(t *testing.T) {
				t.Parallel()
				out := &logBuffer{}
				e := openEstate(t, backend.name, 1, recorded(out, handler), anyNumber)
				l := e.connect("tenant", "")
				entries := 0
				for n, text := range forgeries {
					e.forge(l, n, text)
					entries += e.useForged(l, n, text)
				}
				happened := len(e.events.take())
				calls := len(e.answers)
				e.readRecords(out.String(), name, calls, happened)
				require.Positive(t, happened)

				journal := l.manage(0, "GET", "/journal?limit=1000", "")
				require.Len(t, journal.decode(t, 200)["entries"], entries)
				for _, text := range textsOf(t, journal.body) {
					require.False(t, strings.ContainsFunc(text, forges), "%q", text)
					require.NotContains(t, text, "forged")
				}
				covers(t, "O-02")
			})
		}
	}
}

func anyNumber(k *scim.ConnectionsConfig, _ *scim.Config) { k.PerTenant = -1 }

// forges reports whether a character can do harm outside of quotation marks.
func forges(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// forge puts a text wherever an administrator may write one.
func (e *estate) forge(l *link, n int, text string) {
	e.t.Helper()
	allowed := map[bool]int{true: 201, false: 400}[!strings.ContainsFunc(text, unicode.IsControl)]
	quoted, escaped := string(jsonText(text)), url.PathEscape("tenant-"+text)
	e.manage(0, "POST", "/tenants/tenant/connections", `{"display_name":`+quoted+`}`).decode(e.t, allowed)
	made := e.manage(0, "POST", "/tenants/"+escaped+"/connections", "").decode(e.t, allowed)
	e.manage(0, "GET", "/tenants/"+escaped+"/connections", "")
	e.manage(0, "GET", "/tenants/"+url.PathEscape(text)+"/connections", "").decode(e.t, 403)
	if allowed == 201 {
		token := made["connection"].(map[string]any)["bearer_token"].(string)
		e.scim(0, token, "POST", "/Users", userText(fmt.Sprint("user-", n))).decode(e.t, 201)
	}
	l.manage(0, "POST", "/tokens", `{"name":`+quoted+`}`).decode(e.t, allowed)
	l.manage(0, "POST", "/tokens", `{`+quoted+`:`+quoted+`}`).decode(e.t, 400)
	l.manage(0, "PATCH", "", `{"status":`+quoted+`}`).decode(e.t, 400)
	l.manage(0, "GET", "/journal?failed="+url.QueryEscape(text), "").decode(e.t, 400)
	e.manage(0, "GET", "/tenants/tenant/connections/"+url.PathEscape(text), "").decode(e.t, 404)
	l.manage(0, "DELETE", "/tokens/"+url.PathEscape(text), "").decode(e.t, 404)
	e.manage(0, "GET", "/"+url.PathEscape(text), "").decode(e.t, 404)
}

// useForged puts a text wherever a client may write one, and returns how many requests of the connection that were.
func (e *estate) useForged(l *link, n int, text string) (requests int) {
	e.t.Helper()
	quoted, escaped := string(jsonText(text)), url.QueryEscape(text)
	named := string(jsonText(fmt.Sprint(text, n)))
	body := `{"schemas":["` + userURN + `"],"userName":` + named + `,"displayName":` + quoted + `,` + quoted + `:1}`
	if text == "a\x00b" {
		e.scim(0, l.token, "POST", "/Users", body).decode(e.t, 400)
		body = userText(fmt.Sprint("user-", n))
		requests++
	}
	id := e.scim(0, l.token, "POST", "/Users", body).decode(e.t, 201)["id"].(string)
	for _, q := range [][3]string{
		{"POST", "/Users", `{"schemas":["` + userURN + `",` + quoted + `],"userName":` + named + `}`},
		{"POST", "/Groups", `{"schemas":["` + groupURN + `"],"displayName":` + quoted + `,"members":[{"value":` + quoted + `}]}`},
		{"PATCH", "/Users/" + id, patchText(`{"op":"replace","path":` + quoted + `,"value":` + quoted + `}`)},
		{"PATCH", "/Users/" + id, patchText(`{"op":"replace","value":{` + quoted + `:` + quoted + `}}`)},
		{"PATCH", "/Users/" + id, patchText(`{"op":` + quoted + `,"path":"title","value":` + quoted + `}`)},
		{"GET", "/Users?filter=" + escaped, ""},
		{"GET", "/Users?filter=" + url.QueryEscape("userName eq "+quoted), ""},
		{"GET", "/Users?attributes=" + escaped + "&" + escaped + "=" + escaped, ""},
		{"GET", "/Users/" + url.PathEscape(text), ""},
		{"GET", "/" + url.PathEscape(text), ""},
		{"DELETE", "/Users/" + id, ""},
	} {
		a := e.scim(0, l.token, q[0], q[1], q[2], "User-Agent", text, "X-Request-Id", text, "X-Forwarded-For", text)
		require.Less(e.t, a.status, 500, "%v: %s", q, a.body)
		requests++
	}
	e.scim(0, "unknown", "GET", "/Users/"+url.PathEscape(text), "", "User-Agent", text).decode(e.t, 401)
	return requests + 1
}

// readRecords reads a log as the programs do that collect it.
func (e *estate) readRecords(log, shape string, calls, happened int) {
	t := e.t
	t.Helper()
	kinds := map[string]int{}
	for line := range strings.Lines(log) {
		line, whole := strings.CutSuffix(line, "\n")
		require.True(t, whole)
		require.False(t, strings.ContainsFunc(line, forges), "%q", line)
		require.NotContains(t, strings.ReplaceAll(line, `\"`, ""), `"forged`)
		if shape == "json" {
			var record map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &record), line)
			require.Equal(t, "INFO", record["level"], line)
			kinds[record["msg"].(string)]++
			continue
		}
		require.Regexp(t, `^time=\S+ level=INFO msg="scim (request|management|event)" `, line)
		_, rest, _ := strings.Cut(line, ` msg="`)
		kind, _, _ := strings.Cut(rest, `"`)
		kinds[kind]++
	}
	require.Equal(t, calls, kinds["scim request"]+kinds["scim management"])
	require.Equal(t, happened, kinds["scim event"])
	require.Len(t, kinds, 3)
}

// textsOf returns every text inside of a JSON document.
func textsOf(t testing.TB, document string) []string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(document), &v))
	return texts(v)
}

// detailed is an error as PostgreSQL's, with all that nobody outside may see.
type detailed struct{ state string }

func (d *detailed) Error() string {
	return `ERROR: duplicate key value violates unique constraint "scim_tokens_digest_key" (SQLSTATE ` + d.state + `)
DETAIL: Key (digest)=(canary-of-a-value) already exists. (INSERT INTO scim_tokens, postgres://app:canary-of-a-password@db.internal/x)`
}

// SQLState is the method that errors of PostgreSQL's drivers have.
func (d *detailed) SQLState() string { return d.state }

// Whichever statement of a management call fails, its answer says nothing of the database; the log does, under the answer's id.
func TestErrorsOfTheDatabaseStayInside(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "postgresql"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			e := openEstate(t, backend, 1)
			steps := e.nodes[0].steps
			failures := 0
			for name, call := range calls {
				for n := 1; ; n++ {
					state := []string{"23505", "XX000"}[n%2]
					l, id := e.prepare(call, fmt.Sprint("tenant-", name, "-", n))
					steps.Inject(dbtest.Fault{N: n, Err: &detailed{state}})
					a := l.call(call, id)
					steps.Heal()
					if steps.Fired() == 0 {
						break
					}
					if a.status < 300 { // only what comes after the deletion may fail without a word
						require.Equal(t, "delete", name)
						continue
					}
					failures++
					problem := a.decode(t, 503)
					require.Equal(t, "unavailable", problem["code"])
					require.Equal(t, "temporarily unavailable, try again later", problem["detail"])
					require.NotEmpty(t, a.header.Get("Retry-After"))
					for _, leak := range []string{
						"canary", "SQLSTATE", "scim_tokens", "postgres", "INSERT", "DETAIL", "duplicate", "db.internal", "digest",
					} {
						require.NotContains(t, fmt.Sprint(a.header, a.body), leak)
					}
					record := lastRecord(t, e.log)
					require.Equal(t, a.header.Get("X-Request-Id"), record["request_id"])
					require.Equal(t, problem["request_id"], record["request_id"])
					require.Equal(t, "ERROR", record["level"])
					require.Contains(t, record["cause"], "scim_tokens_digest_key", "the log must lead to the cause")
				}
			}
			require.Greater(t, failures, 2*len(calls))
			covers(t, "O-04")
		})
	}
}

// lastRecord returns the last record of a log.
func lastRecord(t testing.TB, log *logBuffer) (record map[string]any) {
	t.Helper()
	text := strings.TrimSuffix(log.String(), "\n")
	require.NoError(t, json.Unmarshal([]byte(text[strings.LastIndexByte(text, '\n')+1:]), &record))
	return record
}
