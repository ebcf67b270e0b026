package scim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// Discovery: RFC 7644, section 4; RFC 7643, sections 5 to 7.

const (
	configURN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	typeURN   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaURN = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// published is an attribute as /Schemas describes it.
type published struct {
	Name            string
	Type            string
	MultiValued     *bool
	Description     *string
	Required        *bool
	CanonicalValues []string
	CaseExact       *bool
	Mutability      string
	Returned        string
	Uniqueness      string
	ReferenceTypes  []string
	SubAttributes   []published
}

type publishedSchema struct {
	Schemas     []string
	ID          string
	Name        string
	Description string
	Attributes  []published
	Meta        struct{ ResourceType, Location string }
}

// schemas reads what a server publishes.
func (s *server) schemas() []publishedSchema {
	s.t.Helper()
	var list struct{ Resources []publishedSchema }
	require.NoError(s.t, json.Unmarshal(s.get("/Schemas").body, &list))
	return list.Resources
}

// walk calls f with each attribute and its path.
func walk(attributes []published, prefix string, f func(path string, a published)) {
	for _, a := range attributes {
		f(prefix+a.Name, a)
		walk(a.SubAttributes, prefix+a.Name+".", f)
	}
}

func TestServiceProviderConfig(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *setup) { c.config.DocumentationURL = "https://docs.example.test/scim" })
	a := s.get("/ServiceProviderConfig")
	require.Equal(t, []any{configURN}, a.at("schemas"))
	covers(t, "7644-4-01")
	require.Equal(t, "https://docs.example.test/scim", a.at("documentationUri"))
	require.Equal(t, map[string]any{"resourceType": "ServiceProviderConfig", "location": baseURL + "/ServiceProviderConfig"}, a.at("meta"))

	for _, feature := range []string{"patch", "bulk", "filter", "changePassword", "sort", "etag"} {
		require.IsType(t, true, a.at(feature, "supported"), feature)
	}
	for _, number := range [][]any{{"bulk", "maxOperations"}, {"bulk", "maxPayloadSize"}, {"filter", "maxResults"}, {"pagination", "maxPageSize"}, {"pagination", "defaultPageSize"}} {
		n, ok := a.at(number...).(float64)
		require.True(t, ok && n == float64(int(n)), number)
	}
	covers(t, "7643-5-01", "AUTHENTIK-01", "RIPPLING-01")

	schemes := a.at("authenticationSchemes").([]any)
	require.NotEmpty(t, schemes)
	for _, scheme := range schemes {
		m := scheme.(map[string]any)
		require.Contains(t, []string{"oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"}, m["type"])
		require.NotEmpty(t, m["name"])
		require.NotEmpty(t, m["description"])
	}
	covers(t, "7643-5-02")
	require.NotContains(t, string(newServer(t).get("/ServiceProviderConfig").body), "documentationUri")
}

// Each flag and limit of ServiceProviderConfig is what the handler does.
func TestServiceProviderConfigTellsTheTruth(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		config := s.get("/ServiceProviderConfig")
		is := func(path ...any) bool { v, _ := config.at(path...).(bool); return v }
		ids := s.users("u", 6)
		target := "/Users/" + ids[0]

		require.True(t, is("patch", "supported"))
		require.Equal(t, "x", s.patch(target, op("add", "title", "x")).is(200).at("title"))

		require.False(t, is("bulk", "supported"))
		s.do("POST", "/Bulk", map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:BulkRequest"}, "Operations": []any{}}).fails(501, "")

		require.True(t, is("filter", "supported"))
		require.Equal(t, []string{ids[2]}, s.filter("/Users", `userName eq "u2"`))
		maximum := int(config.at("filter", "maxResults").(float64))
		require.Equal(t, page{6, 1, maximum, maximum}, s.get("/Users?count=1000&filter="+url.QueryEscape(`userName sw "u"`)).page())

		require.True(t, is("pagination", "index"))
		require.Equal(t, ids[3], s.get("/Users?startIndex=4").at("Resources", 0, "id"))
		require.Equal(t, "index", config.at("pagination", "defaultPaginationMethod"))
		pageSize := int(config.at("pagination", "defaultPageSize").(float64))
		require.Equal(t, pageSize, s.get("/Users").page().items)
		most := int(config.at("pagination", "maxPageSize").(float64))
		require.Equal(t, most, s.get(fmt.Sprintf("/Users?count=%d", most)).page().items)
		require.Equal(t, most, s.get(fmt.Sprintf("/Users?count=%d", most+1)).page().items)

		require.False(t, is("pagination", "cursor"))
		require.NotContains(t, s.get("/Users?count=1").json(), "nextCursor")

		require.False(t, is("sort", "supported"))
		require.Equal(t, string(s.get("/Users").body), string(s.get("/Users?sortBy=userName&sortOrder=descending").body))

		require.False(t, is("changePassword", "supported"))
		before := string(s.get(target).body)
		s.patch(target, op("replace", "password", s.secret("canary-of-a-new-password"))).is(200)
		require.Equal(t, before, string(s.get(target).body))

		require.True(t, is("etag", "supported"))
		a := s.get(target)
		s.do("GET", target, nil, "If-None-Match", a.header.Get("ETag")).is(304)
		s.do("PUT", target, user("u0"), "If-Match", `W/"99"`).fails(412, "")
		covers(t, "7643-5-04", "7644-3.14-10", "X-01")
	}, withLimits(scim.Limits{PageSize: 2, MaxPageSize: 4}))
}

