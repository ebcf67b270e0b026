package scim_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
)

// Filters over HTTP: RFC 7644, section 3.4.2.2.

// crew fills a directory for filters. It returns the ids by userName.
func (s *server) crew() map[string]string {
	s.t.Helper()
	ids := map[string]string{}
	add := func(userName string, more map[string]any) {
		ids[strings.ToLower(userName)] = s.user(userName, more).id()
	}
	add("bert", map[string]any{
		"active": false, "userType": "E", "title": nil, "displayName": "Bert",
		"emails": []any{map[string]any{"value": "bert@y.example", "type": "home"}},
		"ims":    []any{map[string]any{"value": "bert@im", "type": "xmpp"}},
	})
	add("anna", map[string]any{
		"title": "Chief", "userType": "E", "externalId": "Ext-1", "displayName": "a\"b\\c\u00e9",
		"name":    map[string]any{"givenName": "Anna", "familyName": "Abel"},
		"emails":  []any{map[string]any{"value": "a@x.example", "type": "work", "primary": true}, map[string]any{"value": "b@y.example", "type": "home"}},
		"schemas": []string{userURN, enterpriseURN},
		enterpriseURN: map[string]any{
			"department": "Sales", "employeeNumber": "0701", "manager": map[string]any{"value": ids["bert"]},
		},
	})
	add("CARL", map[string]any{
		"title": "", "name": map[string]any{"givenName": ""}, "emails": []any{}, "displayName": "100%", "profileUrl": "https://x.example/Carl",
		"x509Certificates": []any{map[string]any{"value": "YQ=="}},
	})
	add("dora", map[string]any{
		"title": "clerk", "displayName": "1_2", "name": map[string]any{"givenName": "Dora"}, "active": true,
		"emails": []any{map[string]any{"value": "dora@x.example", "type": "work"}},
	})
	s.group("Board", ids["anna"], ids["bert"])
	return ids
}

// found sends a filter to an endpoint and returns the userNames or other names of what matches.
func (s *server) found(endpoint, text, name string) []string {
	s.t.Helper()
	names := []string{}
	a := s.get(endpoint + "?filter=" + url.QueryEscape(text))
	for _, r := range a.at("Resources").([]any) {
		names = append(names, strings.ToLower(r.(map[string]any)[name].(string)))
	}
	slices.Sort(names)
	return names
}

