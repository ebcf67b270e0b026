package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/scimkit/scim/store"
)

var tokenTests = []test{
	{"are found", connections, false, testTokens},
	{"times", connections, false, testTokenTimes},
	{"are listed", connections, false, testTokenList},
	{"change", connections, false, testTokenChanges},
	{"are used", connections, false, testTokenUse},
	{"are forgotten", connections, false, testForgetTokens},
}

// token describes a token of a connection, with an id and a digest that nobody has.
func (r *rig) token(connection string) store.Token {
	t := store.Token{ID: "token-" + rand.Text(), Connection: connection, Name: "Ops' \"token\" %", LastFour: "ab'd", CreatedAt: r.now()}
	_, _ = rand.Read(t.Digest[:]) // never fails
	return t
}

// sameToken ends the test unless two tokens are equal.
func (r *rig) sameToken(what string, got, want store.Token) {
	r.Helper()
	r.instant("CreatedAt of "+what, got.CreatedAt, want.CreatedAt)
	for _, at := range []struct {
		name string
		got  *time.Time
		want time.Time
	}{
		{"ExpiresAt", &got.ExpiresAt, want.ExpiresAt}, {"RevokedAt", &got.RevokedAt, want.RevokedAt},
		{"LastUsedAt", &got.LastUsedAt, want.LastUsedAt},
	} {
		equal(r, "whether "+at.name+" of "+what+" is zero", at.got.IsZero(), at.want.IsZero())
		if !at.want.IsZero() {
			r.instant(at.name+" of "+what, *at.got, at.want)
		}
		*at.got = at.want
	}
	got.CreatedAt = want.CreatedAt
	equal(r, what, got, want)
}

// sameTokens ends the test unless these are the tokens of connections, in this order.
func (r *rig) sameTokens(what string, connections []string, want ...store.Token) {
	r.Helper()
	list, err := r.links.Tokens(r.Context(), connections...)
	r.ok(err, "Tokens of %v", connections)
	equal(r, "the number of "+what, len(list), len(want))
	for i := range want {
		r.sameToken(fmt.Sprintf("token %d of %s", i+1, what), list[i], want[i])
	}
}

// found ends the test unless a token is found by its id and by its digest.
func (r *rig) found(what string, want store.Token, link store.Connection) {
	r.Helper()
	r.foundIn(r.Context(), what, want, link)
}

func (r *rig) foundIn(ctx context.Context, what string, want store.Token, link store.Connection) {
	r.Helper()
	for _, digest := range []store.Digest{want.Digest, {}, {1}} { // whoever asks by id compares the digests
		got, connection, err := r.links.FindToken(ctx, want.ID, digest)
		r.ok(err, "FindToken by id of %s", what)
		r.sameToken(what+", by id,", got, want)
		r.sameLink("the connection of "+what, connection, link)
	}
	got, connection, err := r.links.FindToken(ctx, "", want.Digest)
	r.ok(err, "FindToken by digest of %s", what)
	r.sameToken(what+", by digest,", got, want)
	r.sameLink("the connection of "+what, connection, link)
}

// nobody ends the test unless no token is found.
func (r *rig) nobody(what, id string, digest store.Digest) {
	r.Helper()
	_, _, err := r.links.FindToken(r.Context(), id, digest)
	r.fails(err, store.ErrNotFound, "FindToken of %s", what)
}

func testTokens(r *rig) {
	one, two := r.link(), r.link()
	first, second := r.token(one.ID), r.token(two.ID)
	first.Slot, first.Name = store.SlotCurrent, ""
	second.ExpiresAt = second.CreatedAt.Add(43800*time.Hour + time.Microsecond)
	r.add(one, first)
	r.add(two, second)
	third, fourth := r.token(one.ID), r.token(one.ID)
	third.Slot = store.SlotNext
	fourth.RevokedAt, fourth.ExpiresAt = fourth.CreatedAt, fourth.CreatedAt.Add(-time.Hour) // whatever its state
	one = r.save(one, third, fourth)
	for _, token := range []store.Token{first, third, fourth} {
		r.found("a token", token, one)
		for _, id := range []string{"nobody", one.ID, token.ID + " ", token.LastFour, "' OR '1'='1"} {
			r.nobody("the id "+id+" with a digest that exists", id, token.Digest)
		}
	}
	r.found("a token of another connection", second, two)
	for _, digest := range []store.Digest{{}, r.token(one.ID).Digest} {
		r.nobody("a digest that nobody has", "", digest)
	}
}

