package strict_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/strict"
)

func TestMain(m *testing.M) { claim.Main(m) }

var covers = claim.Covers

// canary stands in refused documents, and must not stand in what is said of them.
const canary = "canary"

// details are all sentences that a client may read.
var details = regexp.MustCompile(`^(` +
	`the JSON is nested deeper than \d+ levels|` +
	`the JSON holds more than \d+ values|` +
	`the JSON holds the character U\+0000( in the string)? at byte \d+|` +
	`the JSON is followed by more data|` +
	`the JSON is malformed at byte \d+|` +
	`the JSON repeats an object key at byte \d+|` +
	`the JSON repeats an object key that differs only in letter case|` +
	`the JSON ends too early|` +
	`expected (an object|an array|a string|true or false|a number|null) at byte \d+ of the JSON` +
	`)$`)

// tb is what tests, benchmarks and properties have in common.
type tb interface {
	require.TestingT
	Helper()
}

// refused requires an *Error that quotes nothing, and returns its detail.
func refused(t tb, err error, where string) string {
	t.Helper()
	var e *strict.Error
	require.ErrorAs(t, err, &e, "%.80q", where)
	require.Regexp(t, details, e.Detail, "%.80q", where)
	require.Equal(t, e.Detail, e.Error())
	require.NotContains(t, e.Error(), canary)
	return e.Detail
}

// walk reads the next value into what encoding/json with UseNumber would make of it. It checks keys as a decoder must.
func walk(r *strict.Reader) (any, error) {
	switch r.Kind() {
	case '{':
		object := map[string]any{}
		var names strict.Names
		err := r.Object(func(key string) error {
			if err := names.Add(key); err != nil {
				return err
			}
			v, err := walk(r)
			object[key] = v
			return err
		})
		return object, err
	case '[':
		list := []any{}
		err := r.Array(func() error {
			v, err := walk(r)
			list = append(list, v)
			return err
		})
		return list, err
	case '"':
		return r.String()
	case '0':
		literal, err := r.Number()
		return json.Number(literal), err
	case 't', 'f':
		return r.Bool()
	case 'n':
		return nil, r.Null()
	default:
		return nil, r.Skip()
	}
}

func read(body []byte) (v any, err error) {
	err = strict.Read(body, func(r *strict.Reader) (err error) {
		v, err = walk(r)
		return err
	})
	return v, err
}

// The ways in which a value can be consumed.
var ways = map[string]func(*strict.Reader) error{
	"walk": func(r *strict.Reader) error { _, err := walk(r); return err },
	"skip": (*strict.Reader).Skip,
	"raw":  func(r *strict.Reader) error { _, err := r.Raw(); return err },
}

func TestValuesAreReadAsWritten(t *testing.T) {
	t.Parallel()
	v, err := read([]byte(" \n\t{\"A\\u0062\":[1,-0,9007199254740993,1e400,-1.5E-3,true,false,null,\"\",\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"],\"o\":{\"o\":{}}} \r\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"Ab": []any{
			json.Number("1"), json.Number("-0"), json.Number("9007199254740993"), json.Number("1e400"), json.Number("-1.5E-3"),
			true, false, nil, "", "é😀\"\\/\b\f\n\r\t",
		},
		"o": map[string]any{"o": map[string]any{}},
	}, v)

	// Raw is the text of the document, white space inside included.
	err = strict.ReadString(`[ {"a" : [1, "\u0061"]} , 7 ]`, func(r *strict.Reader) error {
		var raws []string
		err := r.Array(func() error {
			raw, err := r.Raw()
			raws = append(raws, raw)
			return err
		})
		require.Equal(t, []string{`{"a" : [1, "\u0061"]}`, "7"}, raws)
		return err
	})
	require.NoError(t, err)
}

