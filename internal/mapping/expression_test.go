package mapping_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/mapping"
)

func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expression, value, want string }{
		{`{{ value }}`, "a B", "a B"},
		{`{{value}}`, "x", "x"},
		{`{{ value | downcase }}`, "ÀB İ", "àb i"},
		{`{{ value | upcase }}`, "straße é", "STRAßE É"},
		{`{{ value | strip }}`, "\t a b \u00a0", "a b"},
		{`{{ value | strip }}`, "   ", ""},
		{`{{ value | split: "@" | first }}`, "a@b@c", "a"},
		{`{{ value | split: "@" | last }}`, "a@b@c", "c"},
		{`{{ value | split: "@" | last }}`, "a@b@@", "b"},
		{`{{ value | split: "@" | first }}`, "@b", ""},
		{`{{ value | split: "@" | last }}`, "@@", ""},
		{`{{ value | split: "@" | last }}`, "ab", "ab"},
		{`{{ value | split: "aa" | last }}`, "baaa", "a"},
		{`{{ value | split: " " | first }}`, "  Ada  Lovelace ", "Ada"},
		{`{{ value | split: " " | last }}`, "  Ada\tLovelace ", "Lovelace"},
		{`{{ value | split: " " | first }}`, " \t ", ""},
		{`{{ value | split: "" | first }}`, "éa", "é"},
		{`{{ value | split: "" | last }}`, "aé", "é"},
		{`{{ value | split: "-" | last | split: "/" | first }}`, "a-b/c", "b"},
		{`{{ value | replace: "a", "bb" }}`, "banana", "bbbnbbnbb"},
		{`{{ value | replace: "a", "" }}`, "aaa", ""},
		{`{{ value | replace: "x", "y" }}`, "banana", "banana"},
		{`{{ value | replace: "}", "" | replace: "{", "" }}`, "{guid}", "guid"},
		{`{{ value | prepend: "user:" }}`, "x", "user:x"},
		{`{{ value | append: '@example.com' }}`, "x", "x@example.com"},
		{`{{ value | append: "it's" | append: '"q"' }}`, "x", `xit's"q"`},
		{`{{ value | append: " | upcase {% x %} {{" }}`, "x", "x | upcase {% x %} {{"},
		{`{{ value | append: "ж" }}`, "x", "xж"},
		{`{{ value | default: "d" }}`, "x", "x"},
		{`{{ value | strip | default: "d" | upcase }}`, "  ", "D"},
		{`{{ value | split: "@" | last | default: "d" }}`, "@", "d"},
		{`{{ value | default: "" }}`, "x", "x"},
		{`{{ value|downcase|replace:" ","-"}}`, "A B", "a-b"},
		{`{{ value | downcase | replace: 'admins', 'org:admin' | default: 'org:member' }}`, "Admins", "org:admin"},
		// Nothing comes of nothing.
		{`{{ value | strip | append: "@example.com" }}`, " ", ""},
		{`{{ value | replace: "x", "" | prepend: "a" | append: "b" | upcase }}`, "x", ""},
	} {
		got, err := evaluate(t, c.expression, c.value, nil)
		require.NoError(t, err, c.expression)
		require.Equal(t, c.want, got, "%s of %q", c.expression, c.value)
	}
	covers(t, "S-66")
}

func TestAbsentValues(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`{{ value }}`: "",
		`{{ value | append: "x" | prepend: "y" }}`:     "",
		`{{ value | default: "d" }}`:                   "d",
		`{{ value | append: "x" | default: "d" }}`:     "d",
		`{{ value | upcase | default: "d" | upcase }}`: "D",
		`{{ value | default: "d" | split: "d"|last }}`: "",
	} {
		table := map[string]string{"nickName": expression + ".display_name"}
		result := apply(t, table, `{"userName":"u"}`)
		require.Equal(t, want, result.Fields[mapping.DisplayName], expression)
		result = apply(t, table, `{"displayName":"next"}`)
		if want == "" {
			want = "next"
		}
		require.Equal(t, want, result.Fields[mapping.DisplayName], expression)
	}
	table := map[string]string{`emails[type eq "work"].value`: `{{ value | default: "none" }}.metadata.mail`}
	require.Equal(t, "none", apply(t, table, `{"emails":[{"type":"home","value":"h"}]}`).Metadata["mail"])
	covers(t, "S-66")
}

