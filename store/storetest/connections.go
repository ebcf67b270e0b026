package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

var connectionTests = []test{
	{"are kept", connections, false, testConnections},
	{"times", connections, false, testConnectionTimes},
	{"are of one tenant", connections, false, testForeignConnections},
	{"are limited per tenant", connections, false, testConnectionLimit},
	{"are limited when they become active", connections, false, testActiveLimit},
	{"change", connections, false, testConnectionChanges},
	{"are disabled", connections, false, testDisabled},
	{"are deleted", connections, false, testDeletedConnections},
	{"deleted ones are listed", connections, false, testDeletedList},
	{"are forgotten", connections, false, testForget},
	{"that are refused change nothing", connections, false, testRefusals},
	{"what was passed in or returned may be changed", connections, false, testSharedConnections},
	{"concurrent creations", connections, false, testConcurrentConnections},
	{"one of many becomes active", connections, false, testConcurrentActivations},
	{"one of many changes of a revision wins", connections, false, testOneRevision},
}

// longAgo is before all times that tests use, save those of what reaches all tenants.
var longAgo = time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)

// link describes a connection of a tenant of its own.
func (r *rig) link() store.Connection { return r.linkOf(r.Scope().Tenant) }

func (r *rig) linkOf(tenant string) store.Connection {
	at := r.now()
	return store.Connection{
		ID: "link-" + rand.Text(), Tenant: tenant, DisplayName: "Ops' \"link\" \U0001F680", IdentityProvider: dialect.Okta,
		Status: store.StatusActive, Policy: dialect.PolicyFor(dialect.Okta), Strict: true, CreatedAt: at, UpdatedAt: at, Revision: 1,
	}
}

// add stores a connection.
func (r *rig) add(link store.Connection, tokens ...store.Token) {
	r.Helper()
	r.ok(r.links.CreateConnection(r.Context(), link, tokens, 0), "CreateConnection")
}

// save stores a change of a connection, and returns it with its next revision.
func (r *rig) save(link store.Connection, tokens ...store.Token) store.Connection {
	r.Helper()
	r.ok(r.links.UpdateConnection(r.Context(), link, tokens, 0), "UpdateConnection")
	link.Revision++
	return link
}

// end deletes a connection at a time.
func (r *rig) end(link store.Connection, at time.Time) store.Connection {
	r.Helper()
	link.Status, link.UpdatedAt = store.StatusDeleted, at
	return r.save(link)
}

// forget tidies up a connection that is deleted.
func (r *rig) forget(link store.Connection) {
	r.Helper()
	r.ok(r.links.Forget(r.Context(), link.Scope()), "Forget")
}

// sameLink ends the test unless two connections are equal.
func (r *rig) sameLink(what string, got, want store.Connection) {
	r.Helper()
	r.instant("CreatedAt of "+what, got.CreatedAt, want.CreatedAt)
	r.instant("UpdatedAt of "+what, got.UpdatedAt, want.UpdatedAt)
	got.CreatedAt, got.UpdatedAt = want.CreatedAt, want.UpdatedAt
	equal(r, what, got, want)
}

// linked ends the test unless a connection is found and is that one.
func (r *rig) linked(what string, want store.Connection) {
	r.Helper()
	got, err := r.links.Connection(r.Context(), want.Scope())
	r.ok(err, "Connection of %s", what)
	r.sameLink(what, got, want)
}

// sameLinks ends the test unless these are the connections of a tenant, in this order.
func (r *rig) sameLinks(what, tenant string, want ...store.Connection) {
	r.Helper()
	list, err := r.links.Connections(r.Context(), tenant)
	r.ok(err, "Connections of %s", what)
	equal(r, "the number of "+what, len(list), len(want))
	for i := range want {
		r.sameLink(fmt.Sprintf("connection %d of %s", i+1, what), list[i], want[i])
	}
}

// state renders all that can be read of a tenant's connections.
func (r *rig) state(ctx context.Context, tenant string) string {
	r.Helper()
	var b strings.Builder
	list, err := r.links.Connections(ctx, tenant)
	r.ok(err, "Connections")
	for _, link := range list {
		one, err := r.links.Connection(ctx, link.Scope())
		r.ok(err, "Connection")
		r.sameLink("a connection that is listed", one, link)
		fmt.Fprintf(&b, "%+v\n", link)
		tokens, err := r.links.Tokens(ctx, link.ID)
		r.ok(err, "Tokens")
		for _, token := range tokens {
			r.foundIn(ctx, "a token that is listed", token, link)
			fmt.Fprintf(&b, "  %+v\n", token)
		}
	}
	return b.String()
}

