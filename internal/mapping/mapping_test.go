package mapping_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/mapping"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/patch"
)

const barbara = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + enterpriseURN + `","` + badgeURN + `"],
	"userName":"bjensen","externalId":"701984","displayName":"Babs Jensen","nickName":"Babs","title":"Tour Guide","userType":"Employee",
	"locale":"en-US","timezone":"America/Los_Angeles","active":true,
	"name":{"givenName":"Barbara","familyName":"Jensen"},
	"emails":[{"value":"babs@jensen.org","type":"home"},{"value":"bjensen@example.com","type":"work","primary":true},
		{"value":"b.j@example.com","type":"work"}],
	"phoneNumbers":[{"value":"555-1","type":"home"},{"value":"555-2","type":"work"}],
	"roles":[{"value":"editor"},{"value":"admin","primary":true},{"value":"editor","type":"second"}],
	"` + enterpriseURN + `":{"employeeNumber":"7","department":"Tour Operations","manager":{"value":"26118915"}},
	"` + badgeURN + `":{"level":12,"ratio":0.50,"lost":false,"codes":["c1","c2"],"visits":[{"tags":["t1","t2"]},{"value":"V"}]}}`

func TestDefaults(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		mapping.Email: "bjensen@example.com", mapping.GivenName: "Barbara", mapping.FamilyName: "Jensen",
		mapping.DisplayName: "Babs Jensen", mapping.ExternalID: "701984", mapping.Locale: "en-US",
		mapping.Timezone: "America/Los_Angeles", mapping.Title: "Tour Guide",
	}
	for name, table := range map[string]map[string]string{"none": nil, "empty": {}, "spelled out": mapping.Defaults()} {
		result := apply(t, table, barbara)
		require.Equal(t, want, result.Fields, name)
		require.Equal(t, "emails[primary eq true].value", result.Origin[mapping.Email], name)
		require.Len(t, result.Origin, len(want), name)
		require.Empty(t, result.Roles, name)
		require.Empty(t, result.Metadata, name)
	}
	require.Equal(t, "u", apply(t, nil, `{"userName":"u","emails":[{"value":"a@b"}]}`).Fields[mapping.Email])
	require.Equal(t, "userName", apply(t, nil, `{"userName":"u"}`).Origin[mapping.Email])
	require.Equal(t, "a@b", apply(t, nil, `{"emails":[{"value":"x"},{"value":"a@b","primary":true}]}`).Fields[mapping.Email])
	covers(t, "S-64")

	mapping.Defaults()["userName"] = "gone"
	require.Equal(t, mapping.Email, mapping.Defaults()["userName"])
}

