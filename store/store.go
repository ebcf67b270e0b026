// Package store is the contract between the SCIM handler and the place where a host keeps its directory.
//
// A host implements [Store] over its own tables, or takes store/sqlstore or store/memstore. The optional interfaces in this package
// ([Transactor], [MemberLister], [GroupLister]) add what a plain Store cannot promise.
//
// Every call names its [Scope]; an implementation must never return, count, change or compare a resource of another one, and must
// refuse an empty Scope with [ErrScope]. Filters arrive bound to the schema and must be answered exactly (see [Query]).
// Identifiers and times are drawn by the caller, once per request, so that a transaction that runs again writes the same values.
//
// Errors: [ErrNotFound] becomes 404, [ErrUniqueness] 409, [ErrVersion] 412 (or a retry where the client sent no If-Match),
// [UnknownMembersError] 400; every other error is taken for a passing fault of the database and becomes 503 with Retry-After.
package store

import (
	"context"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
)

// Scope is the part of the directory that a request may touch: one connection of one tenant. Both are opaque, non-empty strings.
type Scope struct {
	Connection string
	Tenant     string
}

// Check returns ErrScope for a Scope with an empty part: an empty tenant must never mean "all tenants".
func (s Scope) Check() error {
	if s.Connection == "" || s.Tenant == "" {
		return ErrScope
	}
	return nil
}

// Ref names a resource inside a Scope. Ids are unique across the types of a Scope and never used again.
type Ref struct {
	Type string // the resource type's name, "User"
	ID   string
}

// Version counts the effective changes of a resource, from 1. It reaches clients as the ETag W/"n".
type Version int64

// Document holds a resource's attributes, memberships excepted, as JSON and as a tree, each made from the other when first
// needed. It is immutable. JSON() returns the attributes as a JSON object in canonical form, which a store may keep and later
// hand back through [NewDocument]; Values(path) returns the folded texts of the values at a canonical attribute path such as
// "emails.value", for a store's own indexes.
type Document = schema.Document

// Key is a unique attribute's value: Path is canonical ("userName"), Value is folded, so that equal means byte-equal.
type Key = schema.Key

// NewDocument wraps attributes as JSON: what Document.JSON returned before, or an object that a store built from its columns
// under the names of the schema. The document keeps json.
func NewDocument(json []byte) *Document { return schema.NewDocument(json) }

// Resource is one stored resource. Times are in UTC and in whole microseconds.
type Resource struct {
	Ref
	Version      Version
	Created      time.Time
	LastModified time.Time
	Document     *Document
}

// Draft is a resource to be created.
type Draft struct {
	Ref                // ID is a fresh UUIDv7; a store that mints its own ids may ignore it
	At       time.Time // becomes Created and LastModified
	Document *Document
	Unique   []Key    // values that no other live resource of the type may hold
	Members  []string // ids of a group's first members, without repetitions
}

// Write accompanies a change of an existing resource.
type Write struct {
	// At becomes LastModified if something changes; where the stored time is not earlier, that time plus one microsecond does.
	At time.Time
	// IfVersion refuses the write with ErrVersion unless the resource has this version; 0 writes whatever the version. It is
	// compared in the same atomic step as the write.
	IfVersion Version
}

// Query selects a page of a list.
type Query struct {
	Type string
	// Filter selects the resources, nil selects all. It must be answered exactly: through Filter.Equality or Filter.SQL where
	// they say that they are exact, otherwise by calling Filter.Match on every candidate. An error of Match is the list's error.
	Filter *filter.Filter
	Start  int // number of the first resource of the page, from 1
	Count  int // resources in the page at most; 0 asks for the total only
}

// Page is an answer to a Query.
type Page struct {
	Total     int // resources that match, on all pages
	Resources []Resource
}

// Applied is the outcome of a Create or an Update.
type Applied struct {
	Resource Resource // afterwards
	Changed  bool     // false: version and times are what they were
	Added    []Member // members that were none before, without those that were members already
	Removed  []Member // members that are none any more
}

// Deleted is the outcome of a Delete.
type Deleted struct {
	Resource Resource // as it was
	Lost     []Loss   // the groups that had it as a member, each once
}

// Loss is a group that lost a member because the member was deleted.
type Loss struct {
	Before Resource // the group as it was
	Group  Resource // afterwards, its version moved by one
	Member Member
}

// Store keeps the resources of all connections. Implementations must be safe for concurrent use.
type Store interface {
	// Create stores a new resource and its first members, which it returns as Added.
	//
	// ErrUniqueness (409): a live resource of the type in the Scope holds one of Draft.Unique; deleted resources hold nothing.
	// UnknownMembersError (400): a member is no resource of the Scope. Nothing is stored with either.
	Create(ctx context.Context, scope Scope, draft Draft) (Applied, error)

	// Get returns a resource. Inside Transactor.InTx it also locks the resource until the transaction ends.
	//
	// ErrNotFound (404): no such id, another type's id, another Scope's id, or deleted; the caller cannot tell which.
	Get(ctx context.Context, scope Scope, ref Ref) (Resource, error)

	// List returns a page in an order that stays the same while nothing is created or deleted, such as that of creation.
	List(ctx context.Context, scope Scope, query Query) (Page, error)

	// Update applies a change set: the attributes, then the member delta. Version and LastModified move, by one step, if and only
	// if change.Changes is not empty or the delta really adds or removes a member.
	//
	// ErrNotFound (404). ErrVersion (412, or a retry): see Write. ErrUniqueness (409): another live resource holds one of
	// change.Unique. UnknownMembersError (400). Nothing is changed with any of them.
	Update(ctx context.Context, scope Scope, ref Ref, change patch.ChangeSet, write Write) (Applied, error)

	// Delete removes a resource, its memberships in groups and, for a group, the memberships of its members. Each group that
	// loses a member moves its version by one and its LastModified as in Update.
	//
	// ErrNotFound (404). ErrVersion (412, or a retry).
	Delete(ctx context.Context, scope Scope, ref Ref, write Write) (Deleted, error)
}