func testConnections(r *rig) {
	first, other := r.link(), r.link()
	second, third := first, first
	second.ID, second.DisplayName, second.Strict, second.Policy = "a"+rand.Text(), "", false, dialect.Policy{}
	second.IdentityProvider, second.Status = dialect.Generic, store.StatusDisabled
	third.ID, third.Policy = "z"+rand.Text(), dialect.PolicyFor(dialect.MicrosoftEntra)
	for _, link := range []store.Connection{first, other, third, second} { // with the same time, and ids in no order
		r.add(link)
	}
	for _, link := range []store.Connection{first, second, third, other} {
		r.linked("a connection", link)
	}
	r.sameLinks("the connections in the order of creation", first.Tenant, first, third, second)
	r.sameLinks("the connections of another tenant", other.Tenant, other)
	for _, nobody := range []string{r.Scope().Tenant, "", first.ID, strings.ToUpper(first.Tenant) + "x"} {
		r.sameLinks("the connections of a tenant without any", nobody)
	}
}

// testConnectionTimes checks that times keep their microseconds, in whichever zone they come.
func testConnectionTimes(r *rig) {
	for _, at := range []time.Time{
		start.Add(time.Microsecond), time.Date(2024, 2, 29, 23, 59, 59, 999999000, time.UTC),
		time.Date(2038, 1, 19, 3, 14, 8, 1000, time.UTC), time.Date(2026, 7, 1, 0, 30, 0, 10000, time.FixedZone("east", 2*60*60)),
	} {
		link := r.link()
		link.CreatedAt, link.UpdatedAt = at, at.Add(90*time.Minute+7*time.Microsecond)
		r.add(link)
		r.linked("a connection", link)
		link.UpdatedAt = link.UpdatedAt.Add(time.Microsecond)
		link = r.save(link)
		r.linked("a connection that was changed", link)
		r.sameLinks("the connections of the tenant", link.Tenant, link)
	}
}

// testForeignConnections checks that a connection is not found by the id alone.
func testForeignConnections(r *rig) {
	link, other := r.link(), r.link()
	r.add(link)
	r.add(other)
	before := r.state(r.Context(), link.Tenant)
	for _, scope := range []store.Scope{
		{Connection: link.ID, Tenant: other.Tenant}, {Connection: "nobody", Tenant: link.Tenant},
		{Connection: link.ID + " ", Tenant: link.Tenant}, {Connection: link.Tenant, Tenant: link.ID},
	} {
		_, err := r.links.Connection(r.Context(), scope)
		r.fails(err, store.ErrNotFound, "Connection of the scope %+v", scope)
		change := link
		change.ID, change.Tenant, change.DisplayName = scope.Connection, scope.Tenant, "foreign"
		r.fails(r.links.UpdateConnection(r.Context(), change, nil, 0), store.ErrNotFound, "UpdateConnection with the scope %+v", scope)
	}
	equal(r, "the connections of the tenant", r.state(r.Context(), link.Tenant), before)
	r.sameLinks("the connections of the other tenant", other.Tenant, other)
}

func testConnectionLimit(r *rig) {
	link := r.link()
	create := func(id string, status store.ConnectionStatus, limit int) error {
		link := link
		link.ID += id
		link.Status = status
		return r.links.CreateConnection(r.Context(), link, nil, limit)
	}
	r.ok(create("1", store.StatusActive, 1), "CreateConnection with a limit of 1")
	r.fails(create("2", store.StatusActive, 1), store.ErrLimit, "CreateConnection of one more than the limit")
	r.ok(create("2", store.StatusActive, 2), "CreateConnection with a limit of 2")
	r.fails(create("3", store.StatusActive, 1), store.ErrLimit, "CreateConnection with a limit below the number of connections")
	r.ok(create("3", store.StatusDisabled, 1), "CreateConnection of a disabled one, which no limit counts")
	r.fails(create("4", store.StatusActive, 2), store.ErrLimit, "CreateConnection of one more than the limit, beside a disabled one")
	r.ok(create("4", store.StatusActive, 3), "CreateConnection with a limit of 3 beside 2 active ones and a disabled one")
	r.ok(create("5", store.StatusActive, 0), "CreateConnection without a limit")
	other := r.link()
	r.ok(r.links.CreateConnection(r.Context(), other, nil, 1), "CreateConnection of another tenant")
	list, err := r.links.Connections(r.Context(), link.Tenant)
	r.ok(err, "Connections")
	equal(r, "the number of connections", len(list), 5)
}

