package wire_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/internal/wire"
)

var limits = wire.ParameterLimits{DefaultCount: 100, MaxCount: 500, Names: 3}

func parameters(change func(*wire.Parameters)) wire.Parameters {
	p := wire.Parameters{StartIndex: 1, Count: 100}
	if change != nil {
		change(&p)
	}
	return p
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	type p = wire.Parameters
	for query, change := range map[string]func(*p){
		"":                                 nil,
		"&&":                               nil,
		"foo=bar&foo=baz&x":                nil,
		"aadOptscim062020":                 nil,
		"aadOptscim062020=":                nil,
		"=canary":                          nil,
		"filter=userName+eq+%22a%22":       func(p *p) { p.Filter, p.HasFilter = `userName eq "a"`, true },
		"filter=a%2Bb%26c%3D%3Bd":          func(p *p) { p.Filter, p.HasFilter = "a+b&c=;d", true },
		"filter=a=b":                       func(p *p) { p.Filter, p.HasFilter = "a=b", true },
		"filter=":                          func(p *p) { p.HasFilter = true },
		"filter":                           func(p *p) { p.HasFilter = true },
		"%66ilter=x":                       func(p *p) { p.Filter, p.HasFilter = "x", true },
		"startIndex=7&count=20":            func(p *p) { p.StartIndex, p.Count = 7, 20 },
		"startIndex=0&count=0":             func(p *p) { p.StartIndex, p.Count = 1, 0 },
		"startIndex=-5&count=-1":           func(p *p) { p.StartIndex, p.Count = 1, 0 },
		"count=500":                        func(p *p) { p.Count = 500 },
		"count=501":                        func(p *p) { p.Count = 500 },
		"count=2147483647":                 func(p *p) { p.Count = 500 },
		"startIndex=2147483647":            func(p *p) { p.StartIndex = 1<<31 - 1 },
		"startIndex=-9223372036854775808":  func(p *p) { p.StartIndex = 1 },
		"startIndex=007":                   func(p *p) { p.StartIndex = 7 },
		"attributes=a,b":                   func(p *p) { p.Attributes = []string{"a", "b"} },
		"attributes=+a+,,+b%20,":           func(p *p) { p.Attributes = []string{"a", "b"} },
		"attributes=":                      nil,
		"attributes=,":                     nil,
		"excludedAttributes=a":             func(p *p) { p.Excluded = []string{"a"} },
		"attributes=&excludedAttributes=a": func(p *p) { p.Excluded = []string{"a"} },
		"sortBy=userName&sortOrder=up&filter=x&count=3": func(p *p) { p.Filter, p.HasFilter, p.Count = "x", true, 3 },
	} {
		for _, report := range []bool{false, true} {
			rules := tolerant()
			if report {
				rules = rigid()
			}
			got, err := wire.ParseQuery(query, limits, rules)
			require.NoError(t, err, query)
			require.Equal(t, parameters(change), got, query)
			require.Empty(t, rules.Fired(), query)
		}
	}
	covers(t, "7644-3.4.2-01", "7644-3.4.2.4-03", "7644-3.4.2.4-04")
}

func TestParseQueryRefuses(t *testing.T) {
	t.Parallel()
	for query, scimType := range map[string]string{
		"filter=a&filter=b":                  schema.InvalidFilter,
		"filter=a&filter=a":                  schema.InvalidFilter,
		"filter=a&FILTER=b":                  schema.InvalidFilter,
		"filter&filter":                      schema.InvalidFilter,
		"filter=%zz":                         schema.InvalidFilter,
		"filter=%":                           schema.InvalidFilter,
		"filter=canary%4":                    schema.InvalidFilter,
		"filter=canary;x":                    schema.InvalidFilter,
		"filter;=x":                          schema.InvalidFilter,
		"canary=%zz":                         schema.InvalidFilter, // it could have been the filter
		"canary;":                            schema.InvalidFilter,
		"%zz=canary":                         schema.InvalidFilter,
		"fil%zter=x":                         schema.InvalidFilter,
		"count=1&count=1":                    schema.InvalidValue,
		"startIndex=1&startindex=2":          schema.InvalidValue,
		"count=%zz":                          schema.InvalidValue,
		"count=":                             schema.InvalidValue,
		"count":                              schema.InvalidValue,
		"count=-":                            schema.InvalidValue,
		"count=--1":                          schema.InvalidValue,
		"count=%2B5":                         schema.InvalidValue,
		"count=+5":                           schema.InvalidValue, // a space
		"count=1e3":                          schema.InvalidValue,
		"count=1.5":                          schema.InvalidValue,
		"count=0x10":                         schema.InvalidValue,
		"count=1_000":                        schema.InvalidValue,
		"count=canary":                       schema.InvalidValue,
		"count=%D9%A3":                       schema.InvalidValue, // a digit, but not one of ASCII
		"count=2147483648":                   schema.InvalidValue,
		"startIndex=2147483648":              schema.InvalidValue,
		"startIndex=9223372036854775808":     schema.InvalidValue,
		"startIndex=-9223372036854775809":    schema.InvalidValue,
		"startIndex=99999999999999999999999": schema.InvalidValue,
		"attributes=a&excludedAttributes=b":  schema.InvalidValue,
		"attributes=a,b,c,d":                 schema.InvalidValue,
		"excludedAttributes=a,b,c,d":         schema.InvalidValue,
		"attributes=a&attributes=b":          schema.InvalidValue,
	} {
		_, err := wire.ParseQuery(query, limits, tolerant())
		badRequest(t, err, scimType, query)
	}
	covers(t, "7644-3.4.2.4-09")
}