// Without a target, an expression has the one that its key has by default.
func TestExpressionsWithoutTarget(t *testing.T) {
	t.Parallel()
	require.Equal(t, "A@B", apply(t, map[string]string{"username": "{{ value | upcase }}"}, `{"userName":"a@b"}`).Fields[mapping.Email])
	require.Equal(t, "nickName", refusal(t, map[string]string{"nickName": "{{ value | upcase }}"}, nil).Key)
}

func TestRefusedExpressions(t *testing.T) {
	t.Parallel()
	for expression, reason := range map[string]string{
		`{{`:                       "does not end",
		`{{ value`:                 "does not end",
		`{{ value | append: "}}`:   "must not hold }}",
		`{{ value | append: "x`:    "does not end",
		`{{}}`:                     "value",
		`{{ }}`:                    "cannot be read",
		`{{ other }}`:              "must start with value",
		`{{ "x" }}`:                "must start with value",
		`{{ nil }}`:                "must start with value",
		`{{ 0 }}`:                  "must start with value",
		`{{ value value }}`:        "cannot be read",
		`{{ value | }}`:            "cannot be read",
		`{{ | upcase }}`:           "cannot be read",
		`{{ value || upcase }}`:    "cannot be read",
		`{{ value | upcase: }}`:    "cannot be read",
		`{{ value | "x" }}`:        "cannot be read",
		`{{ value: "x" }}`:         "cannot be read",
		`{{ value upcase }}`:       "cannot be read",
		`{{ value and value }}`:    "must start with value",
		`{{ value or upcase }}`:    "must start with value",
		`{{ value contains "x" }}`: "must start with value",
		`{{ value | upcase and value | downcase }}`:                 "",
		`{{ value and value | upcase }}`:                            "must start with value",
		`{{ other | upcase }}`:                                      "filter upcase must be applied to value",
		`{{ "x" | append: "y" }}`:                                   "must be applied to value",
		`{{ value | append: value }}`:                               "must be quoted",
		`{{ value | append: other }}`:                               "must be quoted",
		`{{ value | append: nil }}`:                                 "must be quoted",
		`{{ value | append: true }}`:                                "must be quoted",
		`{{ value | append: 1 }}`:                                   "must be quoted",
		`{{ value | append: 99999999999999999999 }}`:                "cannot be read", // Liquid panics
		`{{ value | append }}`:                                      "takes 1 arguments, not 0",
		`{{ value | append: "x", "y" }}`:                            "takes 1 arguments, not 2",
		`{{ value | replace: "x" }}`:                                "takes 2 arguments, not 1",
		`{{ value | upcase: "x" }}`:                                 "takes 0 arguments, not 1",
		`{{ value | replace: "", "x" }}`:                            "needs a text to replace",
		`{{ value | split: "x" }}`:                                  "needs first or last",
		`{{ value | split: "x" | upcase }}`:                         "needs first or last",
		`{{ value | split: "x" | split: "y" | first }}`:             "needs first or last",
		`{{ value | first }}`:                                       "needs split",
		`{{ value | split: "x" | first | last }}`:                   "needs split",
		`{{ value | size }}`:                                        `"size": the filters are append, default,`,
		`{{ value | date: "%Y" }}`:                                  `"date"`,
		`{{ value | Upcase }}`:                                      `"Upcase"`,
		`{{ value | escape }}`:                                      `"escape"`,
		`{{ value.size }}`:                                          "byte 8 fits none",
		`{{ value[0] }}`:                                            "fits none",
		`{{ (1..9) }}`:                                              "fits none",
		`{{ (1..999999999) | first }}`:                              "fits none",
		`{{ (value) }}`:                                             "fits none",
		`{{ value == value }}`:                                      "fits none",
		`{{ value; value }}`:                                        "fits none",
		`{{- value -}}`:                                             "fits none",
		`{{ value | append: -1 }}`:                                  "fits none",
		`{{ välue }}`:                                               "fits none",
		`{{ value | append: "a"" }}`:                                "must not hold }}",
		`{{ {{ value }} }}`:                                         "fits none",
		`{{ {% assign x = 1 %} }}`:                                  "fits none",
		`{{ %assign x = value }}`:                                   "fits none",
		`{{ value }}{{ value }}`:                                    "a dot and a target",
		`{{ value }} .email`:                                        "a dot and a target",
		`{{ value }}{% if value %}x{% endif %}`:                     "a dot and a target",
		`{{ value }}email`:                                          "a dot and a target",
		` {{ value }}.email`:                                        "the target must be",
		`x{{ value }}.email`:                                        "the target must be",
		`{% if value %}.email`:                                      "the target must be",
		"{{ value | append: \"\n\" }}":                              "control character",
		"{{ value | append: \"\x00\" }}":                            "control character",
		"{{ value | append: \"\u0085\" }}":                          "control character",
		"{{ value | append: \"\xff\" }}":                            "UTF-8",
		"{{\tvalue }}":                                              "control character",
		`{{ value` + strings.Repeat(" | strip", 11) + ` }}`:         "at most 10 filters",
		`{{ value | append: "` + strings.Repeat("x", 1001) + `" }}`: "longer than 1024 bytes",
	} {
		refused := refusal(t, map[string]string{"nickName": expression, "userName": "email"}, nil)
		require.Equal(t, "nickName", refused.Key)
		require.Contains(t, refused.Reason, reason, expression)
		require.NotContains(t, refused.Error(), "\x00")
	}
	compile(t, map[string]string{"nickName": `{{ value | append: "` + strings.Repeat("x", 1000) + `" }}.email`})
	compile(t, map[string]string{"nickName": `{{ value` + strings.Repeat(" | strip", 10) + ` }}.email`})
	covers(t, "S-66")
}