func TestKeysThatAreNotListedKeepTheirDefault(t *testing.T) {
	t.Parallel()
	result := apply(t, map[string]string{
		"name.givenName":              "metadata.given",
		enterpriseURN + ":department": "metadata.department",
	}, barbara)
	require.Equal(t, map[string]string{"given": "Barbara", "department": "Tour Operations"}, result.Metadata)
	require.NotContains(t, result.Fields, mapping.GivenName)
	require.Equal(t, "Jensen", result.Fields[mapping.FamilyName])
	require.Equal(t, "bjensen@example.com", result.Fields[mapping.Email])

	require.Equal(t, mapping.Defaults(), compile(t, nil).Effective())
	require.Equal(t, mapping.Defaults(), compile(t, map[string]string{}).Effective())
	table := map[string]string{"USERNAME": "user_name", `emails[primary eq "True"].value`: "metadata.mail", "title": "{{ value | upcase }}"}
	m := compile(t, table)
	effective := mapping.Defaults()
	for _, replaced := range []string{"userName", "emails[primary eq true].value", "title"} {
		delete(effective, replaced)
	}
	maps.Copy(effective, table)
	require.Equal(t, effective, m.Effective())
	covers(t, "S-65")

	table["userName"], m.Effective()["userName"] = "email", "email"
	require.Equal(t, effective, m.Effective())
	result, err := m.Apply(context.Background(), decode(t, userType, barbara))
	require.NoError(t, err)
	again, err := compile(t, m.Effective()).Apply(context.Background(), decode(t, userType, barbara))
	require.NoError(t, err)
	require.Equal(t, result, again)
	require.Equal(t, "TOUR GUIDE", result.Fields[mapping.Title])
	require.NotContains(t, result.Fields, mapping.Email)
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"userName":                          "bjensen",
		"username":                          "bjensen",
		schema.UserURN + ":userName":        "bjensen",
		schema.UserURN + ":name.familyName": "Jensen",
		"active":                            "true",
		enterpriseURN + ":department":       "Tour Operations",
		enterpriseURN + ".department":       "Tour Operations",
		enterpriseURN + ":manager.value":    "26118915",
		badgeURN + ":level":                 "12",
		badgeURN + ":ratio":                 "0.50",
		badgeURN + ":lost":                  "false",
		badgeURN + ":codes":                 "c1",
		badgeURN + `:codes[value sw "c2"]`:  "c2",
		badgeURN + ":visits.value":          "V",
		badgeURN + ":visits.tags":           "t1",
		"emails.value":                      "bjensen@example.com",
		`emails[type eq "work"].value`:      "bjensen@example.com",
		`emails[type eq "WORK" and not (primary eq true)].value`:              "b.j@example.com",
		`emails[value ew "jensen.org"].type`:                                  "home",
		"emails.primary":                                                      "true",
		`phoneNumbers.value`:                                                  "555-1",
		`phoneNumbers[type eq "work"].value`:                                  "555-2",
		`phoneNumbers[type eq "fax"].value`:                                   "",
		`name[familyName eq "Jensen"].givenName`:                              "Barbara",
		`name[familyName eq "Smith"].givenName`:                               "",
		"name.middleName":                                                     "",
		"nickName":                                                            "Babs",
		`  emails[ primary  eq true ].value `:                                 "bjensen@example.com",
		`addresses[type eq "work" and (region eq "CA" or region pr)].country`: "",
	} {
		result := apply(t, map[string]string{key: "metadata.x"}, barbara)
		require.Equal(t, want, result.Metadata["x"], key)
		if want == "" {
			require.NotContains(t, result.Origin, "metadata.x", key)
			require.NotContains(t, result.Metadata, "x", key)
		} else {
			require.Equal(t, key, result.Origin["metadata.x"], key)
		}
	}
	covers(t, "S-65")
}

