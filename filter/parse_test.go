package filter_test

import (
	"strings"
	"testing"

	ast "github.com/scim2/filter-parser/v2"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

// TestParse shows what is accepted and, by printing it with as few parentheses as possible, how it is read.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, want string
		covers           []string
	}{
		{name: "comparison", text: `userName eq "bjensen"`, want: `userName eq "bjensen"`},
		{name: "operators in any case", text: `a Eq 1 AND NOT (b PR) Or c nE 2 and d gT 3`, want: `a eq 1 and not (b pr) or c ne 2 and d gt 3`,
			covers: []string{"7644-3.4.2.2-03"}},
		{name: "every operator", text: `a eq 1 or a ne 1 or a co 1 or a sw 1 or a ew 1 or a gt 1 or a ge 1 or a lt 1 or a le 1 or a pr`,
			want: `a eq 1 or a ne 1 or a co 1 or a sw 1 or a ew 1 or a gt 1 or a ge 1 or a lt 1 or a le 1 or a pr`},
		{name: "and binds tighter", text: `a pr or b pr and c pr`, want: `a pr or b pr and c pr`},
		{name: "and binds tighter, shown", text: `(a pr or b pr) and c pr`, want: `(a pr or b pr) and c pr`},
		{name: "needless parentheses", text: `((a pr) or ((b pr and (c pr))))`, want: `a pr or b pr and c pr`,
			covers: []string{"7644-3.4.2.2-15"}},
		{name: "not binds tightest", text: `not (a pr) and b pr`, want: `not (a pr) and b pr`},
		{name: "not without space", text: `not(a pr) or NOT   ( b pr )`, want: `not (a pr) or not (b pr)`, covers: []string{"7644-3.4.2.2-16"}},
		{name: "an attribute called not", text: `not pr and not eq "x"`, want: `not pr and not eq "x"`},
		{name: "and and or as attributes", text: `and pr and or pr or and eq 1`, want: `and pr and or pr or and eq 1`},
		{name: "chains lean left", text: `a pr and b pr and (c pr and d pr)`, want: `a pr and b pr and (c pr and d pr)`},
		{name: "extra spaces", text: `  a   eq   1   and  ( b  pr )  `, want: `a eq 1 and b pr`, covers: []string{"7644-3.4.2.2-17"}},
		{name: "odd case and parentheses", text: `(ActiVe eq true) and (meta.lastmodified ge "2011-05-13T04:42:34Z")`,
			want: `ActiVe eq true and meta.lastmodified ge "2011-05-13T04:42:34Z"`, covers: []string{"ENTRA-78"}},
		{name: "literals", text: `a eq true or b eq false or c eq null or d eq -1.50e+3 or e eq 0`,
			want: `a eq true or b eq false or c eq null or d eq -1.50e+3 or e eq 0`},
		{name: "escapes", text: `a eq "q\"b\\s\/\b\f\n\r\tu\u00e9\uD83D\uDE00'%_"`, want: `a eq "q\"b\\s/\b\f\n\r\tué😀'%_"`,
			covers: []string{"7644-3.4.2.2-13"}},
		{name: "brackets in a string", text: `a eq "x] or (b" and c[d eq ")]"]`, want: `a eq "x] or (b" and c[d eq ")]"]`},
		{name: "value path", text: `emails[type eq "work" and value co "@example.com"]`, want: `emails[type eq "work" and value co "@example.com"]`},
		{name: "logic in brackets", text: `emails [ not (type eq "home" or primary eq true) and (value pr or type pr) ]`,
			want: `emails[not (type eq "home" or primary eq true) and (value pr or type pr)]`, covers: []string{"7644-3.4.2.2-20"}},
		{name: "value paths combine", text: `emails[type eq "work"] or ims[type eq "xmpp"] and not (a[b pr])`,
			want: `emails[type eq "work"] or ims[type eq "xmpp"] and not (a[b pr])`, covers: []string{"7644-3.4.2.2-21"}},
		{name: "sub-attribute of a value path", text: `emails[type eq "work"].value eq "x"`, want: `emails[type eq "work" and value eq "x"]`},
		{name: "or in a value path with sub-attribute", text: `emails[type eq "work" or primary eq true].value sw "x" and a pr`,
			want: `emails[(type eq "work" or primary eq true) and value sw "x"] and a pr`, covers: []string{"7644-3.4.2.2-22", "ENTRA-15"}},
		{name: "URN", text: `urn:ietf:params:scim:schemas:core:2.0:User:name.familyName co "O'Malley"`,
			want: `urn:ietf:params:scim:schemas:core:2.0:User:name.familyName co "O'Malley"`, covers: []string{"7644-3.4.2.2-24"}},
		{name: "a bare URN", text: `urn:ietf:params:scim:schemas:core:2.0 pr`, want: `urn:ietf:params:scim:schemas:core:2.0 pr`},
		{name: "a URI that is no URN", text: `https://example.com/s?a=1#b:x.y pr`, want: `https://example.com/s?a=1#b:x.y pr`},
		{name: "characters of names", text: `a-b_c$d.$e-1 pr`, want: `a-b_c$d.$e-1 pr`},
		{name: "$ref", text: `members.$ref eq "x" and members[$ref pr]`, want: `members.$ref eq "x" and members[$ref pr]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expr, err := filter.Parse(c.text, filter.DefaultLimits, strictly())
			require.NoError(t, err)
			require.Equal(t, c.want, printFilter(expr))
			covers(t, c.covers...)
		})
	}
}

func TestParseURIPrefix(t *testing.T) {
	t.Parallel()
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	for text, want := range map[string]ast.AttributePath{
		"userName":                  {AttributeName: "userName"},
		"name.givenName":            {AttributeName: "name", SubAttribute: new("givenName")},
		enterprise:                  {URIPrefix: new(strings.TrimSuffix(enterprise, ":User")), AttributeName: "User"},
		enterprise + ":department":  {URIPrefix: new(enterprise), AttributeName: "department"},
		enterprise + ":manager.x":   {URIPrefix: new(enterprise), AttributeName: "manager", SubAttribute: new("x")},
		enterprise + ".manager.x":   {URIPrefix: new(strings.TrimSuffix(enterprise, ":User")), AttributeName: "User", SubAttribute: new("manager.x")},
		"urn:scim:schemas:core:1.0": {URIPrefix: new("urn:scim:schemas:core"), AttributeName: "1", SubAttribute: new("0")},
	} {
		expr, err := filter.Parse(text+" pr", filter.DefaultLimits, nil)
		require.NoError(t, err, text)
		require.Equal(t, &ast.AttributeExpression{AttributePath: want, Operator: ast.PR}, expr)
		path, err := filter.ParsePath(text, filter.PathLimits, nil)
		require.NoError(t, err, text)
		require.Equal(t, ast.Path{AttributePath: want}, path)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		texts  []string
		detail string // part of the detail
		covers []string
	}{
		{name: "syntax", texts: []string{``, ` `, `userName`, `userName `, `userName eq`, `userName eq `, `userName eq "a`, `userName eq "a\"`, `(userName pr`,
			`userName pr)`, `userName eq 'a'`, `and`, `emails[type eq "x"`, `emails[type eq "x"]]`, `emails[]`, `emails[type]`, `a pr b pr`, `a pr and`, `a pr and `,
			`and a pr`, `a pr or or b pr`, `a pr and and b pr`, `()`, `(a pr))`, `not ()`, `not (a pr`, `a pr, b pr`, `a pr;`, "a pr\x00", "a\tpr", "a pr\n", `%`},
			detail: "at byte", covers: []string{"7644-3.4.2.2-12"}},
		{name: "truncated or unbalanced", texts: []string{`userName eq "a" and`, `userName eq`, `eq "a"`, `userName eq "a")`, `((userName eq "a")`,
			`userName eq "a" trailing`, ``, `%`}, detail: "at byte", covers: []string{"F-06"}},
		{name: "unknown operator", texts: []string{`userName regex "a"`, `userName = "a"`, `userName e "a"`, `userName eqq "a"`, `a ſw "x"`},
			detail: "one of the operators", covers: []string{"7644-3.4.2.2-11"}},
		{name: "unknown connective", texts: []string{`userName eq "a" xor title pr`, `userName eq "a" && title pr`, `userName eq "a" andd title pr`},
			detail: "expected and, or", covers: []string{"F-07"}},
		{name: "not without parentheses", texts: []string{`not userName eq "x"`, `not a pr`, `a pr and not not (b pr)`, `not`}, detail: "operator",
			covers: []string{"7644-3.4.2.2-16"}},
		{name: "missing spaces", texts: []string{`userName eq"x"`, `userName eq "x"and a pr`, `(a pr)and (b pr)`, `(a pr) and(b pr)`, `a pror b pr`, `a[b pr]and c pr`,
			`emails[a pr] .value pr`}, detail: "at byte", covers: []string{"7644-3.4.2.2-17"}},
		{name: "no JSON literal", texts: []string{`a eq TRUE`, `a eq False`, `a eq NULL`, `a eq True`}, detail: "true, false or null",
			covers: []string{"7644-3.4.2.2-03"}},
		{name: "unquoted or single-quoted", texts: []string{`meta.resourceType eq User`, `displayName sw 'Group'`, `a eq x@y`, `a eq {}`, `a eq []`},
			detail: "a string in double quotes", covers: []string{"7644-3.4.2.2-14"}},
		{name: "bad numbers", texts: []string{`a eq 01`, `a eq +1`, `a eq 1.`, `a eq .5`, `a eq 1e`, `a eq 1e+`, `a eq -`, `a eq 0x1`, `a eq 1_0`, `a eq NaN`, `a eq 1,5`},
			detail: "a number"},
		{name: "bad strings", texts: []string{`a eq "\x"`, `a eq "\u12"`, `a eq "\u12g4"`, `a eq "\u+123"`, `a eq "\u0000"`, `a eq "\ud800"`, `a eq "\udc00\ud800"`,
			`a eq "\ud800\\udc00"`, `a eq "\ud83d\u0041"`, `a eq "\ud83dxudc00"`, "a eq \"\xff\"", "a eq \"\xed\xa0\x80\"", "a eq \"\x00\"", "a eq \"\n\"", "a eq \"\u00e9\\u12\""},
			detail: "the string at byte 5"},
		{name: "names", texts: []string{`userName);-- eq "a"`, `"a" eq "a"`, `name.'x' eq "a"`, `name.x.y eq "a"`, `name. eq "a"`, `.x eq "a"`, `1a eq "a"`, `a.1 eq "a"`,
			`$ eq "a"`, `:a pr`, `urn:: pr`, `urn:a. pr`, `urn:a..b pr`, `urn:x:a/b pr`, `é pr`, "userName\u00a0pr", `a[b].1 pr`, `a[b pr]. pr`, `a[b pr].c`, `a[b pr].urn:c pr`},
			detail: "at byte", covers: []string{"F-11"}},
		{name: "value filters in each other", texts: []string{`a[b[c pr]]`, `a[b pr and c[d pr]]`, `a[(b[c pr])]`}, detail: "inside another one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, text := range c.texts {
				require.Contains(t, refusal(t, userType, text, lenient()).Detail, c.detail, "%q", text)
			}
			covers(t, c.covers...)
		})
	}
}