func TestBounds(t *testing.T) {
	t.Parallel()
	doubling := strings.Repeat(` | replace: "a", "aa"`, 3)
	for _, c := range []struct {
		name, expression string
		value            string
		refused          string
	}{
		{"longest value", `{{ value }}`, strings.Repeat("a", 8<<10), ""},
		{"value too long", `{{ value }}`, strings.Repeat("a", 8<<10+1), "the value is longer than 8192 bytes"},
		{"value too long for a short result", `{{ value | split: "b" | first }}`, "ab" + strings.Repeat("a", 8<<10), "the value is longer"},
		{"result too long", `{{ value | append: "b" }}`, strings.Repeat("a", 8<<10), "the result of the expression is longer than 8192 bytes"},
		{"long in between", `{{ value | replace: "a", "aaaaaaaa" | split: "" | first }}`, strings.Repeat("a", 8<<10), ""},
		{"too long in between", `{{ value | append: "a" | replace: "a", "aaaaaaaa" | split: "" | first }}`, strings.Repeat("a", 8<<10),
			"the result of the filter replace is longer than 65536 bytes"},
		{"growing", `{{ value` + doubling + ` | split: "a" | last }}`, strings.Repeat("a", 4<<10) + "b", ""},
		{"growing too much", `{{ value` + doubling + ` | split: "a" | last }}`, strings.Repeat("a", 8<<10-1) + "b", "together"},
		{"much work", `{{ value` + strings.Repeat(` | upcase`, 10) + ` }}`, strings.Repeat("a", 8<<10), ""},
		{"too much work", `{{ value | replace: "a", "aaaaa" | upcase | upcase | upcase | split: "" | last }}`, strings.Repeat("a", 8<<10),
			"the value and the results of the filters up to upcase are longer than 98304 bytes together"},
		{"the most work", `{{ value | replace: "a", "aa"` + strings.Repeat(` | upcase`, 4) + ` | replace: "AA", "A" }}`, strings.Repeat("a", 8<<10), ""},
		{"one byte more", `{{ value | replace: "a", "aa"` + strings.Repeat(` | upcase`, 4) + ` | replace: "AA", "A" | split: "" | last }}`,
			strings.Repeat("a", 8<<10), "together"},
		{"letters that grow", `{{ value | downcase }}`, strings.Repeat("Ⱥ", 4<<10), "the result of the expression"},
	} {
		got, err := evaluate(t, c.expression, c.value, nil)
		if c.refused == "" {
			require.NoError(t, err, c.name)
			require.NotEmpty(t, got, c.name)
			continue
		}
		var refused *mapping.Error
		require.ErrorAs(t, err, &refused, c.name)
		require.Equal(t, "nickName", refused.Key, c.name)
		require.Contains(t, refused.Reason, c.refused, c.name)
		require.NotContains(t, refused.Error(), "aa", c.name)
		require.Empty(t, got, c.name)
	}
	covers(t, "S-66")
}

