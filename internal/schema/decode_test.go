package schema_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// Every type with what it takes, in the form in which it is kept, and what it refuses.
func TestDecodeTypes(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	long := strings.Repeat("x", schema.MaxString)
	for path, c := range map[string]struct {
		takes   map[string]string // sent: kept
		refuses []string
	}{
		"model": {
			takes:   map[string]string{`"a"`: `"a"`, `"\u00e9\n\""`: `"é\n\""`, `" "`: `" "`, `"` + long + `"`: `"` + long + `"`},
			refuses: []string{`1`, `true`, `{}`, `{"value":"a"}`, `[]`, `["a"]`, `"` + long + `x"`},
		},
		"locked": {
			takes:   map[string]string{`true`: `true`, `false`: `false`},
			refuses: []string{`"yes"`, `"1"`, `""`, `"true "`, `0`, `1`, `[]`, `[true]`, `{}`, `"\u212a"`},
		},
		"count": {
			takes: map[string]string{
				`0`: `0`, `-0`: `0`, `7`: `7`, `-7`: `-7`, `9007199254740993`: `9007199254740993`,
				`9223372036854775807`: `9223372036854775807`, `-9223372036854775808`: `-9223372036854775808`,
			},
			refuses: []string{`1.5`, `1.0`, `1e3`, `1E0`, `9223372036854775808`, `-9223372036854775809`, `1e400`, `"1"`, `true`, `[]`, `{}`, strings.Repeat("9", 200_000)},
		},
		"weight": {
			takes:   map[string]string{`1.5`: `1.5`, `-0.0`: `-0.0`, `10`: `10`, `1e3`: `1e3`, `1E-300`: `1E-300`, `0.1`: `0.1`},
			refuses: []string{`1e400`, `-1e999`, `"1.5"`, `true`, `{}`, `0.` + strings.Repeat("1", 64)},
		},
		"seen": {
			takes: map[string]string{
				`"2008-01-23T04:56:22Z"`: `"2008-01-23T04:56:22Z"`, `"2008-01-23T04:56:22.123456789+02:00"`: `"2008-01-23T04:56:22.123456789+02:00"`,
				`"2008-01-23T04:56:22"`: `"2008-01-23T04:56:22"`, `"2024-02-29T00:00:00-11:30"`: `"2024-02-29T00:00:00-11:30"`,
			},
			refuses: []string{
				`"2008-01-23"`, `"04:56:22"`, `"x"`, `"2008-13-01T00:00:00Z"`, `"2023-02-29T00:00:00Z"`, `"2008-01-23T25:00:00Z"`, `"2008-01-23T04:56Z"`,
				`"2008-01-23T04:56:22,5Z"`, `"2008-01-23 04:56:22Z"`, `"2008-01-23T04:56:22z x"`, `1201064182`, `true`, `{}`,
			},
		},
		"key": {
			takes:   map[string]string{`"AQIDBA=="`: `"AQIDBA=="`, `"AQIDBA"`: `"AQIDBA"`, `"-_-_"`: `"-_-_"`, `"+/+/"`: `"+/+/"`},
			refuses: []string{`"%%%"`, `"A"`, `"AQ ID"`, `"AQ\nID"`, `"AQIDBA="`, `"AQID="`, `"A=QI"`, `"+_+_"`, `"-----BEGIN CERTIFICATE-----"`, `1`, `{}`},
		},
		"owner": {
			takes:   map[string]string{`"../Users/1"`: `"../Users/1"`, `"https://example.com/x"`: `"https://example.com/x"`},
			refuses: []string{`1`, `{}`, `{"value":"x"}`, `[]`},
		},
		"tags": {
			takes: map[string]string{
				`["a","b"]`: `["a","b"]`, `["a","b","a"]`: `["a","b"]`, `["a",null,"b"]`: `["a","b"]`, `["a","A"]`: `["a","A"]`, `[]`: `null`, `[null]`: `null`,
			},
			refuses: []string{`["a",1]`, `[["a"]]`, `[{"value":"a"}]`, `{}`, `1`, `true`},
		},
		"sizes": {
			takes:   map[string]string{`[1,2,1]`: `[1,2]`, `[0,-0]`: `[0]`},
			refuses: []string{`[1.5]`, `["1"]`, `[true]`},
		},
		"flags": {
			takes:   map[string]string{`[true,false,true]`: `[true,false]`},
			refuses: []string{`["x"]`, `[1]`},
		},
		"place": {
			takes: map[string]string{
				`{"room":"1","rack":"2"}`: `{"room":"1","rack":"2"}`, `{"RACK":"2","Room":"1"}`: `{"room":"1","rack":"2"}`,
				`{"rack":"2","room":null}`: `{"rack":"2"}`, `{}`: `null`, `{"room":null}`: `null`, `{"room":"1"}`: `{"room":"1"}`, // completeness is judged at the end
				`{"rack":"2","map":"x"}`: `{"rack":"2"}`, // readOnly
				`{"rack":"2","map":{}}`:  `{"rack":"2"}`, `{"rack":"2","floors":[1,1,2]}`: `{"rack":"2","floors":[1,2]}`, `{"floors":[]}`: `null`,
			},
			refuses: []string{`"2"`, `1`, `true`, `{"room":1}`, `{"rack":{"x":1}}`, `{"floors":["1"]}`, `[{"rack":"1"},{"rack":"2"}]`},
		},
		"ports": {
			takes: map[string]string{
				`[{"value":"a","type":"t"},{"type":"t","value":"a"}]`: `[{"value":"a","type":"t"}]`, `[{"value":"a"},{"value":"b"}]`: `[{"value":"a"},{"value":"b"}]`,
				`[{}]`: `null`, `[{"value":null}]`: `null`, `[{"value":"a","primary":true}]`: `[{"value":"a","primary":true}]`, `[{"hidden":"x"}]`: `[{"hidden":"x"}]`,
			},
			refuses: []string{`["a"]`, `"a"`, `1`, `[1]`, `[[]]`, `[{"value":1}]`, `[{"value":"a"},{"primary":"x"}]`},
		},
	} {
		a := attr(t, rt, path)
		for sent, kept := range c.takes {
			report := rigid()
			v, err := value(rt, a, sent, report)
			require.NoError(t, err, "%s: %.80s", path, sent)
			require.Equal(t, kept, string(v.AppendJSON(nil)), "%s: %.80s", path, sent)
			require.Empty(t, report.Fired())
			marshalled, err := json.Marshal(v)
			require.NoError(t, err)
			require.JSONEq(t, kept, string(marshalled))
			// The same inside a whole resource.
			input, err := decode(rt, `{"schemas":["`+deviceURN+`"],"`+path+`":`+sent+`}`, rigid())
			require.NoError(t, err)
			require.True(t, v.Equal(input.Tree.Get(a)))
		}
		for _, sent := range c.refuses {
			where := fmt.Sprintf("%s: %.80s", path, sent)
			_, err := value(rt, a, sent, rigid())
			var refused *schema.Error
			require.ErrorAs(t, err, &refused, where)
			require.Equal(t, schema.InvalidValue, refused.ScimType, where)
			require.True(t, refused.Path == path || strings.HasPrefix(refused.Path, path+"."), "%s: %s", where, refused.Path)
			require.Contains(t, refused.Detail, refused.Path)
			// With the tolerances it is refused as well, unless one of them says otherwise.
			report := tolerant()
			_, err = value(rt, a, sent, report)
			require.True(t, err != nil || slices.ContainsFunc(report.Fired(), isShape), where)
		}
		for _, sent := range []string{`"canary`, `canary`, `"\ud800canary"`, ``} {
			_, err := value(rt, a, sent, tolerant())
			require.Error(t, err, path)
			require.NotContains(t, err.Error(), "canary", path)
		}
		// null is a value of every type.
		v, err := value(rt, a, "null", rigid())
		require.NoError(t, err)
		require.True(t, v.IsZero())
	}
	covers(t, "7643-2.3.4-01", "7643-2.3.6-01")
}

