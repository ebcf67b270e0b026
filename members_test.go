package scim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

// crew is a group and the people who may be in it, named by one letter.
type crew struct {
	*server
	group string // path
	ids   map[string]string
	names map[string]string // the reverse
}

// newCrew creates the users a to f and a group of those in members.
func newCrew(s *server, members string) *crew {
	s.t.Helper()
	c := &crew{server: s, ids: map[string]string{}, names: map[string]string{}}
	for name := range strings.SplitSeq("abcdef", "") {
		id := s.user(name+"@example.test", attrs{"displayName": "Person " + name}).id()
		c.ids[name], c.names[id] = id, name
	}
	c.group = "/Groups/" + s.group("Crew", c.of(members)...).id()
	s.events.take()
	return c
}

func (c *crew) of(names string) (ids []string) {
	for name := range strings.SplitSeq(names, "") {
		ids = append(ids, c.ids[name])
	}
	return ids
}

// fill puts ids in the place of {a} to {f}, and the group's in the place of {group}.
func (c *crew) fill(text string) string {
	text = strings.ReplaceAll(text, "{group}", strings.TrimPrefix(c.group, "/Groups/"))
	for name, id := range c.ids {
		text = strings.ReplaceAll(text, "{"+name+"}", id)
	}
	return text
}

// send patches the group with operations as JSON.
func (c *crew) send(ops string) *response {
	c.t.Helper()
	return c.do("PATCH", c.group, `{"schemas":["`+patchURN+`"],"Operations":`+c.fill(ops)+`}`)
}

// who returns the names of the group's members in alphabetical order.
func (c *crew) who() string {
	c.t.Helper()
	names := []string{}
	for _, m := range c.get(c.group).at("members").([]any) {
		id, _ := m.(map[string]any)["value"].(string)
		require.Contains(c.t, c.names, id)
		names = append(names, c.names[id])
	}
	slices.Sort(names)
	return strings.Join(names, "")
}

func (c *crew) called(members []store.Member) string {
	names := []string{}
	for _, m := range members {
		require.Contains(c.t, c.names, m.ID)
		names = append(names, c.names[m.ID])
	}
	slices.Sort(names)
	return strings.Join(names, "")
}

// crewRow is a PATCH of a group of a, b and c. It succeeds with 204 and the members of want, or is refused and changes nothing.
type crewRow struct {
	name     string
	ops      string
	want     string // members afterwards, - for none
	renamed  string // displayName afterwards, "" for the one before
	status   int    // of a refusal
	scimType string
	covers   []string
}

func testCrew(t *testing.T, rows []crewRow, options ...func(*setup)) {
	t.Helper()
	const before = "abc"
	onEachStore(t, func(t *testing.T, s *server) {
		c := newCrew(s, before)
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				c := *c
				c.server = within(t, c.server)
				c.group = "/Groups/" + c.server.group(row.name, c.of(before)...).id()
				if row.status != 0 {
					unchanged(c.server, c.group, func() { c.send(row.ops).fails(row.status, row.scimType) })
					covers(t, row.covers...)
					return
				}
				want := strings.TrimPrefix(row.want, "-")
				if want == before && row.renamed == "" {
					unchanged(c.server, c.group, func() { c.send(row.ops).is(204) })
					covers(t, row.covers...)
					return
				}
				c.events.take()
				a := c.send(row.ops).is(204)
				require.Equal(t, `W/"2"`, a.header.Get("ETag"))
				require.Equal(t, want, c.who())
				now := c.get(c.group)
				require.Equal(t, `W/"2"`, now.version())
				events := c.events.take()
				require.Len(t, events, 1)
				require.Equal(t, minus(want, before), c.called(events[0].Added))
				require.Equal(t, minus(before, want), c.called(events[0].Removed))
				if row.renamed == "" {
					require.Equal(t, row.name, now.at("displayName"))
					require.Equal(t, scim.GroupMembersChanged, events[0].Type)
				} else {
					require.Equal(t, row.renamed, now.at("displayName"))
					require.Equal(t, scim.GroupUpdated, events[0].Type)
				}
				covers(t, row.covers...)
			})
		}
	}, options...)
}

// minus returns the letters of a that are not in b.
func minus(a, b string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(b, r) {
			return -1
		}
		return r
	}, a)
}

