package scim_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// What identity providers do to members, and what the host is told of it.

// deed is a request to a connection as crewed leaves it, and what follows.
type deed struct {
	name   string
	do     func(l *registry) *response
	told   []string
	ended  string // the names whose sessions end
	events []scim.EventType
	covers []string
}

// switches are the ways to say that a user is active or is not.
func switches(active bool) map[string]map[string]any {
	text := map[bool]string{true: "True", false: "False"}[active]
	return map[string]map[string]any{
		"boolean":            op("replace", "active", active),
		"text":               op("Replace", "active", text),
		"text, lower case":   op("replace", "active", strings.ToLower(text)),
		"add":                op("Add", "active", text),
		"path-less":          pathless("replace", attrs{"active": active}),
		"path-less text":     pathless("Replace", attrs{"active": text}),
		"path-less add":      pathless("add", attrs{"active": active}),
		"in another case":    op("replace", "Active", active),
		"URN path":           op("replace", userURN+":active", active),
		"URN path, text":     op("Replace", strings.ToUpper(userURN)+":Active", text),
		"URN key":            pathless("replace", attrs{userURN + ":active": active}),
		"URN object":         pathless("replace", attrs{userURN: attrs{"active": text}}),
		"URN as path":        op("replace", userURN, attrs{"active": active}),
		"with other changes": pathless("replace", attrs{"active": active, "title": "Cook"}),
	}
}

func patching(name string, ops ...map[string]any) func(*registry) *response {
	return func(l *registry) *response { return l.patch(l.path(name), ops...) }
}

func putting(name string, more map[string]any) func(*registry) *response {
	return func(l *registry) *response {
		return l.do("PUT", l.path(name), user(name+"@example.test", attrs{"externalId": "e-" + name}, more))
	}
}

func puttingGroup(name, displayName string, members ...string) func(*registry) *response {
	return func(l *registry) *response {
		return l.do("PUT", l.path(name), attrs{"schemas": []string{groupURN}, "displayName": displayName, "members": memberList(l.idsOf(members...)...)})
	}
}

func deleting(name string) func(*registry) *response {
	return func(l *registry) *response { return l.do("DELETE", l.path(name), nil) }
}

// adding and removing change members of a group as providers do: by a list.
func adding(group string, members ...string) func(*registry) *response {
	return func(l *registry) *response {
		return l.patch(l.path(group), op("Add", "members", memberList(l.idsOf(members...)...)))
	}
}

func removing(group string, members ...string) func(*registry) *response {
	return func(l *registry) *response {
		return l.patch(l.path(group), op("Remove", "members", memberList(l.idsOf(members...)...)))
	}
}

// deedsOfUsers are the deeds to users.
func deedsOfUsers() []deed {
	list := []deed{
		{
			name: "POST", do: func(l *registry) *response { return l.do("POST", "/Users", user("dora@example.test")) },
			told: []string{"dora: - -> " + benIs}, events: []scim.EventType{scim.UserCreated}, covers: []string{"S-36"},
		},
		{
			name: "POST of an address elsewhere", do: func(l *registry) *response { return l.do("POST", "/Users", user("dora@third.test")) },
			told: []string{"dora: - -> active member(connection_default)"}, events: []scim.EventType{scim.UserCreated},
		},
		{
			name: "POST inactive", do: func(l *registry) *response {
				return l.do("POST", "/Users", user("dora@example.test", attrs{"active": false}))
			},
			told: []string{"dora: - -> deactivated"}, events: []scim.EventType{scim.UserCreated},
		},
		{
			name: "PUT of a title", do: putting("anna", attrs{"title": "Cook"}),
			told: []string{"anna: " + annaIs + " -> " + annaIs}, events: []scim.EventType{scim.UserUpdated},
		},
		{
			name: "PATCH of a title", do: patching("anna", op("replace", "title", "Cook")),
			told: []string{"anna: " + annaIs + " -> " + annaIs}, events: []scim.EventType{scim.UserUpdated},
		},
		{
			name: "PATCH of what no account has", do: patching("anna", op("replace", "nickName", "Ann")), events: []scim.EventType{scim.UserUpdated},
		},
		{name: "PATCH of nothing", do: patching("anna", op("replace", "active", true))},
		{
			name: "PUT inactive", do: putting("anna", attrs{"active": false}), ended: "anna",
			told: []string{"anna: " + annaIs + " -> deactivated"}, events: []scim.EventType{scim.UserDeactivated},
		},
		{name: "PUT of an inactive user without active", do: putting("carl", nil), covers: []string{"E-06"}},
		{
			name: "PUT of an inactive user's title", do: putting("carl", attrs{"title": "Cook"}),
			told: []string{"carl: deactivated -> deactivated"}, events: []scim.EventType{scim.UserUpdated},
		},
		{
			name: "PUT active", do: putting("carl", attrs{"active": true}),
			told: []string{"carl: deactivated -> " + annaBack}, events: []scim.EventType{scim.UserReactivated},
		},
		{
			name: "DELETE", do: deleting("anna"), ended: "anna", told: []string{"anna: " + annaIs + " -> removed"},
			events: []scim.EventType{scim.UserDeleted, scim.GroupMembersChanged, scim.GroupMembersChanged},
		},
		{
			name: "DELETE of an inactive user", do: deleting("carl"), told: []string{"carl: deactivated -> removed"},
			events: []scim.EventType{scim.UserDeleted, scim.GroupMembersChanged},
		},
	}
	for name, o := range switches(false) {
		list = append(list, deed{
			name: "deactivated, " + name, do: patching("anna", o), ended: "anna",
			told: []string{"anna: " + annaIs + " -> deactivated"}, events: []scim.EventType{scim.UserDeactivated}, covers: []string{"E-01"},
		})
	}
	for name, o := range switches(true) {
		list = append(list, deed{
			name: "activated, " + name, do: patching("carl", o),
			told: []string{"carl: deactivated -> " + annaBack}, events: []scim.EventType{scim.UserReactivated},
		})
	}
	return append(list, deedsToAddresses()...)
}