// The host's function sees every result between two filters: none is longer than the bound, nor are all together. What the filters
// allocate does not depend on how often their argument occurs in a value, and grows with its length no faster than that.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	for _, value := range []string{strings.Repeat("a", 8<<10), strings.Repeat("ab", 4<<10), strings.Repeat("é ", 2<<10)} {
		for _, filter := range []string{
			`replace: "a", "aaaaaaa"`, `replace: "a", "b"`, `append: "` + strings.Repeat("a", 100) + `"`, `upcase`, `downcase`, `split: "a" | last`,
			`split: " " | last`, `split: "" | last`, `default: "x"`,
		} {
			var calls, total int
			functions := map[string]mapping.Function{"see": func(text string) (string, error) {
				require.LessOrEqual(t, len(text), mapping.MaxResult)
				calls++
				total += len(text)
				return text, nil
			}}
			_, err := evaluate(t, `{{ value | see`+strings.Repeat(" | "+filter+" | see", 3)+` }}`, value, functions)
			require.LessOrEqual(t, calls, 4)
			require.LessOrEqual(t, total, mapping.MaxWork)
			if err != nil {
				var refused *mapping.Error
				require.ErrorAs(t, err, &refused)
			}
		}
	}
	covers(t, "S-66")
}

// Not parallel, as the next one: they count allocations of the whole process.
func TestResultsThatAreTooLongAreNotMade(t *testing.T) {
	m := compile(t, map[string]string{"nickName": `{{ value | replace: "a", "` + strings.Repeat("b", 900) + `" }}.metadata.x`})
	document := user(t, "nickName", strings.Repeat("a", mapping.MaxValue))
	_, err := document.Tree(userType)
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = m.Apply(context.Background(), document)
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "the result of the filter replace is longer")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(mapping.MaxValue*900/2))
	covers(t, "S-66")
}

