package sqlstore

import (
	"context"

	"github.com/scimkit/scim/store"
)

// blockSize is how many numbers of resources are counted together. A page at any offset skips fewer rows than that.
const blockSize = 8192

var (
	countOne = either(`
INSERT INTO scim_counts (directory, type, block, resources) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET resources = resources + excluded.resources`, `
INSERT INTO scim_counts (directory, type, block, shard, resources) VALUES (?, ?, ?, pg_backend_pid() % 16, ?)`+addCounts)
	blockCounts = both(`SELECT block, sum(resources) FROM scim_counts WHERE directory = ? AND type = ? GROUP BY block ORDER BY block`)
	pageOfAll   = both(`
SELECT ` + recordColumns + ` FROM scim_resources AS r JOIN (
	SELECT number FROM scim_resources WHERE {listed} = ? AND type = ? AND number >= ? ORDER BY number LIMIT ? OFFSET ?
) AS page ON page.number = r.number ORDER BY r.number`)
)

const addCounts = `
ON CONFLICT (directory, type, block, shard) DO UPDATE SET resources = scim_counts.resources + excluded.resources`

// count notes that a resource came or went.
func (c call) count(ctx context.Context, r *record, by int) error {
	_, err := c.exec(ctx, countOne, c.directory, r.ref.Type, r.number/blockSize, by)
	return err
}

// List implements store.Store. The order is that of creation.
func (s *Store) List(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
	c, err := s.open(ctx, scope)
	if err != nil || c.directory == 0 {
		return store.Page{}, err
	}
	if query.Filter == nil {
		return c.all(ctx, query)
	}
	return c.search(ctx, query)
}

// all answers a query without a filter: the counts tell the total and the block in which the page starts.
func (c call) all(ctx context.Context, query store.Query) (page store.Page, err error) {
	skip, from, reached := max(query.Start, 1)-1, int64(0), false
	err = c.each(ctx, blockCounts, []any{c.directory, query.Type}, func(row scanner) error {
		var block int64
		var resources int
		if err := row.Scan(&block, &resources); err != nil {
			return err
		}
		page.Total += resources
		switch {
		case reached:
		case skip < resources:
			from, reached = block*blockSize, true
		default:
			skip -= resources
		}
		return nil
	})
	if err != nil || !reached || query.Count <= 0 {
		return page, err
	}
	records, err := c.records(ctx, pageOfAll, c.directory, query.Type, from, query.Count, skip)
	page.Resources = resourcesOf(records)
	return page, err
}

// records reads rows of resources.
func (c call) records(ctx context.Context, st statement, args ...any) (records []*record, err error) {
	err = c.each(ctx, st, args, func(row scanner) error {
		r := &record{}
		records = append(records, r)
		return r.scan(row)
	})
	return records, err
}

func resourcesOf(records []*record) []store.Resource {
	resources := make([]store.Resource, len(records))
	for i, r := range records {
		resources[i] = r.resource()
	}
	return resources
}
