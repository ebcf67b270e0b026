package scim_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// What the host refuses, or cannot do now, has not happened.

// act is something that tells the host about members: a request, or a call of MemberSink.
type act struct {
	name   string
	do     func(l *registry) *response
	call   func(l *registry) error
	covers []string
}

var acts = []act{
	{name: "POST", do: func(l *registry) *response { return l.do("POST", "/Users", user("dora@example.test")) }},
	{name: "PUT", do: putting("anna", attrs{"title": "Cook"})},
	{name: "PATCH", do: patching("ben", op("replace", "userName", "other@example.test"))},
	{name: "deactivated", do: patching("anna", op("replace", "active", false)), covers: []string{"E-03"}},
	{name: "deactivated, PUT", do: putting("anna", attrs{"active": false})},
	{name: "activated", do: patching("carl", op("replace", "active", true))},
	{name: "DELETE", do: deleting("anna")},
	{name: "add to a group", do: adding("Deck", "anna", "ben", "carl")},
	{name: "remove from a group", do: removing("Crew", "anna", "ben")},
	{name: "remove all", do: patching("Crew", op("remove", "members"))},
	{name: "replace the members", do: func(l *registry) *response {
		return l.patch(l.path("Deck"), pathless("replace", attrs{"displayName": "Top", "members": memberList(l.idsOf("anna", "ben")...)}))
	}},
	{name: "PUT of a group", do: puttingGroup("Crew", "Gang", "ben")},
	{name: "DELETE of a group", do: deleting("Crew")},
	{name: "role assignments", call: func(l *registry) error { return l.tryAssign("Plain plain", "Crew other") }},
	{name: "a role given", call: func(l *registry) error {
		return l.members.GrantRole(context.Background(), l.scope, l.ids["ben"], "owner")
	}},
	{name: "a role taken", call: func(l *registry) error {
		return l.members.RevokeRole(context.Background(), l.scope, l.ids["anna"], "owner")
	}},
	{name: "the connection deleted", call: func(l *registry) error {
		return store.InTx(context.Background(), l.backend, func(ctx context.Context) error {
			return l.members.Emit(ctx, scim.Event{Type: scim.ConnectionDeleted, Connection: l.scope.Connection, Tenant: l.scope.Tenant})
		})
	}},
}

// prepare makes the connection that acts are done to.
func (l *registry) prepare() {
	l.t.Helper()
	l.crewed()
	adding("Crew", "ben")(l).is(204)
	l.take()
	l.events.take()
}

// fails requires that an act is undone, whichever call of Apply fails, and done when it is repeated.
func (a act) fails(t *testing.T, l *registry, failure error, refused func(*response)) {
	t.Helper()
	l.prepare()
	a.succeeds(t, l)
	want := l.take()
	require.NotEmpty(t, want)
	for n := range want {
		l.prepare()
		before := l.snapshot()
		l.failAt, l.failure = n+1, failure
		if a.call != nil {
			require.ErrorIs(t, a.call(l), failure)
		} else {
			refused(a.do(l))
		}
		require.Equal(t, n+1, l.calls)
		require.Equal(t, before, l.snapshot())
		require.Empty(t, l.events.take())
		require.Empty(t, l.take())
		l.failAt = 0
		a.succeeds(t, l)
		require.Equal(t, want, l.take())
	}
}

func (a act) succeeds(t *testing.T, l *registry) {
	t.Helper()
	if a.call != nil {
		require.NoError(t, a.call(l))
		return
	}
	answer := a.do(l)
	require.Less(t, answer.status, 300, string(answer.body))
	require.NotEmpty(t, l.events.take())
}

func TestApplyFails(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		for _, a := range acts {
			t.Run(a.name, func(t *testing.T) {
				onRegistry(t, l)
				a.fails(t, l, errors.New("the host is down"), func(answer *response) {
					answer.fails(503, "")
					require.NotEmpty(t, answer.header.Get("Retry-After"))
					require.NotContains(t, string(answer.body), "the host is down")
				})
				covers(t, a.covers...)
			})
		}
	})
}

