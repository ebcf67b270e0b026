package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/scimkit/scim/store"
)

// Whoever replaces rows adds the new ones first and removes the others then. The first of the new ones is always the one of empty texts,
// which is gone again before the commit: on PostgreSQL, those who replace the same rows wait for each other there, and the removal sees
// what the one before has left.
var (
	findMapping = both(`SELECT mapping FROM scim_mappings WHERE directory = ?`)
	putMapping  = both(`
INSERT INTO scim_mappings (directory, mapping) VALUES (?, ?) ON CONFLICT (directory) DO UPDATE SET mapping = excluded.mapping`)
	dropMapping     = both(`DELETE FROM scim_mappings WHERE directory = ?`)
	listAssignments = both(`SELECT group_id, role FROM scim_assignments WHERE directory = ? ORDER BY group_id, role`)
	addAssignments  = either(`
INSERT INTO scim_assignments (directory, group_id, role) SELECT ?, t.value ->> 'group', t.value ->> 'role' FROM json_each(?) AS t WHERE true
ON CONFLICT DO NOTHING`, `
INSERT INTO scim_assignments (directory, group_id, role) SELECT CAST(? AS bigint), t."group", t.role
FROM json_to_recordset(CAST(? AS json)) AS t ("group" text, role text) ON CONFLICT DO NOTHING`)
	dropAssignments = either(`
DELETE FROM scim_assignments WHERE directory = ? AND (group_id, role) NOT IN (
	SELECT t.value ->> 'group', t.value ->> 'role' FROM json_each(?) AS t)`, `
DELETE FROM scim_assignments WHERE directory = ? AND (group_id, role) NOT IN (
	SELECT t."group", t.role FROM json_to_recordset(CAST(? AS json)) AS t ("group" text, role text))`)
	listGrants = both(`
SELECT member, role, source, group_id FROM scim_grants WHERE directory = ? AND member IN {texts} ORDER BY member, role, source, group_id`)
	addGrants = either(`
INSERT INTO scim_grants (directory, member, role, source, group_id)
SELECT ?, ?, t.value ->> 'role', t.value ->> 'source', t.value ->> 'group' FROM json_each(?) AS t WHERE true ON CONFLICT DO NOTHING`, `
INSERT INTO scim_grants (directory, member, role, source, group_id) SELECT CAST(? AS bigint), CAST(? AS text), t.role, t.source, t."group"
FROM json_to_recordset(CAST(? AS json)) AS t (role text, source text, "group" text) ON CONFLICT DO NOTHING`)
	dropGrants = either(`
DELETE FROM scim_grants WHERE directory = ? AND member = ? AND (role, source, group_id) NOT IN (
	SELECT t.value ->> 'role', t.value ->> 'source', t.value ->> 'group' FROM json_each(?) AS t)`, `
DELETE FROM scim_grants WHERE directory = ? AND member = ? AND (role, source, group_id) NOT IN (
	SELECT t.role, t.source, t."group" FROM json_to_recordset(CAST(? AS json)) AS t (role text, source text, "group" text))`)
	grantedBySource = either(`
SELECT DISTINCT member FROM scim_grants WHERE directory = ? AND source = ? AND member > ? ORDER BY member LIMIT ?`, `
SELECT DISTINCT member FROM scim_grants WHERE directory + 0 = ? AND source || '' = ? AND member > ? ORDER BY member LIMIT ?`)
	grantedByGroup = both(`
SELECT DISTINCT member FROM scim_grants WHERE {listed} = ? AND source = ? AND group_id = ? AND member > ? ORDER BY member LIMIT ?`)
	putTombstone = both(`
INSERT INTO scim_tombstones (directory, member, external_id, user_name, deleted) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (directory, member) DO UPDATE SET external_id = excluded.external_id, user_name = excluded.user_name, deleted = excluded.deleted`)
	// Each half uses an index of its own. They have no row in common: SQLite would bring both in the order of the key to find those.
	findTombstones = both(`
SELECT member, external_id, user_name, deleted FROM (
	SELECT member, external_id, user_name, deleted FROM scim_tombstones WHERE directory = ? AND external_id = ? AND external_id <> ''
	UNION ALL SELECT member, external_id, user_name, deleted FROM scim_tombstones
	WHERE directory = ? AND user_name = ? AND (external_id <> ? OR external_id = '')) AS t
ORDER BY deleted DESC, member LIMIT 10`)
	expireTombstones = both(`DELETE FROM scim_tombstones WHERE deleted < ?`)
)

// AttributeMapping implements store.MemberStore.
func (s *Store) AttributeMapping(ctx context.Context, scope store.Scope) (mapping string, err error) {
	c, err := s.open(ctx, scope)
	if err != nil || c.directory == 0 {
		return "", err
	}
	err = c.row(ctx, findMapping, []any{c.directory}, &mapping)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return mapping, err
}