func TestParameterCase(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"startindex=7", "STARTINDEX=7", "start%49ndex=7&x=y"} {
		report := tolerant()
		p, err := wire.ParseQuery(query, limits, report)
		require.NoError(t, err)
		require.Equal(t, 7, p.StartIndex)
		if strings.Contains(query, "%49") {
			require.Empty(t, report.Fired(), "the canonical name, encoded")
			continue
		}
		require.Equal(t, []string{"query-case"}, report.Fired())
		report = rigid()
		p, err = wire.ParseQuery(query, limits, report)
		require.NoError(t, err)
		require.Equal(t, parameters(nil), p, "to a strict connection, it is an unknown parameter")
	}
	// Letters that Unicode folds to those of a name make another name.
	for _, query := range []string{"\u017ftartIndex=7", "%C5%BFtartIndex=7", "attribute\u017f=a", "excludedAttribute%C5%BF=a"} {
		p, err := wire.ParseQuery(query, limits, tolerant())
		require.NoError(t, err)
		require.Equal(t, parameters(nil), p, query)
	}
	covers(t, "ENTRA-76")
}

// readQuery reads a query with url.ParseQuery: the second opinion. ok is false where it must be refused.
func readQuery(query string) (p wire.Parameters, ok bool) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return p, false
	}
	p = parameters(nil)
	byName := map[string]string{}
	for name, list := range values {
		for _, value := range list {
			known := strict.FoldName(name)
			if !slices.Contains([]string{"filter", "startindex", "count", "attributes", "excludedattributes"}, known) {
				continue
			}
			if _, twice := byName[known]; twice {
				return p, false
			}
			byName[known] = value
		}
	}
	number := func(name string, into *int) bool {
		text, given := byName[name]
		if !given {
			return true
		}
		if strings.HasPrefix(text, "+") || strings.Contains(text, "_") {
			return false
		}
		n, err := strconv.Atoi(text)
		*into = max(n, 0)
		return err == nil && n < 1<<31
	}
	names := func(name string, into *[]string) bool {
		for part := range strings.SplitSeq(byName[name], ",") {
			if part = strings.TrimSpace(part); part != "" {
				*into = append(*into, part)
			}
		}
		return len(*into) <= limits.Names
	}
	p.Filter, p.HasFilter = byName["filter"]
	ok = number("startindex", &p.StartIndex) && number("count", &p.Count) && names("attributes", &p.Attributes) && names("excludedattributes", &p.Excluded)
	p.StartIndex, p.Count = max(p.StartIndex, 1), min(p.Count, limits.MaxCount)
	return p, ok && (len(p.Attributes) == 0 || len(p.Excluded) == 0)
}

