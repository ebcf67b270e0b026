package scim

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/scimkit/scim/store"
)

const (
	sweepEvery = time.Minute
	// purged is how many resources of a deleted connection are removed in one transaction.
	purged = 1000
	// buried is after which time a deleted connection is forgotten: when every request that it had under way has ended.
	buried = time.Hour
	// tokenRetention is how long a revoked or expired token is still listed.
	tokenRetention = 90 * 24 * time.Hour
	// deletedAtOnce is how many deleted connections one sweep looks after.
	deletedAtOnce = 100
)

// Run does the work that no request waits for, until ctx ends: every second it stores the journal and when tokens were last used, every
// minute it sweeps (see Sweep). What fails is logged and tried again. Any number of processes may run it on the same store. Before it
// returns, it stores what is left, for up to five seconds; its error is always nil, so that it fits into an errgroup.
func (c *Connections) Run(ctx context.Context) error {
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	sweeping.Go(func() { c.sweepAlways(ctx) }) // by itself: the journal does not wait until a large directory is purged
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.finish(ctx)
			return nil
		case <-tick.C:
		case <-c.journal.filled:
		}
		c.report(ctx, "flush", c.Flush(ctx))
	}
}

func (c *Connections) sweepAlways(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		c.report(ctx, "sweep", c.Sweep(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// finish stores what is left.
func (c *Connections) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushGrace)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		c.config.Logger.LogAttrs(ctx, slog.LevelWarn, "scim: background work; what was left of it is lost", slog.String("cause", err.Error()))
	}
}

func (c *Connections) report(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		c.config.Logger.LogAttrs(ctx, slog.LevelWarn, "scim: background work; it is tried again",
			slog.String("work", what), slog.String("cause", err.Error()))
	}
}

// Flush stores the journal and when tokens were last used. A host without Run may call it now and then.
func (c *Connections) Flush(ctx context.Context) error {
	err := c.flushUsage(ctx)
	if c.config.Journal == nil {
		return err
	}
	return errors.Join(err, c.flushJournal(ctx))
}

// Sweep removes what is over: resources of deleted connections, and an hour after their deletion the connections themselves; tokens 90
// days after their end; entries of journals beyond their length and their retention. A host without Run may call it now and then.
func (c *Connections) Sweep(ctx context.Context) error {
	now := c.now()
	errs := []error{c.bury(ctx, now), c.config.Store.ForgetTokens(ctx, now.Add(-tokenRetention))}
	if c.config.Journal != nil {
		errs = append(errs,
			c.config.Journal.ExpireJournal(ctx, now.Add(-c.config.JournalRetention)),
			c.trim(ctx, c.journal.written()))
	}
	return errors.Join(errs...)
}

// bury removes what deleted connections left behind. A request that was under way when its connection was deleted may still add
// something, so the connection itself is kept until that cannot be.
func (c *Connections) bury(ctx context.Context, now time.Time) error {
	deleted, err := c.config.Store.Deleted(ctx, deletedAtOnce)
	if err != nil {
		return err
	}
	var errs []error
	for _, connection := range deleted { // one that fails does not keep the others waiting
		errs = append(errs, c.buryOne(ctx, connection, now))
	}
	return errors.Join(errs...)
}

func (c *Connections) buryOne(ctx context.Context, connection Connection, now time.Time) error {
	if err := c.purge(ctx, connection.Scope()); err != nil || now.Sub(connection.UpdatedAt) < buried {
		return err
	}
	if c.config.Journal != nil {
		if err := c.config.Journal.TrimJournal(ctx, connection.ID, 0); err != nil {
			return err
		}
	}
	return c.config.Store.Forget(ctx, connection.Scope())
}

// purge removes the resources of a connection, some at a time.
func (c *Connections) purge(ctx context.Context, scope store.Scope) error {
	if c.config.Resources == nil {
		return nil
	}
	for more := true; more; {
		var err error
		if more, err = c.config.Resources.Purge(ctx, scope, purged); err != nil {
			return err
		}
	}
	return nil
}
