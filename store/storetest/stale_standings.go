package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/scimkit/scim/store"
)

var _ store.MemberStore = (*StaleStore)(nil)

// AttributeMapping implements store.MemberStore.
func (s *StaleStore) AttributeMapping(ctx context.Context, scope store.Scope) (string, error) {
	from, err := read[store.MemberStore](ctx, s)
	if err != nil {
		return "", err
	}
	return from.AttributeMapping(ctx, scope)
}

// PutAttributeMapping implements store.MemberStore.
func (s *StaleStore) PutAttributeMapping(ctx context.Context, scope store.Scope, mapping string) error {
	return writtenDo(ctx, s, func(ctx context.Context, target store.MemberStore) error {
		return target.PutAttributeMapping(ctx, scope, mapping)
	})
}

// RoleAssignments implements store.MemberStore.
func (s *StaleStore) RoleAssignments(ctx context.Context, scope store.Scope) ([]store.RoleAssignment, error) {
	from, err := read[store.MemberStore](ctx, s)
	if err != nil {
		return nil, err
	}
	return from.RoleAssignments(ctx, scope)
}

// LockRoleAssignments implements store.MemberStore.
func (s *StaleStore) LockRoleAssignments(ctx context.Context, scope store.Scope) error {
	return writtenDo(ctx, s, func(ctx context.Context, target store.MemberStore) error {
		return target.LockRoleAssignments(ctx, scope)
	})
}

// PutRoleAssignments implements store.MemberStore.
func (s *StaleStore) PutRoleAssignments(ctx context.Context, scope store.Scope, assignments []store.RoleAssignment) error {
	assignments = slices.Clone(assignments)
	return writtenDo(ctx, s, func(ctx context.Context, target store.MemberStore) error {
		return target.PutRoleAssignments(ctx, scope, assignments)
	})
}

// Grants implements store.MemberStore.
func (s *StaleStore) Grants(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
	from, err := read[store.MemberStore](ctx, s)
	if err != nil {
		return nil, err
	}
	return from.Grants(ctx, scope, members...)
}

// PutGrants implements store.MemberStore.
func (s *StaleStore) PutGrants(ctx context.Context, scope store.Scope, member string, grants []store.Grant) error {
	grants = slices.Clone(grants)
	return writtenDo(ctx, s, func(ctx context.Context, target store.MemberStore) error {
		return target.PutGrants(ctx, scope, member, grants)
	})
}

// Granted implements store.MemberStore.
func (s *StaleStore) Granted(ctx context.Context, scope store.Scope, query store.GrantQuery) ([]string, error) {
	from, err := read[store.MemberStore](ctx, s)
	if err != nil {
		return nil, err
	}
	return from.Granted(ctx, scope, query)
}

// PutTombstone implements store.MemberStore.
func (s *StaleStore) PutTombstone(ctx context.Context, scope store.Scope, tombstone store.Tombstone) error {
	return writtenDo(ctx, s, func(ctx context.Context, target store.MemberStore) error {
		return target.PutTombstone(ctx, scope, tombstone)
	})
}

// Tombstones implements store.MemberStore.
func (s *StaleStore) Tombstones(ctx context.Context, scope store.Scope, externalID, userName string) ([]store.Tombstone, error) {
	from, err := read[store.MemberStore](ctx, s)
	if err != nil {
		return nil, err
	}
	return from.Tombstones(ctx, scope, externalID, userName)
}

// ForgetTombstones implements store.MemberStore.
func (s *StaleStore) ForgetTombstones(ctx context.Context, before time.Time) error {
	return writtenDo(ctx, s, func(ctx context.Context, target store.MemberStore) error {
		return target.ForgetTombstones(ctx, before)
	})
}
