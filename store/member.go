package store

import (
	"context"
	"time"
)

// GrantSource is why a member has a role.
type GrantSource string

// The sources of roles. A member has a role as long as one source is left.
const (
	SourceDirect     GrantSource = "direct"             // given by the host
	SourceAttribute  GrantSource = "attribute"          // of the member's attributes, by the attribute mapping
	SourceGroup      GrantSource = "group"              // of a group that the member is in
	SourceDomain     GrantSource = "email_domain"       // of the domain of the member's e-mail address
	SourceConnection GrantSource = "connection_default" // of every member of the connection
)

// Grant is one source of one role of a member.
type Grant struct {
	Role   string
	Source GrantSource
	Group  string // the group's id, of SourceGroup
}

// RoleAssignment gives the members of a group a role.
type RoleAssignment struct {
	Group string // the group's id
	Role  string // of the host's
}

// GrantQuery selects members by what they were granted.
type GrantQuery struct {
	Source GrantSource
	Group  string // of SourceGroup; empty: any
	After  string // the last member of the page before; empty for the first one
	Limit  int    // members in the page at most, positive
}

// Tombstone is a member whose resource was deleted, so that whoever comes back is recognised.
type Tombstone struct {
	Member     string    // the id of the resource that was deleted
	ExternalID string    // folded; may be empty
	UserName   string    // folded
	DeletedAt  time.Time // in UTC and in whole microseconds
}

// MemberStore keeps what package scim knows of members beside their resources: which roles groups give, which roles members were
// granted, and who is gone. It is the library's own state, as ConnectionStore, and a Transactor: its calls take part in the
// transactions in which resources change. Everything belongs to a Scope; ErrScope if it is empty. What is put replaces what was there as
// a whole, for whoever reads or puts at the same time, too. A store that is a Purger as well removes all of a Scope when it purges it.
type MemberStore interface {
	// AttributeMapping returns the attribute mapping of a connection as PutAttributeMapping stored it, empty if it never did.
	AttributeMapping(ctx context.Context, scope Scope) (string, error)
	// PutAttributeMapping stores the attribute mapping of a connection, JSON; empty removes it.
	PutAttributeMapping(ctx context.Context, scope Scope, mapping string) error
	// RoleAssignments returns the assignments of a connection, by group, then role.
	RoleAssignments(ctx context.Context, scope Scope) ([]RoleAssignment, error)
	// LockRoleAssignments has others that call it in a transaction on the same Scope wait until this transaction ends: what is read
	// after it is still so when it is replaced.
	LockRoleAssignments(ctx context.Context, scope Scope) error
	// PutRoleAssignments replaces all assignments of a connection. Those that are repeated count once.
	PutRoleAssignments(ctx context.Context, scope Scope, assignments []RoleAssignment) error
	// Grants returns the grants of members, by role, then source, then group. Members without any are not in the map.
	Grants(ctx context.Context, scope Scope, members ...string) (map[string][]Grant, error)
	// PutGrants replaces the grants of a member. Those that are repeated count once.
	PutGrants(ctx context.Context, scope Scope, member string, grants []Grant) error
	// Granted returns the ids of members with such a grant, in ascending order, each once.
	Granted(ctx context.Context, scope Scope, query GrantQuery) ([]string, error)
	// PutTombstone adds a tombstone, or replaces that of the same member.
	PutTombstone(ctx context.Context, scope Scope, tombstone Tombstone) error
	// Tombstones returns those of an external id, if it is not empty, and those of a user name, the latest first, ten at most.
	Tombstones(ctx context.Context, scope Scope, externalID, userName string) ([]Tombstone, error)
	// ForgetTombstones removes the tombstones of all connections from before a time.
	ForgetTombstones(ctx context.Context, before time.Time) error
}
