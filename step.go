package scim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimkit/scim/internal/uuid"
	"github.com/scimkit/scim/store"
)

// load reads a connection with its tokens.
func (c *Connections) load(ctx context.Context, scope store.Scope, now time.Time) (*life, error) {
	l := &life{now: now}
	var err error
	if l.connection, err = c.config.Store.Connection(ctx, scope); err != nil {
		return &life{}, err
	}
	l.tokens, err = c.config.Store.Tokens(ctx, scope.Connection)
	return l, err
}

// swaps is how often a step is tried against others on the same connection, on a store without transactions.
const swaps = 10

// step takes a connection one step further and stores what that changed, if nobody else stored anything meanwhile: otherwise the step
// is decided anew. Where it changes nothing, nothing is stored.
func (c *Connections) step(ctx context.Context, scope store.Scope, take func(*life) error) (after *life, err error) {
	ids, now := &eventIDs{mint: c.eventID}, c.now()
	for range swaps {
		err = c.inTx(ctx, func(ctx context.Context) error {
			before, err := c.load(ctx, scope, now)
			if err != nil {
				return err
			}
			after = before.clone()
			if err := take(after); err != nil {
				return err
			}
			tokens, changed := after.since(before)
			if !changed {
				return nil
			}
			after.connection.UpdatedAt = after.now
			if err := c.config.Store.UpdateConnection(ctx, after.connection, tokens, c.perTenant()); err != nil {
				return err
			}
			after.connection.Revision++
			store.AfterCommit(ctx, c.cache.forget)
			return c.emit(ctx, ids, after.happened(before))
		})
		if !errors.Is(err, store.ErrVersion) || isSinkError(err) {
			break
		}
	}
	if err != nil {
		c.cache.forget() // it may have been committed all the same
		return &life{}, managed(err)
	}
	return after, nil
}

func (c *Connections) perTenant() int { return max(c.config.PerTenant, 0) }

// managed words an error of the store for the callers of Connections.
func managed(err error) error {
	if errors.Is(err, store.ErrLimit) && !isSinkError(err) {
		return ErrConnectionExists
	}
	return err
}

// inTx runs f in a transaction of the store, if it has them.
func (c *Connections) inTx(ctx context.Context, f func(context.Context) error) error {
	if t, ok := c.config.Store.(store.Transactor); ok {
		return store.InTx(ctx, t, f)
	}
	return f(ctx)
}

// emit tells the sink what happened.
func (c *Connections) emit(ctx context.Context, ids *eventIDs, events []Event) error {
	if c.config.Events == nil {
		return nil
	}
	actor := actorOf(ctx)
	for i, e := range events {
		e.ID, e.Actor = ids.number(i), actor
		if err := c.config.Events.Emit(ctx, e); err != nil {
			return &sinkError{err}
		}
	}
	return nil
}

// sinkError is an error of the sink. It may wrap one of the store's, which says nothing about the call; the store itself still
// recognises its database's errors in it.
type sinkError struct{ cause error }

func (e *sinkError) Error() string { return fmt.Sprintf("event sink: %v", e.cause) }
func (e *sinkError) Unwrap() error { return e.cause }

func isSinkError(err error) bool {
	var sink *sinkError
	return errors.As(err, &sink)
}

// eventIDs are the ids of a call's events, the same when a transaction runs again.
type eventIDs struct {
	mint func() string
	ids  []string
}

func (e *eventIDs) number(i int) string {
	for len(e.ids) <= i {
		e.ids = append(e.ids, e.mint())
	}
	return e.ids[i]
}

func (c *Connections) eventID() string { return uuid.New(c.config.Now()) }