func TestMalformedDocuments(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing":                       "",
		"white space":                   " \n",
		"only an opening":               "{",
		"cut in a key":                  `{"canary`,
		"cut after a key":               `{"canary"`,
		"cut after a colon":             `{"canary":`,
		"cut in a value":                `{"canary":"canary`,
		"cut in an array":               `["canary",`,
		"missing comma":                 `["canary" "canary"]`,
		"trailing comma in an array":    `["canary",]`,
		"trailing comma in an object":   `{"canary":1,}`,
		"missing value":                 `{"canary":}`,
		"key without quotes":            `{canary:1}`,
		"key that is a number":          `{1:"canary"}`,
		"single quotes":                 `{'canary':1}`,
		"comment":                       `{"a":1//canary` + "\n}",
		"block comment":                 `/*canary*/{}`,
		"closed by another":             `["canary"}`,
		"closed too often":              `["canary"]]`,
		"closed before it is opened":    `]["canary"]`,
		"literal in another case":       `[True]`,
		"NaN":                           `[NaN]`,
		"infinity":                      `[-Infinity]`,
		"number with a plus":            `[+1]`,
		"number with leading zeros":     `[007]`,
		"number without a whole part":   `[.5]`,
		"number that ends in a dot":     `[5.]`,
		"number without an exponent":    `[1e]`,
		"hexadecimal number":            `[0x7f]`,
		"raw control character":         "[\"canary\n\"]",
		"unknown escape":                `["\canary"]`,
		"escape of three digits":        `["\u00e"]`,
		"two documents":                 `{"a":1}{"canary":2}`,
		"two documents, divided":        "{\"a\":1}\n{\"canary\":2}",
		"a word behind":                 `{"a":1} canary`,
		"a bracket behind":              `{"a":1}]`,
		"NUL behind":                    "{\"a\":1}\x00",
		"no UTF-8 in a value":           "[\"canary\xff\"]",
		"no UTF-8 in a key":             "{\"canary\xc3\":1}",
		"overlong UTF-8":                "[\"\xc0\xafcanary\"]",
		"surrogate in UTF-8":            "[\"\xed\xa0\x80canary\"]",
		"code point beyond Unicode":     "[\"\xf4\x90\x80\x80canary\"]",
		"no UTF-8 outside a string":     "[1\xff]",
		"lone high surrogate":           `["\ud800canary"]`,
		"lone low surrogate":            `["\udc00canary"]`,
		"surrogates in the wrong order": `["\udc00\ud800canary"]`,
		"high surrogate twice":          `["\ud800\ud800canary"]`,
		"lone surrogate in a key":       `{"\ud800canary":1}`,
		"UTF-16":                        "\xff\xfe{\x00}\x00",
		"byte order mark, not trimmed":  "\xef\xbb\xbf{}",
		"the same key twice":            `{"canary":1,"canary":2}`,
		"the same key, escaped":         `{"canary":1,"c\u0061nary":2}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, f := range ways {
				refused(t, strict.ReadString(body, f), way+" "+body)
				// Deep inside something that is taken as it comes, too. What closes too early or follows closes the outer one.
				nested := `{"a":[0,{"b":` + body + `}]}`
				refused(t, strict.Read([]byte(nested), f), way+" "+nested)
			}
		})
	}
	covers(t, "8259-8.1-01")
}

// The keys of one object differ in more than ASCII case, however they are written and wherever the object stands.
func TestRepeatedKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys   [2]string
		folded bool // only the comparison without case finds it
		twice  bool
	}{
		{keys: [2]string{`"userName"`, `"userName"`}, twice: true},
		{keys: [2]string{`"userName"`, `"user\u004eame"`}, twice: true},
		{keys: [2]string{`""`, `""`}, twice: true},
		{keys: [2]string{`"é"`, `"\u00e9"`}, twice: true},
		{keys: [2]string{`"userName"`, `"USERNAME"`}, folded: true, twice: true},
		{keys: [2]string{`"userName"`, `"UserNam\u0045"`}, folded: true, twice: true},
		{keys: [2]string{`"URN:A"`, `"urn:a"`}, folded: true, twice: true},
		{keys: [2]string{`"userName"`, `"u\u017ferName"`}}, // long s is no s
		{keys: [2]string{`"k"`, `"\u212a"`}},               // the Kelvin sign is no k
		{keys: [2]string{`"userName"`, `"userName "`}},
		{keys: [2]string{`"userName"`, `"ｕserName"`}},
		{keys: [2]string{`"É"`, `"é"`}},       // no SCIM name holds either
		{keys: [2]string{`"é"`, `"e\u0301"`}}, // nor are names normalised
		{keys: [2]string{`"["`, `"{"`}},       // neighbours of A and Z with the bit of case
		{keys: [2]string{`"@"`, `"\u0060"`}},
	} {
		for _, nest := range []string{`%s`, `{"a":%s}`, `[[0,%s]]`, `{"a":[{"a":1},{"b":%s}]}`} {
			body := fmt.Sprintf(nest, `{`+c.keys[0]+`:1,"x":{},`+c.keys[1]+`:2}`)
			for way, f := range ways {
				err := strict.ReadString(body, f)
				if !c.twice || c.folded && way == "raw" { // whoever takes a raw value reads it again
					require.NoError(t, err, "%s %s", way, body)
				} else {
					refused(t, err, way+" "+body)
				}
			}
		}
	}
	// Keys of different objects have nothing to do with each other.
	for _, body := range []string{`[{"a":1},{"a":1}]`, `{"a":{"a":{"a":1}}}`, `{"a":{"B":1},"b":{"A":1}}`} {
		for way, f := range ways {
			require.NoError(t, strict.ReadString(body, f), "%s %s", way, body)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	var names strict.Names
	for _, name := range []string{"a", "b", "", "\u017f", "\u212a"} {
		require.NoError(t, names.Add(name))
	}
	for _, name := range []string{"A", "b", "B", "", "\u017f"} {
		refused(t, names.Add(name), name)
	}
	require.NoError(t, names.Add("s"))
	require.NoError(t, names.Add("k"))

	require.Equal(t, "urn:ietf:user.name$-_09", strict.FoldName("URN:ietf:User.NAME$-_09"))
	require.Equal(t, "uſerÉ\xff@[`{", strict.FoldName("UſerÉ\xff@[`{"))
}

// A method that does not fit the next value says what it expected and where, and nothing of what is there.
func TestUnexpectedKinds(t *testing.T) {
	t.Parallel()
	methods := map[string]func(*strict.Reader) error{
		"{": func(r *strict.Reader) error { return r.Object(func(string) error { return r.Skip() }) },
		"[": func(r *strict.Reader) error { return r.Array(r.Skip) },
		`"`: func(r *strict.Reader) error { _, err := r.String(); return err },
		"0": func(r *strict.Reader) error { _, err := r.Number(); return err },
		"t": func(r *strict.Reader) error { _, err := r.Bool(); return err },
		"n": (*strict.Reader).Null,
	}
	for fits, method := range methods {
		for kind, value := range map[string]string{
			"{": `{"canary":1}`, "[": `["canary"]`, `"`: `"canary"`, "0": `42`, "t": `true`, "f": `false`, "n": `null`, "": `canary`, "]": `]`, ",": `,`,
		} {
			err := strict.ReadString(value, method)
			if kind == fits || kind == "f" && fits == "t" {
				require.NoError(t, err)
				continue
			}
			refused(t, err, value)
			refused(t, strict.ReadString(`{"a":[`+value+`]}`, func(r *strict.Reader) error {
				return r.Object(func(string) error { return r.Array(func() error { return method(r) }) })
			}), value)
		}
	}
	err := strict.ReadString(`  "canary"`, methods["{"])
	require.EqualError(t, err, "expected an object at byte 0 of the JSON")
}

// An error of the callback is the error of Read, at any depth, and what follows is not read.
func TestCallbackErrors(t *testing.T) {
	t.Parallel()
	sentinel := errors.New("enough")
	for _, body := range []string{`{"a":[1]}`, `{"a":[1]} trailing`, `{"a":[1],`} {
		err := strict.ReadString(body, func(r *strict.Reader) error {
			return r.Object(func(string) error { return r.Array(func() error { return sentinel }) })
		})
		require.Same(t, sentinel, err, body)
	}
	// A callback that leaves the value for later leaves it for "more data".
	refused(t, strict.ReadString(`{}`, func(*strict.Reader) error { return nil }), "{}")
}

func TestTrimByteOrderMark(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		rest   string
		marked bool
	}{
		"\xef\xbb\xbf{}":             {"{}", true},
		"\xef\xbb\xbf":               {"", true},
		"\xef\xbb\xbf\xef\xbb\xbf{}": {"\xef\xbb\xbf{}", true}, // only one
		"{}":                         {"{}", false},
		"\n\xef\xbb\xbf{}":           {"\n\xef\xbb\xbf{}", false},
		"\xef\xbb":                   {"\xef\xbb", false},
		"\xfe\xff{}":                 {"\xfe\xff{}", false},
		"":                           {"", false},
	} {
		rest, marked := strict.TrimByteOrderMark([]byte(body))
		require.Equal(t, want.rest, string(rest))
		require.Equal(t, want.marked, marked)
	}
	refused(t, strict.ReadString("\xef\xbb\xbf{}", (*strict.Reader).Skip), "a mark inside")
}