// refused sends a filter that must be refused to the list and to the search.
func (s *server) refused(endpoint, text string) *response {
	s.t.Helper()
	s.do("POST", endpoint+"/.search", map[string]any{"schemas": []string{searchURN}, "filter": text}).fails(400, "invalidFilter")
	return s.do("GET", endpoint+"?filter="+url.QueryEscape(text), nil).fails(400, "invalidFilter")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := s.crew()
		anna := s.get("/Users/" + ids["anna"])
		created, err := time.Parse(time.RFC3339Nano, anna.at("meta", "created").(string))
		require.NoError(t, err)
		elsewhere := created.In(time.FixedZone("", 2*60*60)).Format(time.RFC3339Nano)
		replace := strings.NewReplacer("{anna}", ids["anna"], "{bert}", ids["bert"], "{created}", elsewhere, "{e}", enterpriseURN, "{u}", userURN)
		all := []string{"anna", "bert", "carl", "dora"}

		for _, c := range []struct {
			filter string
			want   string // names apart by spaces
			covers []string
		}{
			{filter: `USERNAME EQ "anna" AND NOT (active Eq false)`, want: "anna"},
			{filter: `UserName Pr aNd tItLe SW "ch"`, want: "anna", covers: []string{"7644-3.4.2.2-03"}},

			{filter: `active eq true`, want: "anna carl dora"},
			{filter: `active ne true`, want: "bert"},
			{filter: `userName eq "ANNA"`, want: "anna", covers: []string{"ENTRA-13"}},
			{filter: `userName ne "ANNA"`, want: "bert carl dora"},
			{filter: `externalId eq "Ext-1"`, want: "anna", covers: []string{"ENTRA-14"}},
			{filter: `externalId eq "EXT-1"`, want: ""},
			{filter: `profileUrl eq "https://x.example/Carl"`, want: "carl"},
			{filter: `profileUrl eq "https://x.example/carl"`, want: ""},
			{filter: `meta.created eq "{created}"`, want: "anna", covers: []string{"7644-3.4.2.2-04"}},

			{filter: `userName sw "AN"`, want: "anna"},
			{filter: `userName ew "RL"`, want: "carl"},
			{filter: `userName co "ER"`, want: "bert"},
			{filter: `userName sw "anna"`, want: "anna"},
			{filter: `userName ew "anna"`, want: "anna"},
			{filter: `userName co "anna"`, want: "anna"},
			{filter: `externalId sw "ext"`, want: "", covers: []string{"7644-3.4.2.2-05"}},

			{filter: `title pr`, want: "anna dora"},
			{filter: `name pr`, want: "anna dora"},
			{filter: `emails pr`, want: "anna bert dora"},
			{filter: `{e}:manager pr`, want: "anna"},
			{filter: `not (emails pr)`, want: "carl", covers: []string{"7644-3.4.2.2-06"}},

			{filter: `title gt "chief"`, want: "dora"},
			{filter: `title ge "CHIEF"`, want: "anna dora"},
			{filter: `title lt "CLERK"`, want: "anna"},
			{filter: `title le "CLERK"`, want: "anna dora"},
			{filter: `meta.created gt "{created}"`, want: "carl dora"},
			{filter: `meta.created lt "{created}"`, want: "bert"},
			{filter: `meta.lastModified gt "2011-05-13T04:42:34Z"`, want: "anna bert carl dora"},
			{filter: `meta.lastModified lt "2011-05-13T04:42:34Z"`, want: "", covers: []string{"7644-3.4.2.2-07"}},

			{filter: `displayName eq "a\"b\\c\u00e9"`, want: "anna"},
			{filter: `displayName eq "a\u0022b\u005cc\u00E9"`, want: "anna"},
			{filter: `displayName co "\"b"`, want: "anna", covers: []string{"7644-3.4.2.2-13"}},

			{filter: `userName eq "anna" or userName eq "bert" and active eq true`, want: "anna"},
			{filter: `(userName eq "anna" or userName eq "bert") and active eq false`, want: "bert"},
			{filter: `not (userName eq "anna") and active eq true`, want: "carl dora"},
			{filter: `not (userName eq "anna" and active eq true)`, want: "bert carl dora", covers: []string{"7644-3.4.2.2-15"}},
			{filter: `not(userName eq "anna")`, want: "bert carl dora"},
			{filter: `not (userName eq "anna")`, want: "bert carl dora", covers: []string{"7644-3.4.2.2-16"}},
			{filter: `  userName   eq   "anna"  `, want: "anna"},

			{filter: `emails.value eq "b@y.example"`, want: "anna", covers: []string{"7644-3.4.2.2-18"}},
			{filter: `emails[type eq "work" and value co "b@y"]`, want: ""},
			{filter: `emails.type eq "work" and emails.value co "b@y"`, want: "anna", covers: []string{"7644-3.4.2.2-19"}},
			{filter: `emails[not (type eq "home")]`, want: "anna dora"},
			{filter: `emails[type eq "work" or (type eq "home" and value co "t@")]`, want: "anna bert dora"},
			{filter: `emails[type eq "work" and primary eq true]`, want: "anna", covers: []string{"7644-3.4.2.2-20"}},
			{filter: `emails[type eq "work"] or ims[type eq "xmpp"]`, want: "anna bert dora"},
			{filter: `userType eq "E" and emails[type eq "work"]`, want: "anna"},
			{filter: `not (emails[type eq "work"])`, want: "bert carl", covers: []string{"7644-3.4.2.2-21"}},
			{filter: `emails[type eq "work"].value eq "a@x.example"`, want: "anna"},
			{filter: `emails[type eq "work"].value eq "b@y.example"`, want: "", covers: []string{"7644-3.4.2.2-22", "ENTRA-15"}},
			{filter: `emails co "x.example"`, want: "anna dora"},
			{filter: `emails eq "a@x.example"`, want: "anna", covers: []string{"PING-01"}},

			{filter: `{u}:userName sw "A"`, want: "anna"},
			{filter: `URN:IETF:PARAMS:SCIM:SCHEMAS:CORE:2.0:USER:userName eq "anna"`, want: "anna"},
			{filter: `{u}:name.familyName eq "abel"`, want: "anna", covers: []string{"7644-3.4.2.2-24"}},
			{filter: `{e}:department eq "sales"`, want: "anna"},
			{filter: `{e}:manager.value eq "{bert}"`, want: "anna", covers: []string{"7644-3.10-01"}},
			{filter: `schemas eq "{e}"`, want: "anna"},
			{filter: `schemas eq "{u}"`, want: "anna bert carl dora", covers: []string{"7644-3.4.2.2-25"}},

			{filter: `id eq "{anna}"`, want: "anna"},
			{filter: `meta.resourceType eq "User"`, want: "anna bert carl dora"},
			{filter: `meta.resourceType eq "Group"`, want: ""},
			{filter: `meta.location eq "` + baseURL + `/Users/{anna}"`, want: "anna"},
			{filter: `meta.location ew "{anna}"`, want: "anna"},
			{filter: `meta.version eq "W/\"1\""`, want: "anna bert carl dora"},
			{filter: `meta.version eq "W/\"2\""`, want: "", covers: []string{"7644-3.4.2.2-26"}},

			{filter: `title ne "x"`, want: "anna bert carl dora"},
			{filter: `title eq null`, want: "bert carl"},
			{filter: `title ne null`, want: "anna dora"},
			{filter: `title eq "x" or title co "x" or title sw "x" or title ew "x" or title gt "x"`, want: "", covers: []string{"7644-3.4.2.2-27"}},
			{filter: `emails.value ne "a@x.example"`, want: "bert carl dora"},
			{filter: `not (emails.value eq "a@x.example")`, want: "bert carl dora", covers: []string{"7644-3.4.2.2-29", "F-16"}},
			{filter: `emails[primary eq "True"]`, want: "anna", covers: []string{"7644-3.4.2.2-37", "ENTRA-44"}},
			{filter: `(ActiVe eq true) and meta.lastmodified ge "2011-05-13T04:42:34Z"`, want: "anna carl dora", covers: []string{"ENTRA-78"}},
			{filter: `id eq "{anna}" and manager eq "{bert}"`, want: "anna"},
			{filter: `id eq "{bert}" and manager eq "{bert}"`, want: "", covers: []string{"ENTRA-17"}},
			{filter: `groups.value pr`, want: "anna bert"},
			{filter: `groups pr and active eq true`, want: "anna"},

			{filter: `displayName co "%"`, want: "carl"},
			{filter: `displayName sw "%"`, want: ""},
			{filter: `displayName co "_"`, want: "dora"},
			{filter: `displayName eq "1?2" or displayName eq "1%2"`, want: ""},
			{filter: `displayName ew "\\"`, want: ""},
			{filter: `displayName co "\\"`, want: "anna"},
			{filter: `title co ""`, want: "anna dora"},
			{filter: `title sw ""`, want: "anna dora"},
		} {
			text := replace.Replace(c.filter)
			want := strings.Fields(c.want)
			require.Equal(t, append([]string{}, want...), s.found("/Users", text, "userName"), text)
			// The search answers the same, and the opposite is the rest.
			searched := s.do("POST", "/Users/.search", map[string]any{"schemas": []string{searchURN}, "filter": text}).is(200)
			require.JSONEq(t, string(s.get("/Users?filter="+url.QueryEscape(text)).body), string(searched.body))
			rest := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(want, name) })
			require.Equal(t, append([]string{}, rest...), s.found("/Users", "not ("+strings.TrimSpace(text)+")", "userName"), text)
			covers(t, c.covers...)
		}
		covers(t, "7644-3.4.2.2-01")
		s.refused("/Users", `displayName co "`+strings.Repeat("%", 60_000)+`"`)
		covers(t, "F-12")

		// A default that the client reads back is a value that it finds.
		require.Equal(t, true, s.get("/Users/"+ids["anna"]).at("active"))
		require.Contains(t, s.found("/Users", "active eq true", "userName"), "anna")
		covers(t, "7644-3.4.2.2-30")
	})
}

