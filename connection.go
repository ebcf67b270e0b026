package scim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/token"
	"github.com/scimkit/scim/internal/uuid"
	"github.com/scimkit/scim/store"
)

// Connection is the link between one identity provider and one tenant of the host. Its ID and Tenant scope every store call.
type Connection = store.Connection

// Credential is what a valid bearer token stands for.
type Credential struct {
	Connection Connection // its ID and Tenant must not be empty
	TokenID    string     // names the token in events and logs; never its text
	Subject    string     // the resource id of whoever holds the token; usually empty
}

// TokenVerifier tells what a bearer token stands for. It must be safe for concurrent use.
type TokenVerifier interface {
	// VerifyToken returns the credential of a token: up to 8 KiB, never empty, printable ASCII without spaces and commas.
	//
	// ErrUnauthorized becomes 401: the token is unknown, expired or revoked, or its connection is gone. Every other error becomes
	// 503 with Retry-After, since identity providers disable an integration that answers 401.
	VerifyToken(ctx context.Context, token string) (Credential, error)
}

// ErrUnauthorized is a token that stands for nothing: 401.
var ErrUnauthorized = errors.New("scim: the token is not valid")

// ErrConnectionExists is a tenant that has as many connections as Connections allows.
var ErrConnectionExists = errors.New("scim: the tenant has a connection already")

// minToken and maxToken bound, in bytes, a token that may be brought along: if it were shorter, a stored digest could be guessed.
const (
	minToken = 32
	maxToken = 1 << 10
)

// StaticToken returns a TokenVerifier for one token and one connection: for tests and demonstrations. The token must be as AddToken
// wants it, the connection have an ID and a Tenant.
func StaticToken(text string, connection Connection) (TokenVerifier, error) {
	if err := connection.Scope().Check(); err != nil {
		return nil, fmt.Errorf("scim: StaticToken: %w", err)
	}
	if err := checkToken(text); err != nil {
		return nil, err
	}
	return staticToken{digest: token.Digest(text), credential: Credential{Connection: connection, TokenID: "static"}}, nil
}

type staticToken struct {
	digest     store.Digest
	credential Credential
}

func (s staticToken) VerifyToken(_ context.Context, text string) (Credential, error) {
	if !token.Match(s.digest, token.Digest(text)) {
		return Credential{}, ErrUnauthorized
	}
	return s.credential, nil
}

func checkToken(text string) error {
	if len(text) < minToken || len(text) > maxToken {
		return fmt.Errorf("scim: a token must have %d to %d characters", minToken, maxToken)
	}
	if !presentable(text) {
		return errors.New("scim: a token must consist of printable ASCII characters without spaces and commas")
	}
	return nil
}

// ConnectionsConfig configures Connections.
type ConnectionsConfig struct {
	Store store.ConnectionStore // required
	// PerTenant is how many connections a tenant may have; 0 means 1, a negative number any.
	PerTenant int
	// TokenLifetime is how long a token is valid; 0 means five years.
	TokenLifetime time.Duration
	Now           func() time.Time // nil: time.Now
}

// Connections issues connections and their tokens, and verifies the tokens. Of a token, only the SHA-256 is stored.
type Connections struct{ config ConnectionsConfig }

var _ TokenVerifier = (*Connections)(nil)

// NewConnections returns Connections over a store. It fails without a store.
func NewConnections(config ConnectionsConfig) (*Connections, error) {
	if config.Store == nil {
		return nil, errors.New("scim: ConnectionsConfig.Store is nil")
	}
	if config.PerTenant == 0 {
		config.PerTenant = 1
	}
	if config.TokenLifetime <= 0 {
		config.TokenLifetime = 5 * 365 * 24 * time.Hour
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Connections{config}, nil
}

// ConnectionDraft describes a connection to be created.
type ConnectionDraft struct {
	Tenant           string                   // required
	DisplayName      string                   // for people; may be empty
	IdentityProvider dialect.IdentityProvider // empty: generic
	Policy           *dialect.Policy          // nil: dialect.PolicyFor(IdentityProvider)
	Strict           bool                     // refuse what only package dialect tolerates
}

// Create creates a connection, without a token. It fails with ErrConnectionExists if the tenant has as many as it may.
func (c *Connections) Create(ctx context.Context, draft ConnectionDraft) (Connection, error) {
	if draft.IdentityProvider == "" {
		draft.IdentityProvider = dialect.Generic
	}
	switch {
	case draft.Tenant == "":
		return Connection{}, errors.New("scim: a connection needs a tenant")
	case !draft.IdentityProvider.Known():
		return Connection{}, fmt.Errorf("scim: unknown identity provider %q", draft.IdentityProvider)
	}
	policy := dialect.PolicyFor(draft.IdentityProvider)
	if draft.Policy != nil {
		policy = *draft.Policy
	}
	now := c.config.Now()
	connection := Connection{
		ID: uuid.New(now), Tenant: draft.Tenant, DisplayName: draft.DisplayName, IdentityProvider: draft.IdentityProvider,
		Policy: policy, Strict: draft.Strict, CreatedAt: now.UTC().Truncate(time.Microsecond),
	}
	err := c.config.Store.CreateConnection(ctx, connection, max(c.config.PerTenant, 0))
	if errors.Is(err, store.ErrExists) {
		return Connection{}, ErrConnectionExists
	}
	return connection, err
}

// IssueToken mints a token for a connection and returns its text, which is shown this once: there is no way to read it again.
func (c *Connections) IssueToken(ctx context.Context, connection string) (text string, issued store.Token, err error) {
	id, text, err := token.New(rand.Reader)
	if err != nil {
		return "", store.Token{}, err
	}
	issued, err = c.addToken(ctx, connection, id, text)
	if err != nil {
		return "", store.Token{}, err
	}
	return text, issued, nil
}

// AddToken makes a text of the host's choice a token of a connection: 32 to 1024 printable ASCII characters without spaces
// and commas, which must be hard to guess. store.ErrExists: it is one already.
func (c *Connections) AddToken(ctx context.Context, connection, text string) (store.Token, error) {
	if err := checkToken(text); err != nil {
		return store.Token{}, err
	}
	id, err := token.NewID(rand.Reader)
	if err != nil {
		return store.Token{}, err
	}
	if own, ok := token.ID(text); ok {
		id = own // a token of our own shape is looked up by the id inside it
	}
	return c.addToken(ctx, connection, id, text)
}

func (c *Connections) addToken(ctx context.Context, connection, id, text string) (store.Token, error) {
	now := c.config.Now().UTC().Truncate(time.Microsecond)
	t := store.Token{
		ID: id, Connection: connection, Digest: token.Digest(text), LastFour: token.LastFour(text),
		CreatedAt: now, ExpiresAt: now.Add(c.config.TokenLifetime),
	}
	return t, c.config.Store.CreateToken(ctx, t)
}

// VerifyToken implements TokenVerifier: one look-up by the id inside the token, or by the digest of a token of another shape, and
// one comparison in constant time.
func (c *Connections) VerifyToken(ctx context.Context, text string) (Credential, error) {
	digest := token.Digest(text)
	id, _ := token.ID(text)
	t, connection, err := c.config.Store.FindToken(ctx, id, digest)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Credential{}, ErrUnauthorized
	case err != nil:
		return Credential{}, err
	case !token.Match(t.Digest, digest):
		return Credential{}, ErrUnauthorized
	case !t.ExpiresAt.IsZero() && !c.config.Now().Before(t.ExpiresAt):
		return Credential{}, ErrUnauthorized
	}
	return Credential{Connection: connection, TokenID: t.ID}, nil
}
