package scim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

// The state machine of a connection and its tokens.

var lifeStart = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)

// lifeOf makes a connection out of its tokens as words: "a:current b:next c d! e?" are one in each slot, one beside them, one revoked
// and one expired. The word "off" is a disabled connection, "gone" a deleted one.
func lifeOf(state string) *life {
	l := &life{now: lifeStart, connection: Connection{ID: "c", Tenant: "t", Status: store.StatusActive, Revision: 1, CreatedAt: lifeStart, UpdatedAt: lifeStart}}
	for word := range strings.FieldsSeq(state) {
		switch word {
		case "off":
			l.connection.Status = store.StatusDisabled
			continue
		case "gone":
			l.connection.Status = store.StatusDeleted
			continue
		}
		id, slot, _ := strings.Cut(strings.TrimRight(word, "!?"), ":")
		t := store.Token{ID: id, Connection: "c", Slot: store.TokenSlot(slot), CreatedAt: lifeStart.Add(-time.Hour)}
		if strings.Contains(word, "!") {
			t.RevokedAt = lifeStart.Add(-time.Minute)
		}
		if strings.Contains(word, "?") {
			t.ExpiresAt = lifeStart
		}
		l.tokens = append(l.tokens, t)
	}
	return l
}

// words is the reverse of lifeOf.
func (l *life) words() string {
	var words []string
	for _, t := range l.tokens {
		word := t.ID
		if t.Slot != store.SlotNone {
			word += ":" + string(t.Slot)
		}
		if !t.RevokedAt.IsZero() {
			word += "!"
		}
		if !t.ExpiresAt.IsZero() && !l.now.Before(t.ExpiresAt) {
			word += "?"
		}
		words = append(words, word)
	}
	switch l.connection.Status {
	case store.StatusDisabled:
		words = append(words, "off")
	case store.StatusDeleted:
		words = append(words, "gone")
	}
	return strings.Join(words, " ")
}

// take runs a step that is given by its name and, for some, a token's id.
func (l *life) take(step string) error {
	name, id, _ := strings.Cut(step, " ")
	status := func(s store.ConnectionStatus) error {
		l.change(ConnectionChange{Status: &s})
		return nil
	}
	switch name {
	case "issue":
		return l.issue(store.Token{ID: id, CreatedAt: l.now})
	case "start":
		return l.startRotation(store.Token{ID: id, CreatedAt: l.now})
	case "complete":
		return l.completeRotation()
	case "cancel":
		return l.cancelRotation()
	case "revoke":
		return l.revoke(id)
	case "disable":
		return status(store.StatusDisabled)
	case "enable":
		return status(store.StatusActive)
	case "rename":
		l.change(ConnectionChange{DisplayName: &id})
		return nil
	case "delete":
		l.delete()
		return nil
	}
	panic(step)
}

// events lists events as words.
func eventWords(events []Event) string {
	words := make([]string, len(events))
	for i, e := range events {
		words[i] = strings.TrimPrefix(string(e.Type), "token.")
		if e.Resource.Type == "Token" {
			words[i] += " " + e.Resource.ID
		}
	}
	return strings.Join(words, ", ")
}

