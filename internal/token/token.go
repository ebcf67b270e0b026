// Package token makes and recognises bearer tokens: "scim_", an id that is not secret, "_", and 32 random bytes.
//
// The id finds the token's record, so that the secret part is never compared by a database; what is compared, in constant time, is
// the SHA-256 of the whole text. The prefix lets secret scanners find tokens that leaked.
package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

const (
	prefix      = "scim_"
	idBytes     = 10
	secretBytes = 32
	idLength    = 16 // characters: base32 of idBytes
)

var (
	idEncoding     = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	secretEncoding = base64.RawURLEncoding
	length         = len(prefix) + idLength + 1 + secretEncoding.EncodedLen(secretBytes)
)

// New returns a fresh token and its id.
func New(random io.Reader) (id, text string, err error) {
	b := make([]byte, idBytes+secretBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", "", fmt.Errorf("token: %w", err)
	}
	id = idEncoding.EncodeToString(b[:idBytes])
	return id, prefix + id + "_" + secretEncoding.EncodeToString(b[idBytes:]), nil
}

// NewID returns the id of a token whose text somebody else chose.
func NewID(random io.Reader) (string, error) {
	b := make([]byte, idBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return idEncoding.EncodeToString(b), nil
}

// ID returns the id inside a token's text; ok is false for a token of another shape.
func ID(text string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(text) != length || rest[idLength] != '_' {
		return "", false
	}
	return rest[:idLength], true
}

// Digest returns what is stored of a token.
func Digest(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// Match compares two digests in constant time.
func Match(a, b [sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// LastFour returns the end of a token, for people to recognise it.
func LastFour(text string) string { return text[max(0, len(text)-4):] }
