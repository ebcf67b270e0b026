package storetest

import (
	"fmt"
	"math"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store"
)

var listTests = []test{
	{"pages", 0, true, testPages},
	{"pages of what matches", 0, true, testFilteredPages},
	{"order", 0, true, testOrder},
	{"nobody", 0, true, testEmptyLists},
}

// testPages compares every page with the list of all.
func testPages(r *rig) {
	for n := range 7 {
		r.create(r.typ, named(r.typ, fmt.Sprint("name ", n*5%7)))
	}
	r.remove(store.Ref{Type: r.typ, ID: r.all(r.typ)[3]})
	all := r.all(r.typ)
	equal(r, "the total", len(all), 6)
	r.pages(store.Query{Type: r.typ}, all)
}

func testFilteredPages(r *rig) {
	for n := range 8 {
		name := fmt.Sprintf("%s %d", []string{"even", "odd"}[n%2], n)
		r.create(r.typ, rich(r.typ, name).with("externalId", name[:3]))
	}
	texts := []string{nameOf(r.typ) + ` sw "even"`, "not (" + nameOf(r.typ) + ` co "ODD")`, nameOf(r.typ) + " pr", `externalId eq "eve"`}
	for _, text := range texts {
		if r.keep != nil && !r.keep["externalId"] && text == texts[3] {
			continue
		}
		query := store.Query{Type: r.typ, Filter: r.filter(r.typ, text)}
		query.Start, query.Count = 1, everything
		all, total := r.list(r.Context(), r.scope, query)
		equal(r, "the total of a list of all that match", total, len(all))
		equal(r, "the number of resources that match "+text, len(all), map[bool]int{true: 8, false: 4}[text == texts[2]])
		r.pages(query, all)
	}
}

// pages reads all pages of a query, of every size from every start, and some that lie behind the end.
func (r *rig) pages(query store.Query, all []string) {
	r.Helper()
	for query.Start = 1; query.Start <= len(all)+2; query.Start++ {
		for query.Count = 0; query.Count <= len(all)+1; query.Count++ {
			got, total := r.list(r.Context(), r.scope, query)
			from := min(query.Start-1, len(all))
			same(r, fmt.Sprintf("%d from %d of %v", query.Count, query.Start, all), got, all[from:min(from+query.Count, len(all))])
			equal(r, "the total", total, len(all))
		}
	}
	for _, query.Start = range []int{1000, math.MaxInt32} {
		got, total := r.list(r.Context(), r.scope, query)
		equal(r, fmt.Sprintf("the resources from %d on", query.Start), len(got), 0)
		equal(r, "the total", total, len(all))
	}
}

// testOrder checks that the order stays the same while resources change.
func testOrder(r *rig) {
	var last []store.Resource
	for n := range 6 {
		last = append(last, r.create(r.typ, named(r.typ, fmt.Sprint("name ", 5-n))))
	}
	all := r.all(r.typ)
	equal(r, "the number of resources", len(all), len(last))
	for n, x := range last {
		r.update(x.Ref, r.change(x, named(r.typ, fmt.Sprint("new name ", n*5%6))))
		same(r, "the order after an Update", r.all(r.typ), all)
	}
}

func testEmptyLists(r *rig) {
	for _, f := range []*filter.Filter{nil, r.filter(r.typ, nameOf(r.typ)+` pr`), r.filter(r.typ, nameOf(r.typ)+` eq "x"`)} {
		for _, count := range []int{0, 10} {
			ids, total := r.list(r.Context(), r.scope, store.Query{Type: r.typ, Filter: f, Start: 1, Count: count})
			equal(r, "the total of nothing", total, 0)
			equal(r, "the resources of nothing", len(ids), 0)
		}
	}
}

// filter parses and binds a filter as the handler does.
func (r *rig) filter(typ, text string) *filter.Filter {
	r.Helper()
	expr, err := filter.Parse(text, filter.DefaultLimits, nil)
	r.ok(err, "parsing the filter %s", text)
	f, err := filter.Bind(expr, typeNamed(typ), filter.Options{
		Location: location + typ + "s/", NoMembers: r.has&groups == 0, NoGroups: r.has&memberGroups == 0,
	}, nil)
	r.ok(err, "binding the filter %s", text)
	return f
}