// isShape names the rules about the shape of a value.
func isShape(rule string) bool {
	return rule == "single-for-multi" || rule == "array-for-single" || rule == "empty-string"
}

// What each tolerance of the decoder makes of what is sent.
func TestDecodeTolerances(t *testing.T) {
	t.Parallel()
	user, device := userType(t), deviceType(t)
	manager := schema.EnterpriseURN + ":manager"
	for _, c := range []struct {
		rt    *schema.ResourceType
		path  string
		sent  string
		kept  string
		fired []string
	}{
		{user, "active", `"True"`, `true`, []string{"string-boolean"}},
		{user, "active", `"FALSE"`, `false`, []string{"string-boolean"}},
		{device, "flags", `["true",false,"False"]`, `[true,false]`, []string{"string-boolean"}},
		{user, "emails", `[{"value":"a","primary":"tRUE"}]`, `[{"value":"a","primary":true}]`, []string{"string-boolean"}},
		{user, "displayName", `"True"`, `"True"`, nil},
		{user, manager, `"m"`, `{"value":"m"}`, []string{"bare-value"}},
		{user, manager, `[{"value":"m"}]`, `{"value":"m"}`, []string{"array-for-single"}},
		{user, manager, `[]`, `null`, nil},
		{user, manager, `""`, `null`, []string{"empty-string"}},
		{user, manager, `{"value":""}`, `null`, []string{"empty-string"}},
		{user, manager, `{"managerId":"m","displayName":"x"}`, `{"value":"m"}`, []string{"attribute-alias"}},
		{user, manager, `{"value":"m","canary":1}`, `{"value":"m"}`, []string{"unknown-attribute"}},
		{user, "title", `""`, `null`, []string{"empty-string"}},
		{user, "name", `{"middleName":"","givenName":"A"}`, `{"givenName":"A"}`, []string{"empty-string"}},
		{user, "emails", `{"value":"a"}`, `[{"value":"a"}]`, []string{"single-for-multi"}},
		{user, "emails", `{}`, `null`, []string{"single-for-multi"}},
		{device, "tags", `"a"`, `["a"]`, []string{"single-for-multi"}},
		{device, "tags", `""`, `null`, []string{"empty-string"}},
		{device, "tags", `["","a"]`, `["a"]`, []string{"empty-string"}},
		{device, "sizes", `7`, `[7]`, []string{"single-for-multi"}},
		{device, "flags", `true`, `[true]`, []string{"single-for-multi"}},
		{user, "roles", `[{"displayName":"D","value":"d"}]`, `[{"value":"d","display":"D"}]`, []string{"attribute-alias"}},
		{user, "roles", `[{"value":"{\"id\":\"1\",\"value\":\"25\",\"displayName\":\"D\"}"}]`, `[{"value":"25","display":"D"}]`, []string{"json-in-string"}},
		{user, "roles", `[{"value":"{\"value\":\"25\",\"type\":\"inner\"}","type":"outer","primary":true}]`, `[{"value":"25","type":"inner","primary":true}]`, []string{"json-in-string"}},
		{user, "roles", `[{"value":"{\"value\":\"25\",\"primary\":\"True\"}"}]`, `[{"value":"25","primary":true}]`, []string{"json-in-string"}},
		// What is no such document stays the string that it is.
		{user, "roles", `[{"value":"{\"display\":\"D\"}"}]`, `[{"value":"{\"display\":\"D\"}"}]`, nil},
		{user, "roles", `[{"value":"{\"value\":7}"}]`, `[{"value":"{\"value\":7}"}]`, nil},
		{user, "roles", `[{"value":"{\"value\":\"x\""}]`, `[{"value":"{\"value\":\"x\""}]`, nil},
		{user, "roles", `[{"value":"{\"value\":\"x\"} y"}]`, `[{"value":"{\"value\":\"x\"} y"}]`, nil},
		{user, "roles", `[{"value":"{\"value\":\"a\\u0000\"}"}]`, `[{"value":"{\"value\":\"a\\u0000\"}"}]`, nil},
		{user, "roles", `[{"value":"{\"a\":[[[]]],\"value\":\"x\"}"}]`, `[{"value":"{\"a\":[[[]]],\"value\":\"x\"}"}]`, nil},
		{user, "roles", `[{"value":"{}"}]`, `[{"value":"{}"}]`, nil},
		{user, "entitlements", `[{"value":"{\"value\":\"25\"}"}]`, `[{"value":"{\"value\":\"25\"}"}]`, nil},
		{user, "emails", `[{"value":"{\"value\":\"25\"}"}]`, `[{"value":"{\"value\":\"25\"}"}]`, nil},
	} {
		report := tolerant()
		a := attr(t, c.rt, c.path)
		v, err := value(c.rt, a, c.sent, report)
		require.NoError(t, err, c.sent)
		require.JSONEq(t, c.kept, string(v.AppendJSON(nil)), c.sent)
		require.ElementsMatch(t, c.fired, report.Fired(), c.sent)
		// Once it is kept, the same needs no tolerance.
		if !v.IsZero() {
			again, err := value(c.rt, a, c.kept, rigid())
			require.NoError(t, err, c.sent)
			require.True(t, v.Equal(again), c.sent)
		}
	}
	// Two deviations of one shape are no shape that anybody sends.
	for _, sent := range []string{`["m"]`, `[null]`, `[[{"value":"m"}]]`, `[{"value":"m"},{"value":"n"}]`, `[{"value":"m"},null]`, `7`, `true`} {
		_, err := value(user, attr(t, user, manager), sent, tolerant())
		refusal(t, err, schema.InvalidValue, manager, sent)
	}
	covers(t, "ENTRA-25", "ENTRA-39", "ENTRA-43", "ONELOGIN-06")
}

