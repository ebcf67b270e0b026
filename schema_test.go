package scim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

// resourceKind is a resource type to write to: its endpoint, and the least body that it accepts.
type resourceKind struct {
	endpoint string
	body     func(name string) map[string]any
}

var (
	ofUsers   = resourceKind{"/Users", func(name string) map[string]any { return user(name) }}
	ofGroups  = resourceKind{"/Groups", func(name string) map[string]any { return groupBody(name) }}
	ofDevices = resourceKind{"/Devices", func(name string) map[string]any { return device(name) }}
)

func groupBody(displayName string, more ...map[string]any) map[string]any {
	body := map[string]any{"schemas": []string{groupURN}, "displayName": displayName}
	for _, m := range more {
		maps.Copy(body, m)
	}
	return body
}

// onOneStore runs f with a fresh server, for tests of what happens before a store is asked.
func onOneStore(t *testing.T, f func(t *testing.T, s *server), options ...func(*setup)) {
	t.Helper()
	f(t, newServer(t, options...))
}

// inCase is the same server for a subtest.
func inCase(t testing.TB, s *server) *server {
	other := *s
	other.t = t
	return &other
}

var names atomic.Int64

// freshName returns a name that no other test has.
func freshName() string { return fmt.Sprintf("name-%d", names.Add(1)) }

// keyed is the body that gives an attribute a value: an attribute of an extension, "urn:…:User:department", stands inside an object.
func keyed(path string, value any) map[string]any {
	if i := strings.LastIndexByte(path, ':'); i >= 0 {
		return map[string]any{path[:i]: map[string]any{path[i+1:]: value}}
	}
	return map[string]any{path: value}
}

// snapshot is everything that a type's endpoint shows.
func (s *server) snapshot(endpoint string) string {
	s.t.Helper()
	return string(s.get(endpoint + "?count=500").body)
}

// stored is a resource's document as the store keeps it, which is more than clients see.
func (s *server) stored(typ, id string) string {
	s.t.Helper()
	r, err := s.store.Get(context.Background(), store.Scope{Connection: "connection-a", Tenant: "tenant-a"}, store.Ref{Type: typ, ID: id})
	require.NoError(s.t, err)
	return string(r.Document.JSON())
}

// writing is an attempt to give an attribute a value.
type writing struct {
	s      *server
	answer *response
	target string // of the resource that was written to; after a POST, of the new one
	before string // what state returned
}

// state is what a write to a resource, or a create at an endpoint, would change.
func (s *server) state(endpoint, target string) string {
	s.t.Helper()
	state := string(s.get(endpoint + "?count=0").body)
	if target != "" {
		state += string(s.get(target).body)
	}
	return state
}

// eachWrite writes one attribute in every way there is, each time to a fresh resource: by POST, by PUT, and by PATCH add and
// replace, with a path and without one.
func eachWrite(t *testing.T, s *server, k resourceKind, path string, value any, f func(t *testing.T, w writing)) {
	t.Helper()
	create := func(t *testing.T) (*server, string, map[string]any) {
		s := inCase(t, s)
		body := k.body(freshName())
		return s, k.endpoint + "/" + s.create(k.endpoint, body).id(), body
	}
	t.Run("POST", func(t *testing.T) {
		s := inCase(t, s)
		w := writing{s: s, before: s.state(k.endpoint, "")}
		body := k.body(freshName())
		maps.Copy(body, keyed(path, value))
		if w.answer = s.do("POST", k.endpoint, body); w.answer.status == 201 {
			w.target = k.endpoint + "/" + w.answer.id()
		}
		f(t, w)
	})
	t.Run("PUT", func(t *testing.T) {
		s, target, body := create(t)
		before := s.state(k.endpoint, target)
		maps.Copy(body, keyed(path, value))
		f(t, writing{s, s.do("PUT", target, body), target, before})
	})
	for _, name := range []string{"add", "replace"} {
		t.Run("PATCH "+name, func(t *testing.T) {
			s, target, _ := create(t)
			before := s.state(k.endpoint, target)
			f(t, writing{s, s.patch(target, op(name, path, value)), target, before})
		})
		t.Run("PATCH "+name+" without a path", func(t *testing.T) {
			s, target, _ := create(t)
			before := s.state(k.endpoint, target)
			f(t, writing{s, s.patch(target, pathless(name, keyed(path, value))), target, before})
		})
	}
}

// everyWriteRefuses requires 400 with that scimType, and that nothing changed, however the value is written.
func everyWriteRefuses(t *testing.T, s *server, k resourceKind, path string, value any, scimType string) {
	t.Helper()
	eachWrite(t, s, k, path, value, func(t *testing.T, w writing) {
		w.answer.fails(400, scimType)
		require.Equal(t, w.before, w.s.state(k.endpoint, w.target))
	})
}

// everyWriteStores requires success, and that the attribute reads as want afterwards, however the value is written.
func everyWriteStores(t *testing.T, s *server, k resourceKind, path string, value, want any) {
	t.Helper()
	encoded, err := json.Marshal(want)
	require.NoError(t, err)
	eachWrite(t, s, k, path, value, func(t *testing.T, w writing) {
		require.Less(t, w.answer.status, 300, string(w.answer.body))
		got := exactly(t, w.s.get(w.target).body)
		if i := strings.LastIndexByte(path, ':'); i >= 0 {
			extension, _ := got.(map[string]any)[path[:i]].(map[string]any)
			got = extension[path[i+1:]]
		} else {
			got = got.(map[string]any)[path]
		}
		require.Equal(t, exactly(t, encoded), got)
	})
}

// exactly decodes JSON without turning numbers into floats.
func exactly(t *testing.T, body []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	require.NoError(t, d.Decode(&v), string(body))
	return v
}

func TestAttributeNamesAreMatchedWithoutCase(t *testing.T) {
	t.Parallel()
	write := map[string]any{
		"SCHEMAS": []string{userURN}, "USERNAME": "a1", "DisplayName": "X", "nAME": map[string]any{"GIVENNAME": "G"},
		"Emails":                                []map[string]any{{"Value": "a@x.test", "TYPE": "work", "Primary": true}},
		strings.ToUpper(enterpriseURN):          map[string]any{"Department": "D", "MANAGER": map[string]any{"Value": "m"}},
		"ExternalID":                            "e",
		"urn:Example:not:an:extension:Of:Users": nil,
	}
	want := map[string]any{
		"userName": "a1", "displayName": "X", "name": map[string]any{"givenName": "G"}, "externalId": "e", "active": true,
		"emails":      []any{map[string]any{"value": "a@x.test", "type": "work", "primary": true}},
		enterpriseURN: map[string]any{"department": "D", "manager": map[string]any{"value": "m"}},
		"schemas":     []any{userURN, enterpriseURN},
	}
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.do("POST", "/Users", write).is(201).id()
		holds := func() {
			got := s.get("/Users/" + id).json()
			delete(got, "id")
			delete(got, "meta")
			require.Equal(t, want, got)
		}
		holds()

		s.do("PUT", "/Users/"+id, user("other")).is(200)
		s.do("PUT", "/Users/"+id, write).is(200)
		holds()

		s.do("PUT", "/Users/"+id, user("other")).is(200)
		s.patch("/Users/"+id, pathless("replace", write)).is(200)
		holds()

		s.do("PUT", "/Users/"+id, user("a1")).is(200)
		s.do("PATCH", "/Users/"+id, map[string]any{"Schemas": []string{patchURN}, "operations": []map[string]any{
			{"OP": "add", "Path": "DISPLAYNAME", "vALUE": "X"},
			op("add", "NAME.givenname", "G"),
			op("add", "externalid", "e"),
			op("add", "EMAILS", []map[string]any{{"VALUE": "a@x.test", "Type": "work", "PRIMARY": true}}),
			op("add", strings.ToUpper(enterpriseURN)+":DEPARTMENT", "D"),
			op("add", enterpriseURN+":Manager.VALUE", "m"),
		}}).is(200)
		holds()
		covers(t, "7643-2.1-01", "ENTRA-28")
	})
}

// publishedSchemas returns the attributes of /Schemas by schema, sub-attributes with dotted names.
func publishedSchemas(s *server) map[string]map[string]map[string]any {
	schemas := map[string]map[string]map[string]any{}
	for _, r := range s.get("/Schemas").at("Resources").([]any) {
		schema := r.(map[string]any)
		attributes := map[string]map[string]any{}
		var add func(prefix string, list any)
		add = func(prefix string, list any) {
			elements, _ := list.([]any)
			for _, e := range elements {
				a := e.(map[string]any)
				name := prefix + a["name"].(string)
				attributes[name] = a
				add(name+".", a["subAttributes"])
			}
		}
		add("", schema["attributes"])
		schemas[schema["id"].(string)] = attributes
	}
	return schemas
}

func TestPublishedSchemasAreWellFormed(t *testing.T) {
	t.Parallel()
	s := newServer(t, withDevices)
	schemas := publishedSchemas(s)
	require.Subset(t, slices.Collect(maps.Keys(schemas)), []string{userURN, groupURN, enterpriseURN, deviceURN, warrantyURN})
	grammar := regexp.MustCompile(`^[$A-Za-z][-_$A-Za-z0-9]*$`)
	referenceType := regexp.MustCompile(`^(external|uri|User|Group|Device)$`)
	count := map[string]int{}
	for urn, attributes := range schemas {
		require.NotEmpty(t, attributes, urn)
		for name, a := range attributes {
			where := urn + ":" + name
			require.Regexp(t, grammar, a["name"], where)
			count["names"]++
			if strings.Contains(name, ".") && urn != "urn:ietf:params:scim:schemas:core:2.0:Schema" {
				require.NotEqual(t, "complex", a["type"], where)
				count["sub-attributes"]++
			}
			types, _ := a["referenceTypes"].([]any)
			require.Equal(t, a["type"] == "reference", len(types) > 0, where)
			for _, typ := range types {
				require.Regexp(t, referenceType, typ, where)
				count["reference types"]++
			}
		}
	}
	require.Greater(t, count["names"], 100)
	covers(t, "7643-2.1-02")
	require.Greater(t, count["sub-attributes"], 50)
	covers(t, "7643-2.3.8-01")
	require.Greater(t, count["reference types"], 5)
	covers(t, "7643-7-13")
}