func TestMembersRemove(t *testing.T) {
	t.Parallel()
	testCrew(t, []crewRow{
		{name: "by filter", ops: `[{"op":"remove","path":"members[value eq \"{a}\"]"}]`, want: "bc", covers: []string{"P-01", "ENTRA-59"}},
		{name: "by filter, URN", ops: `[{"op":"remove","path":"` + groupURN + `:members[value eq \"{a}\"]"}]`, want: "bc"},
		{name: "by filter, odd case", ops: `[{"op":"Remove","path":"Members[VALUE EQ \"{a}\"]"}]`, want: "bc"},
		{name: "by filter on two", ops: `[{"op":"remove","path":"members[value eq \"{a}\" or value eq \"{c}\"]"}]`, want: "b"},
		{name: "by filter on one who is not in it", ops: `[{"op":"remove","path":"members[value eq \"{d}\"]"}]`, want: "abc"},
		{name: "by filter on nobody", ops: `[{"op":"remove","path":"members[value eq \"zzz\"]"}]`, want: "abc", covers: []string{"P-06"}},
		{name: "by filter on an empty id", ops: `[{"op":"remove","path":"members[value eq \"\"]"}]`, want: "abc"},
		{name: "by an id in another case", ops: `[{"op":"remove","path":"members[value eq \"X{a}\"]"},{"op":"remove","path":"members[value eq \"{a} \"]"}]`, want: "abc"},
		{name: "by name", ops: `[{"op":"remove","path":"members[display eq \"person B\"]"}]`, want: "ac"},
		{name: "by type", ops: `[{"op":"remove","path":"members[type eq \"User\"]"}]`, want: "-"},
		{name: "by another type", ops: `[{"op":"remove","path":"members[type eq \"Group\"]"}]`, want: "abc"},
		{name: "all but one", ops: `[{"op":"remove","path":"members[value ne \"{a}\"]"}]`, want: "a"},
		{name: "all but one, not", ops: `[{"op":"remove","path":"members[not (value eq \"{b}\")]"}]`, want: "b"},
		{name: "by the beginning of ids", ops: `[{"op":"remove","path":"members[value sw \"0\"]"}]`, want: "-"},
		{name: "by part of an id", ops: `[{"op":"remove","path":"members[value co \"zzz\"]"}]`, want: "abc"},
		{name: "by name and id", ops: `[{"op":"remove","path":"members[display eq \"Person b\" and value eq \"{a}\"]"}]`, want: "abc"},

		{name: "Entra", ops: `[{"op":"Remove","path":"members","value":[{"value":"{a}"}]}]`, want: "bc"},
		{name: "JumpCloud", ops: `[{"op":"remove","path":"members","value":[{"value":"{a}"}]}]`, want: "bc", covers: []string{"P-02", "JUMPCLOUD-04"}},
		{name: "Entra, many", ops: `[{"op":"Remove","path":"members","value":[{"value":"{a}"},{"value":"{c}"}]}]`, want: "b", covers: []string{"ENTRA-64"}},
		{name: "Entra, $ref null", ops: `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{a}"}]}]`, want: "bc"},
		{name: "Entra, wrong $ref", ops: `[{"op":"Remove","path":"members","value":[{"$ref":"https://x.example/{b}","value":"{a}"}]}]`, want: "bc"},
		{name: "Entra, not a member", ops: `[{"op":"Remove","path":"members","value":[{"value":"{d}"}]}]`, want: "abc", covers: []string{"ENTRA-67"}},
		{name: "Entra, unknown", ops: `[{"op":"Remove","path":"members","value":[{"value":"zzz"}]}]`, want: "abc"},
		{name: "authentik", ops: `[{"op":"remove","path":"members","value":[{"value":"{a}"}]},{"op":"remove","path":"members","value":[{"value":"{b}"}]}]`, want: "c", covers: []string{"AUTHENTIK-05"}},
		{name: "Salesforce", ops: `[{"op":"remove","path":"members","value":{"members":[{"value":"{a}"}]}}]`, want: "bc", covers: []string{"OTHER-01"}},
		{name: "bare ids", ops: `[{"op":"remove","path":"members","value":["{a}","{b}"]}]`, want: "c"},

		{name: "an empty list", ops: `[{"op":"remove","path":"members","value":[]}]`, want: "abc"},
		{name: "one object", ops: `[{"op":"remove","path":"members","value":{"value":"{a}"}}]`, want: "bc"},
		{name: "null", ops: `[{"op":"remove","path":"members","value":null}]`, want: "-"},
		{name: "a bare id", ops: `[{"op":"remove","path":"members","value":"{a}"}]`, status: 400, scimType: "invalidValue"},
		{name: "another key", ops: `[{"op":"remove","path":"members","value":[{"foo":1}]}]`, status: 400, scimType: "invalidValue"},
		{name: "an empty object in a list", ops: `[{"op":"remove","path":"members","value":[{}]}]`, status: 400, scimType: "invalidValue"},
		{name: "an empty object", ops: `[{"op":"remove","path":"members","value":{}}]`, status: 400, scimType: "invalidValue"},
		{name: "null in a list", ops: `[{"op":"remove","path":"members","value":[null]}]`, status: 400, scimType: "invalidValue"},
		{name: "an id that is null", ops: `[{"op":"remove","path":"members","value":[{"value":null}]}]`, status: 400, scimType: "invalidValue"},
		{name: "an id that is a number", ops: `[{"op":"remove","path":"members","value":[{"value":1}]}]`, status: 400, scimType: "invalidValue"},
		{name: "an id that is empty", ops: `[{"op":"remove","path":"members","value":[{"value":""}]}]`, status: 400, scimType: "invalidValue"},
		{name: "a good one and a bad one", ops: `[{"op":"remove","path":"members","value":[{"value":"{a}"},{"foo":1}]}]`, status: 400, scimType: "invalidValue"},
		{name: "a number", ops: `[{"op":"remove","path":"members","value":5}]`, status: 400, scimType: "invalidValue"},
		{name: "true", ops: `[{"op":"remove","path":"members","value":true}]`, status: 400, scimType: "invalidValue"},
		{name: "the wrong wrapper", ops: `[{"op":"remove","path":"members","value":{"member":[{"value":"{a}"}]}}]`, status: 400, scimType: "invalidValue"},
		{name: "bare", ops: `[{"op":"remove","path":"members"}]`, want: "-", covers: []string{"P-03", "P-04", "ENTRA-64"}},
	})
}

