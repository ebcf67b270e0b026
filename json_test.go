package scim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// Bodies: RFC 8259, without its ambiguities.

func jsonOf(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// writer is a request that takes a body: a POST, PUT, PATCH or search. It returns the answer and what must not have changed.
type writer struct {
	name string
	send func(s *server, id string, body any, headers ...string) *response
}

var writers = []writer{
	{"POST", func(s *server, _ string, body any, headers ...string) *response {
		return s.do("POST", "/Users", body, headers...)
	}},
	{"PUT", func(s *server, id string, body any, headers ...string) *response {
		return s.do("PUT", "/Users/"+id, body, headers...)
	}},
	{"PATCH", func(s *server, id string, body any, headers ...string) *response {
		return s.do("PATCH", "/Users/"+id, body, headers...)
	}},
	{".search", func(s *server, _ string, body any, headers ...string) *response {
		return s.do("POST", "/Users/.search", body, headers...)
	}},
}

// unharmed runs f and checks that nothing happened meanwhile.
func (s *server) unharmed(f func(id string)) {
	s.t.Helper()
	_, n := s.list("/Users")
	id := s.user(fmt.Sprintf("bystander%d", n), map[string]any{"title": "x"}).id()
	before := string(s.get("/Users").body)
	s.events.take()
	f(id)
	require.Equal(s.t, before, string(s.get("/Users").body))
	require.Empty(s.t, s.events.take())
}

// resource is a user's body as text, with more members.
func resource(members string) string {
	return `{"schemas":["` + userURN + `"],"userName":"bert"` + members + `}`
}

func operations(list string) string {
	return `{"schemas":["` + patchURN + `"],"Operations":[` + list + `]}`
}

func TestRepeatedKeys(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.unharmed(func(id string) {
			for _, body := range []string{
				`{"schemas":["` + userURN + `"],"userName":"alice","userName":"admin"}`,
				resource(`,"name":{"givenName":"a","givenName":"b"}`),
				resource(`,"emails":[{"value":"a","value":"b"}]`),
				resource(`,"unknown":{"a":1,"a":2}`),
				resource(`,"` + enterpriseURN + `":{"department":"a","department":"b"}`),
				resource(`,"` + enterpriseURN + `":{},"` + enterpriseURN + `":{}`),
				resource(`,"password":{"a":1,"a":2}`),
				resource(`,"meta":{"version":"a","version":"b"}`),
				resource(`,"schemas":[]`),
				resource(`,"user\u004eame":"x"`),
				resource(`,"foo":1,"f\u006fo":2`),
			} {
				s.do("POST", "/Users", body).fails(400, "invalidSyntax")
				s.do("PUT", "/Users/"+id, body).fails(400, "invalidSyntax")
			}
			for _, op := range []string{
				`{"op":"replace","path":"title","value":"a","value":"b"}`,
				`{"op":"replace","op":"remove","path":"title"}`,
				`{"op":"replace","path":"title","path":"userName","value":"a"}`,
				`{"op":"replace","value":{"title":"a","title":"b"}}`,
				`{"op":"replace","value":{"name":{"givenName":"a","givenName":"b"}}}`,
				`{"op":"replace","path":"name","value":{"givenName":"a","givenName":"b"}}`,
				`{"op":"add","path":"emails","value":[{"value":"a","value":"b"}]}`,
				`{"op":"add","path":"password","value":{"a":1,"a":2}}`,
				`{"op":"add","path":"urn:example:ext:2.0:User:x","value":{"a":1,"a":2}}`,
				`{"op":"add","value":{"foo":{"a":1,"a":2}}}`,
				`{"op":"replace","path":"title","value":"a"}],"Operations":[{"op":"replace","path":"title","value":"b"}`,
			} {
				s.do("PATCH", "/Users/"+id, operations(op)).fails(400, "invalidSyntax")
			}
			for _, members := range []string{`[{"value":"a","value":"b"}]`, `[{"value":"` + id + `"},{"value":"` + id + `","display":"a","display":"b"}]`} {
				s.do("POST", "/Groups", `{"schemas":["`+groupURN+`"],"displayName":"x","members":`+members+`}`).fails(400, "invalidSyntax")
			}
			covers(t, "J-01")
			for _, body := range []string{
				`{"schemas":["` + userURN + `"],"userName":"alice","USERNAME":"admin"}`,
				resource(`,"name":{"givenName":"a","GivenName":"b"}`),
				resource(`,"Name":{},"name":{}`),
				resource(`,"unknown":{"a":1,"A":2}`),
				resource(`,"unknown":1,"UNKNOWN":2`),
				resource(`,"emails":[{"value":"a"},{"value":"a","VALUE":"b"}]`),
				resource(`,"` + enterpriseURN + `":{"department":"a"},"` + strings.ToUpper(enterpriseURN) + `":{"department":"b"}`),
				resource(`,"SCHEMAS":[]`),
				resource(`,"active":true,"Active":false`),
			} {
				s.do("POST", "/Users", body).fails(400, "invalidSyntax")
				s.do("PUT", "/Users/"+id, body).fails(400, "invalidSyntax")
			}
			for _, body := range []string{
				operations(`{"op":"replace","path":"title","value":"a","Value":"b"}`),
				operations(`{"op":"replace","OP":"remove","path":"title"}`),
				operations(`{"op":"replace","value":{"title":"a","TITLE":"b"}}`),
				operations(`{"op":"replace","path":"name","value":{"givenName":"a","GIVENNAME":"b"}}`),
				`{"schemas":["` + patchURN + `"],"Operations":[],"operations":[{"op":"replace","path":"title","value":"b"}]}`,
			} {
				s.do("PATCH", "/Users/"+id, body).fails(400, "invalidSyntax")
			}
			covers(t, "J-02")
		})
	})
}

