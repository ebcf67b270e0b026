package scim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/scimkit/scim/internal/token"
	"github.com/scimkit/scim/store"
)

// Credential is what a bearer token stands for.
type Credential struct {
	Connection Connection // its ID and Tenant must not be empty
	TokenID    string     // names the token in events and logs; never its text
	Subject    string     // the resource id of whoever holds the token; usually empty
}

// TokenVerifier tells what a bearer token stands for. It must be safe for concurrent use.
type TokenVerifier interface {
	// VerifyToken returns the credential of a token: up to 8 KiB, never empty, printable ASCII without spaces and commas.
	//
	// ErrUnauthorized becomes 401: the token is unknown, expired or revoked, or its connection is disabled or gone. A credential beside
	// it says whose token it was, for log and journal. Every other error becomes 503 with Retry-After, since identity providers
	// disable an integration that answers 401.
	VerifyToken(ctx context.Context, token string) (Credential, error)
}

// ErrUnauthorized is a token that stands for nothing: 401.
var ErrUnauthorized = errors.New("scim: the token is not valid")

// Secret is the text of a bearer token, which is shown once. It prints as [redacted], with every verb but %p and in JSON; string(s) is
// the text itself.
type Secret string

const redacted = "[redacted]"

// Format writes "[redacted]", also for verbs that make no sense.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// minToken and maxToken bound, in bytes, a token that may be brought along, and minDistinct the characters that differ in it: if it
// were easier to guess, so would be what its digest stands for.
const (
	minToken    = 32
	maxToken    = 1 << 10
	minDistinct = 8
)

// StaticToken returns a TokenVerifier for one token and one connection: for tests and demonstrations. The token must be as
// TokenDraft.Text, the connection have an ID and a Tenant.
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
	distinct := make(map[byte]bool)
	for i := range len(text) {
		distinct[text[i]] = true
	}
	if len(distinct) < minDistinct {
		return fmt.Errorf("scim: a token must have %d different characters or more", minDistinct)
	}
	return nil
}

// TokenDraft describes a token to be issued.
type TokenDraft struct {
	// Name is for people, 1 to 100 characters.
	Name string
	// ExpiresAt is from when on the token is refused, zero: ConnectionsConfig.TokenLifetime from now.
	ExpiresAt time.Time
	// Text is a text of the host's own choice, empty: a minted one. It has 32 to 1024 printable ASCII characters without spaces and
	// commas, at least eight different ones, and must be hard to guess.
	Text Secret
}

// IssueToken gives a connection one more token, beside the one that rotations replace, and returns its text, which is shown this once:
// there is no way to read it again.
//
// store.ErrNotFound: there is no such connection. ErrTooManyTokens. store.ErrExists: the text is a token already. AttributeError.
func (c *Connections) IssueToken(ctx context.Context, connection store.Scope, draft TokenDraft) (store.Token, Secret, error) {
	if err := checkText("name", draft.Name, maxTokenName); err != nil {
		return store.Token{}, "", err
	}
	t, text, err := c.mint(draft, "expires_at")
	if err != nil {
		return store.Token{}, "", err
	}
	_, err = c.step(ctx, connection, func(l *life) error { return l.issue(t) })
	if err != nil {
		return store.Token{}, "", err
	}
	t.Connection = connection.Connection
	return t, text, nil
}

// mint makes a token out of a draft. expiry is what the management API calls its ExpiresAt.
func (c *Connections) mint(draft TokenDraft, expiry string) (store.Token, Secret, error) {
	id, text, err := token.New(rand.Reader)
	if err != nil {
		return store.Token{}, "", err
	}
	if draft.Text != "" {
		text = string(draft.Text)
		if err := checkToken(text); err != nil {
			return store.Token{}, "", &AttributeError{"bearer_token", strings.TrimPrefix(err.Error(), "scim: ")}
		}
		if own, ok := token.ID(text); ok {
			id = own // a token of our own shape is looked up by the id inside it
		}
	}
	now := c.now()
	switch {
	case draft.ExpiresAt.IsZero():
		draft.ExpiresAt = now.Add(c.config.TokenLifetime)
	case !draft.ExpiresAt.After(now):
		return store.Token{}, "", &AttributeError{expiry, "the token would have expired already"}
	case draft.ExpiresAt.After(now.AddDate(maxTokenYears, 0, 0)):
		return store.Token{}, "", &AttributeError{expiry, fmt.Sprintf("a token may be valid for %d years", maxTokenYears)}
	}
	return store.Token{
		ID: id, Name: draft.Name, Digest: token.Digest(text), LastFour: token.LastFour(text),
		CreatedAt: now, ExpiresAt: draft.ExpiresAt.UTC().Truncate(time.Microsecond),
	}, Secret(text), nil
}

const (
	maxTokenName  = 100 // characters
	maxTokenYears = 10
)

// Tokens returns the tokens of a connection in the order of their creation, those of its rotation and revoked ones too; the latter are
// forgotten 90 days after their end. store.ErrNotFound: there is no such connection.
func (c *Connections) Tokens(ctx context.Context, connection store.Scope) ([]store.Token, error) {
	if err := c.flushUsage(ctx); err != nil {
		return nil, err
	}
	l, err := c.load(ctx, connection, c.now())
	return l.tokens, err
}

// RevokeToken ends a token of a connection for good, from the next request on. It may be part of the rotation: a next token that is
// revoked cancels it. Revoking a token twice changes nothing. store.ErrNotFound: there is no such connection or token.
func (c *Connections) RevokeToken(ctx context.Context, connection store.Scope, tokenID string) (store.Token, error) {
	l, err := c.step(ctx, connection, func(l *life) error { return l.revoke(tokenID) })
	if err != nil {
		return store.Token{}, err
	}
	return *l.token(tokenID), nil
}

// VerifyToken implements TokenVerifier: one look-up by the id inside the token, or by the digest of a token of another shape, and
// one comparison in constant time.
func (c *Connections) VerifyToken(ctx context.Context, text string) (Credential, error) {
	digest := token.Digest(text)
	id, _ := token.ID(text)
	t, connection, err := c.find(ctx, id, digest)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Credential{}, ErrUnauthorized
	case err != nil:
		return Credential{}, err
	case !token.Match(t.Digest, digest):
		return Credential{}, ErrUnauthorized
	}
	now := c.config.Now()
	credential := Credential{Connection: connection, TokenID: t.ID}
	if reason := refused(t, connection, now); reason != "" {
		return credential, &refusal{reason}
	}
	c.used.add(t, now)
	return credential, nil
}

// refused says why a token is not valid, and nothing if it is.
func refused(t store.Token, connection Connection, now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "the token is revoked"
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return "the token has expired"
	case connection.Status != store.StatusActive:
		return "the connection is disabled"
	}
	return ""
}

// refusal is an ErrUnauthorized whose reason is for the host's eyes only.
type refusal struct{ reason string }

func (e *refusal) Error() string { return "scim: " + e.reason }

func (e *refusal) Is(target error) bool { return target == ErrUnauthorized }