func TestMembersAdd(t *testing.T) {
	t.Parallel()
	testCrew(t, []crewRow{
		{name: "$ref null", ops: `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"{d}"}]}]`, want: "abcd"},
		{name: "many", ops: `[{"op":"Add","path":"members","value":[{"value":"{d}"},{"value":"{e}"},{"value":"{f}"}]}]`, want: "abcdef", covers: []string{"ENTRA-63"}},
		{name: "value only", ops: `[{"op":"add","path":"members","value":[{"value":"{d}"}]}]`, want: "abcd", covers: []string{"JUMPCLOUD-03"}},
		{name: "one operation per member", ops: `[{"op":"add","path":"members","value":[{"value":"{d}"}]},{"op":"add","path":"members","value":[{"value":"{e}"}]}]`, want: "abcde", covers: []string{"AUTHENTIK-03"}},
		{name: "without a path", ops: `[{"op":"add","value":{"members":[{"value":"{d}","display":"b"}]}}]`, want: "abcd", covers: []string{"OTHER-02"}},
		{name: "stray keys", ops: `[{"name":"addMember","id":1,"op":"add","path":"members","value":[{"displayName":"new User","value":"{d}"}]}]`, want: "abcd"},
		{name: "a bare id", ops: `[{"op":"add","path":"members","value":"{d}"}]`, want: "abcd", covers: []string{"ENTRA-69"}},
		{name: "one object", ops: `[{"op":"add","path":"members","value":{"value":"{d}"}}]`, want: "abcd"},
		{name: "a wrong type and display", ops: `[{"op":"add","path":"members","value":[{"value":"{d}","type":"Group","display":"x"}]}]`, want: "abcd"},
		{name: "who is in it", ops: `[{"op":"add","path":"members","value":[{"value":"{a}"}]}]`, want: "abc", covers: []string{"ENTRA-67"}},
		{name: "who is in it and who is not", ops: `[{"op":"add","path":"members","value":[{"value":"{a}"},{"value":"{d}"}]}]`, want: "abcd"},
		{name: "twice", ops: `[{"op":"add","path":"members","value":[{"value":"{d}"},{"value":"{d}"}]},{"op":"add","path":"members","value":[{"value":"{d}"}]}]`, want: "abcd"},
		{name: "twice who is in it", ops: `[{"op":"add","path":"members","value":[{"value":"{a}"},{"value":"{a}"}]},{"op":"add","path":"members","value":"{a}"}]`, want: "abc"},
		{name: "an id in another case", ops: `[{"op":"add","path":"members","value":[{"value":"{a}"},{"value":"X{a}"}]}]`, status: 400, scimType: "invalidValue", covers: []string{"P-15"}},
		{name: "a good one and one without an id", ops: `[{"op":"add","path":"members","value":[{"value":"{d}"},{"display":"x"}]}]`, status: 400, scimType: "invalidValue"},
		{name: "a number", ops: `[{"op":"add","path":"members","value":[5]}]`, status: 400, scimType: "invalidValue"},
	})
}

