package scim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// corpusCase is one case of testdata/idp-corpus.json: what an identity provider sends, and what it must be answered.
type corpusCase struct {
	ID         string
	Quirk      string
	Confidence string
	Setup      []corpusRequest
	Request    corpusRequest
	Expect     corpusExpect
	Then       []struct {
		Request corpusRequest
		Expect  corpusExpect
	}
}

type corpusRequest struct {
	Method  string
	Path    string
	Headers map[string]string
	Body    json.RawMessage
	RawBody *string
	As      string
}

type corpusExpect struct {
	Status          json.RawMessage // a number, or a list in order of preference
	JSON            []map[string]json.RawMessage
	BodyContains    []string
	BodyNotContains []string
	Headers         map[string]string
}

// TestCorpus replays the wire corpus, a fresh server per case.
func TestCorpus(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/idp-corpus.json")
	require.NoError(t, err)
	var cases []corpusCase
	require.NoError(t, json.Unmarshal(raw, &cases))
	require.Len(t, cases, 117)
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, s *server) {
				p := player{server: s, names: map[string]string{}}
				for _, r := range c.Setup {
					a := p.send(r)
					require.Less(t, a.status, 300, string(a.body))
					if r.As != "" {
						p.names[r.As] = a.id()
					}
				}
				p.expect(p.send(c.Request), c.Expect)
				for _, then := range c.Then {
					p.expect(p.send(then.Request), then.Expect)
				}
			})
		})
	}
}

// player sends the requests of one case; names are the ids that its setup created.
type player struct {
	*server
	names map[string]string
}

func (p *player) fill(text string) string {
	for name, id := range p.names {
		text = strings.ReplaceAll(text, "{{"+name+"}}", id)
	}
	return text
}

func (p *player) send(r corpusRequest) *response {
	p.t.Helper()
	var body any
	switch {
	case r.RawBody != nil:
		body = p.fill(*r.RawBody)
	case len(r.Body) > 0 && string(r.Body) != "null":
		body = p.fill(string(r.Body))
	}
	headers := []string{"Accept", "application/scim+json"}
	for name, value := range r.Headers {
		headers = append(headers, name, value)
	}
	return p.do(r.Method, p.fill(r.Path), body, headers...)
}

func (p *player) expect(a *response, want corpusExpect) {
	p.t.Helper()
	var statuses []int
	if json.Unmarshal(want.Status, &statuses) != nil {
		statuses = make([]int, 1)
		require.NoError(p.t, json.Unmarshal(want.Status, &statuses[0]))
	}
	require.Contains(p.t, statuses, a.status, string(a.body))
	if a.status != statuses[0] || a.status == 204 {
		return
	}
	for _, assertion := range want.JSON {
		p.assert(a, assertion)
	}
	for _, text := range want.BodyContains {
		require.Contains(p.t, string(a.body), p.fill(text))
	}
	for _, text := range want.BodyNotContains {
		require.NotContains(p.t, string(a.body), p.fill(text))
	}
	for name, value := range want.Headers {
		require.Equal(p.t, p.fill(value), a.header.Get(name))
	}
}

// assert checks one assertion: a path and what must be there.
func (p *player) assert(a *response, assertion map[string]json.RawMessage) {
	p.t.Helper()
	value := func(key string) (v any) {
		require.NoError(p.t, json.Unmarshal([]byte(p.fill(string(assertion[key]))), &v))
		return v
	}
	path := value("path").(string)
	got, found := walkPath(p.t, a.json(), path)
	for key := range assertion {
		switch want := value(key); key {
		case "path":
		case "eq":
			require.True(p.t, found, "%s is missing", path)
			require.Equal(p.t, want, got, path)
		case "present":
			require.Equal(p.t, want, found && got != nil, path)
		case "absent":
			require.Equal(p.t, want, !found || got == nil || reflect.DeepEqual(got, []any{}), path)
		case "len":
			list, _ := got.([]any)
			require.Len(p.t, list, int(want.(float64)), path)
		case "contains":
			require.Contains(p.t, got, want, path)
		case "setEq":
			require.ElementsMatch(p.t, want, got, path)
		case "type":
			require.Equal(p.t, want, jsonType(got, want), path)
		default:
			p.t.Fatalf("unknown assertion %s", key)
		}
	}
}

func jsonType(v, want any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case float64:
		if want == "integer" && v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	default:
		return fmt.Sprintf("%T", v)
	}
}

var pathStep = regexp.MustCompile(`^(?:\.([A-Za-z0-9_$-]+)|\['([^']*)'\]|\[(\d+)\]|(\[\*\])|\[\?([A-Za-z$.]+)=='([^']*)'\])`)

// walkPath follows the path language of the corpus: $, .name, ['urn'], [n], [*], [?name=='value'].
func walkPath(t testing.TB, doc any, path string) (value any, found bool) {
	t.Helper()
	rest := strings.TrimPrefix(path, "$")
	current := []any{doc}
	many := false
	for rest != "" {
		m := pathStep.FindStringSubmatch(rest)
		require.NotNil(t, m, "bad path %s", path)
		rest = rest[len(m[0]):]
		var next []any
		for _, c := range current {
			object, _ := c.(map[string]any)
			list, _ := c.([]any)
			switch {
			case m[1]+m[2] != "":
				if v, ok := object[m[1]+m[2]]; ok {
					next = append(next, v)
				}
			case m[3] != "":
				if i, _ := strconv.Atoi(m[3]); i < len(list) {
					next = append(next, list[i])
				}
			case m[4] != "":
				many = true
				next = append(next, list...)
			default:
				i := slices.IndexFunc(list, func(e any) bool {
					o, _ := e.(map[string]any)
					return o[m[5]] == m[6]
				})
				if i >= 0 {
					next = append(next, list[i])
				}
			}
		}
		current = next
	}
	if many {
		return current, true
	}
	if len(current) == 0 {
		return nil, false
	}
	return current[0], true
}
