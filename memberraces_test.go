package scim_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// What happens at the same time, what it costs, and what becomes of members whose connection changes.

// together runs calls at the same time, and waits for all.
func together(calls ...func()) {
	var wait sync.WaitGroup
	for _, f := range calls {
		wait.Go(f)
	}
	wait.Wait()
}

// account returns the host's account of a member, as the transactions left it.
func (l *registry) account(id string) string {
	l.t.Helper()
	if l.memory() {
		l.mu.Lock()
		defer l.mu.Unlock()
		body, err := memberJSON(l.live[id])
		require.NoError(l.t, err)
		return body
	}
	return l.rows()[id]
}

// deletedEvery is in how many rounds the leaver is deleted once. PostgreSQL may take a second to find that the deletion, which changes
// groups, and a change of a group wait for each other.
const deletedEvery = 25

// A leaver neither keeps nor regains a role, whatever else happens to groups and assignments.
func TestLeaversWhileRolesChange(t *testing.T) {
	t.Parallel()
	more, _ := strconv.Atoi(os.Getenv("SCIM_TEST_ROUNDS"))
	onEachRegistry(t, func(t *testing.T, l *registry) {
		rounds := max(50, more)
		if l.memory() {
			rounds = max(1000, more)
		}
		l.lenient = true
		l.group("Crew")
		l.group("Deck")
		l.assign("Crew crew", "Deck deck")
		for n := range rounds {
			id := l.leaver(n)
			statuses := make([]int, 4)
			failures := make([]error, 3)
			leave := func() { statuses[0] = l.patch("/Users/"+id, op("replace", "active", false)).status }
			if n%deletedEvery == deletedEvery-1 {
				leave = func() { statuses[0] = l.do("DELETE", "/Users/"+id, nil).status }
			}
			together(
				leave,
				func() { statuses[1] = adding("Crew", "leaver")(l).status },
				func() { statuses[2] = removing("Deck", "leaver")(l).status },
				func() { statuses[3] = l.patch("/Users/"+id, op("replace", "title", fmt.Sprint(n))).status },
				func() { failures[0] = l.tryAssign("Crew crew", "Crew "+fmt.Sprint("r", n%3)) },
				func() { failures[1] = l.tryAssign("Deck deck", "Crew crew") },
				func() { failures[2] = l.members.GrantRole(context.Background(), l.scope, id, "owner") },
			)
			for _, status := range statuses {
				require.Contains(t, []int{200, 204, 400, 404}, status, "round %d: %v", n, statuses)
			}
			require.NoError(t, errors.Join(failures[0], failures[1]))
			require.True(t, failures[2] == nil || errors.Is(failures[2], store.ErrNotFound), failures[2])
			require.Empty(t, grantsOf(l, "leaver"), "round %d", n)
			require.Contains(t, l.account(id), `"Roles":null`, "round %d", n)
			require.NotContains(t, l.account(id), `"Status":"active"`, "round %d", n)
			l.returns(id)
		}
	})
}

// leaver returns an active user who is in Deck and not in Crew.
func (l *registry) leaver(n int) string {
	l.t.Helper()
	id := l.ids["leaver"]
	if n%deletedEvery == 0 {
		id = l.server.user(fmt.Sprint("leaver", n)).id()
		l.ids["leaver"], l.names[id] = id, "leaver"
	}
	l.patch("/Users/"+id, op("replace", "active", true)).is(200)
	removing("Crew", "leaver")(l).is(204)
	adding("Deck", "leaver")(l).is(204)
	return id
}

// returns requires that a user who is active again has the roles of its groups, whoever changed them, and none besides.
func (l *registry) returns(id string) {
	l.t.Helper()
	if l.patch("/Users/"+id, op("replace", "active", true)).status == 404 {
		return
	}
	m, err := l.members.Member(context.Background(), l.scope, id)
	require.NoError(l.t, err)
	assignments, err := l.members.RoleAssignments(context.Background(), l.scope)
	require.NoError(l.t, err)
	want := []string{"member"}
	for _, a := range assignments {
		if slices.ContainsFunc(m.Groups, func(g store.Group) bool { return g.ID == a.Group }) {
			want = append(want, a.Role)
		}
	}
	var got []string
	for _, r := range m.Roles {
		got = append(got, r.ID)
	}
	slices.Sort(want)
	require.Equal(l.t, slices.Compact(want), got)
}

