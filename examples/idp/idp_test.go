package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/store/memstore"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

const (
	token   = "a-token-that-nobody-may-see-in-any-output"
	baseURL = "http://scim.example.test/scim/v2"
)

// personalities are the values of -as, with the provider whose policy the server has.
var personalities = map[string]dialect.IdentityProvider{
	"entra": dialect.MicrosoftEntra, "entra-legacy": dialect.MicrosoftEntra, "okta": dialect.Okta,
}

// newServer returns a SCIM server with an empty directory.
func newServer(t *testing.T, p dialect.IdentityProvider) http.Handler {
	verifier, err := scim.StaticToken(token, scim.Connection{ID: "c", Tenant: "t", IdentityProvider: p, Policy: dialect.PolicyFor(p)})
	require.NoError(t, err)
	handler, err := scim.New(scim.Config{
		BaseURL: baseURL, Store: memstore.New(), Verifier: verifier,
		Logger: slog.New(slog.DiscardHandler), RateLimiter: scim.Unlimited,
	})
	require.NoError(t, err)
	return handler
}

// inProcess is a transport that leads straight to a handler.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	p.handler.ServeHTTP(recorder, r.Clone(r.Context()))
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// provision runs the program against a handler.
func provision(t *testing.T, handler http.Handler, args ...string) (status int, stdout string) {
	var out, diagnostics bytes.Buffer
	p := program{stdout: &out, stderr: &diagnostics, transport: inProcess{handler}}
	status = p.run(t.Context(), append([]string{"-url", baseURL, "-token", token, "-users", "30", "-groups", "4"}, args...))
	require.NotContains(t, out.String()+diagnostics.String(), token)
	return status, out.String()
}

// ask sends a request of the test's own, below the base URL.
func ask(t *testing.T, handler http.Handler, method, path, body string) (int, string) {
	r := httptest.NewRequestWithContext(t.Context(), method, baseURL+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Code, recorder.Body.String()
}

// total asks how many resources a query finds.
func total(t *testing.T, handler http.Handler, path string) int {
	status, body := ask(t, handler, http.MethodGet, path, "")
	require.Equal(t, http.StatusOK, status)
	var l struct{ TotalResults int }
	require.NoError(t, json.Unmarshal([]byte(body), &l))
	return l.TotalResults
}

// exchanged is one request and its answer.
type exchanged struct {
	method, target, body string
	header               http.Header
	status               int
	answer, media        string
}

// recorder keeps what goes through it.
type recorder struct {
	next http.Handler
	mu   sync.Mutex
	all  []exchanged
}

func (c *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	c.next.ServeHTTP(answer, r)
	c.mu.Lock()
	c.all = append(c.all, exchanged{
		r.Method, strings.TrimPrefix(r.URL.RequestURI(), "/scim/v2"), string(body), r.Header.Clone(),
		answer.Code, answer.Body.String(), answer.Header().Get("Content-Type"),
	})
	c.mu.Unlock()
	replay(w, answer.Code, answer.Header(), answer.Body.String())
}

func replay(w http.ResponseWriter, status int, header http.Header, body string) {
	maps.Copy(w.Header(), header)
	w.Header().Del("Content-Length")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) //nolint:gosec // no browser reads it
}

func TestProvision(t *testing.T) {
	t.Parallel()
	for as, own := range personalities {
		for _, policy := range []dialect.IdentityProvider{own, dialect.Generic} {
			t.Run(as+" to "+string(policy), func(t *testing.T) {
				t.Parallel()
				handler := newServer(t, policy)
				server := httptest.NewServer(handler)
				defer server.Close()
				var stdout, stderr bytes.Buffer
				p := program{stdout: &stdout, stderr: &stderr, transport: newTransport()}
				status := p.run(t.Context(), []string{
					"-url", server.URL + "/scim/v2/", "-token", token, "-as", as, "-users", "30", "-groups", "4", "-seed", "7",
				})
				require.Contains(t, stdout.String(), "\nmismatches: 0\n")
				require.Equal(t, exitClean, status)
				require.Contains(t, stdout.String(), "30 users, 4 groups, 8 requests at a time, seed 7")
				require.Contains(t, stderr.String(), "idp: seed 7\nidp: connection test: 1/1 in ")
				require.NotContains(t, stderr.String(), "\r")

				require.Zero(t, total(t, handler, "/Groups"))
				require.Zero(t, total(t, handler, "/Users?filter=active+eq+true"))
				left := 0
				if as == "okta" {
					left = 30
					require.Contains(t, stdout.String(), "Okta never deletes users")
				}
				require.Equal(t, left, total(t, handler, "/Users"))
			})
		}
	}
}

