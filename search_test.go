package scim_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Queries by POST: RFC 7644, section 3.4.3.

func search(more map[string]any) map[string]any {
	body := map[string]any{"schemas": []string{searchURN}}
	maps.Copy(body, more)
	return body
}

func TestSearchIsAQuery(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := s.users("u", 5)
		s.group("Crew", ids...)
		s.create("/Devices", device("lamp"))
		s.events.take()
		for _, endpoint := range []string{"/Users", "/Groups", "/Devices"} {
			a := s.do("POST", endpoint+"/.search", search(nil)).is(200)
			require.Equal(t, string(s.get(endpoint).body), string(a.body))
			for _, header := range []string{"Location", "ETag"} {
				require.Empty(t, a.header.Get(header))
			}
		}
		require.Empty(t, s.events.take())
		covers(t, "7644-3.4.3-05")

		for _, c := range []map[string]any{
			{"filter": `userName sw "U" and not (userName eq "u1")`},
			{"startIndex": 2, "count": 2},
			{"startIndex": 0}, {"startIndex": -3}, {"startIndex": 99}, {"count": 0}, {"count": -1}, {"count": 100000},
			{"attributes": []string{"userName", "meta.version"}},
			{"excludedAttributes": []string{"meta", "active"}},
			{"filter": `userName pr`, "startIndex": 3, "count": 2, "attributes": []string{"userName"}},
			{"sortBy": "userName", "sortOrder": "descending"},
			{"filter": nil, "count": nil, "attributes": nil},
			{"unknown": map[string]any{"a": 1}},
		} {
			query := url.Values{}
			for name, value := range c {
				switch v := value.(type) {
				case nil:
				case []string:
					query.Set(name, strings.Join(v, ","))
				case int:
					query.Set(name, strconv.Itoa(v))
				case string:
					query.Set(name, v)
				}
			}
			want := s.get("/Users?" + query.Encode())
			require.Equal(t, string(want.body), string(s.do("POST", "/Users/.search", search(c)).is(200).body), "%v", c)
		}
		// The parameters stand in the body, and nowhere else.
		require.EqualValues(t, 5, s.do("POST", "/Users/.search?count=1", search(nil)).is(200).at("itemsPerPage"))
		covers(t, "7644-3.4.3-03")
		require.Equal(t, string(s.get("/Users?count=2").body), string(s.do("POST", "/Users/.search", `{"SCHEMAS":["`+strings.ToUpper(searchURN)+`"],"Count":2}`).is(200).body))
	}, withDevices)
}

func TestSearchesThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("anna")
		s.take()
		for _, body := range []any{
			map[string]any{}, map[string]any{"schemas": []string{}}, map[string]any{"schemas": []string{userURN}}, map[string]any{"filter": "userName pr"},
			map[string]any{"schemas": []string{listURN}}, map[string]any{"schemas": []string{searchURN + "x"}}, "[]", "null", `"x"`, "5", "{", "",
		} {
			s.do("POST", "/Users/.search", body).fails(400, "invalidSyntax")
		}
		covers(t, "7644-3.4.3-02")
		for _, more := range []map[string]any{
			{"attributes": "userName"}, {"excludedAttributes": "userName"}, {"attributes": []any{1}}, {"attributes": []any{[]string{"a"}}}, {"attributes": map[string]any{}},
		} {
			s.do("POST", "/Users/.search", search(more)).fails(400, "invalidValue")
		}
		covers(t, "7644-3.4.3-04")
		for _, filter := range []string{"", "userName", `userName eq`, `nope pr`, `password pr`} {
			s.do("POST", "/Users/.search", search(map[string]any{"filter": filter})).fails(400, "invalidFilter")
		}
		covers(t, "7644-3.4.3-06")
		s.do("POST", "/Users/.search", search(map[string]any{"filter": 5})).fails(400, "invalidFilter")
		for _, more := range []map[string]any{
			{"count": "10"}, {"startIndex": "1"}, {"startIndex": 1.5}, {"count": 1e30}, {"count": json.Number("1e3")}, {"count": true}, {"count": []int{1}},
			{"startIndex": json.Number("99999999999999999999")}, {"startIndex": map[string]any{}},
		} {
			s.do("POST", "/Users/.search", search(more)).fails(400, "invalidValue")
		}
		covers(t, "7644-3.4.3-07")
		for _, body := range []string{
			`{"schemas":["` + searchURN + `"],"filter":"userName pr","filter":"userName eq \"x\""}`,
			`{"schemas":["` + searchURN + `"],"filter":"userName pr","FILTER":"userName eq \"x\""}`,
			`{"schemas":["` + searchURN + `"],"count":1,"Count":2}`,
			`{"schemas":["` + searchURN + `"]} {}`,
		} {
			s.do("POST", "/Users/.search", body).fails(400, "invalidSyntax")
		}
		for _, target := range []string{"/Nope/.search", "/Users/x/.search", "/Users/.search/.search", "/Users/.search/x", "/Schemas/x/.search", "/users/.search"} {
			s.do("POST", target, search(nil)).fails(404, "")
		}
		covers(t, "7644-3.4.3-08")
		require.Empty(t, s.take())
		s.do("POST", "/Users/.search", "<x/>", "Content-Type", "text/xml").fails(415, "")
		s.do("POST", "/Users/.search", search(nil), "Content-Type", "").is(200)
	})
}

// Names of parameters have no ASCII case, and are not folded beyond it: two that fold alike otherwise would be one that wins silently.
func TestParameterNamesAreASCII(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.users("u", 3)
		plain := string(s.get("/Users").body)
		for _, name := range []string{"\u017ftartIndex", "attribute\u017f", "excludedAttribute\u017f"} {
			require.Equal(t, plain, string(s.get("/Users?"+url.QueryEscape(name)+"=2").body), name)
			value := map[string]any{"\u017ftartIndex": 2}[name]
			if value == nil {
				value = []string{"userName"}
			}
			require.Equal(t, plain, string(s.do("POST", "/Users/.search", search(map[string]any{name: value})).is(200).body), name)
		}
		require.EqualValues(t, 1, s.do("POST", "/Users/.search", `{"schemas":["`+searchURN+`"],"startIndex":1,"\u017ftartIndex":2}`).is(200).at("startIndex"))
	})
}
