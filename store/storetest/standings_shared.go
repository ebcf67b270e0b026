package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimkit/scim/store"
)

// standingCalls returns every method that takes a scope, with arguments that would find or change something in the right one.
func (r *rig) standingCalls() []call {
	return []call{
		{"AttributeMapping", func(ctx context.Context, scope store.Scope) error {
			_, err := r.known.AttributeMapping(ctx, scope)
			return err
		}},
		{"PutAttributeMapping", func(ctx context.Context, scope store.Scope) error {
			return r.known.PutAttributeMapping(ctx, scope, "changed")
		}},
		{"PutAttributeMapping", func(ctx context.Context, scope store.Scope) error { return r.known.PutAttributeMapping(ctx, scope, "") }},
		{"RoleAssignments", func(ctx context.Context, scope store.Scope) error {
			_, err := r.known.RoleAssignments(ctx, scope)
			return err
		}},
		{"PutRoleAssignments", func(ctx context.Context, scope store.Scope) error { return r.known.PutRoleAssignments(ctx, scope, nil) }},
		{"Grants", func(ctx context.Context, scope store.Scope) error {
			_, err := r.known.Grants(ctx, scope, knownMembers...)
			return err
		}},
		{"Grants", func(ctx context.Context, scope store.Scope) error {
			_, err := r.known.Grants(ctx, scope)
			return err
		}},
		{"PutGrants", func(ctx context.Context, scope store.Scope) error { return r.known.PutGrants(ctx, scope, "ann", nil) }},
		{"Granted", func(ctx context.Context, scope store.Scope) error {
			_, err := r.known.Granted(ctx, scope, store.GrantQuery{Source: store.SourceGroup, Limit: 10})
			return err
		}},
		{"Granted", func(ctx context.Context, scope store.Scope) error {
			_, err := r.known.Granted(ctx, scope, store.GrantQuery{Source: store.SourceGroup, Group: "g", Limit: 10})
			return err
		}},
		{"PutTombstone", func(ctx context.Context, scope store.Scope) error {
			return r.known.PutTombstone(ctx, scope, r.stone("ann", "e", "u"))
		}},
		{"Tombstones", func(ctx context.Context, scope store.Scope) error {
			_, err := r.known.Tombstones(ctx, scope, "e", "u")
			return err
		}},
	}
}

// knownMembers are the members of whom settle stores something.
var knownMembers = []string{"ann", "bea", "cleo"}

// settle stores something of everything.
func (r *rig) settle(ctx context.Context, scope store.Scope, name string) {
	r.Helper()
	r.ok(r.known.PutAttributeMapping(ctx, scope, `"`+name+`"`), "PutAttributeMapping")
	r.ok(r.known.PutRoleAssignments(ctx, scope, []store.RoleAssignment{gives("g", name), gives("h", "x")}), "PutRoleAssignments")
	for _, member := range knownMembers[:2] {
		r.ok(r.known.PutGrants(ctx, scope, member, []store.Grant{direct(name), byGroup("x", "g")}), "PutGrants")
		r.ok(r.known.PutTombstone(ctx, scope, r.stone(member+" of "+name, "e", "u")), "PutTombstone")
	}
}

// standing renders all that is known of members in a scope.
func (r *rig) standing(ctx context.Context, scope store.Scope) string {
	r.Helper()
	mapping, err := r.known.AttributeMapping(ctx, scope)
	r.ok(err, "AttributeMapping")
	assignments, err := r.known.RoleAssignments(ctx, scope)
	r.ok(err, "RoleAssignments")
	grants, err := r.known.Grants(ctx, scope, knownMembers...)
	r.ok(err, "Grants")
	stones, err := r.known.Tombstones(ctx, scope, "e", "u")
	r.ok(err, "Tombstones")
	var b strings.Builder
	fmt.Fprintf(&b, "mapping %q, assignments %q, grants %q", mapping, assignments, grants)
	for _, source := range grantSources {
		for _, group := range []string{"", "g", "h"} {
			members, err := r.known.Granted(ctx, scope, store.GrantQuery{Source: source, Group: group, Limit: everything})
			r.ok(err, "Granted")
			fmt.Fprintf(&b, ", of %s %s %q", source, group, members)
		}
	}
	for _, stone := range stones {
		fmt.Fprintf(&b, ", tombstone %q %q %q %d", stone.Member, stone.ExternalID, stone.UserName, stone.DeletedAt.UnixMicro())
	}
	return b.String()
}