func TestMembersReplace(t *testing.T) {
	t.Parallel()
	testCrew(t, []crewRow{
		{name: "all", ops: `[{"op":"replace","path":"members","value":[{"value":"{b}"},{"value":"{d}"}]}]`, want: "bd", covers: []string{"P-08"}},
		{name: "all, without a path", ops: `[{"op":"replace","value":{"members":[{"value":"{b}"}]}}]`, want: "b", covers: []string{"OKTA-18"}},
		{name: "by the same", ops: `[{"op":"replace","path":"members","value":[{"value":"{c}"},{"value":"{b}"},{"value":"{a}"}]}]`, want: "abc"},
		{name: "by none", ops: `[{"op":"replace","path":"members","value":[]}]`, want: "-", covers: []string{"OKTA-19"}},
		{name: "by null", ops: `[{"op":"replace","path":"members","value":null}]`, want: "-"},
		{name: "by none, with id and name", ops: `[{"op":"replace","value":{"members":[],"id":"{group}","displayName":"Harbour"}}]`, want: "-", renamed: "Harbour", covers: []string{"OKTA-20"}},
		{name: "by one object", ops: `[{"op":"replace","path":"members","value":{"value":"{d}"}}]`, want: "d"},
		{name: "and add", ops: `[{"op":"replace","path":"members","value":[{"value":"{d}"}]},{"op":"add","path":"members","value":[{"value":"{a}"}]}]`, want: "ad"},
		{name: "and remove", ops: `[{"op":"replace","path":"members","value":[{"value":"{d}"},{"value":"{e}"}]},{"op":"remove","path":"members[value eq \"{e}\"]"}]`, want: "d"},
		{name: "by one without an id", ops: `[{"op":"replace","path":"members","value":[{"value":"{b}"},{"display":"x"}]}]`, status: 400, scimType: "invalidValue"},
		{name: "by a number", ops: `[{"op":"replace","path":"members","value":5}]`, status: 400, scimType: "invalidValue"},
	})
}