// PutAttributeMapping implements store.MemberStore.
func (s *Store) PutAttributeMapping(ctx context.Context, scope store.Scope, mapping string) error {
	return s.write(ctx, scope, func(ctx context.Context, c call) error {
		st, args := putMapping, []any{c.directory, mapping}
		if mapping == "" {
			st, args = dropMapping, args[:1]
		}
		_, err := c.exec(ctx, st, args...)
		return err
	})
}

// RoleAssignments implements store.MemberStore.
func (s *Store) RoleAssignments(ctx context.Context, scope store.Scope) (list []store.RoleAssignment, err error) {
	c, err := s.open(ctx, scope)
	if err != nil || c.directory == 0 {
		return nil, err
	}
	err = c.each(ctx, listAssignments, []any{c.directory}, func(row scanner) error {
		var a store.RoleAssignment
		err := row.Scan(&a.Group, &a.Role)
		list = append(list, a)
		return err
	})
	return list, err
}

// granted is a grant or an assignment as JSON.
type granted struct {
	Role   string `json:"role"`
	Source string `json:"source"`
	Group  string `json:"group"`
}

// replace replaces the rows that the arguments select.
func (s *Store) replace(ctx context.Context, scope store.Scope, add, drop statement, rows []granted, selected ...any) error {
	return s.write(ctx, scope, func(ctx context.Context, c call) error {
		for _, step := range []struct {
			statement
			rows []granted
		}{{add, append([]granted{{}}, rows...)}, {drop, rows}} {
			text, err := json.Marshal(step.rows)
			if err != nil {
				return err
			}
			if _, err := c.exec(ctx, step.statement, slices.Concat([]any{c.directory}, selected, []any{string(text)})...); err != nil {
				return err
			}
		}
		return nil
	})
}

// PutRoleAssignments implements store.MemberStore.
func (s *Store) PutRoleAssignments(ctx context.Context, scope store.Scope, assignments []store.RoleAssignment) error {
	rows := make([]granted, len(assignments))
	for i, a := range assignments {
		rows[i] = granted{Role: a.Role, Group: a.Group}
	}
	return s.replace(ctx, scope, addAssignments, dropAssignments, rows)
}

// Grants implements store.MemberStore.
func (s *Store) Grants(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
	found := make(map[string][]store.Grant, len(members))
	c, err := s.open(ctx, scope)
	if err != nil || c.directory == 0 || len(members) == 0 {
		return found, err
	}
	err = c.each(ctx, listGrants, []any{c.directory, list(members)}, func(row scanner) error {
		var member string
		var g store.Grant
		err := row.Scan(&member, &g.Role, &g.Source, &g.Group)
		found[member] = append(found[member], g)
		return err
	})
	return found, err
}

// PutGrants implements store.MemberStore.
func (s *Store) PutGrants(ctx context.Context, scope store.Scope, member string, grants []store.Grant) error {
	rows := make([]granted, len(grants))
	for i, g := range grants {
		rows[i] = granted{g.Role, string(g.Source), g.Group}
	}
	return s.replace(ctx, scope, addGrants, dropGrants, rows, member)
}

// Granted implements store.MemberStore.
func (s *Store) Granted(ctx context.Context, scope store.Scope, query store.GrantQuery) (members []string, err error) {
	c, err := s.open(ctx, scope)
	if err != nil || c.directory == 0 {
		return nil, err
	}
	st, args := grantedBySource, []any{c.directory, string(query.Source), query.After, query.Limit}
	if query.Group != "" {
		st, args = grantedByGroup, []any{c.directory, string(query.Source), query.Group, query.After, query.Limit}
	}
	err = c.each(ctx, st, args, func(row scanner) error {
		var member string
		err := row.Scan(&member)
		members = append(members, member)
		return err
	})
	return members, err
}

// PutTombstone implements store.MemberStore.
func (s *Store) PutTombstone(ctx context.Context, scope store.Scope, t store.Tombstone) error {
	return s.write(ctx, scope, func(ctx context.Context, c call) error {
		_, err := c.exec(ctx, putTombstone, c.directory, t.Member, t.ExternalID, t.UserName, t.DeletedAt.UnixMicro())
		return err
	})
}

// Tombstones implements store.MemberStore.
func (s *Store) Tombstones(ctx context.Context, scope store.Scope, externalID, userName string) (found []store.Tombstone, err error) {
	c, err := s.open(ctx, scope)
	if err != nil || c.directory == 0 {
		return nil, err
	}
	err = c.each(ctx, findTombstones, []any{c.directory, externalID, c.directory, userName, externalID}, func(row scanner) error {
		var t store.Tombstone
		var deleted int64
		err := row.Scan(&t.Member, &t.ExternalID, &t.UserName, &deleted)
		t.DeletedAt = time.UnixMicro(deleted).UTC()
		found = append(found, t)
		return err
	})
	return found, err
}

// ForgetTombstones implements store.MemberStore.
func (s *Store) ForgetTombstones(ctx context.Context, before time.Time) error {
	return s.alter(ctx, expireTombstones, before.UnixMicro())
}
