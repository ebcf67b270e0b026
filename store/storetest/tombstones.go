package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/scimkit/scim/store"
)

func (r *rig) bury(stones ...store.Tombstone) {
	r.Helper()
	for _, stone := range stones {
		r.ok(r.known.PutTombstone(r.Context(), r.scope, stone), "PutTombstone of %+v", stone)
	}
}

// buried ends the test unless these tombstones are found, in this order.
func (r *rig) buried(what, externalID, userName string, want ...store.Tombstone) {
	r.Helper()
	got, err := r.known.Tombstones(r.Context(), r.scope, externalID, userName)
	r.ok(err, "Tombstones of %q and %q", externalID, userName)
	what = fmt.Sprintf("the tombstones of the external id %q and the user name %q %s", externalID, userName, what)
	same(r, what, membersOf(got), membersOf(want))
	for i := range want {
		r.instant("DeletedAt of "+want[i].Member, got[i].DeletedAt, want[i].DeletedAt)
		got[i].DeletedAt = want[i].DeletedAt
		equal(r, "a tombstone", got[i], want[i])
	}
}

func membersOf(stones []store.Tombstone) (ids []string) {
	for _, stone := range stones {
		ids = append(ids, stone.Member)
	}
	return ids
}

// stone is a tombstone from the time of the next request.
func (r *rig) stone(member, externalID, userName string) store.Tombstone {
	return store.Tombstone{Member: member, ExternalID: externalID, UserName: userName, DeletedAt: r.now()}
}

// testTombstones checks that everything of a tombstone comes back, with its time in microseconds and in UTC.
func testTombstones(r *rig) {
	r.buried("in a scope that has none", "e", "u")
	for n, at := range []time.Time{
		start.Add(time.Microsecond), time.Date(2038, 1, 19, 3, 14, 8, 999999000, time.UTC),
		time.Date(2026, 7, 1, 0, 30, 0, 10000, time.FixedZone("east", 2*60*60)),
	} {
		stone := r.stone(fmt.Sprint("member ", n), fmt.Sprint("external ", n), fmt.Sprint("user ", n))
		stone.DeletedAt = at
		r.bury(stone)
		r.buried("", stone.ExternalID, stone.UserName, stone)
		r.buried("of nobody", stone.Member, stone.Member)
		r.buried("of nobody", stone.UserName, stone.ExternalID)
	}
}

func testTombstoneNames(r *rig) {
	both, other := r.stone("both", "e", "u"), r.stone("other", "e", "v")
	third, none, nobody := r.stone("third", "f", "u"), r.stone("none", "", "u"), r.stone("nobody", "", "w")
	r.bury(both, other, third, none, nobody)
	r.buried("", "e", "u", none, third, other, both)
	r.buried("by the external id", "e", "nobody", other, both)
	r.buried("by the external id", "f", "nobody", third)
	r.buried("by the user name", "nobody", "u", none, third, both)
	r.buried("without an external id", "", "v", other)
	r.buried("without an external id", "", "w", nobody)
	r.buried("without an external id", "", "nobody")
	r.buried("of nobody", "u", "e")
}

// testTombstoneOrder checks which ten come back of many, whichever of the two names they were found by.
func testTombstoneOrder(r *rig) {
	var stones []store.Tombstone
	for n := range 14 {
		stone := r.stone(fmt.Sprintf("%c", 'a'+n*5%14), "e", "u")
		switch n % 3 {
		case 0:
			stone.ExternalID = "other"
		case 1:
			stone.UserName = "other"
		}
		stones = append(stones, stone)
	}
	for _, n := range []int{9, 0, 13, 4, 7, 1, 11, 2, 12, 8, 5, 10, 3, 6} {
		r.bury(stones[n])
	}
	last := backward(stones)
	r.buried("", "e", "u", last[:10]...)
	only := func(f func(store.Tombstone) bool) []store.Tombstone {
		return slices.DeleteFunc(slices.Clone(last), func(s store.Tombstone) bool { return !f(s) })
	}
	r.buried("", "e", "nobody", only(func(s store.Tombstone) bool { return s.ExternalID == "e" })...)
	r.buried("", "", "u", only(func(s store.Tombstone) bool { return s.UserName == "u" })...)
	for n := range 12 {
		stone := r.stone(fmt.Sprint("same ", n), "same", "same")
		r.bury(stone)
		stones = append(stones, stone)
	}
	last = backward(stones)
	for _, names := range [][2]string{{"same", ""}, {"", "same"}, {"same", "same"}} {
		r.buried("", names[0], names[1], last[:10]...)
	}
}

func testTombstoneChanges(r *rig) {
	first, other := r.stone("ann", "e", "u"), r.stone("bea", "e", "u")
	r.bury(first, other)
	for _, names := range [][2]string{{"e", "v"}, {"f", "v"}, {"", "u"}, {"e", "u"}} {
		second := r.stone("ann", names[0], names[1])
		r.bury(second)
		for _, externalID := range []string{"e", "f"} {
			want := []store.Tombstone{}
			if second.ExternalID == externalID {
				want = append(want, second)
			}
			if externalID == "e" {
				want = append(want, other)
			}
			r.buried("after one was replaced", externalID, "", want...)
		}
		for _, userName := range []string{"u", "v"} {
			want := []store.Tombstone{}
			if second.UserName == userName {
				want = append(want, second)
			}
			if userName == "u" {
				want = append(want, other)
			}
			r.buried("after one was replaced", "", userName, want...)
		}
	}
	earlier := first
	earlier.DeletedAt = start.Add(-time.Hour)
	r.bury(earlier)
	r.buried("after one was replaced by an earlier one", "e", "u", other, earlier)
}

// testForgetTombstones checks that those of all scopes go, up to that moment.
func testForgetTombstones(r *rig) {
	before := longAgo.Add(time.Hour)
	old, exact, late := r.stone("old", "e", "u"), r.stone("exact", "e", "u"), r.stone("late", "e", "u")
	old.DeletedAt, exact.DeletedAt, late.DeletedAt = before.Add(-time.Microsecond), before, before.Add(time.Microsecond)
	now := r.stone("now", "e", "u")
	scopes := []store.Scope{r.scope, r.Scope(), r.Scope()}
	for _, r.scope = range scopes {
		r.grant("old", direct("x"))
		r.bury(old, late, exact, now)
		r.buried("", "e", "u", now, late, exact, old)
	}
	r.ok(r.known.ForgetTombstones(r.Context(), before.Add(-time.Hour)), "ForgetTombstones")
	for _, r.scope = range scopes {
		r.buried("after those were forgotten that are older than all", "e", "u", now, late, exact, old)
	}
	for range 2 {
		r.ok(r.known.ForgetTombstones(r.Context(), before), "ForgetTombstones")
		for _, r.scope = range scopes {
			r.buried("after old ones were forgotten", "e", "u", now, late, exact)
			r.grants("of whose tombstone was forgotten", []string{"old"}, map[string][]store.Grant{"old": {direct("x")}})
		}
	}
	r.bury(old)
	r.buried("when a forgotten one comes again", "e", "u", now, late, exact, old)
}