func TestDecodeResource(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	input, err := decode(rt, `{"SCHEMAS":["`+labURN+`","`+strings.ToUpper(deviceURN)+`"],"ID":"mine","meta":{"version":7},"externalid":"e",
		"Serial":"s","stock":"readOnly","NOTE":"n","secret":"s3","model":null,"tags":[],
		"`+strings.ToUpper(labURN)+`":{"BENCH":"b","asset":null}}`, rigid())
	require.NoError(t, err)
	exactly(t, `{"externalId":"e","serial":"s","secret":"s3","note":"n","`+labURN+`":{"bench":"b"}}`, encoded(input.Tree), "")
	require.Equal(t, []string{"note"}, paths(input.Requested))
	require.False(t, input.HasMembers)
	require.Equal(t, []string{deviceURN, labURN}, rt.URNs(input.Tree))

	for body, c := range map[string]struct{ scimType, path string }{
		`{}`:                                      {schema.InvalidSyntax, "schemas"},
		`{"schemas":[]}`:                          {schema.InvalidSyntax, "schemas"},
		`{"schemas":null}`:                        {schema.InvalidSyntax, "schemas"},
		`{"schemas":"` + deviceURN + `"}`:         {schema.InvalidSyntax, "schemas"},
		`{"schemas":[1]}`:                         {schema.InvalidSyntax, "schemas"},
		`{"schemas":[["` + deviceURN + `"]]}`:     {schema.InvalidSyntax, "schemas"},
		`{"schemas":["` + labURN + `"]}`:          {schema.InvalidSyntax, "schemas"},
		`{"schemas":["` + schema.UserURN + `"]}`:  {schema.InvalidSyntax, "schemas"},
		`{"schemas":["` + deviceURN + `:model"]}`: {schema.InvalidSyntax, "schemas"},
		`{"schemas":["` + deviceURN + `"],"model":"a","MODEL":"b"}`:                                             {schema.InvalidSyntax, "model"},
		`{"schemas":["` + deviceURN + `"],"stock":"a","Stock":"b"}`:                                             {schema.InvalidSyntax, "stock"},
		`{"schemas":["` + deviceURN + `"],"id":"a","Id":"b"}`:                                                   {schema.InvalidSyntax, "id"},
		`{"schemas":["` + deviceURN + `"],"Schemas":["x"]}`:                                                     {schema.InvalidSyntax, "schemas"},
		`{"schemas":["` + deviceURN + `"],"place":{"room":"a","ROOM":"b"}}`:                                     {schema.InvalidSyntax, "place.room"},
		`{"schemas":["` + deviceURN + `"],"place":{"map":"a","MAP":"b"}}`:                                       {schema.InvalidSyntax, "place.map"},
		`{"schemas":["` + deviceURN + `"],"` + labURN + `":{"bench":"a"},"` + strings.ToUpper(labURN) + `":{}}`: {schema.InvalidSyntax, labURN},
		`{"schemas":["` + deviceURN + `"],"` + labURN + `":{"bench":"a","Bench":"b"}}`:                          {schema.InvalidSyntax, labURN + ":bench"},
		`{"schemas":["` + deviceURN + `"],"` + labURN + `":[]}`:                                                 {schema.InvalidValue, labURN},
		`{"schemas":["` + deviceURN + `"],"` + labURN + `":"x"}`:                                                {schema.InvalidValue, labURN},
		`{"schemas":["` + deviceURN + `"],"externalId":"` + strings.Repeat("x", schema.MaxKey+1) + `"}`:         {schema.InvalidValue, "externalId"},
		`{"schemas":["` + deviceURN + `"],"serial":"` + strings.Repeat("x", schema.MaxKey+1) + `"}`:             {schema.InvalidValue, "serial"},
	} {
		for _, report := range []*dialect.Report{rigid(), tolerant()} {
			_, err := decode(rt, body, report)
			refusal(t, err, c.scimType, c.path, body)
		}
	}
	for _, body := range []string{``, `null`, `[]`, `"x"`, `42`, `true`, `{`, `{"schemas":["` + deviceURN + `"]} {}`, `{"schemas":["` + deviceURN + `"],"model":"canary\ud800"}`} {
		_, err := decode(rt, body, tolerant())
		var malformed *strict.Error
		require.ErrorAs(t, err, &malformed, body)
		require.NotContains(t, err.Error(), "canary")
	}
	covers(t, "7643-3.3-01", "7643-3-04")
}