func TestFiltersOnGroups(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := s.crew()
		board := s.filter("/Groups", `displayName eq "board"`)
		require.Len(t, board, 1)
		s.group("Empty")
		for filter, want := range map[string][]string{
			`members.value eq "` + ids["anna"] + `"`:                                               {"board"},
			`members eq "` + ids["anna"] + `"`:                                                     {"board"},
			`members[value eq "` + ids["carl"] + `" or value eq "` + ids["bert"] + `"]`:            {"board"},
			`members.value eq "` + ids["carl"] + `"`:                                               {},
			`members pr`:                                                                           {"board"},
			`not (members pr)`:                                                                     {"empty"},
			`members.value ne "` + ids["anna"] + `"`:                                               {"empty"},
			`id eq "` + board[0] + `" and members eq "` + ids["anna"] + `"`:                        {"board"},
			`id eq "` + board[0] + `" and members.value eq "` + strings.ToUpper(ids["anna"]) + `"`: {},
			`displayName sw "b" or members.value eq "x"`:                                           {"board"},
		} {
			require.Equal(t, want, s.found("/Groups", filter, "displayName"), filter)
		}
		covers(t, "ENTRA-18")
		for _, filter := range []string{`members.display co "a"`, `members.value co "a"`, `members.type eq "User"`, `members[type eq "User"]`} {
			s.refused("/Groups", filter)
		}
	})
}