// What a value filter does not match, or has no value, is passed over.
func TestChoiceAmongValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, emails, want string }{
		{"emails.value", `[{"value":"a"},{"value":"b"}]`, "a"},
		{"emails.value", `[{"value":"a"},{"value":"b","primary":true}]`, "b"},
		{"emails.value", `[{"value":"a","primary":false},{"type":"work","primary":true}]`, "a"},
		{"emails.value", `[{"type":"work"},{"value":"b"}]`, "b"},
		{"emails.display", `[{"value":"a","primary":true},{"value":"b","display":"B"}]`, "B"},
		{`emails[type eq "work"].value`, `[{"value":"a","primary":true},{"value":"b","type":"work"},{"value":"c","type":"work"}]`, "b"},
		{`emails[type eq "work"].value`, `[{"value":"b","type":"work"},{"value":"c","type":"work","primary":true}]`, "c"},
		{`emails[type eq "work"].value`, `[{"type":"work"},{"value":"c","type":"work"}]`, "c"},
		{"emails[primary eq true].value", `[{"value":"a"},{"value":"b"}]`, ""},
		{"emails[primary eq false].value", `[{"value":"a","primary":true},{"value":"b"}]`, "b"},
	} {
		result := apply(t, map[string]string{c.key: "metadata.x"}, `{"userName":"u","emails":`+c.emails+`}`)
		require.Equal(t, c.want, result.Metadata["x"], "%s of %s", c.key, c.emails)
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	const home, work, both = `emails[type eq "home"].value`, `emails[type eq "work"].value`, `emails[type eq "work" and primary eq true].value`
	for _, c := range []struct {
		name   string
		target string
		keys   []string // the first wins; without it the next, and so on
	}{
		{"a value filter before a plain key, also if that is the only explicit one", "email", []string{"emails[primary eq true].value", "nickName"}},
		{"an explicit key before a default, both with a value filter", "email", []string{home, "emails[primary eq true].value", "userName"}},
		{"an explicit key before a default, both plain", "display_name", []string{"nickName", "displayName"}},
		{"e-mail addresses before userName", "metadata.x", []string{"emails.value", "userName"}},
		{"e-mail addresses before all else", "metadata.x", []string{"emails.value", "nickName", "userName"}},
		{"userName last", "metadata.x", []string{"userType", "userName"}},
		{"e-mail addresses with a value filter before others with one", "metadata.x", []string{work, `addresses[type eq "work"].country`}},
		{"the value filter with more conditions", "metadata.x", []string{both, home, work}},
		{"a sub-attribute", "metadata.x", []string{"name.givenName", "displayName"}},
		{"the alphabet", "metadata.x", []string{"displayName", "nickName", "title"}},
		{"and so on", "metadata.x", []string{both, work, `phoneNumbers[type eq "work"].value`, "emails.value", "name.familyName", "title", "userName"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			table := map[string]string{}
			for _, key := range c.keys {
				if mapping.Defaults()[key] != c.target {
					table[key] = c.target
				}
			}
			m := compile(t, table)
			document := map[string]any{}
			require.NoError(t, json.Unmarshal([]byte(barbara), &document))
			document["addresses"] = []any{map[string]any{"type": "work", "country": "US"}}
			for _, key := range c.keys {
				body, err := json.Marshal(document)
				require.NoError(t, err)
				result, err := m.Apply(context.Background(), decode(t, userType, string(body)))
				require.NoError(t, err)
				require.Equal(t, key, result.Origin[c.target], "%s", body)
				forget(document, key)
			}
		})
	}
	covers(t, "S-64", "S-65")
}

// forget makes a key find nothing in a document.
func forget(document map[string]any, key string) {
	name, filter, filtered := strings.Cut(key, "[")
	switch {
	case filtered:
		var left []any
		for _, element := range document[name].([]any) {
			e := element.(map[string]any)
			hit := is("primary", true)(e)
			if strings.Contains(filter, "type eq") {
				kind := strings.Split(filter, `"`)[1]
				hit = e["type"] == kind && (!strings.Contains(filter, "primary") || is("primary", true)(e))
			}
			if !hit {
				left = append(left, e)
			}
		}
		document[name] = left
	case strings.HasPrefix(key, enterpriseURN):
		delete(document, enterpriseURN)
	case strings.Contains(key, "."):
		container, sub, _ := strings.Cut(key, ".")
		if object, ok := document[container].(map[string]any); ok {
			delete(object, sub)
		} else {
			delete(document, container)
		}
	default:
		delete(document, key)
	}
}

// A mapping reads what the resource has become, whichever request made it so, and as whatever a store hands it back.
func TestEveryWriteIsMappedAlike(t *testing.T) {
	t.Parallel()
	m := compile(t, map[string]string{"title": "{{ value | downcase | replace: ' ', '-' }}.metadata.title"})
	before := decode(t, userType, `{"userName":"b","title":"Guide"}`)
	var ops []patch.Operation
	require.NoError(t, strict.ReadString(`{"schemas":["`+patch.URN+`"],"Operations":[
		{"op":"replace","path":"title","value":"Head Guide"},
		{"op":"add","path":"emails[primary eq true].value","value":"b@example.com"}]}`, func(r *strict.Reader) (err error) {
		ops, err = patch.Decode(r, 10, nil)
		return err
	}))
	change, _, err := patch.Apply(context.Background(), before, ops, patch.Options{Type: userType})
	require.NoError(t, err)
	replaced := decode(t, userType, `{"userName":"b","title":"Head Guide","emails":[{"value":"b@example.com","primary":true}]}`)
	for _, document := range []*schema.Document{change.After, stored(change.After), replaced, stored(replaced)} {
		result, err := m.Apply(context.Background(), document)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"title": "head-guide"}, result.Metadata)
		require.Equal(t, map[string]string{"email": "b@example.com"}, result.Fields)
	}
	result, err := m.Apply(context.Background(), stored(before))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"title": "guide"}, result.Metadata)
	require.Equal(t, map[string]string{"email": "b"}, result.Fields)
}

