package sqlstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/sqlstore"
)

// What each call costs in statements, begin and commit not counted, whatever the size of the directory.
func TestStatements(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		ctx := t.Context()
		r.populate(t)
		r.connect(t)
		for i := range 60 {
			r.create(ctx, t, "User", fmt.Sprint("u", i))
		}
		all := make([]string, 60)
		for i := range all {
			all[i] = fmt.Sprint("u", i)
		}
		for i := range 50 {
			r.create(ctx, t, "Group", fmt.Sprint("g", i), "u0", "u1")
		}
		r.create(ctx, t, "Group", "all", all...)
		user := func(id string) store.Ref { return store.Ref{Type: "User", ID: id} }
		group := func(id string) store.Ref { return store.Ref{Type: "Group", ID: id} }
		rename := func(name string) patch.ChangeSet {
			d := draft(t, "User", name)
			return patch.ChangeSet{After: d.Document, Changes: []patch.Change{{Path: "userName"}}, Unique: d.Unique}
		}
		serial := 0
		fresh := func() string { serial++; return fmt.Sprint("new ", serial) }
		update := func(ref store.Ref, change patch.ChangeSet) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := r.Update(ctx, scope, ref, change, store.Write{At: time.UnixMicro(2)})
				return err
			}
		}
		remove := func(ref store.Ref) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := r.Delete(ctx, scope, ref, store.Write{At: time.UnixMicro(2)})
				return err
			}
		}
		for _, test := range []struct {
			name             string
			sqlite, postgres int64
			call             func(ctx context.Context) error
		}{
			{"Get", 1, 1, func(ctx context.Context) error { _, err := r.Get(ctx, scope, user("u5")); return err }},
			{"Create a user", 3, 1, func(ctx context.Context) error {
				_, err := r.Create(ctx, scope, draft(t, "User", fresh()))
				return err
			}},
			{"Create a group of 60", 5, 3, func(ctx context.Context) error {
				_, err := r.Create(ctx, scope, draft(t, "Group", fresh(), all...))
				return err
			}},
			{"Update a user", 4, 3, update(user("u5"), rename("U5 new"))},
			{"Add a member", 5, 4, update(group("g5"), members("u7"))},
			{"Add 60 members", 5, 4, update(group("g6"), members(all...))},
			{"Add a member again", 4, 3, update(group("g5"), members("u7"))},
			{"Remove a member", 5, 4, update(group("g5"), patch.ChangeSet{Members: patch.Delta{Remove: []string{"u7"}}})},
			{"Replace 60 members", 7, 6, update(group("all"), patch.ChangeSet{Members: patch.Delta{Clear: true, Add: []string{"g0"}}})},
			{"Delete a user in no group", 7, 6, remove(user("new 1"))},
			{"Delete a user in 50 groups", 8, 7, remove(user("u1"))},
			{"Delete a group", 8, 7, remove(group("g7"))},
			{"a page", 2, 2, func(ctx context.Context) error {
				_, err := r.List(ctx, scope, store.Query{Type: "User", Start: 1, Count: 50})
				return err
			}},
			{"a page of members", 2, 2, func(ctx context.Context) error {
				_, err := r.Members(ctx, scope, store.MemberQuery{Groups: []string{"g6"}, Limit: 20})
				return err
			}},
			{"the members of 40 groups", 2, 2, func(ctx context.Context) error {
				var ids []string
				for i := range 40 {
					ids = append(ids, fmt.Sprint("g", i+10))
				}
				_, err := r.Members(ctx, scope, store.MemberQuery{Groups: ids, Limit: 1000})
				return err
			}},
			{"the groups of 50 users", 1, 1, func(ctx context.Context) error { _, err := r.Groups(ctx, scope, all); return err }},
			{"a tenant's connections", 1, 1, func(ctx context.Context) error { _, err := r.Connections(ctx, "t"); return err }},
			{"Create a connection with two tokens", 6, 5, func(ctx context.Context) error {
				return r.CreateConnection(ctx, link("new"), tokensOf("new", 2), 9)
			}},
			{"Update a connection", 3, 2, func(ctx context.Context) error { return r.UpdateConnection(ctx, link("c"), nil, 9) }},
			{"Update two tokens and add one", 7, 6, func(ctx context.Context) error {
				return r.UpdateConnection(ctx, link("new"), tokensOf("new", 3), 9)
			}},
			{"a token", 1, 1, func(ctx context.Context) error { _, _, err := r.FindToken(ctx, "c 1", store.Digest{}); return err }},
			{"the tokens of many connections", 1, 1, func(ctx context.Context) error { _, err := r.Tokens(ctx, all...); return err }},
			{"Add 60 entries to the journal", 2, 1, func(ctx context.Context) error { return r.AppendJournal(ctx, entriesOf("c", 60)) }},
			{"a page of the journal", 1, 1, func(ctx context.Context) error {
				_, err := r.Journal(ctx, "c", store.JournalQuery{Limit: 20})
				return err
			}},
			{"Trim the journal", 2, 1, func(ctx context.Context) error { return r.TrimJournal(ctx, "c", 1) }},
			{"Purge a directory in one round", 7, 6, func(ctx context.Context) error {
				_, err := r.Purge(ctx, link("gone").Scope(), 100)
				return err
			}},
		} {
			before := r.driver.Counts().Statements
			require.NoError(t, test.call(ctx), test.name)
			most := test.sqlite
			if r.d.Dialect == filter.PostgreSQL {
				most = test.postgres
			}
			require.Equal(t, most, r.driver.Counts().Statements-before, test.name)
		}
		require.NoError(t, r.purge(ctx, 100))
		checkConsistency(t, r.d, r.db)
	})
}

// The rows that resources are counted in do not grow with the number of writes, and every page starts where it should.
func TestCountsStaySmall(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d target) {
		const writers, each = 3, 300
		db := d.open(t)
		var group sync.WaitGroup
		errs := make([]error, writers)
		for w := range writers {
			s := d.store(t, db) // its own caches, as another process has
			var drafts []store.Draft
			for i := range each {
				drafts = append(drafts, draft(t, "User", fmt.Sprintf("u%d-%d", w, i)))
			}
			group.Go(func() { errs[w] = createAndDelete(t.Context(), s, drafts) })
		}
		group.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		checkConsistency(t, d, db)
		rows := column[int64](t, db, "SELECT count(*) FROM scim_counts")
		const blocks, shards = 3, 16 // at most, of the few numbers that were drawn
		require.LessOrEqual(t, rows[0], int64(blocks*shards), "they grow with the number of writes")
		s := d.store(t, db)
		left := len(storedRows(t, db))
		for start := 1; start <= left+1; start += 7 {
			page, err := s.List(t.Context(), scope, store.Query{Type: "User", Start: start, Count: 2})
			require.NoError(t, err)
			require.Equal(t, left, page.Total)
			require.Len(t, page.Resources, min(2, left-start+1))
		}
	})
}

// createAndDelete creates resources and deletes every third of them.
func createAndDelete(ctx context.Context, s *sqlstore.Store, drafts []store.Draft) error {
	for i, d := range drafts {
		if _, err := s.Create(ctx, scope, d); err != nil {
			return err
		}
		if i%3 == 0 {
			if _, err := s.Delete(ctx, scope, d.Ref, store.Write{}); err != nil {
				return err
			}
		}
	}
	return nil
}
