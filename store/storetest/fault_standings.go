package storetest

import (
	"context"

	"time"

	"github.com/scimkit/scim/store"
)

var _ store.MemberStore = (*FaultStore)(nil)

// AttributeMapping implements store.MemberStore.
func (s *FaultStore) AttributeMapping(ctx context.Context, scope store.Scope) (string, error) {
	return faulty(s, func(inner store.MemberStore) (string, error) { return inner.AttributeMapping(ctx, scope) })
}

// PutAttributeMapping implements store.MemberStore.
func (s *FaultStore) PutAttributeMapping(ctx context.Context, scope store.Scope, mapping string) error {
	return faultyDo(s, func(inner store.MemberStore) error { return inner.PutAttributeMapping(ctx, scope, mapping) })
}

// RoleAssignments implements store.MemberStore.
func (s *FaultStore) RoleAssignments(ctx context.Context, scope store.Scope) ([]store.RoleAssignment, error) {
	return faulty(s, func(inner store.MemberStore) ([]store.RoleAssignment, error) {
		return inner.RoleAssignments(ctx, scope)
	})
}

// LockRoleAssignments implements store.MemberStore.
func (s *FaultStore) LockRoleAssignments(ctx context.Context, scope store.Scope) error {
	return faultyDo(s, func(inner store.MemberStore) error { return inner.LockRoleAssignments(ctx, scope) })
}

// PutRoleAssignments implements store.MemberStore.
func (s *FaultStore) PutRoleAssignments(ctx context.Context, scope store.Scope, assignments []store.RoleAssignment) error {
	return faultyDo(s, func(inner store.MemberStore) error { return inner.PutRoleAssignments(ctx, scope, assignments) })
}

// Grants implements store.MemberStore.
func (s *FaultStore) Grants(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
	return faulty(s, func(inner store.MemberStore) (map[string][]store.Grant, error) {
		return inner.Grants(ctx, scope, members...)
	})
}

// PutGrants implements store.MemberStore.
func (s *FaultStore) PutGrants(ctx context.Context, scope store.Scope, member string, grants []store.Grant) error {
	return faultyDo(s, func(inner store.MemberStore) error { return inner.PutGrants(ctx, scope, member, grants) })
}

// Granted implements store.MemberStore.
func (s *FaultStore) Granted(ctx context.Context, scope store.Scope, query store.GrantQuery) ([]string, error) {
	return faulty(s, func(inner store.MemberStore) ([]string, error) { return inner.Granted(ctx, scope, query) })
}

// PutTombstone implements store.MemberStore.
func (s *FaultStore) PutTombstone(ctx context.Context, scope store.Scope, tombstone store.Tombstone) error {
	return faultyDo(s, func(inner store.MemberStore) error { return inner.PutTombstone(ctx, scope, tombstone) })
}

// Tombstones implements store.MemberStore.
func (s *FaultStore) Tombstones(ctx context.Context, scope store.Scope, externalID, userName string) ([]store.Tombstone, error) {
	return faulty(s, func(inner store.MemberStore) ([]store.Tombstone, error) {
		return inner.Tombstones(ctx, scope, externalID, userName)
	})
}

// ForgetTombstones implements store.MemberStore.
func (s *FaultStore) ForgetTombstones(ctx context.Context, before time.Time) error {
	return faultyDo(s, func(inner store.MemberStore) error { return inner.ForgetTombstones(ctx, before) })
}
