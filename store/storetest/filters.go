package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var filterTests = []test{
	{"are answered exactly", 0, true, testFilters},
	{"see changes", 0, true, testFiltersSeeChanges},
	{"by members", users | groups, false, testFiltersByMembers},
	{"by groups", users | groups | memberGroups, false, testFiltersByGroups},
	{"of many terms", 0, true, testLongFilters},
	{"that fail", users | wholeDocuments, false, testFailingFilters},
}

// population creates resources that differ in many ways, and returns them as the store gives them back.
func (r *rig) population() (list []store.Resource) {
	r.Helper()
	var made []attributes
	if r.typ == "Group" {
		for _, name := range []string{"Ops", "ops", "Straße", "STRASSE", "50% off_\\'\"", "\U0001F680 crew", "é", "e\u0301", "zebra"} {
			made = append(made, named("Group", name).with("externalId", strings.ToUpper(name[:1])))
		}
		made[0], made[8] = named("Group", "Ops"), rich("Group", "zebra")
	} else {
		ann := rich("User", "Ann")
		made = []attributes{
			ann, rich("User", "bea").with("active", false).with("displayName", "Same").with("title", "engineer"),
			rich("User", "Cleo").with("displayName", "same").with("externalId", "e").with("emails", []attributes{{"value": "Ann@example.TEST"}}),
			named("User", "dora"), named("User", "Straße").with("displayName", "STRASSE").with("externalId", "E"),
			named("User", "\uff21lice").with("displayName", "50% off_\\'\"").with("active", false),
			named("User", "a_b%c").with("name", attributes{"familyName": "O'Brien"}).with("title", "\U0001F680"),
			named("User", "\U0001F680").with("emails", []attributes{{"value": "shared@x", "type": "home"}, {"value": "ann@example.test", "type": "work"}}),
			named("User", "zoe").with(schema.EnterpriseURN, attributes{"department": "DISPATCH", "employeeNumber": "701"}),
			named("User", "Zoë").with(sampleURN, attributes{"badge": 7, "height": 1.75, "hiredAt": "2019-05-04T05:02:01.000001+02:00", "remote": true}),
		}
	}
	for _, a := range made {
		list = append(list, r.create(r.typ, a))
	}
	last := len(list) - 1
	r.update(list[2].Ref, r.change(list[2], made[2].with(nameOf(r.typ), "Renamed")))
	r.update(list[last].Ref, r.change(list[last], made[last].with("externalId", "moved")))
	for i := range list {
		list[i] = r.get(list[i].Ref)
	}
	return list
}

// related tells whether a resource has another one, or any if id is empty, in a relation.
type related func(of store.Resource, relation, id string) bool

// matching returns, in order, the ids of the resources that match a filter by filter.Match.
func (r *rig) matching(f *filter.Filter, list []store.Resource, rel related) (ids []string) {
	r.Helper()
	for _, x := range list {
		ok, err := f.Match(filter.Record{
			ID: x.ID, Version: int64(x.Version), Created: x.Created, LastModified: x.LastModified, Document: x.Document,
			Related: func(relation, id string) (bool, error) { return rel(x, relation, id), nil },
		})
		r.ok(err, "Match")
		if ok {
			ids = append(ids, x.ID)
		}
	}
	return sorted(ids)
}

func alone(store.Resource, string, string) bool { return false }

// exact compares what the store finds with what matches. It returns what it found, in the order of the list.
func (r *rig) exact(text string, list []store.Resource, rel related) []string {
	r.Helper()
	f := r.filter(r.typ, text)
	want := r.matching(f, list, rel)
	got, total := r.list(r.Context(), r.scope, store.Query{Type: r.typ, Filter: f, Start: 1, Count: everything})
	same(r, "the resources that match "+text, sorted(got), want)
	equal(r, "the total of "+text, total, len(want))
	return got
}

// agree does so for a list of all, for the total alone and for a page in the middle.
func (r *rig) agree(text string, list []store.Resource, rel related) {
	r.Helper()
	got := r.exact(text, list, rel)
	query := store.Query{Type: r.typ, Filter: r.filter(r.typ, text), Start: 1}
	_, total := r.list(r.Context(), r.scope, query)
	equal(r, "the total of "+text+" with Count 0", total, len(got))
	query.Start, query.Count = 2, 2
	page, total := r.list(r.Context(), r.scope, query)
	equal(r, "the total of "+text+" from 2", total, len(got))
	same(r, "two from the second on of "+text, page, got[min(1, len(got)):min(3, len(got))])
}

// testFilters compares the answers to many filters, alone and combined, with those of filter.Match on what the store holds.
func testFilters(r *rig) {
	list := r.population()
	terms := r.terms(list)
	for _, text := range terms {
		r.agree(text, list, alone)
		r.exact("not ("+text+")", list, alone)
	}
	dice := uint64(1)
	roll := func(n int) int {
		dice = dice*6364136223846793005 + 1442695040888963407 // Knuth's generator: the same filters in every run
		return int(dice>>33) % n
	}
	for range 150 {
		text := terms[roll(len(terms))]
		for range 1 + roll(3) {
			left := []string{text, "(" + text + ")", "not (" + text + ")"}[roll(3)]
			text = left + []string{" and ", " or "}[roll(2)] + terms[roll(len(terms))]
		}
		r.agree(text, list, alone)
	}
}

