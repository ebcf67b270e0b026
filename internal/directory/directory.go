// Package directory carries out SCIM operations on a store: what a handler does between a decoded request and an answer.
//
// Every write has the same five beats inside one transaction: load, compute (package patch, pure), write, emit, answer. Without a
// store.Transactor, a write compares and swaps the version that it loaded and starts over if another one won.
package directory

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// Directory is a store with its probed capabilities.
type Directory struct {
	Store      store.Store
	Transactor store.Transactor   // nil: compare and swap
	Members    store.MemberLister // nil: no type has members
	Groups     store.GroupLister  // nil: nobody sees groups
	MaxMembers int                // members that one request may name
	MaxWork    int                // looks at values that one PATCH may take: patch.Options.MaxWork
	Now        func() time.Time
	NewID      func() string
}

// Request is what every operation depends on: whose directory, by which decisions, and who hears of changes.
type Request struct {
	Scope  store.Scope
	Policy dialect.Policy
	Report *dialect.Report
	// Check evaluates the request's preconditions against the version that a write loaded.
	Check func(store.Version) error
	// Found is set to the id of the resource that a write has loaded, also if it fails afterwards. It may be nil.
	Found *string
	// Emit is called inside the transaction, once per change of a resource. Its errors are those of the write, whatever they wrap.
	Emit func(context.Context, Change) error
}

// Change is one change of one resource: its version moved by one step, or it was created or deleted.
type Change struct {
	Ref     store.Ref
	Before  *store.Resource // nil: created
	After   *store.Resource // nil: deleted
	Changes []patch.Change
	Added   []store.Member
	Removed []store.Member
}

// attempts is how often a write is tried against other writers on a store without transactions.
const attempts = 4

// errContention is the end of these attempts.
var errContention = errors.New("directory: other writers won every time")

// Get returns a resource.
func (d *Directory) Get(ctx context.Context, q Request, rt *schema.ResourceType, id string) (store.Resource, error) {
	return d.Store.Get(ctx, q.Scope, store.Ref{Type: rt.Name, ID: id})
}

// Create stores a resource from a POST.
func (d *Directory) Create(ctx context.Context, q Request, rt *schema.ResourceType, input *schema.Input) (created store.Resource, err error) {
	tree := input.Tree
	rt.AssignDefaults(tree)
	if err := rt.Validate(tree); err != nil {
		return created, err
	}
	if len(input.Members) > d.MaxMembers {
		return created, tooManyMembers(rt, d.MaxMembers)
	}
	document := rt.Document(tree)
	if err := fits(document, schema.MaxDocument); err != nil {
		return created, err
	}
	draft := store.Draft{
		Ref: store.Ref{Type: rt.Name, ID: d.NewID()}, At: d.now(),
		Document: document, Unique: q.keys(rt, rt.Keys(tree), tree), Members: input.Members,
	}
	transact := d.transact
	if q.Emit == nil { // nothing else is to be committed with it
		transact = alone
	}
	err = transact(ctx, func(ctx context.Context) error {
		applied, err := d.Store.Create(ctx, q.Scope, draft)
		var unknown *store.UnknownMembersError
		if errors.As(err, &unknown) && q.Policy.UnknownMembers == dialect.UnknownMembersSkip {
			draft.Members = without(draft.Members, unknown.IDs)
			applied, err = d.Store.Create(ctx, q.Scope, draft)
		}
		if err != nil {
			return err
		}
		created = applied.Resource
		return q.emit(ctx, Change{Ref: created.Ref, After: &created, Added: applied.Added})
	})
	return created, err
}

// now returns the request's time as stores keep it.
func (d *Directory) now() time.Time { return d.Now().UTC().Truncate(time.Microsecond) }

// keys adds to a resource's unique values those that only the connection's policy makes unique.
func (q Request) keys(rt *schema.ResourceType, keys []store.Key, tree *schema.Node) []store.Key {
	if !q.Policy.UniqueGroupNames || rt.Members == nil {
		return keys
	}
	if name, _ := rt.Root.SubAttribute("displayName"); name != nil && !name.Unique() && !tree.Get(name).IsZero() {
		keys = append(keys, store.Key{Path: name.Path, Value: name.Fold(tree.Get(name).Text())})
	}
	return keys
}

func (q Request) emit(ctx context.Context, c Change) error {
	if q.Emit == nil {
		return nil
	}
	if err := q.Emit(ctx, c); err != nil {
		return &emitError{err}
	}
	return nil
}

// emitError is an error of Request.Emit. It may wrap one of the store's, which says nothing about the write itself.
type emitError struct{ cause error }

func (e *emitError) Error() string { return e.cause.Error() }
func (e *emitError) Unwrap() error { return e.cause }

// transact runs f in a transaction, or as it is on a store that has none.
func (d *Directory) transact(ctx context.Context, f func(context.Context) error) error {
	if d.Transactor == nil {
		return alone(ctx, f)
	}
	return store.InTx(ctx, d.Transactor, f)
}

func alone(ctx context.Context, f func(context.Context) error) error { return f(ctx) }

func tooManyMembers(rt *schema.ResourceType, limit int) error {
	return &patch.Error{
		ScimType: schema.TooMany, Path: rt.Members.Path, TooLarge: true,
		Detail: "the request names more than " + strconv.Itoa(limit) + " members",
	}
}

// fits refuses a document that is too large to be stored.
func fits(document *store.Document, limit int) error {
	if len(document.JSON()) <= limit {
		return nil
	}
	return &patch.Error{
		ScimType: schema.TooMany, TooLarge: true,
		Detail: "the resource is larger than " + strconv.Itoa(schema.MaxDocument) + " bytes",
	}
}

// without returns list without the ids in drop.
func without(list, drop []string) []string {
	gone := make(map[string]bool, len(drop))
	for _, id := range drop {
		gone[id] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return gone[id] })
}
