package memstore_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// A look-up by an index and a look at every resource find the same, in the same order.
func TestFilters(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	mail := func(addresses ...string) (list []any) {
		for _, a := range addresses {
			list = append(list, map[string]any{"value": a, "type": "work"})
		}
		return list
	}
	for id, attributes := range map[string]map[string]any{
		"1": {"userName": "Ann", "externalId": "e", "displayName": "Same", "emails": mail("Ann@x", "shared@x")},
		"2": {"userName": "bea", "externalId": "E", "displayName": "same", "emails": mail("shared@X", "SHARED@x")},
		"3": {"userName": "Straße", "displayName": "STRASSE", "title": "Same"},
		"4": {"userName": "\uff21lice", "nickName": "ann"},
	} {
		_, err := s.Create(t.Context(), scopeA, draft(t, userRef(id), start, attributes))
		require.NoError(t, err)
	}
	createGroup(t, s, "g", "1", "3")
	for filter, want := range map[string][]string{
		`userName eq "ANN"`:                              {"1"},
		`userName eq "ann" and displayName eq "SAME"`:    {"1"},
		`displayName eq "SAME" and userName eq "bea"`:    {"2"},
		`userName eq "ann" and userName eq "bea"`:        nil,
		`displayName eq "same"`:                          {"1", "2"},
		`displayName eq "same" and title eq "x"`:         nil,
		`displayName eq "straße"`:                        {"3"},
		`userName eq "STRASSE"`:                          nil,
		`userName eq "alice"`:                            {"4"},
		`externalId eq "e"`:                              {"1"},
		`externalId eq "x"`:                              nil,
		`emails.value eq "SHARED@X"`:                     {"1", "2"},
		`emails[type eq "work" and value eq "shared@x"]`: {"1", "2"},
		`emails[type eq "home" and value eq "shared@x"]`: nil,
		`emails eq "ann@x" and emails eq "shared@x"`:     {"1"},
		`userName eq "ann" or userName eq "bea"`:         {"1", "2"},
		`not (userName eq "ann")`:                        {"2", "3", "4"},
		`userName ne "ann"`:                              {"2", "3", "4"},
		`externalId eq null`:                             {"3", "4"},
		`id eq "3"`:                                      {"3"},
		`id eq "3" and userName eq "ann"`:                nil,
		`id eq "g"`:                                      nil,
		`groups.value eq "g"`:                            {"1", "3"},
		`groups pr`:                                      {"1", "3"},
		`not (groups pr)`:                                {"2", "4"},
		`groups.value eq "g" and userName sw "s"`:        {"3"},
		`title eq "same"`:                                {"3"},
		`meta.version eq "W/\"1\"" and userName sw "a"`:  {"1", "4"},
		`meta.created gt "2030-01-01T00:00:00Z"`:         nil,
	} {
		got := found(t, s, "User", filter)
		slices.Sort(got) // the map above has no order
		require.Equal(t, append([]string{}, want...), got, filter)
	}
	require.Equal(t, []string{"g"}, found(t, s, "Group", `members.value eq "1"`))
	require.Equal(t, []string{"g"}, found(t, s, "Group", `members[value eq "1" or value eq "2"]`))
	require.Empty(t, found(t, s, "Group", `members.value eq "2"`))
	require.Equal(t, []string{"g"}, found(t, s, "Group", `members pr`))

	// Indexed candidates come in the order of creation, whatever happened to them since.
	_, err := s.Update(t.Context(), scopeA, userRef("1"), change(t, userRef("1"), map[string]any{"userName": "x"}), store.Write{At: at(1)})
	require.NoError(t, err)
	_, err = s.Update(t.Context(), scopeA, userRef("1"), change(t, userRef("1"), map[string]any{"userName": "x", "displayName": "same"}), store.Write{At: at(2)})
	require.NoError(t, err)
	ordered, _ := list(t.Context(), t, s, scopeA, store.Query{Type: "User", Start: 1, Count: 10})
	same := slices.DeleteFunc(ordered, func(id string) bool { return id != "1" && id != "2" })
	require.Equal(t, same, found(t, s, "User", `displayName eq "same"`))
	one, total := list(t.Context(), t, s, scopeA, store.Query{Type: "User", Start: 2, Count: 1, Filter: where(t, "User", `displayName eq "same"`)})
	require.Equal(t, same[1:], one)
	require.Equal(t, 2, total)
}

// A document that its store can no longer read is an error of the list, not a resource that does not match.
func TestFilterErrors(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	createUser(t, s, "a")
	broken := draft(t, userRef("b"), start, map[string]any{"userName": "b"})
	broken.Document = store.NewDocument([]byte(`{"userName":7}`))
	_, err := s.Create(t.Context(), scopeA, broken)
	require.NoError(t, err)
	createUser(t, s, "c")
	_, err = s.List(t.Context(), scopeA, store.Query{Type: "User", Start: 1, Count: 10, Filter: where(t, "User", `title eq "x"`)})
	require.Error(t, err)
	require.Equal(t, []string{"c"}, found(t, s, "User", `userName eq "c"`), "an index does not look at the others")

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.List(canceled, scopeA, store.Query{Type: "User", Start: 1, Count: 10})
	require.ErrorIs(t, err, context.Canceled)
}

// numbers look random, and are the same in every run.
type numbers uint64

func dice(seed uint64) *numbers { return new(numbers(seed)) }

// IntN returns a number from 0 to n-1.
func (d *numbers) IntN(n int) int {
	*d = *d*6364136223846793005 + 1442695040888963407 // Knuth's generator
	return int(*d>>33) % n
}

