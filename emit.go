package scim

import (
	"context"
	"fmt"
	"strings"

	"github.com/scimkit/scim/internal/directory"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// emit turns a change of the request into an event. A transaction that runs again emits the same ids: each resource changes at most
// once in a request. Whatever the sink's error wraps, an error of a store's for example, it is a 503, since it says nothing about the
// request; only a Refusal does.
func (x *exchange) emit(ctx context.Context, c directory.Change) error {
	if x.events == nil {
		x.events = make(map[store.Ref]string, 1)
	}
	if x.events[c.Ref] == "" {
		x.events[c.Ref] = x.h.config.NewID(x.start)
	}
	event := Event{
		ID: x.events[c.Ref], Type: eventType(c), Time: x.start.UTC(),
		Connection: x.credential.Connection.ID, Tenant: x.credential.Connection.Tenant,
		Actor:    Actor{TokenID: x.credential.TokenID, Subject: x.credential.Subject, RequestID: x.id},
		Resource: c.Ref, Before: c.Before, After: c.After, Changes: c.Changes, Added: c.Added, Removed: c.Removed,
	}
	if c.After != nil {
		event.Version = c.After.Version
	} else {
		event.Version = c.Before.Version
	}
	if err := x.h.config.Events.Emit(ctx, event); err != nil {
		if refusal := refusedBy(err); refusal != nil {
			return refusal
		}
		return wire.Unavailable(fmt.Errorf("event sink: %w", err))
	}
	return nil
}

func eventType(c directory.Change) EventType {
	name := strings.ToLower(c.Ref.Type)
	switch {
	case c.Before == nil:
		return EventType(name + ".created")
	case c.After == nil:
		return EventType(name + ".deleted")
	case len(c.Changes) == 0:
		return EventType(name + ".members_changed")
	case c.Ref.Type == "User":
		return userEvent(c.Changes)
	default:
		return EventType(name + ".updated")
	}
}

// userEvent tells the changes that matter most from the others.
func userEvent(changes []patch.Change) EventType {
	for _, c := range changes {
		if c.Path != "active" {
			continue
		}
		if string(c.After) == "true" {
			return UserReactivated
		}
		return UserDeactivated
	}
	return UserUpdated
}
