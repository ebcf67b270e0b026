package dialect_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/claim"
)

const (
	baseURL     = "{base_url}"
	bearerToken = "{bearer_token}"
	entraFlag   = "aadOptscim062020"
)

// What an administration screen must show, whatever else a recipe says.
func TestRecipeFields(t *testing.T) {
	t.Parallel()
	for p, want := range map[dialect.IdentityProvider][]dialect.Field{
		dialect.Okta: {
			{Label: "Application username format", Value: "Email"},
			{Label: "SCIM connector base URL", Value: baseURL},
			{Label: "Unique identifier field for users", Value: "userName"},
			{Label: "Authentication Mode", Value: "HTTP Header"},
			{Label: "Authorization: Bearer", Value: bearerToken},
		},
		dialect.MicrosoftEntra: {
			{Label: "Tenant URL", Value: baseURL},
			{Label: "Secret Token", Value: bearerToken},
		},
		dialect.CyberArk: {
			{Label: "SCIM Service URL", Value: baseURL},
			{Label: "Bearer Token", Value: bearerToken},
		},
		dialect.JumpCloud: {
			{Label: "Base URL", Value: baseURL},
			{Label: "Token Key", Value: bearerToken},
		},
		dialect.OneLogin: {
			{Label: "SCIM Base URL", Value: baseURL},
			{Label: "SCIM Bearer Token", Value: bearerToken},
			{Label: "SCIM Username Format", Value: "Email"},
		},
		dialect.PingFederate: {
			{Label: "SCIM URL", Value: baseURL},
			{Label: "SCIM Version", Value: "2.0"},
			{Label: "Authentication Method", Value: "OAuth 2 Bearer Token"},
			{Label: "Access Token", Value: bearerToken},
		},
		dialect.Rippling: {
			{Label: "SCIM Version", Value: "2.0"},
			{Label: "SCIM Base URL", Value: baseURL},
			{Label: "SCIM Authorization Method", Value: "Bearer Token"},
			{Label: "Supported SCIM Attributes", Value: "externalId, emails.primary, name.givenName, name.familyName"},
			{Label: "Bearer Token", Value: bearerToken},
		},
		dialect.GoogleWorkspace: {
			{Label: "Access token", Value: bearerToken},
			{Label: "Endpoint URL", Value: baseURL},
		},
		dialect.Generic: {
			{Label: "SCIM base URL", Value: baseURL},
			{Label: "Bearer token", Value: bearerToken},
		},
	} {
		fields := dialect.RecipeFor(p).Fields
		last := -1
		for _, field := range want {
			at := slices.Index(fields, field)
			require.Greater(t, at, last, "%s lacks %v, or has it before the field that comes first in the form", p, field)
			last = at
		}
	}
	covers(t, "S-79")
}

// What holds for every recipe, so that a screen can show any of them in the same way.
func TestRecipesAreComplete(t *testing.T) {
	t.Parallel()
	catalogued := catalogueIDs(t)
	labels := map[string]dialect.IdentityProvider{}
	for _, p := range dialect.IdentityProviders() {
		r := dialect.RecipeFor(p)
		requireText(t, p, r.Label)
		require.Empty(t, labels[r.Label], "%s and %s have one label", p, labels[r.Label])
		labels[r.Label] = p

		names := map[string]bool{}
		values := map[string]int{}
		for _, field := range r.Fields {
			requireText(t, p, field.Label)
			requireText(t, p, field.Value)
			require.False(t, names[field.Label], "%s has two fields %q", p, field.Label)
			names[field.Label] = true
			values[field.Value]++
			if strings.ContainsAny(field.Value, "{}") {
				require.Contains(t, []string{baseURL, bearerToken}, field.Value, "%s: %s", p, field.Label)
			}
		}
		require.Equal(t, 1, values[baseURL], p)
		require.Equal(t, 1, values[bearerToken], p)

		require.NotEmpty(t, r.Pitfalls, p)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(r.Pitfalls))), len(r.Pitfalls), p)
		for _, pitfall := range r.Pitfalls {
			requireText(t, p, pitfall)
			require.Regexp(t, `^[A-Z].*: .*\.$`, pitfall, "%s: what goes wrong, a colon, and what to do", p)
			require.NotRegexp(t, `[.?!;] `, pitfall, "%s: one sentence", p)
			require.NotRegexp(t, `[{}]`, pitfall, "%s: nothing is filled in here", p)
		}

		require.NotEmpty(t, r.Sources, p)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(r.Sources))), len(r.Sources), p)
		for _, source := range r.Sources {
			if !catalogued[source] {
				link, err := url.Parse(source)
				require.NoError(t, err, p)
				require.Equal(t, "https", link.Scheme, "%s: %s", p, source)
				require.NotEmpty(t, link.Host, "%s: %s", p, source)
			}
		}
	}
}

