package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// POST: RFC 7644, section 3.3.

func TestCreate(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		body := k.body("a")
		body["externalId"] = "e"
		s.store.take()
		created := s.do("POST", k.endpoint, body).is(201)
		covers(t, "7644-3.3-01")

		require.Equal(t, "application/scim+json", created.header.Get("Content-Type"))
		require.Equal(t, baseURL+k.endpoint+"/"+created.id(), created.header.Get("Location"))
		require.Equal(t, created.header.Get("Location"), created.at("meta", "location"))
		covers(t, "7644-3.3-02")

		require.Equal(t, created.header.Get("Etag"), created.version())
		covers(t, "7644-3.14-01")

		// The answer is what a GET shows: everything sent, with what the server adds.
		require.Equal(t, string(s.get(k.endpoint+"/"+created.id()).body), string(created.body))
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		var sent map[string]any
		require.NoError(t, json.Unmarshal(encoded, &sent))
		for name, value := range sent {
			require.Equal(t, value, created.at(name), name)
		}
		require.NotEmpty(t, created.id())
		require.NotEmpty(t, created.at("meta"))
		if k.endpoint == "/Users" {
			require.Equal(t, true, created.at("active"), "a default")
		}
		covers(t, "7644-3.3-03", "OKTA-07", "AUTHENTIK-06")

		_, total := s.list(k.endpoint)
		require.Equal(t, 1, total)
		s.do("POST", k.endpoint+"/", k.body("b")).is(201)
		s.do("POST", k.endpoint+"?", k.body("c")).is(201)
	})
}

func TestCreateIgnoresWhatIsReadOnly(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		g := s.group("g").id()
		a := s.create("/Users", user("u", map[string]any{
			"id": "mine", "meta": map[string]any{"created": "1999-01-01T00:00:00Z"}, "groups": []map[string]any{{"value": g}},
			enterpriseURN: map[string]any{"manager": map[string]any{"value": "m", "displayName": "forged"}},
		}))
		require.NotEqual(t, "mine", a.id())
		require.NotContains(t, string(a.body), "1999")
		require.NotContains(t, string(a.body), "forged")
		require.NotContains(t, a.json(), "groups")
		require.Empty(t, s.members(g))
		covers(t, "7644-3.3-04")
	})
}

func TestCreateConflicts(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		original := s.user("Ann", map[string]any{"externalId": "e-1", "title": "t"})
		before := s.snapshot("/Users")
		s.events.take()
		for _, name := range []string{"Ann", "ann", "ANN"} {
			for range 2 {
				a := s.do("POST", "/Users", user(name, map[string]any{"externalId": "e-2", "title": "other"})).fails(409, "uniqueness")
				require.Equal(t, "409", a.at("status"))
				require.Contains(t, a.detail(), "userName")
				require.NotContains(t, strings.ToLower(a.detail()), "ann", "the detail holds no values")
				require.Empty(t, a.header.Get("Location"))
				require.Empty(t, a.header.Get("Etag"))
			}
		}
		require.Equal(t, before, s.snapshot("/Users"), "nothing was created, and the one that is there stays as it was")
		require.Equal(t, "e-1", s.get("/Users/"+original.id()).at("externalId"))
		require.Empty(t, s.events.types())
		covers(t, "7644-3.3-05", "OKTA-08", "OKTA-32", "RIPPLING-02", "ENTRA-29")

		s.do("DELETE", "/Users/"+original.id(), nil).is(204)
		again := s.user("ANN")
		require.NotEqual(t, original.id(), again.id())
		require.NotContains(t, again.json(), "title", "nothing of the deleted one comes back")
		covers(t, "7644-3.6-01")
	})
}