// Members who join and leave groups at the same time end with the roles of the groups that they are in.
func TestGroupsChangeAtTheSameTime(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		l.lenient = true
		names := []string{"u0", "u1", "u2"}
		for _, name := range names {
			l.user(name, attrs{"userName": name})
		}
		groups := []string{"G0", "G1", "G2"}
		for _, name := range groups {
			l.group(name, names...)
		}
		statuses := make(chan int, 1000)
		for n := range 6 {
			var calls []func()
			for i, group := range groups {
				members := []string{names[(n+i)%3], names[n%3]}
				calls = append(calls, func() { statuses <- adding(group, members...)(l).status }, func() { statuses <- removing(group, members[0])(l).status })
			}
			calls = append(calls, func() { _ = l.tryAssign("G0 r0", "G1 r1") }, func() { _ = l.tryAssign("G1 r1", "G2 r2", "G0 r1") })
			together(calls...)
			for _, name := range names {
				l.returns(l.ids[name])
			}
		}
		close(statuses)
		for status := range statuses {
			require.Equal(t, 204, status)
		}
	})
}

// Groups that are deleted at the same time take their own assignments with them, and those of no other group.
func TestAssignmentsOfGroupsDeletedAtTheSameTime(t *testing.T) {
	t.Parallel()
	onEachRegistry(t, func(t *testing.T, l *registry) {
		for n := range 4 {
			l.crewed()
			groups := []string{"G0", "G1", "G2", "G3"}
			assignments := []string{"Crew crew"}
			for _, name := range groups {
				l.group(name, "anna")
				assignments = append(assignments, name+" r")
			}
			l.assign(assignments...)
			l.lenient = true
			var calls []func()
			statuses := make([]int, len(groups))
			for i, name := range groups {
				calls = append(calls, func() { statuses[i] = deleting(name)(l).status })
			}
			together(calls...)
			require.Equal(t, []int{204, 204, 204, 204}, statuses)
			left, err := l.members.RoleAssignments(t.Context(), l.scope)
			require.NoError(t, err)
			require.Equal(t, []store.RoleAssignment{{Group: l.ids["Crew"], Role: "crew"}}, left, "round %d", n)
			m, err := l.members.Member(t.Context(), l.scope, l.ids["anna"])
			require.NoError(t, err)
			require.Equal(t, annaIs, l.standing(m))
			l.lenient = false
		}
	})
}

// onEachMetered runs f on each database, with the driver that counts.
func onEachMetered(t *testing.T, f func(t *testing.T, l *registry, steps *dbtest.Driver, m *meter)) {
	t.Helper()
	for name, dialect := range map[string]filter.Dialect{"sqlite": filter.SQLite, "postgresql": filter.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, steps := dbtest.Open(t, dialect)
			m := &meter{meteredStore: openSQL(t, db, dialect).(meteredStore)}
			f(t, newRegistry(t, m, func(c *scim.MembersConfig) { c.DomainRoles = nil }), steps, m)
		})
	}
}

// meteredStore is all that a store of backends is.
type meteredStore interface {
	statefulStore
	store.MemberLister
	store.GroupLister
}

// meter notes how many resources are asked about at once.
type meter struct {
	meteredStore
	mu   sync.Mutex
	most int
	list func() // called before a List
}

func (m *meter) note(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = max(m.most, n)
}

func (m *meter) List(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
	if m.list != nil {
		m.list()
	}
	return m.meteredStore.List(ctx, scope, query)
}

func (m *meter) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
	page, err := m.meteredStore.Members(ctx, scope, query)
	m.note(len(page.Memberships))
	return page, err
}

func (m *meter) Groups(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
	m.note(len(members))
	return m.meteredStore.Groups(ctx, scope, members)
}

func (m *meter) Grants(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
	m.note(len(members))
	return m.meteredStore.Grants(ctx, scope, members...)
}

func (m *meter) Granted(ctx context.Context, scope store.Scope, query store.GrantQuery) ([]string, error) {
	ids, err := m.meteredStore.Granted(ctx, scope, query)
	m.note(len(ids))
	return ids, err
}