func TestAllocationsDoNotGrowWithTheParts(t *testing.T) {
	for _, filter := range []string{`split: "b" | last`, `split: "" | last`, `split: " " | first`, `replace: "b", "c"`, `upcase`, `strip`} {
		m, err := mapping.Compile(userType, map[string]string{"nickName": "{{ value | " + filter + " }}.metadata.x"}, nil)
		require.NoError(t, err)
		var allocations [2]float64
		for i, parts := range []int{4, 4 << 10} {
			document := user(t, "nickName", strings.Repeat("ab", parts))
			_, err := m.Apply(context.Background(), document) // reads the JSON
			require.NoError(t, err)
			allocations[i] = testing.AllocsPerRun(10, func() { _, _ = m.Apply(context.Background(), document) })
		}
		require.LessOrEqual(t, allocations[1], allocations[0]+2, filter)
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	failure := errors.New("no such team")
	functions := map[string]mapping.Function{
		"team":     func(text string) (string, error) { return "team-" + text, nil },
		"nothing":  func(string) (string, error) { return "", nil },
		"fail":     func(string) (string, error) { return "ignored", failure },
		"panic":    func(string) (string, error) { panic("secret value") },
		"latin1":   func(string) (string, error) { return "\xe9", nil },
		"long":     func(string) (string, error) { return strings.Repeat("x", mapping.MaxResult+1), nil },
		"_x9":      func(text string) (string, error) { return text + "9", nil },
		"order":    func(text string) (string, error) { return text + "!", nil }, // starts like a word of Liquid
		"nil_2":    func(text string) (string, error) { return text + "?", nil },
		"value":    func(text string) (string, error) { return text + ".", nil },
		"reversed": func(text string) (string, error) { return text + "r", nil },
	}
	for expression, want := range map[string]string{
		`{{ value | team }}`:                           "team-A",
		`{{ value | downcase | team | upcase }}`:       "TEAM-A",
		`{{ value | nothing }}`:                        "",
		`{{ value | nothing | fail | default: "d" }}`:  "d",
		`{{ value | _x9 | order | nil_2 | reversed }}`: "A9!?r",
		`{{ value | value }}`:                          "A.",
		`{{ value | split: "x" | last | team }}`:       "team-A",
	} {
		got, err := evaluate(t, expression, "A", functions)
		require.NoError(t, err, expression)
		require.Equal(t, want, got, expression)
	}
	covers(t, "S-66")

	for name, reason := range map[string]string{
		"fail": "the function fail failed", "panic": "the function panic failed", "latin1": "the function latin1 failed",
		"long": "the result of the filter long is longer than 65536 bytes",
	} {
		_, err := evaluate(t, `{{ value | `+name+` }}`, "A", functions)
		var refused *mapping.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, "nickName", refused.Key)
		require.Equal(t, reason, refused.Reason)
		require.Equal(t, name == "fail", errors.Is(err, failure))
	}
	_, err := evaluate(t, `{{ value | fail }}`, "A", functions)
	require.EqualError(t, err, `attribute mapping, key "nickName": the function fail failed: no such team`)

	require.Contains(t, refusal(t, map[string]string{"nickName": `{{ value | team: "x" }}.email`}, functions).Reason, "takes 0 arguments")
	require.Contains(t, refusal(t, map[string]string{"nickName": `{{ value | split: "x" | team }}.email`}, functions).Reason, "needs first or last")
	require.Contains(t, refusal(t, map[string]string{"nickName": `{{ value | teams }}.email`}, functions).Reason, "upcase, _x9, fail")
	require.Contains(t, refusal(t, map[string]string{"nickName": `{{ value | team }}.email`}, nil).Reason, `undefined filter "team"`)
}

func TestRefusedFunctions(t *testing.T) {
	t.Parallel()
	same := func(text string) (string, error) { return text, nil }
	for _, name := range []string{
		"", "Team", "a-b", "a b", "9a", "é", "a.b", "a?", strings.Repeat("f", 65), "and", "or", "nil", "true", "false", "in", "contains",
		"upcase", "split", "default",
	} {
		refused := refusal(t, nil, map[string]mapping.Function{name: same})
		require.Empty(t, refused.Key, name)
		require.Contains(t, refused.Reason, name)
	}
	require.Contains(t, refusal(t, nil, map[string]mapping.Function{"team": nil}).Reason, "the function team is nil")
	_, err := mapping.Compile(userType, nil, map[string]mapping.Function{strings.Repeat("f", 64): same})
	require.NoError(t, err)
}