func TestManyUsersInADirectoryThatIsNotEmpty(t *testing.T) {
	t.Parallel()
	for as, policy := range personalities {
		t.Run(as, func(t *testing.T) {
			t.Parallel()
			handler := newServer(t, policy)
			for i := range 120 {
				status, _ := ask(t, handler, http.MethodPost, "/Users", `{"schemas":["`+userURN+`"],"userName":"native`+strconv.Itoa(i)+`"}`)
				require.Equal(t, http.StatusCreated, status)
			}
			traffic := &recorder{next: handler}
			status, stdout := provision(t, traffic, "-as", as, "-users", "110", "-keep", "-seed", "1")
			require.Equal(t, exitClean, status, stdout)
			require.NotContains(t, stdout, "Okta never deletes")
			users := map[string]int{"entra": 107, "entra-legacy": 107, "okta": 110}[as] // 7 deleted, 4 of them hired again
			require.Equal(t, 120+users, total(t, handler, "/Users"))
			require.Equal(t, map[string]int{"entra": 4, "entra-legacy": 4, "okta": 3}[as], total(t, handler, "/Groups"))
			pages := 0
			for _, x := range traffic.all {
				if x.target == "/Users?startIndex=201&count=100" || x.target == "/Users?filter=active+eq+true&count=100&startindex=101" {
					require.Equal(t, http.StatusOK, x.status)
					pages++
				}
			}
			require.Equal(t, 1, pages)
			covers(t, "OKTA-25", "ENTRA-76")

			status, stdout = provision(t, handler, "-as", as, "-seed", "2")
			require.Equal(t, exitClean, status, stdout)
			status, stdout = provision(t, handler, "-as", as, "-seed", "1")
			require.Equal(t, exitMismatch, status)
			require.Contains(t, stdout, "want no resource, got 1 of 1", "the same seed finds what -keep left")
		})
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	for as, policy := range personalities {
		created := func(seed string) map[string]bool {
			traffic := &recorder{next: newServer(t, policy)}
			status, _ := provision(t, traffic, "-as", as, "-seed", seed)
			require.Equal(t, exitClean, status)
			bodies := map[string]bool{}
			for _, x := range traffic.all {
				if x.method == http.MethodPost && strings.HasPrefix(x.target, "/Users") {
					bodies[x.body] = true
				}
			}
			return bodies
		}
		first, again, other := created("3"), created("3"), created("4")
		require.Equal(t, first, again)
		require.NotEqual(t, first, other)
	}
}

// shape is a kind of request that a provider is known to send, and what the server must answer.
type shape struct {
	name   string
	as     string // regular expression for personalities
	method string
	target string // regular expression
	body   string // regular expression
	header string // "Name: value" that is sent; "Name:" that is not
	status int
	answer string // regular expression
	covers []string
}

const (
	guidPattern = `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}`
	nobody      = `"totalResults":0,"itemsPerPage":0,"startIndex":1,"Resources":\[\]`
	onlyOne     = `"totalResults":1,`
)

var shapes = []shape{
	{name: "connection test", as: "entra", method: "GET", target: `^/Users\?filter=userName\+eq\+%22` + guidPattern + `%22$`, status: 200, answer: nobody, covers: []string{"ENTRA-01", "ENTRA-22"}},
	{name: "connection test by externalId", as: "entra", method: "GET", target: `^/Users\?filter=externalId\+eq\+%22` + guidPattern + `%22$`, status: 200, answer: nobody, covers: []string{"ENTRA-02"}},
	{name: "connection test by e-mail", as: "entra", method: "GET", target: `^/Users\?filter=emails%5Btype\+eq\+%22work%22%5D.value\+eq\+%22` + guidPattern + `%22$`, status: 200, answer: nobody, covers: []string{"ENTRA-02"}},
	{name: "connection test of groups", as: "entra", method: "GET", target: `^/Groups\?excludedAttributes=members&filter=displayName\+eq\+%22` + guidPattern + `%22$`, status: 200, answer: nobody, covers: []string{"ENTRA-02"}},
	{name: "no Accept", as: "entra", method: "GET", target: `^/Users`, header: "Accept:", status: 200, covers: []string{"ENTRA-03"}},
	{name: "no User-Agent", as: "entra", method: "GET", target: `^/Users`, header: "User-Agent:", status: 200, covers: []string{"ENTRA-77"}},
	{name: "no Content-Type", as: "entra", method: "GET", target: `^/Users`, header: "Content-Type:", status: 200, covers: []string{"ENTRA-03"}},
	{name: "Content-Type", as: "entra", method: "POST", target: `^/Users`, header: "Content-Type: application/scim+json; charset=utf-8", status: 201, covers: []string{"ENTRA-04"}},
	{name: "plus in a name", as: "entra", method: "GET", target: `^/Users\?filter=userName\+eq\+%22[^+]+%2Bhr%40`, status: 200, answer: onlyOne, covers: []string{"ENTRA-12"}},
	{name: "another case", as: "entra", method: "GET", target: `^/Users\?filter=userName\+eq\+%22[A-Z0-9.%-]+%40[A-Z0-9.]+%22$`, status: 200, answer: onlyOne, covers: []string{"ENTRA-13"}},
	{name: "by externalId", as: "entra", method: "GET", target: `^/Users\?filter=externalId`, status: 200, answer: onlyOne, covers: []string{"ENTRA-14", "ENTRA-49"}},
	{name: "by e-mail", as: "entra", method: "GET", target: `^/Users\?filter=emails%5Btype\+eq\+%22work%22%5D.value\+eq`, status: 200, answer: onlyOne, covers: []string{"ENTRA-15"}},
	{name: "by group name", as: "entra", method: "GET", target: `^/Groups\?excludedAttributes=members&filter=displayName`, status: 200, answer: onlyOne, covers: []string{"ENTRA-16"}},
	{name: "by a group's externalId", as: "entra", method: "GET", target: `^/Groups\?excludedAttributes=members&filter=externalId`, status: 200, answer: onlyOne, covers: []string{"ENTRA-16"}},
	{name: "manager set", as: "entra", method: "GET", target: `^/Users\?filter=id\+eq\+%22[^&]+\+and\+manager\+eq\+%22[^&]+&attributes=id$`, status: 200, answer: onlyOne, covers: []string{"ENTRA-17"}},
	{name: "manager not set", as: "entra", method: "GET", target: `^/Users\?filter=manager\+eq\+%22[^&]+\+and\+id\+eq\+%22[^&]+&attributes=id$`, status: 200, answer: nobody, covers: []string{"ENTRA-17"}},
	{name: "member", as: "entra-legacy", method: "GET", target: `^/Groups\?filter=id\+eq\+%22[^&]+\+and\+members\+eq\+%22[^&]+&attributes=id$`, status: 200, answer: onlyOne, covers: []string{"ENTRA-18"}},
	{name: "no member", as: "entra-legacy", method: "GET", target: `^/Groups\?filter=id\+eq\+%22[^&]+\+and\+members\+eq\+%22[^&]+&attributes=id$`, status: 200, answer: nobody, covers: []string{"ENTRA-18"}},
	{name: "group without members", as: "entra", method: "GET", target: `^/Groups/[^?]+\?excludedAttributes=members$`, status: 200, covers: []string{"ENTRA-19"}},
	{name: "deactivated user by id", as: "entra", method: "GET", target: `^/Users/[^?]+$`, status: 200, answer: `"active":false`, covers: []string{"ENTRA-20"}},
	{name: "deactivated user by name", as: "entra", method: "GET", target: `^/Users\?filter=userName`, status: 200, answer: `"active":false`, covers: []string{"ENTRA-20"}},
	{name: "deleted user", as: "entra", method: "GET", target: `^/Users/[^?]+$`, status: 404, answer: `"status":"404"`, covers: []string{"ENTRA-21"}},
	{name: "no roles, schemas, meta", as: "^entra$", method: "POST", target: `^/Users`, body: `"active":true.*"meta":\{"resourceType":"User"\}.*"roles":\[\],"schemas":\["` + userURN + `","` + enterpriseURN + `"\]`, status: 201, covers: []string{"ENTRA-23"}},
	{name: "nulls", as: "entra", method: "POST", target: `^/Users`, body: `"addresses":null.*"department":null.*"manager":null`, status: 201, covers: []string{"ENTRA-24"}},
	{name: "active as a string", as: "entra-legacy", method: "POST", target: `^/Users`, body: `"active":"True"`, status: 201, answer: `"active":true`, covers: []string{"ENTRA-25"}},
	{name: "roles", as: "entra", method: "POST", target: `^/Users`, body: `"roles":\[\{"primary":true,"type":"WindowsAzureActiveDirectoryRole","value":"`, status: 201, answer: `"roles":\[\{`, covers: []string{"ENTRA-26"}},
	{name: "phone numbers", as: "entra", method: "POST", target: `^/Users`, body: `"value":"0044 20 7946`, status: 201, answer: `"value":"0044 20 7946`, covers: []string{"ENTRA-32"}},
	{name: "twice", as: "entra", method: "POST", target: `^/Users`, status: 409, answer: `"scimType":"uniqueness"`, covers: []string{"ENTRA-29"}},
	{name: "an operation for each attribute", as: "entra-legacy", method: "PATCH", target: `^/Users/`, body: `\{"op":"Replace","path":"name.familyName","value":.*\{"op":"Replace","path":"emails\[type eq \\"work\\"\].value","value":`, status: 200, answer: `"id":`, covers: []string{"ENTRA-33", "ENTRA-35", "ENTRA-52"}},
	{name: "inactive as a string", as: "entra-legacy", method: "PATCH", target: `^/Users/`, body: `\{"op":"Replace","path":"active","value":"False"\}`, status: 200, answer: `"active":false`, covers: []string{"ENTRA-34"}},
	{name: "element that is missing", as: "entra-legacy", method: "PATCH", target: `^/Users/`, body: `\{"op":"Add","path":"emails\[type eq \\"work\\"\].value","value":`, status: 200, answer: `"type":"work"`, covers: []string{"ENTRA-36"}},
	{name: "address in parts", as: "entra-legacy", method: "PATCH", target: `^/Users/`, body: `\{"op":"Add","path":"addresses\[type eq \\"work\\"\].streetAddress".*\{"op":"Add","path":"addresses\[type eq \\"work\\"\].formatted"`, status: 200, answer: `"streetAddress"`, covers: []string{"ENTRA-37"}},
	{name: "enterprise attribute", as: "entra", method: "PATCH", target: `^/Users/`, body: `"path":"` + enterpriseURN + `:department"`, status: 200, answer: `"department"`, covers: []string{"ENTRA-38"}},
	{name: "manager", as: "entra-legacy", method: "PATCH", target: `^/Users/`, body: `\{"op":"Add","path":"` + enterpriseURN + `:manager","value":"`, status: 200, answer: `"manager":\{`, covers: []string{"ENTRA-30", "ENTRA-39"}},
	{name: "only role", as: "entra-legacy", method: "PATCH", target: `^/Users/`, body: `\{"op":"Add","path":"roles\[primary eq \\"True\\"\].value","value":"Lead"\}`, status: 200, answer: `"roles":\[\{[^]]*"primary":true`, covers: []string{"ENTRA-44"}},
	{name: "all roles", as: "^entra$", method: "PATCH", target: `^/Users/`, body: `\{"op":"replace","path":"roles","value":\[`, status: 200, answer: `"value":"Lead"`, covers: []string{"ENTRA-45"}},
	{name: "roles that are there", as: "entra-legacy", method: "PATCH", target: `^/Users/`, body: `\{"op":"Add","path":"roles","value":\[`, status: 200, answer: `"value":"Lead"`, covers: []string{"ENTRA-46"}},
	{name: "attribute that goes", as: "entra", method: "PATCH", target: `^/Users/`, body: `\{"op":"[rR]emove","path":"nickName"\}`, status: 200, covers: []string{"ENTRA-48"}},
	{name: "sub-attribute that goes", as: "entra", method: "PATCH", target: `^/Users/`, body: `\{"op":"[rR]emove","path":"phoneNumbers\[type eq \\"mobile\\"\].value"\}`, status: 200, covers: []string{"ENTRA-48"}},
	{name: "inactive", as: "^entra$", method: "PATCH", target: `^/Users/`, body: `\{"op":"replace","path":"active","value":false\}`, status: 200, answer: `"active":false`, covers: []string{"ENTRA-57"}},
	{name: "keys that are paths", as: "^entra$", method: "PATCH", target: `^/Users/`, body: `\{"op":"replace","path":"emails\[type eq \\"work\\"\].value","value":.*\{"op":"replace","value":\{"displayName":.*"name.familyName":`, status: 200, covers: []string{"ENTRA-58"}},
	{name: "keys with a URN", as: "^entra$", method: "PATCH", target: `^/Users/`, body: `\{"op":"replace","value":\{[^{}]*"` + enterpriseURN + `:employeeNumber":"`, status: 200, answer: `"employeeNumber"`, covers: []string{"ENTRA-58"}},
	{name: "manager as a key", as: "^entra$", method: "PATCH", target: `^/Users/`, body: `\{"op":"replace","value":\{"` + enterpriseURN + `:manager":\{"\$ref":"User","value":"`, status: 200, answer: `"manager":\{`, covers: []string{"ENTRA-60"}},
	{name: "manager's id as a key", as: "^entra$", method: "PATCH", target: `^/Users/`, body: `\{"op":"replace","value":\{"` + enterpriseURN + `:manager":"`, status: 200, answer: `"manager":\{`, covers: []string{"ENTRA-60"}},
	{name: "on demand", as: "^entra$", method: "PATCH", target: `^/Users/`, body: `\{"op":"Replace","path":"active","value":"True"\}`, status: 200, answer: `"active":true`, covers: []string{"ENTRA-07"}},
	{name: "group", as: "entra", method: "POST", target: `^/Groups`, body: `"schemas":\["` + groupURN + `","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"\]`, status: 201, covers: []string{"ENTRA-62"}},
	{name: "members with $ref", as: "entra-legacy", method: "PATCH", target: `^/Groups/`, body: `\{"op":"Add","path":"members","value":\[(\{"\$ref":null,"value":"[^"]*"\},?){20}\]\}`, status: 204, answer: "^$", covers: []string{"ENTRA-63", "ENTRA-66"}},
	{name: "members", as: "^entra$", method: "PATCH", target: `^/Groups/`, body: `\{"op":"add","path":"members","value":\[(\{"value":"[^"]*"\},?){20}\]\}`, status: 204, answer: "^$", covers: []string{"ENTRA-63", "ENTRA-66"}},
	{name: "members that go", as: "entra-legacy", method: "PATCH", target: `^/Groups/`, body: `\{"op":"Remove","path":"members","value":\[\{"\$ref":null,"value":"`, status: 204, covers: []string{"ENTRA-64"}},
	{name: "members that go, by path", as: "^entra$", method: "PATCH", target: `^/Groups/`, body: `\{"op":"remove","path":"members\[value eq \\"[^"]*\\"\]"\}`, status: 204, covers: []string{"ENTRA-59"}},
	{name: "new name", as: "^entra$", method: "PATCH", target: `^/Groups/`, body: `^[^{]*\{"Operations":\[\{"op":"replace","value":\{"displayName":"Crew of [^"]*"\}\}\]`, status: 204, covers: []string{"ENTRA-65"}},
	{name: "several operations", as: "entra-legacy", method: "PATCH", target: `^/Groups/`, body: `\{"op":"Replace","path":"displayName",.*\{"op":"Add","path":"members",.*\{"op":"Remove","path":"members",`, status: 204, covers: []string{"ENTRA-70"}},
	{name: "restored", as: "entra-legacy", method: "PATCH", target: `^/Users/`, body: `Operations":\[\{"op":"Replace","path":"active","value":"True"\}\]`, status: 200, answer: `"active":true`, covers: []string{"ENTRA-71"}},
	{name: "deleted", as: "entra", method: "DELETE", target: `^/Users/`, status: 204, answer: "^$", covers: []string{"ENTRA-71"}},
	{name: "deleted twice", as: "entra", method: "DELETE", target: `^/Users/`, status: 404, covers: []string{"ENTRA-71"}},

	{name: "saved", as: "okta", method: "GET", target: `^/Users\?startIndex=1&count=2$`, status: 200, answer: nobody, covers: []string{"OKTA-01", "OKTA-05"}},
	{name: "saved, groups", as: "okta", method: "GET", target: `^/Groups\?startIndex=1&count=100$`, status: 200, answer: nobody, covers: []string{"OKTA-01"}},
	{name: "User-Agent", as: "okta", method: "GET", target: `^/Users`, header: "User-Agent: Okta SCIM Client 1.0.0", status: 200, covers: []string{"OKTA-02"}},
	{name: "Accept", as: "okta", method: "GET", target: `^/Users`, header: "Accept: application/scim+json", status: 200, covers: []string{"OKTA-02"}},
	{name: "Accept-Charset", as: "okta", method: "GET", target: `^/Users`, header: "Accept-Charset: utf-8", status: 200, covers: []string{"OKTA-02"}},
	{name: "Accept-Encoding", as: "okta", method: "GET", target: `^/Users`, header: "Accept-Encoding: gzip,deflate", status: 200, covers: []string{"OKTA-02"}},
	{name: "Content-Type without a body", as: "okta", method: "GET", target: `^/Users`, header: "Content-Type: application/scim+json; charset=utf-8", status: 200, covers: []string{"OKTA-02"}},
	{name: "nobody yet", as: "okta", method: "GET", target: `^/Users\?filter=userName%20eq%20%22[^&]*%40[^&]*%22&startIndex=1&count=100$`, status: 200, answer: nobody, covers: []string{"OKTA-03"}},
	{name: "created", as: "okta", method: "POST", target: `^/Users`, body: `"groups":\[\].*"middleName":"".*"password":"`, status: 201, answer: `"id":"`, covers: []string{"OKTA-06", "OKTA-07"}},
	{name: "created twice", as: "okta", method: "POST", target: `^/Users`, status: 409, answer: `"detail":"`, covers: []string{"OKTA-08", "OKTA-32"}},
	{name: "modified", as: "okta", method: "PUT", target: `^/Users/`, body: `"id":".*"meta":\{.*"location":"`, status: 200, covers: []string{"OKTA-09"}},
	{name: "modified, with password", as: "okta", method: "PUT", target: `^/Users/`, body: `"password":"`, status: 200, covers: []string{"OKTA-09"}},
	{name: "deactivated", as: "okta", method: "PATCH", target: `^/Users/`, body: `\{"Operations":\[\{"op":"replace","value":\{"active":false\}\}\]`, status: 200, answer: `"active":false`, covers: []string{"OKTA-11"}},
	{name: "password", as: "okta", method: "PATCH", target: `^/Users/`, body: `\{"op":"replace","value":\{"password":"[^"]*!"\}\}`, status: 200, covers: []string{"OKTA-12"}},
	{name: "reactivated", as: "okta", method: "PATCH", target: `^/Users/`, body: `\{"op":"replace","value":\{"active":true\}\}`, status: 200, answer: `"active":true`, covers: []string{"OKTA-14"}},
	{name: "pushed with members", as: "okta", method: "POST", target: `^/Groups`, body: `"members":\[\{"display":"[^"]*","value":"[^"]*"\}`, status: 201, covers: []string{"OKTA-15"}},
	{name: "pushed without members", as: "okta", method: "POST", target: `^/Groups`, body: `"members":\[\]`, status: 201, covers: []string{"OKTA-15"}},
	{name: "renamed", as: "okta", method: "PATCH", target: `^/Groups/`, body: `\{"op":"replace","value":\{"displayName":"Crew of [^"]*","id":"`, status: 204, covers: []string{"OKTA-16"}},
	{name: "leavers", as: "okta", method: "PATCH", target: `^/Groups/`, body: `\{"op":"remove","path":"members\[value eq \\"[^"]*\\"\]"\}`, status: 204, covers: []string{"OKTA-17"}},
	{name: "all members", as: "okta", method: "PATCH", target: `^/Groups/`, body: `\{"op":"replace","path":"members","value":\[\{`, status: 204, covers: []string{"OKTA-18"}},
	{name: "all members without a path", as: "okta", method: "PATCH", target: `^/Groups/`, body: `\{"op":"replace","value":\{"members":\[\{"display":`, status: 204, covers: []string{"OKTA-18"}},
	{name: "no members", as: "okta", method: "PATCH", target: `^/Groups/`, body: `\{"op":"replace","path":"members","value":\[\]`, status: 204, covers: []string{"OKTA-19"}},
	{name: "no members without a path", as: "okta", method: "PATCH", target: `^/Groups/`, body: `\{"op":"replace","value":\{"displayName":"[^"]*","id":"[^"]*","members":\[\]`, status: 204, covers: []string{"OKTA-20"}},
	{name: "unlinked", as: "okta", method: "DELETE", target: `^/Groups/`, status: 204, answer: "^$", covers: []string{"OKTA-24"}},
	{name: "unlinked and gone", as: "okta", method: "GET", target: `^/Groups/`, status: 404, answer: `"status":"404"`, covers: []string{"OKTA-27"}},
	{name: "by group name", as: "okta", method: "GET", target: `^/Groups\?filter=displayName%20eq%20%22[^&]*%20[^&]*%22&startIndex=1&count=100$`, status: 200, answer: onlyOne, covers: []string{"OKTA-26"}},
	{name: "unknown member", as: "okta", method: "PATCH", target: `^/Groups/`, body: `\{"display":"gone","value":"[^"]*"\}`, status: 204, covers: []string{"OKTA-28"}},
}

// TestShapes shows that each shape is sent and answered as it must be. That it also has its effect is what the runs without a
// mismatch say.
func TestShapes(t *testing.T) {
	t.Parallel()
	traffic := map[string][]exchanged{}
	for as, policy := range personalities {
		c := &recorder{next: newServer(t, policy)}
		status, stdout := provision(t, c, "-as", as, "-seed", "1", "-users", "60", "-groups", "8")
		require.Equal(t, exitClean, status, stdout)
		traffic[as] = c.all
		for _, x := range c.all {
			if x.status != http.StatusNoContent {
				require.Equal(t, "application/scim+json", x.media)
			}
			require.False(t, as == "okta" && x.method == http.MethodDelete && strings.HasPrefix(x.target, "/Users"))
		}
	}
	covers(t, "ENTRA-05", "ENTRA-67", "OKTA-13")
	for _, s := range shapes {
		for as := range personalities {
			if !regexp.MustCompile(s.as).MatchString(as) {
				continue
			}
			found := false
			for _, x := range traffic[as] {
				found = found || s.matches(x)
			}
			require.True(t, found, "%s: no %s %s with %s that is answered with %d and %s: %s", as, s.method, s.target, s.body, s.status, s.answer, s.name)
			covers(t, s.covers...)
		}
	}
}

func (s shape) matches(x exchanged) bool {
	name, value, _ := strings.Cut(s.header, ":")
	return x.method == s.method && x.status == s.status && (name == "" || x.header.Get(name) == strings.TrimSpace(value)) &&
		regexp.MustCompile(s.target).MatchString(x.target) && regexp.MustCompile(s.body).MatchString(x.body) &&
		regexp.MustCompile(s.answer).MatchString(x.answer)
}

func TestFlagOfTheTenantURL(t *testing.T) {
	t.Parallel()
	traffic := &recorder{next: newServer(t, dialect.MicrosoftEntra)}
	status, stdout := provision(t, traffic, "-url", baseURL+"/?aadOptscim062020")
	require.Equal(t, exitClean, status, stdout)
	for _, x := range traffic.all {
		require.Regexp(t, `^/(Users|Groups)(/[^?]*)?\?aadOptscim062020(&[^&].*)?$`, x.target)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-token", token},
		{"-url", baseURL},
		{"-url", "scim.example.test", "-token", token},
		{"-url", "ftp://scim.example.test", "-token", token},
		{"-url", "http://user:" + token + "@scim.example.test", "-token", token},
		{"-url", baseURL, "-token", token + "\n"},
		{"-url", baseURL, "-token", "", token},
		{"-url", baseURL, "-token", token, "-as", "other"},
		{"-url", baseURL, "-token", token, "-users", "0"},
		{"-url", baseURL, "-token", token, "-groups", "-1"},
		{"-url", baseURL, "-token", token, "-parallel", "0"},
		{"-url", baseURL, "-token", token, "-unknown"},
		{"-help"},
	} {
		var stdout, stderr bytes.Buffer
		p := program{stdout: &stdout, stderr: &stderr, transport: inProcess{http.NotFoundHandler()}}
		require.Equal(t, exitUnusable, p.run(t.Context(), args), args)
		require.NotEmpty(t, stderr.String())
		require.Empty(t, stdout.String())
		require.NotContains(t, stderr.String(), token)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	var stdout, stderr bytes.Buffer
	p := program{stdout: &stdout, stderr: &stderr, transport: newTransport()}
	require.Equal(t, exitUnusable, p.run(t.Context(), []string{"-url", server.URL, "-token", token}))
	require.Contains(t, stderr.String(), "the server cannot be reached")
}

// lost is a transport that stops to work after some requests.
type lost struct {
	next http.RoundTripper
	mu   sync.Mutex
	left int
}

func (l *lost) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	l.left--
	over := l.left < 0
	l.mu.Unlock()
	if over {
		return nil, io.ErrUnexpectedEOF
	}
	return l.next.RoundTrip(r)
}

func TestServerThatGoesAway(t *testing.T) {
	t.Parallel()
	for as, policy := range personalities {
		var stdout, stderr bytes.Buffer
		transport := &lost{next: inProcess{newServer(t, policy)}, left: 200}
		p := program{stdout: &stdout, stderr: &stderr, transport: transport}
		status := p.run(t.Context(), []string{"-url", baseURL, "-token", token, "-as", as, "-users", "1000"})
		require.Equal(t, exitUnusable, status)
		require.Contains(t, stdout.String(), "no answer: ")
		require.Greater(t, transport.left, -200, "it stops soon")
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	for as, policy := range personalities {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
			t.Run(as+" at "+method, func(t *testing.T) {
				t.Parallel()
				handler := newServer(t, policy)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == method {
						cancel()
					}
					if r.Context().Err() == nil { // as a real server would see it
						handler.ServeHTTP(w, r)
					}
				})
				var stdout, stderr bytes.Buffer
				p := program{stdout: &stdout, stderr: &stderr, transport: inProcess{watched}}
				status := p.run(ctx, []string{"-url", baseURL, "-token", token, "-as", as, "-users", "30", "-groups", "4"})
				require.Equal(t, exitMismatch, status)
				require.Contains(t, stdout.String(), "\nmismatches: 0\n")
				require.Contains(t, stderr.String(), "idp: interrupted")
				require.Zero(t, total(t, handler, "/Groups"))
				require.Zero(t, total(t, handler, "/Users?filter=active+eq+true"))
			})
		}
	}
}