// testActiveLimit checks that the limit counts active connections, and holds for those that become active.
func testActiveLimit(r *rig) {
	one := r.link()
	two, three := r.linkOf(one.Tenant), r.linkOf(one.Tenant)
	two.Status = store.StatusDisabled
	r.add(one)
	r.add(two)
	update := func(link *store.Connection, status store.ConnectionStatus, limit int) error {
		change := *link
		change.Status = status
		err := r.links.UpdateConnection(r.Context(), change, nil, limit)
		if err == nil {
			change.Revision++
			*link = change
		}
		return err
	}
	r.fails(update(&two, store.StatusActive, 1), store.ErrLimit, "UpdateConnection to one more active connection than the limit")
	r.sameLinks("the connections after that", one.Tenant, one, two)
	r.ok(update(&one, store.StatusActive, 1), "UpdateConnection of an active connection at the limit")
	r.ok(update(&two, store.StatusDisabled, 1), "UpdateConnection of a connection that stays disabled")
	r.ok(update(&two, store.StatusActive, 2), "UpdateConnection with a limit of 2")
	r.ok(update(&one, store.StatusActive, 1), "UpdateConnection of an active connection beyond the limit")
	r.ok(update(&one, store.StatusDisabled, 1), "UpdateConnection to disabled beyond the limit")
	create := func() error { return r.links.CreateConnection(r.Context(), three, nil, 1) }
	r.fails(create(), store.ErrLimit, "CreateConnection beside an active and a disabled connection")
	r.ok(update(&two, store.StatusDeleted, 1), "UpdateConnection to deleted")
	r.ok(create(), "CreateConnection beside a disabled and a deleted connection")
	r.fails(update(&one, store.StatusActive, 1), store.ErrLimit, "UpdateConnection beside an active and a deleted connection")
	r.ok(update(&one, store.StatusActive, 0), "UpdateConnection without a limit")
	r.sameLinks("the connections at the end", one.Tenant, one, three)
	r.forget(two)
}

// testConnectionChanges checks that everything but CreatedAt is replaced, and that every change is one revision.
func testConnectionChanges(r *rig) {
	link, other := r.link(), r.link()
	other.Tenant = link.Tenant
	r.add(link)
	r.add(other)
	change := link
	change.DisplayName, change.IdentityProvider, change.Status = "new \x7f%_ name", dialect.MicrosoftEntra, store.StatusDisabled
	change.Policy, change.Strict = dialect.PolicyFor(dialect.MicrosoftEntra), false
	change.CreatedAt, change.UpdatedAt = r.now(), r.now()
	want := r.save(change)
	want.CreatedAt = link.CreatedAt
	r.linked("the connection that was changed", want)
	for range 2 { // the same again
		want = r.save(want)
		r.linked("the connection that was changed again", want)
	}
	equal(r, "the revision after 3 changes", want.Revision, 4)
	r.sameLinks("the connections in the order of creation", link.Tenant, want, other)
	for _, revision := range []int64{0, -1, 1, 3, 5, 1 << 40} {
		late := want
		late.Revision, late.DisplayName = revision, "late"
		token := r.token(link.ID)
		err := r.links.UpdateConnection(r.Context(), late, []store.Token{token}, 0)
		r.fails(err, store.ErrVersion, "UpdateConnection of revision %d where it is 4", revision)
		r.sameTokens("the tokens after that", []string{link.ID})
	}
	r.sameLinks("the connections after changes of other revisions", link.Tenant, want, other)
}

// testDisabled checks that all but the limit treats a disabled connection as an active one.
func testDisabled(r *rig) {
	link := r.link()
	token, next := r.token(link.ID), r.token(link.ID)
	r.add(link, token)
	link.Status = store.StatusDisabled
	link = r.save(link, next)
	r.linked("a disabled connection", link)
	r.sameLinks("the connections", link.Tenant, link)
	r.sameTokens("the tokens of a disabled connection", []string{link.ID}, token, next)
	r.found("a token of a disabled connection", token, link)
	r.forget(link)
	r.linked("a disabled connection after a Forget", link)
	link.Status = store.StatusActive
	link = r.save(link)
	r.found("a token of a connection that is active again", token, link)
}

