package filter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	ast "github.com/scim2/filter-parser/v2"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

const bjensen = `{
	"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "` + badgeURN + `"],
	"userName": "BJensen@Example.com", "externalId": "AbC701984", "displayName": "a\"b\\cé 100%_", "nickName": null, "userType": "Employee",
	"name": {"familyName": "O'Malley", "givenName": "Bärbara"},
	"emails": [
		{"value": "first@work.example", "type": "work", "primary": true},
		{"value": "second@home.example", "type": "Home"}
	],
	"photos": [{"value": "https://photos.example/B.jpg", "type": "photo"}],
	"roles": [],
	"x509Certificates": [{"value": "MIIBIjAN"}],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Tour Operations", "manager": {"value": "m-77", "displayName": "dropped"}},
	"` + badgeURN + `": {
		"level": 9007199254740993, "ratio": 1.50, "issued": "2024-02-29T23:30:00.5+01:00", "lost": false, "photo": "AbCd", "site": "https://s.example/A",
		"codes": ["Red", "Blue"], "floors": [1, 7], "pin": "1234", "seeds": ["s"], "vault": {"value": "hidden"},
		"visits": [{"value": "v1", "tags": ["x", "y"], "count": 3, "at": "2024-01-01T00:00:00Z"}, {"value": "v2", "count": 5}]
	}
}`