func TestKeysAreComparedAsASCII(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, key := range []string{"u\u017ferName", "use\u0280Name", "\uff55\uff53\uff45\uff52\uff2e\uff41\uff4d\uff45", "userName\u200b", "userName ", "\u00a0userName", "u\\u017ferName"} {
			s.do("POST", "/Users", `{"schemas":["`+userURN+`"],"`+key+`":"admin"}`).fails(400, "invalidValue")
			a := s.do("POST", "/Users", resource(`,"`+key+`":"admin"`)).is(201)
			require.Equal(t, "bert", a.at("userName"))
			require.NotContains(t, string(a.body), "admin")
			s.do("DELETE", "/Users/"+a.id(), nil).is(204)
		}
		a := s.do("POST", "/Users", resource(`,"nic\u212aName":"admin","t\u0131tle":"admin"`)).is(201)
		require.ElementsMatch(t, []string{"schemas", "id", "userName", "active", "meta"}, keys(a.json()))
		s.patch("/Users/"+a.id(), pathless("replace", map[string]any{"u\u017ferName": "admin"})).is(200)
		s.patch("/Users/"+a.id(), op("replace", "u\u017ferName", "admin")).fails(400, "invalidPath")
		s.refused("/Users", "u\u017ferName eq \"bert\"")
		require.Equal(t, "bert", s.get("/Users/"+a.id()).at("userName"))
		covers(t, "J-03")
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		s.do("POST", "/Users", resource(`,"u\u017ferName":"admin"`)).fails(400, "invalidSyntax")
	}, strictly)
}