// Unknown attributes are skipped as a whole, and read well enough to find what makes JSON ambiguous.
func TestDecodeUnknown(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	body := `{"schemas":["` + deviceURN + `"],"canary":{"serial":"x","a":[{"b":1}]},"serial":"s","u\u017ferName":"x","place":{"rack":"r","canary":1},"ports":[{"value":"a","canary":{}}],"` + labURN + `":{"canary":null}}`
	report := tolerant()
	input, err := decode(rt, body, report)
	require.NoError(t, err)
	exactly(t, `{"serial":"s","place":{"rack":"r"},"ports":[{"value":"a"}]}`, encoded(input.Tree), "")
	require.Equal(t, []string{"unknown-attribute"}, report.Fired())
	require.Equal(t, []string{"canary", "u", "canary", "canary", "canary"}, report.Ignored())

	for _, body := range []string{
		`{"schemas":["` + deviceURN + `"],"canary":1}`,
		`{"schemas":["` + deviceURN + `"],"place":{"canary":1}}`,
		`{"schemas":["` + deviceURN + `"],"ports":[{"canary":1}]}`,
		`{"schemas":["` + deviceURN + `","` + labURN + `"],"` + labURN + `":{"canary":1}}`,
	} {
		_, err := decode(rt, body, rigid())
		require.Contains(t, refusal(t, err, schema.InvalidSyntax, "", body), "canary", "the client learns which one it is")
	}
	_, err = decode(rt, `{"schemas":["`+deviceURN+`"],"<b>\n\u0001\u202e`+strings.Repeat("x", 1<<16)+`":1}`, rigid())
	detail := refusal(t, err, schema.InvalidSyntax, "", "a key that is no name")
	require.Regexp(t, `^[A-Za-z0-9 ?]+$`, detail)
	require.Less(t, len(detail), 200)
	for _, unknown := range []string{
		`"canary":1,"CANARY":2`, `"canary":{"a":1,"A":2}`, `"canary":[{"a":1,"a":2}]`, `"place":{"canary":1,"Canary":2}`,
		`"` + labURN + `":{"canary":1,"Canary":2}`, `"canary":"\ud800"`, `"canary":[01]`, `"stock":{"a":1,"A":2}`, `"id":[{"a":1,"A":2}]`,
	} {
		_, err := decode(rt, `{"schemas":["`+deviceURN+`"],`+unknown+`}`, tolerant())
		var malformed *strict.Error
		require.ErrorAs(t, err, &malformed, unknown)
		require.NotContains(t, err.Error(), "canary")
	}
	covers(t, "ENTRA-24")
}