// elsewhere returns scopes that share one half with the test's own, or none.
func (r *rig) elsewhere() (others []store.Scope) {
	foreign := r.Scope()
	for _, scope := range []store.Scope{
		{Connection: r.scope.Connection, Tenant: foreign.Tenant}, {Connection: foreign.Connection, Tenant: r.scope.Tenant}, foreign,
	} {
		if scope != r.scope && !slices.Contains(others, scope) {
			others = append(others, scope)
		}
	}
	return others
}

// testStandingScope checks that half a scope, or none, is a mistake and never means "all".
func testStandingScope(r *rig) {
	r.settle(r.Context(), r.scope, "here")
	before := r.standing(r.Context(), r.scope)
	for _, scope := range []store.Scope{{}, {Connection: r.scope.Connection}, {Tenant: r.scope.Tenant}} {
		for _, c := range r.standingCalls() {
			r.fails(c.do(r.Context(), scope), store.ErrScope, "%s with the scope %+v", c.name, scope)
			equal(r, fmt.Sprintf("what is known after %s with the scope %+v", c.name, scope), r.standing(r.Context(), r.scope), before)
		}
	}
}

// testStandingsApart checks that no call reads or changes what another scope has, not even one that shares a half.
func testStandingsApart(r *rig) {
	others := r.elsewhere()
	empty := r.standing(r.Context(), r.scope)
	for i, scope := range others {
		equal(r, "what is known in a scope that nobody wrote to", r.standing(r.Context(), scope), empty)
		r.settle(r.Context(), scope, fmt.Sprint("other ", i))
		equal(r, "what is known in a scope that nobody wrote to", r.standing(r.Context(), r.scope), empty)
	}
	unchanged := func(scope store.Scope, f func()) {
		r.Helper()
		var before []string
		for _, other := range append(others, r.scope) {
			before = append(before, r.standing(r.Context(), other))
		}
		f()
		for i, other := range append(others, r.scope) {
			if other != scope {
				equal(r, "what is known in another scope", r.standing(r.Context(), other), before[i])
			}
		}
	}
	unchanged(r.scope, func() { r.settle(r.Context(), r.scope, "here") })
	for _, scope := range append(others, r.scope) {
		for _, c := range r.standingCalls() {
			unchanged(scope, func() { r.ok(c.do(r.Context(), scope), "%s", c.name) })
		}
	}
}

// testSharedStanding checks that the store keeps copies, and hands out copies.
func testSharedStanding(r *rig) {
	assignments := []store.RoleAssignment{gives("a", "x"), gives("b", "y")}
	grants := []store.Grant{direct("x"), byGroup("y", "g")}
	wantAssignments, wantGrants := slices.Clone(assignments), map[string][]store.Grant{"ann": slices.Clone(grants)}
	r.assign(assignments...)
	r.grant("ann", grants...)
	clear(assignments)
	clear(grants)
	r.assigned("after what was passed in was changed", wantAssignments...)
	r.grants("after what was passed in was changed", []string{"ann"}, wantGrants)

	assignments, err := r.known.RoleAssignments(r.Context(), r.scope)
	r.ok(err, "RoleAssignments")
	got, err := r.known.Grants(r.Context(), r.scope, "ann")
	r.ok(err, "Grants")
	members, err := r.known.Granted(r.Context(), r.scope, store.GrantQuery{Source: store.SourceDirect, Limit: 9})
	r.ok(err, "Granted")
	r.bury(r.stone("ann", "e", "u"))
	stones, err := r.known.Tombstones(r.Context(), r.scope, "e", "u")
	r.ok(err, "Tombstones")
	want := r.standing(r.Context(), r.scope)
	clear(assignments)
	clear(got["ann"])
	clear(got)
	clear(members)
	clear(stones)
	r.assigned("after what was returned was changed", wantAssignments...)
	r.grants("after what was returned was changed", []string{"ann"}, wantGrants)
	equal(r, "what is known after what was returned was changed", r.standing(r.Context(), r.scope), want)

	unsorted := []store.Grant{byGroup("y", "g"), direct("x")}
	swapped := []store.RoleAssignment{gives("b", "y"), gives("a", "x")}
	r.grant("ann", unsorted...)
	r.assign(swapped...)
	same(r, "the grants that were passed in", unsorted, []store.Grant{byGroup("y", "g"), direct("x")})
	same(r, "the assignments that were passed in", swapped, []store.RoleAssignment{gives("b", "y"), gives("a", "x")})
}