// TestKeysThatDifferInCaseAreRefused: whoever takes the last of them could be talked into another value than whoever takes the first.
func TestKeysThatDifferInCaseAreRefused(t *testing.T) {
	t.Parallel()
	onOneStore(t, func(t *testing.T, s *server) {
		id := s.user("kept").id()
		twins := map[string]string{
			"attribute":                    `"title":"a","TITLE":"b"`,
			"equal keys":                   `"title":"a","title":"a"`,
			"sub-attribute":                `"name":{"givenName":"a","givenname":"b"}`,
			"element":                      `"emails":[{"value":"a@x.test","Value":"b@x.test"}]`,
			"extension":                    `"` + enterpriseURN + `":{"department":"a","DEPARTMENT":"b"}`,
			"sub-attribute by its alias":   `"` + enterpriseURN + `":{"manager":{"value":"a","managerId":"b"}}`,
			"extension twice":              `"` + enterpriseURN + `":{"department":"a"},"` + strings.ToUpper(enterpriseURN) + `":{"department":"b"}`,
			"unknown attribute":            `"colour":"a","Colour":"b"`,
			"inside an unknown attribute":  `"colour":{"deep":[{"a":1,"A":2}]}`,
			"inside a readOnly attribute":  `"meta":{"version":"a","VERSION":"b"}`,
			"inside what is never stored":  `"password":{"a":1,"A":2}`,
			"escapes that spell the other": `"title":"a","titl\u0065":"b"`,
		}
		requests := map[string]struct{ method, target, before, after string }{
			"POST":                 {"POST", "/Users", `{"schemas":["` + userURN + `"],"userName":"new",`, `}`},
			"PUT":                  {"PUT", "/Users/" + id, `{"schemas":["` + userURN + `"],"userName":"kept",`, `}`},
			"PATCH without a path": {"PATCH", "/Users/" + id, `{"schemas":["` + patchURN + `"],"Operations":[{"op":"replace","value":{`, `}}]}`},
		}
		for where, twin := range twins {
			for verb, r := range requests {
				t.Run(where+" "+verb, func(t *testing.T) {
					s := inCase(t, s)
					before := s.snapshot("/Users")
					s.do(r.method, r.target, r.before+twin+r.after).fails(400, "invalidSyntax")
					require.Equal(t, before, s.snapshot("/Users"))
				})
			}
		}
		for where, body := range map[string]string{
			"envelope":  `{"schemas":["` + patchURN + `"],"Operations":[],"operations":[{"op":"replace","path":"title","value":"b"}]}`,
			"operation": `{"schemas":["` + patchURN + `"],"Operations":[{"op":"replace","path":"title","Path":"nickName","value":"b"}]}`,
			"value":     `{"schemas":["` + patchURN + `"],"Operations":[{"op":"replace","path":"name","value":{"givenName":"a","GivenName":"b"}}]}`,
		} {
			t.Run(where+" PATCH", func(t *testing.T) {
				s := inCase(t, s)
				before := s.snapshot("/Users")
				s.do("PATCH", "/Users/"+id, body).fails(400, "invalidSyntax")
				require.Equal(t, before, s.snapshot("/Users"))
			})
		}
		covers(t, "7643-2.1-03", "J-02")
	})
}

func TestEveryRepresentationNamesItsSchemas(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("a", map[string]any{"nickName": "n", enterpriseURN: map[string]any{"department": "D"}}).id()
		g := s.group("g", u).id()
		d := s.create("/Devices", device("d")).id()
		userSchemas := []any{userURN, enterpriseURN}
		for _, c := range []struct {
			what string
			a    *response
			want []any
		}{
			{"created user", s.user("b"), []any{userURN}},
			{"user", s.get("/Users/" + u), userSchemas},
			{"projected user", s.get("/Users/" + u + "?attributes=userName"), userSchemas},
			{"user without the extension's data", s.get("/Users/" + u + "?excludedAttributes=schemas," + enterpriseURN + ":department"), userSchemas},
			{"replaced user", s.do("PUT", "/Users/"+u, user("a", map[string]any{enterpriseURN: map[string]any{"department": "E"}})).is(200), userSchemas},
			{"patched user", s.patch("/Users/"+u, op("replace", "title", "t")).is(200), userSchemas},
			{"projected answer to a PATCH", s.do("PATCH", "/Groups/"+g+"?attributes=displayName", patchBody(op("replace", "displayName", "h"))).is(200), []any{groupURN}},
			{"group", s.get("/Groups/" + g), []any{groupURN}},
			{"device", s.get("/Devices/" + d + "?attributes=model"), []any{deviceURN}},
			{"list", s.get("/Users"), []any{listURN}},
			{"empty list", s.get("/Users?startIndex=500"), []any{listURN}},
			{"search", s.do("POST", "/Users/.search", map[string]any{"schemas": []string{searchURN}}).is(200), []any{listURN}},
			{"configuration", s.get("/ServiceProviderConfig"), []any{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"}},
			{"resource types", s.get("/ResourceTypes"), []any{listURN}},
			{"resource type", s.get("/ResourceTypes/User"), []any{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}},
			{"schemas", s.get("/Schemas"), []any{listURN}},
			{"schema", s.get("/Schemas/" + userURN), []any{"urn:ietf:params:scim:schemas:core:2.0:Schema"}},
			{"not found", s.do("GET", "/Users/none", nil).is(404), []any{errorURN}},
			{"no route", s.do("GET", "/None", nil).is(404), []any{errorURN}},
			{"bad request", s.do("POST", "/Users", "{").is(400), []any{errorURN}},
		} {
			require.Equal(t, c.want, c.a.at("schemas"), c.what)
		}
		for _, target := range []string{
			"/Users", "/Users?attributes=userName", "/Users?excludedAttributes=schemas", "/Groups?excludedAttributes=members", "/Devices?attributes=id",
			"/Schemas", "/ResourceTypes",
		} {
			resources := s.get(target).at("Resources").([]any)
			require.NotEmpty(t, resources, target)
			for _, r := range resources {
				require.NotEmpty(t, r.(map[string]any)["schemas"], target)
			}
		}
		covers(t, "7643-3-01")
	}, withDevices)
}

// urnsOf returns the schemas that /ResourceTypes names for a type.
func urnsOf(s *server, typ string) []any {
	a := s.get("/ResourceTypes/" + typ)
	urns := []any{a.at("schema")}
	extensions, _ := a.at("schemaExtensions").([]any)
	for _, e := range extensions {
		urns = append(urns, e.(map[string]any)["schema"])
	}
	return urns
}

func TestSchemasOfOtherTypesAreDropped(t *testing.T) {
	t.Parallel()
	foreign := []string{"urn:example:nobody:registered:this", groupURN, userURN, enterpriseURN + "x"}
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("a", map[string]any{"schemas": foreign}).id()
		require.Equal(t, []any{userURN}, s.get("/Users/"+u).at("schemas"))
		s.do("PUT", "/Users/"+u, user("a", map[string]any{"schemas": foreign, enterpriseURN: map[string]any{"division": "d"}})).is(200)
		require.Equal(t, []any{userURN, enterpriseURN}, s.get("/Users/"+u).at("schemas"))
		s.patch("/Users/"+u, op("add", "schemas", foreign)).is(200)
		require.Subset(t, urnsOf(s, "User"), s.get("/Users/"+u).at("schemas"))

		// A group as Microsoft Entra ID creates it.
		g := s.create("/Groups", groupBody("g", map[string]any{"schemas": []string{groupURN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"}}))
		require.Equal(t, []any{groupURN}, g.at("schemas"))
		require.Subset(t, urnsOf(s, "Group"), s.get("/Groups/"+g.id()).at("schemas"))
		covers(t, "7643-3-02", "ENTRA-62")
	})
	t.Run("strict", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			s.do("POST", "/Users", user("a", map[string]any{"schemas": foreign})).fails(400, "invalidSyntax")
			u := s.user("b").id()
			s.do("PUT", "/Users/"+u, user("b", map[string]any{"schemas": foreign})).fails(400, "invalidSyntax")
			require.Equal(t, []string{u}, s.filter("/Users", "id pr"))
		}, strictly)
	})
}

func TestSchemasAreASet(t *testing.T) {
	t.Parallel()
	data := map[string]any{"division": "d"}
	onEachStore(t, func(t *testing.T, s *server) {
		var ids []string
		for i, schemas := range [][]string{{userURN, enterpriseURN}, {enterpriseURN, userURN}, {userURN, userURN, enterpriseURN, enterpriseURN, strings.ToUpper(userURN)}} {
			id := s.user(fmt.Sprint("u", i), map[string]any{"schemas": schemas, enterpriseURN: data}).id()
			ids = append(ids, id)
			require.Equal(t, []any{userURN, enterpriseURN}, s.get("/Users/"+id).at("schemas"))
			put := s.do("PUT", "/Users/"+id, user(fmt.Sprint("u", i), map[string]any{"schemas": schemas, enterpriseURN: data})).is(200)
			require.Equal(t, []any{userURN, enterpriseURN}, put.at("schemas"))
			require.Equal(t, `W/"1"`, put.version(), "the order and number of schemas change nothing")
		}
		covers(t, "7643-3-04")
		for _, id := range ids {
			s.patch("/Users/"+id, op("add", "schemas", []string{userURN, enterpriseURN})).is(200)
			require.Equal(t, []any{userURN, enterpriseURN}, s.get("/Users/"+id).at("schemas"))
		}
		covers(t, "7643-3-03")
	})
}

func TestTheBaseSchemaIsRequired(t *testing.T) {
	t.Parallel()
	onOneStore(t, func(t *testing.T, s *server) {
		u, g := s.user("kept").id(), s.group("kept").id()
		before := s.snapshot("/Users") + s.snapshot("/Groups")
		for name, schemas := range map[string]any{
			"missing":                 nil,
			"empty":                   []string{},
			"the extension's only":    []string{enterpriseURN},
			"the patch message's":     []string{patchURN},
			"a prefix":                []string{"urn:ietf:params:scim:schemas:core:2.0"},
			"not an array":            userURN,
			"not an array of strings": []any{1},
			"an object":               map[string]any{userURN: true},
		} {
			t.Run(name, func(t *testing.T) {
				s := inCase(t, s)
				for _, c := range []struct {
					method, target string
					body           map[string]any
				}{
					{"POST", "/Users", user("new")}, {"PUT", "/Users/" + u, user("other")},
					{"POST", "/Groups", groupBody("new")}, {"PUT", "/Groups/" + g, groupBody("other")},
				} {
					c.body["schemas"] = schemas
					if schemas == nil {
						delete(c.body, "schemas")
					}
					s.do(c.method, c.target, c.body).fails(400, "invalidSyntax")
				}
				require.Equal(t, before, s.snapshot("/Users")+s.snapshot("/Groups"))
			})
		}
		covers(t, "7643-3.3-01")
	})
}

func TestExtensionDataStandUnderTheirURN(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		data := map[string]any{"department": "D", "manager": map[string]any{"value": "m"}}
		id := s.user("a", map[string]any{"schemas": []string{userURN, enterpriseURN}, enterpriseURN: data}).id()
		nested := func() {
			t.Helper()
			for _, a := range []*response{s.get("/Users/" + id), s.get("/Users/" + id + "?attributes=" + enterpriseURN)} {
				require.Equal(t, data, a.at(enterpriseURN))
				require.Nil(t, a.at("department"))
				require.Nil(t, a.at("manager"))
			}
		}
		nested()
		s.do("PUT", "/Users/"+id, user("b", map[string]any{enterpriseURN: data})).is(200)
		nested()
		s.do("PUT", "/Users/"+id, user("b")).is(200)
		s.patch("/Users/"+id, op("add", enterpriseURN+":department", "D"), pathless("add", map[string]any{enterpriseURN: map[string]any{"manager": "m"}})).is(200)
		nested()

		// At the top level the name is no attribute of the core schema: ignored in a body, not taken for the extension's.
		put := s.do("PUT", "/Users/"+id, user("b", map[string]any{"department": "D"})).is(200)
		require.NotContains(t, string(put.body), "department")
		covers(t, "7643-3.3-02")
	})
}

