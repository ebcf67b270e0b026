package sqlstore

import (
	"context"

	"github.com/scimkit/scim/store"
)

var (
	// Nobody else purges the directory until the transaction ends. Who waited for rows that others removed would think that none are left.
	lockDirectory = either(`SELECT ?`, `SELECT number FROM scim_directories WHERE number = ? FOR UPDATE`)
	someResources = both(`SELECT r.number FROM scim_resources AS r WHERE r.{listed} = ? ORDER BY r.type, r.number LIMIT ?{erase}`)
	// PostgreSQL would join the keys with the whole table, and look for the first ones among all rows that are there no more.
	dropValues = either(`
DELETE FROM scim_values WHERE directory = ?1 AND (type, path, value, slot) IN (
	SELECT type, path, value, slot FROM scim_values WHERE directory = ?1 LIMIT ?2)`, `
DELETE FROM scim_values WHERE ctid = ANY (ARRAY(
	SELECT ctid FROM scim_values WHERE directory = ? ORDER BY type, path, value, slot LIMIT ?))`)
	dropHolders   = both(`DELETE FROM scim_members WHERE holder IN {numbers}`)
	dropJoined    = both(`DELETE FROM scim_members WHERE member IN {numbers}`)
	dropResources = both(`DELETE FROM scim_resources WHERE number IN {numbers}`)
	dropRest      = []statement{
		both(`DELETE FROM scim_counts WHERE directory = ?`), both(`DELETE FROM scim_mappings WHERE directory = ?`),
		both(`DELETE FROM scim_assignments WHERE directory = ?`), both(`DELETE FROM scim_grants WHERE {listed} = ?`),
		both(`DELETE FROM scim_tombstones WHERE {listed} = ?`),
	}
)

// Purge implements store.Purger: one transaction, in which the resources that were created first go, with the memberships of each.
// Until nothing is left, totals in the scope are those from before. The scope keeps its number, which is never used again.
func (s *Store) Purge(ctx context.Context, scope store.Scope, limit int) (more bool, err error) {
	if err := scope.Check(); err != nil {
		return false, err
	}
	err = s.InTx(ctx, func(ctx context.Context) error {
		c, err := s.open(ctx, scope)
		if err != nil || c.directory == 0 {
			return err
		}
		var ignored any
		if err := c.row(ctx, lockDirectory, []any{c.directory}, &ignored); err != nil {
			return err
		}
		values, err := c.exec(ctx, dropValues, c.directory, max(limit, 1))
		if err != nil {
			return err
		}
		resources, err := c.purge(ctx, max(limit, 1))
		if err != nil {
			return err
		}
		if more = values+resources > 0; more {
			return nil
		}
		for _, st := range dropRest {
			if _, err := c.exec(ctx, st, c.directory); err != nil {
				return err
			}
		}
		return nil
	})
	return more, err
}

// purge removes resources and returns how many.
func (c call) purge(ctx context.Context, limit int) (int64, error) {
	var numbers []int64
	err := c.each(ctx, someResources, []any{c.directory, limit}, func(row scanner) error {
		var number int64
		err := row.Scan(&number)
		numbers = append(numbers, number)
		return err
	})
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	clear(c.t.held)
	for _, st := range []statement{dropHolders, dropJoined} {
		if _, err := c.exec(ctx, st, list(numbers)); err != nil {
			return 0, err
		}
	}
	return c.exec(ctx, dropResources, list(numbers))
}