// testTokenTimes checks that times keep their microseconds, in whichever zone they come.
func testTokenTimes(r *rig) {
	link := r.link()
	r.add(link)
	var want []store.Token
	for _, at := range []time.Time{
		start.Add(time.Microsecond), time.Date(2038, 1, 19, 3, 14, 8, 999999000, time.UTC),
		time.Date(2026, 7, 1, 0, 30, 0, 10000, time.FixedZone("east", 2*60*60)),
	} {
		token := r.token(link.ID)
		token.CreatedAt, token.ExpiresAt, token.RevokedAt = at, at.Add(time.Microsecond), at.Add(2*time.Microsecond)
		link = r.save(link, token)
		token.LastUsedAt = at.Add(3 * time.Microsecond)
		r.ok(r.links.UseTokens(r.Context(), map[string]time.Time{token.ID: token.LastUsedAt}), "UseTokens")
		r.found("a token", token, link)
		token.ExpiresAt, token.RevokedAt = at.Add(4*time.Microsecond), at.Add(5*time.Microsecond)
		link = r.save(link, token)
		r.found("a token that was changed", token, link)
		want = append(want, token)
		r.sameTokens("the tokens", []string{link.ID}, want...)
	}
}

// testTokenList checks the order of tokens with the same time, and ids in no order.
func testTokenList(r *rig) {
	one := r.link()
	two, gone := r.linkOf(one.Tenant), r.linkOf(one.Tenant)
	var tokens []store.Token
	for i, link := range []store.Connection{one, two, one, one, two, one} {
		token := r.token(link.ID)
		token.ID = string("qzameb"[i]) + token.ID
		token.CreatedAt = one.CreatedAt
		tokens = append(tokens, token)
	}
	tokens[2].RevokedAt, tokens[3].ExpiresAt = one.CreatedAt, one.CreatedAt.Add(-time.Hour)
	r.add(one, tokens[0])
	r.add(two, tokens[1])
	r.add(gone, r.token(gone.ID))
	one = r.save(one, tokens[2], tokens[3])
	two.Status = store.StatusDisabled
	r.save(two, tokens[4])
	r.save(one, tokens[5])
	r.forget(r.end(gone, longAgo.Add(3*time.Hour)))
	of := func(places ...int) (list []store.Token) {
		for _, i := range places {
			list = append(list, tokens[i])
		}
		return list
	}
	r.sameTokens("the tokens of one connection", []string{one.ID}, of(0, 2, 3, 5)...)
	r.sameTokens("the tokens of the other connection", []string{two.ID}, of(1, 4)...)
	for _, ids := range [][]string{{one.ID, two.ID}, {two.ID, one.ID}, {two.ID, "nobody", one.ID, gone.ID, two.ID, one.Tenant, ""}} {
		r.sameTokens("the tokens of both connections", ids, tokens...)
	}
	r.sameTokens("the tokens of no connection", nil)
	r.sameTokens("the tokens of connections without any", []string{gone.ID, "nobody", one.Tenant})
}