func TestMembersAndTheRest(t *testing.T) {
	t.Parallel()
	testCrew(t, []crewRow{
		{name: "rename", ops: `[{"op":"Replace","path":"displayName","value":"Renamed"}]`, want: "abc", renamed: "Renamed"},
		{name: "rename without a path", ops: `[{"op":"replace","value":{"displayName":"Renamed too"}}]`, want: "abc", renamed: "Renamed too", covers: []string{"ENTRA-65", "JUMPCLOUD-05"}},
		{name: "rename with id", ops: `[{"op":"replace","value":{"id":"{group}","displayName":"Renamed again"}}]`, want: "abc", renamed: "Renamed again", covers: []string{"OKTA-16"}},
		{name: "the name it has", ops: `[{"op":"replace","value":{"id":"{group}","displayName":"the name it has"}}]`, want: "abc"},
		{name: "full representation", ops: `[{"op":"replace","value":{"id":"{group}","schemas":["` + groupURN + `"],"externalId":"g-7","displayName":"Full"}}]`, want: "abc", renamed: "Full", covers: []string{"AUTHENTIK-04"}},
		{name: "Okta's push", ops: `[{"op":"replace","value":{"id":"{group}","displayName":"Pushed"}},{"op":"remove","path":"members[value eq \"{a}\"]"},{"op":"add","path":"members","value":[{"value":"{d}","display":"d"}]}]`, want: "bcd", renamed: "Pushed"},
		{name: "remove and add", ops: `[{"op":"remove","path":"members[value eq \"{a}\"]"},{"op":"add","path":"members","value":[{"value":"{a}"},{"value":"{d}"}]}]`, want: "abcd"},
		{name: "add and remove", ops: `[{"op":"add","path":"members","value":[{"value":"{a}"},{"value":"{d}"}]},{"op":"remove","path":"members[value eq \"{a}\"]"},{"op":"remove","path":"members[value eq \"{d}\"]"}]`, want: "bc"},
		{name: "all out and one in", ops: `[{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"{a}"}]}]`, want: "a", covers: []string{"OKTA-17"}},
		{name: "out and in again", ops: `[{"op":"remove","path":"members[value eq \"{a}\"]"},{"op":"add","path":"members","value":[{"value":"{a}"}]}]`, want: "abc"},
		{name: "mixed", ops: `[{"op":"Replace","path":"displayName","value":"Mixed up"},{"op":"Add","path":"members","value":[{"$ref":null,"value":"{d}"}]},{"op":"Remove","path":"members","value":[{"$ref":null,"value":"{a}"}]}]`, want: "bcd", renamed: "Mixed up", covers: []string{"ENTRA-70"}},
		{name: "by name and in again", ops: `[{"op":"remove","path":"members[display sw \"Person\"]"},{"op":"add","path":"members","value":[{"value":"{b}"},{"value":"{d}"}]}]`, want: "bd"},
		{name: "by name, in again and out", ops: `[{"op":"remove","path":"members[display eq \"Person b\"]"},{"op":"add","path":"members","value":[{"value":"{b}"}]},{"op":"remove","path":"members[value eq \"{b}\"]"}]`, want: "ac"},
		{name: "by name and by id", ops: `[{"op":"remove","path":"members[display eq \"Person b\"]"},{"op":"remove","path":"members[value eq \"{b}\" or value eq \"{c}\"]"}]`, want: "a"},
		{name: "by two names", ops: `[{"op":"remove","path":"members[display eq \"Person b\"]"},{"op":"remove","path":"members[display eq \"Person c\"]"}]`, want: "a"},
		{name: "by name and all others", ops: `[{"op":"remove","path":"members[display eq \"Person b\"]"},{"op":"replace","path":"members","value":[{"value":"{b}"}]}]`, want: "b"},
		{name: "all and by name", ops: `[{"op":"remove","path":"members"},{"op":"remove","path":"members[display eq \"Person b\"]"}]`, want: "-"},
		{name: "in, out and by name", ops: `[{"op":"add","path":"members","value":[{"value":"{d}"}]},{"op":"remove","path":"members[value eq \"{d}\"]"},{"op":"remove","path":"members[display eq \"Person a\"]"}]`, want: "bc"},
		{name: "in and by name", ops: `[{"op":"add","path":"members","value":[{"value":"{d}"}]},{"op":"remove","path":"members[display eq \"Person a\"]"}]`, status: 400, scimType: "noTarget"},
		{name: "nothing about members", ops: `[{"op":"replace","value":{}},{"op":"remove","path":"externalId"}]`, want: "abc"},
		{name: "no operations", ops: `[]`, want: "abc", covers: []string{"P-05"}},
	})
}

// Members come and go; what a membership says of them cannot be written.
func TestMembersAreImmutable(t *testing.T) {
	t.Parallel()
	var rows []crewRow
	for _, path := range []string{
		"members.display", "members.value", "members.$ref", "members.type", `members[value eq \"{a}\"].display`, `members[value eq \"{a}\"].value`,
		`MEMBERS[value eq \"{a}\"].VALUE`, groupURN + `:members[value eq \"{a}\"].value`, `members[value eq \"zzz\"].type`,
	} {
		for _, o := range []string{`"add","value":"{d}"`, `"replace","value":"{d}"`, `"remove"`} {
			rows = append(rows, crewRow{name: o + path, ops: `[{"op":` + o + `,"path":"` + path + `"}]`, status: 400, scimType: "mutability", covers: []string{"7644-3.5.2-14"}})
		}
	}
	rows = append(
		rows,
		crewRow{name: "another member in place of one", ops: `[{"op":"replace","path":"members[value eq \"{a}\"]","value":{"value":"{d}"}}]`, status: 400, scimType: "mutability"},
		crewRow{name: "the same member in its place", ops: `[{"op":"replace","path":"members[value eq \"{a}\"]","value":{"value":"{a}","display":"x"}}]`, want: "abc"},
		crewRow{name: "a key that is a path", ops: `[{"op":"replace","value":{"members[value eq \"{a}\"].value":"{d}"}}]`, status: 400, scimType: "mutability"},
		crewRow{name: "a member by a filter on names", ops: `[{"op":"add","path":"members[display eq \"Person d\"]","value":{"value":"{d}"}}]`, status: 400, scimType: "noTarget"},
	)
	testCrew(t, rows)
}