func TestContextEndsAnEvaluation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(context.Background())
	calls := 0
	m, err := mapping.Compile(userType, map[string]string{
		"nickName": "{{ value | stop | stop }}.metadata.x", "title": "{{ value | stop }}.metadata.y",
	}, map[string]mapping.Function{"stop": func(text string) (string, error) {
		calls++
		cancel(nil)
		return text, nil
	}})
	require.NoError(t, err)
	document := decode(t, userType, barbara)
	result, err := m.Apply(ctx, document)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, mapping.Result{}, result)
	require.Equal(t, 1, calls)
	_, err = compile(t, nil).Apply(ctx, document)
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.Apply(ctx, document)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, calls)
	covers(t, "S-66")
}

// A key whose target is decided is not evaluated.
func TestOnlyTheWinnerIsEvaluated(t *testing.T) {
	t.Parallel()
	table := map[string]string{"name.formatted": "metadata.x", "nickName": "{{ value | fail }}.metadata.x"}
	m, err := mapping.Compile(userType, table, map[string]mapping.Function{"fail": func(string) (string, error) { return "", errors.New("asked") }})
	require.NoError(t, err)
	result, err := m.Apply(context.Background(), decode(t, userType, `{"nickName":"n","name":{"formatted":"F"}}`))
	require.NoError(t, err)
	require.Equal(t, "F", result.Metadata["x"])
	_, err = m.Apply(context.Background(), decode(t, userType, `{"nickName":"n"}`))
	require.ErrorContains(t, err, "asked")
}

// call is one filter with its arguments.
type call struct {
	name      string
	arguments []string
}

// reference evaluates filters as the documentation of Liquid describes them, with the lists that they make; ok is false for a result
// between two of them that is too long.
func reference(calls []call, value string) (result string, ok bool) {
	work := len(value)
	var list []string
	for i, c := range calls {
		if value == "" && list == nil && c.name != "default" {
			continue
		}
		switch c.name {
		case "downcase":
			value = strings.ToLower(value)
		case "upcase":
			value = strings.ToUpper(value)
		case "strip":
			value = strings.TrimSpace(value)
		case "split":
			list = strings.Split(value, c.arguments[0])
			if c.arguments[0] == " " {
				list = strings.Fields(value)
			}
			for len(list) > 0 && list[len(list)-1] == "" {
				list = list[:len(list)-1]
			}
			list = append([]string{}, list...)
			continue
		case "first", "last":
			value = ""
			if len(list) > 0 && c.name == "first" {
				value = list[0]
			} else if len(list) > 0 {
				value = list[len(list)-1]
			}
			list = nil
		case "replace":
			value = strings.ReplaceAll(value, c.arguments[0], c.arguments[1])
		case "prepend":
			value = c.arguments[0] + value
		case "append":
			value += c.arguments[0]
		case "default":
			if value == "" {
				value = c.arguments[0]
			}
		default:
			panic(fmt.Sprint(i, c))
		}
		if work += len(value); len(value) > mapping.MaxResult || work > mapping.MaxWork {
			return "", false
		}
	}
	return value, len(value) <= mapping.MaxValue && utf8.ValidString(value)
}

// write writes filters as an expression.
func write(calls []call) string {
	text := "{{ value"
	for _, c := range calls {
		text += " | " + c.name
		for i, argument := range c.arguments {
			quote, separator := `"`, ": "
			if strings.Contains(argument, `"`) {
				quote = "'"
			}
			if i > 0 {
				separator = ", "
			}
			text += separator + quote + argument + quote
		}
	}
	return text + " }}"
}

func TestReferenceAgrees(t *testing.T) {
	t.Parallel()
	calls := []call{{"split", []string{"@"}}, {"first", nil}, {"replace", []string{"a", `"`}}, {"upcase", nil}}
	require.Equal(t, `{{ value | split: "@" | first | replace: "a", '"' | upcase }}`, write(calls))
	want, ok := reference(calls, "xay@z")
	require.True(t, ok)
	require.Equal(t, `X"Y`, want)
	got, err := evaluate(t, write(calls), "xay@z", nil)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.True(t, json.Valid(user(t, "nickName", "x").JSON()))
}