// deedsToAddresses change the domain of the e-mail address of ben, who has one, or of anna, whose userName it is.
func deedsToAddresses() []deed {
	const (
		ben  = "ben: " + benIs + " -> active guest(email_domain) member(connection_default)"
		anna = "anna: " + annaIs + " -> active crew(Crew) guest(email_domain) member(connection_default) owner(direct)"
	)
	work := []attrs{{"value": "ben@other.test", "type": "work", "primary": true}}
	list := []deed{
		{name: "PATCH replace", do: patching("ben", op("Replace", "emails", work)), told: []string{ben}},
		{name: "PATCH add", do: patching("anna", op("add", "emails", work)), told: []string{anna}},
		{name: "path-less", do: patching("ben", pathless("replace", attrs{"emails": work})), told: []string{ben}},
		{name: "path-less add", do: patching("anna", pathless("Add", attrs{"emails": work})), told: []string{anna}},
		{name: "URN path", do: patching("ben", op("replace", userURN+":emails", work)), told: []string{ben}},
		{name: "URN key", do: patching("ben", pathless("replace", attrs{userURN + ":emails": work})), told: []string{ben}},
		{name: "Entra's value path", do: patching("ben", op("Replace", `emails[type eq "work"].value`, "ben@other.test")), told: []string{ben}},
		{name: "Entra's value path, add", do: patching("ben", op("Add", `emails[type eq "work"].value`, "ben@other.test")), told: []string{ben}},
		{name: "PUT", do: putting("ben", attrs{"emails": work}), told: []string{ben}},
		{name: "userName", do: patching("anna", op("replace", "userName", "anna@other.test")), told: []string{anna}},
		{name: "userName, path-less", do: patching("anna", pathless("replace", attrs{"userName": "anna@OTHER.test"})), told: []string{anna}},
		{name: "userName, PUT", do: putting("anna", attrs{"userName": "anna@other.test"}), told: []string{anna}},
		{name: "userName beside an address", do: patching("ben", op("replace", "userName", "ben@other.test")), told: []string{"ben: " + benIs + " -> " + benIs}},
		{
			name: "out of every domain", do: patching("anna", op("add", "emails", []attrs{{"value": "anna@third.test", "primary": true}})),
			told: []string{"anna: " + annaIs + " -> active crew(Crew) member(connection_default) owner(direct)"},
		},
		{name: "while inactive", do: patching("carl", op("add", "emails", work)), told: []string{"carl: deactivated -> deactivated"}},
	}
	for i := range list {
		list[i].name, list[i].events = "moved, "+list[i].name, []scim.EventType{scim.UserUpdated}
	}
	return list
}