func TestDiscoveryNeedsAToken(t *testing.T) {
	t.Parallel()
	s := newServer(t).as("")
	for _, target := range []string{"/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/Schemas/" + userURN, "/ResourceTypes/User"} {
		s.do("GET", target, nil).fails(401, "")
	}
}

func TestDiscoveryLists(t *testing.T) {
	t.Parallel()
	s := newServer(t, withDevices)
	schemas, types := s.get("/Schemas"), s.get("/ResourceTypes")
	for _, a := range []*response{schemas, types} {
		require.Equal(t, []any{listURN}, a.at("schemas"))
		n := len(a.at("Resources").([]any))
		require.Equal(t, page{n, 1, n, n}, a.page())
		require.NotContains(t, string(a.body), "null")
	}
	require.Equal(t, page{8, 1, 8, 8}, schemas.page())
	require.Equal(t, page{3, 1, 3, 3}, types.page())
	covers(t, "7644-4-02", "ENTRA-75", "SAILPOINT-01")

	for _, query := range []string{"startIndex=2&count=1", "count=0", "sortBy=id&sortOrder=descending", "startIndex=99"} {
		require.Equal(t, string(schemas.body), string(s.get("/Schemas?"+query).body), query)
		require.Equal(t, string(types.body), string(s.get("/ResourceTypes?"+query).body), query)
	}
	covers(t, "7644-4-04")
	for _, target := range []string{"/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/Schemas/" + userURN, "/ResourceTypes/User", "/Schemas/nope"} {
		for _, filter := range []string{`name eq "User"`, "nope", ""} {
			s.do("GET", target+"?filter="+url.QueryEscape(filter), nil).fails(403, "")
		}
	}
	covers(t, "7644-4-05", "F-19")
	for _, query := range []string{"attributes=name", "excludedAttributes=name,id,schemas", "attributes=nope"} {
		for _, target := range []string{"/Schemas", "/ResourceTypes"} {
			for _, r := range s.get(target + "?" + query).at("Resources").([]any) {
				require.Contains(t, r, "id")
				require.Contains(t, r, "schemas")
			}
		}
		require.Contains(t, s.get("/ServiceProviderConfig?"+query).json(), "schemas")
	}
	covers(t, "7644-3.9-12")
}

func TestDiscoveryByID(t *testing.T) {
	t.Parallel()
	s := newServer(t, withDevices)
	for i, r := range s.get("/Schemas").at("Resources").([]any) {
		id := r.(map[string]any)["id"].(string)
		for _, spelling := range []string{id, strings.ReplaceAll(id, ":", "%3A"), strings.ReplaceAll(id, ":", "%3a"), strings.ToUpper(id)} {
			require.Equal(t, r, any(s.get("/Schemas/"+spelling).json()), "%d %s", i, spelling)
		}
		require.Equal(t, baseURL+"/Schemas/"+id, r.(map[string]any)["meta"].(map[string]any)["location"])
	}
	for _, r := range s.get("/ResourceTypes").at("Resources").([]any) {
		name := r.(map[string]any)["name"].(string)
		require.Equal(t, r, any(s.get("/ResourceTypes/"+name).json()))
		require.Equal(t, baseURL+"/ResourceTypes/"+name, r.(map[string]any)["meta"].(map[string]any)["location"])
	}
	for _, target := range []string{
		"/Schemas/nope", "/Schemas/" + userURN + "x", "/Schemas/User", "/Schemas/urn", "/ResourceTypes/nope", "/ResourceTypes/Users", "/ResourceTypes/user",
		"/ServiceProviderConfig/x", "/Schemas/a/b", "/ResourceTypes/User/x",
	} {
		s.do("GET", target, nil).fails(404, "")
	}
	covers(t, "7644-4-03", "CYBERARK-01")
}

func TestDiscoveryIsReadOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, target := range []string{"/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/Schemas/" + userURN, "/ResourceTypes/User"} {
		before := string(s.get(target).body)
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			a := s.do(method, target, map[string]any{}).fails(405, "")
			require.Equal(t, "GET", a.header.Get("Allow"))
		}
		s.do("POST", target, "test").fails(405, "")
		require.Equal(t, before, string(s.get(target).body))
	}
	covers(t, "7643-7-18", "OKTA-31")
}

// Discovery can be kept by clients: it has an ETag, and a client that has it gets 304.
func TestDiscoveryIsConditional(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, target := range []string{"/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/Schemas/" + userURN, "/ResourceTypes/User"} {
		a := s.get(target)
		require.NotEmpty(t, a.header.Get("ETag"), target)
		require.Empty(t, s.do("GET", target, nil, "If-None-Match", a.header.Get("ETag")).is(304).body)
	}
	covers(t, "7643-5-05")
}

func TestResourceTypes(t *testing.T) {
	t.Parallel()
	s := newServer(t, withTypes(scim.UserType(), scim.GroupType(), deviceType(warrantyType(true))))
	ids := map[string]bool{}
	for _, schema := range s.schemas() {
		ids[strings.ToLower(schema.ID)] = true
	}
	used := []string{}
	for _, r := range s.get("/ResourceTypes").at("Resources").([]any) {
		rt := r.(map[string]any)
		require.Equal(t, []any{typeURN}, rt["schemas"])
		require.Equal(t, rt["id"], rt["name"])
		require.NotEmpty(t, rt["name"])
		require.True(t, strings.HasPrefix(rt["endpoint"].(string), "/"))
		require.NotEmpty(t, rt["schema"])
		used = append(used, rt["schema"].(string))
		extensions, _ := rt["schemaExtensions"].([]any)
		for _, e := range extensions {
			extension := e.(map[string]any)
			require.ElementsMatch(t, []string{"schema", "required"}, keys(extension))
			require.Equal(t, extension["schema"] == warrantyURN, extension["required"], "required is what the handler asks for")
			used = append(used, extension["schema"].(string))
		}
	}
	covers(t, "7643-6-02")
	s.do("POST", "/Devices", device("lamp")).fails(400, "invalidValue")
	s.do("POST", "/Devices", device("lamp", map[string]any{warrantyURN: map[string]any{"provider": "P"}, "schemas": []string{deviceURN, warrantyURN}})).is(201)
	s.create("/Users", full("anna"))
	s.group("Crew")
	for _, endpoint := range []string{"/Users", "/Groups", "/Devices"} {
		for _, urn := range s.get(endpoint).at("Resources", 0, "schemas").([]any) {
			used = append(used, urn.(string))
		}
	}
	for _, target := range []string{"/ServiceProviderConfig", "/ResourceTypes/User", "/Schemas/" + userURN} {
		used = append(used, s.get(target).at("schemas", 0).(string))
	}
	for _, urn := range used {
		require.True(t, ids[strings.ToLower(urn)], "%s is used and not in /Schemas", urn)
	}
	covers(t, "7643-7-15")
	for _, urn := range []string{configURN, typeURN, schemaURN} {
		require.True(t, ids[strings.ToLower(urn)], urn)
	}
	covers(t, "7643-8.7-01")
}

