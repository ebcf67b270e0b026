package token_test

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/token"
)

func TestMain(m *testing.M) { claim.Main(m) }

// A token is recognisable, made of characters that survive headers, forms and spreadsheets, and has 256 secret bits.
var shape = regexp.MustCompile(`^scim_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$`)

func TestNew(t *testing.T) {
	t.Parallel()
	ids, texts := map[string]bool{}, map[string]bool{}
	for range 10_000 {
		id, text, err := token.New(rand.Reader)
		require.NoError(t, err)
		require.Regexp(t, shape, text)
		require.True(t, strings.HasPrefix(text, "scim_"+id+"_"))
		require.False(t, ids[id])
		require.False(t, texts[text])
		ids[id], texts[text] = true, true

		found, ok := token.ID(text)
		require.True(t, ok)
		require.Equal(t, id, found)
	}
	// Every random byte is in the text.
	_, zero, err := token.New(strings.NewReader(strings.Repeat("\x00", 42)))
	require.NoError(t, err)
	for i := range 42 {
		b := make([]byte, 42)
		b[i] = 1
		_, text, err := token.New(strings.NewReader(string(b)))
		require.NoError(t, err)
		require.NotEqual(t, zero, text, "byte %d", i)
	}
}

func TestWithoutRandomness(t *testing.T) {
	t.Parallel()
	cause := errors.New("no entropy")
	id, text, err := token.New(iotest.ErrReader(cause))
	require.ErrorIs(t, err, cause)
	require.Empty(t, id+text)
	id, text, err = token.New(strings.NewReader(strings.Repeat("x", 41)))
	require.Error(t, err)
	require.Empty(t, id+text)
	id, err = token.NewID(iotest.ErrReader(cause))
	require.ErrorIs(t, err, cause)
	require.Empty(t, id)
	_, err = token.NewID(strings.NewReader("123456789"))
	require.Error(t, err)
}

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 10_000 {
		id, err := token.NewID(rand.Reader)
		require.NoError(t, err)
		require.Regexp(t, `^[a-z2-7]{16}$`, id)
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	id, text, err := token.New(strings.NewReader(strings.Repeat("A", 42)))
	require.NoError(t, err)
	for foreign, why := range map[string]string{
		"":                 "nothing",
		"scim_":            "the prefix alone",
		"scim_" + id:       "no secret",
		"scim_" + id + "_": "an empty secret",
		text[:len(text)-1]: "cut",
		text + "x":         "longer",
		" " + text:         "a space before",
		text[1:]:           "cut at the start",
		"SCIM_" + text[5:]: "another case",
		"other" + text[5:]: "another prefix",
		"scim-" + text[5:]: "another divider",
		strings.Replace(text, "_"+text[22:], "-"+text[22:], 1): "no divider before the secret",
		strings.Repeat("x", len(text)):                         "as long",
	} {
		found, ok := token.ID(foreign)
		require.False(t, ok, why)
		require.Empty(t, found, why)
	}
}

// A wrong token never matches, however little it differs.
func TestMatch(t *testing.T) {
	t.Parallel()
	_, text, err := token.New(rand.Reader)
	require.NoError(t, err)
	stored := token.Digest(text)
	require.Equal(t, sha256.Sum256([]byte(text)), stored)
	require.True(t, token.Match(stored, token.Digest(text)))
	require.NotContains(t, string(stored[:]), text)
	for i := range len(text) {
		for bit := range 8 {
			wrong := []byte(text)
			wrong[i] ^= 1 << bit
			require.False(t, token.Match(stored, token.Digest(string(wrong))), "byte %d, bit %d", i, bit)
		}
		require.False(t, token.Match(stored, token.Digest(text[:i])))
		require.False(t, token.Match(stored, token.Digest(text[:i]+text[i+1:])))
	}
	for _, wrong := range []string{"", text + " ", text + "\x00", text + "\r\n", strings.ToUpper(text), strings.ToLower(text) + "x"} {
		require.False(t, token.Match(stored, token.Digest(wrong)))
	}
	require.False(t, token.Match([sha256.Size]byte{}, token.Digest("")), "no digest is not the digest of nothing")
}

func TestLastFour(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "a": "a", "abcd": "abcd", "abcde": "bcde"} {
		require.Equal(t, want, token.LastFour(text))
	}
}
