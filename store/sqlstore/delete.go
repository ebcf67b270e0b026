package sqlstore

import (
	"context"
	"slices"

	"github.com/scimkit/scim/store"
)

var (
	keepGroups = both(`
SELECT ` + recordColumns + lockedNames + ` FROM scim_resources AS d
JOIN scim_members AS m ON m.member = d.number JOIN scim_resources AS r ON r.number = m.holder
WHERE d.directory = ? AND d.id = ? AND d.type = ? ORDER BY r.number{keep}`)
	groupsLeft = both(`
SELECT r.number, r.id, r.type, r.display FROM scim_members AS m JOIN scim_resources AS r ON r.number = m.holder
WHERE m.member = ? AND m.holder <> ? ORDER BY r.number`)
	dropMember   = both(`DELETE FROM scim_members WHERE member = ?`)
	dropMembers  = both(`DELETE FROM scim_members WHERE holder = ?`)
	touchHolders = both(`
UPDATE scim_resources SET version = version + 1, members = members - 1,
	modified = CASE WHEN modified < ? THEN CAST(? AS bigint) ELSE modified + 1 END WHERE number IN {numbers}`)
)

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, scope store.Scope, ref store.Ref, write store.Write) (deleted store.Deleted, err error) {
	err = s.write(ctx, scope, func(ctx context.Context, c call) error {
		deleted = store.Deleted{}
		groups, err := c.holders(ctx, ref)
		if err != nil {
			return err
		}
		r, err := c.load(ctx, ref, eraseRecord)
		if err != nil {
			return err
		}
		if write.IfVersion != 0 && write.IfVersion != store.Version(r.version) {
			return store.ErrVersion
		}
		deleted.Resource = r.resource()
		if deleted.Lost, err = c.part(ctx, r, groups, write); err != nil {
			return err
		}
		return c.erase(ctx, r)
	})
	return deleted, err
}

// holders locks the groups that have the resource as a member. They come before it, as in every change of their members.
func (c call) holders(ctx context.Context, ref store.Ref) (groups []*record, err error) {
	err = c.each(ctx, keepGroups, []any{c.directory, ref.ID, ref.Type}, func(row scanner) error {
		g := &record{}
		err := g.scanLocked(row)
		groups = append(groups, g)
		return err
	})
	for i, g := range groups {
		key := held{c.directory, g.ref.ID}
		if known := c.t.held[key]; known != nil {
			groups[i] = known
		} else {
			c.t.held[key] = g
		}
	}
	return groups, err
}

// part ends the memberships of a resource in groups. Nobody can add the resource to another one any more. A group that it joined after
// holders had looked is locked too late, and could deadlock: the transaction is repeated, as long as it can be.
func (c call) part(ctx context.Context, r *record, groups []*record, write store.Write) (lost []store.Loss, err error) {
	left, err := c.members(ctx, groupsLeft, r.number, r.number)
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		i := slices.IndexFunc(groups, func(g *record) bool { return g.number == l.number })
		var group *record
		switch {
		case i >= 0:
			group = groups[i]
		case c.t.mayRepeat:
			c.t.lost = true
			return nil, errLost
		default:
			if group, err = c.load(ctx, store.Ref{Type: l.Type, ID: l.ID}, keepRecord); err != nil {
				return nil, err
			}
		}
		before := group.resource()
		group.touch(write.At)
		group.members--
		lost = append(lost, store.Loss{Before: before, Group: group.resource(), Member: r.member()})
	}
	if len(left) > 0 {
		at := write.At.UnixMicro()
		if _, err := c.exec(ctx, touchHolders, at, at, list(numbersOf(left))); err != nil {
			return nil, err
		}
	}
	_, err = c.exec(ctx, dropMember, r.number)
	return lost, err
}

// erase removes a resource that is in no group.
func (c call) erase(ctx context.Context, r *record) error {
	if r.members > 0 {
		if _, err := c.exec(ctx, dropMembers, r.number); err != nil {
			return err
		}
	}
	terms, err := decodeTerms(r.terms)
	if err != nil {
		return err
	}
	if err := c.release(ctx, r, terms); err != nil {
		return err
	}
	if _, err := c.exec(ctx, dropRecord, r.number); err != nil {
		return err
	}
	delete(c.t.held, held{c.directory, r.ref.ID})
	return c.count(ctx, r, -1)
}