// deedsOfGroups are the deeds to groups.
func deedsOfGroups() []deed {
	changed, updated := []scim.EventType{scim.GroupMembersChanged}, []scim.EventType{scim.GroupUpdated}
	const (
		joined = "ben: " + benIs + " -> active crew(Crew) member(connection_default) staff(email_domain)"
		left   = "anna: " + annaIs + " -> active member(connection_default) owner(direct) staff(email_domain)"
		quiet  = "carl: deactivated -> deactivated"
	)
	return []deed{
		{
			name: "POST", do: func(l *registry) *response {
				return l.do("POST", "/Groups", attrs{"schemas": []string{groupURN}, "displayName": "New", "members": memberList(l.idsOf("anna", "ben")...)})
			},
			events: []scim.EventType{scim.GroupCreated}, covers: []string{"S-40"},
		},
		{name: "add", do: adding("Crew", "ben"), told: []string{joined}, events: changed},
		{name: "add, path-less", do: func(l *registry) *response {
			return l.patch(l.path("Crew"), pathless("add", attrs{"members": memberList(l.ids["ben"])}))
		}, told: []string{joined}, events: changed},
		{name: "add, URN path", do: func(l *registry) *response {
			return l.patch(l.path("Crew"), op("add", groupURN+":members", memberList(l.ids["ben"])))
		}, told: []string{joined}, events: changed},
		{name: "add of two, one of them again", do: adding("Crew", "anna", "ben"), told: []string{joined}, events: changed},
		{name: "add again", do: adding("Crew", "anna")},
		{name: "add of an inactive user", do: adding("Deck", "carl"), told: []string{quiet}, events: changed},
		{
			name: "add to another group of the same role", do: adding("Deck", "anna"), events: changed,
			told: []string{"anna: " + annaIs + " -> active crew(Crew,Deck) deck(Deck) member(connection_default) owner(direct) staff(email_domain)"},
		},
		{name: "add of a group", do: adding("Crew", "Plain"), events: changed},
		{name: "add to a group without a role", do: adding("Plain", "ben"), events: changed},
		{name: "remove from a group without a role", do: removing("Plain", "anna"), events: changed},
		{name: "remove, a list", do: removing("Crew", "anna"), told: []string{left}, events: changed},
		{name: "remove, a filter", do: func(l *registry) *response {
			return l.patch(l.path("Crew"), op("remove", `members[value eq "`+l.ids["anna"]+`"]`))
		}, told: []string{left}, events: changed},
		{name: "remove of who is not in it", do: removing("Crew", "ben")},
		{name: "remove all", do: patching("Crew", op("remove", "members")), told: []string{left, quiet}, events: changed},
		{name: "replace", do: func(l *registry) *response {
			return l.patch(l.path("Crew"), op("replace", "members", memberList(l.ids["ben"])))
		}, told: []string{left, joined, quiet}, events: changed},
		{name: "replace, path-less, with a name", do: func(l *registry) *response {
			return l.patch(l.path("Crew"), pathless("replace", attrs{"displayName": "Gang", "members": memberList(l.ids["ben"])}))
		}, told: []string{left, joined, quiet}, events: updated},
		{name: "PUT", do: puttingGroup("Crew", "Crew", "ben"), told: []string{left, joined, quiet}, events: changed},
		{name: "PUT with another name", do: puttingGroup("Crew", "Gang", "anna", "carl"), events: updated},
		{name: "renamed", do: patching("Crew", op("replace", "displayName", "Gang")), events: updated, covers: []string{"S-41"}},
		{name: "renamed as one that gives roles", do: patching("Plain", op("replace", "displayName", "Crew")), events: updated},
		{name: "DELETE", do: deleting("Crew"), told: []string{left}, events: []scim.EventType{scim.GroupDeleted}},
		{name: "DELETE of a group without a role", do: deleting("Plain"), events: []scim.EventType{scim.GroupDeleted}},
	}
}

func testDeeds(t *testing.T, deeds []deed) {
	t.Helper()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		for _, d := range deeds {
			t.Run(d.name, func(t *testing.T) {
				onRegistry(t, l)
				l.crewed()
				a := d.do(l)
				require.Less(t, a.status, 300, string(a.body))
				// The host knows before the provider has its answer.
				require.Equal(t, append([]string{}, d.told...), l.take())
				require.Equal(t, strings.Fields(strings.Replace("anna ben", d.ended, "", min(1, len(d.ended)))), l.sessions())
				require.Equal(t, append([]scim.EventType{}, d.events...), l.events.types())
				l.snapshot()
				covers(t, d.covers...)
			})
		}
	})
}

func TestDeedsToUsers(t *testing.T) {
	t.Parallel()
	testDeeds(t, deedsOfUsers())
}

func TestDeedsToGroups(t *testing.T) {
	t.Parallel()
	testDeeds(t, deedsOfGroups())
}