func TestFiltersOnCustomTypes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.create("/Devices", device("a", map[string]any{
			"slots": 9007199254740993, "weight": 1.5, "installedAt": "2026-01-01T00:00:00Z", "certificate": "YWI=", "managed": true,
			"tags": []any{"Red", "blue"}, "aliases": []any{"Red"}, "pin": "1234", "diagnostics": "ok",
		}))
		s.create("/Devices", device("b", map[string]any{"slots": -2, "weight": 10, "installedAt": "2026-01-01T01:00:00+02:00"}))
		for filter, want := range map[string][]string{
			`slots eq 9007199254740993`:                 {"a"},
			`slots eq 9007199254740992`:                 {},
			`slots lt 0`:                                {"b"},
			`slots gt 1.5`:                              {"a"},
			`weight gt 2`:                               {"b"},
			`weight eq 1.50`:                            {"a"},
			`installedAt lt "2026-01-01T00:00:00Z"`:     {"b"},
			`installedAt eq "2025-12-31T23:00:00.000Z"`: {"b"},
			`certificate eq "YWI="`:                     {"a"},
			`certificate eq "ywi="`:                     {},
			`tags eq "RED"`:                             {"a"},
			`aliases eq "RED"`:                          {},
			`aliases eq "Red"`:                          {"a"},
			`tags[value sw "b"]`:                        {"a"},
			`managed eq true`:                           {"a"},
			`diagnostics eq "ok"`:                       {"a"},
		} {
			require.Equal(t, want, s.found("/Devices", filter, "deviceName"), filter)
		}
		for _, filter := range []string{
			`weight gt "2"`, `slots co 1`, `weight sw "1"`, `installedAt co "2026"`, `certificate gt "a"`, `managed gt true`, `installedAt gt "2026-13-99T00:00:00Z"`,
			`installedAt gt "2026-01-01"`, `weight gt 1e400`, `slots eq "1"`, `slots eq 1.`, `slots eq 01`, `slots eq +1`,
		} {
			s.refused("/Devices", filter)
		}
		covers(t, "F-15")
	}, withDevices)
}