// testOneStanding checks that of writes that come at once one is the last, and nothing is left of the others.
func testOneStanding(r *rig) {
	for round := range 3 {
		r.allWin("PutGrants of one member", together(func(n int) error {
			return r.known.PutGrants(r.Context(), r.scope, "ann", grantsOf(n))
		}))
		grants, err := r.known.Grants(r.Context(), r.scope, "ann")
		r.ok(err, "Grants")
		r.oneOf("the grants that were put at once", fmt.Sprint(grants["ann"]), func(n int) string { return fmt.Sprint(grantsOf(n)) })

		r.allWin("PutRoleAssignments", together(func(n int) error {
			return r.known.PutRoleAssignments(r.Context(), r.scope, assignmentsOf(n))
		}))
		assignments, err := r.known.RoleAssignments(r.Context(), r.scope)
		r.ok(err, "RoleAssignments")
		r.oneOf("the assignments that were put at once", fmt.Sprint(assignments), func(n int) string { return fmt.Sprint(assignmentsOf(n)) })

		r.allWin("PutAttributeMapping", together(func(n int) error {
			return r.known.PutAttributeMapping(r.Context(), r.scope, fmt.Sprint(n))
		}))
		mapping, err := r.known.AttributeMapping(r.Context(), r.scope)
		r.ok(err, "AttributeMapping")
		r.oneOf("the mapping that was put at once", mapping, func(n int) string { return fmt.Sprint(n) })

		member, at := fmt.Sprint("member ", round), r.now()
		r.allWin("PutTombstone of one member", together(func(n int) error {
			return r.known.PutTombstone(r.Context(), r.scope, store.Tombstone{Member: member, ExternalID: member, UserName: fmt.Sprint(n), DeletedAt: at})
		}))
		stones, err := r.known.Tombstones(r.Context(), r.scope, member, member)
		r.ok(err, "Tombstones")
		equal(r, "the number of tombstones of one member", len(stones), 1)
		r.oneOf("the tombstone that was put at once", stones[0].UserName, func(n int) string { return fmt.Sprint(n) })
	}
}

// oneOf ends the test unless a text is what one of the crowd wrote.
func (r *rig) oneOf(what, got string, of func(n int) string) {
	r.Helper()
	for n := range crowd {
		if got == of(n) {
			return
		}
	}
	r.Fatalf("%s: %s is what none of them wrote", what, got)
}

// grantsOf are the n-th of many grants that have one in common.
func grantsOf(n int) []store.Grant {
	return []store.Grant{direct("all"), direct(fmt.Sprintf("b%02d", n)), byGroup("c", fmt.Sprint(n))}
}

func assignmentsOf(n int) []store.RoleAssignment {
	return []store.RoleAssignment{gives("all", "all"), gives("b", fmt.Sprint(n)), gives(fmt.Sprintf("c%02d", n), "x")}
}

// testManyStandings checks that writes for different members at once are all there.
func testManyStandings(r *rig) {
	var ids []string
	want := map[string][]store.Grant{}
	for n := range crowd {
		ids = append(ids, fmt.Sprintf("member-%02d", n))
		want[ids[n]] = grantsOf(n)
	}
	at := r.now()
	r.allWin("writes for different members", together(func(n int) error {
		if err := r.known.PutGrants(r.Context(), r.scope, ids[n], grantsOf(n)); err != nil {
			return err
		}
		return r.known.PutTombstone(r.Context(), r.scope, store.Tombstone{Member: ids[n], UserName: ids[n], DeletedAt: at})
	}))
	r.grants("that were put at once", ids, want)
	r.granted("who were granted at once", store.GrantQuery{Source: store.SourceDirect, Limit: everything}, ids...)
	for _, id := range ids {
		r.buried("that were put at once", "", id, store.Tombstone{Member: id, UserName: id, DeletedAt: at})
	}
}