// Whoever leaves loses everything at once and is told once, whichever way the provider says it, and comes back without what was given
// directly.
func TestLeaving(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		l.crewed()
		l.user("boss")
		ways := []func(*registry) *response{patching("anna", op("replace", "active", false)), putting("anna", attrs{"active": false}), patching("anna", op("Replace", "active", "False"))}
		for i, leave := range ways {
			l.take()
			leave(l).is(200)
			require.Len(t, l.take(), 1)
			for _, again := range ways {
				again(l).is(200)
			}
			require.Empty(t, l.take(), "told again")
			deactivated, err := l.members.Member(t.Context(), l.scope, l.ids["anna"])
			require.NoError(t, err)
			require.Equal(t, scim.MemberDeactivated, deactivated.Status)
			require.Empty(t, deactivated.Roles)
			require.Empty(t, grantsOf(l, "anna"))
			require.ErrorIs(t, l.members.GrantRole(t.Context(), l.scope, l.ids["anna"], "owner"), store.ErrNotFound)
			l.patch(l.path("anna"), op("replace", "active", true)).is(200)
			require.Equal(t, []string{"anna: deactivated -> " + annaBack}, l.take())
			require.NotContains(t, l.sessions(), "anna")
			if i == 0 {
				covers(t, "S-39")
			}
		}
		l.take()
		deleting("anna")(l).is(204)
		require.Equal(t, []string{"anna: " + annaBack + " -> removed"}, l.take())
		covers(t, "S-38")
		deleting("anna")(l).fails(404, "")
		require.Empty(t, l.take())
		covers(t, "S-46")
		_, err := l.members.Member(t.Context(), l.scope, l.ids["anna"])
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func grantsOf(l *registry, name string) []store.Grant {
	l.t.Helper()
	grants, err := l.state.Grants(context.Background(), l.scope, l.ids[name])
	require.NoError(l.t, err)
	return grants[l.ids[name]]
}

// A role stays as long as one of its sources does, and all of them are listed.
func TestLastSources(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		l.crewed()
		ctx := t.Context()
		now := func() string {
			m, err := l.members.Member(ctx, l.scope, l.ids["anna"])
			require.NoError(t, err)
			return l.standing(m)
		}
		require.NoError(t, l.members.GrantRole(ctx, l.scope, l.ids["anna"], "crew"))
		l.assign("Crew crew", "Crew member", "Deck crew", "Deck deck", "Deck staff")
		adding("Deck", "anna")(l).is(204)
		require.Equal(t, "active crew(direct,Crew,Deck) deck(Deck) member(connection_default,Crew) owner(direct) staff(email_domain,Deck)", now())
		covers(t, "S-42", "S-50")
		removing("Crew", "anna")(l).is(204)
		require.Equal(t, "active crew(direct,Deck) deck(Deck) member(connection_default) owner(direct) staff(email_domain,Deck)", now())
		covers(t, "S-43")
		patching("anna", op("replace", "userName", "anna@third.test"))(l).is(200)
		require.Equal(t, "active crew(direct,Deck) deck(Deck) member(connection_default) owner(direct) staff(Deck)", now())
		require.NoError(t, l.members.RevokeRole(ctx, l.scope, l.ids["anna"], "crew"))
		require.Equal(t, "active crew(Deck) deck(Deck) member(connection_default) owner(direct) staff(Deck)", now())
		deleting("Deck")(l).is(204)
		require.Equal(t, "active member(connection_default) owner(direct)", now())
		covers(t, "S-44", "S-47")
		left, err := l.members.RoleAssignments(ctx, l.scope)
		require.NoError(t, err)
		require.Equal(t, []store.RoleAssignment{{Group: l.ids["Crew"], Role: "crew"}, {Group: l.ids["Crew"], Role: "member"}}, left)

		patching("anna", op("replace", "userName", "anna@other.test"))(l).is(200)
		require.Equal(t, "active guest(email_domain) member(connection_default) owner(direct)", now())
		patching("anna", op("replace", "userName", "anna@example.test"))(l).is(200)
		require.Equal(t, "active member(connection_default) owner(direct) staff(email_domain)", now())
		covers(t, "S-37")
	})
}

// The account is what it is to be when the provider has its answer, and an answer that is an error changed nothing.
func TestTheHostKnowsBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		l.crewed()
		before := l.rows()
		patching("anna", op("replace", "active", false))(l).is(200)
		after := l.rows()
		require.NotEqual(t, before[l.ids["anna"]], after[l.ids["anna"]])
		require.Contains(t, after[l.ids["anna"]], `"Status":"deactivated"`)
		covers(t, "S-45")
		require.Equal(t, before[l.ids["ben"]], after[l.ids["ben"]])
		l.do("POST", "/Users", user("ben@example.test")).fails(409, "uniqueness")
		adding("Crew", "ben")(l).is(204)
		after = l.rows()
		patching("ben", op("replace", "userName", "anna@example.test"))(l).fails(409, "uniqueness")
		l.patch(l.path("Crew"), op("add", "members", memberList("nobody"))).fails(400, "invalidValue")
		require.Equal(t, after, l.rows())
	})
}
