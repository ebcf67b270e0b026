package dialect_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/claim"
)

func TestMain(m *testing.M) { claim.Main(m) }

var covers = claim.Covers

var kebab = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

func TestRulesAreDescribed(t *testing.T) {
	t.Parallel()
	rules := dialect.Rules()
	require.Equal(t, dialect.OpCase, rules[0])
	require.Equal(t, dialect.ByteOrderMark, rules[len(rules)-1])
	ids := map[string]bool{}
	for i, rule := range rules {
		info := rule.Info()
		require.Equal(t, dialect.Rule(i), rule)
		require.Equal(t, info.ID, rule.ID())
		require.Regexp(t, kebab, info.ID)
		require.False(t, ids[info.ID], "two rules are called %s", info.ID)
		ids[info.ID] = true
		require.NotEmpty(t, info.Cites, info.ID)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(info.Cites))), len(info.Cites), info.ID)
		require.NotEmpty(t, strings.TrimSpace(info.Title), info.ID)
	}
	// The ids are in logs and journals that exist: renaming one is a change for hosts.
	require.Equal(t, []string{
		"op-case", "string-boolean", "bare-value", "single-for-multi", "array-for-single", "empty-string", "path-key", "urn-dot",
		"unqualified-extension", "read-only-in-value", "unknown-attribute", "unknown-schema", "legacy-schema", "unlisted-extension",
		"attribute-alias", "json-in-string", "create-on-missing", "remove-value-list", "wrapped-value", "empty-operations",
		"unregistered-extension", "quoted-boolean", "value-shorthand", "unquoted-literal", "flag-in-path", "query-case", "bare-token",
		"byte-order-mark",
	}, idsOf(rules))
}

func idsOf(rules []dialect.Rule) []string {
	var ids []string
	for _, rule := range rules {
		ids = append(ids, rule.ID())
	}
	return ids
}

// Every combination of a connection's settings with every rule.
func TestAllow(t *testing.T) {
	t.Parallel()
	unquoted := dialect.Policy{UnquotedLiterals: true}
	for _, c := range []struct {
		name     string
		report   func() *dialect.Report
		rules    bool // all but unquoted-literal
		unquoted bool
		records  bool
	}{
		{name: "no report", report: func() *dialect.Report { return nil }, rules: true},
		{name: "tolerant", report: func() *dialect.Report { return dialect.NewReport(false, dialect.Policy{}) }, rules: true, records: true},
		{name: "tolerant, unquoted literals", report: func() *dialect.Report { return dialect.NewReport(false, unquoted) }, rules: true, unquoted: true, records: true},
		{name: "strict", report: func() *dialect.Report { return dialect.NewReport(true, dialect.Policy{}) }},
		{name: "strict, unquoted literals", report: func() *dialect.Report { return dialect.NewReport(true, unquoted) }},
		{name: "zero value", report: func() *dialect.Report { return &dialect.Report{} }, rules: true, records: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, rule := range dialect.Rules() {
				r := c.report()
				want := c.rules
				if rule == dialect.UnquotedLiteral {
					want = c.unquoted
				}
				require.Equal(t, want, r.Allow(rule), rule.ID())
				require.Equal(t, want, r.Allow(rule), "a rule is active however often it is asked for")
				if want && c.records {
					require.Equal(t, []string{rule.ID()}, r.Fired())
				} else {
					require.Nil(t, r.Fired(), rule.ID())
				}
				require.Nil(t, r.Ignored())
			}
		})
	}
}

func TestFiredIsInDeclarationOrder(t *testing.T) {
	t.Parallel()
	r := dialect.NewReport(false, dialect.Policy{UnquotedLiterals: true})
	require.Nil(t, r.Fired())
	rules := dialect.Rules()
	for _, rule := range slices.Backward(rules) {
		require.True(t, r.Allow(rule))
	}
	require.Equal(t, idsOf(rules), r.Fired())
}

func TestIgnore(t *testing.T) {
	t.Parallel()
	r := dialect.NewReport(false, dialect.Policy{})
	require.True(t, r.Ignore("nickNme"))
	require.Equal(t, []string{"nickNme"}, r.Ignored())
	require.Equal(t, []string{"unknown-attribute"}, r.Fired())

	strict := dialect.NewReport(true, dialect.Policy{})
	require.False(t, strict.Ignore("nickNme"))
	require.Nil(t, strict.Ignored())
	require.Nil(t, strict.Fired())

	var none *dialect.Report
	require.True(t, none.Ignore("nickNme"))
	require.Nil(t, none.Ignored())
	require.Nil(t, none.Fired())
}