// crowd stores users beside the handler, of whom the host was not told, and returns their ids.
func (l *registry) crowd(n int) []string {
	l.t.Helper()
	ids := make([]string, n)
	require.NoError(l.t, l.inTx(func(ctx context.Context) error {
		for i := range ids {
			ids[i] = fmt.Sprintf("crowd-%05d", i)
			document := store.NewDocument([]byte(fmt.Sprintf(`{"schemas":[%q],"userName":"crowd%d","active":true}`, userURN, i)))
			_, err := l.backend.Create(ctx, l.scope, store.Draft{
				Ref: store.Ref{Type: "User", ID: ids[i]}, At: l.clock.now(), Document: document,
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	l.lenient = true
	return ids
}

// What a leaver costs does not depend on how many groups it is in, save for the groups themselves where they change.
func TestCostOfLeaving(t *testing.T) {
	t.Parallel()
	onEachMetered(t, func(t *testing.T, l *registry, steps *dbtest.Driver, _ *meter) {
		leave := func(groups int, do func(*registry) *response) int64 {
			l.fresh()
			l.user("leaver")
			var assignments []string
			for i := range groups {
				name := fmt.Sprint("Group", i)
				l.group(name, "leaver")
				assignments = append(assignments, name+" "+fmt.Sprint("role", i))
			}
			l.assign(assignments...)
			require.Len(t, grantsOf(l, "leaver"), groups+1)
			l.take()
			l.events.take()
			before := steps.Steps()
			require.Less(t, do(l).status, 300)
			cost := steps.Steps() - before
			require.Len(t, l.take(), 1)
			return cost
		}
		inactive := patching("leaver", op("replace", "active", false))
		leave(1, inactive) // statements are prepared
		few, many := leave(5, inactive), leave(50, inactive)
		require.Equal(t, few, many)
		require.LessOrEqual(t, many, int64(20))
		few, many = leave(5, deleting("leaver")), leave(50, deleting("leaver"))
		require.LessOrEqual(t, many, few+45*6, "six a group")
		events := l.events.take()
		require.Len(t, events, 51)
		require.Equal(t, scim.UserDeleted, events[0].Type)
		for _, e := range events[1:] {
			require.Equal(t, scim.GroupMembersChanged, e.Type)
			require.EqualValues(t, 2, e.Version)
			require.Empty(t, l.server.members(e.Resource.ID))
		}
		l.do("GET", l.path("leaver"), nil).fails(404, "")
		covers(t, "E-04")
		t.Logf("deactivated: %d steps; deleted from 5 groups: %d, from 50: %d", leave(5, inactive), few, many)
	})
}

// A role for a large group reaches all of its members, a page at a time, or none.
func TestRolesOfALargeGroup(t *testing.T) {
	t.Parallel()
	onEachMetered(t, func(t *testing.T, l *registry, steps *dbtest.Driver, m *meter) {
		const size = 2000
		ids := l.crowd(size)
		group := l.server.group("All").id()
		_, err := l.backend.Update(t.Context(), l.scope, store.Ref{Type: "Group", ID: group}, patch.ChangeSet{Members: patch.Delta{Add: ids}},
			store.Write{At: l.clock.now()})
		require.NoError(t, err)
		l.ids["All"] = group
		l.take()
		l.failAt, l.failure = 300, errors.New("canary")
		require.ErrorIs(t, l.tryAssign("All all"), l.failure)
		granted, err := l.state.Granted(t.Context(), l.scope, store.GrantQuery{Source: store.SourceGroup, Limit: 1})
		require.NoError(t, err)
		require.Empty(t, granted)
		require.Empty(t, l.rows())
		require.Empty(t, l.take())

		before := steps.Steps()
		l.failAt, m.most = 0, 0
		l.assign("All all")
		cost := steps.Steps() - before
		require.Len(t, l.take(), size)
		require.Len(t, l.rows(), size)
		require.LessOrEqual(t, cost, int64(5*size))
		require.LessOrEqual(t, m.most, 200)
		for _, id := range []string{ids[0], ids[size/2], ids[size-1]} {
			require.NotNil(t, l.last(id).Explain("all"))
		}
		t.Logf("%d steps for %d members, %d at once", cost, size, m.most)
	})
}

// onEachManaged runs f once per store, with a connection that the library manages.
func onEachManaged(t *testing.T, f func(t *testing.T, l *registry, d *desk, c scim.Connection)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			l := newRegistry(t, backend)
			d := newDesk(t, backend, func(c *scim.ConnectionsConfig) { c.Events = scim.FanOut(c.Events, l.members) })
			l.next = func() store.Scope {
				c, _ := d.connect(fmt.Sprint("managed", l.number))
				return c.Scope()
			}
			l.crewed()
			c, err := d.Get(t.Context(), l.scope)
			require.NoError(t, err)
			f(t, l, d, c)
		})
	}
}

func TestConnectionsOfMembers(t *testing.T) {
	t.Parallel()
	onEachManaged(t, func(t *testing.T, l *registry, d *desk, c scim.Connection) {
		before := l.snapshot()
		for _, status := range []store.ConnectionStatus{store.StatusDisabled, store.StatusActive, store.StatusDisabled} {
			_, err := d.set(c, status)
			require.NoError(t, err)
			require.Empty(t, l.take(), "disabling it changes nobody")
			require.Equal(t, before, l.snapshot())
		}
		record := d.record(c)
		d.events.take()
		for n := range 2 {
			l.calls, l.failAt, l.failure = 0, n+1, errors.New("canary")
			require.ErrorIs(t, d.Delete(t.Context(), c.Scope()), l.failure)
			require.Equal(t, before, l.snapshot())
			require.Equal(t, record, d.record(c))
			require.Empty(t, d.events.take())
		}
		l.calls, l.failAt = 0, 0
		require.NoError(t, d.Delete(t.Context(), c.Scope()))
		require.ElementsMatch(t, []string{
			"anna: " + annaIs + " -> active owner(direct) staff(email_domain)", "ben: " + benIs + " -> active staff(email_domain)",
		}, l.take())
		require.Equal(t, []string{"anna", "ben"}, l.sessions())
		left, err := l.members.RoleAssignments(t.Context(), c.Scope())
		require.NoError(t, err)
		require.Empty(t, left)
		d.watch.advance(2 * 3600 * 1e9)
		require.NoError(t, d.Sweep(t.Context()))
		require.Empty(t, l.take(), "resources that are purged have no events")
		require.Equal(t, scim.MemberActive, l.last(l.ids["anna"]).Status)
	})
}

// Resync tells the host of everyone, also while users are deleted, and of the roles that its rules give now.
func TestResync(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			m := &meter{meteredStore: b.open(t).(meteredStore)}
			defaults := []string{"member"}
			l := newRegistry(t, m, func(c *scim.MembersConfig) { c.DefaultRoles = func(store.Scope) []string { return defaults } })
			require.NoError(t, l.members.Resync(t.Context(), l.scope), "of nobody")
			require.Empty(t, l.take())
			l.crewed()
			require.NoError(t, l.members.Resync(t.Context(), l.scope))
			require.ElementsMatch(t, []string{"anna: " + annaIs + " -> " + annaIs, "ben: " + benIs + " -> " + benIs, "carl: deactivated -> deactivated"}, l.take())
			defaults = nil
			require.NoError(t, l.members.Resync(t.Context(), l.scope))
			require.ElementsMatch(t, []string{
				"anna: " + annaIs + " -> active crew(Crew) owner(direct) staff(email_domain)", "ben: " + benIs + " -> active staff(email_domain)",
				"carl: deactivated -> deactivated",
			}, l.take())
			require.Equal(t, []string{"anna", "ben"}, l.sessions())

			l.fresh()
			ids := l.crowd(450)
			gone := map[string]bool{}
			lists := 0
			m.list = func() { // between pages
				lists++
				for i := range 40 {
					id := ids[(lists*40+i*7)%len(ids)]
					if lists > 1 && !gone[id] {
						gone[id] = true
						l.do("DELETE", "/Users/"+id, nil).is(204)
					}
				}
			}
			require.NoError(t, l.members.Resync(t.Context(), l.scope))
			require.Greater(t, len(gone), 50)
			require.LessOrEqual(t, m.most, 200)
			for _, id := range ids {
				if gone[id] {
					require.Equal(t, scim.MemberRemoved, l.last(id).Status)
				} else {
					require.Equal(t, scim.MemberActive, l.last(id).Status, id)
				}
			}
			m.list = nil

			l.take()
			l.calls, l.failAt, l.failure = 0, 1, errors.New("canary")
			require.ErrorIs(t, l.members.Resync(t.Context(), l.scope), l.failure)
			require.Empty(t, l.take())
		})
	}
}
