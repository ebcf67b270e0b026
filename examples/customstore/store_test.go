package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/storetest"
)

func TestMain(m *testing.M) { claim.Main(m) }

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	db, err := open(t.Context(), filepath.Join(t.TempDir(), "accounts.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &accounts{db}
}

func TestContract(t *testing.T) {
	t.Parallel()
	shared := newAccounts(t)
	storetest.Run(t, storetest.Harness{
		Open:       func(*testing.T) store.Store { return shared },
		Types:      []string{"User"},
		Attributes: []string{"userName", "externalId", "active", "name.givenName", "name.familyName", "emails.value"},
		OwnIDs:     true,
	})
}