func TestSchemasFollowTheData(t *testing.T) {
	t.Parallel()
	data := map[string]any{"department": "D", "manager": map[string]any{"value": "m"}}
	for name, clear := range map[string]func(s *server, target string) *response{
		"PATCH remove of each attribute": func(s *server, target string) *response {
			s.patch(target, op("remove", enterpriseURN+":department")).is(200)
			require.Equal(s.t, []any{userURN, enterpriseURN}, s.get(target).at("schemas"), "the manager is left")
			return s.patch(target, op("remove", enterpriseURN+":manager.value"))
		},
		"PATCH remove of the extension": func(s *server, target string) *response { return s.patch(target, op("remove", enterpriseURN)) },
		"PATCH remove of its URN": func(s *server, target string) *response {
			return s.patch(target, op("remove", `schemas[value eq "`+enterpriseURN+`"]`))
		},
		"PATCH replace with null": func(s *server, target string) *response {
			return s.patch(target, pathless("replace", map[string]any{enterpriseURN: map[string]any{"department": nil, "manager": nil}}))
		},
		"PATCH replace of the extension with null": func(s *server, target string) *response {
			return s.patch(target, pathless("replace", map[string]any{enterpriseURN: nil}))
		},
		"PUT without": func(s *server, target string) *response { return s.do("PUT", target, user("a")) },
		"PUT with its URN, without its data": func(s *server, target string) *response {
			return s.do("PUT", target, user("a", map[string]any{"schemas": []string{userURN, enterpriseURN}}))
		},
		"PUT with an empty extension": func(s *server, target string) *response {
			return s.do("PUT", target, user("a", map[string]any{enterpriseURN: map[string]any{}}))
		},
		"PUT with nulls": func(s *server, target string) *response {
			return s.do("PUT", target, user("a", map[string]any{enterpriseURN: map[string]any{"department": nil, "manager": map[string]any{"value": nil}}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, s *server) {
				created := s.user("a", map[string]any{enterpriseURN: data})
				require.Equal(t, []any{userURN, enterpriseURN}, created.at("schemas"))
				target := "/Users/" + created.id()
				for _, a := range []*response{clear(s, target).is(200), s.get(target)} {
					require.Equal(t, []any{userURN}, a.at("schemas"))
					require.NotContains(t, a.json(), enterpriseURN)
				}
				covers(t, "7643-3.3-03")
			})
		})
	}
}

func TestExtensionDataWithoutTheirURNInSchemas(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		body := user("a", map[string]any{"schemas": []string{userURN}, enterpriseURN: map[string]any{"department": "D"}})
		created := s.create("/Users", body)
		for _, a := range []*response{created, s.get("/Users/" + created.id()), s.do("PUT", "/Users/"+created.id(), body).is(200)} {
			require.Equal(t, []any{userURN, enterpriseURN}, a.at("schemas"))
			require.Equal(t, "D", a.at(enterpriseURN, "department"))
		}
		covers(t, "7643-3.3-04")

		// Of an extension that nobody registered, nothing is kept; the rest is.
		body[enterpriseURN+"2"] = map[string]any{"badgeColor": "teal"}
		a := s.do("PUT", "/Users/"+created.id(), body).is(200)
		require.Equal(t, "D", a.at(enterpriseURN, "department"))
		require.NotContains(t, s.stored("User", created.id()), "teal")
		covers(t, "ENTRA-27")
	})
	t.Run("strict", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			s.do("POST", "/Users", user("a", map[string]any{enterpriseURN: map[string]any{"department": "D"}})).fails(400, "invalidSyntax")
			require.Empty(t, s.filter("/Users", "id pr"))
		}, strictly)
	})
}

func TestARequiredExtensionIsRequired(t *testing.T) {
	t.Parallel()
	required := withTypes(deviceType(warrantyType(true)))
	data := map[string]any{warrantyURN: map[string]any{"provider": "p", "months": 12}}
	onEachStore(t, func(t *testing.T, s *server) {
		require.Equal(t, true, s.get("/ResourceTypes/Device").at("schemaExtensions", 0, "required"))
		id := s.create("/Devices", device("d", data)).id()
		before := s.snapshot("/Devices")
		for name, extension := range map[string]any{
			"missing":                     nil,
			"empty":                       map[string]any{},
			"without its required value":  map[string]any{"months": 12},
			"its required value is null":  map[string]any{"provider": nil},
			"its required value is empty": map[string]any{"provider": ""},
		} {
			body := device("d", map[string]any{warrantyURN: extension})
			require.Contains(t, s.do("POST", "/Devices", body).fails(400, "invalidValue").detail(), warrantyURN, name)
			s.do("PUT", "/Devices/"+id, body).fails(400, "invalidValue")
		}
		s.do("POST", "/Devices", device("d")).fails(400, "invalidValue")
		s.do("PUT", "/Devices/"+id, device("d")).fails(400, "invalidValue")
		s.patch("/Devices/"+id, op("remove", warrantyURN)).is(400)
		s.patch("/Devices/"+id, op("remove", warrantyURN+":provider")).is(400)
		s.patch("/Devices/"+id, op("replace", warrantyURN+":provider", nil)).is(400)
		s.patch("/Devices/"+id, op("remove", `schemas[value eq "`+warrantyURN+`"]`)).is(400)
		require.Equal(t, before, s.snapshot("/Devices"))
		for _, r := range s.get("/Devices").at("Resources").([]any) {
			require.Contains(t, r, warrantyURN)
		}
		covers(t, "7643-6-01")
	}, required)
	t.Run("an optional one is advertised as optional, and is", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			require.Equal(t, false, s.get("/ResourceTypes/User").at("schemaExtensions", 0, "required"))
			s.user("a")
			require.Equal(t, false, s.get("/ResourceTypes/Device").at("schemaExtensions", 0, "required"))
			s.create("/Devices", device("d"))
			s.do("POST", "/Devices", device("d", map[string]any{warrantyURN: map[string]any{"months": 1}})).fails(400, "invalidValue")
		}, withDevices)
	})
}

func TestOmittedCharacteristicsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		published := publishedSchemas(s)[deviceURN]["model"]
		for keyword, want := range map[string]any{
			"type": "string", "required": false, "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none", "multiValued": false,
		} {
			if got, there := published[keyword]; there {
				require.Equal(t, want, got, keyword)
			}
		}
		s.create("/Devices", device("not required"))
		a := s.create("/Devices", device("a", map[string]any{"model": "M1"})).id()
		b := s.create("/Devices", device("b", map[string]any{"model": "M1"})).id() // not unique
		require.Equal(t, "M1", s.get("/Devices/"+a).at("model"), "returned by default")
		require.Nil(t, s.get("/Devices/"+a+"?excludedAttributes=model").at("model"), "but not always")
		require.Equal(t, []string{a, b}, s.filter("/Devices", `model eq "m1"`), "not caseExact")
		require.Equal(t, "M2", s.patch("/Devices/"+a, op("replace", "model", "M2")).is(200).at("model"), "readWrite")
		s.patch("/Devices/"+a, op("replace", "model", 2)).fails(400, "invalidValue") // a string
		covers(t, "7643-2.2-01")
	}, withDevices)
}

func TestValuesOfAnotherTypeAreRefused(t *testing.T) {
	t.Parallel()
	object, list := map[string]any{"a": "b"}, []any{"a"}
	for _, c := range []struct {
		kind   resourceKind
		path   string
		values []any
	}{
		{ofUsers, "userName", []any{5, true, object, list}},
		{ofUsers, "externalId", []any{5, true, object, list}},
		{ofUsers, "title", []any{5, 1.5, false, object, list}},
		{ofUsers, "name", []any{"x", 5, true, list}},
		{ofUsers, "name", []any{map[string]any{"givenName": 5}, map[string]any{"givenName": list}, map[string]any{"givenName": object}}},
		{ofUsers, "emails", []any{"x", 5, true, list, []any{5}, []any{[]any{object}}}},
		{ofUsers, "emails", []any{[]any{map[string]any{"value": 5}}, []any{map[string]any{"value": object}}, []any{map[string]any{"primary": "yes"}}}},
		{ofUsers, "active", []any{[]any{}, list, "yes", "1", 0, 1, object}},
		{ofUsers, "profileUrl", []any{5, object, list}},
		{ofUsers, enterpriseURN + ":department", []any{5, true, object, list}},
		{ofUsers, enterpriseURN + ":manager", []any{5, true, []any{5}, map[string]any{"value": 5}}},
		{ofGroups, "displayName", []any{5, true, object, list}},
		{ofGroups, "members", []any{5, true, []any{5}, []any{map[string]any{"value": 5}}, []any{map[string]any{}}}},
		{ofDevices, "managed", []any{"yes", 0, object, list}},
		{ofDevices, "tags", []any{5, true, object, []any{5}, []any{object}, []any{list}}},
		{ofDevices, "manual", []any{5, object}},
		{ofDevices, "installedAt", []any{5, true, "garbage", object}},
		{ofDevices, "origin", []any{"x", 5}},
		{ofDevices, "ports", []any{"x", []any{map[string]any{"speed": "fast"}}}},
		{ofDevices, warrantyURN + ":months", []any{"12"}},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			onOneStore(t, func(t *testing.T, s *server) {
				for _, value := range c.values {
					encoded, err := json.Marshal(value)
					require.NoError(t, err)
					t.Run(string(encoded), func(t *testing.T) { everyWriteRefuses(t, s, c.kind, c.path, value, "invalidValue") })
				}
				covers(t, "7643-2.3-01", "7644-3.12-05", "M-08")
			}, withDevices)
		})
	}
	t.Run("an extension that is no object", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			id := s.user("kept").id()
			before := s.snapshot("/Users")
			for _, value := range []any{"x", 5, true, list} {
				s.do("POST", "/Users", user("new", map[string]any{enterpriseURN: value})).fails(400, "invalidValue")
				s.do("PUT", "/Users/"+id, user("kept", map[string]any{enterpriseURN: value})).fails(400, "invalidValue")
				s.patch("/Users/"+id, pathless("add", map[string]any{enterpriseURN: value})).fails(400, "invalidValue")
				s.patch("/Users/"+id, op("replace", enterpriseURN, value)).fails(400, "invalidValue")
			}
			require.Equal(t, before, s.snapshot("/Users"))
		})
	})
}

