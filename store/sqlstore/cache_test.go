package sqlstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/store"
)

// However many scopes a process writes to, the numbers of some of them only are kept, and those that are kept are right.
func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	const batch = 500 // of one transaction
	var c cache
	scope := func(number int64) store.Scope { return store.Scope{Connection: fmt.Sprint(number), Tenant: "t"} }
	peak := 0
	for number := int64(1); number <= 2*maxCached+10*batch; {
		fresh := make(map[store.Scope]int64, batch)
		for range batch {
			fresh[scope(number)] = number
			number++
		}
		c.add(fresh)
		require.LessOrEqual(t, len(c.numbers), maxCached+batch)
		peak = max(peak, len(c.numbers))
		for _, known := range []int64{number - batch, number - 1} {
			found, ok := c.find(scope(known))
			require.True(t, ok)
			require.Equal(t, known, found)
		}
		_, ok := c.find(scope(number))
		require.False(t, ok)
	}
	require.GreaterOrEqual(t, peak, maxCached)
	claim.Covers(t, "R-02")
}
