package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// okta is Okta, as an application of its integration network: profiles are read, modified and replaced as a whole, while activation,
// passwords and groups are patched. It never deletes users: they are deactivated. Groups are deleted when they are unlinked.
type okta struct {
	*session
	passwords []string // placeholders, one for each person
}

func newOkta(s *session) *okta {
	s.client.dress = oktaHeaders
	k := &okta{session: s}
	for _, p := range s.people {
		p.externalID = "00u" + alphanumeric(s.random, 17)
		p.roles = nil // an application has none unless it declares them
		k.passwords = append(k.passwords, alphanumeric(s.random, 10))
	}
	for _, g := range s.groups {
		g.externalID = "" // pushed groups have none
	}
	return k
}

// alphanumeric returns a text in the form of Okta's ids and of its placeholder passwords.
func alphanumeric(r *rand.Rand, n int) string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	text := make([]byte, n)
	for i := range text {
		text[i] = letters[r.IntN(len(letters))]
	}
	return string(text)
}

// oktaHeaders are on every request, the Content-Type of a body on GET as well (OKTA-02).
func oktaHeaders(h http.Header, _ bool) {
	h.Set("User-Agent", "Okta SCIM Client 1.0.0")
	h.Set("Accept", "application/scim+json")
	h.Set("Accept-Charset", "utf-8")
	h.Set("Accept-Encoding", "gzip,deflate")
	h.Set("Content-Type", "application/scim+json; charset=utf-8")
}

func (k *okta) name() string { return "Okta" }

func (k *okta) leaves() string {
	return "Okta never deletes users: those of this run are left, deactivated"
}

func (k *okta) stages() []stage {
	return []stage{
		{"users", k.createUsers},
		{"duplicates", k.createAgain},
		{"profiles", k.updateUsers},
		{"passwords", k.syncPasswords},
		{"groups", k.createGroups},
		{"group changes", k.changeGroups},
		{"group pushes", k.pushAll},
		{"deactivation", k.deactivate},
		{"reactivation", k.reactivate},
		{"unlinking", k.unlink},
		{"import", k.importLists},
	}
}

// equal is a filter in Okta's encoding, spaces as %20, with the first page behind it (OKTA-03, OKTA-26).
func equal(attribute, value string) string {
	filter := url.QueryEscape(attribute + " eq " + quote(value))
	return "filter=" + strings.ReplaceAll(filter, "+", "%20") + "&" + page(1, 100)
}

func page(start, count int) string { return fmt.Sprintf("startIndex=%d&count=%d", start, count) }

// connect is Save on the provisioning tab (OKTA-01).
func (k *okta) connect(ctx context.Context) {
	k.list(ctx, "/Users", page(1, 2))
	k.list(ctx, "/Groups", page(1, 100))
}

// nobodyNamed expects that a name is free: an empty list, or 404, which Okta takes for one (OKTA-04).
func (k *okta) nobodyNamed(ctx context.Context, endpoint, query string, sent answer) bool {
	return k.nobody(ctx, endpoint, query, sent, http.StatusNotFound)
}

func (k *okta) createUsers(ctx context.Context) {
	k.each(ctx, len(k.people), func(i int) {
		p := k.people[i]
		if !k.nobodyNamed(ctx, "/Users", equal("userName", p.userName), answer{}) {
			return
		}
		a, ok := k.client.send(ctx, request{method: http.MethodPost, endpoint: "/Users", body: k.newUser(p), want: []int{http.StatusCreated}})
		if !ok {
			return
		}
		p.id, _ = a.object["id"].(string)
		p.sent = a.brief()
		k.checkUser(p, a, a.object)
		if p.id != "" {
			k.readUser(ctx, p)
			k.findUser(ctx, p, equal("userName", p.userName))
		}
	})
}

// newUser is the body of a POST: a list of groups, which is not the client's to write, and a password even if none is synchronised
// (OKTA-06). A middle name that nobody has is an empty string.
func (k *okta) newUser(p *person) object {
	body := k.profile(p)
	body["schemas"] = schemasOf(body)
	body["groups"] = []any{}
	body["password"] = k.passwords[p.number]
	return body
}

// profile is the part of a user that Okta's profile maps.
func (k *okta) profile(p *person) object {
	doc := p.document()
	doc["name"].(object)["middleName"] = p.middle
	return doc
}

func schemasOf(body object) []any {
	if body[enterpriseURN] != nil {
		return []any{userURN, enterpriseURN}
	}
	return []any{userURN}
}

// createAgain repeats creations, as after a time-out: 409, and the user is what it was (OKTA-08, OKTA-32).
func (k *okta) createAgain(ctx context.Context) {
	k.eachPerson(ctx, isTwice, func(_ int, p *person) {
		again := *p
		again.externalID, again.title = "", "Overwritten"
		k.client.send(ctx, request{method: http.MethodPost, endpoint: "/Users", body: k.newUser(&again), want: []int{http.StatusConflict}})
		k.readUser(ctx, p)
	})
}