// TestMatch is one user against every requirement on what a filter selects.
func TestMatch(t *testing.T) {
	t.Parallel()
	const enterprise, badge = schema.EnterpriseURN, badgeURN
	for _, c := range []struct {
		name   string
		yes    []string
		no     []string
		covers []string
	}{
		{
			name:   "names in any case",
			yes:    []string{`USERNAME EQ "bjensen@example.com" AND NOT (active Eq false)`, `Name.FAMILYNAME eq "o'malley"`, `EMAILS[TYPE eq "work"]`},
			no:     []string{`USERNAME EQ "bjensen@example.com" AND NOT (active Eq true)`},
			covers: []string{"7644-3.4.2.2-03"},
		}, {
			name: "eq and ne by type",
			yes: []string{`active eq true`, `active ne false`, `meta.created eq "2011-05-13T06:42:34.123456+02:00"`, `meta.created ne "2011-05-13T04:42:34Z"`,
				badge + `:level eq 9007199254740993`, badge + `:level ne 9007199254740992`, badge + `:ratio eq 1.5`, badge + `:ratio eq 15e-1`,
				badge + `:issued eq "2024-02-29T22:30:00.5Z"`, badge + `:lost eq false`, badge + `:photo eq "AbCd"`, badge + `:site eq "https://s.example/A"`,
				badge + `:floors eq 7`, `photos.value eq "https://photos.example/B.jpg"`},
			no: []string{`active eq false`, `meta.created eq "2011-05-13T04:42:34.123456+02:00"`, badge + `:level eq 9007199254740992`, badge + `:ratio eq 1.51`,
				badge + `:issued eq "2024-02-29T23:30:00.5Z"`, badge + `:lost eq true`, badge + `:photo eq "abcd"`, badge + `:site eq "https://s.example/a"`,
				badge + `:floors eq 8`, `photos.value eq "https://photos.example/b.jpg"`},
			covers: []string{"7644-3.4.2.2-04"},
		}, {
			name: "co, sw and ew",
			yes: []string{`userName sw "BJ"`, `userName ew "Example.COM"`, `userName co "JENSEN@"`, `userName co "bjensen@example.com"`, `userName sw "bjensen@example.com"`,
				`userName ew "bjensen@example.com"`, `userName co ""`, `userName sw ""`, `userName ew ""`, `name.givenName co "ÄRB"`, `name.givenName sw "bÄ"`,
				`name.givenName ew "äRBARA"`, `externalId sw "AbC"`, `photos.value ew "B.jpg"`},
			no: []string{`userName sw "jensen"`, `userName ew "example"`, `userName co "x.y"`, `externalId sw "abc"`, `externalId co "bc7"`, `title co ""`, `title sw ""`,
				`userName sw "bjensen@example.com.au"`, `userName ew "xbjensen@example.com"`, `photos.value ew "b.jpg"`},
			covers: []string{"7644-3.4.2.2-05"},
		}, {
			name: "pr",
			yes: []string{`userName pr`, `name pr`, `emails pr`, `emails.type pr`, `active pr`, badge + `:floors pr`, badge + `:level pr`, `id pr`, `meta pr`, `meta.location pr`,
				`schemas pr`, enterprise + ` pr`, badge + ` pr`, schema.UserURN + ` pr`, `manager pr`},
			no: []string{`title pr`, `nickName pr`, `roles pr`, `ims pr`, `addresses pr`, `emails.display pr`, enterprise + `:division pr`, `name.middleName pr`},
		}, {
			name: "ordering",
			yes: []string{`userName gt "bj"`, `userName ge "BJENSEN@example.com"`, `userName le "BJENSEN@example.com"`, `userName lt "C"`, `externalId lt "aBC"`, `externalId gt "AAA"`,
				`meta.lastModified gt "2011-05-13T04:42:34Z"`, `meta.lastModified ge "2011-05-13T00:42:35-04:00"`, `meta.lastModified lt "2011-05-13T04:42:35.000001Z"`,
				badge + `:level gt 9007199254740992`, badge + `:level le 9007199254740993`, badge + `:level lt 9007199254740993.5`, badge + `:ratio gt 1.49`, badge + `:ratio lt 9`,
				badge + `:issued gt "2024-02-29T22:30:00.499999Z"`, badge + `:issued lt "2024-02-29T17:30:01-05:00"`, badge + `:codes gt "m"`, badge + `:floors gt 5`},
			no: []string{`userName lt "BJENSEN@example.com"`, `userName gt "c"`, `externalId gt "aBC"`, `meta.lastModified gt "2011-05-13T04:42:35Z"`,
				`meta.lastModified lt "2011-05-13T04:42:35Z"`, badge + `:level gt 9007199254740993`, badge + `:ratio gt 9`, badge + `:ratio gt 10`, badge + `:issued gt "2024-02-29T23:00:00Z"`,
				`title gt ""`, `title le "z"`, badge + `:floors gt 7`},
			covers: []string{"7644-3.4.2.2-07"},
		}, {
			name:   "escapes in literals",
			yes:    []string{`displayName eq "a\"b\\c\u00e9 100%_"`, `displayName co "\\C\u00C9"`, `displayName ew "100\u0025_"`},
			no:     []string{`displayName eq "a\"b\\cé 100__"`},
			covers: []string{"7644-3.4.2.2-13"},
		}, {
			name:   "precedence",
			yes:    []string{`active eq true or title pr and ims pr`, `not (title pr) and active eq true`, `not (title pr or ims pr)`, `not (title pr and active eq true)`},
			no:     []string{`(active eq true or title pr) and ims pr`, `not (title pr and ims pr) and active eq false`, `not (active eq true or title pr)`, `not (not (title pr))`},
			covers: []string{"7644-3.4.2.2-15"},
		}, {
			name: "any value",
			yes: []string{`emails.value eq "second@home.example"`, `emails.value co "HOME"`, `emails.type eq "work" and emails.value co "home"`, `emails.value ew "home.example"`,
				badge + `:codes eq "blue"`, badge + `:visits.tags eq "Y"`, badge + `:visits.count gt 4`, badge + `:visits.count lt 4`},
			no:     []string{`emails.value eq "third@x"`, badge + `:codes eq "green"`, badge + `:visits.tags eq "z"`, badge + `:visits.count gt 5`},
			covers: []string{"7644-3.4.2.2-18"},
		}, {
			name: "one element inside brackets",
			yes: []string{`emails[type eq "work" and value co "work"]`, `emails[type eq "WORK" or type eq "other"]`, badge + `:visits[count gt 4 and value eq "v2"]`,
				badge + `:visits[tags eq "x" and tags eq "y"]`, `photos[value sw "https://" and not (type eq "thumbnail")]`},
			no: []string{`emails[type eq "work" and value co "home"]`, `emails[type eq "home" and primary eq true]`, badge + `:visits[count gt 4 and value eq "v1"]`,
				`emails[type eq "other"]`, `ims[type ne "xmpp"]`, `ims[not (type eq "xmpp")]`, badge + `:visits[tags ne "x" and value eq "v1"]`},
			covers: []string{"7644-3.4.2.2-19"},
		}, {
			name: "logic inside brackets",
			yes: []string{`emails[not (type eq "home")]`, `emails[type eq "other" or (type eq "work" and primary eq true)]`, `emails[not (type eq "work" and primary eq true)]`,
				`emails[not (not (type eq "home"))]`},
			no:     []string{`emails[not (type eq "home" or type eq "work")]`, `emails[type eq "other" or (type eq "home" and primary eq true)]`},
			covers: []string{"7644-3.4.2.2-20"},
		}, {
			name:   "value paths among other conditions",
			yes:    []string{`ims[type eq "xmpp"] or emails[type eq "work"]`, `userType eq "employee" and emails[type eq "work" and value co "@work"]`, `not (ims[type eq "xmpp"])`},
			no:     []string{`ims[type eq "xmpp"] and emails[type eq "work"]`, `not (emails[type eq "work"])`},
			covers: []string{"7644-3.4.2.2-21"},
		}, {
			name: "sub-attribute after brackets",
			yes: []string{`emails[type eq "work"].value eq "FIRST@work.example"`, `emails[type eq "work"].value pr`, `emails[type eq "home"].value ne "first@work.example"`,
				`emails[type eq "x" or primary eq true].value eq "first@work.example"`},
			no: []string{`emails[type eq "work"].value eq "second@home.example"`, `emails[type eq "work"].display pr`, `emails[type eq "other"].value ne "x"`,
				`emails[type eq "x" or primary eq true].value eq "second@home.example"`},
			covers: []string{"7644-3.4.2.2-22", "ENTRA-15"},
		}, {
			name:   "complex attributes mean their value",
			yes:    []string{`emails co "home.example"`, `emails eq "first@work.example"`, `photos sw "https://photos"`, `emails ne "third@x"`},
			no:     []string{`emails co "nowhere.example"`, `ims eq "x"`, `emails ne "first@work.example"`},
			covers: []string{"7644-3.4.2.2-23", "PING-01"},
		}, {
			name:   "URN-qualified names",
			yes:    []string{schema.UserURN + `:userName sw "B"`, strings.ToUpper(schema.UserURN) + `:userName sw "B"`, schema.UserURN + `:name.familyName sw "O"`, schema.UserURN + `:emails[type eq "work"]`},
			no:     []string{schema.UserURN + `:userName sw "x"`},
			covers: []string{"7644-3.4.2.2-24"},
		}, {
			name:   "extension attributes",
			yes:    []string{enterprise + `:department eq "tour operations"`, enterprise + `:manager.value eq "m-77"`, `department sw "tour"`, enterprise + `.department pr`},
			no:     []string{enterprise + `:department eq "sales"`, enterprise + `:manager.value eq "M-77"`},
			covers: []string{"7644-3.10-01"},
		}, {
			name:   "schemas",
			yes:    []string{`schemas eq "` + enterprise + `"`, `schemas eq "` + strings.ToUpper(badge) + `"`, `schemas eq "` + schema.UserURN + `"`, `schemas[value co "badge"]`, `schemas[value ew ":core:2.0:user"]`, `schemas co "enterprise"`},
			no:     []string{`schemas eq "urn:x"`, `schemas ne "` + enterprise + `"`, `schemas ne "` + schema.UserURN + `"`, `schemas[value eq "urn:x"]`},
			covers: []string{"7644-3.4.2.2-25"},
		}, {
			name: "id, externalId and meta",
			yes: []string{`id eq "2819c223-7F76"`, `id sw "2819"`, `id ge "2819c223-7F76"`, `externalId eq "AbC701984"`, `meta.resourceType eq "User"`, `meta.resourceType ne "Group"`,
				`meta.version eq "W/\"3\""`, `meta.version co "3"`, `meta.location eq "` + options.Location + `2819c223-7F76"`, `meta.location sw "https://scim"`,
				`meta.location co "/Users/2819"`, `meta.location ew "7F76"`, `meta.location ne "` + options.Location + `"`, `meta.location ne "x"`, `meta.resourceType sw "Us"`},
			no: []string{`id eq "2819C223-7F76"`, `id ne "2819c223-7F76"`, `externalId eq "abc701984"`, `meta.resourceType eq "Group"`, `meta.resourceType eq "user"`, `meta.version eq "W/\"4\""`,
				`meta.version eq "3"`, `meta.location eq "https://elsewhere/2819c223-7F76"`, `meta.location eq "2819c223-7F76"`, `meta.location sw "http:"`, `meta.location lt "a"`},
			covers: []string{"7644-3.4.2.2-26"},
		}, {
			name: "unassigned",
			yes: []string{`title ne "x"`, `title eq null`, `not (title eq "x")`, `userName ne null`, `not (title gt "a")`, `emails ne null`, `ims eq null`, `ims.value eq null`, `ims ne "x"`,
				`name.middleName ne "x"`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division ne "x"`, `name ne null`, badge + `:vault.label eq null`},
			no: []string{`title eq "x"`, `title eq ""`, `title ne null`, `title co "x"`, `title gt ""`, `title lt "z"`, `ims.value sw ""`, `emails eq null`, `name eq null`, `id eq null`,
				`meta.created eq null`, `not (title ne null) and title pr`},
			covers: []string{"7644-3.4.2.2-27", "F-16"},
		}, {
			name:   "ne of multi-valued attributes",
			yes:    []string{`emails.value ne "a"`, `not (emails.value eq "a")`, badge + `:codes ne "green"`, `emails[value ne "first@work.example"]`},
			no:     []string{`emails.value ne "first@work.example"`, `not (emails.value eq "first@work.example")`, badge + `:codes ne "red"`, badge + `:floors ne 1`},
			covers: []string{"7644-3.4.2.2-29", "F-16"},
		}, {
			name:   "defaults",
			yes:    []string{`active eq true`},
			no:     []string{`active ne true`, `active eq null`},
			covers: []string{"7644-3.4.2.2-30"},
		}, {
			name: "primary is false where it is missing",
			yes:  []string{`emails[type eq "home" and primary eq false]`, `emails.primary eq false`, `emails[primary ne true]`, badge + `:visits[value eq "v1"]`},
			no: []string{`emails[type eq "work" and primary eq false]`, `emails[type eq "home" and primary pr]`, `ims.primary eq false`, `ims[primary eq false]`,
				`emails[type eq "home" and primary ne false]`},
			covers: []string{"7643-2.4-02"},
		}, {
			name: "metacharacters are characters",
			yes:  []string{`displayName co "%"`, `displayName co "_"`, `displayName co "\\"`, `displayName ew "%_"`, `displayName co "\""`},
			no: []string{`userName co "%"`, `userName sw "_"`, `userName ew "\\"`, `userName eq "' OR 1=1--"`, `displayName sw "%"`, `userName eq "\"; DROP TABLE users"`, `userName co "''"`,
				`userName eq "$1"`, `userName eq "?"`, `userName eq ":a"`, `userName eq "{{7*7}}"`, `userName eq "%00"`, `userName co "$.x"`, `userName eq "E'\\\\'"`},
			covers: []string{"7644-3.4.2.2-34"},
		}, {
			name:   "simple multi-valued attributes in brackets",
			yes:    []string{badge + `:codes[value eq "RED"]`, badge + `:codes[VALUE sw "b" and not (value eq "black")]`, badge + `:floors[value gt 2 and value lt 8]`},
			no:     []string{badge + `:codes[value eq "red" and value eq "blue"]`, badge + `:floors[value gt 1 and value lt 7]`},
			covers: nil,
		}, {
			name: "brackets after a single-valued complex attribute",
			yes:  []string{`name[familyName eq "o'malley" and givenName pr]`, `name[middleName ne "x"]`},
			no:   []string{`name[familyName eq "x"]`, `manager[value ne "m-77"]`},
		}, {
			name: "integers against other numbers",
			yes: []string{badge + `:floors eq 7.0`, badge + `:floors eq 70e-1`, badge + `:floors gt 6.5`, badge + `:floors lt 1.5`, badge + `:floors gt -1e30`, badge + `:floors lt 1e300`, badge + `:floors lt 1e400`, badge + `:floors gt 1e-400`,
				badge + `:floors ne 1.5`, badge + `:level gt 9007199254740992.5`, badge + `:floors ge 0.1e1`, badge + `:floors le 9223372036854775808`, badge + `:floors gt -9223372036854775809.5`},
			no: []string{badge + `:floors eq 1.5`, badge + `:floors gt 7.5`, badge + `:floors ge 7.1`, badge + `:floors lt 0.5`, badge + `:floors lt -1e30`, badge + `:floors gt 1e300`, badge + `:floors eq 1e300`,
				badge + `:floors ge 9223372036854775808`, badge + `:floors le -9223372036854775809`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := record(t, userType, bjensen)
			for _, text := range c.yes {
				require.True(t, matches(t, userType, text, r), text)
				require.False(t, matches(t, userType, "not ("+text+")", r), "not (%s)", text)
			}
			for _, text := range c.no {
				require.False(t, matches(t, userType, text, r), text)
				require.True(t, matches(t, userType, "not ("+text+")", r), "not (%s)", text)
			}
			covers(t, c.covers...)
		})
	}
}

// TestPresent: a host's own store may hold empty strings, and elements of nothing else.
func TestPresent(t *testing.T) {
	t.Parallel()
	const user = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x"`
	for _, c := range []struct {
		body, text string
		want       bool
	}{
		{user + `}`, `title pr`, false},
		{user + `,"title":null}`, `title pr`, false},
		{user + `,"title":""}`, `title pr`, false},
		{user + `,"title":""}`, `title eq null`, true},
		{user + `,"title":" "}`, `title pr`, true},
		{user + `,"name":{}}`, `name pr`, false},
		{user + `,"name":{"givenName":""}}`, `name pr`, false},
		{user + `,"name":{"givenName":"","familyName":"b"}}`, `name pr`, true},
		{user + `,"emails":[]}`, `emails pr`, false},
		{user + `,"emails":[{"value":""}]}`, `emails pr`, false},
		{user + `,"emails":[{"value":""},{"primary":false}]}`, `emails pr`, true},
		{user + `,"emails":[{"value":""},{"type":"work"}]}`, `emails.value pr`, false},
		{user + `,"emails":[{"value":""},{"type":"work"}]}`, `emails[type pr]`, true},
		{user + `,"` + schema.EnterpriseURN + `":{"division":""}}`, schema.EnterpriseURN + ` pr`, false},
		{user + `,"` + schema.EnterpriseURN + `":{"division":"d"}}`, schema.EnterpriseURN + ` pr`, true},
		{user + `,"` + badgeURN + `":{"codes":["c"]}}`, badgeURN + ` pr`, true},
		{user + `,"` + badgeURN + `":{"codes":["",""]}}`, badgeURN + ` pr`, false},
		{user + `,"` + badgeURN + `":{"codes":["","c"]}}`, badgeURN + `:codes pr`, true},
		{user + `,"` + badgeURN + `":{"lost":false}}`, badgeURN + ` pr`, true},
	} {
		stored := filter.Record{Document: schema.NewDocument([]byte(c.body))}
		require.Equal(t, c.want, matches(t, userType, c.text, stored), "%s of %s", c.text, c.body)
	}
	covers(t, "7644-3.4.2.2-06")
}

// TestHidden: no filter tells a hidden attribute from one that does not exist, and pr does not see it inside of others.
func TestHidden(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`the attribute \S+,`)
	nameless := func(text string) filter.Error {
		err := refusal(t, userType, text, lenient())
		require.Regexp(t, name, err.Detail, text)
		return filter.Error{ScimType: err.ScimType, Path: err.Path, Detail: name.ReplaceAllString(err.Detail, "")}
	}
	unknown := nameless(`nonsense eq "x"`)
	for _, text := range []string{
		`password eq "t1meMa$heen"`, `password sw "a"`, `password pr`, `not (password pr)`, `PASSWORD eq 5`, schema.UserURN + `:password pr`, `password[value eq "x"]`, `password.x pr`, `password eq null`,
	} {
		require.Equal(t, unknown, nameless(text), text)
	}
	covers(t, "7644-3.4.2.2-32", "7643-4.1.1-03")
	for _, text := range []string{
		badgeURN + `:pin eq "1234"`, `pin pr`, badgeURN + `:seeds eq "s"`, badgeURN + `:seeds[value eq "s"]`, badgeURN + `:vault.value eq "hidden"`, badgeURN + `:vault[value pr]`,
		badgeURN + `:vault eq "hidden"`, `emails.nonsense pr`, `emails[nonsense pr]`, `urn:x:y:z pr`, `nonsense[value pr]`,
	} {
		require.Equal(t, unknown, nameless(text), text)
	}
	const stored = `{"schemas":["` + schema.UserURN + `"],"userName":"x","` + badgeURN + `":{"vault":{"value":"hidden"},"pin":"1234"}}`
	hidden := filter.Record{Document: schema.NewDocument([]byte(stored))}
	require.False(t, matches(t, userType, badgeURN+`:vault pr`, hidden))
	require.False(t, matches(t, userType, badgeURN+` pr`, hidden))
}

func TestBindRefuses(t *testing.T) {
	t.Parallel()
	const badge = badgeURN
	for _, c := range []struct {
		name   string
		rt     *schema.ResourceType
		texts  []string
		path   string
		detail string
		covers []string
	}{
		{name: "unknown attributes", texts: []string{`foo eq "x"`, `foo pr`, `not (foo pr)`, `title pr or foo pr`, `name.foo pr`, `emails[foo eq "x"]`, `members pr`, `urn:ietf:params:scim:schemas:core:2.0:Group:displayName pr`,
			`userNam pr`, `urn:example:unknown:1.0:X:y eq "z"`, `userName.value eq "x"`, schema.EnterpriseURN + `:userName pr`},
			detail: "does not have", covers: []string{"7644-3.4.2.2-31", "F-07"}},
		{name: "ordering of booleans", texts: []string{`active gt true`, `active le false`, `active ge "true"`}, path: "active", detail: "operator", covers: []string{"7644-3.4.2.2-08"}},
		{name: "ordering of binaries", texts: []string{`x509Certificates.value gt "a"`, `x509Certificates lt "a"`}, path: "x509Certificates.value", detail: "operator", covers: []string{"7644-3.4.2.2-08"}},
		{name: "substrings of booleans", texts: []string{`active co true`, `active sw "t"`}, path: "active", detail: "does not apply", covers: []string{"7644-3.4.2.2-09"}},
		{name: "substrings of times", texts: []string{`meta.created sw "2011"`, `meta.created co "2011-05-13T04:42:34Z"`}, path: "meta.created", detail: "does not apply"},
		{name: "substrings of numbers", texts: []string{badge + `:level co 1`, badge + `:level ew "1"`}, path: badge + ":level", detail: "does not apply"},
		{name: "substrings of binaries", texts: []string{badge + `:photo co "A"`}, path: badge + ":photo", detail: "does not apply", covers: []string{"7644-3.4.2.2-09"}},
		{name: "boolean literals", texts: []string{`active eq "yes"`, `active eq 1`, `active ne ""`}, path: "active", detail: "true or false"},
		{name: "string literals", texts: []string{`userName eq 5`, `userName eq true`, `userName co false`, `not (userName gt 1)`}, path: "userName", detail: "a string"},
		{name: "integer literals", texts: []string{badge + `:level eq "5"`, badge + `:level eq true`, badge + `:level gt 1e401`, badge + `:level gt 1E-401`, badge + `:level gt 1e-999999999`, badge + `:level gt 1e99999999999999999999`},
			path: badge + ":level", detail: "a number"},
		{name: "decimal literals", texts: []string{badge + `:ratio eq "1.5"`, badge + `:ratio gt 1e400`, badge + `:ratio lt -1e309`}, path: badge + ":ratio", detail: "a number"},
		{name: "time literals", texts: []string{`meta.created gt "abc"`, `meta.created eq "2026-13-99"`, `meta.created gt "2026-01-01"`, `meta.created gt ""`, `meta.created gt 2026`,
			`meta.created gt "2026-02-30T00:00:00Z"`, `meta.created gt "2016-12-31T23:59:60Z"`, `meta.created gt "2026-01-01T00:00:00,5Z"`},
			path: "meta.created", detail: "a string such as", covers: []string{"7644-3.4.2.2-10", "F-15"}},
		{name: "null", texts: []string{`title gt null`, `title co null`, `title sw null`, `title ew null`, `title le null`}, path: "title", detail: "null can be compared by eq and ne only",
			covers: []string{"7644-3.4.2.2-28"}},
		{name: "complex attributes", texts: []string{`name eq "x"`, `name co "x"`}, path: "name", detail: "needs one of its sub-attributes", covers: []string{"7644-3.4.2.2-23"}},
		{name: "complex meta", texts: []string{`meta eq "x"`}, path: "meta", detail: "needs one of its sub-attributes"},
		{name: "complex attributes without value", texts: []string{`addresses eq "x"`}, path: "addresses", detail: "needs one of its sub-attributes"},
		{name: "whole schemas", texts: []string{schema.EnterpriseURN + ` eq "x"`, schema.UserURN + ` sw "x"`, badge + ` gt "a"`}, detail: "whole schema"},
		{name: "brackets after a string", texts: []string{`userName[value eq "x"]`}, path: "userName", detail: "in brackets"},
		{name: "brackets after a sub-attribute", texts: []string{`emails.value[value eq "x"]`}, path: "emails.value", detail: "in brackets"},
		{name: "brackets after meta", texts: []string{`meta[version pr]`}, path: "meta", detail: "in brackets"},
		{name: "brackets after a schema", texts: []string{schema.EnterpriseURN + `[department pr]`}, path: schema.EnterpriseURN, detail: "in brackets"},
		{name: "other names inside brackets", texts: []string{`emails[emails.type eq "work"]`, `emails[urn:ietf:params:scim:schemas:core:2.0:User:type pr]`}, path: "emails", detail: "only the names of its sub-attributes",
			covers: []string{"7644-3.4.2.2-20"}},
		{name: "relations", rt: groupType, texts: []string{`members.display eq "x"`, `members.$ref pr`, `members.type eq "User"`, `members co "x"`, `members.value sw "x"`, `members gt "a"`,
			`members[display eq "x"]`, `members[value eq "x" and value eq "y"]`, `members[value eq "x" or type eq "User"]`, `members[not (value eq "x")]`, `members[value ne "x"]`,
			`members[value eq null]`, `members[value eq "x"].display pr`, `members[value eq "a" or (value eq "b" and value eq "c")]`},
			path: "members", detail: "value eq and pr only"},
		{name: "relations of users", texts: []string{`groups.display eq "x"`, `groups[type eq "direct"]`, `groups co "x"`}, path: "groups", detail: "value eq and pr only"},
		{name: "relation literals", rt: groupType, texts: []string{`members eq 5`, `members.value eq true`, `members[value eq 5]`}, path: "members.value", detail: "a string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rt := userType
			if c.rt != nil {
				rt = c.rt
			}
			for _, text := range c.texts {
				refused := refusal(t, rt, text, lenient())
				require.Contains(t, refused.Detail, c.detail, text)
				require.Equal(t, c.path, refused.Path, text)
			}
			covers(t, c.covers...)
		})
	}
}

// TestBindRefusesOtherTrees: not every syntax tree comes from this package's parser.
func TestBindRefusesOtherTrees(t *testing.T) {
	t.Parallel()
	term := func(path string, op ast.CompareOperator, v any) ast.Expression {
		return &ast.AttributeExpression{AttributePath: attributePath(path), Operator: op, CompareValue: v}
	}
	for _, expr := range []ast.Expression{
		nil, &ast.NotExpression{}, term("userName", "zz", "x"), term("userName", "EQ", "x"), term(badgeURN+":level", ast.EQ, 5), term(badgeURN+":ratio", ast.EQ, 1.5),
		term(badgeURN+":level", ast.GT, json.Number("x")), term(badgeURN+":level", ast.GT, json.Number("")), term("active", ast.EQ, []any{}), term("", ast.PR, nil),
	} {
		f, err := filter.Bind(expr, userType, options, unquoted())
		require.Nil(t, f)
		var refused *filter.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, schema.InvalidFilter, refused.ScimType)
	}
}

