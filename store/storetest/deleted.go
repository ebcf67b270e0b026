package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scimkit/scim/store"
)

// testDeletedConnections checks that a deleted connection does not exist, while its id and tokens are taken.
func testDeletedConnections(r *rig) {
	link, stays := r.link(), r.link()
	stays.Tenant = link.Tenant
	token, added := r.token(link.ID), r.token(link.ID)
	r.add(link, token)
	r.add(stays)
	link.Status = store.StatusDeleted
	link = r.save(link, added)
	_, err := r.links.Connection(r.Context(), link.Scope())
	r.fails(err, store.ErrNotFound, "Connection of a deleted one")
	r.sameLinks("the connections without the deleted one", link.Tenant, stays)
	r.sameTokens("the tokens without those of a deleted connection", []string{link.ID, stays.ID})
	for _, token := range []store.Token{token, added} {
		r.nobody("a token of a deleted connection", token.ID, store.Digest{})
		r.nobody("a token of a deleted connection", "", token.Digest)
	}
	for _, status := range []store.ConnectionStatus{store.StatusActive, store.StatusDisabled, store.StatusDeleted} {
		change := link
		change.Status = status
		r.fails(r.links.UpdateConnection(r.Context(), change, nil, 0), store.ErrNotFound, "UpdateConnection of a deleted one to %s", status)
	}
	again := r.linkOf(link.Tenant)
	again.ID = link.ID
	r.fails(r.links.CreateConnection(r.Context(), again, nil, 0), store.ErrExists, "CreateConnection with the id of a deleted one")
	same := r.token(stays.ID)
	same.Digest = token.Digest
	err = r.links.UpdateConnection(r.Context(), stays, []store.Token{same}, 0)
	r.fails(err, store.ErrExists, "UpdateConnection with a token of a deleted connection")
	r.forget(link)
}

// deleted returns those of some connections that Deleted lists, and the list.
func (r *rig) deleted(ctx context.Context, limit int, links ...store.Connection) (own, all []store.Connection) {
	r.Helper()
	all, err := r.links.Deleted(ctx, limit)
	r.ok(err, "Deleted")
	if len(all) > limit {
		r.Fatalf("Deleted of %d returns %d connections", limit, len(all))
	}
	for i, link := range all {
		equal(r, "the status of a deleted connection", link.Status, store.StatusDeleted)
		if i > 0 && link.UpdatedAt.Before(all[i-1].UpdatedAt) {
			r.Fatalf("Deleted returns a connection from %s behind one from %s", link.UpdatedAt, all[i-1].UpdatedAt)
		}
		if slices.ContainsFunc(links, func(x store.Connection) bool { return x.ID == link.ID }) {
			own = append(own, link)
		}
	}
	return own, all
}

// testDeletedList deletes connections in another order than that of their times. Others may do so at the same time, with later times.
func testDeletedList(r *rig) {
	links := []store.Connection{r.link(), r.link(), r.link(), r.link()}
	links[3].Status = store.StatusDisabled
	for _, link := range links {
		r.add(link)
	}
	for i, minute := range []int{3, 1, 2} {
		links[i] = r.end(links[i], longAgo.Add(time.Duration(minute)*time.Minute))
	}
	want := []store.Connection{links[1], links[2], links[0]}
	check := func(what string, want ...store.Connection) {
		r.Helper()
		got, _ := r.deleted(r.Context(), everything, links...)
		equal(r, "the number of deleted connections "+what, len(got), len(want))
		for i := range want {
			r.sameLink(fmt.Sprintf("deleted connection %d %s", i+1, what), got[i], want[i])
		}
	}
	check("of three", want...)
	_, all := r.deleted(r.Context(), 2)
	equal(r, "the number of connections in a Deleted of 2", len(all), 2)
	if last := all[1]; last.UpdatedAt.After(want[1].UpdatedAt) {
		r.Fatalf("Deleted of 2 returns a connection from %s, and there are two from before", last.UpdatedAt)
	}
	r.forget(want[1])
	check("after a Forget", want[0], want[2])
	r.forget(want[0])
	r.forget(want[2])
	check("after a Forget of all")
}

func testForget(r *rig) {
	link, stays := r.link(), r.link()
	stays.Tenant = link.Tenant
	tokens := []store.Token{r.token(link.ID), r.token(link.ID)}
	token := r.token(stays.ID)
	r.add(link, tokens...)
	r.add(stays, token)
	before := r.state(r.Context(), link.Tenant)
	r.forget(link)
	equal(r, "the connections after a Forget of one that is active", r.state(r.Context(), link.Tenant), before)
	link = r.end(link, longAgo.Add(time.Hour))
	for _, scope := range []store.Scope{
		{Connection: link.ID, Tenant: r.Scope().Tenant}, {Connection: "nobody", Tenant: link.Tenant}, stays.Scope(),
	} {
		r.ok(r.links.Forget(r.Context(), scope), "Forget of the scope %+v", scope)
		own, _ := r.deleted(r.Context(), everything, link)
		equal(r, "the number of deleted connections after a Forget of others", len(own), 1)
	}
	for range 2 {
		r.forget(link)
		own, _ := r.deleted(r.Context(), everything, link)
		equal(r, "the number of deleted connections after a Forget", len(own), 0)
		r.nobody("a token of a forgotten connection", tokens[0].ID, store.Digest{})
	}
	r.sameLinks("the connections that are left", link.Tenant, stays)
	r.sameTokens("the tokens that are left", []string{link.ID, stays.ID}, token)
	next := r.linkOf(link.Tenant)
	next.ID = link.ID
	r.add(next, tokens...) // nothing is left that could stand in its way
	r.sameTokens("the tokens of the next connection", []string{next.ID}, tokens...)
}