// Thousands of resources come and go, in transactions that are kept or taken back. The order stays that of creation, the total is
// right, and every offset finds its place.
func TestOrderOfManyResources(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	r := dice(1)
	var model []string
	next := 0
	for round := range 10 {
		kept := slices.Clone(model)
		fails := r.IntN(3) == 0
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			for range 20 + r.IntN(40) {
				if len(kept) > 0 && r.IntN(10) < 4 {
					// Whole stretches disappear, too.
					from := r.IntN(len(kept))
					for range min(1+r.IntN(90), len(kept)-from) {
						_, err := s.Delete(ctx, scopeA, userRef(kept[from]), store.Write{At: start})
						require.NoError(t, err)
						kept = slices.Delete(kept, from, from+1)
					}
					continue
				}
				for range r.IntN(100) {
					next++
					id := fmt.Sprintf("%08x-%d", r.IntN(1<<31), next) // in no order
					d := store.Draft{Ref: userRef(id), At: start, Document: store.NewDocument([]byte(`{}`))}
					_, err := s.Create(ctx, scopeA, d)
					require.NoError(t, err)
					kept = append(kept, id)
				}
			}
			if fails {
				return context.DeadlineExceeded
			}
			return nil
		})
		if fails {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		} else {
			require.NoError(t, err)
			model = kept
		}
		all, total := list(t.Context(), t, s, scopeA, store.Query{Type: "User", Start: 1, Count: everything})
		require.Equal(t, len(model), total, "round %d", round)
		require.True(t, slices.Equal(model, all), "round %d", round)
		for range 30 {
			from, count := r.IntN(len(model)+20), r.IntN(60)
			page, total := list(t.Context(), t, s, scopeA, store.Query{Type: "User", Start: from + 1, Count: count})
			require.Equal(t, len(model), total)
			want := model[min(from, len(model)):min(from+count, len(model))]
			require.True(t, slices.Equal(want, page), "round %d: %d from %d", round, count, from)
		}
	}
	require.Greater(t, len(model), 2000, "several chunks")
}

// Pages of members go on where the one before ended, while members and groups come and go.
func TestMemberPages(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	r := dice(3)
	var users []string
	for i := range 1500 {
		id := fmt.Sprintf("%08x-%d", r.IntN(1<<31), i)
		d := store.Draft{Ref: userRef(id), At: start, Document: store.NewDocument([]byte(`{}`))}
		_, err := s.Create(t.Context(), scopeA, d)
		require.NoError(t, err)
		users = append(users, id)
	}
	createGroup(t, s, "all", users...)
	createGroup(t, s, "none")
	createGroup(t, s, "some", users[10], users[5], users[700])
	flat := func(limit int, groups ...string) (list []string) {
		for _, m := range memberships(t.Context(), t, s, scopeA, limit, groups...) {
			list = append(list, m.Group+"/"+m.ID)
		}
		return list
	}
	in := func(group string, ids ...string) (list []string) {
		for _, id := range ids {
			list = append(list, group+"/"+id)
		}
		return list
	}
	want := slices.Concat(in("some", users[5], users[10], users[700]), in("all", users...))
	for _, limit := range []int{1, 2, 3, 4, 511, 512, 513, 1000, 1503, 1504, everything} {
		require.Equal(t, want, flat(limit, "none", "some", "ghost", "all", "none"), limit)
	}
	require.Empty(t, flat(1, "none", "ghost"))
	require.Empty(t, flat(1))
	require.Empty(t, flat(1, users[0]), "a user has no members")
	require.Equal(t, slices.Concat(in("some", users[5], users[10], users[700]), in("some", users[5], users[10], users[700])), flat(2, "some", "some"))

	for _, cursor := range []string{"x", "-", "1-", "-1", "1-x", "x-1", "1-1-1", "99999999999999999999-1", " 0-1"} {
		_, err := s.Members(t.Context(), scopeA, store.MemberQuery{Groups: []string{"all"}, After: cursor, Limit: 1})
		require.Error(t, err, cursor)
	}
	page, err := s.Members(t.Context(), scopeA, store.MemberQuery{Groups: []string{"all"}, After: "7-0", Limit: 1})
	require.NoError(t, err)
	require.Empty(t, page)
}

func TestGroupsOfMembers(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	createUser(t, s, "u")
	createUser(t, s, "v")
	createGroup(t, s, "z")
	createGroup(t, s, "a", "u")
	createGroup(t, s, "m", "u", "a")
	_, err := s.Update(t.Context(), scopeA, groupRef("z"), delta(patch.Delta{Add: []string{"u"}}), store.Write{At: at(1)})
	require.NoError(t, err)
	groups, err := s.Groups(t.Context(), scopeA, []string{"ghost", "u", "v", "a"})
	require.NoError(t, err)
	require.Equal(t, map[string][]store.Group{ // in the order of the groups' creation, direct ones only
		"u": {{ID: "z", Type: "Group", Display: "z"}, {ID: "a", Type: "Group", Display: "a"}, {ID: "m", Type: "Group", Display: "m"}},
		"a": {{ID: "m", Type: "Group", Display: "m"}},
	}, groups)
	groups, err = s.Groups(t.Context(), scopeA, nil)
	require.NoError(t, err)
	require.Empty(t, groups)
	groups, err = s.Groups(t.Context(), scopeB, []string{"u"})
	require.NoError(t, err)
	require.Empty(t, groups)
}
