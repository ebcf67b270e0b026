package directory

import (
	"context"
	"errors"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// Replace carries out a PUT.
func (d *Directory) Replace(ctx context.Context, q Request, rt *schema.ResourceType, id string, input *schema.Input) (store.Resource, error) {
	return d.update(ctx, q, rt, id, func(ctx context.Context, before store.Resource) (patch.ChangeSet, error) {
		return patch.ReplaceAll(before.Document, input, d.options(ctx, q, rt, id))
	})
}

// Patch carries out a PATCH. written are the attributes with returned:request that it wrote to.
func (d *Directory) Patch(
	ctx context.Context, q Request, rt *schema.ResourceType, id string, ops []patch.Operation,
) (after store.Resource, written []*schema.Attribute, err error) {
	after, err = d.update(ctx, q, rt, id, func(ctx context.Context, before store.Resource) (change patch.ChangeSet, err error) {
		change, written, err = patch.Apply(ctx, before.Document, ops, d.options(ctx, q, rt, id))
		return change, err
	})
	return after, written, err
}

func (d *Directory) options(ctx context.Context, q Request, rt *schema.ResourceType, id string) patch.Options {
	return patch.Options{
		Type: rt, Report: q.Report, BareRemove: q.Policy.BareRemove, MaxMembers: d.MaxMembers, MaxWork: d.MaxWork,
		Scan: func(yield func(id, typ, display string) error) error {
			return d.EachMember(ctx, q, []string{id}, func(m store.Membership) error { return yield(m.ID, m.Type, m.Display) })
		},
	}
}

// compute turns the loaded resource into a change.
type compute func(ctx context.Context, before store.Resource) (patch.ChangeSet, error)

// update loads, computes, writes and emits.
func (d *Directory) update(ctx context.Context, q Request, rt *schema.ResourceType, id string, f compute) (after store.Resource, err error) {
	at := d.now()
	ref := store.Ref{Type: rt.Name, ID: id}
	err = d.retry(ctx, func(ctx context.Context) error {
		before, err := d.Store.Get(ctx, q.Scope, ref)
		if err != nil {
			return err
		}
		if err := q.check(before); err != nil {
			return err
		}
		change, err := f(ctx, before)
		if err != nil {
			return err
		}
		if change.Empty() {
			after = before
			return nil
		}
		if len(change.Changes) > 0 {
			tree, err := change.After.Tree(rt)
			if err != nil {
				return err
			}
			change.Unique = q.keys(rt, change.Unique, tree)
			// What a host made larger may change, but not grow by a KiB: a user can be deactivated whatever its size.
			if err := fits(change.After, max(schema.MaxDocument, len(before.Document.JSON())|1023)); err != nil {
				return err
			}
		}
		applied, err := d.write(ctx, q, ref, change, store.Write{At: at, IfVersion: d.guard(q, before, change)})
		if err != nil {
			return err
		}
		after = applied.Resource
		if !applied.Changed {
			return nil
		}
		return q.emit(ctx, Change{
			Ref: after.Ref, Before: &before, After: &after,
			Changes: change.Changes, Added: applied.Added, Removed: applied.Removed,
		})
	})
	return after, err
}

// check takes note of the resource that a write has loaded, and evaluates the request's preconditions.
func (q Request) check(before store.Resource) error {
	if q.Found != nil {
		*q.Found = before.ID
	}
	if q.Check == nil {
		return nil
	}
	return q.Check(before.Version)
}

// guard returns the version that a write must find. In a transaction, loading the resource locked it. Otherwise only a change
// that commutes with others, members coming and going, may be written over another one.
func (d *Directory) guard(q Request, before store.Resource, change patch.ChangeSet) store.Version {
	if d.Transactor != nil || q.Check == nil && len(change.Changes) == 0 && !change.Members.Clear {
		return 0
	}
	return before.Version
}

// write stores a change set; members that do not exist are left out where the connection's policy says so.
func (d *Directory) write(ctx context.Context, q Request, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
	applied, err := d.Store.Update(ctx, q.Scope, ref, change, w)
	var unknown *store.UnknownMembersError
	if errors.As(err, &unknown) && q.Policy.UnknownMembers == dialect.UnknownMembersSkip {
		change.Members.Add = without(change.Members.Add, unknown.IDs)
		applied, err = d.Store.Update(ctx, q.Scope, ref, change, w)
	}
	return applied, err
}

// retry runs a write in a transaction, or again while other writers are faster.
func (d *Directory) retry(ctx context.Context, f func(context.Context) error) error {
	if d.Transactor != nil {
		return d.transact(ctx, f)
	}
	for range attempts {
		err := f(ctx)
		var emitted *emitError
		if errors.As(err, &emitted) || !errors.Is(err, store.ErrVersion) {
			return err
		}
	}
	return errContention
}

// Delete removes a resource. Each group that loses a member by it is a change of its own.
func (d *Directory) Delete(ctx context.Context, q Request, rt *schema.ResourceType, id string) error {
	at := d.now()
	ref := store.Ref{Type: rt.Name, ID: id}
	return d.retry(ctx, func(ctx context.Context) error {
		w := store.Write{At: at}
		if q.Check != nil {
			before, err := d.Store.Get(ctx, q.Scope, ref)
			if err != nil {
				return err
			}
			if err := q.check(before); err != nil {
				return err
			}
			w.IfVersion = before.Version
		}
		deleted, err := d.Store.Delete(ctx, q.Scope, ref, w)
		if err != nil {
			return err
		}
		if err := q.emit(ctx, Change{Ref: deleted.Resource.Ref, Before: &deleted.Resource}); err != nil {
			return err
		}
		for _, loss := range deleted.Lost {
			c := Change{Ref: loss.Group.Ref, Before: &loss.Before, After: &loss.Group, Removed: []store.Member{loss.Member}}
			if err := q.emit(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}