func TestFiltersThatAreRefused(t *testing.T) {
	t.Parallel()
	groups := []struct {
		covers  []string
		filters []string
	}{
		{covers: []string{"7644-3.4.2.2-08"}, filters: []string{`active gt true`, `active ge true`, `active lt false`, `active le false`, `x509Certificates.value gt "a"`}},
		{covers: []string{"7644-3.4.2.2-09"}, filters: []string{`active co true`, `active sw "t"`, `meta.created co "2026"`, `meta.lastModified ew "Z"`}},
		{covers: []string{"7644-3.4.2.2-10"}, filters: []string{`active eq "yes"`, `userName eq 5`, `userName eq true`, `meta.created gt "abc"`, `meta.created eq 5`, `emails[primary eq "x"]`}},
		{covers: []string{"7644-3.4.2.2-11"}, filters: []string{`userName regex "a"`, `userName like "a"`, `userName == "a"`, `userName in "a"`, `userName eqeq "a"`}},
		{covers: []string{"7644-3.4.2.2-12", "F-06"}, filters: []string{
			`userName eq`, `userName eq "a`, `(userName pr`, `userName pr)`, `userName eq 'a'`, `and`, `or`, `not`, ` `, `emails[type eq "x"`, `emails[]`, `emails[type]`,
			`eq "a"`, `userName`, `userName eq "a" and`, `userName eq "a" userName eq "b"`, `userName eq "a" "b"`, `()`, `"a" eq "a"`, `userName eq "a"]`,
			`emails[type eq "work"] pr`, `emails[type eq "work"].`, `emails[type eq "work"].value`, `not not (userName pr)`, `userName. eq "a"`, `.userName eq "a"`,
			`emails[emails[type eq "x"]]`, `userName pr,title pr`, `userName pr;`, `userName eq "a"--`,
		}},
		{covers: []string{"7644-3.4.2.2-14"}, filters: []string{`userType eq User`, `userName sw 'J'`, `userName eq anna`}},
		{covers: []string{"7644-3.4.2.2-17"}, filters: []string{`userName eq"x"`, `userName"x"`, "userName\teq\t\"x\"", "userName\neq \"x\""}},
		{filters: []string{`active eq TRUE`, `active eq True`, `title eq NULL`, `not userName eq "x"`}},
		{filters: []string{`name eq "x"`, `name co "x"`, `meta eq "x"`, enterpriseURN + ` eq "x"`, userURN + ` eq "x"`}},
		{covers: []string{"7644-3.4.2.2-28"}, filters: []string{`title gt null`, `title co null`, `title sw null`, `title le null`}},
		{covers: []string{"7644-3.4.2.2-31", "F-07"}, filters: []string{
			`foo eq "x"`, `not (foo pr)`, `foo pr`, `name.foo eq "x"`, `emails[foo eq "x"]`, `userName.x eq "a"`, `userName eq "a" xor title pr`,
			enterpriseURN + `:foo eq "x"`, `urn:example:nope:userName eq "x"`, `userName eq "a" or foo eq "b"`, `groups.display eq "Board"`, `members pr`,
		}},
		{covers: []string{"7644-3.4.2.2-32", "threat:S-02"}, filters: []string{
			`password eq "x"`, `password sw "a"`, `password pr`, `not (password pr)`, `PASSWORD eq "x"`, userURN + `:password eq "x"`, `password[value eq "x"]`,
			`userName pr and password sw "a"`, `password ne null`,
		}},
		{covers: []string{"F-11"}, filters: []string{
			`userName);-- eq "a"`, `"a" eq "a"`, `name.'x eq "a"`, `userName/**/ eq "a"`, `userName" eq "a"`, "user\u00a0Name pr", `1 eq 1`, `$.userName pr`, `userName||'' eq "a"`,
			`user Name eq "a"`,
		}},
	}
	onEachStore(t, func(t *testing.T, s *server) {
		s.crew()
		for _, group := range groups {
			for _, filter := range group.filters {
				a := s.refused("/Users", filter)
				require.NotContains(t, string(a.body), "anna", filter)
			}
			covers(t, group.covers...)
		}
		// A password is refused in the words used for what does not exist, and sorting by one is no way around.
		hidden := s.refused("/Users", `password eq "x"`).detail()
		require.Equal(t, s.refused("/Users", `nope eq "x"`).detail(), strings.ReplaceAll(hidden, "password", "nope"))
		require.Equal(t, string(s.get("/Users").body), string(s.get("/Users?sortBy=password").body))

		require.Equal(t, []string{"anna", "dora"}, s.found("/Users", `emails co "x.example"`, "userName"))
		require.Equal(t, s.found("/Users", `emails.value co "x.example"`, "userName"), s.found("/Users", `emails co "x.example"`, "userName"))
		covers(t, "7644-3.4.2.2-23")
		require.Contains(t, s.refused("/Users", `userName regex "a"`).detail(), "operator")
	})
}

func TestUnquotedLiteralsAreAPolicy(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.crew()
		require.Equal(t, []string{"anna"}, s.found("/Users", `userName eq anna`, "userName"))
		require.Equal(t, []string{"anna"}, s.found("/Users", `externalId eq Ext-1 and active eq true`, "userName"))
		covers(t, "ENTRA-11", "OKTA-31")
		s.refused("/Users", `userName eq anna bert`)
		s.refused("/Users", `userName eq 'anna'`)
	}, withPolicy(dialect.Policy{UnquotedLiterals: true}))
	onEachStore(t, func(_ *testing.T, s *server) {
		s.crew()
		s.refused("/Users", `userName eq anna`)
		s.refused("/Users", `emails[primary eq "True"]`)
		s.refused("/Users", `manager eq "x"`)
	}, withPolicy(dialect.Policy{UnquotedLiterals: true}), strictly)
}

