package filter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	ast "github.com/scim2/filter-parser/v2"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

// roomy are limits for what a test printed itself: escapes make it longer than what was parsed.
var roomy = filter.Limits{Bytes: 1 << 20, Depth: 1000, Terms: 1000}

// differences are the inputs that filter-parser takes and this package does not, or reads in another way. What filter-parser does
// not take is not compared: it knows two terms in brackets at most, upper-case hexadecimal digits only, and no ENTRA-15.
var differences = []struct {
	reason  string
	applies func(text string) bool
}{
	{"its parser recurses for each level and copies for each token", func(text string) bool {
		return len(text) > 200 || strings.Count(text, "(")+strings.Count(text, "[") > 8
	}},
	{"it takes bytes that are not UTF-8", func(text string) bool { return !utf8.ValidString(text) }},
	{"it takes true, false and null in any case; JSON has them in lower case", func(text string) bool {
		for _, word := range regexp.MustCompile(`(?i)true|false|null`).FindAllString(text, -1) {
			if word != strings.ToLower(word) {
				return true
			}
		}
		return false
	}},
	{"it takes U+0000 and lone surrogates as escapes", regexp.MustCompile(`\\u0000|\\u[dD][89A-Fa-f]`).MatchString},
	{"it needs no spaces around and and or inside brackets", func(text string) bool {
		return strings.Contains(text, "[") && regexp.MustCompile(`(?i)[^ ](and|or)|(and|or)[^ ]`).MatchString(text)
	}},
}

func differs(text string) bool {
	for _, d := range differences {
		if d.applies(text) {
			return true
		}
	}
	return false
}

// oracle returns what filter-parser makes of a text, with its strings decoded; it leaves escapes as they are.
func oracle[T any](parse func([]byte) (T, error), text string) (result T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("filter-parser panics: %v", p)
		}
	}()
	return parse([]byte(text))
}

func decodeStrings(e ast.Expression) error {
	switch e := e.(type) {
	case *ast.LogicalExpression:
		return errors.Join(decodeStrings(e.Left), decodeStrings(e.Right))
	case *ast.NotExpression:
		return decodeStrings(e.Expression)
	case *ast.ValuePath:
		return decodeStrings(e.ValueFilter)
	case *ast.AttributeExpression:
		if text, ok := e.CompareValue.(string); ok {
			var decoded string
			err := json.Unmarshal([]byte(`"`+text+`"`), &decoded)
			e.CompareValue = decoded
			return err
		}
	}
	return nil
}

// spelled replaces the E of numbers, which filter-parser does not keep.
func spelled(e ast.Expression) {
	switch e := e.(type) {
	case *ast.LogicalExpression:
		spelled(e.Left)
		spelled(e.Right)
	case *ast.NotExpression:
		spelled(e.Expression)
	case *ast.ValuePath:
		spelled(e.ValueFilter)
	case *ast.AttributeExpression:
		if n, ok := e.CompareValue.(json.Number); ok {
			e.CompareValue = json.Number(strings.ReplaceAll(string(n), "E", "e"))
		}
	}
}

// requireClean checks that an error is the package's, and that it holds nothing but words of its own.
func requireClean(t *testing.T, err error, scimTypes ...string) {
	var refused *filter.Error
	require.ErrorAs(t, err, &refused)
	require.Contains(t, scimTypes, refused.ScimType)
	require.Regexp(t, `^[ -~]{1,300}$`, refused.Detail)
}

var filterSeeds = []string{
	`userName eq "bjensen"`, `name.familyName co "O'Malley"`, `userName sw "J"`, `urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"`, `title pr`,
	`meta.lastModified gt "2011-05-13T04:42:34Z"`, `meta.lastModified ge "2011-05-13T04:42:34Z"`, `title pr and userType eq "Employee"`, `title pr or userType eq "Intern"`,
	`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`, `userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`,
	`userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")`, `userType eq "Employee" and (emails.type eq "work")`,
	`userType eq "Employee" and emails[type eq "work" and value co "@example.com"]`,
	`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`, `externalId eq nferro`, `emails[type eq "work"].value eq "a@b"`,
	`(ActiVe eq true) and meta.lastmodified ge "2011-05-13T04:42:34Z"`, `active eq "True"`, `manager eq "nobody" and id eq "x"`, `members[value eq "a" or value eq "b"]`,
	`not(a pr) and b eq null`, `a eq -1.5E+10 or b eq 0`, `a eq "\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"`, `a eq "\u0000"`, `a eq TRUE`, `a[b prand c pr]`, `not pr`, `groups.value ne "g"`,
	badgeURN + `:level gt 1.5 and ` + badgeURN + `:ratio le 1e3`, `((((((((((((((((((((a pr))))))))))))))))))))`, `a[not (b pr) or (c pr and d eq "]")]`,
}

