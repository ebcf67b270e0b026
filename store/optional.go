package store

import "context"

// The interfaces in this file are optional. The handler probes each once, when it is built, with a Scope that holds nothing; an
// implementation declines by answering errors.ErrUnsupported.

// Transactor makes several calls of a Store one atomic change.
//
// With it, a resource change and its event are committed together, an unconditional write never fails for contention, and a
// failing EventSink undoes the change. Without it, the handler compares and swaps versions, and an event that fails leaves the
// change standing.
type Transactor interface {
	// InTx runs f in a transaction that the context handed to f carries: calls with that context are part of it. An error of f
	// rolls back and is returned; a panic rolls back and goes on. f may run more than once, so it must not act outside of the
	// transaction; see AfterCommit. A context that already carries a transaction of this store joins it.
	InTx(ctx context.Context, f func(ctx context.Context) error) error
}

// Member is a resource in a group.
type Member struct {
	ID      string
	Type    string // the resource type's name, "User" or "Group"
	Display string // the member's displayName or, without one, userName; may be empty
}

// Membership is a Member with its group.
type Membership struct {
	Group string // the group's id
	Member
}

// MemberQuery selects memberships.
type MemberQuery struct {
	Groups []string // ids of groups, in the order of the answer
	After  string   // MemberPage.Next of the page before; empty for the first one
	Limit  int      // memberships in the page at most, positive
}

// MemberPage is an answer to a MemberQuery: the groups in the order asked, the members of each in the order in which the member
// resources were created, whenever they joined.
type MemberPage struct {
	Memberships []Membership
	Next        string // opaque; empty on the last page
}

// MemberLister reads the members of groups. A resource type with members needs a Store that has it.
type MemberLister interface {
	// Members returns a page of memberships; groups that do not exist have none. Pages are keyset pages: their cost does not grow
	// with their number.
	Members(ctx context.Context, scope Scope, query MemberQuery) (MemberPage, error)
}

// Group is a group that a resource is a direct member of.
type Group struct {
	ID      string
	Type    string // the resource type's name, "Group"
	Display string // the group's displayName
}

// GroupLister reads the groups of members. Without it, users are shown without the attribute groups, and filters on it are
// refused.
type GroupLister interface {
	// Groups returns, by member id, the groups that have it as a direct member. It costs one query, however many ids.
	Groups(ctx context.Context, scope Scope, members []string) (map[string][]Group, error)
}
