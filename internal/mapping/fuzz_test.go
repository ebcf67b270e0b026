package mapping_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/mapping"
	"github.com/scimkit/scim/internal/schema"
)

func document(body []byte) *schema.Document { return schema.NewDocument(body) }

// The grammar of an expression with its target, written down a second time.
const quotedText = `(?:"[^"]*"|'[^']*')`

var (
	wholeValue = regexp.MustCompile(`^(\{\{ *value *((?:\| *[A-Za-z0-9_]+ *(?:: *` + quotedText + ` *(?:, *` + quotedText + ` *)*)?)*)\}\})(?:\.([a-z_]+|metadata\.[\w.-]+))?$`)
	oneFilter  = regexp.MustCompile(`\| *([A-Za-z0-9_]+) *(?:: *(` + quotedText + ` *(?:, *` + quotedText + ` *)*))?`)
	oneText    = regexp.MustCompile(quotedText)
)

// read takes an expression apart by the grammar.
func read(value string) (calls []call, ok bool) {
	match := wholeValue.FindStringSubmatch(value)
	if match == nil {
		return nil, false
	}
	for _, filter := range oneFilter.FindAllStringSubmatch(match[2], -1) {
		c := call{name: filter[1]}
		for _, text := range oneText.FindAllString(filter[2], -1) {
			c.arguments = append(c.arguments, text[1:len(text)-1])
		}
		calls = append(calls, c)
	}
	return calls, true
}

// FuzzCompile maps one key to any text. What is accepted is an expression by the grammar, and does what the reference does with the
// filters that it names.
func FuzzCompile(f *testing.F) {
	f.Add(`{{ value | downcase | replace: "a", 'b' | split: "@" | last | default: "x" }}.metadata.x`, "A@B")
	f.Fuzz(func(t *testing.T, text, value string) {
		m, err := mapping.Compile(userType, map[string]string{"title": text}, nil)
		if err != nil {
			var refused *mapping.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "title", refused.Key)
			require.False(t, strings.ContainsRune(refused.Error(), 0))
			return
		}
		require.True(t, utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl))
		calls, isExpression := read(text)
		require.Equal(t, strings.Contains(text, "{{"), isExpression, "accepted, but by no grammar: %s", text)
		require.LessOrEqual(t, len(calls), mapping.MaxFilters)
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return
		}
		body, err := json.Marshal(map[string]string{"title": value})
		require.NoError(t, err)
		result, err := m.Apply(context.Background(), document(body))
		want, ok := reference(calls, value)
		if !ok || len(value) > mapping.MaxValue {
			var refused *mapping.Error
			require.ErrorAs(t, err, &refused)
			return
		}
		require.NoError(t, err)
		bounded(t, result)
		got := ""
		for target, key := range result.Origin {
			require.Equal(t, "title", key)
			name, isMetadata := strings.CutPrefix(target, mapping.Metadata)
			switch {
			case isMetadata:
				got = result.Metadata[name]
			case target == mapping.Role:
				got = result.Roles[0]
			default:
				got = result.Fields[target]
			}
		}
		require.Equal(t, want, got, "%s of %q", text, value)
	})
}

// FuzzApply maps any document by a table with all that a table can have.
func FuzzApply(f *testing.F) {
	table := map[string]string{
		"userName":                           "{{ value | split: '@' | first | downcase }}.user_name",
		"emails[primary eq true].value":      "{{ value | strip | downcase }}.email",
		`emails[type eq "work"].value`:       "email",
		"emails.type":                        "metadata.kind",
		"name.familyName":                    `{{ value | replace: "a", "aaaaaaaaaaaaaaaa" | upcase }}.family_name`,
		"roles.value":                        "role",
		"userType":                           "{{ value | refuse | default: 'member' }}.role",
		enterpriseURN + ":department":        "{{ value | append: '!' | prepend: '?' }}.metadata.department",
		badgeURN + ":level":                  "metadata.level",
		badgeURN + ":lost":                   "metadata.lost",
		badgeURN + `:codes[value co "c"]`:    "metadata.code",
		badgeURN + ":visits[tags pr].tags":   "{{ value | default: 'none' }}.metadata.tag",
		`phoneNumbers[not (value pr)].type`:  "metadata.phone",
		`addresses[country eq "US"].country`: "metadata.country",
	}
	failure := errors.New("refused")
	functions := map[string]mapping.Function{"refuse": func(text string) (string, error) {
		if strings.HasPrefix(text, "x") {
			return "", failure
		}
		return text, nil
	}}
	f.Add(barbara)
	f.Fuzz(func(t *testing.T, body string) {
		var results [2]mapping.Result
		var errs [2]error
		for i := range results {
			m, err := mapping.Compile(userType, table, functions)
			require.NoError(t, err)
			results[i], errs[i] = m.Apply(context.Background(), document([]byte(body)))
			bounded(t, results[i])
			for target, key := range results[i].Origin {
				require.True(t, strings.HasSuffix(m.Effective()[key], target), "%s from %s", target, key)
			}
		}
		require.Equal(t, results[0], results[1])
		require.Equal(t, errs[0] == nil, errs[1] == nil)
		if errs[0] != nil {
			require.Equal(t, mapping.Result{}, results[0])
			require.Equal(t, errs[0].Error(), errs[1].Error())
		}
	})
}
