package memstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store"
)

// List implements store.Store. The order is that of creation.
func (s *Store) List(ctx context.Context, scope store.Scope, query store.Query) (page store.Page, err error) {
	err = s.read(ctx, scope, func(d *directory) error {
		t := d.tables[query.Type]
		if t == nil {
			return nil
		}
		if query.Filter == nil {
			page.Total = t.order.length
			t.order.from(max(query.Start, 1)-1, func(_ uint64, r *record) bool {
				if len(page.Resources) == query.Count {
					return false
				}
				page.Resources = append(page.Resources, r.resource())
				return true
			})
			return nil
		}
		page, err = t.search(ctx, d, query)
		return err
	})
	return page, err
}

// A search looks at its context after so many bytes of documents; each candidate counts as some, however small it is.
const (
	perCandidate  = 512
	betweenChecks = 512 << 10
)

// search matches the resources that an index proposes, or all of them, against a filter.
func (t *table) search(ctx context.Context, d *directory, query store.Query) (page store.Page, err error) {
	candidates, exact := t.candidates(d, query)
	work := 0
	candidates(func(_ uint64, r *record) bool {
		if work += perCandidate + len(r.json); work >= betweenChecks {
			work = 0
			if err = ctx.Err(); err != nil {
				return false
			}
		}
		ok := exact
		if !exact {
			ok, err = query.Filter.Match(d.matched(r))
		}
		if ok && err == nil {
			if page.Total++; page.Total >= query.Start && len(page.Resources) < query.Count {
				page.Resources = append(page.Resources, r.resource())
			}
		}
		return err == nil
	})
	return page, err
}

// candidates yields, in the order of creation, the resources that one of the filter's equality terms leaves over, or all if no term
// is about an indexed attribute. exact is set if they are the answer already.
func (t *table) candidates(d *directory, query store.Query) (each func(yield func(uint64, *record) bool), exact bool) {
	terms, exact := query.Filter.Equality()
	exact = exact && len(terms) == 1
	for _, term := range terms {
		if term.Path == "id" {
			return func(yield func(uint64, *record) bool) {
				if r := d.find(store.Ref{Type: query.Type, ID: term.Value}); r != nil {
					yield(r.number, r)
				}
			}, exact
		}
		if each, ok := t.index.find(term.Path, term.Value); ok {
			return each, exact
		}
	}
	return func(yield func(uint64, *record) bool) { t.order.from(0, yield) }, false
}

// matched presents a record to a filter.
func (d *directory) matched(r *record) filter.Record {
	resource := r.resource()
	return filter.Record{
		ID: r.id, Version: int64(r.version), Created: resource.Created, LastModified: resource.LastModified, Document: resource.Document,
		Related: func(relation, id string) (bool, error) {
			switch {
			case relation == "members" && id == "":
				return r.members != nil && r.members.length > 0, nil
			case relation == "members":
				return d.records[id].in(r), nil
			case id == "":
				return len(r.groups) > 0, nil
			default:
				return r.groups[id] != nil, nil
			}
		},
	}
}

// Members implements store.MemberLister.
func (s *Store) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (page store.MemberPage, err error) {
	start, number, err := parseCursor(query.After)
	if err != nil {
		return page, err
	}
	err = s.read(ctx, scope, func(d *directory) error {
		for i := start; i < len(query.Groups) && page.Next == ""; i++ {
			group := d.records[query.Groups[i]]
			last := number
			number = 0
			if group == nil {
				continue
			}
			group.eachMember(last, func(number uint64, m *record) bool {
				if len(page.Memberships) == query.Limit {
					page.Next = formatCursor(i, last)
					return false
				}
				page.Memberships = append(page.Memberships, store.Membership{Group: group.id, Member: m.member()})
				last = number
				return true
			})
		}
		return nil
	})
	return page, err
}

// A cursor is the index of a group in the query and the number of its last member that was returned.
func formatCursor(group int, number uint64) string { return fmt.Sprintf("%d-%d", group, number) }

func parseCursor(cursor string) (group int, number uint64, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	left, right, _ := strings.Cut(cursor, "-")
	if group, err = strconv.Atoi(left); err != nil {
		return 0, 0, fmt.Errorf("memstore: bad cursor: %w", err)
	}
	number, err = strconv.ParseUint(right, 10, 64)
	return group, number, err
}

// Groups implements store.GroupLister. The groups of a member come in the order of their creation.
func (s *Store) Groups(ctx context.Context, scope store.Scope, members []string) (groups map[string][]store.Group, err error) {
	groups = make(map[string][]store.Group, len(members))
	err = s.read(ctx, scope, func(d *directory) error {
		for _, id := range members {
			m := d.records[id]
			if m == nil || len(m.groups) == 0 || groups[id] != nil {
				continue
			}
			for _, g := range byNumber(m.groups) {
				groups[id] = append(groups[id], store.Group{ID: g.id, Type: g.table.name, Display: g.display})
			}
		}
		return nil
	})
	return groups, err
}
