package scim_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// Who a member is: addresses that a connection may claim, accounts that the host has already, those who come back, and names that mean nothing.

// onEachClaimed runs f once per store, with a connection that may use the domains in a list, and a user x.
func onEachClaimed(t *testing.T, f func(t *testing.T, l *registry, domains *[]string), options ...func(*scim.MembersConfig)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			domains := &[]string{"a.test", "ALSO.test"}
			with := func(c *scim.MembersConfig) { c.Domains = func(store.Scope) []string { return *domains } }
			l := newRegistry(t, b.open(t), append(options, with)...)
			id := l.server.user("x@a.test", attrs{"externalId": "e-x", "emails": []attrs{{"value": "x@a.test", "type": "work", "primary": true}}}).id()
			l.ids["x"], l.names[id] = id, "x"
			l.events.take()
			l.take()
			f(t, l, domains)
		})
	}
}

// refused requires that requests are refused for their addresses, and change nothing.
func (l *registry) refused(requests ...func(*registry) *response) {
	l.t.Helper()
	before := l.snapshot()
	for _, f := range requests {
		a := f(l).fails(400, "invalidValue")
		require.Contains(l.t, a.detail(), "must be an e-mail address of a domain that this connection may use")
	}
	require.Equal(l.t, before, l.snapshot())
	require.Empty(l.t, l.take())
	require.Empty(l.t, l.events.take())
}

func posting(userName string, more ...map[string]any) func(*registry) *response {
	return func(l *registry) *response { return l.do("POST", "/Users", user(userName, more...)) }
}

func TestClaimedDomains(t *testing.T) {
	t.Parallel()
	mine := attrs{"value": "x@a.test", "type": "work", "primary": true}
	foreign := attrs{"value": "x@b.test", "type": "home"}
	put := func(userName string, more ...map[string]any) func(*registry) *response {
		return func(l *registry) *response { return l.do("PUT", l.path("x"), user(userName, more...)) }
	}
	onEachClaimed(t, func(t *testing.T, l *registry, domains *[]string) {
		l.refused(
			posting("y@b.test"),
			posting("y", attrs{"emails": []attrs{foreign}}),
			posting("y@a.test", attrs{"emails": []attrs{mine, foreign}}),
			posting("y@b.test", attrs{"active": false}),
			put("x@b.test"), put("x@a.test", attrs{"emails": []attrs{foreign}}), put("x@a.test", attrs{"emails": []attrs{mine, foreign}}),
			patching("x", op("replace", "userName", "x@b.test")),
			patching("x", op("add", "userName", "x@b.test")),
			patching("x", op("replace", "emails", []attrs{foreign})),
			patching("x", op("add", "emails", []attrs{foreign})),
			patching("x", pathless("replace", attrs{"emails": []attrs{foreign}})),
			patching("x", pathless("add", attrs{"emails": []attrs{foreign}})),
			patching("x", pathless("Add", attrs{"userName": "x@b.test"})),
			patching("x", pathless("replace", attrs{userURN + ":userName": "x@b.test"})),
			patching("x", pathless("replace", attrs{`emails[type eq "work"].value`: "x@b.test"})),
			patching("x", op("replace", userURN+":emails", []attrs{foreign})),
			patching("x", op("replace", `emails[type eq "work"].value`, "x@b.test")),
			patching("x", op("add", `emails[type eq "home"].value`, "x@b.test")),
			patching("x", op("replace", "active", false), op("add", "emails", []attrs{foreign})),
			patching("x", op("add", "emails", []attrs{foreign}), op("remove", `emails[type eq "work"]`)),
		)
		covers(t, "ID-01")

		patching("x", op("replace", "emails", []attrs{{"value": "y@a.test", "type": "work", "primary": true}}))(l).is(200)
		events := l.events.take()
		require.Len(t, events, 1)
		require.Equal(t, scim.UserUpdated, events[0].Type)
		require.Len(t, events[0].Changes, 1)
		require.Equal(t, "emails", events[0].Changes[0].Path)
		require.Contains(t, string(events[0].Changes[0].Before), "x@a.test")
		require.Contains(t, string(events[0].Changes[0].After), "y@a.test")
		l.mu.Lock()
		told := l.told[0]
		l.mu.Unlock()
		require.Equal(t, []string{"x@a.test", "y@a.test"}, []string{told.before.Email, told.after.Email})
		covers(t, "ID-02")
		posting("name without a domain")(l).is(201)
		posting("z@ALSO.TEST")(l).is(201)

		*domains = []string{}
		l.take()
		l.events.take()
		l.refused(posting("w@a.test"))
		*domains = nil
		posting("w@anywhere.test")(l).is(201)
	})
}

