package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scimkit/scim/store"
)

// standing is what is known of the members of one connection beside their resources. What it holds is replaced, never changed.
type standing struct {
	mapping     string
	assignments []store.RoleAssignment
	grants      map[string][]store.Grant // by member
	tombstones  map[string]store.Tombstone
}

// AttributeMapping implements store.MemberStore.
func (s *Store) AttributeMapping(ctx context.Context, scope store.Scope) (mapping string, err error) {
	err = s.stand(ctx, scope, func(st *standing) { mapping = st.mapping })
	return mapping, err
}

// PutAttributeMapping implements store.MemberStore.
func (s *Store) PutAttributeMapping(ctx context.Context, scope store.Scope, mapping string) error {
	return s.restand(ctx, scope, func(st *standing) { st.mapping = mapping })
}

// RoleAssignments implements store.MemberStore.
func (s *Store) RoleAssignments(ctx context.Context, scope store.Scope) (list []store.RoleAssignment, err error) {
	err = s.stand(ctx, scope, func(st *standing) { list = slices.Clone(st.assignments) })
	return list, err
}

// LockRoleAssignments implements store.MemberStore: a transaction has the whole store for itself.
func (s *Store) LockRoleAssignments(ctx context.Context, scope store.Scope) error {
	return check(ctx, scope)
}

// PutRoleAssignments implements store.MemberStore.
func (s *Store) PutRoleAssignments(ctx context.Context, scope store.Scope, assignments []store.RoleAssignment) error {
	sorted := slices.Clone(assignments)
	slices.SortFunc(sorted, func(a, b store.RoleAssignment) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Role, b.Role))
	})
	return s.restand(ctx, scope, func(st *standing) { st.assignments = slices.Compact(sorted) })
}

// Grants implements store.MemberStore.
func (s *Store) Grants(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
	found := make(map[string][]store.Grant, len(members))
	err := s.stand(ctx, scope, func(st *standing) {
		for _, member := range members {
			if grants := st.grants[member]; len(grants) > 0 {
				found[member] = slices.Clone(grants)
			}
		}
	})
	return found, err
}

// PutGrants implements store.MemberStore.
func (s *Store) PutGrants(ctx context.Context, scope store.Scope, member string, grants []store.Grant) error {
	sorted := slices.Clone(grants)
	slices.SortFunc(sorted, func(a, b store.Grant) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), cmp.Compare(a.Source, b.Source), strings.Compare(a.Group, b.Group))
	})
	sorted = slices.Compact(sorted)
	return s.change(ctx, func(t *tx, _ *connections) error {
		if err := scope.Check(); err != nil {
			return err
		}
		st := s.standingOf(scope)
		before, had := st.grants[member]
		if len(sorted) == 0 {
			delete(st.grants, member)
		} else {
			st.grants[member] = sorted
		}
		t.undo = append(t.undo, func() {
			delete(st.grants, member)
			if had {
				st.grants[member] = before
			}
		})
		return nil
	})
}

// Granted implements store.MemberStore.
func (s *Store) Granted(ctx context.Context, scope store.Scope, query store.GrantQuery) (members []string, err error) {
	err = s.stand(ctx, scope, func(st *standing) {
		for member, grants := range st.grants {
			if member > query.After && slices.ContainsFunc(grants, func(g store.Grant) bool {
				return g.Source == query.Source && (query.Group == "" || g.Group == query.Group)
			}) {
				members = append(members, member)
			}
		}
	})
	slices.Sort(members)
	return members[:min(len(members), query.Limit)], err
}

// PutTombstone implements store.MemberStore.
func (s *Store) PutTombstone(ctx context.Context, scope store.Scope, tombstone store.Tombstone) error {
	tombstone.DeletedAt = micro(tombstone.DeletedAt)
	return s.restand(ctx, scope, func(st *standing) {
		st.tombstones = maps.Clone(st.tombstones)
		st.tombstones[tombstone.Member] = tombstone
	})
}

// Tombstones implements store.MemberStore.
func (s *Store) Tombstones(ctx context.Context, scope store.Scope, externalID, userName string) (found []store.Tombstone, err error) {
	err = s.stand(ctx, scope, func(st *standing) {
		for _, t := range st.tombstones {
			if externalID != "" && t.ExternalID == externalID || t.UserName == userName {
				found = append(found, t)
			}
		}
	})
	slices.SortFunc(found, func(a, b store.Tombstone) int {
		return cmp.Or(b.DeletedAt.Compare(a.DeletedAt), strings.Compare(a.Member, b.Member))
	})
	return found[:min(len(found), 10)], err
}

// ForgetTombstones implements store.MemberStore.
func (s *Store) ForgetTombstones(ctx context.Context, before time.Time) error {
	before = micro(before)
	return s.change(ctx, func(t *tx, _ *connections) error {
		for _, st := range s.standings {
			kept := st.tombstones
			st.tombstones = maps.Clone(kept)
			maps.DeleteFunc(st.tombstones, func(_ string, stone store.Tombstone) bool { return stone.DeletedAt.Before(before) })
			t.undo = append(t.undo, func() { st.tombstones = kept })
		}
		return nil
	})
}

func (s *Store) standingOf(scope store.Scope) *standing {
	st := s.standings[scope]
	if st == nil {
		st = &standing{grants: make(map[string][]store.Grant), tombstones: make(map[string]store.Tombstone)}
		s.standings[scope] = st
	}
	return st
}

// stand runs f, which changes nothing.
func (s *Store) stand(ctx context.Context, scope store.Scope, f func(*standing)) error {
	return s.look(ctx, func(*connections) error {
		if err := scope.Check(); err != nil {
			return err
		}
		if st := s.standings[scope]; st != nil {
			f(st)
		}
		return nil
	})
}

// restand runs f, which replaces fields.
func (s *Store) restand(ctx context.Context, scope store.Scope, f func(*standing)) error {
	return s.change(ctx, func(t *tx, _ *connections) error {
		if err := scope.Check(); err != nil {
			return err
		}
		st := s.standingOf(scope)
		before := *st
		f(st)
		t.undo = append(t.undo, func() { *st = before })
		return nil
	})
}
