package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

var connectionTests = []test{
	{"are kept", connections, false, testConnections},
	{"are limited per tenant", connections, false, testConnectionLimit},
	{"tokens", connections, false, testTokens},
	{"tokens that are refused", connections, false, testRefusedTokens},
	{"concurrent creations", connections, false, testConcurrentConnections},
}

// link describes a connection of a tenant of its own.
func (r *rig) link() store.Connection {
	scope := r.Scope()
	return store.Connection{
		ID: "link-" + rand.Text(), Tenant: scope.Tenant, DisplayName: "Ops' \"link\" \U0001F680", IdentityProvider: dialect.Okta,
		Policy: dialect.PolicyFor(dialect.Okta), Strict: true, CreatedAt: r.now(),
	}
}

// token describes a token of a connection, with an id and a digest that nobody has.
func (r *rig) token(connection string) store.Token {
	t := store.Token{ID: "token-" + rand.Text(), Connection: connection, LastFour: "ab'd", CreatedAt: r.now()}
	_, _ = rand.Read(t.Digest[:]) // never fails
	return t
}

// sameLink ends the test unless two connections are equal.
func (r *rig) sameLink(what string, got, want store.Connection) {
	r.Helper()
	r.instant("CreatedAt of "+what, got.CreatedAt, want.CreatedAt)
	got.CreatedAt = want.CreatedAt
	equal(r, what, got, want)
}

// sameToken ends the test unless two tokens are equal.
func (r *rig) sameToken(what string, got, want store.Token) {
	r.Helper()
	r.instant("CreatedAt of "+what, got.CreatedAt, want.CreatedAt)
	equal(r, "whether "+what+" expires", got.ExpiresAt.IsZero(), want.ExpiresAt.IsZero())
	if !want.ExpiresAt.IsZero() {
		r.instant("ExpiresAt of "+what, got.ExpiresAt, want.ExpiresAt)
	}
	got.CreatedAt, got.ExpiresAt = want.CreatedAt, want.ExpiresAt
	equal(r, what, got, want)
}

func testConnections(r *rig) {
	first, other := r.link(), r.link()
	second, third := first, first
	second.ID, second.DisplayName, second.Strict, second.Policy = "a"+rand.Text(), "", false, dialect.Policy{}
	second.IdentityProvider = dialect.Generic
	third.ID, third.Policy = "z"+rand.Text(), dialect.PolicyFor(dialect.MicrosoftEntra)
	for _, link := range []store.Connection{first, other, third, second} { // with the same time, and ids in no order
		r.ok(r.links.CreateConnection(r.Context(), link, 0), "CreateConnection")
	}
	list, err := r.links.Connections(r.Context(), first.Tenant)
	r.ok(err, "Connections")
	equal(r, "the number of connections", len(list), 3)
	for i, want := range []store.Connection{first, third, second} {
		r.sameLink(fmt.Sprintf("connection %d in the order of creation", i+1), list[i], want)
	}
	clear(list)
	list, err = r.links.Connections(r.Context(), other.Tenant)
	r.ok(err, "Connections of another tenant")
	equal(r, "the number of connections of another tenant", len(list), 1)
	r.sameLink("the connection of another tenant", list[0], other)
	for _, nobody := range []string{r.Scope().Tenant, "", first.ID} {
		list, err = r.links.Connections(r.Context(), nobody)
		r.ok(err, "Connections of a tenant without any")
		equal(r, "the number of connections of a tenant without any", len(list), 0)
	}
	list, err = r.links.Connections(r.Context(), first.Tenant)
	r.ok(err, "Connections")
	r.sameLink("the first connection after what was returned was changed", list[0], first)
}

func testConnectionLimit(r *rig) {
	link := r.link()
	create := func(id string, limit int) error {
		link := link
		link.ID += id
		return r.links.CreateConnection(r.Context(), link, limit)
	}
	r.ok(create("1", 1), "CreateConnection with a limit of 1")
	r.fails(create("2", 1), store.ErrExists, "CreateConnection of one more than the limit")
	r.ok(create("2", 2), "CreateConnection with a limit of 2")
	r.fails(create("3", 1), store.ErrExists, "CreateConnection with a limit below the number of connections")
	r.ok(create("3", 0), "CreateConnection without a limit")
	for _, limit := range []int{0, 10} {
		r.fails(create("1", limit), store.ErrExists, "CreateConnection with an id that is taken")
	}
	other := r.link()
	other.ID = link.ID + "1"
	r.fails(r.links.CreateConnection(r.Context(), other, 0), store.ErrExists, "CreateConnection with an id that is taken by another tenant")
	other.ID = link.ID + "4"
	r.ok(r.links.CreateConnection(r.Context(), other, 1), "CreateConnection of another tenant")
	list, err := r.links.Connections(r.Context(), link.Tenant)
	r.ok(err, "Connections")
	equal(r, "the number of connections", len(list), 3)
}