// testSharedConnections changes every list that the store was given or handed out.
func testSharedConnections(r *rig) {
	link := r.link()
	one, two, three := r.token(link.ID), r.token(link.ID), r.token(link.ID)
	passed := []store.Token{one, two}
	r.add(link, passed...)
	clear(passed)
	passed = []store.Token{two, three}
	link = r.save(link, passed...)
	clear(passed)
	used := map[string]time.Time{one.ID: r.now()}
	one.LastUsedAt = used[one.ID]
	r.ok(r.links.UseTokens(r.Context(), used), "UseTokens")
	used[one.ID] = r.now()
	used[two.ID] = r.now()
	for range 2 {
		r.sameLinks("the connections", link.Tenant, link)
		r.sameTokens("the tokens", []string{link.ID}, one, two, three)
		list, err := r.links.Connections(r.Context(), link.Tenant)
		r.ok(err, "Connections")
		clear(list)
		tokens, err := r.links.Tokens(r.Context(), link.ID)
		r.ok(err, "Tokens")
		clear(tokens)
	}
	gone := r.link()
	r.add(gone)
	gone = r.end(gone, longAgo.Add(2*time.Hour))
	for range 2 {
		own, all := r.deleted(r.Context(), everything, gone)
		equal(r, "the number of deleted connections", len(own), 1)
		clear(all)
	}
	r.forget(gone)
}

// testConcurrentConnections checks that a limit, an id and a digest hold against many who ask at once.
func testConcurrentConnections(r *rig) {
	link, same := r.link(), r.link()
	limited := together(func(n int) error {
		own := link
		own.ID += fmt.Sprint(n)
		return r.links.CreateConnection(r.Context(), own, nil, 1)
	})
	r.oneWins("CreateConnection with a limit of 1", limited, store.ErrLimit)
	r.oneWins("CreateConnection with one id", together(func(int) error {
		return r.links.CreateConnection(r.Context(), same, nil, 0)
	}), store.ErrExists)
	tenant, token := r.link(), r.token("")
	r.oneWins("CreateConnection with one digest", together(func(n int) error {
		own, t := tenant, token
		own.ID += fmt.Sprint(n)
		t.ID += fmt.Sprint(n)
		t.Connection = own.ID
		return r.links.CreateConnection(r.Context(), own, []store.Token{t}, 0)
	}), store.ErrExists)
	for _, tenant := range []string{link.Tenant, same.Tenant, tenant.Tenant} {
		list, err := r.links.Connections(r.Context(), tenant)
		r.ok(err, "Connections")
		equal(r, "the number of connections", len(list), 1)
	}
	_, winner, err := r.links.FindToken(r.Context(), "", token.Digest)
	r.ok(err, "FindToken of the token that won")
	r.sameLinks("the connections with the token", tenant.Tenant, winner)
}

// testConcurrentActivations checks that the limit holds against many who become active at once.
func testConcurrentActivations(r *rig) {
	tenant := r.Scope().Tenant
	links := make([]store.Connection, crowd)
	for n := range links {
		links[n] = r.linkOf(tenant)
		links[n].Status = store.StatusDisabled
		r.add(links[n])
	}
	r.oneWins("UpdateConnection to active with a limit of 1", together(func(n int) error {
		change := links[n]
		change.Status = store.StatusActive
		return r.links.UpdateConnection(r.Context(), change, nil, 1)
	}), store.ErrLimit)
	list, err := r.links.Connections(r.Context(), tenant)
	r.ok(err, "Connections")
	active := 0
	for _, link := range list {
		if link.Status == store.StatusActive {
			active++
			equal(r, "the revision of the connection that became active", link.Revision, 2)
		}
	}
	equal(r, "the number of active connections", active, 1)
}

// testOneRevision checks that nobody writes over what he has not seen, and that the tokens of those who lose are not there.
func testOneRevision(r *rig) {
	link := r.link()
	r.add(link)
	for range 3 {
		tokens := make([]store.Token, crowd)
		for n := range tokens {
			tokens[n] = r.token(link.ID)
		}
		r.oneWins("UpdateConnection of one revision", together(func(n int) error {
			change := link
			change.DisplayName = tokens[n].ID
			return r.links.UpdateConnection(r.Context(), change, tokens[n:n+1], 0)
		}), store.ErrVersion)
		got, err := r.links.Connection(r.Context(), link.Scope())
		r.ok(err, "Connection")
		equal(r, "the revision", got.Revision, link.Revision+1)
		list, err := r.links.Tokens(r.Context(), link.ID)
		r.ok(err, "Tokens")
		equal(r, "the number of tokens", int64(len(list)), link.Revision)
		equal(r, "the token of the change that won", list[len(list)-1].ID, got.DisplayName)
		link = got
	}
}