func TestStepsOfALife(t *testing.T) {
	t.Parallel()
	many := func(n int, suffix string) string {
		var words []string
		for i := range n {
			words = append(words, fmt.Sprint("t", i, suffix))
		}
		return strings.Join(words, " ")
	}
	for _, c := range []struct {
		state, step string
		want        string // the state afterwards; empty: as before
		events      string
		err         error
	}{
		// One token.
		{state: "a:current", step: "issue b", want: "a:current b", events: "issued b"},
		{state: "a:current", step: "issue a", err: store.ErrExists},
		{state: "a:current", step: "start b", want: "a:current b:next", events: "issued b"},
		{state: "a:current", step: "start a", err: store.ErrExists},
		{state: "a:current", step: "complete", err: ErrNotRotating},
		{state: "a:current", step: "cancel", err: ErrNotRotating},
		{state: "a:current", step: "revoke a", want: "a!", events: "revoked a"},
		{state: "a:current", step: "revoke b", err: store.ErrNotFound},
		{state: "a:current", step: "revoke ", err: store.ErrNotFound},
		{state: "a:current", step: "disable", want: "a:current off", events: "connection.disabled"},
		{state: "a:current", step: "enable"},
		{state: "a:current", step: "rename x", want: "a:current", events: "connection.updated"},
		{state: "a:current", step: "delete", want: "a! gone", events: "revoked a, connection.deleted"},
		{state: "a:current?", step: "start b", want: "a:current? b:next", events: "issued b"},
		{state: "a:current?", step: "revoke a", want: "a!?", events: "revoked a"},

		// A rotation.
		{state: "a:current b:next", step: "issue c", want: "a:current b:next c", events: "issued c"},
		{state: "a:current b:next", step: "start c", err: ErrAlreadyRotating},
		{state: "a:current b:next", step: "start b", err: ErrAlreadyRotating},
		{state: "a:current b:next", step: "complete", want: "a! b:current", events: "revoked a"},
		{state: "a:current b:next", step: "cancel", want: "a:current b!", events: "revoked b"},
		{state: "a:current b:next", step: "revoke a", want: "a! b:next", events: "revoked a"},
		{state: "a:current b:next", step: "revoke b", want: "a:current b!", events: "revoked b"},
		{state: "a:current b:next", step: "delete", want: "a! b! gone", events: "revoked a, revoked b, connection.deleted"},
		{state: "a:current b:next?", step: "start c", err: ErrAlreadyRotating},
		{state: "a:current b:next?", step: "cancel", want: "a:current b!?", events: "revoked b"},
		{state: "a:current b:next off", step: "complete", want: "a! b:current off", events: "revoked a"},
		{state: "a:current b:next off", step: "cancel", want: "a:current b! off", events: "revoked b"},
		{state: "a:current b:next off", step: "enable", want: "a:current b:next", events: "connection.enabled"},

		// After rotations, and with tokens beside them.
		{state: "a! b:current", step: "start c", want: "a! b:current c:next", events: "issued c"},
		{state: "a! b:current", step: "start a", err: store.ErrExists},
		{state: "a! b:current", step: "issue a", err: store.ErrExists},
		{state: "a! b:current", step: "complete", err: ErrNotRotating},
		{state: "a! b:current", step: "revoke a"},
		{state: "a! b:current c d!", step: "delete", want: "a! b! c! d! gone", events: "revoked b, revoked c, connection.deleted"},
		{state: "a! b:current c:next d", step: "complete", want: "a! b! c:current d", events: "revoked b"},
		{state: "a! b:current c:next d", step: "revoke d", want: "a! b:current c:next d!", events: "revoked d"},

		// Without a current token.
		{state: "a!", step: "start b", want: "a! b:next", events: "issued b"},
		{state: "a!", step: "complete", err: ErrNotRotating},
		{state: "a!", step: "cancel", err: ErrNotRotating},
		{state: "a!", step: "delete", want: "a! gone", events: "connection.deleted"},
		{state: "a! b:next", step: "complete", want: "a! b:current", events: "connection.updated"},
		{state: "a! b:next", step: "cancel", want: "a! b!", events: "revoked b"},
		{state: "a! b:next", step: "start c", err: ErrAlreadyRotating},
		{state: "", step: "start b", want: "b:next", events: "issued b"},
		{state: "", step: "issue b", want: "b", events: "issued b"},
		{state: "", step: "delete", want: "gone", events: "connection.deleted"},

		// Disabled.
		{state: "a:current off", step: "start b", want: "a:current b:next off", events: "issued b"},
		{state: "a:current off", step: "issue b", want: "a:current b off", events: "issued b"},
		{state: "a:current off", step: "revoke a", want: "a! off", events: "revoked a"},
		{state: "a:current off", step: "disable"},
		{state: "a:current off", step: "enable", want: "a:current", events: "connection.enabled"},
		{state: "a:current off", step: "rename x", want: "a:current off", events: "connection.updated"},
		{state: "a:current off", step: "delete", want: "a! gone", events: "revoked a, connection.deleted"},

		// As many as may be.
		{state: many(MaxTokens, ""), step: "issue x", err: ErrTooManyTokens},
		{state: many(MaxTokens, ""), step: "start x", err: ErrTooManyTokens},
		{state: many(MaxTokens, "") + " b:next", step: "start x", err: ErrAlreadyRotating},
		{state: many(MaxTokens-1, ""), step: "issue x", want: many(MaxTokens-1, "") + " x", events: "issued x"},
		{state: many(MaxTokens, "!"), step: "issue x", want: many(MaxTokens, "!") + " x", events: "issued x"},
		{state: many(MaxTokens, "?"), step: "start x", want: many(MaxTokens, "?") + " x:next", events: "issued x"},
	} {
		before := lifeOf(c.state)
		after := before.clone()
		err := after.take(c.step)
		require.Equal(t, c.err, err, "%s: %s", c.state, c.step)
		require.Equal(t, lifeOf(c.state), before, "a copy shares nothing")
		if c.want == "" {
			c.want = c.state
		}
		require.Equal(t, c.want, after.words(), "%s: %s", c.state, c.step)
		_, changed := after.since(before)
		require.Equal(t, c.events != "", changed, "%s: %s", c.state, c.step)
		if changed {
			require.Equal(t, c.events, eventWords(after.happened(before)), "%s: %s", c.state, c.step)
		}
	}
	created := lifeOf("a:current b")
	require.Equal(t, "connection.created, issued a, issued b", eventWords(created.happened(nil)))
}