// TestRules binds what a connection takes and a strict one does not, and looks at which rule the report names.
func TestRules(t *testing.T) {
	t.Parallel()
	r := record(t, userType, bjensen)
	for _, c := range []struct {
		text string
		want bool
		rule dialect.Rule
	}{
		{`active eq "True"`, true, dialect.QuotedBoolean},
		{`active eq "FALSE"`, false, dialect.QuotedBoolean},
		{`emails[primary eq "True"]`, true, dialect.QuotedBoolean},
		{schema.EnterpriseURN + `:manager eq "m-77"`, true, dialect.ValueShorthand},
		{schema.EnterpriseURN + `:manager.managerId eq "m-77"`, true, dialect.AttributeAlias},
		{schema.EnterpriseURN + `:manager[managerId eq "m-77"]`, true, dialect.AttributeAlias},
		{schema.EnterpriseURN + `.department pr`, true, dialect.URNDot},
		{schema.UserURN + `.name.givenName pr`, true, dialect.URNDot},
		{`urn:scim:schemas:core:2.0:userName pr`, true, dialect.LegacySchema},
		{`department pr`, true, dialect.UnqualifiedExtension},
	} {
		report := lenient()
		ok, err := bind(t, userType, c.text, report).Match(r)
		require.NoError(t, err)
		require.Equal(t, c.want, ok, c.text)
		require.Equal(t, []string{c.rule.ID()}, report.Fired(), c.text)
		_ = refusal(t, userType, c.text, strictly())
	}
	covers(t, "7644-3.4.2.2-37")

	report := lenient()
	ok, err := bind(t, userType, `manager eq "m-77" and id eq "2819c223-7F76"`, report).Match(r)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []string{"unqualified-extension", "value-shorthand"}, report.Fired())
	require.True(t, matches(t, userType, `id eq "2819c223-7F76" and manager eq "m-77"`, r))
	require.False(t, matches(t, userType, `id eq "2819c223-7F76" and manager eq "m-78"`, r))
	require.False(t, matches(t, userType, `manager eq "m-77" and id eq "2819c223-7F77"`, r))
	covers(t, "ENTRA-17")

	report = lenient()
	_, err = bind(t, userType, `emails eq "x" and active eq true`, report).Match(r)
	require.NoError(t, err)
	require.Empty(t, report.Fired())
}

