package scim

import (
	"slices"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

// life is a connection with its tokens at a moment. Its methods are the steps that it may take: they depend on nothing else, and
// change nothing where they fail.
type life struct {
	connection Connection
	tokens     []store.Token
	now        time.Time
}

// token returns a token by its id, or nil.
func (l *life) token(id string) *store.Token {
	i := slices.IndexFunc(l.tokens, func(t store.Token) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	return &l.tokens[i]
}

// in returns the token in a slot, or nil.
func (l *life) in(slot store.TokenSlot) *store.Token {
	i := slices.IndexFunc(l.tokens, func(t store.Token) bool { return t.Slot == slot })
	if i < 0 {
		return nil
	}
	return &l.tokens[i]
}

// issue adds a token. One that the connection has already stays as it is: a revoked one would come back to life.
func (l *life) issue(t store.Token) error {
	if l.token(t.ID) != nil {
		return store.ErrExists
	}
	valid := 0
	for _, t := range l.tokens {
		if t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || l.now.Before(t.ExpiresAt)) {
			valid++
		}
	}
	if valid >= MaxTokens {
		return ErrTooManyTokens
	}
	t.Connection = l.connection.ID
	l.tokens = append(l.tokens, t)
	return nil
}

// startRotation adds the token that is to replace the current one. Both are valid from now on.
func (l *life) startRotation(t store.Token) error {
	if l.in(store.SlotNext) != nil {
		return ErrAlreadyRotating
	}
	t.Slot = store.SlotNext
	return l.issue(t)
}

// completeRotation ends the current token and puts the next one in its place.
func (l *life) completeRotation() error {
	next := l.in(store.SlotNext)
	if next == nil {
		return ErrNotRotating
	}
	if current := l.in(store.SlotCurrent); current != nil {
		l.end(current)
	}
	next.Slot = store.SlotCurrent
	return nil
}

// cancelRotation ends the next token.
func (l *life) cancelRotation() error {
	next := l.in(store.SlotNext)
	if next == nil {
		return ErrNotRotating
	}
	l.end(next)
	return nil
}

// revoke ends a token, in whichever slot it is.
func (l *life) revoke(id string) error {
	t := l.token(id)
	if t == nil {
		return store.ErrNotFound
	}
	l.end(t)
	return nil
}

// end takes a token out of its slot and revokes it, if it is not.
func (l *life) end(t *store.Token) {
	if t.RevokedAt.IsZero() {
		t.RevokedAt = l.now
	}
	t.Slot = store.SlotNone
}

// change applies what a change sets.
func (l *life) change(change ConnectionChange) {
	c := &l.connection
	if p := change.IdentityProvider; p != nil {
		if c.Policy == dialect.PolicyFor(c.IdentityProvider) {
			c.Policy = dialect.PolicyFor(*p) // nobody chose another one
		}
		c.IdentityProvider = *p
	}
	set(&c.DisplayName, change.DisplayName)
	set(&c.Policy, change.Policy)
	set(&c.Strict, change.Strict)
	set(&c.Status, change.Status)
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// delete ends the connection and its tokens.
func (l *life) delete() {
	l.connection.Status = store.StatusDeleted
	for i := range l.tokens {
		l.end(&l.tokens[i])
	}
}

// clone returns a copy that steps may change.
func (l *life) clone() *life {
	return &life{connection: l.connection, tokens: slices.Clone(l.tokens), now: l.now}
}

// since returns the tokens that differ from before, and whether anything does.
func (l *life) since(before *life) (tokens []store.Token, changed bool) {
	for i, t := range l.tokens { // none ever goes, and new ones come at the end
		if i >= len(before.tokens) || t != before.tokens[i] {
			tokens = append(tokens, t)
		}
	}
	return tokens, len(tokens) > 0 || l.connection != before.connection
}

// happened tells what a step did that changed something, as the events that it amounts to. before is nil for a connection that was created.
func (l *life) happened(before *life) []Event {
	var events []Event
	event := func(typ EventType, ref store.Ref) {
		events = append(events, Event{
			Type: typ, Time: l.now, Connection: l.connection.ID, Tenant: l.connection.Tenant,
			Resource: ref, Version: store.Version(l.connection.Revision),
		})
	}
	self := store.Ref{Type: "Connection", ID: l.connection.ID}
	if before == nil {
		event(ConnectionCreated, self)
		before = &life{connection: l.connection}
	}
	for i, t := range l.tokens {
		ref := store.Ref{Type: "Token", ID: t.ID}
		switch {
		case i >= len(before.tokens):
			event(TokenIssued, ref)
		case before.tokens[i].RevokedAt.IsZero() && !t.RevokedAt.IsZero():
			event(TokenRevoked, ref)
		}
	}
	was, is := before.connection, l.connection
	switch {
	case was.Status == is.Status:
		was.UpdatedAt, was.Revision = is.UpdatedAt, is.Revision
		if was != is {
			event(ConnectionUpdated, self)
		}
	case is.Status == store.StatusActive:
		event(ConnectionEnabled, self)
	case is.Status == store.StatusDisabled:
		event(ConnectionDisabled, self)
	default:
		event(ConnectionDeleted, self)
	}
	if len(events) == 0 { // the next token has become the current one, and there was none before
		event(ConnectionUpdated, self)
	}
	return events
}
