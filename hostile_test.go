package scim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
)

// ask sends a request to every store and returns the one answer.
func (a *sides) ask(t *testing.T, method, target, body string) reply {
	t.Helper()
	return a.send(t, letter{method: method, target: target, body: body, token: tokenA})
}

// find returns how many resources a filter finds, -1 if it is refused.
func (a *sides) find(t *testing.T, endpoint, filter string) int {
	t.Helper()
	r := a.ask(t, "GET", endpoint+"?filter="+url.QueryEscape(filter), "")
	if r.status != 200 {
		require.Equal(t, 400, r.status, r.body)
		return -1
	}
	var list struct{ TotalResults int }
	require.NoError(t, json.Unmarshal([]byte(r.body), &list))
	return list.TotalResults
}

// planes are texts of exactly size bytes, one from each plane of Unicode that has characters of its own or for private use.
func planes(size int) (texts []string) {
	for _, r := range "\u0101\uFFFD\U00010400\U0001F642\U00020000\U00030000\U000E0100\U000F0000\U0010FFFD" {
		n := len(string(r))
		texts = append(texts, strings.Repeat(string(r), size/n)+strings.Repeat("x", size%n))
	}
	return texts
}

// Texts that break something in one database or the other are stored, found, compared and removed in the same way on all stores.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	texts := append(planes(512), planes(511)...)
	texts = append(
		texts, `'`, `''`, `' OR 1=1 --`, `"; DROP TABLE scim_resources;--`, `\`, `\\`, `\'`, `$1`, `?`, `?1`, `:a`, `@p`, `{{7*7}}`, `${x}`, `%`, `_`, `%%`, `a%b_c`, `*`,
		`.*`, `(a+)+$`, `[a-z]`, `^a|b$`, `||`, `E'\\'`, `$.x`, `null`, `NULL`, `true`, `0`, `-1`, `1e999`, `{}`, `[]`, `sha256:00`, "\u007f", "\u0080", "\u2028",
		"\u202e", "\ufeff", "\u0301", " ", "\t", "\n", "\U0001F469\u200D\U0001F680", "a\u0000b", strings.Repeat("9", 1000), strings.Repeat("x", 513), strings.Repeat("x", 8192),
		strings.Repeat("x", 8193), strings.Repeat("\u0101", 4096),
	)
	literals := []string{`"\ud800"`, `"\ud801"`, `"\udc00\ud800"`, "\"\xff\"", "\"\xed\xa0\x80\"", `"\u0000"`, `"\x41"`}
	for _, text := range texts {
		literals = append(literals, quoted(text))
	}
	all := newSides(t)
	stored := 0
	for _, literal := range literals {
		all.start(dialect.Policy{UniqueGroupNames: true}, false)
		name := literal[:min(len(literal), 40)]
		made := all.ask(t, "POST", "/Users", userHead+literal+`}`)
		one := 0
		if made.status == 201 {
			one = 1
			stored++
			require.Equal(t, 409, all.ask(t, "POST", "/Users", userHead+literal+`}`).status, name)
		} else {
			require.Equal(t, 400, made.status, made.body)
			made = all.ask(t, "POST", "/Users", userHead+`"plain"}`)
		}
		var user struct{ ID string }
		require.NoError(t, json.Unmarshal([]byte(made.body), &user))
		for _, operator := range []string{"eq", "co", "sw", "ew", "ge", "le"} {
			if found := all.find(t, "/Users", "userName "+operator+" "+literal); found >= 0 && (one == 1 || operator == "eq") {
				require.Equal(t, one, found, "%s %s", operator, name)
			}
		}
		for _, filter := range []string{
			"id eq %s", "externalId eq %s", "emails[value eq %s]", "meta.version eq %s", "groups.value eq %s", "not (title co %s)",
			"displayName sw %s or title ew %s", "%s eq %s", "title %s %s", `userName eq %s and nickName gt %s`,
		} {
			all.find(t, "/Users", strings.ReplaceAll(filter, "%s", literal))
		}
		for _, filter := range []string{"displayName eq %s", "members eq %s", "members[value eq %s]", "displayName co %s"} {
			all.find(t, "/Groups", strings.ReplaceAll(filter, "%s", literal))
		}
		all.alter(t, user.ID, literal)
	}
	require.Greater(t, stored, len(texts)*3/4)
	covers(t, "F-10", "F-12", "J-05", "J-06")
}