func TestDecodeSchemasList(t *testing.T) {
	t.Parallel()
	user := userType(t)
	for _, c := range []struct {
		schemas string
		more    string
		fired   []string
		refused bool // on a strict connection
	}{
		{schemas: `"` + schema.UserURN + `"`},
		{schemas: `"` + schema.UserURN + `","` + schema.UserURN + `"`},
		{schemas: `"` + schema.EnterpriseURN + `","` + schema.UserURN + `"`}, // without data
		{schemas: `"` + schema.UserURN + `"`, more: `,"` + schema.EnterpriseURN + `":{}`},
		{schemas: `"` + schema.UserURN + `"`, more: `,"` + schema.EnterpriseURN + `":null`},
		{schemas: `"` + schema.UserURN + `"`, more: `,"` + schema.EnterpriseURN + `":{"department":"D"}`, fired: []string{"unlisted-extension"}, refused: true},
		{schemas: `"` + schema.UserURN + `","urn:x:y"`, fired: []string{"unknown-schema"}, refused: true},
		{schemas: `"` + schema.UserURN + `",""`, fired: []string{"unknown-schema"}, refused: true},
		{schemas: `"` + schema.UserURN + `","` + schema.GroupURN + `"`, fired: []string{"unknown-schema"}, refused: true},
		{schemas: `"urn:scim:schemas:core:2.0"`, fired: []string{"legacy-schema"}, refused: true},
		{
			schemas: `"urn:scim:schemas:core:2.0:User","urn:scim:schemas:extension:enterprise:2.0"`, more: `,"urn:scim:schemas:extension:enterprise:2.0":{"department":"D"}`,
			fired: []string{"legacy-schema"}, refused: true,
		},
	} {
		body := `{"schemas":[` + c.schemas + `],"userName":"a"` + c.more + `}`
		report := tolerant()
		input, err := decode(user, body, report)
		require.NoError(t, err, body)
		require.Equal(t, c.fired, report.Fired(), body)
		require.Equal(t, strings.Contains(body, `"D"`), strings.Contains(encoded(input.Tree), `"department":"D"`), body)
		_, err = decode(user, body, rigid())
		if !c.refused {
			require.NoError(t, err, body)
			continue
		}
		var e *schema.Error
		require.ErrorAs(t, err, &e, body)
		require.Equal(t, schema.InvalidSyntax, e.ScimType, body)
	}
}

