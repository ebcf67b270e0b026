package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

// goldenPair is an element of testdata/dialect/<rule>.json: a request as identity providers send it, and the request of RFC 7644 that
// means the same. In paths, headers and bodies, {{name}} stands for the id of the resource that a request of the setup called by that
// name created, and {{token}} for the bearer token.
type goldenPair struct {
	Name      string
	Rule      string          // the rule that Sent needs
	Also      []string        // rules that Sent needs besides, where one shape deviates twice
	Cites     []string        // of the rule's Info
	Policy    *dialect.Policy // of the connection; nil: the zero Policy
	Setup     []goldenRequest
	Sent      goldenRequest
	Canonical goldenRequest
	Strict    struct { // what becomes of Sent on a strict connection
		Status   int
		ScimType string   // of a refusal
		Contains []string // in the answer, where the effect is another than a refusal
	}
}

type goldenRequest struct {
	Method  string
	Path    string
	Headers map[string]string
	Body    json.RawMessage
	RawBody *string // a body that is no JSON value
	As      string  // name for the id that the answer holds
}

// goldenServer is a server with the resources of a pair's setup.
type goldenServer struct {
	*server
	names map[string]string
}

func newGoldenServer(t *testing.T, open func(testing.TB) store.Store, pair goldenPair, options ...func(*setup)) *goldenServer {
	t.Helper()
	options = append(options, func(c *setup) { c.config.Store = open(t) })
	if pair.Policy != nil {
		options = append(options, withPolicy(*pair.Policy))
	}
	s := &goldenServer{newServer(t, options...), map[string]string{"token": tokenA}}
	for _, r := range pair.Setup {
		a := s.play(r)
		require.Equal(t, 201, a.status, string(a.body))
		require.Empty(t, s.fired(a), "the setup needs no rule")
		s.names[r.As] = a.id()
	}
	s.events.take()
	return s
}