// terms returns conditions on every kind of attribute, with values that some resources have.
func (r *rig) terms(list []store.Resource) []string {
	r.Helper()
	var terms []string
	add := func(path string, literals []string, operators ...string) {
		for _, literal := range literals {
			for _, operator := range operators {
				terms = append(terms, path+" "+operator+" "+literal)
			}
		}
		terms = append(terms, path+" pr")
	}
	equality := []string{"eq", "ne"}
	texts := append(slices.Clone(equality), "co", "sw", "ew", "gt", "ge", "lt", "le")
	if r.typ == "User" {
		add("userName", quoted("ann", "STRASSE", "straße", "alice", "a_", "%", "\U0001F680", ""), texts...)
		add("urn:ietf:params:scim:schemas:core:2.0:User:userName", quoted("ANN"), equality...)
		add("active", []string{"true", "false"}, equality...)
		add("title", quoted("Engineer", "\U0001F680"), "eq", "co", "gt")
		add("name.familyName", quoted("ferro", "o'brien"), "eq", "ne", "sw")
		add("emails.value", quoted("ann@example.test", "shared@x", "nobody"), "eq", "ne", "co")
		add("emails", quoted("ANN@example.test"), "eq", "ew")
		terms = append(terms, `emails[type eq "work" and value eq "ann@example.test"]`, `emails[type eq "home"].value co "shared"`)
		add(schema.EnterpriseURN+":department", quoted("dispatch"), texts...)
		add(schema.EnterpriseURN+":employeeNumber", quoted("0701", "701"), "eq", "lt")
		add(sampleURN+":badge", []string{"7", "9007199254740993", "9007199254740992"}, "eq", "ne", "gt", "le")
		add(sampleURN+":height", []string{"1.75", "1.750000001"}, "eq", "ge", "lt")
		add(sampleURN+":hiredAt", quoted("2019-05-04T03:02:01.000001Z", "2019-05-04T03:02:01Z"), "eq", "gt", "le")
	}
	add("displayName", quoted("same", "strasse", `50% off_\'"`, "OPS", "é", "_"), texts...)
	add("externalId", quoted("e", "E", "moved"), texts...)
	last := list[len(list)-1]
	add("id", quoted(last.ID, strings.ToUpper(last.ID), list[0].ID, "x"), equality...)
	add("id", quoted(last.ID[:1]), "sw", "gt")
	add("meta.lastModified", quoted(stamp(last.LastModified), stamp(list[1].LastModified.Add(time.Microsecond))), "eq", "gt", "ge", "lt", "le")
	add("meta.created", quoted(stamp(last.Created.In(time.FixedZone("", -5400))), "2011-05-13T04:42:34Z"), "eq", "ne", "gt", "lt")
	add("meta.version", quoted(`W/"1"`, `W/"2"`, "2"), equality...)
	add("meta.location", quoted(location+r.typ+"s/"+last.ID), equality...)
	add("meta.resourceType", quoted(r.typ, "Device"), equality...)
	add("schemas", quoted(schema.EnterpriseURN, typeNamed(r.typ).Schema.ID), "eq")
	return terms
}

func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }

// quoted returns texts as literals of a filter.
func quoted(texts ...string) (literals []string) {
	for _, text := range texts {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
		literals = append(literals, `"`+quoted+`"`)
	}
	return literals
}

// testFiltersSeeChanges checks that filters go by what resources are now, and not by what they were.
func testFiltersSeeChanges(r *rig) {
	path := nameOf(r.typ)
	find := func(when, name string, want ...string) {
		r.Helper()
		got, _ := r.list(r.Context(), r.scope, store.Query{Type: r.typ, Filter: r.filter(r.typ, path+" eq "+strconv.Quote(name)), Start: 1, Count: 10})
		same(r, "the resources with the name "+name+" "+when, got, want)
	}
	ann := r.create(r.typ, rich(r.typ, "ann"))
	find("after Create", "ANN", ann.ID)
	bea := r.update(ann.Ref, r.change(ann, rich(r.typ, "bea"))).Resource
	find("after Update", "ann")
	find("after Update", "Bea", bea.ID)
	text := fmt.Sprintf("meta.lastModified ge %q", stamp(bea.LastModified))
	r.agree(text, []store.Resource{bea}, alone)
	r.remove(bea.Ref)
	find("after Delete", "bea")
	again := r.create(r.typ, rich(r.typ, "bea"))
	find("after another Create", "bea", again.ID)
}