// A remove names members by id; the order and form of the operations makes no difference.
func TestMembersRemoveInAnyOrder(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		c := newCrew(s, "abcde")
		for i, x := range "abcde" {
			for j, y := range "abcde" {
				for k, z := range "abcde" {
					if i == j || j == k || i == k {
						continue
					}
					gone := string([]rune{x, y, z})
					want := minus("abcde", gone)
					for _, form := range []string{"operations", "list"} {
						var ops []attrs
						if form == "list" {
							ops = []attrs{op("remove", "members", memberList(c.of(gone)...))}
						} else {
							for _, id := range c.of(gone) {
								ops = append(ops, op("remove", `members[value eq "`+id+`"]`))
							}
						}
						c.group = "/Groups/" + s.group("Crew", c.of("abcde")...).id()
						c.patch(c.group, ops...).is(204)
						require.Equal(t, want, c.who(), "%s by %s", gone, form)
						require.Equal(t, c.of(want), s.members(strings.TrimPrefix(c.group, "/Groups/")), "the others keep their order")
					}
				}
			}
		}
		covers(t, "P-09")
	})
}

// A filter compares texts, not bytes at an offset that folding has moved.
func TestMembersWithNamesThatFold(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		names := []string{"İİİİ x", "i x", "straße", "strase", "Kelvin", "Melvin", "e\u0301a", "ea", "ﬁn", "fn", "ΑΣ", "ας b"}
		ids := map[string]string{}
		for n, name := range names {
			ids[name] = s.user(fmt.Sprintf("user%d@example.test", n), attrs{"displayName": name, "emails": []attrs{
				{"type": name, "value": "first@x.example"}, {"type": "x" + name, "value": "second@x.example"}, {"type": name + "x", "value": "third@x.example"},
			}}).id()
		}
		for _, c := range []struct{ filter, name string }{
			{"İİİİ x", "İİİİ x"}, {"i\u0307i\u0307i\u0307i\u0307 X", "İİİİ x"}, {"I X", "i x"}, {"STRASSE", "straße"}, {"Strase", "strase"},
			{"\u212Aelvin", "Kelvin"}, {"kelvin", "Kelvin"}, {"\u00e1", ""}, {"\u00e9a", "e\u0301a"}, {"E\u0301A", "e\u0301a"}, {"FIN", "ﬁn"}, {"ας", "ΑΣ"}, {"İ", ""}, {"ß", ""},
		} {
			members := slices.Collect(maps.Values(ids))
			group := s.group("Crew", members...).id()
			quoted, err := json.Marshal(c.filter)
			require.NoError(t, err)
			s.patch("/Groups/"+group, op("remove", `members[display eq `+string(quoted)+`]`)).is(204)
			want := slices.DeleteFunc(members, func(id string) bool { return c.name != "" && id == ids[c.name] })
			require.ElementsMatch(t, want, s.members(group), "%s", c.filter)

			if c.name == "" {
				continue
			}
			path := "/Users/" + ids[c.name]
			s.patch(path, op("replace", `emails[type eq `+string(quoted)+`].display`, c.filter)).is(200)
			a := s.get(path)
			require.Equal(t, []any{c.filter, nil, nil}, []any{a.at("emails", 0, "display"), a.at("emails", 1, "display"), a.at("emails", 2, "display")})
			require.Equal(t, []any{c.name, "x" + c.name, c.name + "x"}, []any{a.at("emails", 0, "type"), a.at("emails", 1, "type"), a.at("emails", 2, "type")})
		}
		covers(t, "P-10")
	})
}

