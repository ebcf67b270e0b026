package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// list is a page of resources (RFC 7644, section 3.4.2).
type list struct {
	answer    answer
	total     int
	resources []object
}

// list asks for a page. also are statuses that mean "nobody" besides an empty list. ok is false if there is no usable list.
func (s *session) list(ctx context.Context, endpoint, query string, also ...int) (l list, ok bool) {
	want := append([]int{http.StatusOK}, also...)
	a, ok := s.client.send(ctx, request{method: http.MethodGet, endpoint: endpoint, query: query, want: want})
	if !ok || a.status != http.StatusOK {
		return list{answer: a}, ok
	}
	l = list{answer: a}
	var d differences
	if schemas, _ := a.object["schemas"].([]any); !slices.Contains(schemas, any("urn:ietf:params:scim:api:messages:2.0:ListResponse")) {
		d.addf("schemas: want a ListResponse, got %s", show(a.object["schemas"]))
	}
	l.total = d.integer(a.object, "totalResults")
	start, perPage := d.integer(a.object, "startIndex"), d.integer(a.object, "itemsPerPage")
	resources, isList := a.object["Resources"].([]any)
	if !isList {
		d.addf("Resources: want an array, got %s", show(a.object["Resources"]))
	}
	for _, r := range resources {
		resource, _ := r.(object)
		if id, _ := resource["id"].(string); id == "" {
			d.addf("Resources: want an id in each, got %s", show(r))
		}
		l.resources = append(l.resources, resource)
	}
	if perPage != len(resources) || start < 1 || l.total < len(resources) {
		d.addf("totalResults %d, startIndex %d and itemsPerPage %d do not fit %d resources", l.total, start, perPage, len(resources))
	}
	s.differ(a, answer{}, d)
	return l, len(d.lines) == 0
}

// integer reads a number, which must not be a string (OKTA-05).
func (d *differences) integer(o object, name string) int {
	number, _ := o[name].(json.Number)
	n, err := number.Int64()
	if err != nil {
		d.addf("%s: want an integer, got %s", name, show(o[name]))
	}
	return int(n)
}

// differ reports differences between what was sent and what an answer shows, if there are any.
func (s *session) differ(read, sent answer, d differences) {
	if len(d.lines) == 0 {
		return
	}
	m := mismatch{sent: read.request, body: read.sent, about: strings.Join(d.lines, "\n"), answer: string(read.body)}
	if sent.request != "" && sent.request != read.request {
		m.sent, m.body, m.read = sent.request, sent.sent, read.request
	}
	s.report.add(m)
}

// nobody expects a list without resources.
func (s *session) nobody(ctx context.Context, endpoint, query string, sent answer, also ...int) bool {
	l, ok := s.list(ctx, endpoint, query, also...)
	if ok && len(l.resources)+l.total > 0 {
		s.differ(l.answer, sent, differences{[]string{fmt.Sprintf("want no resource, got %d of %d", len(l.resources), l.total)}})
		return false
	}
	return ok
}

// only expects a list of one resource, which it returns.
func (s *session) only(ctx context.Context, endpoint, query, id string, sent answer) (l list, resource object, ok bool) {
	l, ok = s.list(ctx, endpoint, query)
	if !ok {
		return l, nil, false
	}
	if l.total != 1 || len(l.resources) != 1 || l.resources[0]["id"] != id {
		about := fmt.Sprintf("want the one resource %s, got %d of %d", id, len(l.resources), l.total)
		s.differ(l.answer, sent, differences{[]string{about}})
		return l, nil, false
	}
	return l, l.resources[0], true
}

// readUser gets a person's user and compares.
func (s *session) readUser(ctx context.Context, p *person) object {
	a, ok := s.client.send(ctx, request{method: http.MethodGet, endpoint: "/Users", id: p.id, want: []int{http.StatusOK}})
	if !ok {
		return nil
	}
	s.checkUser(p, a, a.object)
	return a.object
}

// findUser expects a query to find a person's user, and nobody else, and compares.
func (s *session) findUser(ctx context.Context, p *person, query string) {
	if l, resource, ok := s.only(ctx, "/Users", query, p.id, p.sent); ok {
		s.checkUser(p, l.answer, resource)
	}
}

// checkUser compares what an answer shows of a user with the model.
func (s *session) checkUser(p *person, read answer, got object) {
	var d differences
	d.resource(got, "User", "/Users/", p.id)
	want := p.document()
	d.document(want, got)
	if want[enterpriseURN] != nil {
		d.schema(got, enterpriseURN)
	}
	d.schema(got, userURN)
	d.groupsOf(s.groups, p, got)
	s.differ(read, p.sent, d)
}

// resource checks what the server gives to every resource.
func (d *differences) resource(got object, typ, path, id string) {
	if got["id"] != id || id == "" {
		d.addf("id: want %q, got %s", id, show(got["id"]))
	}
	meta, _ := got["meta"].(object)
	if meta["resourceType"] != typ {
		d.addf("meta.resourceType: want %q, got %s", typ, show(meta["resourceType"]))
	}
	if location, _ := meta["location"].(string); !strings.HasSuffix(location, path+url.PathEscape(id)) {
		d.addf("meta.location: want a URL that ends in %s, got %s", path+url.PathEscape(id), show(meta["location"]))
	}
}