func TestSchemasAreWellFormed(t *testing.T) {
	t.Parallel()
	s := newServer(t, withDevices)
	for _, schema := range s.schemas() {
		require.Equal(t, []string{schemaURN}, schema.Schemas, schema.ID)
		require.Equal(t, "Schema", schema.Meta.ResourceType)
		require.Equal(t, baseURL+"/Schemas/"+schema.ID, schema.Meta.Location)
		require.NotContains(t, schema.ID, "api:messages")
		walk(schema.Attributes, "", func(path string, a published) {
			where := schema.ID + " " + path
			require.NotEmpty(t, a.Name, where)
			require.NotNil(t, a.MultiValued, where)
			require.NotNil(t, a.Required, where)
			require.Contains(t, []string{"string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"}, a.Type, where)
			require.Contains(t, []string{"readOnly", "readWrite", "immutable", "writeOnly"}, a.Mutability, where)
			require.Contains(t, []string{"always", "never", "default", "request"}, a.Returned, where)
			if a.Type == "string" || a.Type == "reference" {
				require.NotNil(t, a.CaseExact, where)
				require.Contains(t, []string{"none", "server", "global"}, a.Uniqueness, where)
			}
			require.Equal(t, a.Type == "complex", len(a.SubAttributes) > 0, where)
			require.Equal(t, a.Type == "reference", len(a.ReferenceTypes) > 0, where)
			if a.Type == "complex" || a.Type == "boolean" {
				require.Nil(t, a.CaseExact, where)
				require.Empty(t, a.Uniqueness, where)
			}
		})
	}
	covers(t, "7643-7-17", "7644-3.1-03")
	for _, rt := range s.get("/ResourceTypes").at("Resources").([]any) {
		require.Equal(t, "ResourceType", rt.(map[string]any)["meta"].(map[string]any)["resourceType"])
	}
	covers(t, "7643-8.7.2-01")
}

// What a host declares without a description has none to show; everything of the standard has one.
func TestSchemasHaveDescriptions(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, schema := range s.schemas() {
		missing := []string{}
		require.NotEmpty(t, schema.Name)
		walk(schema.Attributes, "", func(path string, a published) {
			if a.Description == nil || *a.Description == "" {
				missing = append(missing, path)
			}
		})
		require.Empty(t, missing, schema.ID)
	}
	covers(t, "7643-7-16")
}

// The standard schemas are those of RFC 7643, section 8.7, with its errata: testdata/schemas.json.
func TestSchemasAreTheStandards(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/schemas.json")
	require.NoError(t, err)
	var want []publishedSchema
	require.NoError(t, json.Unmarshal(data, &want))
	s := newServer(t)
	got := map[string]publishedSchema{}
	for _, schema := range s.schemas() {
		got[schema.ID] = schema
	}
	require.Len(t, got, len(want))
	for _, schema := range want {
		expected, actual := characteristics(schema.Attributes), characteristics(got[schema.ID].Attributes)
		if schema.ID == userURN {
			delete(expected, "password") // ignored on input, and so not advertised
		}
		for path := range expected {
			assert.Equal(t, expected[path], actual[path], schema.ID+" "+path)
			delete(actual, path)
		}
		require.Empty(t, actual, schema.ID)
	}
	require.False(t, t.Failed())
}

// characteristics describes attributes by path, in words that compare.
func characteristics(attributes []published) map[string]string {
	found := map[string]string{}
	walk(attributes, "", func(path string, a published) {
		exact := "-"
		if a.CaseExact != nil {
			exact = fmt.Sprint(*a.CaseExact)
		}
		multi, required := a.MultiValued != nil && *a.MultiValued, a.Required != nil && *a.Required
		found[path] = fmt.Sprintf("%s multiValued=%t required=%t caseExact=%s %s %s uniqueness=%s canonical=%v references=%v",
			a.Type, multi, required, exact, a.Mutability, a.Returned, a.Uniqueness, a.CanonicalValues, a.ReferenceTypes)
	})
	return found
}

// probe is one published attribute with what is needed to try it out on a strict connection.
type probe struct {
	published
	endpoint string
	schema   string // of the resource type
	urn      string // of the attribute
	path     string // for PATCH and filters
	base     map[string]any
	taken    int
}

