package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/uuid"
	"github.com/scimkit/scim/store"
)

// Connection is the link between one identity provider and one tenant of the host. Its ID and Tenant scope every store call.
type Connection = store.Connection

// Errors of management. Each is a 409 of the management API, whose code is given here. Beside them, store.ErrNotFound is a 404, an
// AttributeError a 400, and every other error a 503.
var (
	// ErrConnectionExists is a tenant that has as many active connections as it may: active_connection_exists.
	ErrConnectionExists = errors.New("scim: the tenant has an active connection already")
	// ErrAlreadyRotating is a rotation that was neither completed nor cancelled: already_rotating. A token that somebody may have
	// pasted into an identity provider is never replaced silently.
	ErrAlreadyRotating = errors.New("scim: the connection's token is being rotated already")
	// ErrNotRotating is a rotation to be completed or cancelled that is not under way: not_rotating.
	ErrNotRotating = errors.New("scim: the connection's token is not being rotated")
	// ErrTooManyTokens is a connection with MaxTokens valid tokens: too_many_tokens.
	ErrTooManyTokens = fmt.Errorf("scim: the connection has %d tokens", MaxTokens)
)

// MaxTokens is how many valid tokens a connection may have.
const MaxTokens = 100

// AttributeError is an argument of a management call that is not acceptable. Attribute is its name in the management API: 400, with
// the code invalid_ and that name.
type AttributeError struct{ Attribute, Detail string }

func (e *AttributeError) Error() string { return "scim: " + e.Attribute + ": " + e.Detail }

// ConnectionsConfig configures Connections.
type ConnectionsConfig struct {
	Store store.ConnectionStore // required; its calls are made in its transactions if it is a store.Transactor
	// Journal keeps the journals, nil: Store, if it is a store.JournalStore; otherwise there are none.
	Journal store.JournalStore
	// Resources are removed after their connection was deleted, nil: Store, if it is a store.Purger; otherwise they stay, out of reach.
	Resources store.Purger
	// Events hears of what happens to connections and tokens, nil discards it.
	Events EventSink
	// PerTenant is how many active connections a tenant may have; 0 means 1, a negative number any.
	PerTenant int
	// TokenLifetime is how long a token is valid; 0 means five years.
	TokenLifetime time.Duration
	// CacheFor is how long a token that was found is not looked up again, at most a second; 0 looks up every time. What this
	// Connections changes shows at once; what another process changes, a revocation included, shows after CacheFor.
	CacheFor time.Duration
	// JournalLength is how many entries of a connection's journal are kept, about; 0 means 10 000.
	JournalLength int
	// JournalRetention is how long entries are kept; 0 means 30 days.
	JournalRetention time.Duration
	Logger           *slog.Logger     // of the background work, nil: slog.Default()
	Now              func() time.Time // nil: time.Now
}

// Connections manages connections and their tokens, verifies the tokens, and keeps the journals. Of a token, only the SHA-256 is
// stored. It is safe for concurrent use, holds no goroutine, and any number of processes may have one on the same store. Run does the
// work in the background.
type Connections struct {
	config  ConnectionsConfig
	used    usage
	cache   cache
	journal journal
}

var (
	_ TokenVerifier = (*Connections)(nil)
	_ Journal       = (*Connections)(nil)
)