// alter puts a text into every place of requests about a user and a group.
func (a *sides) alter(t *testing.T, id, literal string) {
	t.Helper()
	for _, attribute := range []string{"title", "externalId", "displayName", "userName", "locale", enterpriseURN + ":employeeNumber"} {
		a.ask(t, "PATCH", "/Users/"+id, patchHead+`{"op":"replace","path":"`+attribute+`","value":`+literal+`}]}`)
	}
	inPath := quoted("emails[value eq " + literal + "].type")
	for _, operation := range []string{
		`{"op":"add","path":"emails","value":[{"value":` + literal + `,"type":` + literal + `}]}`,
		`{"op":"replace","path":` + inPath + `,"value":"work"}`,
		`{"op":"remove","path":` + quoted("emails[value co "+literal+"]") + `}`,
		`{"op":"add","path":` + literal + `,"value":"x"}`,
		`{"op":` + literal + `,"path":"title","value":"x"}`,
		`{"op":"add","value":{` + literal + `:"x"}}`,
		`{"op":"add","path":"password","value":` + literal + `}`,
	} {
		a.ask(t, "PATCH", "/Users/"+id, patchHead+operation+`]}`)
	}
	a.ask(t, "PUT", "/Users/"+id, userHead+`"plain","emails":[{"value":`+literal+`}],"title":`+literal+`}`)
	made := a.ask(t, "POST", "/Groups", groupHead+literal+`,"members":[{"value":"`+id+`"},{"value":"`+id+`","display":`+literal+`}]}`)
	if made.status != 201 {
		made = a.ask(t, "POST", "/Groups", groupHead+`"Crew","members":[{"value":"`+id+`"}]}`)
	}
	var group struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(made.body), &group))
	for _, operation := range []string{
		`{"op":"add","path":"members","value":[{"value":` + literal + `}]}`,
		`{"op":"remove","path":` + quoted("members[value eq "+literal+"]") + `}`,
		`{"op":"replace","path":"displayName","value":` + literal + `}`,
		`{"op":"remove","path":"members","value":[{"value":` + literal + `}]}`,
	} {
		a.ask(t, "PATCH", "/Groups/"+group.ID, patchHead+operation+`]}`)
	}
	var text string
	if json.Unmarshal([]byte(literal), &text) == nil && len(text) < 600 {
		for _, method := range []string{"GET", "DELETE"} {
			a.ask(t, method, "/Users/"+url.PathEscape(text), "")
			a.ask(t, method, "/Groups/"+url.PathEscape(text), "")
		}
		a.ask(t, "GET", "/Users?attributes="+url.QueryEscape(text), "")
		a.ask(t, "GET", "/Users?filter=userName%20pr&sortBy="+url.QueryEscape(text), "")
	}
	a.ask(t, "GET", "/Users", "")
	a.ask(t, "GET", "/Groups", "")
}