func TestBodiesThatAreNoJSONObject(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.unharmed(func(id string) {
			whole := resource("")
			for _, body := range []string{
				whole + "x", whole + whole, whole + "{}", whole + " null", whole + "]", whole + ",", whole + "\x00",
				`//c` + "\n" + whole, `/* c */` + whole, strings.ReplaceAll(whole, `"`, `'`), "", " ", "null", "[]", "[" + whole + "]", `"x"`, "42", "true", "{", "}", "{}{",
				`{"schemas"}`, `{schemas:[]}`, `{"a":1,}`, `{,}`, "\ufeff", "\ufeff\ufeff" + whole, "\xff\xfe{\x00}\x00", "nul", "\x0b" + whole, "\u00a0" + whole,
			} {
				for _, w := range writers {
					a := w.send(s, id, body)
					require.Equal(t, 400, a.status, "%s %q: %s", w.name, body, a.body)
					require.Equal(t, "invalidSyntax", a.at("scimType"), "%s %q: %s", w.name, body, a.body)
				}
			}
			words := []string{"NaN", "+1", ".5", "Infinity", "nul", "True", "'x'", "undefined", "//x", "\u00a01"}
			numbers := []string{"01", "1.", "1e", "-", "--1", "0x10", "1.e5", "1e+", "-01", "1_000", "1f"}
			texts := []string{`"a`, `"\x41"`, "\"a\nb\"", `"\u12"`, "\"a\tb\"", `"\"`}
			others := []string{"tru", "[1,]", "[,]", "[1 2]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{1:2}`, "[", "]", "{", "}}"}
			for key, values := range map[string][][]string{
				// What nobody looks at must be sound as well.
				"unknown": {words, numbers, texts, others}, "password": {words, numbers, texts, others}, "meta": {words, numbers, texts, others}, "id": {words, numbers, texts, others},
				"title": {words, texts}, "active": {words, {"tru", "fals", "trueish"}}, "name": {words, {`{"givenName"}`, `{"givenName":}`, `{"givenName":"x",}`, "{"}},
				"emails": {words, {"[{},]", `[{"value":"x"} {}]`, "[", "[{"}}, enterpriseURN: {words, {`{"department"}`, "{"}},
			} {
				for _, value := range slices.Concat(values...) {
					for _, a := range []*response{
						s.do("POST", "/Users", resource(`,"`+key+`":`+value)), s.do("PUT", "/Users/"+id, resource(`,"`+key+`":`+value)),
						s.do("PATCH", "/Users/"+id, operations(`{"op":"replace","value":{"`+key+`":`+value+`}}`)),
						s.do("PATCH", "/Users/"+id, operations(`{"op":"replace","path":"`+key+`","value":`+value+`}`)),
					} {
						require.Equal(t, 400, a.status, "%s: %s: %s", key, value, a.body)
						require.Equal(t, "invalidSyntax", a.at("scimType"), "%s: %s: %s", key, value, a.body)
					}
				}
			}
			for _, value := range slices.Concat(words, numbers) {
				s.do("POST", "/Devices", `{"schemas":["`+deviceURN+`"],"deviceName":"x","slots":`+value+`}`).fails(400, "invalidSyntax")
				s.do("POST", "/Devices", `{"schemas":["`+deviceURN+`"],"deviceName":"x","weight":`+value+`}`).fails(400, "invalidSyntax")
			}
		})
		covers(t, "J-04")
	}, withDevices)
}

// A byte order mark is the one thing before a body that is tolerated; a strict connection refuses it.
func TestByteOrderMarks(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.do("POST", "/Users", "\ufeff"+resource("")).is(201)
		records := s.log.records(t)
		require.Equal(t, []any{"byte-order-mark"}, records[len(records)-1]["rules"])
	})
	onEachStore(t, func(t *testing.T, s *server) {
		s.unharmed(func(string) {
			for _, body := range []string{
				"\ufeff" + resource(""), "\xff\xfe" + resource(""), "\xfe\xff" + resource(""), resource(`,"title":"` + "\xff" + `"`), resource(`,"title":"\ud800"`),
				resource(`,"title":"\u0000"`), resource(`,"title":"` + "\x00" + `"`),
			} {
				s.do("POST", "/Users", body).fails(400, "invalidSyntax")
			}
			covers(t, "8259-8.1-01")
		})
	}, strictly)
}

// Every body that breaks off is refused for what it is.
func TestTruncatedBodies(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"POST":    resource(`,"active":true,"name":{"givenName":"a\u00e9"},"emails":[{"value":"a","primary":false}],"unknown":[1.5e3,null,{"a":"b"}],"` + enterpriseURN + `":{"department":"x"}`),
		"PUT":     resource(`,"active":true,"title":null`),
		"PATCH":   operations(`{"op":"add","path":"name.givenName","value":"x"},{"op":"replace","value":{"active":true,"emails":[{"value":"a"}]}}`),
		".search": `{"schemas":["` + searchURN + `"],"filter":"userName pr","count":10,"attributes":["userName","id"]}`,
	}
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, s *server) {
				body := bodies[w.name]
				s.unharmed(func(id string) {
					for i := 1; i < len(body); i++ {
						a := w.send(s, id, body[:i])
						require.Equal(t, 400, a.status, "%s: %s", body[:i], a.body)
						require.Equal(t, "invalidSyntax", a.at("scimType"), "%s: %s", body[:i], a.body)
					}
				})
				ids, _ := s.list("/Users")
				require.Less(t, w.send(s, ids[0], body).status, 300)
			})
		})
	}
}