// TestOneValueForSeveral: an object in the place of an array of objects is a tolerance, which a strict connection lacks.
func TestOneValueForSeveral(t *testing.T) {
	t.Parallel()
	email := map[string]any{"value": "a@x.test", "type": "work"}
	onEachStore(t, func(t *testing.T, s *server) {
		everyWriteStores(t, s, ofUsers, "emails", email, []any{email})
		everyWriteStores(t, s, ofUsers, "emails", map[string]any{}, nil)
		everyWriteStores(t, s, ofDevices, "tags", "blue", []any{"blue"})
		covers(t, "ONELOGIN-06")
	}, withDevices)
	t.Run("strict", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			everyWriteRefuses(t, s, ofUsers, "emails", email, "invalidValue")
			everyWriteRefuses(t, s, ofUsers, "emails", map[string]any{}, "invalidValue")
			everyWriteRefuses(t, s, ofDevices, "tags", "blue", "invalidValue")
		}, withDevices, strictly)
	})
}

func TestBooleansAreLiterals(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, c := range []struct {
			sent any
			want bool
		}{{true, true}, {false, false}, {"true", true}, {"True", true}, {"False", false}, {"FALSE", false}} {
			everyWriteStores(t, s, ofUsers, "active", c.sent, c.want)
			everyWriteStores(t, s, ofDevices, "managed", c.sent, c.want)
			everyWriteStores(t, s, ofUsers, "emails", []any{map[string]any{"value": "a@x.test", "primary": c.sent}}, []any{map[string]any{"value": "a@x.test", "primary": c.want}})
		}
		all := s.snapshot("/Users") + s.snapshot("/Devices")
		require.Contains(t, all, `"active":true`)
		require.Contains(t, all, `"active":false`)
		require.NotRegexp(t, `(?i)"(true|false)"`, all)
		covers(t, "7643-2.3.2-01", "ENTRA-25")
	}, withDevices)
	t.Run("strict", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			for _, sent := range []string{"true", "True", "False"} {
				everyWriteRefuses(t, s, ofUsers, "active", sent, "invalidValue")
				everyWriteRefuses(t, s, ofUsers, "emails", []any{map[string]any{"value": "a@x.test", "primary": sent}}, "invalidValue")
			}
		}, strictly)
	})
}

// TestFormatsOfValues: what a type allows beyond the kind of JSON value.
func TestFormatsOfValues(t *testing.T) {
	t.Parallel()
	raw := func(text string) any { return json.RawMessage(text) }
	for _, c := range []struct {
		path   string
		bad    []any
		good   []any
		covers []string
	}{
		{
			path:   "slots",
			bad:    []any{raw("1.5"), raw("1.0"), raw("1e3"), raw("1E0"), "1", raw("9223372036854775808"), raw("1" + strings.Repeat("0", 400))},
			good:   []any{raw("0"), raw("-7"), raw("9223372036854775807"), raw("-9223372036854775808")},
			covers: []string{"7643-2.3.4-01"},
		},
		{
			path:   "weight",
			bad:    []any{"1.5", raw("1e400"), raw("-1e400"), raw("1." + strings.Repeat("1", 100))},
			good:   []any{raw("1.5"), raw("10"), raw("-0.25"), raw("1e3"), raw("12345678901234567890.123")},
			covers: []string{"7643-2.3.3-01"},
		},
		{
			path: "installedAt",
			bad: []any{
				"2020-01-01", "x", "12:00:00", "2020-01-01T00:00", "2020-13-01T00:00:00Z", "2020-02-30T00:00:00Z", "2020-01-01T25:00:00Z",
				"2020-01-01 00:00:00Z", "2020-01-01T00:00:00,5Z", "2020-01-01T00:00:00+0100", "2020-01-01T00:00:00z", " 2020-01-01T00:00:00Z", 1577836800,
			},
			good: []any{
				"2020-01-01T00:00:00Z", "2020-01-01T00:00:00+05:30", "2020-01-01T00:00:00-11:00", "2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.123456789Z",
				"2020-02-29T23:59:59", "2020-01-01T00:00:00.25",
			},
			covers: []string{"7643-2.3.5-01"},
		},
		{
			path: "certificate",
			bad: []any{
				"%%%", "QUJ!", "QUJ D", "Q", "QUJDR", "Q=Q=", "+_+_", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----",
				"====", "QQ===", "QUJD=", "QQ=", "QU\nJD", "QUJD\r\n",
			},
			good:   []any{"QUJD", "QUI=", "QUI", "QQ==", "QQ", "+/+/", "-_-_"},
			covers: []string{"7643-2.3.6-01"},
		},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			onOneStore(t, func(t *testing.T, s *server) {
				for _, value := range c.bad {
					t.Run(fmt.Sprintf("refuses %.40s", value), func(t *testing.T) { everyWriteRefuses(t, s, ofDevices, c.path, value, "invalidValue") })
				}
				for _, value := range c.good {
					t.Run(fmt.Sprintf("takes %.40s", value), func(t *testing.T) { everyWriteStores(t, s, ofDevices, c.path, value, value) })
				}
				covers(t, c.covers...)
			}, withDevices)
		})
	}
}

// TestNumbersAndTimesCompareByValue: not by their digits.
func TestNumbersAndTimesCompareByValue(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.create("/Devices", device("d", map[string]any{"weight": 10, "slots": 10, "installedAt": "2020-01-01T00:00:00+01:00"})).id()
		for _, filter := range []string{
			"weight gt 9", "weight lt 100.5", "weight eq 10.0", "weight eq 1e1", "weight ge 1e1", "slots gt 9", "slots le 10",
			`installedAt eq "2019-12-31T23:00:00Z"`, `installedAt lt "2019-12-31T23:00:00.001Z"`,
		} {
			require.Equal(t, []string{id}, s.filter("/Devices", filter), filter)
		}
		for _, filter := range []string{"weight gt 10", "weight lt 9", "slots eq 1", `installedAt gt "2020-01-01T00:00:00+02:00" and installedAt lt "2019-12-31T22:59:59Z"`} {
			require.Empty(t, s.filter("/Devices", filter), filter)
		}
		covers(t, "7643-2.3.3-01")
	}, withDevices)
}

// deref reads what a reference of an answer points at.
func (s *server) deref(uri any) *response {
	s.t.Helper()
	rest, ok := strings.CutPrefix(fmt.Sprint(uri), baseURL)
	require.True(s.t, ok, uri)
	return s.get(rest)
}

func TestReferences(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u, inner := s.user("u").id(), s.group("inner").id()
		// However a client writes them, references to members are the server's.
		g := s.create("/Groups", groupBody("outer", map[string]any{"members": []map[string]any{
			{"value": u, "$ref": "Users/" + u}, {"value": inner, "$ref": baseURL + "/Groups/" + inner},
		}})).id()
		members := s.get("/Groups/" + g).at("members").([]any)
		require.Len(t, members, 2)
		for _, m := range members {
			require.Equal(t, m.(map[string]any)["value"], s.deref(m.(map[string]any)["$ref"]).id())
		}
		groups := s.get("/Users/" + u).at("groups").([]any)
		require.Len(t, groups, 1)
		require.Equal(t, g, s.deref(groups[0].(map[string]any)["$ref"]).id())
		for _, target := range []string{
			"/Users/" + u, "/Groups/" + g, "/ServiceProviderConfig", "/ResourceTypes/User", "/Schemas/" + userURN,
		} {
			a := s.get(target)
			require.Equal(t, string(a.body), string(s.deref(a.at("meta", "location")).body))
		}
		for _, target := range []string{"/Users", "/Groups", "/ResourceTypes", "/Schemas"} {
			for i := range s.get(target).at("Resources").([]any) {
				s.deref(s.get(target).at("Resources", i, "meta", "location"))
			}
		}

		// Other references are kept as they are, absolute or relative, and compared with case.
		for _, uri := range []string{"https://x.test/Manual", "../Manual", "urn:example:Manual"} {
			id := s.create("/Devices", device("d", map[string]any{"manual": uri})).id()
			require.Equal(t, uri, s.get("/Devices/"+id).at("manual"))
			require.Equal(t, []string{id}, s.filter("/Devices", `manual eq "`+uri+`"`))
			require.Empty(t, s.filter("/Devices", `manual eq "`+strings.ToLower(uri)+`"`))
		}
		covers(t, "7643-2.3.7-01")

		// Filters on the server's own references are refused: nobody gets a wrong answer over a spelling.
		s.do("GET", "/Groups?filter=members.$ref%20eq%20%22Users/"+u+"%22", nil).fails(400, "invalidFilter")
		s.do("GET", "/Users?filter=groups.$ref%20eq%20%22Groups/"+g+"%22", nil).fails(400, "invalidFilter")
	}, withDevices)
}

func TestMembersMustExist(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("u").id()
		other := s.as(tokenB).user("u").id()
		for _, unknown := range []string{"none", "018f0000-0000-7000-8000-000000000000", other} {
			everyWriteRefuses(t, s, ofGroups, "members", memberList(u, unknown), "invalidValue")
		}
		covers(t, "7643-2.3.7-02")
	})
	t.Run("or are skipped, by policy", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			u := s.user("u").id()
			eachWrite(t, s, ofGroups, "members", memberList(u, "none"), func(t *testing.T, w writing) {
				require.Less(t, w.answer.status, 300, string(w.answer.body))
				require.Equal(t, []string{u}, w.s.members(strings.TrimPrefix(w.target, "/Groups/")))
			})
		}, withPolicy(dialect.Policy{UnknownMembers: dialect.UnknownMembersSkip}))
	})
}

func TestTheOrderOfKeysMeansNothing(t *testing.T) {
	t.Parallel()
	onOneStore(t, func(t *testing.T, s *server) {
		create := `{"active":false,"emails":[{"primary":true,"value":"a@x.test"}],"%s":{"department":"D"},"userName":"%s","schemas":["%s"]}`
		id := s.do("POST", "/Users", fmt.Sprintf(create, enterpriseURN, "a", userURN)).is(201).id()
		reverse := `{"schemas":["%s"],"userName":"%s","%s":{"department":"D"},"emails":[{"value":"a@x.test","primary":true}],"active":false}`
		put := s.do("PUT", "/Users/"+id, fmt.Sprintf(reverse, userURN, "a", enterpriseURN)).is(200)
		require.Equal(t, `W/"1"`, put.version(), "the same resource in another order")

		for i, operation := range []string{
			`{"op":"replace","path":"title","value":"%s"}`, `{"op":"replace","value":"%s","path":"title"}`,
			`{"path":"title","op":"replace","value":"%s"}`, `{"path":"title","value":"%s","op":"replace"}`,
			`{"value":"%s","op":"replace","path":"title"}`, `{"value":"%s","path":"title","op":"replace"}`,
		} {
			title := fmt.Sprint("t", i)
			for _, body := range []string{`{"schemas":["` + patchURN + `"],"Operations":[%s]}`, `{"Operations":[%s],"schemas":["` + patchURN + `"]}`} {
				a := s.do("PATCH", "/Users/"+id, fmt.Sprintf(body, fmt.Sprintf(operation, title))).is(200)
				require.Equal(t, title, a.at("title"))
			}
		}
		covers(t, "7643-2.3.8-02")
	})
}

