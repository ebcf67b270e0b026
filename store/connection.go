package store

import (
	"context"
	"time"

	"github.com/scimkit/scim/dialect"
)

// Connection is the link between one identity provider and one tenant: the unit of tokens, limits, policy and directory.
type Connection struct {
	ID               string
	Tenant           string
	DisplayName      string
	IdentityProvider dialect.IdentityProvider
	Status           ConnectionStatus
	// Policy holds the five decisions on which identity providers differ; dialect.PolicyFor gives a provider's own.
	Policy dialect.Policy
	// Strict turns the tolerances of package dialect off.
	Strict    bool
	CreatedAt time.Time
	UpdatedAt time.Time
	// Revision counts the changes of the connection and its tokens, from 1.
	Revision int64
}

// Scope returns the part of the directory that the connection owns; it also names the connection itself.
func (c Connection) Scope() Scope { return Scope{Connection: c.ID, Tenant: c.Tenant} }

// ConnectionStatus says whether a connection takes part.
type ConnectionStatus string

// The statuses of a connection.
const (
	StatusActive   ConnectionStatus = "active"
	StatusDisabled ConnectionStatus = "disabled" // its tokens are refused until it is active again; its resources stay
	StatusDeleted  ConnectionStatus = "deleted"  // for good: only Deleted still returns it, until Forget
)

// Digest is the SHA-256 of a bearer token's text: all that is ever stored of it.
type Digest [32]byte

// Token is a bearer token of a connection, without its text.
type Token struct {
	ID         string
	Connection string // the connection's id
	Name       string // for people; may be empty
	Slot       TokenSlot
	Digest     Digest
	LastFour   string // the last four characters of the text, for people to recognise it
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time // zero: not revoked
	LastUsedAt time.Time // about a minute exact; zero: never used
}

// TokenSlot is the part that a token has in a connection's rotation.
type TokenSlot string

// The slots. At most one token of a connection is in each of the last two.
const (
	SlotNone    TokenSlot = ""        // beside the rotation, or out of it
	SlotCurrent TokenSlot = "current" // the connection's bearer token
	SlotNext    TokenSlot = "next"    // becomes the current one when the rotation under way is completed
)

// ConnectionStore keeps connections and their tokens. It is the library's own state: a host with its own Store may keep it in
// another place. A connection with StatusDeleted does not exist, save to Deleted and Forget. Times are in UTC and in whole
// microseconds. If the store is a Transactor, the calls take part in its transactions. An empty Scope is refused with ErrScope.
type ConnectionStore interface {
	// CreateConnection stores a connection with its first tokens. ErrLimit: its tenant has limit active connections already (0: no
	// limit). ErrExists: the id, or the id or digest of a token, is taken. Nothing is stored with either.
	CreateConnection(ctx context.Context, connection Connection, tokens []Token, limit int) error
	// UpdateConnection replaces a connection, save its CreatedAt, and adds tokens of it, all or nothing; a token whose id it has
	// already takes Name, Slot, ExpiresAt and RevokedAt. The stored Revision must be connection.Revision, otherwise ErrVersion; it
	// moves by one. ErrNotFound: there is no such connection, or it is another tenant's. ErrLimit: it becomes active, and the tenant
	// has limit active ones already. ErrExists: the id or the digest of a new token is taken.
	UpdateConnection(ctx context.Context, connection Connection, tokens []Token, limit int) error
	// Connection returns a connection of a tenant, ErrNotFound if there is none. In a transaction it also locks it until the end.
	Connection(ctx context.Context, scope Scope) (Connection, error)
	// Connections returns a tenant's connections in the order of their creation.
	Connections(ctx context.Context, tenant string) ([]Connection, error)
	// Tokens returns the tokens of connections in the order of their creation, revoked and expired ones too.
	Tokens(ctx context.Context, connections ...string) ([]Token, error)
	// FindToken returns the token with that id or, if id is empty, with that digest, whatever its state, and its connection;
	// ErrNotFound if there is none.
	FindToken(ctx context.Context, id string, digest Digest) (Token, Connection, error)
	// UseTokens moves LastUsedAt of tokens, by id, to times that are later. Unknown ids are ignored.
	UseTokens(ctx context.Context, used map[string]time.Time) error
	// Deleted returns up to limit connections with StatusDeleted, those first whose UpdatedAt is longest ago.
	Deleted(ctx context.Context, limit int) ([]Connection, error)
	// Forget removes a connection with StatusDeleted and its tokens for good. Others it leaves alone.
	Forget(ctx context.Context, scope Scope) error
	// ForgetTokens removes tokens that were revoked or expired before a time.
	ForgetTokens(ctx context.Context, before time.Time) error
}

// Purger removes what a deleted connection leaves behind. A Store without it keeps the resources of deleted connections; as ids are
// never used again, nobody reaches them.
type Purger interface {
	// Purge removes about limit resources of a scope, at least one, with all that belongs to them, and tells nobody. more says that
	// there may be others left.
	Purge(ctx context.Context, scope Scope, limit int) (more bool, err error)
}