func TestTextThatIsNoUnicode(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.unharmed(func(id string) {
			for _, text := range []string{`\ud800`, `\ud801`, `\udc00`, `\udc00\ud800`, `\ud800x`, `\ud800\u0041`, "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\x80", "a\xc3"} {
				for _, body := range []string{
					`{"schemas":["` + userURN + `"],"userName":"` + text + `"}`, resource(`,"` + text + `":1`), resource(`,"unknown":{"a":["` + text + `"]}`),
					resource(`,"password":"` + text + `"`), resource(`,"` + enterpriseURN + `":{"department":"` + text + `"}`),
				} {
					s.do("POST", "/Users", body).fails(400, "invalidSyntax")
					s.do("PUT", "/Users/"+id, body).fails(400, "invalidSyntax")
				}
				for _, list := range []string{
					`{"op":"replace","path":"title","value":"` + text + `"}`, `{"op":"replace","path":"` + text + `","value":"x"}`, `{"op":"replace","value":{"` + text + `":"x"}}`,
				} {
					s.do("PATCH", "/Users/"+id, operations(list)).fails(400, "invalidSyntax")
				}
				s.do("POST", "/Users/.search", `{"schemas":["`+searchURN+`"],"filter":"userName eq \"`+text+`\""}`).fails(400, "invalidSyntax")
			}
		})
		covers(t, "J-05")
		s.unharmed(func(id string) {
			for _, body := range []string{
				resource(`,"title":"\u0000"`), resource(`,"title":"a\u0000b"`), resource(`,"a\u0000b":1`), resource(`,"unknown":"\u0000"`), resource(`,"title":"` + "\x00" + `"`),
				resource(`,"password":"\u0000"`), resource("") + "\x00",
			} {
				s.do("POST", "/Users", body).fails(400, "invalidSyntax")
				s.do("PUT", "/Users/"+id, body).fails(400, "invalidSyntax")
			}
			s.do("PATCH", "/Users/"+id, operations(`{"op":"replace","path":"title","value":"\u0000"}`)).fails(400, "invalidSyntax")
			s.do("PATCH", "/Users/"+id, operations(`{"op":"replace","path":"emails[type eq \"\\u0000\"].value","value":"x"}`)).is(400)
			s.do("GET", `/Users?filter=userName+eq+"%00"`, nil).fails(400, "invalidFilter")
			s.do("GET", `/Users?filter=userName+eq+"\u0000"`, nil).fails(400, "invalidFilter")
			s.do("GET", `/Users?filter=userName%00+eq+"a"`, nil).fails(400, "invalidFilter")
			s.take()
			s.do("GET", "/Users/%00", nil).fails(404, "")
			s.do("GET", "/Users/a%00b", nil).fails(404, "")
			require.Empty(t, s.take())
			// An escaped backslash before it makes it text.
			s.do("POST", "/Users", `{"schemas":["`+userURN+`"],"userName":"x\\u0000"}`).is(201)
			s.do("DELETE", "/Users/"+s.filter("/Users", `userName eq "x\\u0000"`)[0], nil).is(204)
			s.events.take()
		})
		covers(t, "J-06")
	})
}