var wide = strict.Limits{Depth: 1 << 30, Values: 1 << 30}

func TestDepth(t *testing.T) {
	t.Parallel()
	limits := strict.Limits{Depth: 16, Values: 1 << 30}
	for _, pair := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
		width := strings.Count(pair[0], "[") + strings.Count(pair[0], "{")
		nest := func(n int) []byte {
			return []byte(strings.Repeat(pair[0], n/width) + "0" + strings.Repeat(pair[1], n/width))
		}
		require.NoError(t, strict.Check(nest(16), limits))
		_, err := read(nest(16))
		require.NoError(t, err)
		for _, n := range []int{17 + width - 1, 10_001, 1_000_000} {
			require.Equal(t, "the JSON is nested deeper than 16 levels", refused(t, strict.Check(nest(n), limits), "deep"))
		}
	}
	// Brackets beside each other and brackets in strings are no depth.
	require.NoError(t, strict.Check([]byte(`[[],{},[[]],{"a":{}}]`), strict.Limits{Depth: 3, Values: 100}))
	require.NoError(t, strict.Check([]byte(`["[[[[[[[[","{{{{\"[[[[\\"]`), strict.Limits{Depth: 1, Values: 100}))
	// Nor do brackets that close too early make room for more: the parser refuses the first of them.
	body := "]]]]" + strings.Repeat("[", 20)
	require.NoError(t, strict.Check([]byte(body), strict.Limits{Depth: 16, Values: 100}))
	refused(t, strict.ReadString(body, (*strict.Reader).Skip), body)
}