// A request with a million unknown attributes leaves sixteen names.
func TestIgnoredIsBounded(t *testing.T) {
	t.Parallel()
	r := dialect.NewReport(false, dialect.Policy{})
	var want []string
	for i := range 1000 {
		name := "a" + strings.Repeat("b", i)
		require.True(t, r.Ignore(name), "the seventeenth attribute is ignored as the first is")
		if i < 16 {
			want = append(want, name)
		}
	}
	require.Equal(t, want, r.Ignored())

	r = dialect.NewReport(false, dialect.Policy{})
	require.True(t, r.Ignore(strings.Repeat("x", 64)))
	require.True(t, r.Ignore(strings.Repeat("y", 65)))
	require.True(t, r.Ignore(strings.Repeat("z", 1<<20)))
	require.Equal(t, []string{strings.Repeat("x", 64), strings.Repeat("y", 64), strings.Repeat("z", 64)}, r.Ignored())
}

// What a client calls an attribute reaches logs: nothing in it may break a line, a terminal or a page, or be more than a name.
func TestIgnoredIsAName(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"":                       "?",
		"nickNme":                "nickNme",
		"$ref":                   "$ref",
		"a.b_c-d0":               "a.b_c-d0",
		"urn:example:1.0:User:a": "urn:example:1.0:User:a",
		"two words":              "two",
		"line\nbreak":            "line",
		`emails[value eq "x@y"]`: "emails",
		"<script>":               "?",
		"naïve":                  "na",
		"\u202eevil":             "?",
		"\xff\xfe":               "?",
		strings.Repeat("é", 40):  "?",
		strings.Repeat("x", 65):  strings.Repeat("x", 64),
	} {
		r := dialect.NewReport(false, dialect.Policy{})
		require.True(t, r.Ignore(sent))
		require.Equal(t, []string{want}, r.Ignored(), "%q", sent)
	}
}

// What an error repeats of a name is as harmless.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"":         "",
		"nickNme":  "nickNme",
		"$ref":     "$ref",
		"a.b_c-d0": "a.b_c-d0",
		"urn:ietf:params:scim:schemas:core:2.0:User": "urn:ietf:params:scim:schemas:core:2.0:User",
		"two words":                 "two?words",
		"line\nbreak\r\x00\x1b[31m": "line?break????31m",
		`emails[type eq "work"]`:    "emails?type?eq??work??",
		"<script>":                  "?script?",
		"%s%n{{7*7}}":               "?s?n??7?7??",
		"naïve":                     "na??ve", // each byte that is no letter of ASCII
		"\u202eevil":                "???evil",
		"\xff\xfe":                  "??",
		strings.Repeat("é", 40):     strings.Repeat("?", 64),
	} {
		require.Equal(t, want, dialect.Printable(sent), "%q", sent)
	}
	for c := range 256 {
		require.Regexp(t, `^[A-Za-z0-9.:$_?-]$`, dialect.Printable(string([]byte{byte(c)})))
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	all := dialect.IdentityProviders()
	require.Len(t, all, 9)
	require.Equal(t, dialect.Generic, all[len(all)-1])
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(all))), len(all))
	for _, p := range all {
		require.True(t, p.Known(), p)
		require.Regexp(t, kebab, string(p))
		require.False(t, dialect.IdentityProvider(strings.ToUpper(string(p))).Known())
	}
	for _, p := range []dialect.IdentityProvider{"", " okta", "entra", "azure", "okta\x00"} {
		require.False(t, p.Known(), p)
	}
}

func TestPolicyFor(t *testing.T) {
	t.Parallel()
	for p, want := range map[dialect.IdentityProvider]dialect.Policy{
		dialect.Generic:         {},
		dialect.Okta:            {UnknownMembers: dialect.UnknownMembersSkip, UnquotedLiterals: true},
		dialect.MicrosoftEntra:  {UniqueGroupNames: true, UnquotedLiterals: true},
		dialect.CyberArk:        {},
		dialect.JumpCloud:       {},
		dialect.OneLogin:        {},
		dialect.PingFederate:    {},
		dialect.Rippling:        {},
		dialect.GoogleWorkspace: {},
		"":                      {},
		"of-another-name":       {},
	} {
		require.Equal(t, want, dialect.PolicyFor(p), p)
	}
	covers(t, "ENTRA-68", "OKTA-28")
	// What the zero policy, that of every provider without a profile, means.
	zero := dialect.PolicyFor(dialect.Generic)
	require.Equal(t, dialect.BareRemoveAll, zero.BareRemove)
	require.Equal(t, dialect.UnknownMembersRefuse, zero.UnknownMembers)
	require.Equal(t, dialect.PatchAnswerByType, zero.PatchAnswer)
	require.False(t, zero.UniqueGroupNames)
	require.False(t, zero.UnquotedLiterals)
}