// NewConnections returns Connections over a store. It fails without a store, and if CacheFor is not between 0 and a second.
func NewConnections(config ConnectionsConfig) (*Connections, error) {
	switch {
	case config.Store == nil:
		return nil, errors.New("scim: ConnectionsConfig.Store is nil")
	case config.CacheFor < 0 || config.CacheFor > time.Second:
		return nil, errors.New("scim: ConnectionsConfig.CacheFor is at most a second")
	}
	if config.PerTenant == 0 {
		config.PerTenant = 1
	}
	if config.TokenLifetime <= 0 {
		config.TokenLifetime = 5 * 365 * 24 * time.Hour
	}
	if config.JournalLength <= 0 {
		config.JournalLength = 10_000
	}
	if config.JournalRetention <= 0 {
		config.JournalRetention = 30 * 24 * time.Hour
	}
	if config.Journal == nil {
		config.Journal, _ = config.Store.(store.JournalStore)
	}
	if config.Resources == nil {
		config.Resources, _ = config.Store.(store.Purger)
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Connections{config: config, journal: newJournal()}, nil
}

// now returns the time as stores keep it.
func (c *Connections) now() time.Time { return c.config.Now().UTC().Truncate(time.Microsecond) }

// ConnectionDraft describes a connection to be created.
type ConnectionDraft struct {
	Tenant           string                   // required, at most 256 bytes
	DisplayName      string                   // for people, at most 256 characters; empty: the provider's label
	IdentityProvider dialect.IdentityProvider // empty: generic
	Policy           *dialect.Policy          // nil: dialect.PolicyFor(IdentityProvider)
	Strict           bool                     // refuse what only package dialect tolerates
	// Token describes the bearer token; its Name is not used.
	Token TokenDraft
}

const (
	maxTenant      = 256 // bytes
	maxDisplayName = 256 // characters
)

// Create creates an active connection with a bearer token, and returns the token's text, which is shown this once: there is no way to
// read it again. ErrConnectionExists, store.ErrExists: the text is a token already, AttributeError.
func (c *Connections) Create(ctx context.Context, draft ConnectionDraft) (Connection, Secret, error) {
	l, text, err := c.create(ctx, draft)
	return l.connection, text, err
}

func (c *Connections) create(ctx context.Context, draft ConnectionDraft) (*life, Secret, error) {
	if draft.IdentityProvider == "" {
		draft.IdentityProvider = dialect.Generic
	}
	if draft.DisplayName == "" {
		draft.DisplayName = dialect.RecipeFor(draft.IdentityProvider).Label
	}
	change := ConnectionChange{DisplayName: &draft.DisplayName, IdentityProvider: &draft.IdentityProvider, Policy: draft.Policy}
	if err := errors.Join(checkTenant(draft.Tenant), change.check()); err != nil {
		return &life{}, "", err
	}
	draft.Token.Name = ""
	t, text, err := c.mint(draft.Token, "bearer_token_expires_at")
	if err != nil {
		return &life{}, "", err
	}
	policy := dialect.PolicyFor(draft.IdentityProvider)
	if draft.Policy != nil {
		policy = *draft.Policy
	}
	now := c.now()
	l := &life{now: now, connection: Connection{
		ID: uuid.New(c.config.Now()), Tenant: draft.Tenant, DisplayName: draft.DisplayName, IdentityProvider: draft.IdentityProvider,
		Status: store.StatusActive, Policy: policy, Strict: draft.Strict, Revision: 1, CreatedAt: now, UpdatedAt: now,
	}}
	t.Connection, t.Slot = l.connection.ID, store.SlotCurrent
	l.tokens = []store.Token{t}
	ids := &eventIDs{mint: c.eventID}
	err = c.inTx(ctx, func(ctx context.Context) error {
		if err := c.config.Store.CreateConnection(ctx, l.connection, l.tokens, c.perTenant()); err != nil {
			return err
		}
		return c.emit(ctx, ids, l.happened(nil))
	})
	if err != nil {
		return &life{}, "", managed(err)
	}
	return l, text, nil
}

// ConnectionChange is what to change of a connection; nil leaves a field as it is.
type ConnectionChange struct {
	DisplayName *string // not blank, at most 256 characters
	// IdentityProvider takes its own Policy along, unless the connection has another one than its provider's or Policy says otherwise.
	IdentityProvider *dialect.IdentityProvider
	Policy           *dialect.Policy
	Strict           *bool
	Status           *store.ConnectionStatus // StatusActive or StatusDisabled
}

func (c ConnectionChange) check() error {
	if p := c.IdentityProvider; p != nil && !p.Known() {
		return &AttributeError{"identity_provider", fmt.Sprintf("it is one of %v", dialect.IdentityProviders())}
	}
	if s := c.Status; s != nil && *s != store.StatusActive && *s != store.StatusDisabled {
		return &AttributeError{"status", fmt.Sprintf("it is %s or %s", store.StatusActive, store.StatusDisabled)}
	}
	if c.Policy != nil {
		if _, err := json.Marshal(c.Policy); err != nil {
			return &AttributeError{"policy", "it holds a decision that does not exist"}
		}
	}
	if c.DisplayName != nil {
		return checkText("display_name", *c.DisplayName, maxDisplayName)
	}
	return nil
}

// checkText refuses a text for people that is blank, too long, or holds control characters.
func checkText(attribute, text string, limit int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return &AttributeError{attribute, "it must not be blank"}
	case utf8.RuneCountInString(text) > limit:
		return &AttributeError{attribute, fmt.Sprintf("it has at most %d characters", limit)}
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return &AttributeError{attribute, "it must not hold control characters"}
	}
	return nil
}