// A member that does not exist fails the request and is named in it; nobody comes into being by being a member.
func TestMembersThatDoNotExist(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		c := newCrew(s, "abc")
		foreign := s.as(tokenB).user("foreign@example.test").id()
		for _, stranger := range []string{"stale-999", "019ceb92-0000-7000-8000-000000000000", foreign} {
			for _, o := range []attrs{
				op("add", "members", memberList(c.ids["d"], stranger, c.ids["e"])), op("replace", "members", memberList(c.ids["d"], stranger, c.ids["e"])),
				pathless("add", attrs{"members": memberList(c.ids["d"], stranger, c.ids["e"])}),
			} {
				unchanged(s, c.group, func() {
					detail := s.patch(c.group, op("replace", "displayName", "x"), o).fails(400, "invalidValue").detail()
					require.Contains(t, detail, stranger)
					for _, name := range []string{"d", "e", "a"} {
						require.NotContains(t, detail, c.ids[name])
					}
				})
			}
		}
		require.Equal(t, "abc", c.who())
		_, total := s.list("/Users")
		require.Equal(t, 6, total)
		require.Empty(t, s.filter("/Users", `id eq "stale-999"`))
		covers(t, "P-14")
	})
	onEachStore(t, func(t *testing.T, s *server) {
		c := newCrew(s, "abc")
		c.send(`[{"op":"add","path":"members","value":[{"value":"{d}","display":"a"},{"value":"stale-999","display":"gone"}]}]`).is(204)
		require.Equal(t, "abcd", c.who())
		c.send(`[{"op":"replace","path":"members","value":[{"value":"stale-999"},{"value":"{b}"}]}]`).is(204)
		require.Equal(t, "b", c.who())
		s.events.take()
		unchanged(s, c.group, func() { c.send(`[{"op":"add","path":"members","value":[{"value":"stale-999"}]}]`).is(204) })
		_, total := s.list("/Users")
		require.Equal(t, 6, total)
		covers(t, "OKTA-28")
	}, withIDP(dialect.Okta))
}

// How many members one request may name, in whichever way.
func TestMembersLimit(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		c := newCrew(s, "abc")
		for _, ops := range []string{
			`[{"op":"add","path":"members","value":[{"value":"{a}"},{"value":"{b}"},{"value":"{c}"},{"value":"{d}"}]}]`,
			`[{"op":"replace","path":"members","value":[{"value":"{a}"},{"value":"{b}"},{"value":"{c}"},{"value":"{d}"}]}]`,
			`[{"op":"add","path":"members","value":[{"value":"{a}"},{"value":"{b}"}]},{"op":"remove","path":"members","value":[{"value":"{a}"},{"value":"{b}"}]}]`,
			`[{"op":"remove","path":"members[value eq \"{a}\" or value eq \"{b}\" or value eq \"{c}\" or value eq \"{d}\"]"}]`,
			`[{"op":"add","value":{"members":["{a}","{b}","{c}","{d}"]}}]`,
		} {
			unchanged(s, c.group, func() { c.send(ops).is(413) })
		}
		c.send(`[{"op":"add","path":"members","value":[{"value":"{d}"},{"value":"{e}"},{"value":"{f}"}]}]`).is(204)
		require.Equal(t, "abcdef", c.who())
		unchanged(s, c.group, func() { c.send(`[{"op":"remove","path":"members[display sw \"Person\"]"}]`).is(413) })
		c.send(`[{"op":"remove","path":"members"}]`).is(204)
		require.Empty(t, c.who(), "all of them is not a list")
	}, withLimits(scim.Limits{Members: 3}))
}

// Operations that name members by id look at nobody else; others have to read all members, which happens once a request, and few of
// them fit in one.
func TestMembersAreNotReadPerOperation(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		c := newCrew(s, "abc")
		for _, row := range []struct {
			filter        string
			times, status int
		}{{`members[value eq "zzz"]`, 1000, 204}, {`members[display eq "nobody"]`, 20, 204}, {`members[display eq "nobody"]`, 1000, 413}} {
			ops := make([]attrs, row.times)
			for i := range ops {
				ops[i] = op("remove", row.filter)
			}
			unchanged(s, c.group, func() {
				s.store.take()
				s.patch(c.group, ops...).is(row.status)
				require.Less(t, len(s.store.take()), 5, "%d times %s", row.times, row.filter)
			})
		}
	})
}