// What filters find is what a reader of all resources would pick.
func TestFiltersAgreeWithAReader(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		titles := []any{"a", "B", "ab", "Abc", "b c", "", nil, "é", "E\u0301", "z%_", "\\", "100"}
		for i, title := range titles {
			s.user(fmt.Sprintf("u%02d", i), map[string]any{"title": title})
		}
		everybody := s.get("/Users").at("Resources").([]any)
		lower := strings.NewReplacer("e\u0301", "é")
		fold := func(text string) string { return lower.Replace(strings.ToLower(text)) }
		operators := map[string]func(v, w string) bool{
			"eq": func(v, w string) bool { return v == w }, "co": strings.Contains, "sw": strings.HasPrefix, "ew": strings.HasSuffix,
			"gt": func(v, w string) bool { return v > w }, "ge": func(v, w string) bool { return v >= w },
			"lt": func(v, w string) bool { return v < w }, "le": func(v, w string) bool { return v <= w },
		}
		for _, literal := range []string{"a", "B", "AB", "c", "É", "%", "_", "\\", "1", "zz"} {
			for operator, holds := range operators {
				want := []string{}
				for _, r := range everybody {
					title, assigned := r.(map[string]any)["title"].(string)
					if assigned && holds(fold(title), fold(literal)) {
						want = append(want, r.(map[string]any)["id"].(string))
					}
				}
				text := fmt.Sprintf("title %s %q", operator, literal)
				got, total := s.list("/Users?filter=" + url.QueryEscape(text))
				require.Equal(t, want, append([]string{}, got...), text)
				require.Equal(t, len(want), total)
			}
		}
		covers(t, "7644-3.4.2.2-02")
	})
}