func checkTenant(tenant string) error {
	if len(tenant) > maxTenant {
		return &AttributeError{"tenant", fmt.Sprintf("it has at most %d bytes", maxTenant)}
	}
	return checkText("tenant", tenant, maxTenant)
}

// Get returns a connection of a tenant. store.ErrNotFound: there is none, it is another tenant's, or it was deleted.
func (c *Connections) Get(ctx context.Context, connection store.Scope) (Connection, error) {
	return c.config.Store.Connection(ctx, connection)
}

// List returns a tenant's connections in the order of their creation.
func (c *Connections) List(ctx context.Context, tenant string) ([]Connection, error) {
	return c.config.Store.Connections(ctx, tenant)
}

// Update changes a connection. store.ErrNotFound; ErrConnectionExists: it cannot become active beside another one; AttributeError.
func (c *Connections) Update(ctx context.Context, connection store.Scope, change ConnectionChange) (Connection, error) {
	l, err := c.update(ctx, connection, change)
	return l.connection, err
}

func (c *Connections) update(ctx context.Context, connection store.Scope, change ConnectionChange) (*life, error) {
	if err := change.check(); err != nil {
		return &life{}, err
	}
	return c.step(ctx, connection, func(l *life) error {
		l.change(change)
		return nil
	})
}

// Delete deletes a connection for good: its tokens are refused from the next request on, and its resources are removed, a thousand
// at once and the others by Run, with no events of their own. Its id is never used again. store.ErrNotFound.
func (c *Connections) Delete(ctx context.Context, connection store.Scope) error {
	_, err := c.step(ctx, connection, func(l *life) error {
		l.delete()
		return nil
	})
	if err != nil || c.config.Resources == nil {
		return err
	}
	if _, err := c.config.Resources.Purge(ctx, connection, purged); err != nil {
		c.config.Logger.LogAttrs(ctx, slog.LevelWarn, "scim: purge of a deleted connection; it is tried again",
			slog.String("connection", connection.Connection), slog.String("cause", err.Error()))
	}
	return nil
}

// StartRotation gives a connection the token that is to replace its bearer token, and returns its text, which is shown this once. Until
// the rotation is completed or cancelled, both are valid. The draft's Name is not used. store.ErrNotFound, ErrAlreadyRotating,
// ErrTooManyTokens, store.ErrExists: the text is a token already, AttributeError.
func (c *Connections) StartRotation(ctx context.Context, connection store.Scope, draft TokenDraft) (Connection, Secret, error) {
	l, text, err := c.startRotation(ctx, connection, draft)
	return l.connection, text, err
}

func (c *Connections) startRotation(ctx context.Context, connection store.Scope, draft TokenDraft) (*life, Secret, error) {
	draft.Name = ""
	t, text, err := c.mint(draft, "next_bearer_token_expires_at")
	if err != nil {
		return &life{}, "", err
	}
	l, err := c.step(ctx, connection, func(l *life) error { return l.startRotation(t) })
	if err != nil {
		return l, "", err
	}
	return l, text, nil
}

// CompleteRotation makes the next token the bearer token; the one before is refused from the next request on. store.ErrNotFound,
// ErrNotRotating.
func (c *Connections) CompleteRotation(ctx context.Context, connection store.Scope) (Connection, error) {
	l, err := c.step(ctx, connection, (*life).completeRotation)
	return l.connection, err
}

// CancelRotation ends the next token, which is refused from the next request on; the bearer token stays. store.ErrNotFound, ErrNotRotating.
func (c *Connections) CancelRotation(ctx context.Context, connection store.Scope) (Connection, error) {
	l, err := c.step(ctx, connection, (*life).cancelRotation)
	return l.connection, err
}