func testTokens(r *rig) {
	one, two := r.link(), r.link()
	tokens := map[string]store.Connection{}
	for _, link := range []store.Connection{one, two} {
		r.ok(r.links.CreateConnection(r.Context(), link, 0), "CreateConnection")
	}
	for i, link := range []store.Connection{one, two, one} {
		token := r.token(link.ID)
		if i > 0 {
			token.ExpiresAt = token.CreatedAt.Add(43800*time.Hour + time.Microsecond)
		}
		r.ok(r.links.CreateToken(r.Context(), token), "CreateToken")
		tokens[token.ID] = link
		for _, digest := range []store.Digest{token.Digest, {}, {1}} { // whoever asks by id compares the digests
			got, found, err := r.links.FindToken(r.Context(), token.ID, digest)
			r.ok(err, "FindToken by id")
			r.sameToken("the token found by id", got, token)
			r.sameLink("the connection of the token found by id", found, link)
		}
		got, found, err := r.links.FindToken(r.Context(), "", token.Digest)
		r.ok(err, "FindToken by digest")
		r.sameToken("the token found by digest", got, token)
		r.sameLink("the connection of the token found by digest", found, link)
		for _, id := range []string{"nobody", link.ID, token.ID + " ", token.LastFour, "' OR '1'='1"} {
			_, _, err = r.links.FindToken(r.Context(), id, token.Digest)
			r.fails(err, store.ErrNotFound, "FindToken by the id %q with a digest that exists", id)
		}
	}
	unknown := r.token(one.ID)
	for _, digest := range []store.Digest{{}, unknown.Digest} {
		_, _, err := r.links.FindToken(r.Context(), "", digest)
		r.fails(err, store.ErrNotFound, "FindToken by a digest that nobody has")
	}
	for id, link := range tokens {
		_, found, err := r.links.FindToken(r.Context(), id, store.Digest{})
		r.ok(err, "FindToken by id")
		r.sameLink("the connection of the token", found, link)
	}
}

func testRefusedTokens(r *rig) {
	one, two := r.link(), r.link()
	for _, link := range []store.Connection{one, two} {
		r.ok(r.links.CreateConnection(r.Context(), link, 0), "CreateConnection")
	}
	token := r.token(one.ID)
	r.ok(r.links.CreateToken(r.Context(), token), "CreateToken")
	r.fails(r.links.CreateToken(r.Context(), token), store.ErrExists, "CreateToken of the same token")
	for _, link := range []string{one.ID, two.ID} {
		other := r.token(link)
		other.ID = token.ID
		r.fails(r.links.CreateToken(r.Context(), other), store.ErrExists, "CreateToken with an id that is taken")
		other = r.token(link)
		other.Digest = token.Digest
		r.fails(r.links.CreateToken(r.Context(), other), store.ErrExists, "CreateToken with a digest that is taken")
		_, _, err := r.links.FindToken(r.Context(), other.ID, store.Digest{})
		r.fails(err, store.ErrNotFound, "FindToken of a token that was refused")
	}
	for _, nobody := range []string{"nobody", "", one.Tenant} {
		other := r.token(nobody)
		r.fails(r.links.CreateToken(r.Context(), other), store.ErrNotFound, "CreateToken for a connection that does not exist")
		_, _, err := r.links.FindToken(r.Context(), "", other.Digest)
		r.fails(err, store.ErrNotFound, "FindToken of a token that was refused")
	}
	got, _, err := r.links.FindToken(r.Context(), token.ID, token.Digest)
	r.ok(err, "FindToken")
	r.sameToken("the token", got, token)
}

// testConcurrentConnections checks that a limit and an id hold against many who ask at once.
func testConcurrentConnections(r *rig) {
	link, same := r.link(), r.link()
	limited := together(func(n int) error {
		own := link
		own.ID += fmt.Sprint(n)
		return r.links.CreateConnection(context.WithoutCancel(r.Context()), own, 1)
	})
	r.oneWins("CreateConnection with a limit of 1", limited, store.ErrExists)
	r.oneWins("CreateConnection with one id", together(func(int) error {
		return r.links.CreateConnection(r.Context(), same, 0)
	}), store.ErrExists)
	token := r.token(same.ID)
	r.oneWins("CreateToken with one digest", together(func(n int) error {
		own := token
		own.ID += fmt.Sprint(n)
		return r.links.CreateToken(r.Context(), own)
	}), store.ErrExists)
	list, err := r.links.Connections(r.Context(), link.Tenant)
	r.ok(err, "Connections")
	equal(r, "the number of connections", len(list), 1)
	_, _, err = r.links.FindToken(r.Context(), "", token.Digest)
	if errors.Is(err, store.ErrNotFound) {
		r.Fatal("the token that won is not found")
	}
	r.ok(err, "FindToken")
}