// malformed are bodies that are no JSON object.
var malformed = map[string]string{
	"empty":                       "",
	"white space":                 " \r\n\t",
	"cut off":                     "{",
	"cut off in a string":         `{"schemas":["` + userURN,
	"an array":                    "[]",
	"a string":                    `"x"`,
	"a number":                    "42",
	"null":                        "null",
	"true":                        "true",
	"not JSON":                    "userName=a",
	"XML":                         "<user/>",
	"single quotes":               `{'schemas':['` + userURN + `'],'userName':'a'}`,
	"a comma too many":            `{"schemas":["` + userURN + `"],"userName":"a",}`,
	"a key without a value":       `{"schemas":["` + userURN + `"],"userName"}`,
	"a comment":                   `{"schemas":["` + userURN + `"],"userName":"a"} // c`,
	"followed by another":         `{"schemas":["` + userURN + `"],"userName":"a"}{}`,
	"followed by garbage":         `{"schemas":["` + userURN + `"],"userName":"a"} x`,
	"NaN":                         `{"schemas":["` + userURN + `"],"userName":"a","x":NaN}`,
	"a plus sign":                 `{"schemas":["` + userURN + `"],"userName":"a","x":+1}`,
	"a leading zero":              `{"schemas":["` + userURN + `"],"userName":"a","x":01}`,
	"invalid UTF-8":               "{\"schemas\":[\"" + userURN + "\"],\"userName\":\"a\xff\"}",
	"half a surrogate pair":       `{"schemas":["` + userURN + `"],"userName":"a\ud800"}`,
	"a control character, raw":    "{\"schemas\":[\"" + userURN + "\"],\"userName\":\"a\nb\"}",
	"U+0000":                      `{"schemas":["` + userURN + `"],"userName":"a\u0000b"}`,
	"UTF-16":                      "\xff\xfe{\x00}\x00",
	"an array around the object":  `[{"schemas":["` + userURN + `"],"userName":"a"}]`,
	"JSON in a string":            `"{\"schemas\":[\"` + userURN + `\"],\"userName\":\"a\"}"`,
	"deeper than any schema":      `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	"a text that is missing":      `{"schemas":["` + userURN + `"],"userName":}`,
	"a boolean that is cut off":   `{"schemas":["` + userURN + `"],"userName":"a","active":tru}`,
	"a list that is missing":      `{"schemas":["` + userURN + `"],"userName":"a","emails":,"title":"t"}`,
	"an element that is missing":  `{"schemas":["` + userURN + `"],"userName":"a","emails":[,]}`,
	"an object that is no JSON":   `{"schemas":["` + userURN + `"],"userName":"a","name":x}`,
	"a malformed unknown object":  `{"schemas":["` + userURN + `"],"userName":"a","x":{"y":}}`,
	"a malformed unknown literal": `{"schemas":["` + userURN + `"],"userName":"a","x":nul}`,
}

func TestBodiesThatAreNoObject(t *testing.T) {
	t.Parallel()
	onOneStore(t, func(t *testing.T, s *server) {
		u, g := s.user("kept").id(), s.group("kept").id()
		before := s.snapshot("/Users") + s.snapshot("/Groups")
		for name, body := range malformed {
			t.Run(name, func(t *testing.T) {
				s := inCase(t, s)
				for _, r := range []struct{ method, target string }{
					{"POST", "/Users"}, {"PUT", "/Users/" + u}, {"PATCH", "/Users/" + u}, {"POST", "/Groups"}, {"PUT", "/Groups/" + g}, {"PATCH", "/Groups/" + g},
					{"POST", "/Users/.search"},
				} {
					s.do(r.method, r.target, body).fails(400, "invalidSyntax")
				}
				s.do("POST", "/Users", nil).fails(400, "invalidSyntax") // no body at all
			})
		}
		require.Equal(t, before, s.snapshot("/Users")+s.snapshot("/Groups"))
		covers(t, "7644-3.12-04", "J-04")
	})
}

func TestCreateHonoursAttributes(t *testing.T) {
	t.Parallel()
	full := func() map[string]any {
		return user(freshName(), map[string]any{
			"title": "t", "nickName": "n", "name": map[string]any{"givenName": "g", "familyName": "f"}, enterpriseURN: map[string]any{"department": "D", "division": "d"},
		})
	}
	onEachStore(t, func(t *testing.T, s *server) {
		for query, want := range map[string][]string{
			"?attributes=userName":                               {"userName"},
			"?attributes=USERNAME,title":                         {"userName", "title"},
			"?attributes=" + userURN + ":title":                  {"title"},
			"?attributes=name.givenName":                         {"name"},
			"?attributes=" + enterpriseURN + ":department":       {enterpriseURN},
			"?attributes=nothing":                                {},
			"?excludedAttributes=meta,title,name,active,id":      {"userName", "nickName", enterpriseURN},
			"?excludedAttributes=" + enterpriseURN + ",NICKNAME": {"userName", "title", "name", "active", "meta"},
		} {
			body := full()
			a := s.create("/Users"+query, body)
			got := []string{}
			for name := range a.json() {
				got = append(got, name)
			}
			require.ElementsMatch(t, append([]string{"schemas", "id"}, want...), got, query)
			require.Equal(t, []any{userURN, enterpriseURN}, a.at("schemas"), query)
			require.NotContains(t, fmt.Sprint(a.at("name")), map[bool]string{true: "familyName", false: "none"}[query == "?attributes=name.givenName"], query)
			// What is not shown is stored all the same.
			require.Equal(t, "t", s.get("/Users/"+a.id()).at("title"), query)
			require.Equal(t, a.header.Get("Etag"), s.get("/Users/"+a.id()).version(), query)
		}
		before := s.snapshot("/Users")
		s.do("POST", "/Users?attributes=userName&excludedAttributes=title", full()).fails(400, "invalidValue")
		require.Equal(t, before, s.snapshot("/Users"), "a refused projection creates nothing")
		covers(t, "7644-3.9-01")
	})
}

// race sends requests at once and counts the statuses of their answers.
func (s *server) race(requests []*http.Request) map[int]int {
	statuses := make([]int, len(requests))
	start := make(chan struct{})
	var group sync.WaitGroup
	for i, r := range requests {
		group.Go(func() {
			<-start
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			statuses[i] = w.Code
		})
	}
	close(start)
	group.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	return count
}

// TestOneNameForMany: of many who want a name at once, one gets it.
func TestOneNameForMany(t *testing.T) {
	t.Parallel()
	const clients = 16
	onEachStore(t, func(t *testing.T, s *server) {
		spelled := func(name string, i int) string {
			if i%2 == 1 {
				return strings.ToUpper(name)
			}
			return name
		}
		for round := range 4 {
			name := fmt.Sprint("racer-", round)
			var creates, renames []*http.Request
			for i := range clients {
				creates = append(creates, s.request("POST", "/Users", user(spelled(name, i))))
			}
			require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: clients - 1}, s.race(creates))
			winner := s.filter("/Users", `userName eq "`+name+`"`)
			require.Len(t, winner, 1)
			require.Len(t, s.events.types(), 1)

			s.do("DELETE", "/Users/"+winner[0], nil).is(204)
			for i := range clients {
				target := "/Users/" + s.user(fmt.Sprintf("renamed-%d-%d", round, i)).id()
				if i%3 == 0 {
					renames = append(renames, s.request("PATCH", target, patchBody(op("replace", "userName", spelled(name, i)))))
				} else {
					renames = append(renames, s.request("PUT", target, user(spelled(name, i))))
				}
			}
			s.events.take()
			require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusConflict: clients - 1}, s.race(renames))
			require.Len(t, s.filter("/Users", `userName eq "`+name+`"`), 1)
			require.Len(t, s.events.types(), 1)
		}
		covers(t, "7644-3.3-07")
	})
}

func TestABodyOfAnotherTypeIsRefused(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		kinds := []resourceKind{ofUsers, ofGroups, ofDevices}
		for _, k := range kinds {
			target := k.endpoint + "/" + s.create(k.endpoint, k.body(freshName())).id()
			before := s.snapshot(k.endpoint)
			for _, other := range kinds {
				if other.endpoint == k.endpoint {
					continue
				}
				s.do("POST", k.endpoint, other.body("x")).fails(400, "invalidSyntax")
				s.do("PUT", target, other.body("x")).fails(400, "invalidSyntax")
			}
			s.do("POST", k.endpoint, patchBody(op("add", "externalId", "x"))).fails(400, "invalidSyntax")
			require.Equal(t, before, s.snapshot(k.endpoint))
		}
		covers(t, "7644-3.3-08")
	}, withDevices)
}

func TestCreateNeedsAToken(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.store.take()
		for _, token := range []string{"", "canary-token-of-nobody-0123456789012345"} {
			a := s.as(token).do("POST", "/Users", user("a")).fails(401, "")
			require.Contains(t, a.header.Get("Www-Authenticate"), "Bearer")
		}
		require.Empty(t, s.store.take(), "the store was not asked")
		require.Empty(t, s.filter("/Users", "id pr"))
		covers(t, "7644-2.2-01")
	})
}

// Known attributes count however their keys are written: as names, or as the paths that a PATCH would have. A deactivation that came
// as a URN must not get lost.
func TestKeysThatArePaths(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone").id()
		n := 0
		for name, c := range map[string]struct {
			sent attrs
			path []any
			want any
		}{
			"a core attribute":               {attrs{userURN + ":active": false}, []any{"active"}, false},
			"in another case":                {attrs{strings.ToUpper(userURN) + ":ACTIVE": "False"}, []any{"active"}, false},
			"of the pre-standard schema":     {attrs{"urn:scim:schemas:core:2.0:User:active": false}, []any{"active"}, false},
			"after a dot":                    {attrs{userURN + ".active": false}, []any{"active"}, false},
			"the core schema as a whole":     {attrs{userURN: attrs{"active": false, "unknown": 1}}, []any{"active"}, false},
			"twice nested":                   {attrs{userURN: attrs{userURN + ":active": false}}, []any{"active"}, false},
			"an attribute of an extension":   {attrs{enterpriseURN + ":department": "Harbour"}, []any{enterpriseURN}, attrs{"department": "Harbour"}},
			"beside the extension":           {attrs{enterpriseURN: attrs{"costCenter": "4"}, enterpriseURN + ":department": "H"}, []any{enterpriseURN}, attrs{"costCenter": "4", "department": "H"}},
			"an extension inside the schema": {attrs{userURN: attrs{enterpriseURN: attrs{"department": "H"}}}, []any{enterpriseURN}, attrs{"department": "H"}},
			"a sub-attribute":                {attrs{"name.familyName": "Lind"}, []any{"name"}, attrs{"familyName": "Lind"}},
			"beside its attribute":           {attrs{"name": attrs{"givenName": "N"}, "name.familyName": "Lind"}, []any{"name"}, attrs{"givenName": "N", "familyName": "Lind"}},
			"a sub-attribute with URN":       {attrs{userURN + ":name.familyName": "Lind"}, []any{"name"}, attrs{"familyName": "Lind"}},
			"of an extension":                {attrs{enterpriseURN + ":manager.value": "m"}, []any{enterpriseURN, "manager"}, attrs{"value": "m"}},
			"inside an extension":            {attrs{enterpriseURN: attrs{"manager.value": "m"}}, []any{enterpriseURN, "manager"}, attrs{"value": "m"}},
			"a list":                         {attrs{userURN + ":emails": []attrs{{"value": "a@b"}}}, []any{"emails"}, []any{attrs{"value": "a@b"}}},
			"null":                           {attrs{userURN + ":title": nil, userURN: nil, "name.familyName": nil}, []any{"title"}, nil},
			"readOnly":                       {attrs{"meta.location": "x", userURN + ":id": "x", "groups.value": "x", userURN + ":groups": []any{}}, []any{"title"}, nil},
			"a password":                     {attrs{userURN + ":password": s.secret("canary-of-a-password")}, []any{"password"}, nil},
			"unknown":                        {attrs{"name.nick": 1, userURN + ":nickNme": 2, "urn:x:y:z": 3, "a.b": 4, enterpriseURN: attrs{"a.b": 5, "title.x": 6}}, []any{enterpriseURN}, nil},
		} {
			n++
			created := s.create("/Users", user(fmt.Sprint("user", n), c.sent))
			require.Equal(t, c.want, s.get("/Users/"+created.id()).at(c.path...), name)
			s.do("PUT", path, user("someone", attrs{"active": true})).is(200)
			s.do("PUT", path, user("someone", c.sent)).is(200)
			require.Equal(t, c.want, s.get(path).at(c.path...), name)
		}
		ann := s.user("ann").id()
		crew := s.create("/Groups", attrs{"schemas": []string{groupURN}, "displayName": "Crew", groupURN + ":members": memberList(ann)}).id()
		require.Equal(t, []string{ann}, s.members(crew))

		before := s.get(path)
		for name, sent := range map[string]attrs{
			"twice":                    {"active": true, userURN + ":active": false},
			"twice as paths":           {userURN + ":active": true, userURN + ".active": false},
			"twice in an extension":    {enterpriseURN: attrs{"department": "a"}, enterpriseURN + ":department": "b"},
			"a part and the whole":     {"name.familyName": "a", userURN + ":name": attrs{"familyName": "b"}},
			"a part of many":           {"emails.value": "a@b"},
			"not of the type":          {userURN + ":active": "perhaps"},
			"no object":                {userURN: "x"},
			"active of who knows whom": {"urn:scim:schemas:core:1.0:active": false},
			"userName of who knows":    {"urn:example:1.0:User:userName": "x"},
		} {
			a := s.do("PUT", path, user("someone", sent)).is(400)
			require.Contains(t, []any{"invalidSyntax", "invalidValue"}, a.at("scimType"), name)
			s.do("POST", "/Users", user("new", sent)).is(400)
		}
		require.Equal(t, string(before.body), string(s.get(path).body))
		s.patch(path, pathless("replace", attrs{"urn:scim:schemas:core:1.0:active": false})).fails(400, "invalidPath")
	})
	strict := newServer(t, strictly)
	for _, key := range []string{userURN + ":active", "name.familyName", enterpriseURN + ":department", userURN} {
		strict.do("POST", "/Users", user("someone", attrs{key: nil})).fails(400, "invalidSyntax")
	}
}