func TestDecodeMembers(t *testing.T) {
	t.Parallel()
	group := groupType(t)
	for _, c := range []struct {
		sent    string
		members []string
		fired   []string
	}{
		{sent: `null`},
		{sent: `[]`},
		{sent: `[{"value":"a"},{"value":"b"},{"value":"a"}]`, members: []string{"a", "b"}},
		{sent: `[{"value":"b"},{"value":"a"},{"value":"B"}]`, members: []string{"b", "a", "B"}}, // ids are caseExact
		{sent: `[{"VALUE":"a","$ref":null,"display":7,"type":{"x":1}}]`, members: []string{"a"}},
		{sent: `[{"value":"a","displayName":"x","canary":[1]}]`, members: []string{"a"}, fired: []string{"unknown-attribute"}},
		{sent: `{"value":"a"}`, members: []string{"a"}, fired: []string{"single-for-multi"}},
		{sent: `"a"`, members: []string{"a"}, fired: []string{"bare-value", "single-for-multi"}},
		{sent: `["a",{"value":"b"}]`, members: []string{"a", "b"}, fired: []string{"bare-value"}},
		{sent: `[{"value":"` + strings.Repeat("x", schema.MaxKey) + `"}]`, members: []string{strings.Repeat("x", schema.MaxKey)}},
	} {
		report := tolerant()
		input, err := decode(group, `{"schemas":["`+schema.GroupURN+`"],"displayName":"G","members":`+c.sent+`}`, report)
		require.NoError(t, err, c.sent)
		require.Equal(t, c.members, input.Members, c.sent)
		require.True(t, input.HasMembers)
		require.Equal(t, c.fired, report.Fired(), c.sent)
		exactly(t, `{"displayName":"G"}`, encoded(input.Tree), "members are no part of the document")

		var ids []string
		err = strict.ReadString(c.sent, func(r *strict.Reader) (err error) {
			ids, err = group.DecodeMembers(r, rigid())
			return err
		})
		if c.fired == nil {
			require.NoError(t, err, c.sent)
			require.Equal(t, c.members, ids)
		} else {
			require.Error(t, err, c.sent)
		}
	}
	input, err := decode(group, `{"schemas":["`+schema.GroupURN+`"],"displayName":"G"}`, rigid())
	require.NoError(t, err)
	require.False(t, input.HasMembers)
	for _, sent := range []string{
		`1`, `true`, `[1]`, `[null]`, `[[]]`, `[{}]`, `[{"display":"a"}]`, `[{"value":""}]`, `[{"value":null}]`, `[{"value":7}]`, `[{"value":["a"]}]`, `""`, `[""]`, `{}`,
		`[{"value":"a"},{"display":"b"}]`, `[{"value":"` + strings.Repeat("x", schema.MaxKey+1) + `"}]`,
	} {
		_, err := decode(group, `{"schemas":["`+schema.GroupURN+`"],"displayName":"G","members":`+sent+`}`, tolerant())
		var refused *schema.Error
		require.ErrorAs(t, err, &refused, sent)
		require.Equal(t, schema.InvalidValue, refused.ScimType)
		require.True(t, strings.HasPrefix(refused.Path, "members"), refused.Path)
	}
	_, err = decode(group, `{"schemas":["`+schema.GroupURN+`"],"members":[{"value":"a","Value":"b"}]}`, tolerant())
	refusal(t, err, schema.InvalidSyntax, "members.value", "value twice")
}