// A nested group is a member like others, and says so.
func TestMembersThatAreGroups(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		user, inner := s.user("someone@example.test").id(), s.group("Inner").id()
		outer := s.group("Outer").id()
		s.patch("/Groups/"+outer, op("add", "members", memberList(user, inner))).is(204)
		a := s.get("/Groups/" + outer)
		types := map[any]any{}
		for _, m := range a.at("members").([]any) {
			types[m.(map[string]any)["value"]] = m.(map[string]any)["type"]
		}
		require.Equal(t, map[any]any{user: "User", inner: "Group"}, types)
		s.patch("/Groups/"+outer, op("remove", `members[type eq "Group"]`)).is(204)
		require.Equal(t, []string{user}, s.members(outer))
	})
}

// What Okta and Entra send to create and overwrite a group.
func TestMembersOfWholeGroups(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		c := newCrew(s, "abc")
		a := s.create("/Groups", attrs{"schemas": []string{groupURN}, "displayName": "Harbour Ops", "members": []attrs{{"value": c.ids["a"], "display": "a@example.test"}}})
		require.Equal(t, "User", a.at("members", 0, "type"))
		require.Equal(t, baseURL+"/Users/"+c.ids["a"], a.at("members", 0, "$ref"))
		require.Equal(t, "Person a", a.at("members", 0, "display"), "derived, not as sent")
		require.Equal(t, []any{}, s.create("/Groups", attrs{"schemas": []string{groupURN}, "displayName": "Empty", "members": []any{}}).at("members"))
		covers(t, "OKTA-15")

		s.events.take()
		put := func(members any) *response {
			return s.do("PUT", c.group, attrs{"schemas": []string{groupURN}, "id": "x", "displayName": "Crew", "members": members}).is(200)
		}
		put([]attrs{{"value": c.ids["b"], "display": nil}, {"value": c.ids["d"], "display": nil}})
		require.Equal(t, "bd", c.who())
		events := s.events.take()
		require.Len(t, events, 1)
		require.Equal(t, []string{"d", "ac"}, []string{c.called(events[0].Added), c.called(events[0].Removed)})
		unchanged(s, c.group, func() { put(memberList(c.of("db")...)) })
		covers(t, "OKTA-21")
		s.do("PUT", c.group, attrs{"schemas": []string{groupURN}, "displayName": "Crew"}).is(200)
		require.Empty(t, c.who(), "a PUT that names none leaves none")

		a = s.create("/Groups", attrs{
			"schemas":    []string{groupURN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"},
			"externalId": "3d6e90b7", "displayName": "Harbour Watch", "meta": attrs{"resourceType": "Group"},
		})
		require.Equal(t, []any{groupURN}, a.at("schemas"))
		covers(t, "ENTRA-62")
	})
	onEachStore(t, func(t *testing.T, s *server) {
		s.group("Harbour Ops")
		body := attrs{"schemas": []string{groupURN}, "displayName": "harbour ops"}
		s.do("POST", "/Groups", body).fails(409, "uniqueness")
		path := "/Groups/" + s.group("Other").id()
		unchanged(s, path, func() { s.do("PUT", path, body).fails(409, "uniqueness") })
		unchanged(s, path, func() {
			s.patch(path, pathless("replace", attrs{"displayName": "HARBOUR OPS"})).fails(409, "uniqueness")
		})
		covers(t, "ENTRA-68")
	}, withIDP(dialect.MicrosoftEntra))
	onEachStore(t, func(t *testing.T, s *server) {
		s.group("Harbour Ops")
		s.group("Harbour Ops")
		require.Len(t, s.filter("/Groups", `displayName eq "harbour ops"`), 2)
	})
}

// OneLogin leaves a question mark behind the id.
func TestMembersBehindAQuestionMark(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		c := newCrew(s, "abc")
		s.do("PATCH", c.group+"?", patchBody(op("add", "members", memberList(c.ids["d"]))), "User-Agent", "").is(204)
		require.Equal(t, "abcd", c.who())
		covers(t, "ONELOGIN-05")
	})
}