// testWholeStanding checks that nobody reads grants or assignments of which a part is replaced.
func testWholeStanding(r *rig) {
	const few = 8
	r.grant("ann", grantsOf(0)...)
	r.assign(assignmentsOf(0)...)
	whole := func(what, got string, of func(n int) string) error {
		for n := range few {
			if got == of(n) {
				return nil
			}
		}
		return fmt.Errorf("%s %s, which nobody wrote", what, got)
	}
	r.allWin("writes and reads", togetherOf(few, func(n int) error {
		for i := range 4 {
			if n%2 == 0 {
				if err := r.known.PutGrants(r.Context(), r.scope, "ann", grantsOf((n+i)%few)); err != nil {
					return err
				}
				if err := r.known.PutRoleAssignments(r.Context(), r.scope, assignmentsOf((n+i)%few)); err != nil {
					return err
				}
				continue
			}
			grants, err := r.known.Grants(r.Context(), r.scope, "ann")
			if err == nil {
				err = whole("grants", fmt.Sprint(grants["ann"]), func(n int) string { return fmt.Sprint(grantsOf(n)) })
			}
			if err != nil {
				return err
			}
			assignments, err := r.known.RoleAssignments(r.Context(), r.scope)
			if err == nil {
				err = whole("assignments", fmt.Sprint(assignments), func(n int) string { return fmt.Sprint(assignmentsOf(n)) })
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// testPurgedStanding checks that nothing is known any more of a scope that was purged, with resources or without, that other scopes keep
// what they have, and that the scope can be filled again.
func testPurgedStanding(r *rig) {
	others := r.elsewhere()
	empty := r.standing(r.Context(), r.scope)
	var before []string
	for i, scope := range others {
		r.settle(r.Context(), scope, fmt.Sprint("other ", i))
		before = append(before, r.standing(r.Context(), scope))
	}
	for _, size := range []int{0, 5, 0} {
		r.settle(r.Context(), r.scope, "here")
		list := r.fill(r.typ, size, nil)
		r.purge(r.Context(), r.scope, 2)
		r.purged(r.Context(), list)
		equal(r, "what is known after a Purge", r.standing(r.Context(), r.scope), empty)
		for i, scope := range others {
			equal(r, "what is known in another scope after a Purge", r.standing(r.Context(), scope), before[i])
		}
	}
}

// testStandingInTx writes everything in transactions, and checks what they see of that, and what is left of it when they fail.
func testStandingInTx(r *rig) {
	old := r.stone("old", "e", "u")
	old.DeletedAt = longAgo.AddDate(1, 0, 0)
	r.settle(r.Context(), r.scope, "before")
	r.bury(old)
	before := r.standing(r.Context(), r.scope)
	calls := r.standingCalls()
	var within string
	write := func(outcome error, changes func(ctx context.Context)) {
		r.Helper()
		r.inTx(outcome, func(ctx context.Context) error {
			changes(ctx)
			within = r.standing(ctx, r.scope)
			return outcome
		})
	}
	for _, c := range calls { // each change is seen within, and is taken back
		write(errFailed, func(ctx context.Context) { r.ok(c.do(ctx, r.scope), "%s in a transaction", c.name) })
		equal(r, "whether a transaction sees the effect of its own "+c.name, within != before, strings.HasPrefix(c.name, "Put"))
		equal(r, "what is known after a rollback of "+c.name, r.standing(r.Context(), r.scope), before)
	}
	write(errFailed, func(ctx context.Context) {
		r.ok(r.known.ForgetTombstones(ctx, old.DeletedAt.Add(time.Microsecond)), "ForgetTombstones in a transaction")
	})
	equal(r, "whether a transaction sees the effect of its own ForgetTombstones", within != before, true)
	equal(r, "what is known after a rollback of ForgetTombstones", r.standing(r.Context(), r.scope), before)

	all := func(ctx context.Context) {
		for _, name := range []string{"one", "two"} {
			for _, c := range calls {
				r.ok(c.do(ctx, r.scope), "%s in a transaction", c.name)
			}
			r.settle(ctx, r.scope, name)
		}
		r.ok(r.known.PutGrants(ctx, r.scope, "cleo", grantsOf(1)), "PutGrants in a transaction")
	}
	for range 2 {
		write(errFailed, all)
		equal(r, "what is known after a rollback", r.standing(r.Context(), r.scope), before)
	}
	if r.purger != nil {
		write(errFailed, func(ctx context.Context) {
			r.settle(ctx, r.scope, "unwanted")
			r.purge(ctx, r.scope, 10)
			r.settle(ctx, r.scope, "new")
		})
		equal(r, "what is known after a rollback of a Purge", r.standing(r.Context(), r.scope), before)
	}
	write(nil, all)
	equal(r, "what is known after a commit", r.standing(r.Context(), r.scope), within)
}
