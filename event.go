package scim

import (
	"context"
	"log/slog"
	"time"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// EventType names what happened. Resource types of the host's own have events of their own: a Device is "device.created",
// "device.updated", "device.deleted".
type EventType string

// The event types of users and groups.
const (
	UserCreated         EventType = "user.created"
	UserUpdated         EventType = "user.updated"
	UserDeactivated     EventType = "user.deactivated"      // active became false; it may have changed otherwise too
	UserReactivated     EventType = "user.reactivated"      // active became true; it may have changed otherwise too
	UserDeleted         EventType = "user.deleted"          // the resource is gone
	GroupCreated        EventType = "group.created"         // with its first members as Added
	GroupUpdated        EventType = "group.updated"         // attributes changed; members may have changed too
	GroupDeleted        EventType = "group.deleted"         // the resource and its memberships are gone
	GroupMembersChanged EventType = "group.members_changed" // nothing but members changed
)

// The event types of connections and their tokens. Such an event's Resource is a Connection or a Token, its Version the connection's
// Revision; of what happened it holds no more than that.
const (
	ConnectionCreated  EventType = "connection.created"
	ConnectionUpdated  EventType = "connection.updated"  // name, identity provider, policy or current token changed
	ConnectionEnabled  EventType = "connection.enabled"  // it became active; it may have changed otherwise too
	ConnectionDisabled EventType = "connection.disabled" // its tokens are refused; it may have changed otherwise too
	ConnectionDeleted  EventType = "connection.deleted"  // for good, with its tokens and resources, which have no events of their own
	TokenIssued        EventType = "token.issued"
	TokenRevoked       EventType = "token.revoked" // by hand, or as the end of a rotation
)

// Event is one change of one resource. There is exactly one for each step of a resource's version, for its creation and for its
// deletion, and none for a request that changed nothing. Connections and their tokens have events as well.
type Event struct {
	ID         string // UUIDv7, unique; the same if a transaction runs again
	Type       EventType
	Time       time.Time // of the request, UTC
	Connection string
	Tenant     string
	Actor      Actor
	Resource   store.Ref
	Version    store.Version // of the resource afterwards; of a deleted one, its last
	// Before is the resource as it was, nil for a created one; After is the resource as it is, nil for a deleted one. Neither holds
	// memberships.
	Before *store.Resource
	After  *store.Resource
	// Changes lists the attributes that differ, with old and new value.
	Changes []patch.Change
	// Added and Removed list the members that really came and went, whatever was requested. The members of a deleted group are not
	// listed: it has as many as it has.
	Added   []store.Member
	Removed []store.Member
}

// Actor is who caused an event.
type Actor struct {
	TokenID   string // of the bearer token; never its text
	Subject   string // Credential.Subject, or whom the host named through WithActor
	RequestID string // as in the log and in the header X-Request-Id
}

type actorKey struct{}

// WithActor returns a context whose actor is named in the events of the calls of Connections that are made with it.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

func actorOf(ctx context.Context) Actor {
	actor, _ := ctx.Value(actorKey{}).(Actor)
	return actor
}

// EventSink hears of every change before it is committed.
type EventSink interface {
	// Emit is called inside the store's transaction, which ctx carries: what it writes to the same database through that transaction is
	// committed together with the change, or not at all. An error undoes the change and becomes 503 with Retry-After, a Refusal the
	// answer that it describes. The transaction may run again, with the same event, so a sink must not act outside of it: see
	// store.AfterCommit. What the error wraps has no say in the status, even if it is one of package store; the store still recognises
	// its database's errors in it after which the transaction is to run again.
	//
	// On a store without store.Transactor, an error becomes a 503 as well, but the change stands.
	Emit(ctx context.Context, event Event) error
}

// EventFunc is a function as an EventSink.
type EventFunc func(ctx context.Context, event Event) error

// Emit calls f.
func (f EventFunc) Emit(ctx context.Context, event Event) error { return f(ctx, event) }

// AfterCommit returns a sink that calls f with each event once its change is committed. f cannot fail the request, whatever time it
// takes, but holds the answer up until it returns; what the process loses when it stops between commit and f is lost.
func AfterCommit(f func(Event)) EventSink {
	return EventFunc(func(ctx context.Context, event Event) error {
		store.AfterCommit(ctx, func() { f(event) })
		return nil
	})
}

// LogEvents returns a sink that logs a line per committed change: ids and attribute names, no values.
func LogEvents(logger *slog.Logger) EventSink {
	return AfterCommit(func(e Event) {
		paths := make([]string, len(e.Changes))
		for i, c := range e.Changes {
			paths[i] = c.Path
		}
		logger.LogAttrs(context.Background(), slog.LevelInfo, "scim event",
			slog.String("event_id", e.ID), slog.String("type", string(e.Type)),
			slog.String("tenant", e.Tenant), slog.String("connection", e.Connection), slog.String("request_id", e.Actor.RequestID),
			slog.String("resource_type", e.Resource.Type), slog.String("resource_id", e.Resource.ID), slog.Int64("version", int64(e.Version)),
			slog.Any("changed", paths), slog.Int("members_added", len(e.Added)), slog.Int("members_removed", len(e.Removed)))
	})
}

// FanOut returns a sink that hands each event to sinks in order, up to the first that fails.
func FanOut(sinks ...EventSink) EventSink {
	return EventFunc(func(ctx context.Context, event Event) error {
		for _, sink := range sinks {
			if err := sink.Emit(ctx, event); err != nil {
				return err
			}
		}
		return nil
	})
}