func TestValues(t *testing.T) {
	t.Parallel()
	array := func(n int) []byte { return []byte("[0" + strings.Repeat(",0", n-1) + "]") }
	object := func(n int) []byte { return []byte(`{"a":0` + strings.Repeat(`,"a":0`, n-1) + "}") }
	limits := strict.Limits{Depth: 16, Values: 1000}
	require.NoError(t, strict.Check(array(1000), limits))
	require.Equal(t, "the JSON holds more than 1000 values", refused(t, strict.Check(array(1001), limits), "many"))
	require.NoError(t, strict.Check(object(500), limits)) // keys count
	refused(t, strict.Check(object(501), limits), "many")
	for _, body := range []string{strings.Repeat("[],", 1_000_000), strings.Repeat("{", 1_000_000), strings.Repeat(",", 1_000_000), strings.Repeat(":", 1_000_000)} {
		refused(t, strict.Check([]byte(body), strict.Limits{Depth: 1 << 30, Values: 1000}), "many")
	}
	require.NoError(t, strict.Check([]byte(`[",,,,::::[[[{{{"]`), strict.Limits{Depth: 1, Values: 1}))
}

func TestNUL(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`["a\u0000"]`:                  true,
		`{"a\u0000":1}`:                true,
		`["\\\u0000"]`:                 true,
		`["\\u0000"]`:                  false, // a backslash and "u0000"
		`["\\\\u0000"]`:                false,
		`["\"\u0000"]`:                 true,
		`["\u0001","\u00000"]`:         true,
		`["\u0001\u00010"]`:            false,
		"[\"a\x00\"]":                  true,
		"[\x00]":                       true,
		"{\"a\"\x00:1}":                true,
		"[]\x00":                       true,
		`["a","b\u0000"`:               true, // cut short
		`["\`:                          false,
		`["\u`:                         false,
		`["\u000`:                      false,
		`{"a":"{\"a\":\"\\u0000\"}"}`:  false, // JSON in a string is checked when it is unwrapped
		`{"a":"b","c":["d\u0000","e"]`: true,
	} {
		err := strict.Check([]byte(body), wide)
		if !want {
			require.NoError(t, err, "%q", body)
			continue
		}
		require.Contains(t, refused(t, err, body), "U+0000")
	}
}