// DecodeElement reads one element, where DecodeValue would make a list of it.
func TestDecodeElement(t *testing.T) {
	t.Parallel()
	user, device := userType(t), deviceType(t)
	element := func(rt *schema.ResourceType, path, sent string) (v schema.Value, err error) {
		err = strict.ReadString(sent, func(r *strict.Reader) (err error) {
			v, err = rt.DecodeElement(r, attr(t, rt, path), rigid())
			return err
		})
		return v, err
	}
	v, err := element(user, "emails", `{"value":"a","type":"work"}`)
	require.NoError(t, err)
	require.Equal(t, schema.Object, v.Kind())
	v, err = element(device, "tags", `"a"`)
	require.NoError(t, err)
	require.Equal(t, schema.Text, v.Kind())
	for _, sent := range []string{`[{"value":"a"}]`, `"a"`, `1`} {
		_, err = element(user, "emails", sent)
		refusal(t, err, schema.InvalidValue, "emails", sent)
	}
}

// A list of many values is as free of repetitions as a short one.
func TestDecodeLongLists(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	for _, n := range []int{1, 15, 16, 17, 18, 100, schema.MaxElements} {
		var sent, want []string
		for i := range n {
			text := strconv.Itoa(i)
			sent = append(sent, text, text)
			want = append(want, text)
		}
		for i := range n {
			sent = append(sent, strconv.Itoa(i))
		}
		v, err := value(rt, attr(t, rt, "sizes"), "["+strings.Join(sent, ",")+"]", rigid())
		require.NoError(t, err)
		require.Equal(t, "["+strings.Join(want, ",")+"]", string(v.AppendJSON(nil)))
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		parsed, ok := schema.ParseTime(text)
		require.True(t, ok, text)
		return parsed
	}
	want := time.Date(2008, 1, 23, 4, 56, 22, 500_000_000, time.UTC)
	for _, text := range []string{"2008-01-23T04:56:22.5Z", "2008-01-23T04:56:22.500", "2008-01-23T06:56:22.5+02:00", "2008-01-22T17:26:22.5-11:30"} {
		require.True(t, at(text).Equal(want), text)
	}
	for _, text := range []string{"", "2008-01-23", "2008-01-23T04:56:22,5Z", "2008-1-23T04:56:22Z", "2008-01-23T04:56:22+2", "0000-00-00T00:00:00Z", "2008-06-30T23:59:60Z"} {
		_, ok := schema.ParseTime(text)
		require.False(t, ok, text)
	}
}

func TestParseBoolAndDecimal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]bool{
		"true": {true, true}, "TRUE": {true, true}, "True": {true, true}, "false": {false, true}, "False": {false, true},
		"": {}, "1": {}, "0": {}, "t": {}, "yes": {}, "true\n": {}, "falſe": {},
	} {
		b, ok := schema.ParseBool(text)
		require.Equal(t, want, [2]bool{b, ok}, text)
	}
	for text, want := range map[string]float64{"1": 1, "-0.5": -0.5, "1e3": 1000, "1e308": 1e308, "1e-400": 0} {
		f, ok := schema.ParseDecimal(text)
		require.True(t, ok, text)
		require.InDelta(t, want, f, 0, text)
	}
	for _, text := range []string{"", "x", "1e309", "-1e309", "1e999999999"} {
		_, ok := schema.ParseDecimal(text)
		require.False(t, ok, text)
	}
}