// TestFold: the same rules as for uniqueness, whatever the letters.
func TestFold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		userName, literal string
		want              bool
	}{
		{"ALICE", "alice", true},
		{"A-Z[`@]", "a-z[`@]", true},
		{"@[", "`{", false},
		{"alice", "ALICE", true},
		{"caf\u00e9", "cafe\u0301", true},
		{"cafe\u0301", "CAF\u00c9", true},
		{"\u212aelvin", "kelvin", true},
		{"kelvin", "\u212aELVIN", true},
		{"stra\u00dfe", "STRA\u1e9eE", true},
		{"ı", "i", false},
		{"i", "I", true},
		{"ａlice", "ALICE", true},
		{"alice", "alic", false},
		{"alicé", "alice", false},
	} {
		r := record(t, userType, fmt.Sprintf(`{"schemas":[%q],"userName":%q,"externalId":%q}`, schema.UserURN, c.userName, c.userName))
		for _, op := range []string{"eq", "sw", "ew", "co", "ge"} {
			if !c.want && op != "eq" {
				continue
			}
			require.Equal(t, c.want, matches(t, userType, fmt.Sprintf(`userName %s %q`, op, c.literal), r), "%q %s %q", c.userName, op, c.literal)
		}
		require.Equal(t, c.userName == c.literal, matches(t, userType, fmt.Sprintf(`externalId eq %q`, c.literal), r))
	}
	covers(t, "F-14")
}

