package sqlstore

import (
	"context"
	"slices"
	"strconv"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store"
)

// scanned is how many resources are read at a time to be matched in Go.
const scanned = 500

// columnOf are the attributes that the database can compare.
var columnOf = map[string]filter.Column{
	"id":                {Expr: "r.id", Type: filter.ExactText},
	"userName":          {Expr: "r.user_name", Type: filter.FoldedText},
	"externalId":        {Expr: "r.external_id", Type: filter.FoldedText},
	"displayName":       {Expr: "r.display_name", Type: filter.FoldedText},
	"active":            {Expr: "r.active", Type: filter.Boolean},
	"meta.created":      {Expr: "r.created", Type: filter.Microseconds},
	"meta.lastModified": {Expr: "r.modified", Type: filter.Microseconds},
}

// selection is what of a type a filter leaves over, as SQL.
type selection struct {
	from  string // tables, the resources as r
	where string
	order string
	args  []any
	exact bool // nothing is left to Match
}

const (
	allResources = "scim_resources AS r"
	byNumber     = "r.number"
	// An expression keeps the databases from walking the whole type in its order when an index has few candidates.
	fewByNumber = "r.number + 0"
)

// selection translates a filter: one of its equality terms looks up an index, where there is one, and what has a column restricts
// that further.
func (c call) selection(query store.Query) selection {
	s := selection{from: allResources, order: byNumber}
	terms, all := query.Filter.Equality()
	for _, term := range terms {
		switch term.Path {
		case "id", "userName", "externalId", "displayName":
			s.order = fewByNumber
		}
	}
	for _, term := range terms {
		if s.order == byNumber && slices.Contains(c.s.indexed, term.Path) {
			// The common table expression, which PostgreSQL would otherwise fold into the rest, keeps it from walking the whole type.
			s.from, s.order = "indexed JOIN "+allResources+" ON r.number = indexed.number", fewByNumber
			s.args = []any{c.directory, query.Type, term.Path, keyOf(term.Value)}
			s.exact = all && len(terms) == 1 && keyOf(term.Value) == term.Value
			break
		}
	}
	s.where = "true" // of what the index yields
	if s.from == allResources {
		s.args = append(s.args, c.directory, query.Type)
		s.where = "r.directory = " + c.placeholder(1) + " AND r.type = " + c.placeholder(2)
		if s.order == byNumber && c.s.config.Dialect == filter.PostgreSQL {
			s.where = "r.directory + 0 = " + c.placeholder(1) + " AND r.type = " + c.placeholder(2) // see scim_resources_order
		}
	}
	where, args, exact := query.Filter.SQL(filter.Columns{Dialect: c.s.config.Dialect, Map: columnOf, First: len(s.args) + 1})
	if where != "" {
		s.where += " AND " + where
	}
	s.args, s.exact = append(s.args, args...), s.exact || exact
	return s
}

// placeholder returns the placeholder of the n-th argument.
func (c call) placeholder(n int) string {
	if c.s.config.Dialect == filter.PostgreSQL {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// with adds a condition or clause with arguments to the end of a selection.
func (c call) with(s selection, clauses ...clause) selection {
	s.args = slices.Clone(s.args)
	for _, clause := range clauses {
		s.args = append(s.args, clause.arg)
		s.where += clause.text + c.placeholder(len(s.args))
	}
	return s
}

// clause is the end of a statement, before its placeholder.
type clause struct {
	text string
	arg  any
}

// statement returns the SELECT of a selection. Its text depends on the shape of the filter, never on a literal in it.
func (c call) statement(columns string, s selection) statement {
	text := "SELECT " + columns + " FROM " + s.from + " WHERE " + s.where
	if s.from != allResources {
		materialized := "WITH indexed AS MATERIALIZED (SELECT number FROM scim_values WHERE directory = " + c.placeholder(1) +
			" AND type = " + c.placeholder(2) + " AND path = " + c.placeholder(3) + " AND value = " + c.placeholder(4) + ") "
		text = materialized + text
	}
	return statement{sqlite: text, postgres: text}
}

// search answers a query with a filter.
func (c call) search(ctx context.Context, query store.Query) (store.Page, error) {
	s := c.selection(query)
	if s.exact {
		return c.searchExact(ctx, query, s)
	}
	return c.searchMatching(ctx, query, s)
}

// searchExact lets the database page, and count only where the page does not tell the total.
func (c call) searchExact(ctx context.Context, query store.Query, s selection) (page store.Page, err error) {
	skip, count := max(query.Start, 1)-1, max(query.Count, 0)
	if count > 0 {
		paged := c.with(s, clause{" ORDER BY " + s.order + " LIMIT ", count}, clause{" OFFSET ", skip})
		records, err := c.records(ctx, c.statement(recordColumns, paged), paged.args...)
		if err != nil {
			return page, err
		}
		page.Resources = resourcesOf(records)
		if n := len(records); n < count && (n > 0 || skip == 0) {
			page.Total = skip + n
			return page, nil
		}
	}
	err = c.row(ctx, c.statement("count(*)", s), s.args, &page.Total)
	return page, err
}

// searchMatching matches what the database leaves over in Go.
func (c call) searchMatching(ctx context.Context, query store.Query, s selection) (page store.Page, err error) {
	for last := int64(0); ; {
		batch := c.with(s, clause{" AND " + s.order + " > ", last}, clause{" ORDER BY " + s.order + " LIMIT ", scanned})
		records, err := c.records(ctx, c.statement(recordColumns, batch), batch.args...)
		if err != nil {
			return page, err
		}
		related := c.relations(ctx, records)
		for _, r := range records {
			ok, err := query.Filter.Match(r.matched(related))
			if err != nil {
				return page, err
			}
			if ok {
				if page.Total++; page.Total >= query.Start && len(page.Resources) < query.Count {
					page.Resources = append(page.Resources, r.resource())
				}
			}
		}
		if len(records) < scanned {
			return page, nil
		}
		last = records[len(records)-1].number
	}
}

// matched presents a resource to a filter.
func (r *record) matched(related func(r *record, relation, id string) (bool, error)) filter.Record {
	resource := r.resource()
	return filter.Record{
		ID: r.ref.ID, Version: r.version, Created: resource.Created, LastModified: resource.LastModified, Document: resource.Document,
		Related: func(relation, id string) (bool, error) { return related(r, relation, id) },
	}
}