// The host's refusal is the answer, whatever was being done.
func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		for _, a := range acts {
			t.Run(a.name, func(t *testing.T) {
				onRegistry(t, l)
				refusal := &scim.Refusal{Status: 409, ScimType: "uniqueness", Attribute: "userName", Detail: "the crew is full"}
				a.fails(t, l, refusal, func(answer *response) {
					answer.fails(409, "uniqueness")
					require.Equal(t, "the crew is full", answer.detail())
					require.Empty(t, answer.header.Get("Retry-After"))
				})
			})
		}
		l.prepare()
		before := l.snapshot()
		for status, want := range map[int]int{
			400: 400, 403: 403, 404: 404, 409: 409, 412: 412, 413: 413, 422: 422, 429: 429, 499: 499,
			401: 400, 500: 400, 503: 400, 399: 400, 302: 400, 200: 400, 0: 400, -1: 400, 600: 400,
		} {
			l.failure = fmt.Errorf("wrapped: %w", &scim.Refusal{Status: status, Detail: "no"})
			for _, do := range []func(*registry) *response{acts[0].do, acts[3].do, adding("Deck", "anna")} {
				l.failAt = l.calls + 1
				answer := do(l).fails(want, "")
				require.Equal(t, "no", answer.detail())
				require.Empty(t, answer.header.Get("WWW-Authenticate"))
			}
		}
		require.Equal(t, before, l.snapshot())
		require.Empty(t, l.take())
	})
}

// protected refuses changes of the resources in it.
type protected struct {
	ids     map[string]bool
	refusal error
}

func (p *protected) mayModify(_ context.Context, _ store.Scope, before store.Resource) error {
	if p.ids[before.ID] {
		return p.refusal
	}
	return nil
}

// What is protected stays as it is, also where something else would change it, and that does not happen either.
func TestProtectedResources(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			p := &protected{}
			l := newRegistry(t, b.open(t), func(c *scim.MembersConfig) { c.MayModify = p.mayModify })
			l.prepare()
			l.group("Inner", "ben")
			l.patch(l.path("Crew"), op("add", "members", memberList(l.ids["Inner"]))).is(204)
			l.take()
			l.events.take()
			before := l.snapshot()
			refuses := func(name string, do ...func(*registry) *response) {
				t.Helper()
				p.ids = map[string]bool{l.ids[name]: true}
				for i, f := range do {
					p.refusal = errors.New("canary")
					answer := f(l).fails(403, "")
					require.NotContains(t, answer.detail(), "canary", i)
					p.refusal = &scim.Refusal{Status: 409, Detail: "not this one"}
					require.Equal(t, "not this one", f(l).fails(409, "").detail())
				}
				require.Equal(t, before, l.snapshot())
				require.Empty(t, l.take())
				require.Empty(t, l.events.take())
			}
			refuses(
				"Crew", deleting("Crew"), puttingGroup("Crew", "Gang", "anna"), puttingGroup("Crew", "Crew"), removing("Crew", "anna"),
				patching("Crew", op("replace", "displayName", "Gang")), patching("Crew", op("remove", "members")), adding("Crew", "Deck"),
				deleting("anna"), deleting("carl"), deleting("Inner"),
			)
			covers(t, "GR-02")
			refuses(
				"anna", deleting("anna"), patching("anna", op("replace", "active", false)), putting("anna", attrs{"active": false}),
				putting("anna", attrs{"title": "Cook"}), patching("anna", op("replace", "nickName", "Ann")),
				patching("anna", pathless("replace", attrs{"userName": "else@example.test"})),
			)
			covers(t, "GR-04")
			// What changes nothing is no change, and others may come and go.
			patching("anna", op("replace", "active", true))(l).is(200)
			adding("Deck", "anna")(l).is(204)
			deleting("Crew")(l).is(204)
			deleting("ben")(l).is(204)
			require.NotEmpty(t, l.take())
		})
	}
}
