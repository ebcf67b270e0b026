package storetest

import (
	"context"
	"time"

	"github.com/scimkit/scim/store"
)

// refusals are connections of two tenants, with calls that must be refused beside them.
type refusals struct {
	*rig
	one, off         store.Connection // of the first tenant; the second is disabled
	two              store.Connection // of the other tenant
	gone             store.Connection // of the first tenant, deleted
	own, ended       store.Token      // of the first connection; the second is revoked
	foreign, deleted store.Token      // of the other tenant's and of the deleted connection
	fresh            []store.Token    // that came with the calls, and are nobody's
	calls            []refusal
}

// refusal is a call that must fail, and change nothing.
type refusal struct {
	what string
	want error
	do   func(ctx context.Context) error
}

func (r *rig) refusals() *refusals {
	r.Helper()
	x := &refusals{rig: r, one: r.link(), two: r.link()}
	x.off, x.gone = r.linkOf(x.one.Tenant), r.linkOf(x.one.Tenant)
	x.off.Status = store.StatusDisabled
	x.own, x.ended, x.foreign, x.deleted = r.token(x.one.ID), r.token(x.one.ID), r.token(x.two.ID), r.token(x.gone.ID)
	x.ended.RevokedAt = r.now()
	r.add(x.one, x.own, x.ended)
	r.add(x.off)
	r.add(x.two, x.foreign)
	r.add(x.gone, x.deleted)
	x.gone = r.end(x.gone, longAgo.Add(4*time.Hour))
	x.takenInCreations()
	x.takenInUpdates()
	x.limited()
	x.foreignScopes()
	x.emptyScopes()
	return x
}

func (x *refusals) call(want error, what string, do func(ctx context.Context) error) {
	x.calls = append(x.calls, refusal{what, want, do})
}

// with returns tokens that come with a call, behind one that is nobody's.
func (x *refusals) with(link store.Connection, tokens []store.Token) []store.Token {
	fresh := x.token(link.ID)
	x.fresh = append(x.fresh, fresh)
	return append([]store.Token{fresh}, tokens...)
}

// create is a CreateConnection that must fail.
func (x *refusals) create(want error, what string, link store.Connection, limit int, tokens ...store.Token) {
	tokens = x.with(link, tokens)
	x.call(want, "CreateConnection "+what, func(ctx context.Context) error { return x.links.CreateConnection(ctx, link, tokens, limit) })
}

// update is an UpdateConnection that must fail.
func (x *refusals) update(want error, what string, link store.Connection, limit int, tokens ...store.Token) {
	tokens = x.with(link, tokens)
	link.DisplayName = "refused"
	x.call(want, "UpdateConnection "+what, func(ctx context.Context) error { return x.links.UpdateConnection(ctx, link, tokens, limit) })
}

func (x *refusals) takenInCreations() {
	for _, other := range []store.Connection{x.one, x.off, x.two, x.gone} {
		link := x.linkOf(x.one.Tenant)
		link.ID = other.ID
		x.create(store.ErrExists, "with an id that is taken", link, 0)
		own := x.own // of the connection that exists
		own.Name = "refused"
		x.create(store.ErrExists, "with an id and a token that are taken", link, 0, own)
	}
	for _, other := range []store.Token{x.own, x.ended, x.foreign, x.deleted} {
		link := x.linkOf(x.one.Tenant)
		sameID, sameDigest := x.token(link.ID), x.token(link.ID)
		sameID.ID, sameDigest.Digest = other.ID, other.Digest
		x.create(store.ErrExists, "with a token's id that is taken", link, 0, sameID)
		link.ID += "x"
		x.create(store.ErrExists, "with a token's digest that is taken", link, 0, sameDigest)
	}
	link := x.linkOf(x.one.Tenant)
	twice, sameID, sameDigest := x.token(link.ID), x.token(link.ID), x.token(link.ID)
	sameID.ID, sameDigest.Digest = twice.ID, twice.Digest
	x.create(store.ErrExists, "with one token's id twice", link, 0, twice, sameID)
	x.create(store.ErrExists, "with one token's digest twice", link, 0, twice, sameDigest)
}

func (x *refusals) takenInUpdates() {
	changed := x.ended // which may change, with tokens that may be stored
	changed.Name, changed.RevokedAt = "refused", time.Time{}
	for _, other := range []store.Token{x.foreign, x.deleted} {
		sameID := x.token(x.one.ID)
		sameID.ID = other.ID
		x.update(store.ErrExists, "with another connection's token's id", x.one, 0, changed, sameID)
	}
	for _, other := range []store.Token{x.own, x.ended, x.foreign, x.deleted} {
		sameDigest := x.token(x.one.ID)
		sameDigest.Digest = other.Digest
		x.update(store.ErrExists, "with a token's digest that is taken", x.one, 0, changed, sameDigest)
	}
	twice, sameID, sameDigest := x.token(x.one.ID), x.token(x.one.ID), x.token(x.one.ID)
	sameID.ID, sameDigest.Digest = twice.ID, twice.Digest
	x.update(store.ErrExists, "with one new token's id twice", x.one, 0, changed, twice, sameID)
	x.update(store.ErrExists, "with one new token's digest twice", x.one, 0, changed, twice, sameDigest)
	for _, revision := range []int64{0, 2} {
		link := x.one
		link.Revision = revision
		x.update(store.ErrVersion, "of another revision", link, 0, changed)
	}
}

