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
	// Policy holds the five decisions on which identity providers differ; dialect.PolicyFor gives a provider's own.
	Policy dialect.Policy
	// Strict turns the tolerances of package dialect off.
	Strict    bool
	CreatedAt time.Time
}

// Scope returns the part of the directory that the connection owns.
func (c Connection) Scope() Scope { return Scope{Connection: c.ID, Tenant: c.Tenant} }

// Digest is the SHA-256 of a bearer token's text: all that is ever stored of it.
type Digest [32]byte

// Token is a bearer token of a connection, without its text.
type Token struct {
	ID         string
	Connection string // the connection's id
	Digest     Digest
	LastFour   string // the last four characters of the text, for people to recognise it
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
}

// ConnectionStore keeps connections and their tokens. It is the library's own state: a host with its own Store may keep it in
// another place.
type ConnectionStore interface {
	// CreateConnection stores a connection, ErrExists if its tenant has limit connections already (0: no limit) or the id is taken.
	CreateConnection(ctx context.Context, connection Connection, limit int) error
	// Connections returns a tenant's connections in the order of their creation.
	Connections(ctx context.Context, tenant string) ([]Connection, error)
	// CreateToken stores a token; ErrExists if the id or the digest is taken, ErrNotFound if the connection does not exist.
	CreateToken(ctx context.Context, token Token) error
	// FindToken returns the token with that id or, if id is empty, with that digest, and its connection; ErrNotFound if there is none.
	FindToken(ctx context.Context, id string, digest Digest) (Token, Connection, error)
}
