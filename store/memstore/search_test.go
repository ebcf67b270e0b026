package memstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// expiring is a context that ends after it was looked at so many times.
type expiring struct{ looks int }

func (*expiring) Deadline() (at time.Time, ok bool) { return time.Time{}, false }
func (*expiring) Done() <-chan struct{}             { return nil }
func (*expiring) Value(any) any                     { return nil }

func (e *expiring) Err() error {
	if e.looks--; e.looks < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestSearchHeedsItsContext ends the time of a search in its middle: among many small resources, among a few large ones, and wherever
// the candidates stand in the order of creation.
func TestSearchHeedsItsContext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		count, size, skipped int
	}{
		"many":           {2100, 10, 0},
		"large":          {100, 20_000, 0},
		"far apart":      {100, 20_000, 7},
		"less than many": {1030, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := memstore.New()
			for i := range c.count {
				for skipped := range c.skipped {
					createGroup(t, s, fmt.Sprint("group", i, "-", skipped))
				}
				ref := userRef(fmt.Sprint("u", i))
				_, err := s.Create(t.Context(), scopeA, draft(t, ref, at(i), map[string]any{"userName": ref.ID, "title": strings.Repeat("x", min(c.size, 8000)), "nickName": strings.Repeat("y", min(c.size, 8000))}))
				require.NoError(t, err)
			}
			query := store.Query{Type: "User", Filter: where(t, "User", `title co "z"`), Start: 1, Count: 1}
			_, err := s.List(&expiring{1}, scopeA, query) // once before the search
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = s.List(&expiring{1000}, scopeA, query)
			require.NoError(t, err)
		})
	}
}