// relation answers for one group, or for the groups of one user, and counts how often it was asked.
type relation struct {
	name  string
	ids   []string
	asked int
	err   error
}

func (m *relation) related(name, id string) (bool, error) {
	m.asked++
	if name != m.name {
		return false, fmt.Errorf("asked for %s", name)
	}
	if id == "" {
		return len(m.ids) > 0, m.err
	}
	for _, known := range m.ids {
		if known == id {
			return true, m.err
		}
	}
	return false, m.err
}

func TestRelations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text        string
		with, empty bool // the answer for a group with u1 and u2, and for one without members
	}{
		{`members.value eq "u1"`, true, false},
		{`members eq "u1"`, true, false},
		{`members eq "u3"`, false, false},
		{`members eq "U1"`, false, false},
		{`members ne "u1"`, false, true},
		{`members ne "u3"`, true, true},
		{`not (members.value eq "u1")`, false, true},
		{`members[value eq "u3" or value eq "u2"]`, true, false},
		{`members[value eq "u3" or value eq "u4" or (value eq "u5" or value eq "u1")]`, true, false},
		{`not (members[value eq "u3" or value eq "u2"])`, false, true},
		{`not (members[value eq "u3" or value eq "u4"])`, true, true},
		{`members pr`, true, false},
		{`members.value pr`, true, false},
		{`members[value pr]`, true, false},
		{`not (members pr)`, false, true},
		{`members eq null`, false, true},
		{`members ne null`, true, false},
		{`members eq ""`, false, false},
		{`members ne ""`, true, true},
		{`members[value eq ""]`, false, false},
		{`members eq "u1" and members eq "u2"`, true, false},
		{`members eq "u1" and not (members eq "u2") or members eq "u9"`, false, false},
		{`displayName eq "tour guides" and members eq "u1"`, true, false},
		{`displayName eq "x" or members eq "u1"`, true, false},
		{`URN:ietf:params:scim:schemas:core:2.0:Group:MEMBERS[VALUE eq "u1"]`, true, false},
	} {
		for _, ids := range [][]string{{"u1", "u2"}, nil} {
			group := relation{name: "members", ids: ids}
			r := record(t, groupType, `{"schemas":["`+schema.GroupURN+`"],"displayName":"Tour Guides"}`)
			r.Related = group.related
			want := c.with
			if ids == nil {
				want = c.empty
			}
			require.Equal(t, want, matches(t, groupType, c.text, r), "%s of %v", c.text, ids)
		}
	}

	groups := relation{name: "groups", ids: []string{"g1"}}
	r := record(t, userType, bjensen)
	r.Related = groups.related
	require.True(t, matches(t, userType, `groups.value eq "g1" and groups pr and groups[value eq "g1"]`, r))
	require.False(t, matches(t, userType, `groups eq "g2"`, r))

	group := relation{name: "members", ids: []string{"u1"}}
	r = record(t, groupType, `{"schemas":["`+schema.GroupURN+`"],"displayName":"Tour Guides"}`)
	r.Related = group.related
	require.False(t, matches(t, groupType, `members eq "u1" and id eq "other"`, r))
	require.Zero(t, group.asked, "the id decides")
	require.True(t, matches(t, groupType, `members eq "u1" and id eq "2819c223-7F76"`, r))
	require.Equal(t, 1, group.asked)
	covers(t, "ENTRA-18")

	group.err = errors.New("the database is away")
	for _, text := range []string{`members eq "u1"`, `not (members eq "u1")`, `members eq "u9" or members eq "u1"`, `members ne "u1" and displayName pr`} {
		ok, err := bind(t, groupType, text, nil).Match(r)
		require.ErrorIs(t, err, group.err)
		require.False(t, ok)
	}
	r.Related = nil
	_, err := bind(t, groupType, `members eq "u1"`, nil).Match(r)
	require.Error(t, err)
}