// The host matches members by external_id; what feeds it is the mapping's choice.
func TestExternalIDFollowsItsMapping(t *testing.T) {
	t.Parallel()
	require.Equal(t, "701984", apply(t, nil, barbara).Fields[mapping.ExternalID])
	table := map[string]string{"externalId": "metadata.directory_id", enterpriseURN + ":employeeNumber": "external_id"}
	result := apply(t, table, barbara)
	require.Equal(t, "7", result.Fields[mapping.ExternalID])
	require.Equal(t, "701984", result.Metadata["directory_id"])
	require.NotContains(t, apply(t, table, `{"userName":"u","externalId":"e"}`).Fields, mapping.ExternalID)
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		table map[string]string
		want  []string
	}{
		{"from a text", map[string]string{"userType": "{{ value | downcase }}.role"}, []string{"employee"}},
		{"from the department", map[string]string{
			enterpriseURN + ":department": "{{ value | downcase | split: ' ' | first | prepend: 'team:' }}.role",
		}, []string{"team:tour"}},
		{"from a custom attribute", map[string]string{badgeURN + ":level": "{{ value | prepend: 'level-' }}.role"}, []string{"level-12"}},
		{"all values, the primary one first, none twice", map[string]string{"roles.value": "role"}, []string{"admin", "editor"}},
		{"those of a value filter", map[string]string{`roles[type eq "second"].value`: "role"}, []string{"editor"}},
		{"of several keys", map[string]string{
			"userType": "role", `roles[primary eq true].value`: "role", "title": "{{ value | replace: 'Tour Guide', 'admin' }}.role",
		}, []string{"admin", "Employee"}},
		{"by default", map[string]string{"nickName": "metadata.n", "profileUrl": "{{ value | default: 'member' }}.role"}, []string{"member"}},
		{"none", map[string]string{"profileUrl": "role"}, nil},
	} {
		require.Equal(t, c.want, apply(t, c.table, barbara).Roles, c.name)
	}
	covers(t, "S-66")
	require.Equal(t, "roles[primary eq true].value", apply(t, map[string]string{
		"userType": "role", "roles[primary eq true].value": "role",
	}, barbara).Origin[mapping.Role])

	many := func(n int) *schema.Document {
		roles := make([]any, n)
		for i := range roles {
			roles[i] = map[string]any{"value": fmt.Sprint("r", i), "primary": i == 5} // which counts once
		}
		return user(t, "roles", roles)
	}
	absent := map[string]string{"roles.value": "role"} // keys that find nothing do not count
	for i := range mapping.MaxRoles {
		absent[fmt.Sprintf(`ims[type eq "%d"].value`, i)] = "{{ value | upcase }}.role"
	}
	m := compile(t, absent)
	result, err := m.Apply(context.Background(), many(mapping.MaxRoles))
	require.NoError(t, err)
	require.Len(t, result.Roles, mapping.MaxRoles)
	_, err = m.Apply(context.Background(), many(mapping.MaxRoles+1))
	var refused *mapping.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "roles.value", refused.Key)
}