// TestSchemasAreWhatTheHandlerDoes tries out the characteristics of every published attribute.
func TestSchemasAreWhatTheHandlerDoes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		tried := map[string]int{}
		for _, p := range s.probes() {
			for name, try := range map[string]func(*server, *probe) bool{
				"type": tryType, "required": tryRequired, "mutability": tryMutability, "returned": tryReturned, "caseExact": tryCaseExact,
				"uniqueness": tryUniqueness, "multiValued": tryMultiValued, "subAttributes": trySubAttributes,
			} {
				if try(s, &p) {
					tried[name]++
				}
			}
		}
		for name, least := range map[string]int{
			"type": 40, "required": 3, "mutability": 4, "returned": 40, "caseExact": 25, "uniqueness": 3, "multiValued": 40, "subAttributes": 10,
		} {
			require.GreaterOrEqual(t, tried[name], least, "%s: %v", name, tried)
		}
		covers(t, "7643-7-19")
	}, strictly, withTypes(scim.UserType(), scim.GroupType(), deviceType()))
}

// probes returns the attributes of all resource types, memberships excepted.
func (s *server) probes() (list []probe) {
	s.t.Helper()
	byID := map[string][]published{}
	for _, schema := range s.schemas() {
		byID[schema.ID] = schema.Attributes
	}
	for _, r := range s.get("/ResourceTypes").at("Resources").([]any) {
		rt := r.(map[string]any)
		base := map[string]any{}
		core := rt["schema"].(string)
		for _, a := range byID[core] {
			if *a.Required {
				base[a.Name] = sample(a, 0)
			}
		}
		urns := []string{core}
		extensions, _ := rt["schemaExtensions"].([]any)
		for _, e := range extensions {
			urns = append(urns, e.(map[string]any)["schema"].(string))
		}
		for _, urn := range urns {
			for _, a := range byID[urn] {
				if urn == core && (a.Name == "members" || a.Name == "groups") {
					continue
				}
				p := probe{published: a, endpoint: rt["endpoint"].(string), schema: core, urn: urn, path: a.Name, base: maps.Clone(base)}
				if urn != core {
					p.path = urn + ":" + a.Name
					extension := map[string]any{}
					for _, other := range byID[urn] {
						if *other.Required && other.Name != a.Name {
							extension[other.Name] = sample(other, 0)
						}
					}
					p.base[urn] = extension
				}
				list = append(list, p)
			}
		}
	}
	return list
}

// sample makes up a value of an attribute's type; n tells samples apart.
func sample(a published, n int) any {
	one := func() any {
		switch a.Type {
		case "boolean":
			return n%2 == 0
		case "integer":
			return float64(n)
		case "decimal":
			return float64(n) + 0.5
		case "dateTime":
			return fmt.Sprintf("2026-01-01T00:00:%02dZ", n%60)
		case "binary":
			return fmt.Sprintf("QUJD%04d", n)
		case "reference":
			return fmt.Sprintf("https://x.example/Ref/%d", n)
		case "complex":
			object := map[string]any{}
			for _, sub := range a.SubAttributes {
				if sub.Mutability != "readOnly" {
					object[sub.Name] = sample(sub, n)
				}
			}
			return object
		default:
			return fmt.Sprintf("Sample-%d", n)
		}
	}()
	if *a.MultiValued {
		return []any{one}
	}
	return one
}

// with returns a body that holds value for the attribute; nil leaves it out.
func (p *probe) with(value any) map[string]any {
	body := maps.Clone(p.base)
	for name, v := range body {
		if text, ok := v.(string); ok && name != p.Name {
			p.taken++
			body[name] = fmt.Sprintf("%s-%s-%d", text, p.Name, p.taken) // userName and the like are unique
		}
	}
	holder := body
	body["schemas"] = []string{p.schema}
	if p.urn != p.schema {
		holder = maps.Clone(p.base[p.urn].(map[string]any))
		body[p.urn] = holder
		body["schemas"] = []string{p.schema, p.urn}
	}
	holder[p.Name] = value
	if value == nil {
		delete(holder, p.Name)
	}
	if len(holder) == 0 {
		delete(body, p.urn)
	}
	return body
}

// next returns a value of the attribute that no other sample has.
func (p *probe) next() any {
	p.taken++
	return sample(p.published, p.taken)
}

// shown returns the attribute in an answer.
func (p *probe) shown(a *response) any {
	if p.urn != p.schema {
		return a.at(p.urn, p.Name)
	}
	return a.at(p.Name)
}

func (p *probe) String() string { return p.endpoint + " " + p.path }

