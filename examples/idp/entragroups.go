package main

import (
	"context"
	"net/http"
	"slices"
)

// entraBatch is how many members travel in one request. Microsoft documents that there are several, not how many.
const entraBatch = 20

// patchGroup sends operations. Entra wants 204, so that no server lists the members, and takes 200 (ENTRA-66).
func (e *entra) patchGroup(ctx context.Context, g *group, operations []operation) bool {
	a, ok := e.client.send(ctx, request{
		method: http.MethodPatch, endpoint: "/Groups", id: g.id, body: patchOf(operations), want: []int{http.StatusNoContent, http.StatusOK},
	})
	if ok {
		g.sent = a.brief()
	}
	return ok
}

// values lists members as an operation's value. By default every element has a $ref of null (ENTRA-63).
func (e *entra) values(members []*person) (list []any) {
	for _, p := range members {
		element := object{"value": p.id}
		if e.legacy {
			element["$ref"] = nil
		}
		list = append(list, element)
	}
	return list
}

// removal removes members: all of them in the value of one operation by default (ENTRA-64), by a filter path each with the flag
// (ENTRA-59).
func (e *entra) removal(members []*person) (ops []operation) {
	if e.legacy {
		return []operation{{"Remove", "members", e.values(members)}}
	}
	for _, p := range members {
		ops = append(ops, operation{Op: "remove", Path: "members[value eq " + quote(p.id) + "]"})
	}
	return ops
}

// addMembers pushes the members of each group in batches.
func (e *entra) addMembers(ctx context.Context) {
	e.eachGroup(ctx, func(_ int, g *group) {
		pushed := onServer(g.members)
		g.members = nil
		for batch := range slices.Chunk(pushed, entraBatch) {
			if e.patchGroup(ctx, g, []operation{{e.op("add"), "members", e.values(batch)}}) {
				g.members = append(g.members, batch...)
			}
		}
		e.readGroup(ctx, g)
		if len(g.members) > 0 && e.legacy {
			e.only(ctx, "/Groups", membership(g, g.members[0]), g.id, g.sent)
		}
	})
}

// membership asks whether a person is in a group (ENTRA-18).
func membership(g *group, p *person) string {
	return "filter=" + equals("id", g.id) + "+and+" + equals("members", p.id) + "&attributes=id"
}

// changeGroups renames each group, lets some join and a quarter leave, and repeats what has been done already (ENTRA-67).
func (e *entra) changeGroups(ctx context.Context) {
	e.keepAlive(ctx)
	joiners := e.joiners()
	e.eachGroup(ctx, func(i int, g *group) {
		oldName := g.displayName
		join, leave := joiners[i], e.leavers(g)
		e.changeGroup(ctx, g, "Crew of "+oldName, join, leave)
		e.readGroup(ctx, g)
		e.nobody(ctx, "/Groups", byGroupName(oldName), g.sent)
		e.findGroup(ctx, g)
		if len(leave) > 0 && e.legacy {
			e.nobody(ctx, "/Groups", membership(g, leave[0]), g.sent)
		}
		if len(leave) > 0 {
			e.patchGroup(ctx, g, e.removal(leave[:1]))
		}
		if len(g.members) > 0 {
			e.patchGroup(ctx, g, []operation{{e.op("add"), "members", e.values(g.members[:1])}})
		}
		e.readGroup(ctx, g)
	})
}

// changeGroup is one request for the name, the joiners and the first leavers in the default dialect (ENTRA-70), and one for each of
// these with the flag (ENTRA-65).
func (e *entra) changeGroup(ctx context.Context, g *group, name string, join, leave []*person) {
	var requests [][]operation
	rename := operation{Op: "replace", Value: object{"displayName": name}}
	if e.legacy {
		rename = operation{"Replace", "displayName", name}
	}
	requests = append(requests, []operation{rename})
	if len(join) > 0 {
		requests = append(requests, []operation{{e.op("add"), "members", e.values(join)}})
	}
	for batch := range slices.Chunk(leave, entraBatch) {
		requests = append(requests, e.removal(batch))
	}
	if e.legacy {
		together := slices.Concat(requests[:min(3, len(requests))]...)
		requests = append([][]operation{together}, requests[min(3, len(requests)):]...)
	}
	done := true
	for _, ops := range requests {
		done = e.patchGroup(ctx, g, ops) && done
	}
	if done {
		g.displayName = name
		g.members = append(without(g.members, leave), join...)
	}
}
