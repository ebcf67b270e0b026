package sqlstore

import (
	"context"

	"github.com/scimkit/scim/store"
)

// LockRoleAssignments implements store.MemberStore.
func (s *Store) LockRoleAssignments(ctx context.Context, scope store.Scope) error {
	return s.write(ctx, scope, func(ctx context.Context, c call) error {
		var ignored any
		return c.row(ctx, lockDirectory, []any{c.directory}, &ignored)
	})
}
