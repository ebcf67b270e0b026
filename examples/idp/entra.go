package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// entra is Microsoft Entra ID. It never asks what a server can do: it looks each object up by its matching attribute, creates it if
// nobody is found, and patches what its attribute mappings say has changed.
//
// It has two dialects of PATCH. By default op is capitalised, booleans of mapped attributes are the strings "True" and "False",
// every attribute is an operation of its own, and members are removed with a value array. With the flag aadOptscim062020 in the
// tenant URL, op is in lower case, booleans are booleans, replaced attributes travel together as the keys of one value without a
// path, and members are removed by a filter path. Provisioning on demand ignores the flag (ENTRA-07).
type entra struct {
	*session
	legacy bool
}

func newEntra(s *session, legacy bool) *entra {
	s.client.dress = entraHeaders
	for _, p := range s.people {
		p.formatted = p.given + " " + p.family // the default mappings join it
	}
	return &entra{s, legacy}
}

// entraHeaders: no Accept and no User-Agent that a server could rely on, and no Content-Type without a body (ENTRA-03, -04, -77).
func entraHeaders(h http.Header, body bool) {
	h["User-Agent"] = []string{""} // or else Go would add its own
	if body {
		h.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
}

func (e *entra) name() string {
	if e.legacy {
		return "Microsoft Entra ID without the flag aadOptscim062020"
	}
	return "Microsoft Entra ID with the flag aadOptscim062020"
}

func (e *entra) leaves() string { return "" }

func (e *entra) stages() []stage {
	return []stage{
		{"users", e.createUsers},
		{"duplicates", e.createAgain},
		{"managers", e.setManagers},
		{"updates", e.updateUsers},
		{"on demand", e.updateOnDemand},
		{"groups", e.createGroups},
		{"members", e.addMembers},
		{"group changes", e.changeGroups},
		{"deactivation", e.deactivate},
		{"restoration", e.restore},
		{"deletion", e.deleteUsers},
		{"rehiring", e.rehire},
		{"lists", e.readLists},
	}
}

// equals is a filter in Entra's encoding: spaces as plus signs, quotes as %22 (ENTRA-01, ENTRA-12).
func equals(attribute, value string) string {
	return url.QueryEscape(attribute + " eq " + quote(value))
}

// quote is a filter's string literal: JSON's (RFC 7644, section 3.4.2.2).
func quote(value string) string { return string(encode(value)) }

func byUserName(value string) string { return "filter=" + equals("userName", value) }

func byGroupName(value string) string {
	return "excludedAttributes=members&filter=" + equals("displayName", value)
}

// connect is Test Connection: each matching attribute that an administrator may pick is looked up with a random GUID (ENTRA-01, -02).
func (e *entra) connect(ctx context.Context) {
	for _, query := range []string{
		byUserName(guid(e.random)),
		"filter=" + equals("externalId", guid(e.random)),
		"filter=" + equals(`emails[type eq "work"].value`, guid(e.random)),
	} {
		e.nobody(ctx, "/Users", query, answer{})
	}
	e.nobody(ctx, "/Groups", byGroupName(guid(e.random)), answer{})
}

// keepAlive is the first request of every later cycle.
func (e *entra) keepAlive(ctx context.Context) {
	e.nobody(ctx, "/Users", byUserName(guid(e.random)), answer{})
}

// appRole is the type of roles that come from app role assignments (ENTRA-26).
const appRole = "WindowsAzureActiveDirectoryRole"

func (e *entra) createUsers(ctx context.Context) {
	e.each(ctx, len(e.people), func(i int) {
		if p := e.people[i]; e.nobody(ctx, "/Users", byUserName(p.userName), answer{}) {
			e.create(ctx, p)
		}
	})
}

// create sends a POST and reads the user by id and by filter, in another case for some (ENTRA-13).
func (e *entra) create(ctx context.Context, p *person) {
	a, ok := e.client.send(ctx, request{method: http.MethodPost, endpoint: "/Users", body: e.newUser(p), want: []int{http.StatusCreated}})
	if !ok {
		return
	}
	p.id, _ = a.object["id"].(string)
	p.sent = a.brief()
	e.checkUser(p, a, a.object)
	if p.id == "" {
		return
	}
	e.readUser(ctx, p)
	name := p.userName
	if p.number%2 == 0 {
		name = strings.ToUpper(name)
	}
	e.findUser(ctx, p, byUserName(name))
}

// newUser is the body of a POST: both schemas whether or not there is enterprise data, a meta of the client's own, nulls for mapped
// attributes without a value, and roles always (ENTRA-23, -24, -25).
func (e *entra) newUser(p *person) object {
	body := p.document()
	body["schemas"] = []string{userURN, enterpriseURN}
	body["meta"] = object{"resourceType": "User"}
	body["active"] = e.boolean(p.active)
	for _, name := range []string{"title", "nickName", "userType", "preferredLanguage", "locale", "timezone", "addresses", "phoneNumbers"} {
		if body[name] == nil {
			body[name] = nil
		}
	}
	if p.department == "" {
		body["department"], body["manager"] = nil, nil
	}
	if len(p.roles) == 0 {
		body["roles"] = []any{}
	}
	return body
}

func (e *entra) boolean(b bool) any {
	if !e.legacy {
		return b
	}
	if b {
		return "True"
	}
	return "False"
}

// createAgain repeats creations, as after a time-out: 409, and the user is what it was (ENTRA-29).
func (e *entra) createAgain(ctx context.Context) {
	e.eachPerson(ctx, isTwice, func(_ int, p *person) {
		e.client.send(ctx, request{method: http.MethodPost, endpoint: "/Users", body: e.newUser(p), want: []int{http.StatusConflict}})
		e.readUser(ctx, p)
	})
}

// operation is one operation of a PATCH.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

// op writes the name of an operation in the dialect.
func (e *entra) op(name string) string {
	if e.legacy {
		return strings.ToUpper(name[:1]) + name[1:]
	}
	return name
}

func patchOf(operations []operation) object {
	return object{"schemas": []string{patchURN}, "Operations": operations}
}

// patchUser sends operations and compares the answer, then what is read. The model has changed before; it falls back if the
// server refuses.
func (e *entra) patchUser(ctx context.Context, p *person, before person, operations []operation) {
	a, ok := e.client.send(ctx, request{
		method: http.MethodPatch, endpoint: "/Users", id: p.id, body: patchOf(operations), want: []int{http.StatusOK}, // ENTRA-52
	})
	if !ok {
		*p = before
		return
	}
	p.sent = a.brief()
	e.checkUser(p, a, a.object)
	e.readUser(ctx, p)
}

// setManagers asks whether the reference is there already, in either order of the terms, sets it, and asks again (ENTRA-17, -30).
func (e *entra) setManagers(ctx context.Context) {
	managers := e.managers()
	e.eachPerson(ctx, everybody, func(i int, p *person) {
		manager := managers[i]
		if manager == "" {
			return
		}
		check := "filter=" + equals("id", p.id) + "+and+" + equals("manager", manager) + "&attributes=id"
		if i%2 == 1 {
			check = "filter=" + equals("manager", manager) + "+and+" + equals("id", p.id) + "&attributes=id"
		}
		if !e.nobody(ctx, "/Users", check, p.sent) {
			return
		}
		before := *p
		p.manager = manager
		const path = enterpriseURN + ":manager"
		ops := []operation{{e.op("add"), path, p.manager}} // a bare string (ENTRA-39)
		if !e.legacy {
			var value any = p.manager
			if i%2 == 1 {
				value = object{"value": p.manager, "$ref": "User"}
			}
			ops = []operation{{Op: "replace", Value: object{path: value}}} // ENTRA-60
		}
		e.patchUser(ctx, p, before, ops)
		if p.manager != "" {
			e.only(ctx, "/Users", check, p.id, p.sent)
		}
	})
}

// mapping is an attribute mapping: what Entra compares between two cycles, and where it goes.
type mapping struct {
	path  string
	value func(p *person) string
}

var mappings = []mapping{
	{"userName", func(p *person) string { return p.userName }},
	{"externalId", func(p *person) string { return p.externalID }},
	{"displayName", func(p *person) string { return p.displayName }},
	{"nickName", func(p *person) string { return p.nickName }},
	{"title", func(p *person) string { return p.title }},
	{"preferredLanguage", func(p *person) string { return p.language }},
	{"timezone", func(p *person) string { return p.timezone }},
	{"name.familyName", func(p *person) string { return p.family }},
	{"name.formatted", func(p *person) string { return p.formatted }},
	{`emails[type eq "work"].value`, func(p *person) string { return p.workMail }},
	{`emails[type eq "home"].value`, func(p *person) string { return p.homeMail }},
	{`phoneNumbers[type eq "work"].value`, func(p *person) string { return p.workPhone }},
	{`phoneNumbers[type eq "mobile"].value`, func(p *person) string { return p.mobile }},
	{`addresses[type eq "work"].streetAddress`, func(p *person) string { return p.street }},
	{`addresses[type eq "work"].locality`, func(p *person) string { return p.city }},
	{`addresses[type eq "work"].region`, func(p *person) string { return p.region }},
	{`addresses[type eq "work"].postalCode`, func(p *person) string { return p.postcode }},
	{`addresses[type eq "work"].country`, func(p *person) string { return p.country }},
	{`addresses[type eq "work"].formatted`, func(p *person) string { return p.oneLine }},
	{enterpriseURN + ":employeeNumber", func(p *person) string { return p.employeeNumber }},
	{enterpriseURN + ":costCenter", func(p *person) string { return p.costCenter }},
	{enterpriseURN + ":division", func(p *person) string { return p.division }},
	{enterpriseURN + ":department", func(p *person) string { return p.department }},
}

// updateUsers lets everybody change and patches the difference.
func (e *entra) updateUsers(ctx context.Context) {
	e.keepAlive(ctx)
	before := make([]person, len(e.people))
	for i, p := range e.people {
		before[i] = *p
		p.change(e.random)
	}
	e.eachPerson(ctx, everybody, func(i int, p *person) {
		ops := append(e.difference(&before[i], p), e.roleOperations(&before[i], p)...)
		e.patchUser(ctx, p, before[i], ops)
		if p.userName != before[i].userName {
			e.nobody(ctx, "/Users", byUserName(before[i].userName), p.sent)
		}
		e.findUser(ctx, p, byUserName(p.userName))
		e.findUser(ctx, p, "filter="+equals("externalId", p.externalID)) // ENTRA-14, -49
		e.findUser(ctx, p, "filter="+equals(`emails[type eq "work"].value`, p.workMail))
	})
}

// difference writes the changed mappings as operations: in the default dialect one each (ENTRA-33, -35 to -38, -48); with the flag
// those that replace a value without a filter in their path travel together (ENTRA-57, -58).
func (e *entra) difference(before, after *person) (ops []operation) {
	together := object{}
	for _, m := range mappings {
		was, is := m.value(before), m.value(after)
		switch {
		case was == is:
		case was == "":
			ops = append(ops, operation{e.op("add"), m.path, is})
		case is == "":
			ops = append(ops, operation{Op: e.op("remove"), Path: m.path})
		case e.legacy || strings.Contains(m.path, "["):
			ops = append(ops, operation{e.op("replace"), m.path, is})
		default:
			together[m.path] = is
		}
	}
	if len(together) > 0 {
		ops = append(ops, operation{Op: "replace", Value: together})
	}
	return ops
}

// roleOperations writes changed roles. With the flag, all of them are replaced (ENTRA-45). By default, the only role is addressed as
// the primary one (ENTRA-44), and where several are mapped they are added, those that are there included (ENTRA-46, -47).
func (e *entra) roleOperations(before, after *person) []operation {
	switch {
	case len(after.roles) == 0 || len(before.roles) == len(after.roles) && before.roles[0] == after.roles[0]:
		return nil
	case !e.legacy:
		return []operation{{"replace", "roles", after.roleList()}}
	case len(after.roles) > 1:
		return []operation{{"Add", "roles", after.roleList()}}
	}
	only := after.roles[0]
	op := "Replace"
	if len(before.roles) == 0 {
		op, only.typ = "Add", "" // the path does not say a type, so the server cannot know it
	}
	after.roles = []role{only}
	return []operation{{op, `roles[primary eq "True"].value`, only.value}}
}

// updateOnDemand patches a few in the default dialect, whatever the flag says (ENTRA-07).
func (e *entra) updateOnDemand(ctx context.Context) {
	demanded := &entra{e.session, true}
	e.eachPerson(ctx, func(i int) bool { return i < 5 }, func(_ int, p *person) {
		before := *p
		p.title, p.department = "On demand", "Harbour"
		demanded.patchUser(ctx, p, before, append(demanded.difference(&before, p), operation{"Replace", "active", "True"}))
	})
}

// createGroups creates groups without members, under a schema of Microsoft's own besides the standard one (ENTRA-62).
func (e *entra) createGroups(ctx context.Context) {
	e.each(ctx, len(e.groups), func(i int) {
		g := e.groups[i]
		if !e.nobody(ctx, "/Groups", byGroupName(g.displayName), answer{}) {
			return
		}
		a, ok := e.client.send(ctx, request{method: http.MethodPost, endpoint: "/Groups", want: []int{http.StatusCreated}, body: object{
			"schemas":    []string{groupURN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"},
			"externalId": g.externalID, "displayName": g.displayName, "meta": object{"resourceType": "Group"},
		}})
		if !ok {
			return
		}
		g.id, _ = a.object["id"].(string)
		g.sent = a.brief()
		if e.checkName(g, a, a.object); g.id != "" {
			e.findGroup(ctx, g)
		}
	})
}

// findGroup reads a group as Entra does, without its members (ENTRA-16, ENTRA-19).
func (e *entra) findGroup(ctx context.Context, g *group) {
	check := func(read answer, got object) {
		var d differences
		d.group(g, got)
		if got["members"] != nil {
			d.addf("members: want nothing, they are excluded, got %s", show(got["members"]))
		}
		e.differ(read, g.sent, d)
	}
	if l, got, ok := e.only(ctx, "/Groups", byGroupName(g.displayName), g.id, g.sent); ok {
		check(l.answer, got)
	}
	if l, got, ok := e.only(ctx, "/Groups", "excludedAttributes=members&filter="+equals("externalId", g.externalID), g.id, g.sent); ok {
		check(l.answer, got)
	}
	a, ok := e.client.send(ctx, request{
		method: http.MethodGet, endpoint: "/Groups", id: g.id, query: "excludedAttributes=members", want: []int{http.StatusOK},
	})
	if ok {
		check(a, a.object)
	}
}

// deactivate soft-deletes: the users stay to be seen, by id and by filter (ENTRA-20, ENTRA-71).
func (e *entra) deactivate(ctx context.Context) {
	e.keepAlive(ctx)
	e.eachPerson(ctx, isLeaver, func(_ int, p *person) { e.setActive(ctx, p, false) })
}

func (e *entra) restore(ctx context.Context) {
	e.eachPerson(ctx, isReturner, func(_ int, p *person) { e.setActive(ctx, p, true) })
}

func (e *entra) setActive(ctx context.Context, p *person, active bool) {
	before := *p
	p.active = active
	e.patchUser(ctx, p, before, []operation{{e.op("replace"), "active", e.boolean(active)}})
	e.findUser(ctx, p, byUserName(p.userName))
}

// deleteUsers hard-deletes those who were deactivated: 404 afterwards, for a second DELETE too, their name is free, and the groups
// have lost them without being told.
func (e *entra) deleteUsers(ctx context.Context) {
	e.eachPerson(ctx, isDeleted, func(_ int, p *person) {
		a, ok := e.remove(ctx, "/Users", p.id)
		if !ok {
			return
		}
		e.gone(ctx, "/Users", p.id)
		e.nobody(ctx, "/Users", byUserName(p.userName), a)
		e.client.send(ctx, request{method: http.MethodDelete, endpoint: "/Users", id: p.id, want: []int{http.StatusNotFound}})
		p.id = ""
	})
	e.forgetDeleted()
	e.eachGroup(ctx, func(_ int, g *group) { e.readGroup(ctx, g) })
}

// rehire creates some of them again under the same name.
func (e *entra) rehire(ctx context.Context) {
	e.each(ctx, len(e.people), func(i int) {
		p := e.people[i]
		if p.id != "" || p.sent.status == 0 || !isRehired(i) {
			return
		}
		p.active, p.manager = true, ""
		if e.nobody(ctx, "/Users", byUserName(p.userName), answer{}) {
			e.create(ctx, p)
		}
	})
}

// readLists reads everything once more. Entra itself never lists; Microsoft's API-driven inbound client does, with a parameter in
// lower case and a first page that starts at 0 (ENTRA-76).
func (e *entra) readLists(ctx context.Context) {
	e.each(ctx, 1, func(int) {
		seen, ok := e.pages(ctx, "/Users", 100, func(start int) string {
			if start == 1 {
				start = 0
			}
			return fmt.Sprintf("filter=active+eq+true&count=100&startindex=%d", start)
		})
		if ok {
			e.checkUsers(seen, func(p *person) bool { return p.active })
		}
	})
	e.eachPerson(ctx, everybody, func(_ int, p *person) { e.readUser(ctx, p) })
	e.eachGroup(ctx, func(_ int, g *group) {
		e.findGroup(ctx, g)
		e.readGroup(ctx, g)
	})
}

// cleanUp deletes everything.
func (e *entra) cleanUp(ctx context.Context) {
	e.eachGroup(ctx, func(_ int, g *group) {
		if _, ok := e.remove(ctx, "/Groups", g.id); ok {
			e.gone(ctx, "/Groups", g.id)
		}
	})
	e.eachPerson(ctx, everybody, func(_ int, p *person) {
		if _, ok := e.remove(ctx, "/Users", p.id); ok {
			e.gone(ctx, "/Users", p.id)
		}
	})
}