func TestRefusedKeys(t *testing.T) {
	t.Parallel()
	for key, reason := range map[string]string{
		"":                              "expected",
		"shoeSize":                      "no attribute shoeSize",
		"name.nick":                     "no sub-attribute nick",
		enterpriseURN + ":shoeSize":     "no attribute shoeSize",
		"urn:example:other:shoeSize":    "no schema",
		"name":                          "complex",
		"emails":                        "complex",
		"emails[primary eq true]":       "complex",
		enterpriseURN + ":manager":      "complex",
		enterpriseURN:                   "names a schema",
		schema.UserURN:                  "names a schema",
		"groups":                        "cannot be mapped",
		"groups.value":                  "cannot be mapped",
		`groups[value eq "x"].value`:    "cannot be mapped",
		"password":                      "cannot be mapped",
		"Password":                      "cannot be mapped",
		badgeURN + ":pin":               "cannot be mapped",
		badgeURN + ":visits.secret":     "cannot be mapped",
		"id":                            "cannot be mapped",
		"meta.created":                  "cannot be mapped",
		"schemas":                       "cannot be mapped",
		"emails[primary eq true":        "expected",
		"emails[].value":                "expected",
		"emails[primary].value":         "expected",
		"emails[primary is true].value": "operators",
		"emails[shoe eq 1].value":       "shoe",
		badgeURN + `:visits[secret eq "1"].value`: "secret",
		`emails[primary eq "maybe"].value`:        "primary",
		"emails.value[primary eq true]":           "takes no value filter",
		"emails[primary eq true].value.x":         "expected",
		`userName[value eq "x"]`:                  "multi-valued",
		"userName.":                               "",
		"userName name":                           "expected",
		"user\x00Name":                            "control character",
		"user\xffName":                            "UTF-8",
		"emails[" + strings.Repeat("primary eq true or ", 10) + "primary eq true].value":            "more than 10 conditions",
		"emails[" + strings.Repeat("(", 6) + "primary eq true" + strings.Repeat(")", 6) + "].value": "deeper",
		"a" + strings.Repeat("x", 1024): "longer than 1024 bytes",
	} {
		refused := refusal(t, map[string]string{key: "metadata.x", "userName": "email"}, nil)
		require.Equal(t, key, refused.Key)
		require.Contains(t, refused.Reason, reason, key)
		require.Contains(t, refused.Error(), refused.Reason)
	}
	covers(t, "S-65")

	_, err := mapping.Compile(groupType, map[string]string{"members.value": "role"}, nil)
	require.ErrorContains(t, err, "cannot be mapped")
	require.EqualError(t, refusal(t, map[string]string{"shoeSize": "email"}, nil),
		`attribute mapping, key "shoeSize": the resource type User has no attribute shoeSize`)
}

func TestTwoKeysForTheSameValues(t *testing.T) {
	t.Parallel()
	for _, keys := range [][2]string{
		{"userName", "username"},
		{schema.UserURN + ":userName", "userName"},
		{enterpriseURN + ":department", enterpriseURN + ".department"},
		{"emails[primary eq true].value", `emails[primary eq "True"].value`},
		{`emails[primary eq true and type eq "work"].value`, `emails[type eq "work" and primary eq true].value`},
		{`emails[type ne "work"].value`, `emails[type  NE "work"].value`},
	} {
		refused := refusal(t, map[string]string{keys[0]: "metadata.a", keys[1]: "metadata.b"}, nil)
		require.Contains(t, keys, refused.Key)
		require.Contains(t, refused.Reason, "same values")
	}
	for _, keys := range [][2]string{
		{"emails[primary eq true].value", "emails[primary eq false].value"},
		{"emails[primary eq true].value", "emails[primary eq true].type"},
		{`emails[type sw "a"].value`, `emails[type sw "b"].value`},
		{"emails.value", `emails[value pr].value`},
	} {
		compile(t, map[string]string{keys[0]: "metadata.a", keys[1]: "metadata.b"})
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"email", "given_name", "family_name", "display_name", "user_name", "external_id", "locale", "timezone", "title",
	} {
		result := apply(t, map[string]string{"nickName": target, "displayName": "metadata.d", "title": "metadata.t"}, `{"nickName":"N"}`)
		require.Equal(t, map[string]string{target: "N"}, result.Fields)
	}
	require.Equal(t, []string{"N"}, apply(t, map[string]string{"nickName": "role"}, `{"nickName":"N"}`).Roles)
	for _, key := range []string{"a", "A.b-c_9", ".", "metadata.x", strings.Repeat("k", 64)} {
		require.Equal(t, map[string]string{key: "N"}, apply(t, map[string]string{"nickName": "metadata." + key}, `{"nickName":"N"}`).Metadata)
	}
	covers(t, "S-65")
	for _, target := range []string{
		"", "e-mail", "Email", " email", "email ", "email.x", "password", "active", "metadata", "metadata.", "metadata.a b", "metadata.é",
		"metadata." + strings.Repeat("k", 65), "public_metadata.x", "metadata.a\n", "em\x00ail", "\xff", "role.x", "value", "email}}",
	} {
		require.Equal(t, "nickName", refusal(t, map[string]string{"nickName": target}, nil).Key, "%q", target)
		require.Equal(t, "nickName", refusal(t, map[string]string{"nickName": "{{ value }}." + target}, nil).Key, "%q", target)
	}
}