// updateUsers lets everybody change and get a manager, and replaces the profiles.
func (k *okta) updateUsers(ctx context.Context) {
	managers := k.managers()
	changed := make([]person, len(k.people))
	for i, p := range k.people {
		changed[i] = *p
		changed[i].change(k.random)
		changed[i].roles, changed[i].externalID = nil, p.externalID
		changed[i].manager = managers[i]
	}
	k.eachPerson(ctx, everybody, func(i int, p *person) {
		shown := k.readUser(ctx, p)
		if shown == nil {
			return
		}
		before := p.userName
		a, ok := k.client.send(ctx, request{
			method: http.MethodPut, endpoint: "/Users", id: p.id, body: k.modified(shown, &changed[i]), want: []int{http.StatusOK},
		})
		if !ok {
			return
		}
		*p = changed[i]
		p.sent = a.brief()
		k.checkUser(p, a, a.object)
		k.readUser(ctx, p)
		k.findUser(ctx, p, equal("userName", p.userName))
		if p.userName != before {
			k.nobodyNamed(ctx, "/Users", equal("userName", before), a)
		}
	})
}

// modified is the body of a PUT: what the server has shown, id, meta and groups included, with Okta's profile in it, and now and
// then the password (OKTA-09).
func (k *okta) modified(shown object, p *person) object {
	body := maps.Clone(shown)
	profile := k.profile(p)
	for _, name := range managed {
		delete(body, name)
		if profile[name] != nil {
			body[name] = profile[name]
		}
	}
	listed, _ := body["schemas"].([]any)
	if body[enterpriseURN] != nil && !slices.Contains(listed, any(enterpriseURN)) {
		body["schemas"] = append(slices.Clone(listed), enterpriseURN)
	}
	if hasNewLogin(p.number) {
		body["password"] = k.passwords[p.number]
	}
	return body
}

// syncPasswords patches passwords, which nobody may ever see again (OKTA-12).
func (k *okta) syncPasswords(ctx context.Context) {
	k.eachPerson(ctx, hasNewLogin, func(i int, p *person) {
		k.patchUser(ctx, p, object{"password": k.passwords[i] + "!"})
	})
}

// patchUser replaces a value without a path. An answer may have the user or nothing (OKTA-11).
func (k *okta) patchUser(ctx context.Context, p *person, value object) bool {
	a, ok := k.client.send(ctx, request{
		method: http.MethodPatch, endpoint: "/Users", id: p.id, want: []int{http.StatusOK, http.StatusNoContent},
		body: patchOf([]operation{{Op: "replace", Value: value}}),
	})
	if !ok {
		return false
	}
	p.sent = a.brief()
	if active, ok := value["active"].(bool); ok {
		p.active = active
	}
	if a.object != nil {
		k.checkUser(p, a, a.object) // an active that is not the one just sent makes Okta try again for ever (OKTA-14)
	}
	k.readUser(ctx, p)
	return true
}

func (k *okta) deactivate(ctx context.Context) {
	k.eachPerson(ctx, isLeaver, func(_ int, p *person) {
		if k.patchUser(ctx, p, object{"active": false}) {
			k.findUser(ctx, p, equal("userName", p.userName))
		}
	})
}

func (k *okta) reactivate(ctx context.Context) {
	k.eachPerson(ctx, isReturner, func(_ int, p *person) { k.patchUser(ctx, p, object{"active": true}) })
}

// importLists reads all users and groups, a hundred at a time, until totalResults are read (OKTA-25).
func (k *okta) importLists(ctx context.Context) {
	const count = 100
	next := func(start int) string { return page(start, count) }
	k.each(ctx, 1, func(int) {
		if seen, ok := k.pages(ctx, "/Users", count, next); ok {
			k.checkUsers(seen, func(*person) bool { return true })
		}
		seen, ok := k.pages(ctx, "/Groups", count, next)
		if !ok {
			return
		}
		for _, g := range k.groups {
			if at, ok := seen[g.id]; ok {
				k.checkGroup(g, at.answer, at.resource)
			} else if g.id != "" {
				k.report.add(mismatch{sent: g.sent.request, body: g.sent.sent, read: "the list of groups", about: g.id + " is missing"})
			}
		}
	})
}

// cleanUp unlinks the groups and unassigns the users.
func (k *okta) cleanUp(ctx context.Context) {
	k.eachGroup(ctx, func(_ int, g *group) { k.unlinkGroup(ctx, g) })
	k.eachPerson(ctx, func(i int) bool { return k.people[i].active }, func(_ int, p *person) {
		k.patchUser(ctx, p, object{"active": false})
	})
}