func TestLiteralsAreData(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("bystander", map[string]any{"displayName": "bystander"})
		for i, literal := range []string{
			`' OR 1=1 --`, `"; DROP TABLE resources; --`, `\`, `\\`, `''`, `'`, `"`, `$1`, `?`, `:a`, `@p1`, `{{7*7}}`, `${1+1}`, `%00`, `%`, `_`, `$.x`, `||`, `E'\\'`, `x'; --`,
			"\u2028", "a\tb", "😀", `\u0041`, `%s%n`, `<script>alert(1)</script>`, "null", "true", `) or (userName pr`, `*`,
		} {
			id := s.user(fmt.Sprintf("u%d", i), map[string]any{"displayName": literal}).id()
			quoted := string(jsonOf(t, literal))
			require.Equal(t, []string{id}, s.filter("/Users", "displayName eq "+quoted), literal)
			require.Contains(t, s.filter("/Users", "displayName co "+quoted), id)
			require.Contains(t, s.filter("/Users", "displayName sw "+quoted+" and not (displayName ne "+quoted+")"), id)
			require.NotContains(t, s.filter("/Users", "displayName co "+quoted), "bystander")
			require.Empty(t, s.filter("/Users", "userName eq "+quoted))
		}
		covers(t, "F-10", "7644-3.4.2.2-34")
	})
}

// Filter and uniqueness fold alike.
func TestCaseRules(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, c := range []struct {
			name, other string
			same        bool
		}{
			{"alice", "ALICE", true},
			{"caf\u00e9", "CAFE\u0301", true},
			{"\u017fam", "\u017fAM", true},
			{"i\u0307x", "\u0130X", true}, // what the capital I with a dot becomes in lower case
			{"ivan", "\u0130VAN", false},
			{"\u212aelvin", "kELVIN", true}, // the sign for Kelvin is K
			{"\uff21lf", "alf", true},       // full width
			{"stra\u00dfe", "STRASSE", false},
			{"stra\u1e9ee", "STRA\u00dfE", true},
		} {
			id := s.user(c.name).id()
			quoted := string(jsonOf(t, c.other))
			want := []string{}
			if c.same {
				want = append(want, id)
			}
			require.Equal(t, want, append([]string{}, s.filter("/Users", "userName eq "+quoted)...), "%s %s", c.name, c.other)
			a := s.do("POST", "/Users", user(c.other))
			require.Equal(t, map[bool]int{true: 409, false: 201}[c.same], a.status, "%s %s", c.name, c.other)
			s.do("DELETE", "/Users/"+id, nil).is(204)
			if a.status == 201 {
				s.do("DELETE", "/Users/"+a.id(), nil).is(204)
			}
		}
		covers(t, "F-14", "7644-7.8-01")
	})
}

func TestFilterLimits(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		s.take()
		long := func(n int) string { return `userName eq "` + strings.Repeat("a", n-14) + `"` }
		for _, filter := range []string{
			long(8193), long(1 << 20),
			strings.Repeat("(", 21) + "userName pr" + strings.Repeat(")", 21),
			strings.Repeat("not (", 21) + "userName pr" + strings.Repeat(")", 21),
			strings.Repeat("userName pr or ", 100) + "userName pr",
			"emails[" + strings.Repeat("(", 20) + "type pr" + strings.Repeat(")", 20) + "]",
		} {
			s.refused("/Users", filter)
		}
		covers(t, "F-01")
		parts := []string{"(", "not (", "a[", "emails[", "a.", "(userName pr and ", "not("}
		for _, n := range []int{21, 10_000} {
			for _, part := range parts {
				for _, end := range []string{"", "@", `userName eq "a"`} {
					s.refused("/Users", strings.Repeat(part, n)+end)
				}
			}
		}
		million := strings.Repeat("(", 1_000_000)
		for _, end := range []string{"", "@"} {
			s.do("GET", "/Users?filter="+million+end, nil).fails(400, "invalidFilter")
			s.do("POST", "/Users/.search", `{"schemas":["`+searchURN+`"],"filter":"`+strings.Repeat("not (", 400_000)+end+`"}`).fails(400, "invalidFilter")
		}
		covers(t, "7644-3.4.2.2-33")
		require.Empty(t, s.take(), "a filter beyond the limits reached the store")
		paths := []string{million, "emails[" + million}
		for _, part := range parts {
			paths = append(paths, strings.Repeat(part, 21), "emails["+strings.Repeat(part, 21), strings.Repeat(part, 10_000), "emails["+strings.Repeat(part, 10_000))
		}
		for _, path := range paths {
			for _, end := range []string{"", "@"} {
				a := s.patch("/Users/"+id, op("replace", path+end, "x"))
				require.Equal(t, 400, a.status)
				require.Contains(t, []any{"invalidPath", "invalidFilter"}, a.at("scimType"))
			}
		}
		covers(t, "F-02", "F-03")

		// Up to the limits, every store answers.
		for _, filter := range []string{
			long(8192),
			strings.Repeat("(", 20) + "userName pr" + strings.Repeat(")", 20),
			strings.Repeat("userName pr or ", 99) + "userName pr",
			strings.Repeat("not (", 20) + strings.Repeat(`userName eq "x" or `, 99) + "title pr" + strings.Repeat(")", 20),
		} {
			s.get("/Users?filter=" + url.QueryEscape(filter))
		}
	})
}

// Refusing a million parentheses costs what refusing a few thousand does: nothing is parsed.
func TestRefusingALongFilterCostsNothing(t *testing.T) {
	long, longer := strings.Repeat("(", 9000), strings.Repeat("(", 1_000_000)
	parse := func(text string) float64 {
		return testing.AllocsPerRun(20, func() {
			if _, err := filter.Parse(text, filter.DefaultLimits, nil); err == nil {
				t.Error("accepted")
			}
		})
	}
	require.LessOrEqual(t, parse(longer), 6.0)
	require.LessOrEqual(t, parse(longer+"@"), 6.0)
	path := testing.AllocsPerRun(20, func() {
		if _, err := filter.ParsePath(longer, filter.PathLimits, nil); err == nil {
			t.Error("accepted")
		}
	})
	require.LessOrEqual(t, path, 6.0)

	s := newServer(t)
	cost := func(text string) (bytes uint64) {
		r := s.request("GET", "/Users?filter="+text, nil)
		send := func() {
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			require.Equal(t, 400, w.Code)
		}
		send()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		send()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	require.Less(t, cost(longer), cost(long)+64<<10)
	covers(t, "F-02", "F-03")
}