func TestSizeOfAMapping(t *testing.T) {
	t.Parallel()
	keys := func(n int, target string) map[string]string {
		table := map[string]string{}
		for i := range n {
			table[fmt.Sprintf(`emails[type eq "%05d"].value`, i)] = target
		}
		return table
	}
	compile(t, keys(mapping.MaxKeys, "email"))
	refused := refusal(t, keys(mapping.MaxKeys+1, "email"), nil)
	require.Empty(t, refused.Key)
	require.Contains(t, refused.Reason, "200 keys")

	// 64 keys of 1 KiB with their values: one byte more is too many.
	const each = mapping.MaxBytes / 64
	table := map[string]string{}
	for i := range 64 {
		key := fmt.Sprintf(`emails[type eq "%02d"].value`, i)
		fill := each - len(key) - len(`{{ value | append: "" }}.email`)
		table[key] = `{{ value | append: "` + strings.Repeat("x", fill) + `" }}.email`
	}
	compile(t, table)
	table["userName"] = "" // the last byte is one of the key
	refused = refusal(t, table, nil)
	require.Empty(t, refused.Key)
	require.Contains(t, refused.Reason, "65536 bytes")
	covers(t, "S-66")
}

func TestOtherTypes(t *testing.T) {
	t.Parallel()
	m, err := mapping.Compile(groupType, nil, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"displayName": "display_name", "externalId": "external_id"}, m.Effective())
	result, err := m.Apply(context.Background(), decode(t, groupType, `{"displayName":"G"}`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"display_name": "G"}, result.Fields)

	device := compileType(schema.Definition{Name: "Device", Endpoint: "/Devices", Schema: elimity.Schema{
		ID: "urn:example:Device", Attributes: []elimity.CoreAttribute{
			elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{Name: "serial"})),
		},
	}})
	m, err = mapping.Compile(device, map[string]string{"serial": "display_name"}, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"externalId": "external_id", "serial": "display_name"}, m.Effective())
}

func TestDocumentsThatAreNone(t *testing.T) {
	t.Parallel()
	m := compile(t, map[string]string{"userType": "{{ value | default: 'member' }}.role"})
	result, err := m.Apply(context.Background(), nil)
	require.NoError(t, err)
	require.Equal(t, mapping.Result{
		Fields: map[string]string{}, Roles: []string{"member"}, Metadata: map[string]string{}, Origin: map[string]string{"role": "userType"},
	}, result)
	for _, broken := range []string{`{"userName":`, `{"userName":7}`} {
		result, err = m.Apply(context.Background(), schema.NewDocument([]byte(broken)))
		require.Error(t, err)
		require.Equal(t, mapping.Result{}, result)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	m := compile(t, map[string]string{`emails[type eq "work"].value`: "{{ value | split: '@' | last | upcase }}.metadata.domain"})
	shared := schema.NewDocument(decode(t, userType, barbara).JSON())
	results := make([]mapping.Result, 16)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i], _ = m.Apply(context.Background(), shared) })
	}
	all.Wait()
	for _, result := range results {
		require.Equal(t, "EXAMPLE.COM", result.Metadata["domain"])
		require.Equal(t, results[0], result)
	}
}