// FuzzParse: no panic, print and parse are inverse, limits hold, and filter-parser agrees where it is right.
func FuzzParse(f *testing.F) {
	for _, text := range filterSeeds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		expr, err := filter.Parse(text, filter.DefaultLimits, nil)
		if err != nil {
			requireClean(t, err, schema.InvalidFilter)
		} else {
			again, err := filter.Parse(printFilter(expr), roomy, nil)
			require.NoError(t, err)
			require.Equal(t, expr, again)
		}
		if differs(text) {
			return
		}
		want, oracleErr := oracle(ast.ParseFilterNumber, text)
		if oracleErr != nil || decodeStrings(want) != nil {
			return
		}
		require.NoError(t, err)
		spelled(expr)
		require.Equal(t, want, expr)
	})
	covers(f, "F-18")
}

// FuzzPath is FuzzParse for PATCH paths.
func FuzzPath(f *testing.F) {
	for _, text := range []string{
		`members`, `name.familyName`, `addresses[type eq "work"]`, `members[value eq "2819c223-7f76-453a-919d-413861904646"]`, `members[value eq "2819"].displayName`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager`, `emails[type eq "work"].value`,
		`roles[primary eq "True"].value`, `emails[not (type eq "work" or primary eq true) and value pr].$ref`, `a[b pr`, `a.b.c`, `urn:x`, `members[value eq "\u0130"]`, ``,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path, err := filter.ParsePath(text, filter.PathLimits, nil)
		if err != nil {
			requireClean(t, err, schema.InvalidFilter, schema.InvalidPath)
		} else {
			again, err := filter.ParsePath(printPath(path), roomy, nil)
			require.NoError(t, err)
			require.Equal(t, path, again)
		}
		if differs(text) {
			return
		}
		want, oracleErr := oracle(ast.ParsePathNumber, text)
		if oracleErr != nil || decodeStrings(want.ValueExpression) != nil {
			return
		}
		require.NoError(t, err)
		spelled(path.ValueExpression)
		require.Equal(t, want, path)
	})
}

// FuzzBind: whatever parses is bound or refused without a panic, and what is bound can be asked all three ways, and negated.
func FuzzBind(f *testing.F) {
	for _, text := range filterSeeds {
		f.Add(text)
	}
	user := record(f, userType, bjensen)
	group := record(f, groupType, `{"schemas":["`+schema.GroupURN+`"],"displayName":"Tour Guides"}`)
	members := relation{name: "members", ids: []string{"a"}}
	groups := relation{name: "groups", ids: []string{"g"}}
	user.Related, group.Related = groups.related, members.related
	f.Fuzz(func(t *testing.T, text string) {
		for _, report := range []*dialect.Report{strictly(), unquoted()} {
			expr, err := filter.Parse(text, filter.DefaultLimits, report)
			if err != nil {
				return
			}
			for rt, r := range map[*schema.ResourceType]filter.Record{userType: user, groupType: group} {
				bound, err := filter.Bind(expr, rt, options, report)
				if err != nil {
					requireClean(t, err, schema.InvalidFilter)
					continue
				}
				ok, err := bound.Match(r)
				require.NoError(t, err)
				negated, err := filter.Bind(&ast.NotExpression{Expression: expr}, rt, options, report)
				require.NoError(t, err)
				not, err := negated.Match(r)
				require.NoError(t, err)
				require.NotEqual(t, ok, not)
				bound.Equality()
				for _, d := range []filter.Dialect{filter.SQLite, filter.PostgreSQL} {
					where, args, _ := bound.SQL(filter.Columns{Dialect: d, Map: columns})
					require.Equal(t, len(args), strings.Count(where, "?")+strings.Count(where, "$"))
				}
				fuzzElement(t, expr, rt, report)
			}
		}
	})
}

// fuzzElement binds the value filters at the top of an expression as PATCH does.
func fuzzElement(t *testing.T, expr ast.Expression, rt *schema.ResourceType, report *dialect.Report) {
	path, ok := expr.(*ast.ValuePath)
	if !ok {
		return
	}
	target, err := rt.Resolve(path.AttributePath.URI(), path.AttributePath.AttributeName, path.AttributePath.SubAttributeName(), report)
	if err != nil {
		return
	}
	element, err := filter.BindElement(path.ValueFilter, rt, target.Leaf(), report)
	if err != nil {
		requireClean(t, err, schema.InvalidFilter, schema.InvalidPath)
		return
	}
	if v, ok := element.Template(); ok {
		require.True(t, element.Match(v, nil))
	}
	element.IDs()
}