func TestRelationsDeclined(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rt   *schema.ResourceType
		text string
		opts filter.Options
		ok   bool
	}{
		{groupType, `members eq "u1"`, filter.Options{NoMembers: true}, false},
		{groupType, `displayName pr or members pr`, filter.Options{NoMembers: true}, false},
		{groupType, `members[value eq "u1"]`, filter.Options{NoMembers: true}, false},
		{groupType, `members eq "u1"`, filter.Options{NoGroups: true}, true},
		{groupType, `displayName pr`, filter.Options{NoMembers: true}, true},
		{userType, `groups pr`, filter.Options{NoGroups: true}, false},
		{userType, `groups pr`, filter.Options{NoMembers: true}, true},
	} {
		expr, err := filter.Parse(c.text, filter.DefaultLimits, nil)
		require.NoError(t, err)
		_, err = filter.Bind(expr, c.rt, c.opts, nil)
		require.Equal(t, c.ok, err == nil, "%s: %v", c.text, err)
	}
}

// TestDocumentOnDemand: conditions on id, meta and relations are answered without decoding the document.
func TestDocumentOnDemand(t *testing.T) {
	t.Parallel()
	group := relation{name: "members", ids: []string{"u1"}}
	broken := filter.Record{ID: "g1", Version: 2, Document: schema.NewDocument([]byte(`{"displayName":`)), Related: group.related}
	for text, want := range map[string]bool{
		`id eq "g1" or displayName eq "x"`:                             true,
		`displayName eq "x" and id eq "g2"`:                            false,
		`id eq "g1" and members eq "u1" and meta.version eq "W/\"2\""`: true,
		`meta.resourceType eq "User" and displayName eq "x"`:           false,
	} {
		require.Equal(t, want, matches(t, groupType, text, broken), text)
	}
	ok, err := bind(t, groupType, `id eq "g1" and displayName eq "x"`, nil).Match(broken)
	require.Error(t, err)
	require.False(t, ok)
	require.False(t, matches(t, groupType, `displayName pr`, filter.Record{ID: "g1"}))
	require.True(t, matches(t, groupType, `displayName eq null`, filter.Record{ID: "g1"}))
}

