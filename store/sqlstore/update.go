package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var (
	writeDocument = both(`
UPDATE scim_resources SET user_name = ?, external_id = ?, display_name = ?, active = ?, display = ?, terms = ?, document = ?,
	user_slot = ?, display_slot = ?, version = ?, modified = ?, members = ? WHERE number = ?`)
	writeVersion = both(`UPDATE scim_resources SET version = ?, modified = ?, members = ? WHERE number = ?`)
)

// Update implements store.Store.
func (s *Store) Update(
	ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, write store.Write,
) (applied store.Applied, err error) {
	err = s.write(ctx, scope, func(ctx context.Context, c call) error {
		r, err := c.load(ctx, ref, keepRecord)
		if err != nil {
			return err
		}
		if write.IfVersion != 0 && write.IfVersion != store.Version(r.version) {
			return store.ErrVersion
		}
		add, err := c.resolve(ctx, change.Members.Add)
		if err != nil {
			return err
		}
		next := *r
		var cols columns
		if len(change.Changes) > 0 {
			cols = c.s.columns(change.After, change.Unique)
			if err := c.settle(ctx, &next, cols, change); err != nil {
				return err
			}
		}
		applied = store.Applied{}
		if applied.Removed, err = c.leave(ctx, r.number, change.Members, add); err != nil {
			return err
		}
		if applied.Added, err = c.join(ctx, r.number, add); err != nil {
			return err
		}
		applied.Changed = len(change.Changes) > 0 || len(applied.Added) > 0 || len(applied.Removed) > 0
		if applied.Changed {
			next.touch(write.At)
			next.members += int64(len(applied.Added) - len(applied.Removed))
			if err := c.rewrite(ctx, &next, cols, change); err != nil {
				return err
			}
			*r = next
		}
		applied.Resource = r.resource()
		return nil
	})
	return applied, err
}

// rewrite stores what Update changed in the row of a resource. Where settle lost a unique value to another transaction since, this one
// is repeated, and finds it taken.
func (c call) rewrite(ctx context.Context, r *record, cols columns, change patch.ChangeSet) error {
	args := []any{r.version, r.modified, r.members, r.number}
	if len(change.Changes) == 0 {
		_, err := c.exec(ctx, writeVersion, args...)
		return err
	}
	_, err := c.exec(ctx, writeDocument, append([]any{
		cols.userName, cols.externalID, cols.displayName, cols.active, cols.display, r.terms, string(r.document), r.userSlot, r.displaySlot,
	}, args...)...)
	if uniqueViolation(err) {
		c.t.lost = true
	}
	return err
}

// settle derives the row of a resource from its new document, and brings scim_values in line with it. UniquenessError: a value is
// taken, and nothing changed.
func (c call) settle(ctx context.Context, r *record, cols columns, change patch.ChangeSet) error {
	old := r.lockedColumns
	r.document, r.display, r.terms = change.After.JSON(), cols.display, encodeTerms(cols.terms)
	r.userName, r.userSlot = nullable(cols.userName), slotOf(r.number, cols.userHeld)
	r.displayName, r.displaySlot = nullable(cols.displayName), slotOf(r.number, cols.displayHeld)
	for _, key := range change.Unique {
		if key.Path == "userName" && r.userName == old.userName && r.userSlot == old.userSlot ||
			key.Path == "displayName" && r.displayName == old.displayName && r.displaySlot == old.displaySlot {
			continue
		}
		if taken, err := c.held(ctx, r, key.Path, cols); taken || err != nil {
			if err != nil {
				return err
			}
			return &store.UniquenessError{Path: key.Path}
		}
	}
	if r.terms == old.terms {
		return nil
	}
	before, err := decodeTerms(old.terms)
	if err != nil {
		return err
	}
	fresh := slices.DeleteFunc(slices.Clone(cols.terms), func(t term) bool { return slices.Contains(before, t) })
	stale := slices.DeleteFunc(before, func(t term) bool { return slices.Contains(cols.terms, t) })
	held, free := split(fresh)
	if path, err := c.hold(ctx, r, held); path != "" || err != nil {
		if err != nil {
			return err
		}
		return &store.UniquenessError{Path: path}
	}
	if err := c.index(ctx, r, free); err != nil {
		return err
	}
	return c.release(ctx, r, stale)
}

func nullable(text *string) sql.NullString {
	if text == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: *text, Valid: true}
}

func slotOf(number int64, held bool) int64 {
	if held {
		return 0
	}
	return number
}