var printable = regexp.MustCompile(`^[[:graph:]]+( [[:graph:]]+)*$`)

// requireText fails for a text that is empty, or has blanks around it, two in a row, or anything but ASCII.
func requireText(t *testing.T, p dialect.IdentityProvider, text string) {
	t.Helper()
	require.Regexp(t, printable, text, p)
}

func catalogueIDs(t *testing.T) map[string]bool {
	t.Helper()
	cases, err := claim.Cases()
	require.NoError(t, err)
	ids := map[string]bool{}
	for _, c := range cases {
		if c.Source == claim.Provider {
			ids[c.ID] = true
		}
	}
	require.True(t, ids["ENTRA-07"])
	return ids
}

// Entra's flag is part of the URL that its administrator enters, and of no other provider's.
func TestRecipeBaseURL(t *testing.T) {
	t.Parallel()
	const base = "https://app.example.com/scim/v2"
	for _, p := range append(dialect.IdentityProviders(), "", "of-another-name") {
		r := dialect.RecipeFor(p)
		if p == dialect.MicrosoftEntra {
			require.Equal(t, entraFlag, r.Query)
			require.Equal(t, base+"?aadOptscim062020", r.BaseURL(base))
			require.Equal(t, base+"/?aadOptscim062020", r.BaseURL(base+"/"))
			continue
		}
		require.Empty(t, r.Query, p)
		require.Equal(t, base, r.BaseURL(base), p)
		require.Equal(t, base+"/", r.BaseURL(base+"/"), p)
	}
	require.Equal(t, base, dialect.Recipe{}.BaseURL(base))
	// Who did not choose Entra learns of the flag all the same.
	require.Contains(t, strings.Join(dialect.RecipeFor(dialect.Generic).Pitfalls, "\n"), "?"+entraFlag)
}

func TestRecipeForUnknown(t *testing.T) {
	t.Parallel()
	generic := dialect.RecipeFor(dialect.Generic)
	for _, p := range []dialect.IdentityProvider{"", "entra", "OKTA", "of-another-name"} {
		require.Equal(t, generic, dialect.RecipeFor(p), p)
	}
}

// A host may adapt a recipe, and finds it unchanged the next time.
func TestRecipeIsTheCallers(t *testing.T) {
	t.Parallel()
	for _, p := range append(dialect.IdentityProviders(), "of-another-name") {
		before, err := json.Marshal(dialect.RecipeFor(p))
		require.NoError(t, err)

		r := dialect.RecipeFor(p)
		r.Fields[0] = dialect.Field{Label: "x", Value: "y"}
		r.Pitfalls[0], r.Sources[0] = "x", "x"
		for i := range r.Fields {
			r.Fields[i].Value = ""
		}
		_ = append(r.Fields[:1], dialect.Field{})
		_ = append(r.Pitfalls[:1], "x")
		_ = append(r.Sources[:1], "x")

		after, err := json.Marshal(dialect.RecipeFor(p))
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), p)
	}
}

func TestRecipeAsJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(dialect.Recipe{
		Label:    "Some IdP",
		Query:    "flag",
		Fields:   []dialect.Field{{Label: "Base URL", Value: baseURL}},
		Pitfalls: []string{"It fails: mend it."},
		Sources:  []string{"https://example.com/"},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"label": "Some IdP", "fields": [{"label": "Base URL", "value": "{base_url}"}],
		"pitfalls": ["It fails: mend it."], "sources": ["https://example.com/"]}`, string(got))
}
