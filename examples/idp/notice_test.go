package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// defect makes a server that is right into one that is wrong.
type defect func(next http.Handler) http.Handler

// hearing changes the bodies of some requests before the server reads them.
func hearing(method, path string, change func(body object)) defect {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == method && strings.Contains(r.URL.Path, path) {
				var body object
				if json.NewDecoder(r.Body).Decode(&body) == nil {
					change(body)
				}
				text := encode(body)
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// operations changes each operation of some PATCH requests.
func operations(path string, change func(op object)) defect {
	return hearing(http.MethodPatch, path, func(body object) {
		for _, op := range body["Operations"].([]any) {
			change(op.(object))
		}
	})
}

// asking changes some requests.
func asking(method, path string, change func(r *http.Request)) defect {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == method && strings.Contains(r.URL.Path, path) {
				change(r)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// without a parameter in the query, a list answers another question.
func parameter(name string, change func(value string) string) defect {
	return asking(http.MethodGet, "", func(r *http.Request) {
		query := r.URL.Query()
		for key, values := range query {
			if strings.EqualFold(key, name) {
				query.Del(key)
				if value := change(values[0]); value != "" {
					query.Set(key, value)
				}
			}
		}
		r.URL.RawQuery = query.Encode()
	})
}

// answering changes some answers.
func answering(method, path string, change func(status int, header http.Header, body string) (int, string)) defect {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			status, body := answer.Code, answer.Body.String()
			if (method == "" || r.Method == method) && strings.Contains(r.URL.Path, path) {
				status, body = change(status, answer.Header(), body)
			}
			replay(w, status, answer.Header(), body)
		})
	}
}

// showing changes the bodies of some answers.
func showing(method, path, pattern, replacement string) defect {
	expression := regexp.MustCompile(pattern)
	return answering(method, path, func(status int, _ http.Header, body string) (int, string) {
		return status, expression.ReplaceAllString(body, replacement)
	})
}

// status changes a status, and that of an error's body.
func status(method, path string, from, to int) defect {
	return answering(method, path, func(status int, _ http.Header, body string) (int, string) {
		if status == from {
			status = to
		}
		return status, body
	})
}

// old answers writes with what was there before.
func old(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch && r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/Users/") {
			next.ServeHTTP(w, r)
			return
		}
		get := httptest.NewRequestWithContext(r.Context(), http.MethodGet, r.URL.String(), http.NoBody)
		get.Header.Set("Authorization", r.Header.Get("Authorization"))
		before := httptest.NewRecorder()
		next.ServeHTTP(before, get)
		next.ServeHTTP(httptest.NewRecorder(), r)
		replay(w, before.Code, before.Header(), before.Body.String())
	})
}

// blindTo answers requests whose body matches as if it had carried them out.
func blindTo(pattern string) defect {
	expression := regexp.MustCompile(pattern)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if expression.Match(body) {
				r.Method, r.Body = http.MethodGet, http.NoBody
			}
			next.ServeHTTP(w, r)
		})
	}
}

// softDelete deactivates whom it should delete.
func softDelete(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/Users/") {
			r.Method = http.MethodPatch
			r.Body = io.NopCloser(strings.NewReader(`{"schemas":["` + patchURN + `"],"Operations":[{"op":"replace","path":"active","value":false}]}`))
			next.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// caseSensitive finds nobody whose name is asked for in capitals.
func caseSensitive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if filter := r.URL.Query().Get("filter"); strings.Contains(filter, ".EXAMPLE.TEST") {
			r.URL.RawQuery = "filter=" + url.QueryEscape(`userName eq "nobody"`)
		}
		next.ServeHTTP(w, r)
	})
}

// upsert overwrites a user that is created twice.
func upsert(next http.Handler) http.Handler {
	var mu sync.Mutex
	created := map[string]string{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/Users") {
			next.ServeHTTP(w, r)
			return
		}
		text, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(text))
		var body struct{ UserName string }
		_ = json.Unmarshal(text, &body)
		mu.Lock()
		location := created[body.UserName]
		mu.Unlock()
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if answer.Code == http.StatusConflict && location != "" {
			put := httptest.NewRequestWithContext(r.Context(), http.MethodPut, location, bytes.NewReader(text))
			put.Header = r.Header
			answer = httptest.NewRecorder()
			next.ServeHTTP(answer, put)
		}
		mu.Lock()
		created[body.UserName] = answer.Header().Get("Location")
		mu.Unlock()
		replay(w, answer.Code, answer.Header(), answer.Body.String())
	})
}