// resolved is a resource that is to become a member, or that was one.
type resolved struct {
	number int64
	store.Member
}

var (
	resolveMembers = both(`
SELECT r.number, r.id, r.type, r.display FROM scim_resources AS r WHERE r.directory = ? AND r.id IN {texts} ORDER BY r.number{share}`)
	addMembers = both(`
INSERT INTO scim_members (holder, member) SELECT CAST(? AS bigint), r.number FROM scim_resources AS r WHERE r.number IN {numbers}
ON CONFLICT DO NOTHING RETURNING member`)
	// SQLite takes the tables of a CROSS JOIN in their order: from the few that were named, not from all members of the group.
	namedMembers = both(`
SELECT r.number, r.id, r.type, r.display FROM scim_resources AS r CROSS JOIN scim_members AS m
WHERE m.holder = ? AND m.member = r.number AND r.directory = ? AND r.id IN {texts}`)
	otherMembers = both(`
SELECT r.number, r.id, r.type, r.display FROM scim_members AS m JOIN scim_resources AS r ON r.number = m.member
WHERE m.holder = ? AND m.member NOT IN {numbers} ORDER BY m.member`)
	removeMembers = both(`DELETE FROM scim_members WHERE holder = ? AND member IN {numbers}`)
	keepMembers   = both(`DELETE FROM scim_members WHERE holder = ? AND member NOT IN {numbers}`)
)

// resolve finds resources that are to become members, in the order asked, and keeps them from being deleted. UnknownMembersError: some
// do not exist.
func (c call) resolve(ctx context.Context, ids []string) ([]resolved, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := c.members(ctx, resolveMembers, c.directory, list(ids))
	if err != nil {
		return nil, err
	}
	inOrder := inOrderOf(ids, found)
	if len(inOrder) == len(ids) {
		return inOrder, nil
	}
	unknown := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(found, func(m resolved) bool { return m.ID == id })
	})
	return nil, &store.UnknownMembersError{IDs: unknown}
}

// members reads members.
func (c call) members(ctx context.Context, st statement, args ...any) (found []resolved, err error) {
	err = c.each(ctx, st, args, func(row scanner) error {
		var m resolved
		err := row.Scan(&m.number, &m.ID, &m.Type, &m.Display)
		found = append(found, m)
		return err
	})
	return found, err
}

// inOrderOf returns what was found in the order in which it was asked for.
func inOrderOf(ids []string, found []resolved) []resolved {
	byID := make(map[string]resolved, len(found))
	for _, m := range found {
		byID[m.ID] = m
	}
	ordered := make([]resolved, 0, len(found))
	for _, id := range ids {
		if m, ok := byID[id]; ok {
			ordered = append(ordered, m)
		}
	}
	return ordered
}

// join makes resources members of a group, and returns those that were none.
func (c call) join(ctx context.Context, group int64, members []resolved) (added []store.Member, err error) {
	if len(members) == 0 {
		return nil, nil
	}
	joined := make(map[int64]bool, len(members))
	err = c.each(ctx, addMembers, []any{group, list(numbersOf(members))}, func(row scanner) error {
		var number int64
		err := row.Scan(&number)
		joined[number] = true
		return err
	})
	for _, m := range members {
		if joined[m.number] {
			added = append(added, m.Member)
		}
	}
	return added, err
}

// leave ends the memberships that a delta removes, except of those that it adds again, and returns the members that are none any more.
func (c call) leave(ctx context.Context, group int64, delta patch.Delta, add []resolved) (removed []store.Member, err error) {
	var gone []resolved
	switch {
	case delta.Clear:
		if gone, err = c.members(ctx, otherMembers, group, list(numbersOf(add))); err == nil && len(gone) > 0 {
			_, err = c.exec(ctx, keepMembers, group, list(numbersOf(add)))
		}
	case len(delta.Remove) > 0:
		if gone, err = c.members(ctx, namedMembers, group, c.directory, list(delta.Remove)); err == nil && len(gone) > 0 {
			gone = inOrderOf(delta.Remove, gone)
			_, err = c.exec(ctx, removeMembers, group, list(numbersOf(gone)))
		}
	}
	for _, m := range gone {
		removed = append(removed, m.Member)
	}
	return removed, err
}

func numbersOf(members []resolved) []int64 {
	numbers := make([]int64, len(members))
	for i, m := range members {
		numbers[i] = m.number
	}
	return numbers
}