// TestMicroseconds: databases keep microseconds, so nothing finer takes part.
func TestMicroseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
	r := filter.Record{Created: at, LastModified: at}
	for text, want := range map[string]bool{
		`meta.created eq "2024-05-06T06:08:09.123456Z"`:         true,
		`meta.created eq "2024-05-06T06:08:09.123456999Z"`:      true,
		`meta.created gt "2024-05-06T06:08:09.123456Z"`:         false,
		`meta.lastModified gt "2024-05-06T06:08:09.123455999Z"`: true,
		`meta.lastModified lt "2024-05-06T06:08:09.123457Z"`:    true,
		`meta.created eq "2024-05-06T06:08:09.123456"`:          true, // without a zone: UTC
	} {
		require.Equal(t, want, matches(t, userType, text, r), text)
	}
	covers(t, "F-15")
}

func TestNilFilter(t *testing.T) {
	t.Parallel()
	var none *filter.Filter
	ok, err := none.Match(filter.Record{})
	require.NoError(t, err)
	require.True(t, ok)
	terms, exact := none.Equality()
	require.Empty(t, terms)
	require.True(t, exact)
	where, args, exact := none.SQL(filter.Columns{})
	require.Empty(t, where)
	require.Empty(t, args)
	require.True(t, exact)
}