// TestErrorsHoldNoInput looks for a canary in every kind of refusal. Only the name of an attribute that does not exist is repeated.
func TestErrorsHoldNoInput(t *testing.T) {
	t.Parallel()
	const canary = "CanaryCanary"
	for _, text := range []string{
		canary, canary + ` eq "x"`, `userName ` + canary + ` "x"`, `userName eq ` + canary + `!`, `userName eq "` + canary, `userName eq "x" ` + canary,
		`emails.` + canary + ` pr`, `emails[` + canary + ` pr]`, `active eq "` + canary + `"`, `meta.created gt "` + canary + `"`, `urn:` + canary + `:x pr`,
		`userName pr and password eq "` + canary + `"`, `${1+1}` + canary, `{{7*7}}` + canary, `%s%n` + canary + ` eq "%d"`, `active co "` + canary + `"`,
		`groups[display eq "` + canary + `"]`, `userName[value eq "` + canary + `"]`,
	} {
		err := refusal(t, userType, text, lenient())
		require.NotContains(t, strings.ReplaceAll(err.Error(), "the attribute "+canary+",", ""), canary)
		require.NotContains(t, err.Detail, "%!")
	}
}

// TestErrorsSayWhere: positions count bytes from 0.
func TestErrorsSayWhere(t *testing.T) {
	t.Parallel()
	for text, detail := range map[string]string{
		``:                      `expected an attribute at byte 0 of the filter`,
		` é pr`:                 `expected an attribute at byte 1 of the filter`,
		`a.b.c pr`:              `expected an attribute at byte 0 of the filter`,
		`a`:                     `expected a space and an operator at byte 1 of the filter`,
		`a is "x"`:              `expected one of the operators pr, eq, ne, co, sw, ew, gt, ge, lt and le at byte 2 of the filter`,
		`a eq`:                  `expected a space and a value at byte 4 of the filter`,
		`a eq x!`:               `expected a string in double quotes, a number, true, false or null at byte 5 of the filter`,
		`a eq "é" and b eq "x`:  `the string at byte 19 of the filter has no end`,
		"a eq \"\n\"":           `the string at byte 5 of the filter holds a control character`,
		`a eq "\u12"`:           `the string at byte 5 of the filter has a bad escape, a lone surrogate, U+0000 or bytes that are not UTF-8`,
		`a pr  xor b pr`:        `expected and, or, or the end at byte 6 of the filter`,
		`(a pr or b pr`:         `expected and, or, or ')' at byte 13 of the filter`,
		`a[b pr)`:               `expected and, or, or ']' at byte 6 of the filter`,
		`a[b[c pr]]`:            `a value filter stands inside another one at byte 3 of the filter`,
		`a[b pr].1 pr`:          `expected the name of a sub-attribute at byte 8 of the filter`,
		`a eq 1 and not b eq 2`: `expected one of the operators pr, eq, ne, co, sw, ew, gt, ge, lt and le at byte 15 of the filter`,
	} {
		require.Equal(t, detail, refusal(t, userType, text, nil).Detail, text)
	}
	_, err := filter.ParsePath(`a[b pr] .c`, filter.PathLimits, nil)
	require.EqualError(t, err, `invalidPath: expected the end at byte 8 of the path`)
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	const atom = "a pr"
	nested := func(n int, open, shut string) string { return strings.Repeat(open, n) + atom + strings.Repeat(shut, n) }
	chain := func(n int) string { return strings.Repeat(atom+" or ", n-1) + atom }
	for _, c := range []struct {
		name, text string
		detail     string // "": accepted
	}{
		{"8192 bytes", `a eq "` + strings.Repeat("x", 8192-7) + `"`, ""},
		{"8193 bytes", `a eq "` + strings.Repeat("x", 8193-7) + `"`, "longer than 8192 bytes"},
		{"20 parentheses", nested(20, "(", ")"), ""},
		{"21 parentheses", nested(21, "(", ")"), "deeper than 20 levels"},
		{"20 not", nested(20, "not (", ")"), ""},
		{"21 not", nested(21, "not(", ")"), "deeper than 20 levels"},
		{"brackets count", "x[" + nested(19, "(", ")") + "]", ""},
		{"brackets count, too deep", "x[" + nested(20, "(", ")") + "]", "deeper than 20 levels"},
		{"siblings do not", chain(30) + " or " + nested(20, "(", ")") + " and " + nested(20, "(", ")"), ""},
		{"100 terms", chain(100), ""},
		{"101 terms", chain(101), "more than 100 conditions"},
		{"1001 terms", chain(1001), "more than 100 conditions"},
		{"both terms of a value path with sub-attribute count", chain(99) + " or x[a pr].b pr", "more than 100 conditions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := filter.Parse(c.text, filter.DefaultLimits, nil)
			if c.detail == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.detail)
		})
	}
	covers(t, "7644-3.4.2.2-33")
	_, err := filter.Parse(atom, filter.Limits{}, nil)
	require.ErrorContains(t, err, "longer than 0 bytes")
}