// An address that two programs may read differently is of no domain.
func TestAddressesOfNoDomain(t *testing.T) {
	t.Parallel()
	onEachClaimed(t, func(t *testing.T, l *registry, domains *[]string) {
		*domains = []string{"a.com"}
		var requests []func(*registry) *response
		for _, address := range []string{
			"x@a.com.", "x@\u0430.com", "x@xn--80a.com", "x@xn--a.com", "x@a.com@b.com", "x@b.com@a.com", `"x@a.com"@b.com`, `"x"@a.com`, "x@[127.0.0.1]", "x@a.com ", "x @a.com",
			" x@a.com", "x@a.com\u200f", "x\u200f@a.com", "x\u202e@a.com", "x@\u202ea.com", "x@sub.a.com", "x@nota.com", "x@a.com.b.com", "@a.com", "x@", "x@.a.com",
			"x@a..com", "x@-a.com", "x@a.com\u200b", "x@\uff41.com", "x@a\u3002com", "x@a.com,x@b.com", "x@b.com,@a.com", "<x@b.com>@a.com@b.com", "x\u00ad@a.com",
		} {
			requests = append(requests, posting(address), posting("y", attrs{"emails": []attrs{{"value": address}}}),
				patching("x", op("add", "emails", []attrs{{"value": address}})))
		}
		requests = append(requests, posting("y", attrs{"emails": []attrs{{"value": "a.com"}}}))
		l.refused(requests...)
		before := l.snapshot()
		posting("x@a.com\u0000@b.com")(l).is(400)
		require.Equal(t, before, l.snapshot())
		posting("p@A.COM")(l).is(201)
		posting("q@a.com")(l).is(201)
		*domains = []string{"A.com"}
		posting("r@a.com")(l).is(201)
		covers(t, "ID-04")
	})
}

// A domain that is taken away keeps nobody from leaving.
func TestDomainsTakenAway(t *testing.T) {
	t.Parallel()
	onEachClaimed(t, func(t *testing.T, l *registry, domains *[]string) {
		*domains = []string{"c.test"}
		l.get(l.path("x"))
		patching("x", op("replace", "title", "Cook"))(l).is(200)
		patching("x", op("replace", "active", false))(l).is(200)
		require.Equal(t, scim.MemberDeactivated, l.last(l.ids["x"]).Status)
		l.do("PUT", l.path("x"), user("x@a.test", attrs{"externalId": "e-x", "active": false})).is(200)
		l.take()
		l.events.take()
		l.refused(patching("x", op("replace", "userName", "y@a.test")), patching("x", op("replace", "emails", []attrs{{"value": "x2@a.test"}})))
		patching("x", op("replace", "userName", "x@c.test"))(l).is(200)
		l.take()
		l.events.take()
		l.refused(patching("x", op("replace", "userName", "x@a.test")))
		covers(t, "ID-06")
		deleting("x")(l).is(204)
	})
}

// An address is claimed wherever the attribute mapping takes it from.
func TestMappedAddressesAreClaimed(t *testing.T) {
	t.Parallel()
	onEachClaimed(t, func(t *testing.T, l *registry, _ *[]string) {
		require.NoError(t, l.members.SetAttributeMapping(t.Context(), l.scope, map[string]string{"nickName": "email", "title": "{{ value | downcase }}.email"}))
		l.refused(
			posting("y", attrs{"nickName": "boss@b.test"}),
			posting("y", attrs{"title": "BOSS@B.TEST"}),
			patching("x", op("remove", "emails"), op("replace", "nickName", "boss@b.test")),
		)
		patching("x", op("remove", "emails"), op("replace", "nickName", "z@a.test"))(l).is(200)
		require.Equal(t, "z@a.test", l.last(l.ids["x"]).Email)
	})
}

// Whether an account that the host has becomes the member's is for the host to say.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			link := func(_ context.Context, after scim.Member) (scim.Link, error) {
				asked = append(asked, after.Email)
				switch after.Email {
				case "own@example.test":
					return scim.LinkExisting, nil
				case "boss@example.test":
					return scim.LinkRefuse, nil
				case "slow@example.test":
					return 0, errors.New("canary")
				default:
					return scim.LinkCreate, nil
				}
			}
			l := newRegistry(t, b.open(t), func(c *scim.MembersConfig) { c.Link = link })
			l.user("anna")
			require.Equal(t, scim.LinkCreate, l.last(l.ids["anna"]).Link)
			own := posting("own@example.test")(l).is(201).id()
			require.Equal(t, scim.LinkExisting, l.last(own).Link)
			require.Equal(t, own, l.last(own).ID)
			l.take()
			l.events.take()
			before := l.snapshot()
			posting("boss@example.test")(l).fails(409, "uniqueness")
			posting("boss", attrs{"emails": []attrs{{"value": "boss@example.test", "primary": true}}})(l).fails(409, "uniqueness")
			patching("anna", op("replace", "userName", "boss@example.test"))(l).fails(409, "uniqueness")
			patching("anna", op("add", "emails", []attrs{{"value": "boss@example.test", "primary": true}}))(l).fails(409, "uniqueness")
			putting("anna", attrs{"userName": "boss@example.test"})(l).fails(409, "uniqueness")
			posting("slow@example.test")(l).fails(503, "")
			require.Equal(t, before, l.snapshot())
			require.Empty(t, l.events.take())
			require.Empty(t, l.take())
			covers(t, "ID-03")
			asked = nil
			patching("anna", op("replace", "title", "Cook"))(l).is(200)
			patching("anna", op("replace", "active", false))(l).is(200)
			posting("nobody")(l).is(201)
			require.Empty(t, asked, "no address is new")
		})
	}
}