// Whatever steps are taken, in whatever order, these hold afterwards.
func TestInvariantsOfALife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := lifeOf("a:current")
		ids := []string{"a", "nope"}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			l.now = l.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "hours")) * time.Hour)
			before := l.clone()
			err := l.drawn(t, &ids)
			tokens, changed := l.since(before)
			if err != nil {
				require.True(t, slices.ContainsFunc([]error{store.ErrExists, store.ErrNotFound, ErrAlreadyRotating, ErrNotRotating, ErrTooManyTokens}, func(known error) bool {
					return errors.Is(err, known)
				}), err)
				require.False(t, changed, "a step that fails changes nothing")
			}
			l.hold(t, before)
			l.tell(t, before, tokens, changed)
			if changed {
				l.connection.Revision++
				l.connection.UpdatedAt = l.now
			}
			if l.connection.Status == store.StatusDeleted {
				return // nobody finds it any more
			}
		}
	})
}

// drawn takes any step.
func (l *life) drawn(t *rapid.T, ids *[]string) error {
	fresh := func() store.Token {
		*ids = append(*ids, fmt.Sprint("t", len(*ids)))
		return store.Token{
			ID: rapid.SampledFrom((*ids)[max(0, len(*ids)-4):]).Draw(t, "id"), CreatedAt: l.now,
			ExpiresAt: l.now.Add(time.Duration(rapid.IntRange(1, 6).Draw(t, "lifetime")) * time.Hour),
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0, 1:
		return l.startRotation(fresh())
	case 2, 3:
		return l.completeRotation()
	case 4:
		return l.cancelRotation()
	case 5, 6:
		return l.issue(fresh())
	case 7:
		return l.revoke(rapid.SampledFrom(*ids).Draw(t, "revoked"))
	case 8:
		status := rapid.SampledFrom([]store.ConnectionStatus{store.StatusActive, store.StatusDisabled}).Draw(t, "status")
		change := ConnectionChange{Status: &status}
		if rapid.Bool().Draw(t, "more") {
			provider := rapid.SampledFrom(dialect.IdentityProviders()).Draw(t, "provider")
			name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name")
			change.IdentityProvider, change.DisplayName = &provider, &name
		}
		l.change(change)
	default:
		if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
			l.delete()
		}
	}
	return nil
}