func (d *differences) schema(got object, urn string) {
	if schemas, _ := got["schemas"].([]any); !slices.Contains(schemas, any(urn)) {
		d.addf("schemas: want %s, got %s", urn, show(got["schemas"]))
	}
}

// groupsOf compares the groups of a user, if the server shows them: that is optional.
func (d *differences) groupsOf(groups []*group, p *person, got object) {
	if got["groups"] == nil {
		return
	}
	var want []string
	for _, g := range groups {
		if g.id != "" && g.has(p) {
			want = append(want, g.id)
		}
	}
	d.ids("groups", want, got["groups"])
}

// ids compares a relation: the values of its elements, in any order.
func (d *differences) ids(path string, want []string, got any) {
	elements, ok := got.([]any)
	if !ok && !isUnassigned(got) {
		d.addf("%s: want an array, got %s", path, show(got))
	}
	missing := make(map[string]bool, len(want))
	for _, id := range want {
		missing[id] = true
	}
	for _, element := range elements {
		o, _ := element.(object)
		id, _ := o["value"].(string)
		if !missing[id] {
			d.addf("%s: %s should not be there, or not twice", path, show(element))
		}
		delete(missing, id)
	}
	for _, id := range want {
		if missing[id] {
			d.addf("%s: %s is missing among %d", path, id, len(elements))
		}
	}
}

// readGroup gets a group with its members and compares.
func (s *session) readGroup(ctx context.Context, g *group) {
	a, ok := s.client.send(ctx, request{method: http.MethodGet, endpoint: "/Groups", id: g.id, want: []int{http.StatusOK}})
	if ok {
		s.checkGroup(g, a, a.object)
	}
}

// checkGroup compares what an answer shows of a group, members included, with the model.
func (s *session) checkGroup(g *group, read answer, got object) {
	var d differences
	d.group(g, got)
	var want []string
	for _, p := range g.members {
		if p.id != "" {
			want = append(want, p.id)
		}
	}
	d.ids("members", want, got["members"])
	s.differ(read, g.sent, d)
}

// checkName compares what an answer shows of a group, whatever it shows of the members.
func (s *session) checkName(g *group, read answer, got object) {
	var d differences
	d.group(g, got)
	s.differ(read, g.sent, d)
}

// group compares a group without its members.
func (d *differences) group(g *group, got object) {
	d.resource(got, "Group", "/Groups/", g.id)
	d.schema(got, groupURN)
	d.value("displayName", g.displayName, got["displayName"])
	if g.externalID != "" {
		d.value("externalId", g.externalID, got["externalId"])
	}
}

// gone expects that a resource cannot be had any more.
func (s *session) gone(ctx context.Context, endpoint, id string) {
	s.client.send(ctx, request{method: http.MethodGet, endpoint: endpoint, id: id, want: []int{http.StatusNotFound}})
}

// remove deletes a resource.
func (s *session) remove(ctx context.Context, endpoint, id string) (answer, bool) {
	return s.client.send(ctx, request{method: http.MethodDelete, endpoint: endpoint, id: id, want: []int{http.StatusNoContent}})
}

// pages reads a whole list, step resources at a time, by next, which makes the query of a page. It returns the resources by id, and
// the answer that showed them; ok is false if the list could not be read.
func (s *session) pages(ctx context.Context, endpoint string, step int, next func(start int) string) (seen map[string]seenAt, ok bool) {
	seen = map[string]seenAt{}
	var d differences
	for start, total := 1, 1; start <= total; start += step {
		l, ok := s.list(ctx, endpoint, next(start))
		if !ok {
			return nil, false
		}
		if start > 1 && l.total != total {
			d.addf("totalResults: %d on an earlier page, now %d", total, l.total)
		}
		total = l.total
		for _, resource := range l.resources {
			id, _ := resource["id"].(string)
			if _, twice := seen[id]; twice {
				d.addf("Resources: %s is on two pages", id)
			}
			seen[id] = seenAt{l.answer, resource}
		}
		if want := min(step, total-start+1); len(l.resources) != max(want, 0) {
			d.addf("Resources: want %d from %d on, got %d", want, start, len(l.resources))
		}
		s.differ(l.answer, answer{}, d)
		d = differences{}
	}
	return seen, true
}

// seenAt is a resource on a page.
type seenAt struct {
	answer   answer
	resource object
}

// checkUsers compares a whole list of users with the model: those whom pick takes are on it, others of this run are not.
func (s *session) checkUsers(seen map[string]seenAt, pick func(p *person) bool) {
	names := map[string]bool{}
	for _, p := range s.people {
		if p.id == "" || !pick(p) {
			continue
		}
		names[p.userName] = true
		at, ok := seen[p.id]
		if !ok {
			s.report.add(mismatch{sent: p.sent.request, body: p.sent.sent, read: "the list of users", about: p.id + " is missing"})
			continue
		}
		s.checkUser(p, at.answer, at.resource)
	}
	domain := "@" + s.people[0].domain
	for id, at := range seen {
		if name, _ := at.resource["userName"].(string); strings.HasSuffix(name, domain) && !names[name] {
			s.differ(at.answer, answer{}, differences{[]string{id + " should not be on the list"}})
		}
	}
}