// TestHostileNesting feeds what ends the process of a parser that recurses first. Whether the end is a syntax error must not matter.
// The allocations are those of the error, so no tree was built.
func TestHostileNesting(t *testing.T) {
	const n = 1_000_000
	refuse := func(text, detail string) {
		t.Helper()
		for _, limits := range []filter.Limits{filter.DefaultLimits, {Bytes: 1 << 30, Depth: 20, Terms: 100}} {
			var err error
			allocs := testing.AllocsPerRun(1, func() { _, err = filter.Parse(text, limits, nil) })
			if limits.Bytes < len(text) {
				require.ErrorContains(t, err, "longer than")
				require.LessOrEqual(t, allocs, 8.0)
			} else {
				require.ErrorContains(t, err, detail)
				require.LessOrEqual(t, allocs, 30.0)
			}
			_, err = filter.ParsePath(text, limits, nil)
			require.Error(t, err)
			_, err = filter.ParsePath("x["+text, limits, nil)
			require.Error(t, err)
		}
	}
	refuse(strings.Repeat("(", n), "deeper than 20")
	refuse(strings.Repeat("not (", n), "deeper than 20")
	refuse(strings.Repeat("a[", n), "inside another one")
	refuse(strings.Repeat("a.", n)+"a pr", "expected an attribute")
	covers(t, "F-01", "F-02")
	refuse(strings.Repeat("(", n)+" @", "deeper than 20")
	refuse(strings.Repeat("not(", n)+" @", "deeper than 20")
	refuse(strings.Repeat("a[", n)+" @", "inside another one")
	covers(t, "F-03")
}