func (s *goldenServer) fill(text string) string {
	for name, value := range s.names {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	return text
}

func (s *goldenServer) play(r goldenRequest) *response {
	s.t.Helper()
	var body any
	switch {
	case r.RawBody != nil:
		body = s.fill(*r.RawBody)
	case r.Body != nil:
		body = s.fill(string(r.Body))
	}
	var headers []string
	for name, value := range r.Headers {
		headers = append(headers, name, s.fill(value))
	}
	return s.do(r.Method, s.fill(r.Path), body, headers...)
}

// fired returns the rules in the log record of an answer.
func (s *goldenServer) fired(a *response) []string {
	s.t.Helper()
	for _, record := range s.log.records(s.t) {
		if record["request_id"] != a.header.Get("X-Request-Id") {
			continue
		}
		var rules []string
		list, _ := record["rules"].([]any)
		for _, rule := range list {
			rules = append(rules, rule.(string))
		}
		return rules
	}
	s.t.Fatalf("the request %s left no record", a.header.Get("X-Request-Id"))
	return nil
}

// directory returns all resources as JSON.
func (s *goldenServer) directory() string {
	s.t.Helper()
	return string(s.get("/Users?count=500").body) + "\n" + string(s.get("/Groups?count=500").body)
}

var (
	goldenID   = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	goldenTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`)
)

// goldenNormal replaces ids by the order in which they occur, and times.
func goldenNormal(text string) string {
	numbers := map[string]string{}
	text = goldenID.ReplaceAllStringFunc(text, func(id string) string {
		if numbers[id] == "" {
			numbers[id] = fmt.Sprintf("id-%d", len(numbers)+1)
		}
		return numbers[id]
	})
	return goldenTime.ReplaceAllString(text, "time")
}

// goldenAnswer is what two answers that are alike have in common.
func goldenAnswer(a *response) string {
	head := fmt.Sprintln(a.status, a.header.Get("Content-Type"), a.header.Get("ETag"), a.header.Get("Location"))
	return goldenNormal(head + string(a.body))
}

func readGoldenPairs(t *testing.T) map[string][]goldenPair {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "dialect", "*"))
	require.NoError(t, err)
	pairs := map[string][]goldenPair{}
	for _, file := range files {
		rule, isJSON := strings.CutSuffix(filepath.Base(file), ".json")
		require.True(t, isJSON, file)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		var list []goldenPair
		require.NoError(t, dec.Decode(&list), file)
		require.NotEmpty(t, list, file)
		pairs[rule] = list
	}
	return pairs
}

// Every rule has a pair, every pair a rule, and what a pair cites is what the rule cites.
func TestGoldenPairsAreComplete(t *testing.T) {
	t.Parallel()
	pairs := readGoldenPairs(t)
	infos := map[string]dialect.Info{}
	for _, rule := range dialect.Rules() {
		infos[rule.ID()] = rule.Info()
		assert.NotEmpty(t, pairs[rule.ID()], "the rule %s has no pair", rule.ID())
	}
	for id, list := range pairs {
		info, ok := infos[id]
		if !assert.True(t, ok, "there is no rule %s", id) {
			continue
		}
		names, cited := map[string]bool{}, map[string]bool{}
		for _, pair := range list {
			assert.Equal(t, id, pair.Rule, "%s: %s", id, pair.Name)
			assert.NotEmpty(t, pair.Name, id)
			assert.False(t, names[pair.Name], "%s: two pairs are called %s", id, pair.Name)
			names[pair.Name] = true
			assert.NotEmpty(t, pair.Cites, "%s: %s", id, pair.Name)
			for _, cite := range pair.Cites {
				assert.Contains(t, info.Cites, cite, "%s: %s", id, pair.Name)
				cited[cite] = true
			}
			for _, also := range pair.Also {
				assert.Contains(t, infos, also, "%s: %s", id, pair.Name)
			}
			assert.NotEqual(t, pair.Sent, pair.Canonical, "%s: %s", id, pair.Name)
			assert.True(t, pair.Strict.Status >= 400 || len(pair.Strict.Contains) > 0, "%s: %s: what is the effect?", id, pair.Name)
		}
		for _, cite := range info.Cites {
			assert.True(t, cited[cite], "the rule %s cites %s, which no pair shows", id, cite)
		}
		assert.True(t, slices.ContainsFunc(list, func(p goldenPair) bool { return len(p.Also) == 0 }) || id == "wrapped-value",
			"no pair shows the rule %s alone", id)
	}
}

// What identity providers send leaves the same resources behind as the RFC's way of saying it, and is answered alike. The log says
// which rule it took, and without rules it is refused and changes nothing.
func TestGoldenPairs(t *testing.T) {
	t.Parallel()
	pairs := readGoldenPairs(t)
	if !t.Run("pair", func(t *testing.T) {
		for _, list := range pairs {
			for _, pair := range list {
				for _, b := range backends {
					t.Run(pair.Rule+"/"+pair.Name+"/"+b.name, func(t *testing.T) {
						t.Parallel()
						testGoldenPair(t, pair, b.open)
					})
				}
			}
		}
	}) {
		return
	}
	cited := map[string]bool{}
	for _, list := range pairs {
		for _, pair := range list {
			for _, cite := range pair.Cites {
				cited[cite] = cited[cite] || !strings.HasPrefix(cite, "RFC ")
			}
		}
	}
	maps.DeleteFunc(cited, func(_ string, isCase bool) bool { return !isCase })
	shown := struct{ covers []string }{covers: []string{
		"AUTHENTIK-04", "AUTHENTIK-05", "ENTRA-08", "ENTRA-10", "ENTRA-11", "ENTRA-17", "ENTRA-24", "ENTRA-25", "ENTRA-26",
		"ENTRA-27", "ENTRA-33", "ENTRA-34", "ENTRA-36", "ENTRA-37", "ENTRA-39", "ENTRA-40", "ENTRA-41", "ENTRA-42",
		"ENTRA-43", "ENTRA-44", "ENTRA-48", "ENTRA-55", "ENTRA-58", "ENTRA-60", "ENTRA-62", "ENTRA-64", "ENTRA-69",
		"ENTRA-76", "JUMPCLOUD-04", "OKTA-02", "OKTA-06", "OKTA-16", "OKTA-20", "OKTA-31", "ONELOGIN-03", "ONELOGIN-06",
		"ONELOGIN-07", "OTHER-01",
	}}
	require.ElementsMatch(t, slices.Collect(maps.Keys(cited)), shown.covers)
	covers(t, shown.covers...)
}

func testGoldenPair(t *testing.T, pair goldenPair, open func(testing.TB) store.Store) {
	want := newGoldenServer(t, open, pair)
	canonical := want.play(pair.Canonical)
	require.Less(t, canonical.status, 300, string(canonical.body))
	require.Empty(t, want.fired(canonical), "the canonical request needs a rule")

	got := newGoldenServer(t, open, pair)
	sent := got.play(pair.Sent)
	require.Equal(t, goldenAnswer(canonical), goldenAnswer(sent))
	require.ElementsMatch(t, append(slices.Clone(pair.Also), pair.Rule), got.fired(sent))
	require.Equal(t, want.events.types(), got.events.types())
	require.Equal(t, goldenNormal(want.directory()), goldenNormal(got.directory()))

	// To a strict connection, the canonical request says the same.
	exact := newGoldenServer(t, open, pair, strictly)
	require.Equal(t, goldenAnswer(canonical), goldenAnswer(exact.play(pair.Canonical)))
	require.Equal(t, goldenNormal(want.directory()), goldenNormal(exact.directory()))

	strict := newGoldenServer(t, open, pair, strictly)
	before := strict.directory()
	answer := strict.play(pair.Sent)
	require.Empty(t, strict.fired(answer))
	if pair.Strict.Status < 400 {
		answer.is(pair.Strict.Status)
		for _, text := range pair.Strict.Contains {
			require.Contains(t, string(answer.body), text)
		}
		require.NotEqual(t, goldenAnswer(canonical), goldenAnswer(answer), "the rule has no effect")
		return
	}
	answer.fails(pair.Strict.Status, pair.Strict.ScimType)
	require.Equal(t, before, strict.directory())
	require.Empty(t, strict.events.take())
}

// Bare removal of members: all of them, or none, by the connection's policy. An empty list names nobody in either.
func TestPolicyOfBareRemoves(t *testing.T) {
	t.Parallel()
	for policy, wiped := range map[dialect.BareRemove]bool{dialect.BareRemoveAll: true, dialect.BareRemoveRefuse: false} {
		onEachStore(t, func(t *testing.T, s *server) {
			a, b := s.user("a").id(), s.user("b").id()
			for _, remove := range []map[string]any{
				op("remove", "members"), op("Remove", "members"), op("remove", "members", nil), op("remove", groupURN+":members"),
			} {
				group := s.group("Harbour Ops", a, b)
				answer := s.patch("/Groups/"+group.id(), remove)
				if wiped {
					answer.is(204)
					require.Empty(t, s.members(group.id()))
					continue
				}
				answer.fails(400, "noTarget")
				require.Equal(t, []string{a, b}, s.members(group.id()))
				require.Equal(t, group.version(), s.get("/Groups/"+group.id()).version())
			}
			group := s.group("Harbour Ops", a, b)
			s.patch("/Groups/"+group.id(), op("remove", "members", []any{})).is(204)
			require.Equal(t, group.version(), s.get("/Groups/"+group.id()).version(), "an empty list names nobody")
			s.patch("/Groups/"+group.id(), op("remove", fmt.Sprintf("members[value eq %q]", a))).is(204)
			require.Equal(t, []string{b}, s.members(group.id()))
			s.patch("/Groups/"+group.id(), op("replace", "members", []any{})).is(204)
			require.Empty(t, s.members(group.id()), "a replacement says in so many words what stays")
		}, withPolicy(dialect.Policy{BareRemove: policy}))
	}
	covers(t, "ENTRA-64")
}

// Members that do not exist: the whole request is refused and the error names them, or the others are taken.
func TestPolicyOfUnknownMembers(t *testing.T) {
	t.Parallel()
	const ghost, stale = "0197f6a2-0000-7000-8000-00000000dead", "stale-999"
	for policy, skipped := range map[dialect.UnknownMembers]bool{dialect.UnknownMembersRefuse: false, dialect.UnknownMembersSkip: true} {
		onEachStore(t, func(t *testing.T, s *server) {
			a, b := s.user("a").id(), s.user("b").id()
			other := s.as(tokenB).user("of another connection").id()
			unknown := []string{ghost, stale, other}
			group := s.group("Harbour Ops", a)
			target := "/Groups/" + group.id()
			body := map[string]any{"schemas": []string{groupURN}, "displayName": "Crew", "members": memberList(a, ghost, b, stale, other)}
			s.events.take()
			for name, send := range map[string]func() *response{
				"POST":      func() *response { return s.do("POST", "/Groups", body) },
				"PUT":       func() *response { return s.do("PUT", target, body) },
				"PATCH add": func() *response { return s.patch(target, op("add", "members", memberList(b, ghost, stale, other))) },
				"PATCH replace": func() *response {
					return s.patch(target, op("replace", "members", memberList(ghost, a, b, stale, other)))
				},
				"PATCH without a path": func() *response {
					return s.patch(target, pathless("add", map[string]any{"members": memberList(b, ghost, stale, other)}))
				},
			} {
				before := s.members(group.id())
				answer := send()
				if !skipped {
					answer.fails(400, "invalidValue")
					for _, id := range unknown {
						require.Contains(t, answer.detail(), id, name)
					}
					require.NotContains(t, answer.detail(), a, name)
					require.NotContains(t, answer.detail(), b, name)
					require.Equal(t, before, s.members(group.id()), name)
					require.Empty(t, s.events.take(), name)
					continue
				}
				require.Less(t, answer.status, 300, string(answer.body))
				id := group.id()
				if name == "POST" {
					id = answer.id()
				}
				require.ElementsMatch(t, []string{a, b}, s.members(id), name)
				for _, event := range s.events.take() {
					for _, member := range event.Added {
						require.Contains(t, []string{a, b}, member.ID, name)
					}
				}
				s.patch(target, op("replace", "members", memberList(a))).is(204)
			}
			// A request that names unknown members only changes nothing, whatever the policy.
			before := s.get(target)
			s.patch(target, op("add", "members", memberList(ghost)))
			require.Equal(t, before.version(), s.get(target).version())
			// Removing who does not exist is no mistake.
			s.patch(target, op("remove", "members", memberList(ghost, stale))).is(204)
			s.patch(target, op("remove", fmt.Sprintf("members[value eq %q]", ghost))).is(204)
			require.Equal(t, before.version(), s.get(target).version())
		}, withPolicy(dialect.Policy{UnknownMembers: policy}))
	}
	covers(t, "OKTA-28")
}

// Names of groups: each once for a connection, without case, or as the identity provider likes.
func TestPolicyOfGroupNames(t *testing.T) {
	t.Parallel()
	for _, unique := range []bool{false, true} {
		onEachStore(t, func(t *testing.T, s *server) {
			first, second := s.group("Harbour Ops"), s.group("Crew")
			named := func(name string) map[string]any {
				return map[string]any{"schemas": []string{groupURN}, "displayName": name}
			}
			check := func(answer *response) {
				t.Helper()
				if unique {
					answer.fails(409, "uniqueness")
				} else {
					require.Less(t, answer.status, 300, string(answer.body))
				}
			}
			for _, twin := range []string{"Harbour Ops", "HARBOUR OPS", "harbour ops"} {
				check(s.do("POST", "/Groups", named(twin)))
				check(s.do("PUT", "/Groups/"+second.id(), named(twin)))
				check(s.patch("/Groups/"+second.id(), op("replace", "displayName", twin)))
				check(s.patch("/Groups/"+second.id(), pathless("replace", map[string]any{"displayName": twin})))
			}
			name := s.get("/Groups/" + second.id()).at("displayName")
			require.Equal(t, unique, name == "Crew")
			// A group's own name is no conflict, another case of it included; nor are names of users, or of another tenant's groups.
			s.do("PUT", "/Groups/"+first.id(), named("HARBOUR OPS")).is(200)
			s.patch("/Groups/"+first.id(), op("replace", "displayName", "Harbour ops")).is(204)
			s.user("harbour ops", map[string]any{"displayName": "Harbour Ops"})
			s.user("harbour ops 2", map[string]any{"displayName": "Harbour Ops"})
			s.as(tokenB).group("Harbour Ops")
			// A name is free again when its group is renamed or gone.
			s.patch("/Groups/"+first.id(), op("replace", "displayName", "Renamed")).is(204)
			again := s.group("Harbour Freight")
			s.patch("/Groups/"+again.id(), op("replace", "displayName", "Pier")).is(204)
			s.do("DELETE", "/Groups/"+again.id(), nil).is(204)
			s.group("Pier")
			// Members come and go without a look at the name.
			s.patch("/Groups/"+first.id(), op("add", "members", memberList(s.user("m").id()))).is(204)
			check(s.do("POST", "/Groups", named("renamed")))
		}, withPolicy(dialect.Policy{UniqueGroupNames: unique}))
	}
	covers(t, "ENTRA-68")
}

// The answer to a PATCH: by type, always the resource, or never; who asks for attributes gets them.
func TestPolicyOfPatchAnswers(t *testing.T) {
	t.Parallel()
	for policy, want := range map[dialect.PatchAnswer]map[string]int{
		dialect.PatchAnswerByType:    {"/Users/": 200, "/Groups/": 204},
		dialect.PatchAnswerResource:  {"/Users/": 200, "/Groups/": 200},
		dialect.PatchAnswerNoContent: {"/Users/": 204, "/Groups/": 204},
	} {
		onEachStore(t, func(t *testing.T, s *server) {
			for endpoint, id := range map[string]string{"/Users/": s.user("a").id(), "/Groups/": s.group("g").id()} {
				target := endpoint + id
				for i, change := range []map[string]any{
					op("replace", "displayName", "New"), op("replace", "displayName", "New"), op("add", "externalId", "e"), op("remove", "externalId"),
				} {
					answer := s.patch(target, change).is(want[endpoint])
					now := s.get(target)
					require.Equal(t, now.header.Get("ETag"), answer.header.Get("ETag"), "%s %d", target, i)
					require.Equal(t, now.header.Get("Location"), answer.header.Get("Location"))
					if want[endpoint] == 204 {
						require.Empty(t, answer.body)
						require.Empty(t, answer.header.Get("Content-Type"))
					} else {
						require.JSONEq(t, string(now.body), string(answer.body))
					}
				}
				answer := s.patch(target+"?attributes=displayName", op("replace", "displayName", "Newer")).is(200)
				require.Equal(t, "Newer", answer.at("displayName"))
				require.Nil(t, answer.at("meta"))
				answer = s.patch(target+"?excludedAttributes=displayName,members", op("replace", "displayName", "Newest")).is(200)
				require.Nil(t, answer.at("displayName"))
				require.NotNil(t, answer.at("meta"))
				require.Nil(t, answer.at("members"))
			}
		}, withPolicy(dialect.Policy{PatchAnswer: policy}))
	}
}

// A word without quotes in a filter: a string, or 400. In no case is it left out.
func TestPolicyOfUnquotedLiterals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy, strict bool
	}{{false, false}, {true, false}, {false, true}, {true, true}} {
		options := []func(*setup){withPolicy(dialect.Policy{UnquotedLiterals: c.policy})}
		if c.strict {
			options = append(options, strictly)
		}
		onEachStore(t, func(t *testing.T, s *server) {
			a := s.user("ann", map[string]any{"externalId": "nferro", "title": "true"}).id()
			s.user("bea", map[string]any{"externalId": "7"})
			for filter, want := range map[string][]string{
				"externalId eq nferro":                           {a},
				"(externalId eq nferro)":                         {a},
				"userName eq ANN and externalId eq nferro":       {a},
				`userName eq "ann" and externalId eq nferro`:     {a},
				"externalId eq nobody":                           nil,
				"emails[type eq work]":                           nil,
				"externalId eq nferro or userName eq somebody.x": {a},
				"externalId eq n+ferro@corp.example":             nil,
			} {
				target := "/Users?filter=" + strings.ReplaceAll(strings.ReplaceAll(filter, " ", "%20"), `"`, "%22")
				if c.policy && !c.strict {
					require.Equal(t, want, s.filter("/Users", filter), filter)
				} else {
					s.do("GET", target, nil).fails(400, "invalidFilter")
				}
			}
			// With the rule or without, what is no word is refused.
			for _, filter := range []string{"externalId%20eq%20a%20b", "externalId%20eq%20'nferro'", "externalId%20eq", "active%20eq%20yes", "userName%20eq%20ann;"} {
				s.do("GET", "/Users?filter="+filter, nil).fails(400, "invalidFilter")
			}
		}, options...)
	}
	covers(t, "ENTRA-11")
}

// A connection that is told its identity provider, and no policy, has that provider's.
func TestPolicyOfIdentityProviders(t *testing.T) {
	t.Parallel()
	for _, provider := range dialect.IdentityProviders() {
		onEachStore(t, func(t *testing.T, s *server) {
			policy := dialect.PolicyFor(provider)
			group := s.group("Harbour Ops")
			twin := s.do("POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "harbour ops"})
			require.Equal(t, policy.UniqueGroupNames, twin.status == 409)
			stale := s.patch("/Groups/"+group.id(), op("add", "members", memberList("stale-999")))
			require.Equal(t, policy.UnknownMembers == dialect.UnknownMembersSkip, stale.status == 204)
			unquoted := s.do("GET", "/Users?filter=externalId%20eq%20nferro", nil)
			require.Equal(t, policy.UnquotedLiterals, unquoted.status == 200)
			s.patch("/Groups/"+group.id(), op("remove", "members")).is(204)
		}, withIDP(provider))
	}
}
