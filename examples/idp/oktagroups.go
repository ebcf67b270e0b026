package main

import (
	"context"
	"net/http"
	"slices"
)

const (
	oktaBatch  = 1000 // members that one request adds
	oktaLeaves = 500  // members that one request removes, an operation each
)

// createGroups pushes groups: every other one without members at first, the rest with the first batch (OKTA-15).
func (k *okta) createGroups(ctx context.Context) {
	k.each(ctx, len(k.groups), func(i int) {
		g := k.groups[i]
		lookup := equal("displayName", g.displayName)
		if !k.nobodyNamed(ctx, "/Groups", lookup, answer{}) {
			return
		}
		all := onServer(g.members)
		first := all[:min(len(all), oktaBatch)]
		if i%2 == 0 {
			first = nil
		}
		a, ok := k.client.send(ctx, request{method: http.MethodPost, endpoint: "/Groups", want: []int{http.StatusCreated}, body: object{
			"schemas": []string{groupURN}, "displayName": g.displayName, "members": displayed(first),
		}})
		if !ok {
			return
		}
		g.id, _ = a.object["id"].(string)
		g.sent, g.members = a.brief(), first
		if k.checkName(g, a, a.object); g.id == "" {
			return
		}
		k.push(ctx, g, nil, all[len(first):])
		k.readGroup(ctx, g)
		if l, got, ok := k.only(ctx, "/Groups", lookup, g.id, g.sent); ok {
			k.checkGroup(g, l.answer, got)
		}
	})
}

// displayed lists members as Okta does: with a display, without type and $ref.
func displayed(members []*person) []any {
	list := []any{}
	for _, p := range members {
		list = append(list, object{"value": p.id, "display": p.userName})
	}
	return list
}

// patchGroup sends operations. An answer may have the group, or nothing (OKTA-22).
func (k *okta) patchGroup(ctx context.Context, g *group, operations ...operation) (a answer, ok bool) {
	a, ok = k.client.send(ctx, request{
		method: http.MethodPatch, endpoint: "/Groups", id: g.id, body: patchOf(operations), want: []int{http.StatusOK, http.StatusNoContent},
	})
	if ok {
		g.sent = a.brief()
	}
	return a, ok
}

// push changes the membership: first the name, which goes along with every push (OKTA-16), then removals by filter and additions in
// one request (OKTA-17).
func (k *okta) push(ctx context.Context, g *group, leave, join []*person) {
	k.rename(ctx, g, g.displayName)
	for len(leave)+len(join) > 0 {
		out, in := leave[:min(len(leave), oktaLeaves)], join[:min(len(join), oktaBatch)]
		leave, join = leave[len(out):], join[len(in):]
		var ops []operation
		for _, p := range out {
			ops = append(ops, operation{Op: "remove", Path: "members[value eq " + quote(p.id) + "]"})
		}
		if len(in) > 0 {
			ops = append(ops, operation{"add", "members", displayed(in)})
		}
		if _, ok := k.patchGroup(ctx, g, ops...); ok {
			g.members = append(without(g.members, out), in...)
		}
	}
}

// rename replaces the name without a path; the id inside the value is the group's own.
func (k *okta) rename(ctx context.Context, g *group, name string) {
	a, ok := k.patchGroup(ctx, g, operation{Op: "replace", Value: object{"id": g.id, "displayName": name}})
	if !ok {
		return
	}
	g.displayName = name
	if a.object != nil {
		k.checkName(g, a, a.object)
	}
}

// changeGroups renames each group, lets some join and a quarter leave. One of those who join one group is unknown to the server: it may
// leave that one out, or refuse all, which Okta does not try again (OKTA-28).
func (k *okta) changeGroups(ctx context.Context) {
	joiners := k.joiners()
	stale := guid(k.random)
	withStale := slices.IndexFunc(joiners, func(join []*person) bool { return len(join) > 0 })
	k.eachGroup(ctx, func(i int, g *group) {
		oldName := g.displayName
		k.rename(ctx, g, "Crew of "+oldName)
		k.readGroup(ctx, g)
		k.nobodyNamed(ctx, "/Groups", equal("displayName", oldName), g.sent)
		k.push(ctx, g, k.leavers(g), nil)
		join := joiners[i]
		if i != withStale {
			k.push(ctx, g, nil, join)
			k.readGroup(ctx, g)
			return
		}
		a, ok := k.client.send(ctx, request{
			method: http.MethodPatch, endpoint: "/Groups", id: g.id,
			body: patchOf([]operation{{"add", "members", append(displayed(join), object{"value": stale, "display": "gone"})}}),
			want: []int{http.StatusOK, http.StatusNoContent, http.StatusBadRequest},
		})
		if ok && a.status != http.StatusBadRequest {
			g.members = append(g.members, join...)
		}
		g.sent = a.brief()
		k.readGroup(ctx, g)
	})
}

// pushAll replaces whole memberships: to a part of them, with a path and without (OKTA-18), and to none and back (OKTA-19, -20).
func (k *okta) pushAll(ctx context.Context) {
	k.eachGroup(ctx, func(i int, g *group) {
		part := slices.Clone(g.members[:min((len(g.members)+1)/2, oktaBatch)])
		full := operation{"replace", "members", displayed(part)}
		if i%2 == 1 {
			full = operation{Op: "replace", Value: object{"members": displayed(part)}}
		}
		if _, ok := k.patchGroup(ctx, g, full); ok {
			g.members = part
		}
		k.readGroup(ctx, g)
		if i%3 != 0 {
			return
		}
		empty := operation{"replace", "members", []any{}}
		if i%2 == 1 {
			empty = operation{Op: "replace", Value: object{"members": []any{}, "id": g.id, "displayName": g.displayName}}
		}
		if _, ok := k.patchGroup(ctx, g, empty); ok {
			g.members = nil
		}
		k.readGroup(ctx, g)
		if len(g.members) == 0 {
			k.push(ctx, g, nil, part)
		}
		k.readGroup(ctx, g)
	})
}

// unlink deletes some groups (OKTA-24).
func (k *okta) unlink(ctx context.Context) {
	k.eachGroup(ctx, func(i int, g *group) {
		if i%4 == 3 {
			k.unlinkGroup(ctx, g)
		}
	})
}

func (k *okta) unlinkGroup(ctx context.Context, g *group) {
	a, ok := k.remove(ctx, "/Groups", g.id)
	if !ok {
		return
	}
	k.gone(ctx, "/Groups", g.id)
	k.nobodyNamed(ctx, "/Groups", equal("displayName", g.displayName), a)
	g.id = ""
}