// hold checks what holds of any connection, and of how it came from before.
func (l *life) hold(t *rapid.T, before *life) {
	slots := map[store.TokenSlot]int{}
	seen := map[string]bool{}
	for _, token := range l.tokens {
		require.False(t, seen[token.ID], "an id stands for one token")
		seen[token.ID] = true
		require.Equal(t, "c", token.Connection)
		slots[token.Slot]++
		if !token.RevokedAt.IsZero() {
			require.Equal(t, store.SlotNone, token.Slot, "a revoked token has no slot")
		}
		if l.connection.Status == store.StatusDeleted {
			require.False(t, token.RevokedAt.IsZero(), "a deleted connection has no valid token")
		}
	}
	delete(slots, store.SlotNone)
	for slot, n := range slots {
		require.Equal(t, 1, n, "at most one token in a slot")
		require.Contains(t, []store.TokenSlot{store.SlotCurrent, store.SlotNext}, slot)
	}
	for i, was := range before.tokens {
		is := l.tokens[i]
		if !was.RevokedAt.IsZero() {
			require.Equal(t, was, is, "what is over stays as it is")
		}
		if was.Slot == store.SlotNone {
			require.Equal(t, store.SlotNone, is.Slot, "only a new token comes into the rotation")
		}
		if is.RevokedAt != was.RevokedAt {
			require.Equal(t, l.now, is.RevokedAt)
		}
		was.Slot, was.RevokedAt = is.Slot, is.RevokedAt
		require.Equal(t, was, is, "nothing else of a token changes")
	}
	require.Equal(t, before.connection.Revision, l.connection.Revision)
	require.Equal(t, before.connection.Scope(), l.connection.Scope())
}

// tell checks that since and happened tell the difference to before, no more and no less.
func (l *life) tell(t *rapid.T, before *life, tokens []store.Token, changed bool) {
	rebuilt := before.clone()
	rebuilt.connection = l.connection
	for _, token := range tokens {
		if known := rebuilt.token(token.ID); known != nil {
			require.NotEqual(t, *known, token)
			*known = token
		} else {
			rebuilt.tokens = append(rebuilt.tokens, token)
		}
	}
	require.Equal(t, l.tokens, rebuilt.tokens)
	require.Equal(t, changed, before.connection != l.connection || !slices.Equal(before.tokens, l.tokens))
	if !changed {
		return
	}
	valid := func(l *life) map[string]bool {
		ids := map[string]bool{}
		for _, token := range l.tokens {
			if token.RevokedAt.IsZero() {
				ids[token.ID] = true
			}
		}
		return ids
	}
	was, status := valid(before), before.connection.Status
	for _, e := range l.happened(before) {
		require.Equal(t, Event{
			Type: e.Type, Time: l.now, Connection: "c", Tenant: "t", Resource: e.Resource, Version: store.Version(l.connection.Revision),
		}, e)
		switch e.Type {
		case TokenIssued:
			require.False(t, was[e.Resource.ID])
			was[e.Resource.ID] = true
		case TokenRevoked:
			require.True(t, was[e.Resource.ID])
			delete(was, e.Resource.ID)
		case ConnectionEnabled:
			status = store.StatusActive
		case ConnectionDisabled:
			status = store.StatusDisabled
		case ConnectionDeleted:
			status = store.StatusDeleted
		case ConnectionUpdated:
			require.Equal(t, status, l.connection.Status)
		default:
			require.Fail(t, "an event of something else", e.Type)
		}
	}
	require.True(t, maps.Equal(valid(l), was), "who replays the events knows which tokens are valid")
	require.Equal(t, l.connection.Status, status)
	require.NotEmpty(t, l.happened(before))
}