// TestRefused refuses every third request, and looks at the clock.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, retryAfter string
		summary          string
		status           int
	}{
		{"seconds", "2", "20 requests were refused with 429 and repeated; Retry-After asked for 40s in all", exitClean},
		{"date", "date", "20 requests were refused with 429 and repeated; Retry-After asked for 40s in all", exitClean},
		{"neither", "soon", "429 without a valid Retry-After", exitMismatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := newServer(t, dialect.Okta)
				seen, early, resume := 0, 0, time.Time{}
				limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if seen++; seen%3 != 0 || seen > 60 {
						if time.Now().Before(resume) {
							early++
						}
						next.ServeHTTP(w, r)
						return
					}
					resume = time.Now().Add(time.Second)
					text := test.retryAfter
					if text == "2" || text == "date" {
						resume = time.Now().Add(2 * time.Second)
					}
					if text == "date" {
						text = resume.UTC().Format(http.TimeFormat)
					}
					w.Header().Set("Retry-After", text)
					w.WriteHeader(http.StatusTooManyRequests)
				})
				start := time.Now()
				status, stdout := provision(t, limited, "-as", "okta", "-parallel", "1")
				require.Equal(t, test.status, status, stdout)
				require.Contains(t, stdout, test.summary)
				require.Zero(t, early, "requests before Retry-After is over")
				if test.status == exitClean {
					require.Equal(t, 40*time.Second, time.Since(start))
				}
			})
		})
	}
}