// TestUnquotedLiteral: ENTRA-11 sends filter=externalId eq nferro.
func TestUnquotedLiteral(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`externalId eq nferro`:                `externalId eq "nferro"`,
		`(externalId eq nf.er-ro_~1) or a pr`: `externalId eq "nf.er-ro_~1" or a pr`,
		`emails[type eq work]`:                `emails[type eq "work"]`,
		`a eq True`:                           `a eq "True"`,
		`a eq 007`:                            `a eq "007"`,
		`a eq 7`:                              `a eq 7`,
		`a eq true`:                           `a eq true`,
		`a eq and and b eq or`:                `a eq "and" and b eq "or"`,
	} {
		report := unquoted()
		expr, err := filter.Parse(text, filter.DefaultLimits, report)
		require.NoError(t, err, text)
		require.Equal(t, want, printFilter(expr))
		require.Equal(t, want != text, len(report.Fired()) > 0, text)
	}
	report := unquoted()
	ok, err := bind(t, userType, `externalId eq nferro`, report).Match(record(t, userType, `{"schemas":["`+schema.UserURN+`"],"userName":"x","externalId":"nferro"}`))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []string{"unquoted-literal"}, report.Fired())
	covers(t, "ENTRA-11")

	number := record(t, userType, `{"schemas":["`+schema.UserURN+`"],"userName":"x","externalId":"701984"}`)
	ok, err = bind(t, userType, `externalId eq 701984`, unquoted()).Match(number)
	require.NoError(t, err)
	require.True(t, ok)
	for _, report := range []*dialect.Report{nil, lenient(), strictly(), dialect.NewReport(true, dialect.PolicyFor(dialect.Okta))} {
		_ = refusal(t, userType, `externalId eq nferro`, report)
		_ = refusal(t, userType, `externalId eq 701984`, report)
	}
	for _, text := range []string{`userName eq a@b!`, `userName eq a=b`, `userName eq 'a'`, `userName eq é`, `userName eq a"b"`, `userName eq `} {
		_ = refusal(t, userType, text, unquoted())
	}
}