func TestDepth(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		nested := func(open, end string, n int) string { return strings.Repeat(open, n) + "1" + strings.Repeat(end, n) }
		s.unharmed(func(id string) {
			for _, body := range []string{
				resource(`,"unknown":` + nested("[", "]", 16)), resource(`,"unknown":` + nested(`{"a":`, "}", 16)), resource(`,"emails":` + nested("[", "]", 10_001)),
				strings.Repeat("[", 17), strings.Repeat("[", 10_001), strings.Repeat("[", 1_000_000), strings.Repeat(`{"a":`, 400_000), strings.Repeat(`[{"a":`, 300_000),
				nested("[", "]", 100_000),
			} {
				for _, w := range writers {
					a := w.send(s, id, body).fails(400, "invalidSyntax")
					require.Contains(t, a.detail(), "16")
				}
			}
			s.do("PATCH", "/Users/"+id, operations(`{"op":"add","value":{"x":`+nested("[", "]", 13)+`}}`)).fails(400, "invalidSyntax")
		})
		covers(t, "J-07", "8259-4-01")
		s.do("POST", "/Users", resource(`,"unknown":`+nested("[", "]", 15))).is(201)
		// Brackets in strings are no depth.
		s.do("PUT", "/Users/"+s.filter("/Users", `userName eq "bert"`)[0], resource(`,"title":"`+strings.Repeat("[{", 100)+`\"["`)).is(200)
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		s.do("POST", "/Users", resource(`,"emails":[{"value":"a"}]`)).is(201)
		s.do("POST", "/Users", resource(`,"emails":[{"value":["a"]}]`)).fails(400, "invalidSyntax")
	}, withLimits(scim.Limits{JSONDepth: 3}))
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		gauge := func(members string) string {
			return `{"schemas":["` + deviceURN + `"],"deviceName":"x",` + members + `}`
		}
		for literal, want := range map[string]string{
			"9007199254740993": "9007199254740993", "9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808", "-0": "0", "0": "0",
		} {
			a := s.do("POST", "/Devices", gauge(`"slots":`+literal)).is(201)
			require.Contains(t, string(a.body), `"slots":`+want+`,`, literal)
			require.Contains(t, string(s.get("/Devices/"+a.id()).body), `"slots":`+want+`,`)
		}
		for _, literal := range []string{"9223372036854775808", "-9223372036854775809", "1e400", "1.5", "1e2", "1.0", strings.Repeat("9", 200_000), "1e999999999"} {
			s.do("POST", "/Devices", gauge(`"slots":`+literal)).fails(400, "invalidValue")
		}
		for _, literal := range []string{"1.5", "-0.5", "1e300", "123456789.123456789", "0"} {
			a := s.do("POST", "/Devices", gauge(`"weight":`+literal)).is(201)
			require.Contains(t, string(a.body), `"weight":`+literal+`,`, literal)
		}
		for _, literal := range []string{"1e400", "-1e400", strings.Repeat("9", 200_000), "0." + strings.Repeat("9", 200_000)} {
			s.do("POST", "/Devices", gauge(`"weight":`+literal)).fails(400, "invalidValue")
		}
		covers(t, "J-08")
	}, withDevices)
}

func TestFloods(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.unharmed(func(id string) {
			var many strings.Builder
			for i := range 60_000 {
				fmt.Fprintf(&many, `,"k%d":0`, i)
			}
			for _, body := range []string{
				resource(many.String()), resource(`,"unknown":{"a":0` + many.String() + `}`), resource(`,"emails":[` + strings.Repeat(`{},`, 110_000) + `{}]`),
				resource(`,"unknown":[` + strings.Repeat(`[],`, 200_000) + `[]]`), resource(`,"emails":[` + strings.Repeat(`0,`, 300_000) + `0]`),
				strings.Repeat("[],", 200_000), strings.Repeat(",", 1_000_000),
			} {
				a := s.do("POST", "/Users", body)
				require.Contains(t, []int{400, 413}, a.status)
			}
			a := s.do("POST", "/Groups", `{"schemas":["`+groupURN+`"],"displayName":"x","members":[`+strings.TrimSuffix(strings.Repeat(`{"value":"`+id+`"},`, 40_000), ",")+`]}`)
			require.Contains(t, []int{400, 413}, a.status)
		})
		covers(t, "J-09")
		long := strings.Repeat("a", 513)
		for _, name := range []string{"userName", "externalId", "displayName"} {
			s.do("POST", "/Users", user("x", map[string]any{name: long})).fails(400, "invalidValue")
		}
		s.do("POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": long}).fails(400, "invalidValue")
		s.do("POST", "/Users", user("x", map[string]any{"title": strings.Repeat("a", 8193)})).fails(400, "invalidValue")
		s.do("POST", "/Users", user(long[:512], map[string]any{"externalId": long[:512], "displayName": long[:512], "title": strings.Repeat("a", 8192)})).is(201)
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		s.do("POST", "/Users", resource("")).is(201)
		s.do("POST", "/Users", resource(`,"emails":[{"value":"a"},{"value":"b"},{"value":"c"},{"value":"d"}]`)).fails(400, "invalidSyntax")
	}, withLimits(scim.Limits{JSONValues: 10}))
}
