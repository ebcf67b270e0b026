package sqlstore_test

import (
	"testing"

	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/storetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		storetest.Run(t, storetest.Harness{
			Open:       func(*testing.T) store.Store { return r.Store },
			Statements: func() int64 { return r.driver.Counts().Statements },
		})
		checkTables(t, r.d, r.db)
	})
}