// What is accepted needs no memory to be checked, and what is refused none but its error's: there is no recursion to exhaust.
func TestCheckDoesNotAllocate(t *testing.T) {
	limits := strict.Limits{Depth: 16, Values: 100}
	body := []byte(`{"schemas":["urn:x"],"name":{"givenName":"A\"\\B"},"emails":[{"value":"a@b","primary":true}]}`)
	require.NoError(t, strict.Check(body, limits))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = strict.Check(body, limits) }))
	for _, body := range []string{strings.Repeat("[", 1_000_000), strings.Repeat(`{"a":`, 1_000_000), "[" + strings.Repeat("0,", 1_000_000)} {
		body := []byte(body)
		refused(t, strict.Check(body, limits), "large")
		require.LessOrEqual(t, testing.AllocsPerRun(10, func() { _ = strict.Check(body, limits) }), 4.0)
	}
	covers(t, "8259-4-01")
	require.Zero(t, testing.AllocsPerRun(100, func() { strict.FoldName("urn:ietf:params") }))
}

// For documents of any shape: Depth is exact, and Values is within a factor of two.
func TestCheckCountsWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body, err := json.Marshal(value(4).Draw(t, "value"))
		require.NoError(t, err)
		var v any
		require.NoError(t, json.Unmarshal(body, &v))
		depth, values := shape(v)
		require.NoError(t, strict.Check(body, strict.Limits{Depth: depth, Values: 2 * values}), "%s", body)
		if depth > 0 {
			refused(t, strict.Check(body, strict.Limits{Depth: depth - 1, Values: 2 * values}), string(body))
		}
		if values > 2 {
			refused(t, strict.Check(body, strict.Limits{Depth: depth, Values: values - 2}), string(body))
		}
		// What encoding/json writes, the reader reads, the same from a string and from bytes.
		got, err := read(body)
		require.NoError(t, err)
		require.Equal(t, unmarshal(t, body), got)
	})
}

// value draws JSON values whose keys differ in more than case.
func value(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		if depth == 0 {
			kind %= 4
		}
		switch kind {
		case 0:
			return rapid.StringMatching(`[^\x00]{0,8}`).Draw(t, "string")
		case 1:
			return rapid.Int64().Draw(t, "number")
		case 2:
			return rapid.Bool().Draw(t, "bool")
		case 3:
			return nil
		case 4:
			return rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "array")
		default:
			return rapid.MapOfN(rapid.StringMatching(`[a-z"\\é]{0,4}`), value(depth-1), 0, 4).Draw(t, "object")
		}
	})
}

// shape returns the depth of a value and the number of values in it, keys included.
func shape(v any) (depth, values int) {
	values = 1
	add := func(child any, keys int) {
		d, n := shape(child)
		depth = max(depth, d)
		values += n + keys
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			add(e, 0)
		}
		depth++
	case map[string]any:
		for _, e := range v {
			add(e, 1)
		}
		depth++
	}
	return depth, values
}

// unmarshal is the second opinion.
func unmarshal(t tb, body []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&v))
	return v
}

// Readers of different requests share tokenizers, one after the other: neither an error nor a panic of one reaches the next, and
// what was read stays what it was.
func TestReadersDoNotShareState(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			kept := map[string]any{}
			for i := range 200 {
				text := fmt.Sprintf("%d-%d", g, i)
				switch i % 4 {
				case 0:
					_, err := read([]byte(`{"broken":"` + text))
					if err == nil {
						t.Error("a broken document was read")
					}
				case 1:
					func() {
						defer func() { _ = recover() }()
						_ = strict.ReadString(`["`+text+`"]`, func(*strict.Reader) error { panic("half-way") })
					}()
				default:
					v, err := read([]byte(`{"text":"` + text + `","nested":[["` + text + `"]]}`))
					if err != nil {
						t.Error(err)
					}
					kept[text] = v
				}
			}
			for text, v := range kept {
				if got := v.(map[string]any)["text"]; got != text {
					t.Errorf("read %q, and later it was %q", text, got)
				}
			}
		})
	}
	wg.Wait()
	// A reader inside a reader has a tokenizer of its own: JSON inside a string.
	err := strict.ReadString(`["{\"a\":1}",2]`, func(r *strict.Reader) error {
		return r.Array(func() error {
			if r.Kind() != '"' {
				return r.Skip()
			}
			text, err := r.String()
			require.NoError(t, err)
			return strict.ReadString(text, (*strict.Reader).Skip)
		})
	})
	require.NoError(t, err)
}