// firstOf cuts the first element off a list of members.
func firstOf(op object, name string) {
	if members, ok := op["value"].([]any); ok && op["path"] == "members" && strings.EqualFold(op["op"].(string), name) {
		op["value"] = members[min(1, len(members)):]
	}
}

var notices = []struct {
	name   string
	as     string // regular expression for personalities
	defect defect
	want   string // regular expression for the summary
}{
	{"drops a member", ".", operations("/Groups", func(op object) { firstOf(op, "add") }), `differs members: \S+ is missing among`},
	{"shows a member too few", ".", showing("GET", "/Groups/", `"members":\[\{[^}]*\},?`, `"members":[`), `differs members: \S+ is missing among`},
	{"shows a member twice", ".", showing("GET", "/Groups/", `"members":\[(\{[^}]*\})`, `"members":[$1,$1`), `differs members: .* should not be there, or not twice`},
	{"keeps a leaver, by value", "legacy", operations("/Groups", func(op object) { firstOf(op, "remove") }), `differs members: .* should not be there`},
	{"keeps leavers, by path", "^entra$|okta", blindTo(`members\[value eq`), `differs members: .* should not be there`},
	{"empties a group that one should leave", "legacy", operations("/Groups", func(op object) {
		if op["op"] == "Remove" {
			delete(op, "value")
		}
	}), `differs members: \S+ is missing among 0`},
	{"empties a group that is renamed", "okta|^entra$", operations("/Groups", func(op object) {
		if value, ok := op["value"].(object); ok {
			value["members"] = []any{}
		}
	}), `differs members: \S+ is missing among 0`},
	{"replaces members for adding", ".", operations("/Groups", func(op object) {
		if op["path"] == "members" && strings.EqualFold(op["op"].(string), "add") {
			op["op"] = "replace"
		}
	}), `differs members: \S+ is missing among`},
	{"keeps members for emptying", "okta", blindTo(`Operations.*"members":?,?("value":)?\[\]`), `differs members: .* should not be there`},
	{"ignores a new group name", ".", blindTo(`Crew of `), `differs displayName: want "Crew of `},
	{"shows excluded members", "entra", parameter("excludedAttributes", func(string) string { return "" }), `differs members: want nothing, they are excluded`},
	{"says that somebody is no member", "legacy", asking("GET", "/Groups", func(r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "members+eq") {
			r.URL.RawQuery = "filter=displayName+eq+%22none%22"
		}
	}), `differs want the one resource \S+, got 0 of 0`},

	{"ignores active false", ".", blindTo(`Operations.*"active"(,"value")?:("False"|false)`), `differs active: want false, got true`},
	{"ignores active true", ".", blindTo(`Operations.*"active"(,"value")?:("True"|true)`), `differs active: want true, got false`},
	{"shows active as a string", ".", showing("GET", "/Users/", `"active":(true|false)`, `"active":"$1"`), `differs active: want true, got "true"`},
	{"hides who is inactive", "entra", answering("GET", "/Users/", func(status int, _ http.Header, body string) (int, string) {
		if strings.Contains(body, `"active":false`) {
			return 404, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}`
		}
		return status, body
	}), `differs status 404, want 200`},
	{"loses an attribute of a new user", ".", hearing("POST", "/Users", func(body object) { delete(body, "title") }), `differs title: want "[^"]+", got nothing`},
	{"loses an attribute of a replaced user", "okta", hearing("PUT", "/Users", func(body object) { delete(body, "title") }), `differs title: want "[^"]+", got nothing`},
	{"loses an attribute of a patched user", "entra", operations("/Users", func(op object) {
		if value, ok := op["value"].(object); ok {
			delete(value, "name.familyName")
		}
		if op["path"] == "name.familyName" {
			op["path"] = "nickName"
		}
	}), `differs name.familyName: want "[^"]+", got "[^"]+"`},
	{"loses a manager", ".", showing("GET", "/Users/", `"manager":\{[^}]*\}`, `"manager":{}`), `differs ` + enterpriseURN + `.manager.value: want "\S+", got nothing`},
	{"keeps what should go", "entra", operations("/Users", func(op object) {
		if strings.EqualFold(op["op"].(string), "remove") {
			op["op"], op["value"] = "replace", "kept"
		}
	}), `differs (nickName: want nothing, got "kept"|phoneNumbers: more than there should be)`},
	{"answers with old data", ".", func(next http.Handler) http.Handler { return http.HandlerFunc(old(next).ServeHTTP) }, `sent    (PATCH|PUT) /Users/`},
	{"writes phone numbers its own way", ".", showing("", "/Users", `0044 20 7946 `, `+44207946`), `differs phoneNumbers: want \{"type":"mobile","value":"0044`},
	{"folds a user's name", ".", hearing("POST", "/Users", func(body object) {
		body["userName"] = strings.ToLower(body["userName"].(string))
	}), `differs userName: want "[A-Z]`},
	{"loses accents", ".", showing("GET", "/Users/", `[ÅåøØöüéèñłŁ]`, `?`), `differs (name|displayName)`},
	{"makes nobody primary", ".", showing("GET", "/Users/", `"primary":true`, `"primary":false`), `differs emails: want \{"primary":true`},
	{"loses a role", "entra", showing("GET", "/Users/", `"roles":\[\{[^}]*\},?`, `"roles":[`), `differs roles: want`},
	{"adds a role", "entra", showing("GET", "/Users/", `"roles":\[`, `"roles":[{"value":"Admin"},`), `differs roles: more than there should be: \[\{"value":"Admin"\}\]`},
	{"invents an attribute", ".", showing("GET", "/Users/", `"active":`, `"nickName":"Nick","active":`), `differs nickName: want nothing, got "Nick"`},
	{"shows a password", "okta", showing("PATCH", "/Users/", `"active":`, `"password":"secret","active":`), `differs password: want nothing, got "secret"`},
	{"lists no extension", ".", showing("GET", "/Users/", `,"`+enterpriseURN+`"\]`, `]`), `differs schemas: want ` + enterpriseURN},
	{"lists the wrong groups", ".", showing("GET", "/Users", `"groups":\[\{"value":"`, `"groups":[{"value":"x`), `differs groups: `},
	{"shows somebody else", ".", showing("GET", "/Users/", `"id":"`, `"id":"x`), `differs id: want "`},
	{"says nothing of the type", ".", showing("GET", "/Groups/", `"resourceType":"Group"`, `"resourceType":"User"`), `differs meta.resourceType: want "Group", got "User"`},
	{"says a wrong location", ".", showing("GET", "/Users/", `"location":"[^"]*"`, `"location":"/Users"`), `differs meta.location: want a URL that ends in /Users/`},
	{"creates without an id", ".", showing("POST", "/Users", `"id":"[^"]*",`, ``), `differs id: want "", got nothing`},
	{"creates without an answer", ".", answering("POST", "/Users", func(status int, header http.Header, _ string) (int, string) {
		header.Del("Content-Type")
		return status, ""
	}), `differs the body is no JSON object`},

	{"answers lists without a filter", ".", parameter("filter", func(string) string { return "" }), `differs want (no|the one) resource`},
	{"answers lists with nobody", ".", asking("GET", "/Users", func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Users") {
			r.URL.RawQuery = "filter=userName+eq+%22nobody%22"
		}
	}), `differs want the one resource \S+, got 0 of 0`},
	{"looks for names as they are written", "entra", caseSensitive, `differs want the one resource \S+, got 0 of 0`},
	{"leaves a user out of lists", ".", answering("GET", "/Users", func(status int, _ http.Header, body string) (int, string) {
		var l object
		if json.Unmarshal([]byte(body), &l) != nil || l["Resources"] == nil || len(l["Resources"].([]any)) < 10 {
			return status, body
		}
		l["Resources"] = slices.Delete(l["Resources"].([]any), 3, 4)
		l["totalResults"], l["itemsPerPage"] = l["totalResults"].(float64)-1, l["itemsPerPage"].(float64)-1
		return status, string(encode(l))
	}), `read    the list of users\n   differs \S+ is missing`},
	{"lists who is inactive", "entra", parameter("filter", func(value string) string { return strings.TrimPrefix(value, "active eq true") }), `differs \S+ should not be on the list`},
	{"counts less", ".", parameter("count", func(string) string { return "10" }), `differs Resources: want \d+ from 1 on, got 10`},
	{"counts in strings", ".", showing("GET", "/Users", `"totalResults":(\d+)`, `"totalResults":"$1"`), `differs totalResults: want an integer, got "0"`},
	{"lists nothing at all", ".", showing("GET", "/Users", `,"Resources":\[\]`, ``), `differs Resources: want an array, got nothing`},
	{"lists without a schema", ".", showing("GET", "/Groups", `ListResponse`, `List`), `differs schemas: want a ListResponse`},
	{"miscounts", ".", showing("GET", "/Users", `"itemsPerPage":\d+`, `"itemsPerPage":7`), `itemsPerPage 7 do not fit 0 resources`},

	{"deletes softly", "entra", softDelete, `sent    GET /Users/.*\n   differs status 200, want 404`},
	{"deletes nothing", ".", asking("DELETE", "/Groups", func(r *http.Request) { r.Method = http.MethodGet }), `sent    DELETE /Groups/\S+\n   differs status 200, want 204`},
	{"overwrites who is created twice", ".", upsert, `differs status 200, want 409`},
	{"calls a conflict an error of its own", ".", status("POST", "/Users", 409, 500), `differs status 500, want 409`},
	{"answers 204 to a patched user", "entra", status("PATCH", "/Users", 200, 204), `differs status 204, want 200`},
	{"redirects", ".", answering("PATCH", "/Users", func(_ int, header http.Header, _ string) (int, string) {
		header.Set("Location", baseURL+"/Users")
		return 308, ""
	}), `differs status 308, want 200`},
	{"has errors without a schema", ".", showing("", "/Users", `2.0:Error`, `2.0:Err`), `differs the error does not have the schema`},
	{"has errors with a number", ".", showing("", "/Users", `"status":"409"`, `"status":409`), `differs the error's status is 409, want the string "409"`},
	{"has conflicts without a type", ".", showing("POST", "/Users", `"scimType":"uniqueness"`, `"scimType":"x"`), `differs the error's scimType is "x", want uniqueness`},
	{"answers in another type", ".", answering("GET", "/Users/", func(status int, header http.Header, body string) (int, string) {
		header.Set("Content-Type", "application/json")
		return status, body
	}), `differs Content-Type "application/json", want application/scim\+json`},
	{"has errors in prose", ".", answering("POST", "/Users", func(status int, header http.Header, body string) (int, string) {
		if status >= 400 {
			header.Set("Content-Type", "text/plain")
			return status, "no"
		}
		return status, body
	}), `differs the body is no JSON object`},
}

// TestNotices shows that no defect goes unnoticed.
func TestNotices(t *testing.T) {
	t.Parallel()
	for _, n := range notices {
		for as, policy := range personalities {
			if !regexp.MustCompile(n.as).MatchString(as) {
				continue
			}
			t.Run(n.name+" to "+as, func(t *testing.T) {
				t.Parallel()
				status, stdout := provision(t, n.defect(newServer(t, policy)), "-as", as, "-seed", "12", "-users", "20", "-groups", "3")
				require.Equal(t, exitMismatch, status)
				require.Regexp(t, n.want, stdout)
			})
		}
	}
}

// TestNoticesARepeatedPage needs more users than a page holds.
func TestNoticesARepeatedPage(t *testing.T) {
	t.Parallel()
	firstPage := parameter("startIndex", func(string) string { return "" })
	for as, policy := range personalities {
		status, stdout := provision(t, firstPage(newServer(t, policy)), "-as", as, "-users", "130", "-groups", "0")
		require.Equal(t, exitMismatch, status)
		require.Regexp(t, `differs Resources: \S+ is on two pages`, stdout)
	}
}
