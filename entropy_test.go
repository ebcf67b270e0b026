package scim_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// A token that the host brings along is refused where it could be guessed: too short, or made of a few characters only.
func TestTokensThatCanBeGuessedAreRefused(t *testing.T) {
	t.Parallel()
	const strong = "Zk3v9Qx7Lm2Tn8Rw5Yb6Hc4Jd1Pf0Ga-"
	require.Len(t, strong, 32)
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: b.open(t).(store.ConnectionStore)})
			require.NoError(t, err)
			connection, _, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
			require.NoError(t, err)
			issue := func(text string) error {
				_, _, err := connections.IssueToken(t.Context(), connection.Scope(), scim.TokenDraft{Name: "n", Text: scim.Secret(text)})
				return err
			}
			for text, reason := range map[string]string{
				strong[:8]:                           "32 to 1024 characters",
				strong[:31]:                          "32 to 1024 characters",
				strings.Repeat("x", 32):              "8 different characters",
				strings.Repeat("x", 1024):            "8 different characters",
				strings.Repeat("ab", 20):             "8 different characters",
				strings.Repeat("1234567", 9):         "8 different characters",
				"changeme" + strings.Repeat("e", 32): "8 different characters",
			} {
				_, _, created := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "other", Token: scim.TokenDraft{Text: scim.Secret(text)}})
				_, _, rotated := connections.StartRotation(t.Context(), connection.Scope(), scim.TokenDraft{Text: scim.Secret(text)})
				_, static := scim.StaticToken(text, connection)
				for _, err := range []error{issue(text), created, rotated, static} {
					require.ErrorContains(t, err, reason, text)
					require.NotContains(t, err.Error(), text)
				}
				_, err = connections.VerifyToken(t.Context(), text)
				require.ErrorIs(t, err, scim.ErrUnauthorized, "%q was stored", text)
			}
			_, err = scim.StaticToken("", connection)
			require.ErrorContains(t, err, "32 to 1024 characters")
			_, err = connections.VerifyToken(t.Context(), "")
			require.ErrorIs(t, err, scim.ErrUnauthorized)
			for _, text := range []string{strong, strings.Repeat("12345678", 4), "0123456789abcdef0123456789abcdef"} {
				require.NoError(t, issue(text))
				_, err = scim.StaticToken(text, connection)
				require.NoError(t, err)
				_, err = connections.VerifyToken(t.Context(), text)
				require.NoError(t, err)
			}
			covers(t, "A-05")
		})
	}
}