func (x *refusals) limited() {
	x.create(store.ErrLimit, "beyond the limit", x.linkOf(x.one.Tenant), 1)
	active := x.off
	active.Status = store.StatusActive
	x.update(store.ErrLimit, "to active beyond the limit", active, 1)
}

func (x *refusals) foreignScopes() {
	for _, scope := range []store.Scope{
		{Connection: x.one.ID, Tenant: x.two.Tenant}, {Connection: "nobody", Tenant: x.one.Tenant}, x.gone.Scope(),
	} {
		link := x.one
		link.ID, link.Tenant = scope.Connection, scope.Tenant
		if link.ID == x.gone.ID {
			link.Revision = x.gone.Revision
		}
		x.update(store.ErrNotFound, "of a connection that the tenant does not have", link, 0)
		x.call(store.ErrNotFound, "Connection of one that the tenant does not have", func(ctx context.Context) error {
			_, err := x.links.Connection(ctx, scope)
			return err
		})
	}
	for _, id := range []string{"nobody", x.deleted.ID, x.one.ID} {
		x.call(store.ErrNotFound, "FindToken of a token that does not exist", func(ctx context.Context) error {
			_, _, err := x.links.FindToken(ctx, id, x.own.Digest)
			return err
		})
	}
}

// emptyScopes are calls with half a scope, or none.
func (x *refusals) emptyScopes() {
	for _, scope := range []store.Scope{{}, {Connection: x.one.ID}, {Tenant: x.one.Tenant}} {
		link := x.one
		link.ID, link.Tenant = scope.Connection, scope.Tenant
		x.create(store.ErrScope, "with an empty scope", link, 0)
		x.update(store.ErrScope, "with an empty scope", link, 0)
		x.call(store.ErrScope, "Connection of an empty scope", func(ctx context.Context) error {
			_, err := x.links.Connection(ctx, scope)
			return err
		})
		x.call(store.ErrScope, "Forget of an empty scope", func(ctx context.Context) error { return x.links.Forget(ctx, scope) })
	}
}

// state renders what there is beside the calls.
func (x *refusals) state(ctx context.Context) string {
	x.Helper()
	return x.rig.state(ctx, x.one.Tenant) + x.rig.state(ctx, x.two.Tenant)
}

// unharmed ends the test if something is left of the calls: a connection that takes all of their tokens must find them free.
func (x *refusals) unharmed(ctx context.Context) {
	x.Helper()
	link := x.linkOf(x.two.Tenant)
	for i := range x.fresh {
		x.fresh[i].Connection = link.ID
	}
	x.ok(x.links.CreateConnection(ctx, link, x.fresh, 0), "CreateConnection with the tokens of calls that were refused")
	own, _ := x.rig.deleted(ctx, everything, x.gone)
	equal(x.rig, "the number of deleted connections", len(own), 1)
}

func testRefusals(r *rig) {
	x := r.refusals()
	for _, c := range x.calls {
		before := x.state(r.Context())
		r.fails(c.do(r.Context()), c.want, "%s", c.what)
		equal(r, "the connections after "+c.what, x.state(r.Context()), before)
	}
	x.unharmed(r.Context())
	r.forget(x.gone)
}

// testRefusalsInTx checks that a call that is refused leaves nothing of itself, and that the transaction can go on.
func testRefusalsInTx(r *rig) {
	x := r.refusals()
	before := x.state(r.Context())
	r.inTx(nil, func(ctx context.Context) error {
		for _, c := range x.calls {
			r.fails(c.do(ctx), c.want, "%s in a transaction", c.what)
			equal(r, "the connections in the transaction after "+c.what, x.state(ctx), before)
		}
		change := x.off
		change.DisplayName = "changed"
		r.ok(r.links.UpdateConnection(ctx, change, nil, 0), "UpdateConnection after calls that were refused in a transaction")
		x.unharmed(ctx)
		return nil
	})
	x.off.DisplayName, x.off.Revision = "changed", 2
	r.sameLinks("the connections after the transaction", x.one.Tenant, x.one, x.off)
	r.found("a token of a connection that calls were about", x.own, x.one)
	r.forget(x.gone)
}