func TestParsePath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`userName`:                            `userName`,
		` name.familyName `:                   `name.familyName`,
		`members`:                             `members`,
		`members[value eq "2819"]`:            `members[value eq "2819"]`,
		`members[value eq "2819"].$ref`:       `members[value eq "2819"].$ref`,
		`emails [ type eq "work" ].value`:     `emails[type eq "work"].value`,
		`roles[PRIMARY Eq "True"].value`:      `roles[PRIMARY eq "True"].value`,
		`a[not(b pr or c pr) and (d eq 1)].e`: `a[not (b pr or c pr) and d eq 1].e`,
		`urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"].value`: `urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"].value`,
	} {
		path, err := filter.ParsePath(text, filter.PathLimits, nil)
		require.NoError(t, err, text)
		require.Equal(t, want, printPath(path))
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `a.`, `a.b.c`, `a b`, `a[b pr].`, `a[b pr].1`, `a[b pr].c.d`, `a[b pr] .c`, `a[b pr]c`, `a[b pr]]`, `(a)`, `"a"`, `a pr`, `a/b`, `é`,
		`urn:x:`, `:a`, "a\x00", `a[b pr].urn:c`, strings.Repeat("a", 1025),
		`a[`, `a[]`, `a[b]`, `a[b pr`, `a[b pr)`, `a[b eq]`, `a[b eq "x]`, `a[b eq True]`, `a[b[c pr]]`,
		`a[` + strings.Repeat("(", 20) + `b pr` + strings.Repeat(")", 20) + `]`, `a[` + strings.Repeat("b pr or ", 100) + `b pr]`,
	} {
		path, err := filter.ParsePath(text, filter.PathLimits, nil)
		var refused *filter.Error
		require.ErrorAs(t, err, &refused, "%q", text)
		require.Equal(t, schema.InvalidPath, refused.ScimType, "%q", text)
		require.Equal(t, ast.Path{}, path)
	}
	_, err := filter.ParsePath(`a[type zz "x"]`, filter.PathLimits, nil)
	var refused *filter.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, schema.InvalidFilter, refused.ScimType)
	covers(t, "7644-3.12-08")
}

// TestParseAllocations holds the parser to the size of the tree that it returns.
func TestParseAllocations(t *testing.T) {
	for text, most := range map[string]float64{
		`userName eq "bjensen"`:                                 2, // the node and the literal in its interface
		`(((userName eq "bjensen")))`:                           2,
		`userName eq "` + strings.Repeat("x", 8000) + `"`:       2,
		strings.Repeat(" ", 8000) + `userName eq "bjensen"`:     2,
		`userName eq "` + strings.Repeat(`\\`, 4000) + `"`:      4, // and the decoded string
		`emails[type eq "work"].value eq "x"`:                   7,
		`a eq "` + strings.Repeat(`\u00e9`, 1000) + `" or b pr`: 6,
	} {
		allocs := testing.AllocsPerRun(10, func() {
			if _, err := filter.Parse(text, filter.DefaultLimits, nil); err != nil {
				t.Error(err)
			}
		})
		require.LessOrEqual(t, allocs, most, "%.40s", text)
	}
}