// TestMatchAllocations: a store calls Match for each candidate.
func TestMatchAllocations(t *testing.T) {
	r := record(t, userType, bjensen)
	_, err := r.Document.Tree(userType)
	require.NoError(t, err)
	for _, text := range []string{
		`userName eq "BJENSEN@example.com"`, `userName co "JENSEN"`, `userName sw "B" and userName ew ".com" and userName lt "c"`, `emails[type eq "work" and value co "WORK"]`, `emails.value ne "x"`,
		`meta.lastModified gt "2011-05-13T04:42:34Z" and meta.version eq "W/\"3\"" and id eq "2819c223-7F76"`, badgeURN + `:level gt 5 and ` + badgeURN + `:ratio lt 7`, `schemas co "badge"`,
		`name pr and title ne "x" and not (active eq false)`, `meta.location eq "` + options.Location + `2819c223-7F76"`, badgeURN + `:issued gt "2000-01-01T00:00:00Z"`,
	} {
		f := bind(t, userType, text, nil)
		var ok bool
		allocs := testing.AllocsPerRun(10, func() { ok, err = f.Match(r) })
		require.NoError(t, err)
		require.True(t, ok, text)
		require.Zero(t, allocs, text)
	}
}

// TestTextsAreFoldedOnce counts allocations, since folding allocates: a filter of many conditions folds a text as often as one of two.
func TestTextsAreFoldedOnce(t *testing.T) {
	r := record(t, userType, `{"schemas":["`+schema.UserURN+`"],"userName":"u","title":"`+strings.Repeat("Ö", 2000)+`","nickName":"`+strings.Repeat("X", 4000)+`"}`)
	cost := func(conditions int, one string) float64 {
		f := bind(t, userType, strings.Repeat(one+" or ", conditions-1)+one, lenient())
		return testing.AllocsPerRun(10, func() {
			ok, err := f.Match(r)
			require.NoError(t, err)
			require.False(t, ok)
		})
	}
	for _, one := range []string{`title co "q"`, `title eq "q"`, `nickName co "q"`} {
		require.InDelta(t, cost(2, one), cost(100, one), 1, one)
	}
}