// FuzzQuery holds ParseQuery against url.ParseQuery: nothing is understood differently, and nothing that one of them drops is lost.
func FuzzQuery(f *testing.F) {
	f.Add(`filter=userName+eq+%22a%22&startIndex=1&count=2&attributes=id,userName&aadOptscim062020`)
	f.Fuzz(func(t *testing.T, query string) {
		got, err := wire.ParseQuery(query, limits, tolerant())
		want, ok := readQuery(query)
		if strings.Count(query, "&") > 1000 {
			return // url.ParseQuery has a limit, and the server another one
		}
		if !ok {
			var e *wire.Error
			require.ErrorAs(t, err, &e, "%q was read as %+v", query, got)
			require.Equal(t, http.StatusBadRequest, e.Status)
			require.Contains(t, []string{schema.InvalidFilter, schema.InvalidValue}, e.ScimType)
			require.Regexp(t, plain, e.Detail)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// A search request says what a query says.
func TestParseSearchAgreesWithParseQuery(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := map[string]any{"schemas": []string{wire.SearchURN}}
		query := url.Values{}
		if rapid.Bool().Draw(t, "filter") {
			text := rapid.StringMatching(`[a-z "+&=;%é]{0,12}`).Draw(t, "text")
			body["filter"] = text
			query.Set("filter", text)
		}
		for _, name := range []string{"startIndex", "count"} {
			if rapid.Bool().Draw(t, name) {
				n := rapid.OneOf(rapid.IntRange(-3, 600), rapid.Int()).Draw(t, "n")
				body[name] = n
				query.Set(name, strconv.Itoa(n))
			}
		}
		for _, name := range []string{"attributes", "excludedAttributes"} {
			if rapid.IntRange(0, 3).Draw(t, name) == 0 {
				list := rapid.SliceOfN(rapid.StringMatching(`[a-z.]{0,4}`), 0, 4).Draw(t, "names")
				body[name] = list
				query.Set(name, strings.Join(list, ","))
			}
		}
		text, err := json.Marshal(body)
		require.NoError(t, err)
		fromBody, bodyErr := wire.ParseSearch(text, limits)
		fromQuery, queryErr := wire.ParseQuery(query.Encode(), limits, rigid())
		require.Equal(t, queryErr == nil, bodyErr == nil, "%s: %v, %v", text, queryErr, bodyErr)
		if queryErr == nil {
			require.Equal(t, fromQuery, fromBody)
			return
		}
		var a, b *wire.Error
		require.True(t, errors.As(queryErr, &a) && errors.As(bodyErr, &b))
		require.Equal(t, a.ScimType, b.ScimType)
	})
}

func TestParseSearch(t *testing.T) {
	t.Parallel()
	const urn = `"schemas":["` + wire.SearchURN + `"]`
	for body, change := range map[string]func(*wire.Parameters){
		`{` + urn + `}`: nil,
		`{` + urn + `,"filter":null,"count":null,"startIndex":null,"attributes":null}`: nil,
		`{"Schemas":["x","` + strings.ToUpper(wire.SearchURN) + `"],"FILTER":"a"}`:     func(p *wire.Parameters) { p.Filter, p.HasFilter = "a", true },
		`{` + urn + `,"sortBy":"x","canary":{"filter":"b"},"filter":""}`:               func(p *wire.Parameters) { p.HasFilter = true },
		`{` + urn + `,"attributes":["a","b,c"]}`:                                       func(p *wire.Parameters) { p.Attributes = []string{"a", "b", "c"} },
	} {
		got, err := wire.ParseSearch([]byte(body), limits)
		require.NoError(t, err, body)
		require.Equal(t, parameters(change), got, body)
	}
	for body, scimType := range map[string]string{
		`{}`:                                     schema.InvalidSyntax,
		`{"schemas":[]}`:                         schema.InvalidSyntax,
		`{"schemas":["canary"],"filter":"a"}`:    schema.InvalidSyntax,
		`{"schemas":"` + wire.SearchURN + `"}`:   schema.InvalidValue,
		`[]`:                                     schema.InvalidSyntax,
		`"canary"`:                               schema.InvalidSyntax,
		`null`:                                   schema.InvalidSyntax,
		`{` + urn + `,"filter":7}`:               schema.InvalidFilter,
		`{` + urn + `,"filter":["canary"]}`:      schema.InvalidFilter,
		`{` + urn + `,"count":"5"}`:              schema.InvalidValue,
		`{` + urn + `,"count":1.5}`:              schema.InvalidValue,
		`{` + urn + `,"startIndex":1e3}`:         schema.InvalidValue,
		`{` + urn + `,"startIndex":99999999999}`: schema.InvalidValue,
		`{` + urn + `,"attributes":"canary"}`:    schema.InvalidValue,
		`{` + urn + `,"attributes":[7]}`:         schema.InvalidValue,
		`{` + urn + `,"attributes":["a"],"excludedAttributes":["b"]}`: schema.InvalidValue,
		`{` + urn + `,"attributes":["a","b","c","d"]}`:                schema.InvalidValue,
	} {
		_, err := wire.ParseSearch([]byte(body), limits)
		badRequest(t, err, scimType, body)
	}
	for _, body := range []string{
		``, `{`, `{` + urn + `} canary`, `{` + urn + `,"filter":"a","Filter":"b"}`, `{` + urn + `,"filter":"a","filter":"b"}`, `{` + urn + `,"filter":"\ud800"}`,
		`{` + urn + `,"canary":{"a":1,"A":2}}`,
	} {
		_, err := wire.ParseSearch([]byte(body), limits)
		badRequest(t, wire.ErrorOf(err), schema.InvalidSyntax, body)
	}
	// No letter of Unicode makes a second spelling of a name.
	p, err := wire.ParseSearch([]byte(`{`+urn+`,"startIndex":3,"\u017ftartIndex":7}`), limits)
	require.NoError(t, err)
	require.Equal(t, 3, p.StartIndex)
}
