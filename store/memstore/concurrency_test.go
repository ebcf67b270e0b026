package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

const goroutines = 100

// together runs f in 100 goroutines that start at once.
func together(f func(n int)) {
	var ready, done sync.WaitGroup
	ready.Add(goroutines)
	for n := range goroutines {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			f(n)
		})
	}
	done.Wait()
}

// Readers of every kind see transactions as a whole or not at all, while writers create, change, delete and take back.
func TestReadersSeeWholeTransactions(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	createGroup(t, s, "g")
	failed := errors.New("failed")
	pair := where(t, "User", `displayName eq "pair"`)
	drafts := func(n int) (list []store.Draft) {
		for _, half := range []string{"left", "right"} {
			id := fmt.Sprintf("%s%d", half, n)
			list = append(list, draft(t, userRef(id), start, map[string]any{"userName": id, "displayName": "pair"}))
		}
		return list
	}
	write := func(n int) error {
		pair := drafts(n)
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			for _, d := range pair {
				if _, err := s.Create(ctx, scopeA, d); err != nil {
					return err
				}
				if _, err := s.Update(ctx, scopeA, groupRef("g"), delta(patch.Delta{Add: []string{d.ID}}), store.Write{At: at(n)}); err != nil {
					return err
				}
			}
			if n%3 == 0 {
				return failed
			}
			return nil
		})
		if n%3 == 0 && errors.Is(err, failed) {
			return nil
		}
		if err != nil || n%3 != 1 {
			return err
		}
		return s.InTx(t.Context(), func(ctx context.Context) error {
			for _, d := range pair {
				if _, err := s.Delete(ctx, scopeA, d.Ref, store.Write{At: at(n)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	read := func() error {
		page, err := s.List(t.Context(), scopeA, store.Query{Type: "User", Start: 1, Count: everything})
		if err != nil || page.Total%2 != 0 || len(page.Resources) != page.Total {
			return fmt.Errorf("list: %d of %d, %w", len(page.Resources), page.Total, err)
		}
		page, err = s.List(t.Context(), scopeA, store.Query{Type: "User", Start: 1, Count: everything, Filter: pair})
		if err != nil || page.Total%2 != 0 {
			return fmt.Errorf("filter: %d, %w", page.Total, err)
		}
		for _, r := range page.Resources {
			if _, err := r.Document.Tree(userType); err != nil {
				return err
			}
		}
		m, err := s.Members(t.Context(), scopeA, store.MemberQuery{Groups: []string{"g"}, Limit: everything})
		if err != nil || len(m.Memberships)%2 != 0 {
			return fmt.Errorf("members: %d, %w", len(m.Memberships), err)
		}
		var ids []string
		for _, x := range m.Memberships {
			ids = append(ids, x.ID)
		}
		_, err = s.Groups(t.Context(), scopeA, ids)
		return err
	}
	together(func(n int) {
		for range 5 {
			var err error
			if n%2 == 0 {
				err = write(n)
				if errors.Is(err, store.ErrUniqueness) {
					err = nil // the pair of the round before lives
				}
			} else {
				err = read()
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	// n = 2, 8, 14, … create pairs that stay.
	want := 0
	for n := range goroutines {
		if n%2 == 0 && n%3 == 2 {
			want += 2
		}
	}
	require.Len(t, found(t, s, "User", ""), want)
	require.Len(t, members(t, s, "g"), want)
}