// Whoever comes back is somebody new, of whom the host is told who it may have been.
func TestComingBack(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		l.crewed()
		gone := l.ids["anna"]
		deleting("anna")(l).is(204)
		l.take()
		back := posting("ANNA@example.test", attrs{"externalId": "e-anna"})(l).is(201).id()
		require.NotEqual(t, gone, back)
		require.Equal(t, []string{"ANNA: - -> " + benIs}, l.take(), "neither roles nor groups come back")
		p := l.last(back).Predecessors
		require.Len(t, p, 1)
		require.Equal(t, []string{gone, "e-anna", "anna@example.test"}, []string{p[0].Member, p[0].ExternalID, p[0].UserName})
		require.Equal(t, scim.MemberRemoved, l.last(gone).Status)
		covers(t, "E-05")

		l.do("DELETE", "/Users/"+back, nil).is(204)
		other := posting("other@example.test", attrs{"externalId": "e-anna"})(l).is(201).id()
		require.Len(t, l.last(other).Predecessors, 2, "by the external id")
		require.Equal(t, back, l.last(other).Predecessors[0].Member, "the latest first")
		named := posting("anna@example.test", attrs{"externalId": "another"})(l).is(201).id()
		require.Len(t, l.last(named).Predecessors, 2, "by the name")
		require.Empty(t, l.last(posting("new@example.test")(l).is(201).id()).Predecessors)

		// A name that was somebody's makes nobody of who has it now.
		l.do("DELETE", "/Users/"+named, nil).is(204)
		l.take()
		patching("ben", op("replace", "userName", "anna@example.test"))(l).is(200)
		require.Equal(t, []string{"ben: " + benIs + " -> " + benIs}, l.take())
		require.Empty(t, l.last(l.ids["ben"]).Predecessors)
		covers(t, "ID-05")
		l.fresh()
		require.Empty(t, l.last(posting("anna@example.test", attrs{"externalId": "e-anna"})(l).is(201).id()).Predecessors, "of another connection")
	})
}

// What is neither true nor false tells nobody anything.
func TestActiveIsNotGuessed(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		l.crewed()
		before := l.snapshot()
		for _, name := range []string{"anna", "carl"} {
			for _, value := range []any{"banana", 0, nil, []any{}, "0", "1", 1, attrs{}} {
				patching(name, op("replace", "active", value))(l).fails(400, "invalidValue")
				patching(name, pathless("replace", attrs{"active": value}))(l).fails(400, "invalidValue")
			}
		}
		require.Equal(t, before, l.snapshot())
		require.Empty(t, l.take())
		covers(t, "E-02")
	})
}

// Groups give roles by their ids alone.
func TestNamesGiveNoRoles(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		l.crewed()
		for _, name := range []string{"Crew", "crew", "CREW", "Admins", "member", "owner"} {
			l.server.group(name, l.idsOf("ben")...)
		}
		require.Empty(t, l.take())
		same := l.server.group("Crew").id()
		l.events.take()
		l.patch("/Groups/"+same, op("add", "members", memberList(l.ids["ben"]))).is(204)
		require.Empty(t, l.take())
		l.do("DELETE", "/Groups/"+same, nil).is(204)
		require.Empty(t, l.take())
		require.ElementsMatch(t, l.idsOf("anna", "carl"), l.server.members(l.ids["Crew"]))
		covers(t, "GR-05")
		l.events.take()
		patching("Plain", op("replace", "displayName", "Crew"))(l).is(204)
		events := l.events.take()
		require.Len(t, events, 1)
		require.Equal(t, l.ids["Plain"], events[0].Resource.ID)
		require.Len(t, events[0].Changes, 1)
		require.Equal(t, []string{`"Plain"`, `"Crew"`}, []string{string(events[0].Changes[0].Before), string(events[0].Changes[0].After)})
		require.Empty(t, l.take())
		covers(t, "GR-01")

		// Groups in groups pass nothing on, also in circles.
		l.group("Top")
		l.assign("Crew crew", "Top top")
		l.take()
		l.patch(l.path("Top"), op("add", "members", memberList(l.idsOf("Top", "Crew")...))).is(204)
		l.patch(l.path("Crew"), op("add", "members", memberList(l.idsOf("Top")...))).is(204)
		require.Empty(t, l.take())
		deleting("Top")(l).is(204)
		require.Empty(t, l.take())
	})
}