func tryType(s *server, p *probe) bool {
	wrong := map[string][]any{
		"string": {5, true, map[string]any{}}, "reference": {5, true}, "binary": {5, "*"}, "dateTime": {5, "yesterday", "2026-01-01"},
		"boolean": {"true", 1, "yes"}, "integer": {"5", 1.5, true}, "decimal": {"1.5", true}, "complex": {"x", 5, true},
	}[p.Type]
	if p.Mutability == "readOnly" {
		return false
	}
	var stored *response
	if p.Mutability != "immutable" {
		stored = s.create(p.endpoint, p.with(p.next()))
	}
	for _, value := range wrong {
		if *p.MultiValued {
			value = []any{value}
		}
		s.do("POST", p.endpoint, p.with(value)).fails(400, "invalidValue")
		if stored != nil {
			s.patch(p.endpoint+"/"+stored.id(), op("replace", p.path, value)).fails(400, "invalidValue")
		}
	}
	return true
}

func tryRequired(s *server, p *probe) bool {
	if !*p.Required {
		body := p.with(nil)
		s.do("POST", p.endpoint, body).is(201)
		return false
	}
	body := p.with(nil)
	if p.urn != p.schema {
		return false // an extension that is not there lacks nothing
	}
	s.do("POST", p.endpoint, body).fails(400, "invalidValue")
	stored := s.create(p.endpoint, p.with(p.next()))
	s.do("PUT", p.endpoint+"/"+stored.id(), body).fails(400, "invalidValue")
	s.patch(p.endpoint+"/"+stored.id(), op("remove", p.path)).fails(400, "mutability")
	return true
}

func tryMutability(s *server, p *probe) bool {
	first, second := p.next(), p.next()
	stored := s.create(p.endpoint, p.with(first))
	target := p.endpoint + "/" + stored.id()
	switch p.Mutability {
	case "readOnly":
		require.Nil(s.t, p.shown(stored), p)
		s.patch(target, op("replace", p.path, first)).fails(400, "mutability")
		s.patch(target, op("remove", p.path)).fails(400, "mutability")
		require.Nil(s.t, p.shown(s.do("PUT", target, p.with(first)).is(200)), p)
	case "immutable":
		s.patch(target, op("replace", p.path, second)).fails(400, "mutability")
		s.patch(target, op("remove", p.path)).fails(400, "mutability")
		s.do("PUT", target, p.with(second)).fails(400, "mutability")
		s.changed(target, op("replace", p.path, first))
		require.Equal(s.t, first, p.shown(s.get(target)), p)
	case "writeOnly":
		s.changed(target, op("replace", p.path, second))
		for _, a := range []*response{stored, s.get(target), s.get(target + "?attributes=" + p.path)} {
			require.NotContains(s.t, string(a.body), `"`+p.Name+`"`)
		}
		s.refused(p.endpoint, p.path+" pr")
	default:
		if hasImmutable(p.published) {
			return false // a value with immutable parts cannot be exchanged for just any other
		}
		s.changed(target, op("replace", p.path, second))
		require.Equal(s.t, second, p.shown(s.get(target+"?attributes="+p.path+","+partsOf(p))), p)
		s.do("PUT", target, p.with(first)).is(200)
		require.Equal(s.t, first, p.shown(s.get(target+"?attributes="+p.path+","+partsOf(p))), p)
	}
	return p.Mutability != "readWrite"
}

// changed sends a PATCH that must succeed.
func (s *server) changed(target string, ops ...map[string]any) {
	s.t.Helper()
	a := s.patch(target, ops...)
	require.Less(s.t, a.status, 300, string(a.body))
}

func hasImmutable(a published) bool {
	return slices.ContainsFunc(a.SubAttributes, func(sub published) bool { return sub.Mutability == "immutable" })
}

// partsOf names the sub-attributes, so that those returned on request are there too.
func partsOf(p *probe) string {
	names := []string{}
	for _, sub := range p.SubAttributes {
		names = append(names, p.path+"."+sub.Name)
	}
	return strings.Join(names, ",")
}