// TestTwoSpellingsOfOneAttributeInOneValue: which one wins must not depend on the order of the keys either, so that nobody who
// checks a request can be told another story than whoever carries it out.
func TestTwoSpellingsOfOneAttributeInOneValue(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][2]string{
		"qualified":                {`"title":"a"`, `"` + userURN + `:title":"b"`},
		"dotted":                   {`"name":{"givenName":"a"}`, `"name.givenName":"b"`},
		"extension and attribute":  {`"` + enterpriseURN + `":{"department":"a"}`, `"` + enterpriseURN + `:department":"b"`},
		"unqualified":              {`"department":"a"`, `"` + enterpriseURN + `:department":"b"`},
		"activation by two names":  {`"active":true`, `"` + userURN + `:active":false`},
		"user name by two names":   {`"userName":"a"`, `"` + userURN + `.userName":"b"`},
		"extension by an old name": {`"` + enterpriseURN + `":{"department":"a"}`, `"urn:scim:schemas:extension:enterprise:2.0":{"department":"b"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := [2]string{}
			for i, value := range []string{keys[0] + "," + keys[1], keys[1] + "," + keys[0]} {
				s := newServer(t)
				target := "/Users/" + s.user("u").id()
				a := s.do("PATCH", target, `{"schemas":["`+patchURN+`"],"Operations":[{"op":"replace","value":{`+value+`}}]}`)
				shown := s.get(target).json()
				delete(shown, "id")
				delete(shown, "meta")
				answers[i] = fmt.Sprint(a.status, shown)
			}
			require.Equal(t, answers[0], answers[1])
			covers(t, "7643-2.3.8-02")
		})
	}
}

// primaries returns the values of the elements that are primary.
func primaries(list any) []any {
	found := []any{}
	elements, _ := list.([]any)
	for _, e := range elements {
		m := e.(map[string]any)
		if primary, _ := m["primary"].(bool); primary {
			found = append(found, m["value"])
		}
	}
	return found
}

func TestAtMostOneValueIsPrimary(t *testing.T) {
	t.Parallel()
	element := func(value string, primary bool) map[string]any {
		return map[string]any{"value": value, "primary": primary}
	}
	for _, c := range []struct {
		kind   resourceKind
		name   string
		covers []string
	}{
		{kind: ofUsers, name: "emails", covers: []string{"7643-2.4-01", "M-09"}},
		{kind: ofUsers, name: "addresses", covers: nil},
		{kind: ofDevices, name: "ports", covers: []string{"7643-2.4-05"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, s *server) {
				element := element
				if c.name == "addresses" {
					element = func(v string, primary bool) map[string]any { return map[string]any{"locality": v, "primary": primary} }
				}
				everyWriteRefuses(t, s, c.kind, c.name, []any{element("a", true), element("b", true)}, "invalidValue")
				everyWriteRefuses(t, s, c.kind, c.name, []any{element("a", true), element("b", false), element("c", true)}, "invalidValue")
				if c.name == "emails" {
					spelled := []any{map[string]any{"value": "a", "primary": "True"}, map[string]any{"value": "b", "PRIMARY": "true"}}
					everyWriteRefuses(t, s, c.kind, c.name, spelled, "invalidValue")
				}

				// A new primary value takes the flag from the one that has it.
				body := c.kind.body(freshName())
				body[c.name] = []any{element("a", true), element("b", false)}
				target := c.kind.endpoint + "/" + s.create(c.kind.endpoint, body).id()
				a := s.patch(target, op("add", c.name, []any{element("c", true)})).is(200)
				require.Len(t, a.at(c.name), 3)
				require.Len(t, primaries(a.at(c.name)), 1)
				require.Equal(t, true, a.at(c.name, 2, "primary"))
				if c.name != "addresses" {
					a = s.patch(target, op("replace", c.name+`[value eq "b"].primary`, true)).is(200)
					require.Equal(t, []any{"b"}, primaries(a.at(c.name)))
				}
				s.patch(target, op("add", c.name, []any{element("d", true), element("e", true)})).fails(400, "invalidValue")
				require.Len(t, primaries(s.get(target).at(c.name)), 1)
				covers(t, c.covers...)
			}, withDevices)
		})
	}
}

func TestTheMeaningOfDefaultSubAttributes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		published := publishedSchemas(s)
		for _, path := range []string{"emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates"} {
			require.Equal(t, "boolean", published[userURN][path+".primary"]["type"], path)
			require.Equal(t, "string", published[userURN][path+".type"]["type"], path)
		}
		id := s.create("/Devices", device("d", map[string]any{"ports": []map[string]any{
			{"value": "p1", "type": "usb", "display": "left", "speed": 10}, {"value": "p2", "type": "usb", "primary": true},
		}})).id()
		require.Equal(t, []string{id}, s.filter("/Devices", `ports eq "p1"`), "value is what the attribute is compared by")
		require.Equal(t, []string{id}, s.filter("/Devices", `ports[value eq "p1" and primary eq false and type eq "USB"]`))
		require.Empty(t, s.filter("/Devices", `ports[value eq "p1" and primary eq true]`))
		covers(t, "7643-2.4-02", "7643-2.4-05")
	}, withDevices)
}

func TestValuesAreNotReturnedTwice(t *testing.T) {
	t.Parallel()
	work := map[string]any{"value": "a@x.test", "type": "work"}
	home := map[string]any{"value": "a@x.test", "type": "home"}
	onEachStore(t, func(t *testing.T, s *server) {
		everyWriteStores(t, s, ofUsers, "emails", []any{work, work}, []any{work})
		everyWriteStores(t, s, ofDevices, "tags", []any{"a", "b", "a"}, []any{"a", "b"})
		var many []string
		for i := range 40 {
			many = append(many, fmt.Sprint("tag", i))
		}
		everyWriteStores(t, s, ofDevices, "tags", slices.Concat(many, many[3:], many), many)

		target := "/Users/" + s.user("u", map[string]any{"emails": []any{work}}).id()
		version := s.get(target).version()
		for range 2 {
			a := s.patch(target, op("add", "emails", []any{work})).is(200)
			require.Equal(t, []any{work}, a.at("emails"))
			require.Equal(t, version, a.version())
		}
		covers(t, "7643-2.4-03", "ENTRA-46")

		everyWriteStores(t, s, ofUsers, "emails", []any{work, home}, []any{work, home})
		a := s.patch(target, op("add", "emails", []any{home})).is(200)
		require.Equal(t, []any{work, home}, a.at("emails"))
		covers(t, "7643-2.4-04")
	}, withDevices)
}

// TestValuesAreKeptAsSent: Microsoft Entra ID sends again, for ever, what does not come back as it was.
func TestValuesAreKeptAsSent(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for path, value := range map[string]any{
			"displayName": "  Ünïcode ‘quoted’ \U0001F600 e\u0301 \u2028 <b>&amp;</b>  ",
			"phoneNumbers": []any{
				map[string]any{"type": "work", "value": "55555555555"}, map[string]any{"type": "mobile", "value": "0044 20 7946 0000"},
				map[string]any{"type": "fax", "value": "1-2-3"},
			},
			"emails":            []any{map[string]any{"type": "WORK", "value": "B.Jensen@EXAMPLE.Com"}},
			"addresses":         []any{map[string]any{"country": "USA"}},
			"profileUrl":        "not a url",
			"locale":            "en_US",
			"timezone":          "Europe/Paris",
			"preferredLanguage": "de-CH, fr;q=0.5",
			"externalId":        " 1",
		} {
			t.Run(path, func(t *testing.T) { everyWriteStores(t, s, ofUsers, path, value, value) })
		}
		covers(t, "ENTRA-32", "7643-4.1.1-07")
		custom := []any{map[string]any{"value": "a@x.test", "type": "custom"}}
		everyWriteStores(t, s, ofUsers, "emails", custom, custom)
		everyWriteStores(t, s, ofDevices, "ports", []any{map[string]any{"value": "p", "type": "serial"}}, []any{map[string]any{"value": "p", "type": "serial"}})
		covers(t, "7643-2.3.1-01")
	}, withDevices)
}

func TestNullAndEmptyAreUnassigned(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for path, values := range map[string][]any{
			"nickName":                    {nil, ""},
			"externalId":                  {nil, ""},
			"name":                        {nil, map[string]any{}, map[string]any{"givenName": nil}},
			"emails":                      {nil, []any{}, []any{nil}, []any{map[string]any{}}, []any{map[string]any{"value": nil, "type": ""}}},
			enterpriseURN + ":department": {nil, ""},
			enterpriseURN + ":manager":    {nil, "", map[string]any{}, map[string]any{"value": nil}, []any{}},
			"addresses":                   {nil, []any{map[string]any{"country": nil}}},
		} {
			for _, value := range values {
				t.Run(fmt.Sprintf("%s %v", path, value), func(t *testing.T) {
					everyWriteStores(t, s, ofUsers, path, value, nil)
				})
			}
		}
		shown := s.snapshot("/Users")
		require.NotContains(t, shown, "null")
		require.NotContains(t, shown, "{}")
		require.NotContains(t, shown, "[]")
		for _, filter := range []string{"nickName pr", "emails pr", "name pr", "externalId pr", "addresses pr", enterpriseURN + ":manager pr", `schemas eq "` + enterpriseURN + `"`} {
			require.Empty(t, s.filter("/Users", filter), filter)
		}
		_, all := s.list("/Users?count=0")
		_, without := s.list("/Users?count=0&filter=not%20(nickName%20pr)")
		require.Equal(t, all, without)
		covers(t, "7643-2.5-01", "7643-2.5-04", "ENTRA-24")
	})
}

func TestNullAndEmptyClear(t *testing.T) {
	t.Parallel()
	full := func() map[string]any {
		return user(freshName(), map[string]any{
			"title": "t", "name": map[string]any{"givenName": "g", "familyName": "f"}, "emails": []map[string]any{{"value": "a@x.test"}},
			enterpriseURN: map[string]any{"department": "D", "manager": map[string]any{"value": "m"}},
		})
	}
	empty := map[string]any{"title": nil, "name": nil, "emails": []any{}, enterpriseURN: map[string]any{"department": nil, "manager": nil}}
	for name, clear := range map[string]func(s *server, target string, body map[string]any) *response{
		"PUT with nulls": func(s *server, target string, body map[string]any) *response {
			maps.Copy(body, empty)
			return s.do("PUT", target, body)
		},
		"PATCH replace without a path": func(s *server, target string, _ map[string]any) *response {
			return s.patch(target, pathless("replace", empty))
		},
		"PATCH replace": func(s *server, target string, _ map[string]any) *response {
			return s.patch(target, op("replace", "title", nil), op("replace", "name", nil), op("replace", "emails", []any{}),
				op("replace", enterpriseURN+":department", nil), op("replace", enterpriseURN+":manager", nil))
		},
		"PATCH replace with nulls inside": func(s *server, target string, _ map[string]any) *response {
			return s.patch(target, op("replace", "title", nil), op("replace", "name", map[string]any{"givenName": nil, "familyName": ""}),
				op("replace", "emails", []any{nil, map[string]any{"value": nil}}),
				op("replace", enterpriseURN, map[string]any{"department": nil, "manager": map[string]any{"value": nil}}))
		},
		"PATCH replace with empty texts": func(s *server, target string, _ map[string]any) *response {
			return s.patch(target, op("replace", "title", ""), op("replace", "name.givenName", ""), op("replace", "name.familyName", ""),
				op("replace", "emails", nil), op("replace", enterpriseURN+":department", ""), op("replace", enterpriseURN+":manager", ""))
		},
		"PATCH add of null": func(s *server, target string, _ map[string]any) *response {
			// Adding an empty list adds nothing, so the list is replaced.
			return s.patch(target, op("add", "title", nil), op("add", "name", nil), op("replace", "emails", []any{}),
				op("add", enterpriseURN+":department", nil), op("add", enterpriseURN+":manager", nil))
		},
		"PATCH remove": func(s *server, target string, _ map[string]any) *response {
			return s.patch(target, op("remove", "title"), op("remove", "name.givenName"), op("remove", "name.familyName"), op("remove", "emails"),
				op("remove", enterpriseURN+":department"), op("remove", enterpriseURN+":manager"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, s *server) {
				body := full()
				created := s.create("/Users", body)
				target := "/Users/" + created.id()
				require.Contains(t, created.json(), "emails")
				clear(s, target, body).is(200)
				a := s.get(target).json()
				for _, gone := range []string{"title", "name", "emails", enterpriseURN} {
					require.NotContains(t, a, gone)
				}
				require.Equal(t, []any{userURN}, a["schemas"])
				covers(t, "7643-2.5-02", "7643-2.5-04")
			})
		})
	}
}

func TestARequiredAttributeMustHaveAValue(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, c := range []struct {
			kind resourceKind
			path string
		}{{ofUsers, "userName"}, {ofGroups, "displayName"}, {ofDevices, "deviceName"}} {
			for _, value := range []any{nil, "", []any{}} {
				t.Run(fmt.Sprintf("%s %v", c.path, value), func(t *testing.T) { everyWriteRefuses(t, s, c.kind, c.path, value, "invalidValue") })
			}
		}
		covers(t, "7643-2.5-03")

		for _, k := range []resourceKind{ofUsers, ofGroups, ofDevices} {
			target := k.endpoint + "/" + s.create(k.endpoint, k.body(freshName())).id()
			before := s.snapshot(k.endpoint)
			without := map[string]any{"schemas": k.body("")["schemas"], "externalId": "e"}
			s.do("POST", k.endpoint, without).fails(400, "invalidValue")
			s.do("PUT", target, without).fails(400, "invalidValue")
			require.Equal(t, before, s.snapshot(k.endpoint))
		}
		// Inside an extension that is there, and inside one that an update brings.
		target := "/Devices/" + s.create("/Devices", device("d")).id()
		for _, extension := range []map[string]any{{"months": 1}, {"months": 1, "provider": nil}} {
			s.do("POST", "/Devices", device("e", map[string]any{warrantyURN: extension})).fails(400, "invalidValue")
			s.do("PUT", target, device("d", map[string]any{warrantyURN: extension})).fails(400, "invalidValue")
			s.patch(target, pathless("add", map[string]any{warrantyURN: extension})).is(400)
		}
		s.patch(target, op("add", warrantyURN+":months", 1)).fails(400, "invalidValue")
		require.NotContains(t, s.get(target).json(), warrantyURN)
		covers(t, "7643-7-12", "7644-3.12-05", "7644-3.5.1-07")
	}, withDevices)
}

func TestCaseExactAttributesCompareWithCase(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, c := range []struct {
			kind resourceKind
			path string
		}{{ofUsers, "externalId"}, {ofGroups, "externalId"}, {ofDevices, "externalId"}, {ofDevices, "serialNumber"}} {
			body := c.kind.body(freshName())
			body[c.path] = "AbC"
			id := s.create(c.kind.endpoint, body).id()
			require.Equal(t, "AbC", s.get(c.kind.endpoint+"/"+id).at(c.path))
			require.Equal(t, []string{id}, s.filter(c.kind.endpoint, c.path+` eq "AbC"`))
			for _, filter := range []string{` eq "abc"`, ` sw "ab"`, ` co "BC"`, ` ew "c"`} {
				require.Empty(t, s.filter(c.kind.endpoint, c.path+filter), c.path+filter)
			}
		}
		d := s.create("/Devices", device("d", map[string]any{"aliases": []string{"A", "a"}})).id()
		require.Equal(t, []any{"A", "a"}, s.get("/Devices/"+d).at("aliases"))
		require.Equal(t, []any{"A"}, s.patch("/Devices/"+d, op("remove", `aliases[value eq "a"]`)).is(200).at("aliases"))
		covers(t, "7643-7-01", "ENTRA-14")
	}, withDevices)
}

func TestOtherStringsCompareWithoutCase(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		created := s.user("bJensen", map[string]any{"emails": []map[string]any{{"value": "B@x.test", "type": "work"}, {"value": "h@x.test", "type": "home"}}})
		id, target := created.id(), "/Users/"+created.id()
		require.Equal(t, "bJensen", created.at("userName"), "case is kept")
		for _, filter := range []string{
			`userName eq "BJENSEN"`, `userName sw "bj"`, `userName co "JEN"`, `userName ew "SEN"`, `userName ge "BJENSEN" and userName le "bjensen"`,
			`emails[type eq "WORK" and value eq "b@X.test"]`, `emails.value eq "b@x.TEST"`,
		} {
			require.Equal(t, []string{id}, s.filter("/Users", filter), filter)
		}
		require.Empty(t, s.filter("/Users", `userName ne "BJENSEN"`))
		s.do("POST", "/Users", user("BJENSEN")).fails(409, "uniqueness")
		a := s.patch(target, op("replace", `emails[type eq "WORK"].display`, "w")).is(200)
		require.Equal(t, "w", a.at("emails", 0, "display"))
		a = s.patch(target, op("remove", `emails[type eq "HOME"]`)).is(200)
		require.Len(t, a.at("emails"), 1)
		covers(t, "7643-7-02", "ENTRA-13")
	})
}

func TestReadOnlyAttributesAreTheServers(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("u", map[string]any{enterpriseURN: map[string]any{"manager": map[string]any{"value": "m"}}}).id()
		g := s.group("g").id()
		d := s.create("/Devices", device("d", map[string]any{"ports": []map[string]any{{"value": "p"}}})).id()
		forged := map[string]any{
			"id": "forged", "meta": map[string]any{"resourceType": "forged", "created": "1999-01-01T00:00:00Z", "version": "forged", "location": "forged"},
			"groups": []map[string]any{{"value": g, "display": "forged"}}, "status": "forged",
			"ports":       []map[string]any{{"value": "p", "link": "forged"}},
			enterpriseURN: map[string]any{"manager": map[string]any{"value": "m", "displayName": "forged"}},
		}
		for _, r := range []*response{
			s.do("POST", "/Users", user("forger", forged)).is(201),
			s.do("POST", "/Groups", groupBody("forger", forged)).is(201),
			s.do("POST", "/Devices", device("forger", forged)).is(201),
			s.do("PUT", "/Users/"+u, user("u", forged)).is(200),
			s.do("PUT", "/Groups/"+g, groupBody("g", forged)).is(200),
			s.do("PUT", "/Devices/"+d, device("d", forged)).is(200),
			s.patch("/Users/"+u, pathless("replace", forged)).is(200),
			s.patch("/Groups/"+g, pathless("add", forged)).is(204),
			s.patch("/Devices/"+d, pathless("replace", forged)).is(200),
		} {
			require.NotContains(t, string(r.body), "forged")
		}
		require.Equal(t, u, s.get("/Users/"+u).at("id"))
		require.Empty(t, s.get("/Groups/"+g).at("members"), "groups is not the way in")

		before := s.snapshot("/Users") + s.snapshot("/Groups") + s.snapshot("/Devices")
		for _, c := range []struct {
			target, path string
			value        any
		}{
			{"/Users/" + u, "id", "forged"},
			{"/Users/" + u, "meta", map[string]any{"created": "1999-01-01T00:00:00Z"}},
			{"/Users/" + u, "meta.created", "1999-01-01T00:00:00Z"},
			{"/Users/" + u, "META.Version", "forged"},
			{"/Users/" + u, userURN + ":groups", []map[string]any{{"value": g}}},
			{"/Users/" + u, "groups", []map[string]any{{"value": g}}},
			{"/Users/" + u, `groups[value eq "` + g + `"]`, map[string]any{"value": g}},
			{"/Users/" + u, "groups.display", "forged"},
			{"/Users/" + u, enterpriseURN + ":manager.displayName", "forged"},
			{"/Groups/" + g, "id", "forged"},
			{"/Devices/" + d, "status", "forged"},
			{"/Devices/" + d, `ports[value eq "p"].link`, "forged"},
		} {
			for _, name := range []string{"add", "replace", "remove"} {
				t.Run(name+" "+c.path, func(t *testing.T) {
					operation := op(name, c.path, c.value)
					if name == "remove" {
						operation = op(name, c.path)
					}
					inCase(t, s).patch(c.target, operation).fails(400, "mutability")
				})
			}
		}
		require.Equal(t, before, s.snapshot("/Users")+s.snapshot("/Groups")+s.snapshot("/Devices"))
		covers(t, "7643-7-03", "7643-4.1.2-04", "7643-4.3-01", "M-01")
	}, withDevices)
}

func TestImmutableAttributesAreSetOnce(t *testing.T) {
	t.Parallel()
	value := map[string]any{
		"firmware": "v1", "origin": map[string]any{"country": "CH", "batch": "7"}, "owner": map[string]any{"value": "u", "since": "2020"},
	}
	changed := map[string]any{
		"firmware": "v2", "origin": map[string]any{"country": "DE", "batch": "7"}, "owner": map[string]any{"value": "u", "since": "2021"},
	}
	for name := range value {
		t.Run(name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, s *server) {
				was, other := map[string]any{name: value[name]}, map[string]any{name: changed[name]}
				target := "/Devices/" + s.create("/Devices", device("d", was)).id()
				kept := func(a *response) {
					t.Helper()
					a.is(200)
					require.Equal(t, value[name], a.at(name))
					require.Equal(t, value[name], s.get(target).at(name))
				}
				kept(s.get(target))
				kept(s.do("PUT", target, device("e", was)))
				kept(s.patch(target, op("replace", name, value[name])))
				kept(s.patch(target, op("add", name, value[name])))
				kept(s.patch(target, pathless("add", was)))

				before := s.snapshot("/Devices")
				path := name
				switch name {
				case "origin":
					path = "origin.country"
				case "owner":
					path = "owner.since"
				}
				for way, a := range map[string]*response{
					"PUT":                          s.do("PUT", target, device("e", other)),
					"PATCH replace":                s.patch(target, op("replace", name, changed[name])),
					"PATCH add":                    s.patch(target, op("add", name, changed[name])),
					"PATCH without a path":         s.patch(target, pathless("replace", other)),
					"PATCH replace of the value":   s.patch(target, op("replace", path, "XX")),
					"PATCH replace with null":      s.patch(target, op("replace", path, nil)),
					"PATCH remove":                 s.patch(target, op("remove", path)),
					"PATCH remove of the whole":    s.patch(target, op("remove", name)),
					"PATCH remove, then add":       s.patch(target, op("remove", path), op("add", path, "XX")),
					"PATCH remove, then add whole": s.patch(target, op("remove", name), op("add", name, changed[name])),
				} {
					require.Equal(t, 400, a.status, "%s: %s", way, a.body)
					require.Equal(t, "mutability", a.at("scimType"), way)
				}
				require.Equal(t, before, s.snapshot("/Devices"))

				// While it has no value, every write may set it.
				for _, set := range []func(target string) *response{
					func(target string) *response { return s.do("PUT", target, device("f", was)) },
					func(target string) *response { return s.patch(target, op("add", name, value[name])) },
					func(target string) *response { return s.patch(target, op("replace", name, value[name])) },
					func(target string) *response { return s.patch(target, pathless("add", was)) },
				} {
					target := "/Devices/" + s.create("/Devices", device("f")).id()
					require.Equal(t, value[name], set(target).is(200).at(name))
				}
				covers(t, "7643-7-04", "M-05")

				// A PUT that leaves it out keeps it.
				if name != "owner" {
					kept(s.do("PUT", target, device("g")))
				}
				covers(t, "7644-3.5.1-06")
			}, withDevices)
		})
	}
}

// TestImmutableInsideAList: an element may come and go, but not change there.
func TestImmutableInsideAList(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		target := "/Devices/" + s.create("/Devices", device("d", map[string]any{"ports": []map[string]any{{"value": "p", "slot": "1"}}})).id()
		before := s.snapshot("/Devices")
		s.patch(target, op("replace", `ports[value eq "p"].slot`, "2")).fails(400, "mutability")
		s.patch(target, op("add", `ports[value eq "p"].slot`, "2")).fails(400, "mutability")
		s.patch(target, op("remove", `ports[value eq "p"].slot`)).fails(400, "mutability")
		require.Equal(t, before, s.snapshot("/Devices"))
		// An add merges into the element that is there, or adds another one; either way, what is there keeps its value.
		s.patch(target, op("add", `ports[value eq "p"]`, map[string]any{"slot": "2"}))
		require.Equal(t, "1", s.get(target).at("ports", 0, "slot"))
		s.patch(target, op("add", "ports", []map[string]any{{"value": "p", "slot": "2"}}))
		require.Equal(t, "1", s.get(target).at("ports", 0, "slot"))
		a := s.patch(target, op("add", "ports", []map[string]any{{"value": "q", "slot": "2"}}), op("remove", `ports[value eq "p"]`)).is(200)
		require.Equal(t, []any{map[string]any{"value": "q", "slot": "2"}}, a.at("ports"))
	}, withDevices)
}

// TestWriteOnlyAndNeverReturned: nothing that a client can ask makes the server say such a value.
func TestWriteOnlyAndNeverReturned(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		pin, next := s.secret("canary-pin-4711"), s.secret("canary-pin-4712")
		password := s.secret("canary-password-4713")
		pins := func(v any) map[string]any { return map[string]any{"pin": v, "password": password} }
		silent := func(a *response) *response {
			t.Helper()
			require.NotRegexp(t, `(?i)"(pin|password)"`, string(a.body))
			return a
		}
		d := silent(s.create("/Devices?attributes=pin,password,model", device("d", pins(pin)))).id()
		u := silent(s.create("/Users?attributes=password,userName", user("u", pins(pin)))).id()
		require.Contains(t, s.stored("Device", d), pin)
		require.NotContains(t, s.stored("User", u), password)
		for _, query := range []string{
			"", "?attributes=pin", "?attributes=PIN,deviceName", "?attributes=" + deviceURN + ":pin", "?attributes=" + deviceURN,
			"?excludedAttributes=deviceName", "?attributes=password", "?attributes=" + userURN + ":password", "?attributes=PASSWORD",
		} {
			silent(s.get("/Devices/" + d + query))
			silent(s.get("/Devices" + query))
			silent(s.get("/Users/" + u + query))
			silent(s.get("/Users" + query))
		}
		search := map[string]any{"schemas": []string{searchURN}, "attributes": []string{"pin", "password", "id"}}
		silent(s.do("POST", "/Devices/.search", search).is(200))
		silent(s.do("POST", "/Users/.search", search).is(200))
		silent(s.do("PUT", "/Devices/"+d+"?attributes=pin", device("d", pins(next))).is(200))
		require.Contains(t, s.stored("Device", d), next, "it can be written at any time")
		silent(s.do("PUT", "/Users/"+u+"?attributes=password", user("u", pins(next))).is(200))
		silent(s.do("PATCH", "/Devices/"+d+"?attributes=pin", patchBody(op("replace", "pin", pin))).is(200))
		require.Contains(t, s.stored("Device", d), pin)
		silent(s.patch("/Devices/"+d, pathless("add", pins(next))).is(200))
		require.Contains(t, s.stored("Device", d), next)
		silent(s.patch("/Users/"+u, op("replace", "password", password)).is(200))
		silent(s.patch("/Users/"+u, pathless("replace", pins(next))).is(200))
		covers(t, "7643-7-05")

		s.user("taken")
		for _, a := range []*response{
			s.do("POST", "/Users", user("taken", pins(pin))).fails(409, "uniqueness"),
			s.do("POST", "/Devices", device("d", pins(pin), map[string]any{"slots": "x"})).fails(400, "invalidValue"),
			s.do("POST", "/Devices", device("d", pins(map[string]any{"nested": pin}))).fails(400, "invalidValue"),
			s.do("PUT", "/Devices/"+d, device("", pins(pin))).fails(400, "invalidValue"),
			s.patch("/Devices/"+d, op("replace", "pin", []string{pin})).fails(400, "invalidValue"),
			s.patch("/Devices/"+d, op("replace", `pin[value eq "`+pin+`"]`, pin)).is(400),
			s.do("POST", "/Devices/.search", map[string]any{"schemas": []string{searchURN}, "filter": `pin eq "` + pin + `"`}).fails(400, "invalidFilter"),
			s.do("POST", "/Users/.search", map[string]any{"schemas": []string{searchURN}, "filter": `password eq "` + password + `"`}).fails(400, "invalidFilter"),
		} {
			silent(a)
		}
		covers(t, "7643-7-07")
	}, withDevices)
}

func TestAlwaysReturned(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("u", map[string]any{"nickName": "n"}).id()
		d := s.create("/Devices", device("d", map[string]any{"inventory": "i-1", "model": "m"})).id()
		for _, query := range []string{
			"?excludedAttributes=id,schemas,inventory", "?excludedAttributes=ID", "?attributes=nickName", "?attributes=model", "?attributes=none",
			"?excludedAttributes=" + deviceURN + ",meta", "?excludedAttributes=" + deviceURN + ":inventory",
		} {
			for _, a := range []*response{
				s.get("/Devices/" + d + query),
				s.do("PUT", "/Devices/"+d+query, device("d", map[string]any{"inventory": "i-1", "model": "m"})).is(200),
				s.do("PATCH", "/Devices/"+d+query, patchBody(op("replace", "model", "m"))).is(200),
			} {
				require.Equal(t, d, a.at("id"), query)
				require.Equal(t, []any{deviceURN}, a.at("schemas"), query)
				require.Equal(t, "i-1", a.at("inventory"), query)
			}
			listed := s.get("/Devices" + query)
			require.Equal(t, "i-1", listed.at("Resources", 0, "inventory"), query)
			require.Equal(t, d, listed.at("Resources", 0, "id"), query)
			a := s.get("/Users/" + u + query)
			require.Equal(t, u, a.at("id"), query)
			require.Equal(t, []any{userURN}, a.at("schemas"), query)
		}
		created := s.create("/Devices?attributes=model", device("e", map[string]any{"inventory": "i-2"}))
		require.NotEmpty(t, created.id())
		require.Equal(t, "i-2", created.at("inventory"))
		covers(t, "7643-7-06")
	}, withDevices)
}

func TestReturnedByDefault(t *testing.T) {
	t.Parallel()
	full := user("u", map[string]any{
		"externalId": "e", "displayName": "d", "nickName": "n", "profileUrl": "https://x.test/u", "title": "t", "userType": "ut",
		"preferredLanguage": "en", "locale": "en-US", "timezone": "Europe/Paris", "active": true,
		"name": map[string]any{
			"formatted": "f", "familyName": "fn", "givenName": "gn", "middleName": "mn", "honorificPrefix": "hp", "honorificSuffix": "hs",
		},
		"emails":           []any{map[string]any{"value": "a@x.test", "display": "d", "type": "work", "primary": true}},
		"phoneNumbers":     []any{map[string]any{"value": "tel:+1", "display": "d", "type": "work", "primary": true}},
		"ims":              []any{map[string]any{"value": "i", "display": "d", "type": "xmpp", "primary": true}},
		"photos":           []any{map[string]any{"value": "https://x.test/p", "display": "d", "type": "photo", "primary": true}},
		"entitlements":     []any{map[string]any{"value": "e", "display": "d", "type": "t", "primary": true}},
		"roles":            []any{map[string]any{"value": "r", "display": "d", "type": "t", "primary": true}},
		"x509Certificates": []any{map[string]any{"value": "QUJD", "display": "d", "type": "t", "primary": true}},
		"addresses": []any{map[string]any{
			"formatted": "f", "streetAddress": "s", "locality": "l", "region": "r", "postalCode": "p", "country": "CH", "type": "work", "primary": true,
		}},
		enterpriseURN: map[string]any{
			"employeeNumber": "1", "costCenter": "c", "organization": "o", "division": "d", "department": "dp",
			"manager": map[string]any{"value": "m", "$ref": "../Users/m"},
		},
	})
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.create("/Users", full).id()
		got := s.get("/Users/" + id).json()
		for name, value := range full {
			if name != "schemas" {
				require.Equal(t, value, got[name], name)
			}
		}
		require.Len(t, got, len(full)+2, "and id and meta")
		require.Equal(t, []any{userURN, enterpriseURN}, got["schemas"])

		only := s.get("/Users/" + id + "?attributes=userName").json()
		require.Equal(t, map[string]any{"schemas": []any{userURN, enterpriseURN}, "id": id, "userName": "u"}, only)
		only = s.get("/Users?attributes=name.givenName").at("Resources", 0).(map[string]any)
		require.Equal(t, map[string]any{"schemas": []any{userURN, enterpriseURN}, "id": id, "name": map[string]any{"givenName": "gn"}}, only)
		covers(t, "7643-7-08", "7644-3.4-01")
	})
}

func TestReturnedOnRequest(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		value := map[string]any{"diagnostics": "ok"}
		created := s.create("/Devices", device("d", value))
		require.Equal(t, "ok", created.at("diagnostics"), "the client wrote it")
		target := "/Devices/" + created.id()

		require.NotContains(t, s.get(target).json(), "diagnostics")
		require.NotContains(t, s.get("/Devices").at("Resources", 0), "diagnostics")
		require.NotContains(t, s.get(target+"?attributes=model").json(), "diagnostics")
		require.NotContains(t, s.get(target+"?attributes="+deviceURN).json(), "diagnostics", "the schema as a whole does not name it")
		require.NotContains(t, s.get(target+"?excludedAttributes=model").json(), "diagnostics")
		require.Equal(t, "ok", s.get(target+"?attributes=diagnostics").at("diagnostics"))
		require.Equal(t, "ok", s.get("/Devices?attributes=DIAGNOSTICS").at("Resources", 0, "diagnostics"))

		require.Equal(t, "ok", s.do("PUT", target, device("d", value)).is(200).at("diagnostics"))
		require.NotContains(t, s.do("PUT", target, device("e")).is(200).json(), "diagnostics")
		require.Equal(t, "ok", s.get(target+"?attributes=diagnostics").at("diagnostics"), "a PUT by a client that cannot see it keeps it")
		require.NotContains(t, s.patch(target, op("replace", "model", "m")).is(200).json(), "diagnostics")
		require.Equal(t, "bad", s.patch(target, op("replace", "diagnostics", "bad")).is(200).at("diagnostics"))
		require.Equal(t, "ok", s.patch(target, pathless("replace", value)).is(200).at("diagnostics"))
		a := s.do("PATCH", target+"?excludedAttributes=diagnostics", patchBody(op("replace", "diagnostics", "bad"))).is(200)
		require.NotContains(t, a.json(), "diagnostics")
		covers(t, "7643-7-09", "7644-3.4-01")
	}, withDevices)
}

// TestSubAttributesReturnedOnRequest: the same inside a complex attribute.
func TestSubAttributesReturnedOnRequest(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		owner := map[string]any{"owner": map[string]any{"value": "u", "note": "n"}}
		created := s.create("/Devices", device("d", owner))
		target := "/Devices/" + created.id()
		require.Equal(t, map[string]any{"value": "u"}, s.get(target).at("owner"))
		require.Equal(t, map[string]any{"value": "u"}, s.get(target+"?attributes=owner").at("owner"))
		require.Equal(t, map[string]any{"note": "n"}, s.get(target+"?attributes=owner.note").at("owner"))
		require.Equal(t, "n", created.at("owner", "note"), "the client wrote it")
		require.Equal(t, "n", s.do("PUT", target, device("d", owner)).is(200).at("owner", "note"))
		require.Equal(t, "m", s.patch(target, op("replace", "owner.note", "m")).is(200).at("owner", "note"))
		require.Nil(t, s.patch(target, op("replace", "model", "m")).is(200).at("owner", "note"))
	}, withDevices)
}

func TestUniqueness(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		conflict := func(a *response, path string) {
			t.Helper()
			a.fails(409, "uniqueness")
			require.Contains(t, a.detail(), path)
		}
		// userName and assetTag compare without case, serialNumber with it.
		u := s.user("Bob").id()
		v := s.user("alice").id()
		first := map[string]any{"assetTag": "T1", "serialNumber": "S1", warrantyURN: map[string]any{"provider": "p", "contract": "C1"}}
		s.create("/Devices", device("d", first))
		d := "/Devices/" + s.create("/Devices", device("d", map[string]any{"serialNumber": "s1"})).id()
		before := s.snapshot("/Users") + s.snapshot("/Devices")

		for _, name := range []string{"Bob", "bob", "BOB"} {
			conflict(s.do("POST", "/Users", user(name)), "userName")
			conflict(s.do("PUT", "/Users/"+v, user(name)), "userName")
			conflict(s.patch("/Users/"+v, op("replace", "userName", name)), "userName")
			conflict(s.patch("/Users/"+v, pathless("replace", map[string]any{"userName": name})), "userName")
		}
		for _, attribute := range []map[string]any{
			{"assetTag": "T1"}, {"assetTag": "t1"}, {"serialNumber": "S1"}, {warrantyURN: map[string]any{"provider": "q", "contract": "c1"}},
		} {
			conflict(s.do("POST", "/Devices", device("e", attribute)), "")
			conflict(s.do("PUT", d, device("e", attribute)), "")
			conflict(s.patch(d, pathless("add", attribute)), "")
		}
		require.Equal(t, before, s.snapshot("/Users")+s.snapshot("/Devices"))
		covers(t, "7643-7-11", "7643-4.1.1-01", "ENTRA-29")

		// One's own value is no conflict, in whatever case; a value that nobody holds any more is free.
		s.do("PUT", "/Users/"+u, user("BOB")).is(200)
		s.patch("/Users/"+u, op("replace", "userName", "Robert")).is(200)
		s.patch("/Users/"+v, op("replace", "userName", "bob")).is(200)
		covers(t, "7644-3.12-07")

		// Nothing else is unique.
		same := map[string]any{"displayName": "D", "externalId": "e", "nickName": "n", "emails": []map[string]any{{"value": "a@x.test", "primary": true}}}
		s.user("one", same)
		two := s.user("two", same).id()
		s.do("PUT", "/Users/"+two, user("two", same)).is(200)
		s.patch("/Users/"+v, pathless("replace", same)).is(200)
		s.group("g")
		s.group("g")
		s.create("/Devices", device("d"))
		covers(t, "7643-7-10", "ENTRA-29")

		// What is unique is so in one connection and one type.
		s.as(tokenB).user("one")
		s.create("/Devices", device("x", map[string]any{"assetTag": "one"}))
	}, withDevices)
}

func TestGroupNamesAreUniqueByPolicy(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.group("Crew")
		g := s.group("Other").id()
		before := s.snapshot("/Groups")
		s.do("POST", "/Groups", groupBody("crew")).fails(409, "uniqueness")
		s.do("PUT", "/Groups/"+g, groupBody("CREW")).fails(409, "uniqueness")
		s.patch("/Groups/"+g, op("replace", "displayName", "Crew")).fails(409, "uniqueness")
		require.Equal(t, before, s.snapshot("/Groups"))
		s.do("PUT", "/Groups/"+g, groupBody("OTHER")).is(200)
		covers(t, "ENTRA-68")
	}, withIDP(dialect.MicrosoftEntra))
}

func TestUnknownAttributesAreIgnoredAndReported(t *testing.T) {
	t.Parallel()
	unknown := map[string]any{
		"colour": "puce", "emails": []any{map[string]any{"value": "a@x.test", "colour": "puce"}}, "name": map[string]any{"givenName": "g", "colour": "puce"},
		enterpriseURN:                         map[string]any{"department": "D", "colour": map[string]any{"deep": []any{"puce"}}},
		"urn:example:nobody:2.0:Knows":        map[string]any{"colour": "puce"},
		"$set":                                map[string]any{"active": "puce"},
		"constructor":                         map[string]any{"prototype": "puce"},
		"department":                          nil,
		"urn:ietf:params:scim:schemas:2.0:No": nil,
	}
	onEachStore(t, func(t *testing.T, s *server) {
		check := func(a *response) {
			t.Helper()
			for _, text := range []string{string(a.body), s.stored("User", a.id()), s.snapshot("/Users")} {
				require.NotContains(t, text, "puce")
				require.NotContains(t, strings.ToLower(text), "colour")
			}
			require.Equal(t, "g", a.at("name", "givenName"))
			require.Equal(t, "D", a.at(enterpriseURN, "department"))
			require.Equal(t, true, a.at("active"))
			records := s.log.records(t)
			last := records[slices.IndexFunc(records, func(r map[string]any) bool { return r["request_id"] == a.header.Get("X-Request-Id") })]
			require.Contains(t, last["rules"], "unknown-attribute")
			require.Contains(t, last["ignored_attributes"], "colour")
		}
		created := s.create("/Users", user("u", unknown))
		check(created)
		s.do("PUT", "/Users/"+created.id(), user("u")).is(200)
		check(s.do("PUT", "/Users/"+created.id(), user("u", unknown)).is(200))
		s.do("PUT", "/Users/"+created.id(), user("u")).is(200)
		check(s.patch("/Users/"+created.id(), pathless("replace", unknown)).is(200))

		before := s.snapshot("/Users")
		for _, path := range []string{"colour", "name.colour", enterpriseURN + ":colour", userURN + ":colour"} {
			s.patch("/Users/"+created.id(), op("replace", path, "puce")).fails(400, "invalidPath")
		}
		require.Equal(t, before, s.snapshot("/Users"))
		covers(t, "7644-3.1-01")
	})
	t.Run("strict", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			id := s.user("u").id()
			before := s.snapshot("/Users")
			for name, value := range map[string]any{"colour": "puce", "name": map[string]any{"colour": "puce"}, "urn:example:nobody:2.0:Knows": nil} {
				s.do("POST", "/Users", user("new", map[string]any{name: value})).fails(400, "invalidSyntax")
				s.do("PUT", "/Users/"+id, user("u", map[string]any{name: value})).fails(400, "invalidSyntax")
				s.patch("/Users/"+id, pathless("replace", map[string]any{name: value})).is(400)
			}
			require.Equal(t, before, s.snapshot("/Users"))
		}, strictly)
	})
}

func TestAnswersShowTheServersState(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		sent := user("u", map[string]any{
			"id": "x", "meta": map[string]any{"version": "x", "resourceType": "Group"}, "colour": "puce", "active": "True", "title": "", "nickName": nil,
			"groups": []map[string]any{{"value": "x"}}, "emails": map[string]any{"VALUE": "a@x.test"},
		})
		want := func(a *response) {
			t.Helper()
			require.Equal(t, string(s.get("/Users/"+a.id()).body), string(a.body))
			require.ElementsMatch(t, []string{"schemas", "id", "userName", "active", "emails", "meta"}, slices.Collect(maps.Keys(a.json())))
			require.Equal(t, true, a.at("active"))
			require.Equal(t, []any{map[string]any{"value": "a@x.test"}}, a.at("emails"))
			require.Equal(t, "User", a.at("meta", "resourceType"))
			require.Regexp(t, `^W/"\d+"$`, a.version())
			require.NotEqual(t, "x", a.id())
		}
		created := s.create("/Users", sent)
		want(created)
		want(s.do("PUT", "/Users/"+created.id(), sent).is(200))
		delete(sent, "schemas")
		want(s.patch("/Users/"+created.id(), pathless("replace", sent)).is(200))
		covers(t, "7644-3.1-02")
	})
}