// testTokenChanges checks what a token takes over that its connection has already, and what it keeps.
func testTokenChanges(r *rig) {
	link := r.link()
	current, next := r.token(link.ID), r.token(link.ID)
	current.Slot, next.Slot, next.ExpiresAt = store.SlotCurrent, store.SlotNext, r.now()
	r.add(link, current, next)
	used := r.now()
	r.ok(r.links.UseTokens(r.Context(), map[string]time.Time{current.ID: used}), "UseTokens")
	current.LastUsedAt = used

	change, other := current, r.token(link.ID)
	change.Digest, change.LastFour, change.CreatedAt, change.LastUsedAt = other.Digest, "zzzz", r.now(), r.now()
	link = r.save(link, change)
	r.found("a token of which nothing may change", current, link)
	r.nobody("the digest that a token must not take", "", change.Digest)

	current.Name, current.Slot, current.RevokedAt, current.ExpiresAt = "", store.SlotNone, r.now(), r.now()
	next.Slot, next.ExpiresAt = store.SlotCurrent, time.Time{}
	link = r.save(link, next, other, current) // a rotation is completed, and a token added
	r.sameTokens("the tokens after a rotation", []string{link.ID}, current, next, other)
	current.RevokedAt, current.Slot = time.Time{}, store.SlotNext
	link = r.save(link, current)
	r.sameTokens("the tokens after a change back", []string{link.ID}, current, next, other)
	for _, token := range []store.Token{current, next, other} {
		r.found("a token", token, link)
	}
}

func testTokenUse(r *rig) {
	link := r.link()
	one, two, three := r.token(link.ID), r.token(link.ID), r.token(link.ID)
	r.add(link, one, two, three)
	use := func(used map[string]time.Time) {
		r.Helper()
		r.ok(r.links.UseTokens(r.Context(), used), "UseTokens")
		r.sameTokens("the tokens", []string{link.ID}, one, two, three)
	}
	at := r.now()
	one.LastUsedAt, two.LastUsedAt = at, at.Add(time.Hour)
	use(map[string]time.Time{one.ID: at, "nobody": at, "": at, two.ID: two.LastUsedAt, link.ID: at})
	two.LastUsedAt = two.LastUsedAt.Add(time.Microsecond)
	use(map[string]time.Time{one.ID: at.Add(-time.Microsecond), two.ID: two.LastUsedAt}) // one would move back
	use(map[string]time.Time{one.ID: at, two.ID: at})
	use(map[string]time.Time{})
	use(nil)
	r.linked("the connection of tokens that were used", link)
}

// testForgetTokens uses times of long ago, since tokens of all tenants are forgotten.
func testForgetTokens(r *rig) {
	link, other := r.link(), r.link()
	minute := func(n int) time.Time { return longAgo.Add(time.Duration(n) * time.Minute) }
	var zero time.Time
	var tokens, stay []store.Token
	for _, end := range []struct {
		revoked, expires time.Time
		gone             bool
	}{
		{zero, zero, false},
		{minute(1), zero, true}, {minute(10).Add(-time.Microsecond), zero, true}, {minute(10), zero, false}, {minute(11), zero, false},
		{zero, minute(1), true}, {zero, minute(10).Add(-time.Microsecond), true}, {zero, minute(10), false}, {zero, minute(11), false},
		{minute(1), minute(11), true}, {minute(11), minute(1), true}, {minute(11), minute(12), false}, {r.now(), r.now(), false},
	} {
		token := r.token(link.ID)
		token.RevokedAt, token.ExpiresAt = end.revoked, end.expires
		tokens = append(tokens, token)
		if !end.gone {
			stay = append(stay, token)
		}
	}
	ended := r.token(other.ID)
	ended.RevokedAt = minute(1)
	r.add(link, tokens...)
	r.add(other, ended)
	for range 2 {
		r.ok(r.links.ForgetTokens(r.Context(), minute(10)), "ForgetTokens")
		r.sameTokens("the tokens that are left", []string{link.ID}, stay...)
		r.sameTokens("the tokens of another connection that are left", []string{other.ID})
		r.nobody("a token that was forgotten", "", ended.Digest)
		r.nobody("a token that was forgotten", ended.ID, store.Digest{})
	}
	for _, token := range stay {
		r.found("a token that is left", token, link)
	}
	r.linked("the connection of tokens that were forgotten", link)
	other = r.save(other, ended) // nothing is left of it that could stand in its way
	r.found("a token that comes back", ended, other)
	r.ok(r.links.ForgetTokens(r.Context(), minute(10)), "ForgetTokens")
}