// TestTokenStaysSecret lets a server send the token back in every way, also where an excerpt ends.
func TestTokenStaysSecret(t *testing.T) {
	t.Parallel()
	for before := range 40 {
		leaking := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text := strings.Repeat("x", maxExcerpt-before) + r.Header.Get("Authorization") + "\x1b[31m"
			replay(w, http.StatusInternalServerError, nil, text)
		})
		status, stdout := provision(t, leaking)
		require.Equal(t, exitMismatch, status)
		require.Contains(t, stdout, "xxx")
		require.NotContains(t, stdout, token[:8])
		require.NotContains(t, stdout, "\x1b")
	}
}

func TestMismatchesAreCountedAndCut(t *testing.T) {
	t.Parallel()
	handler := newServer(t, dialect.Okta)
	refusing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			r.Body = http.NoBody
		}
		handler.ServeHTTP(w, r)
	})
	status, stdout := provision(t, refusing, "-as", "okta")
	require.Equal(t, exitMismatch, status)
	require.Contains(t, stdout, "mismatches: 34\n", "30 users and 4 groups")
	require.Contains(t, stdout, "\n20. users\n")
	require.NotContains(t, stdout, "\n21. ")
	require.Contains(t, stdout, "\nand 14 more\n")
	require.Contains(t, stdout, "sent    POST /Users\n           {\"active\":true,")
	require.Contains(t, stdout, "differs status 400, want 201\n   answer  {")
}

func TestProgressBar(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	p := program{stdout: &stdout, stderr: &stderr, bar: true, transport: inProcess{newServer(t, dialect.Okta)}}
	require.Equal(t, exitClean, p.run(t.Context(), []string{"-url", baseURL, "-token", token, "-as", "okta", "-users", "3", "-groups", "0"}))
	require.Contains(t, stderr.String(), "\rusers              [##########....................] 1/3 \r")
	require.Regexp(t, `\rusers              \[#{30}\] 3/3 [0-9.m]+s\n`, stderr.String())
}