// JSON that overflows a parser or a number is refused in the same way by all stores, and where it is allowed it is kept in the same way.
func TestHostileJSON(t *testing.T) {
	t.Parallel()
	all := newSides(t)
	all.start(dialect.Policy{}, false)
	digits := strings.Repeat("7", 1000)
	made := all.ask(t, "POST", "/Users", userHead+`"anna"}`)
	require.Equal(t, 201, made.status)
	var user struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(made.body), &user))
	values := []string{digits, "-" + digits, digits + "." + digits, "0." + digits, "1e" + digits, "1e400", "-0", "9007199254740993", "18446744073709551616"}
	for _, depth := range []int{10, 15, 16, 17, 100, 10_000} {
		values = append(values, strings.Repeat(`[`, depth)+strings.Repeat(`]`, depth), strings.Repeat(`{"a":`, depth)+`1`+strings.Repeat(`}`, depth))
	}
	for _, value := range values {
		for _, attribute := range []string{"title", "active", "emails", "name", "noSuch", enterpriseURN, "meta", "password", "id", "members"} {
			all.ask(t, "POST", "/Users", userHead+`"ben","`+attribute+`":`+value+`}`)
			all.ask(t, "PATCH", "/Users/"+user.ID, patchHead+`{"op":"replace","path":"`+attribute+`","value":`+value+`}]}`)
			all.ask(t, "PATCH", "/Users/"+user.ID, patchHead+`{"op":"replace","value":{"`+attribute+`":`+value+`}}]}`)
			all.ask(t, "POST", "/Groups", groupHead+`"Crew","`+attribute+`":`+value+`}`)
			if len(value) < 4000 {
				all.find(t, "/Users", attribute+" eq "+value)
				all.find(t, "/Users", attribute+" gt "+value)
			}
		}
		all.ask(t, "POST", "/Users/.search", `{"schemas":["`+searchURN+`"],"startIndex":`+value+`,"count":`+value+`}`)
		if len(value) < 4000 {
			all.ask(t, "GET", "/Users?count="+url.QueryEscape(value), "")
			all.ask(t, "GET", "/Users?startIndex="+url.QueryEscape(value), "")
		}
		all.ask(t, "GET", "/Users", "")
	}
	for _, startIndex := range []string{"9223372036854775807", "2147483648", "1000000"} {
		all.ask(t, "GET", "/Users?startIndex="+startIndex+"&count=8", "")
	}
}

// Which user names are one and the same is for package schema to say, and never for a database.
func TestUserNamesAliasAlike(t *testing.T) {
	t.Parallel()
	all := newSides(t)
	for i, pair := range []struct {
		first, second string
		same          bool
	}{
		{"anna", "ANNA", true},
		{"İlker", "i\u0307lker", true},
		{"İlker", "ilker", false},
		{"I", "ı", false},
		{"ilker", "ıLKER", false},
		{"\u212Aelvin", "kelvin", true},
		{"\u212Bsa", "åsa", true},
		{"straße", "STRA\u1E9EE", true},
		{"straße", "strasse", false},
		{"Åsa", "A\u030asa", true},
		{"q\u0307\u0323", "q\u0323\u0307", true},
		{"ｂｏｂ", "BOB", true},
		{"ＢＯＢ", "bob", true},
		{"ﬁn", "fin", false},
		{"ſam", "sam", false},
		{"ΣΊΣ", "σίσ", true},
		{"Ꭰ", "ꭰ", true},
		{"𐐀", "𐐨", true},
		{"bob", "bob ", false},
		{"a_b", "axb", false},
		{"100%", "1000", false},
		{"Ⅷ", "ⅷ", true},
		{"\u00ad", "", false},
		{"a\u200bb", "ab", false},
	} {
		all.start(dialect.Policy{}, false)
		name := fmt.Sprintf("%d: %+q and %+q", i, pair.first, pair.second)
		require.Equal(t, 201, all.ask(t, "POST", "/Users", userHead+quoted(pair.first)+`}`).status, name)
		found, status := 0, 201
		if pair.same {
			found, status = 1, 409
		}
		if pair.second != "" {
			require.Equal(t, found, all.find(t, "/Users", "userName eq "+quoted(pair.second)), name)
			require.Equal(t, found, all.find(t, "/Users", "userName sw "+quoted(pair.second)+" and userName ew "+quoted(pair.second)), name)
			require.Equal(t, 1-found, all.find(t, "/Users", "userName ne "+quoted(pair.second)), name)
			require.Equal(t, status, all.ask(t, "POST", "/Users", userHead+quoted(pair.second)+`}`).status, name)
		}
		all.ask(t, "GET", "/Users", "")
	}
	covers(t, "F-14")
}