func tryReturned(s *server, p *probe) bool {
	if p.Mutability == "readOnly" {
		return false
	}
	target := p.endpoint + "/" + s.create(p.endpoint, p.with(p.next())).id()
	visible := map[string]bool{}
	for name, query := range map[string]string{"default": "", "named": "?attributes=" + p.path, "others": "?attributes=id", "excluded": "?excludedAttributes=" + p.path} {
		visible[name] = p.shown(s.get(target+query)) != nil
	}
	require.Equal(s.t, map[string]map[string]bool{
		"always":  {"default": true, "named": true, "others": true, "excluded": true},
		"default": {"default": true, "named": true, "others": false, "excluded": false},
		"request": {"default": false, "named": true, "others": false, "excluded": false},
		"never":   {"default": false, "named": false, "others": false, "excluded": false},
	}[p.Returned], visible, p)
	return true
}

// flip changes the case of a text's letters.
func flip(text string) string {
	if upper := strings.ToUpper(text); upper != text {
		return upper
	}
	return strings.ToLower(text)
}

func tryCaseExact(s *server, p *probe) bool {
	if p.CaseExact == nil || p.Mutability == "readOnly" || p.Returned == "never" {
		return false
	}
	value := p.next()
	id := s.create(p.endpoint, p.with(value)).id()
	if list, ok := value.([]any); ok {
		value = list[0]
	}
	text := value.(string)
	// With the id before it, no store has to look at everybody.
	same := `id eq "` + id + `" and ` + p.path + " eq "
	require.Len(s.t, s.filter(p.endpoint, same+string(jsonOf(s.t, text))), 1, p)
	require.Equal(s.t, !*p.CaseExact, len(s.filter(p.endpoint, same+string(jsonOf(s.t, flip(text))))) == 1, p)
	return true
}

func tryUniqueness(s *server, p *probe) bool {
	if p.Uniqueness == "" || p.Mutability == "readOnly" {
		return false
	}
	value := p.next()
	s.create(p.endpoint, p.with(value))
	again := func(value any) {
		if p.Uniqueness == "none" {
			s.do("POST", p.endpoint, p.with(value)).is(201)
		} else {
			s.do("POST", p.endpoint, p.with(value)).fails(409, "uniqueness")
		}
	}
	again(value)
	if text, ok := value.(string); ok && p.Uniqueness != "none" {
		if *p.CaseExact {
			s.do("POST", p.endpoint, p.with(flip(text))).is(201)
		} else {
			again(flip(text))
		}
	}
	return p.Uniqueness != "none"
}

func tryMultiValued(s *server, p *probe) bool {
	if p.Mutability == "readOnly" {
		return false
	}
	value := p.next()
	if !*p.MultiValued {
		s.do("POST", p.endpoint, p.with([]any{value})).fails(400, "invalidValue")
		return true
	}
	s.do("POST", p.endpoint, p.with(value.([]any)[0])).fails(400, "invalidValue")
	two := append(sample(p.published, 1).([]any), sample(p.published, 3).([]any)...)
	target := p.endpoint + "/" + s.create(p.endpoint, p.with(two)).id()
	require.Len(s.t, p.shown(s.get(target)), 2, p)
	return true
}

func trySubAttributes(s *server, p *probe) bool {
	if p.Mutability == "readOnly" {
		return false
	}
	for _, sub := range p.SubAttributes {
		value := p.next()
		object, _ := value.(map[string]any)
		if *p.MultiValued {
			object = value.([]any)[0].(map[string]any)
		}
		if sub.Mutability == "readOnly" {
			object[sub.Name] = sample(sub, 1)
			require.NotContains(s.t, string(s.create(p.endpoint, p.with(value)).body), `"`+sub.Name+`":`+string(jsonOf(s.t, object[sub.Name])), p)
			continue
		}
		id := s.create(p.endpoint, p.with(value)).id()
		if sub.CaseExact != nil && sub.Returned != "never" {
			path := p.path + "." + sub.Name
			text := object[sub.Name].(string)
			same := `id eq "` + id + `" and ` + path + " eq "
			require.Len(s.t, s.filter(p.endpoint, same+string(jsonOf(s.t, text))), 1, path)
			require.Equal(s.t, !*sub.CaseExact, len(s.filter(p.endpoint, same+string(jsonOf(s.t, flip(text))))) == 1, path)
		}
		object[sub.Name] = []any{map[string]any{}}
		s.do("POST", p.endpoint, p.with(value)).fails(400, "invalidValue")
	}
	return p.Type == "complex"
}