// testFiltersByMembers asks groups for their members.
func testFiltersByMembers(r *rig) {
	r.typ = "Group"
	people := r.people(3)
	list := []store.Resource{r.group("two", people[0], people[1]), r.group("one", people[1]), r.group("none")}
	list = append(list, r.group("nested", list[2].ID, people[0]))
	r.update(list[3].Ref, delta(patch.Delta{Remove: people[:1]}))
	r.update(list[1].Ref, adding(list[1].ID))
	inside := map[string][]string{list[0].ID: people[:2], list[1].ID: {people[1], list[1].ID}, list[3].ID: {list[2].ID}}
	for i := range list {
		list[i] = r.get(list[i].Ref)
	}
	rel := func(of store.Resource, _, id string) bool {
		return id == "" && len(inside[of.ID]) > 0 || slices.Contains(inside[of.ID], id)
	}
	terms := []string{"members pr", `members.value eq "ghost"`, `members[value eq "' or 1=1"]`, `displayName sw "n"`}
	for _, id := range append(people, list[2].ID, list[1].ID, list[0].ID) {
		terms = append(terms, fmt.Sprintf("members.value eq %q", id), fmt.Sprintf("members eq %q", id))
	}
	terms = append(terms, fmt.Sprintf("members[value eq %q or value eq %q]", people[0], list[2].ID))
	r.combined(terms, list, rel)
}

// testFiltersByGroups asks users for their groups.
func testFiltersByGroups(r *rig) {
	r.typ = "User"
	people := r.people(4)
	a, b, none := r.group("a", people[0], people[1]), r.group("b", people[1], people[2]), r.group("none")
	outer := r.group("outer", a.ID)
	r.update(b.Ref, delta(patch.Delta{Remove: people[2:3]}))
	in := map[string][]string{people[0]: {a.ID}, people[1]: {a.ID, b.ID}}
	var list []store.Resource
	for _, id := range people {
		list = append(list, r.get(store.Ref{Type: "User", ID: id}))
	}
	rel := func(of store.Resource, _, id string) bool {
		return id == "" && len(in[of.ID]) > 0 || slices.Contains(in[of.ID], id)
	}
	terms := []string{"groups pr", `groups.value eq "ghost"`, `userName ew "1"`}
	for _, g := range []store.Resource{a, b, none, outer} {
		terms = append(terms, fmt.Sprintf("groups.value eq %q", g.ID))
	}
	r.combined(terms, list, rel)
}

// combined tests terms, their negations and their combinations by two.
func (r *rig) combined(terms []string, list []store.Resource, rel related) {
	r.Helper()
	for i, text := range terms {
		r.agree(text, list, rel)
		r.agree("not ("+text+")", list, rel)
		for _, other := range terms[i+1:] {
			r.exact(text+" and "+other, list, rel)
			r.exact(text+" or not ("+other+")", list, rel)
		}
	}
}

// testLongFilters checks filters as long and as deep as the handler lets pass: databases have limits of their own.
func testLongFilters(r *rig) {
	list := []store.Resource{r.create(r.typ, named(r.typ, "name-42")), r.create(r.typ, named(r.typ, "x"))}
	var terms []string
	for n := range filter.DefaultLimits.Terms {
		terms = append(terms, fmt.Sprintf(`%s eq "NAME-%d"`, nameOf(r.typ), n))
	}
	r.agree(strings.Join(terms, " or "), list, alone)
	r.agree(strings.Join(terms, " and "), list, alone)
	depth := filter.DefaultLimits.Depth
	r.agree(strings.Repeat("(", depth)+terms[42]+strings.Repeat(")", depth), list, alone)
	deep := terms[42]
	for n := range depth - 1 {
		deep = fmt.Sprintf("%s %s (%s)", terms[n], []string{"or", "and not"}[n%2], deep)
	}
	r.agree(deep, list, alone)
	r.agree(fmt.Sprintf("%s eq %q", nameOf(r.typ), strings.Repeat("x", 1000)), list, alone)
}

// testFailingFilters checks that a document that cannot be matched is the list's error, and never a resource that does not match.
func testFailingFilters(r *rig) {
	r.create("User", named("User", "ann"))
	draft := r.draft("User", named("User", "broken"))
	draft.Document = store.NewDocument([]byte(`{"schemas":["` + schema.UserURN + `"],"userName":"broken","nickName":7}`))
	if _, err := r.Create(r.Context(), r.scope, draft); err != nil {
		r.Skipf("short of broken documents: the store refuses them: %v", err)
	}
	r.create("User", named("User", "bea"))
	f := r.filter("User", `nickName ne "x" and userType ne "x"`)
	for _, query := range []store.Query{{Start: 1, Count: everything}, {Start: 1, Count: 1}, {Start: 1}, {Start: 100, Count: 1}} {
		query.Type, query.Filter = "User", f
		if page, err := r.List(r.Context(), r.scope, query); err == nil {
			r.Fatalf("List of %d from %d finds %d resources where Match fails for one, want its error", query.Count, query.Start, page.Total)
		}
	}
}
