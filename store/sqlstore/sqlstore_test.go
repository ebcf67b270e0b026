package sqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUpdatesKeepTheOtherIndexedValues(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d target) {
		db := d.open(t)
		c := d.serve(t, db)
		u := c.user(t, "Anna")
		c.must(t, 200, "PATCH", "/Users/"+u.ID, patchBody(setOp("displayName", "Other")))
		checkConsistency(t, d, db)
		checkEvents(t, db)
		require.Len(t, c.find(t, "/Users", `userName eq "ANNA"`), 1)
		require.Len(t, c.find(t, "/Users", `emails.value eq "anna@example.test"`), 1)
		c.must(t, 409, "POST", "/Users", userBody("anna"))
	})
}
