package schema_test

import (
	"strings"
	"testing"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	user := userType(t)
	for _, c := range []struct {
		path  string
		leaf  string // canonical path
		fired string // the rule without which the path names nothing
	}{
		{path: "userName", leaf: "userName"},
		{path: "USERNAME", leaf: "userName"},
		{path: "id", leaf: "id"},
		{path: "externalid", leaf: "externalId"},
		{path: "schemas", leaf: "schemas"},
		{path: "meta", leaf: "meta"},
		{path: "Meta.Created", leaf: "meta.created"},
		{path: "name.givenName", leaf: "name.givenName"},
		{path: "NAME.GIVENNAME", leaf: "name.givenName"},
		{path: "emails", leaf: "emails"},
		{path: "emails.value", leaf: "emails.value"},
		{path: "groups.$ref", leaf: "groups.$ref"},
		{path: "password", leaf: "password"},
		{path: schema.UserURN + ":userName", leaf: "userName"},
		{path: strings.ToUpper(schema.UserURN) + ":username", leaf: "userName"},
		{path: schema.UserURN + ":name.familyName", leaf: "name.familyName"},
		{path: schema.UserURN + ":meta.version", leaf: "meta.version"},
		{path: schema.UserURN, leaf: ""}, // the whole resource
		{path: schema.EnterpriseURN, leaf: schema.EnterpriseURN},
		{path: strings.ToLower(schema.EnterpriseURN), leaf: schema.EnterpriseURN},
		{path: schema.EnterpriseURN + ":department", leaf: schema.EnterpriseURN + ":department"},
		{path: schema.EnterpriseURN + ":Manager.Value", leaf: schema.EnterpriseURN + ":manager.value"},
		{path: schema.EnterpriseURN + ":manager.$ref", leaf: schema.EnterpriseURN + ":manager.$ref"},

		{path: schema.UserURN + ".userName", leaf: "userName", fired: "urn-dot"},
		{path: schema.UserURN + ".name.givenName", leaf: "name.givenName", fired: "urn-dot"},
		{path: schema.EnterpriseURN + ".manager", leaf: schema.EnterpriseURN + ":manager", fired: "urn-dot"},
		{path: schema.EnterpriseURN + ".manager.value", leaf: schema.EnterpriseURN + ":manager.value", fired: "urn-dot"},
		{path: "department", leaf: schema.EnterpriseURN + ":department", fired: "unqualified-extension"},
		{path: "MANAGER.value", leaf: schema.EnterpriseURN + ":manager.value", fired: "unqualified-extension"},
		{path: schema.EnterpriseURN + ":manager.managerId", leaf: schema.EnterpriseURN + ":manager.value", fired: "attribute-alias"},
		{path: "roles.displayName", leaf: "roles.display", fired: "attribute-alias"},
		{path: "urn:scim:schemas:core:2.0:userName", leaf: "userName", fired: "legacy-schema"},
		{path: "urn:scim:schemas:core:2.0:User:userName", leaf: "userName", fired: "legacy-schema"},
		{path: "URN:SCIM:schemas:core:2.0:USER:name.givenName", leaf: "name.givenName", fired: "legacy-schema"},
		{path: "urn:scim:schemas:core:2.0", leaf: "", fired: "legacy-schema"},
		{path: "urn:scim:schemas:extension:enterprise:2.0", leaf: schema.EnterpriseURN, fired: "legacy-schema"},
		{path: "urn:scim:schemas:extension:enterprise:2.0:department", leaf: schema.EnterpriseURN + ":department", fired: "legacy-schema"},
		{path: "urn:scim:schemas:extension:enterprise:2.0:User:manager.value", leaf: schema.EnterpriseURN + ":manager.value", fired: "legacy-schema"},
	} {
		report := tolerant()
		target, err := user.ResolvePath(c.path, report)
		require.NoError(t, err, c.path)
		require.Equal(t, c.leaf, target.Leaf().Path, c.path)
		if c.leaf == "" {
			require.Same(t, user.Root, target.Attribute)
		}
		if c.fired == "" {
			require.Empty(t, report.Fired(), c.path)
		} else {
			require.Equal(t, []string{c.fired}, report.Fired(), c.path)
		}
		// Without a report, every rule is active.
		target, err = user.ResolvePath(c.path, nil)
		require.NoError(t, err, c.path)
		require.Equal(t, c.leaf, target.Leaf().Path, c.path)
		// A strict connection has none of them.
		report = rigid()
		target, err = user.ResolvePath(c.path, report)
		require.Empty(t, report.Fired(), c.path)
		if c.fired == "" {
			require.NoError(t, err, c.path)
			require.Equal(t, c.leaf, target.Leaf().Path, c.path)
		} else {
			miss(t, err, c.path)
			require.Zero(t, target, c.path)
		}
	}
	// The parts of a target.
	target, err := user.Resolve(schema.EnterpriseURN, "manager", "value", rigid())
	require.NoError(t, err)
	require.Equal(t, schema.EnterpriseURN+":manager", target.Attribute.Path)
	require.Equal(t, schema.EnterpriseURN+":manager.value", target.Sub.Path)
	covers(t, "ENTRA-10", "ONELOGIN-03")
}

// miss requires a *schema.Miss whose words are harmless, and returns whether it is one of an unregistered extension.
func miss(t tb, err error, where string) (unregistered bool) {
	t.Helper()
	var m *schema.Miss
	require.ErrorAs(t, err, &m, where)
	require.Equal(t, m.Detail, m.Error())
	// It may name what is not there, in characters that are harmless wherever it is shown.
	require.Regexp(t, `^[A-Za-z0-9 .:$_,?'"-]+$`, m.Detail, where)
	require.Less(t, len(m.Detail), 250, where)
	return m.Unregistered
}

// D5: what belongs to an extension that nobody registered may be skipped. What could be an offboarding, what belongs to a schema
// that is known, and what is malformed, may not.
func TestMisses(t *testing.T) {
	t.Parallel()
	user := userType(t)
	const acme = "urn:ietf:params:scim:schemas:extension:acmehr:2.0:User"
	for path, unregistered := range map[string]bool{
		"canary":                   false,
		"nickNme":                  false,
		"":                         false,
		".":                        false,
		"userName.":                false,
		".userName":                false,
		"userName.canary":          false,
		"name.canary":              false,
		"name..givenName":          false,
		"emails.value.canary":      false,
		"emails.":                  false,
		"us er":                    false,
		"u\u017ferName":            false,
		"manager.canary":           false,
		schema.UserURN + ":canary": false,
		schema.UserURN + ":":       false,
		schema.UserURN + ".":       false,
		schema.UserURN + ":name.":  false,
		schema.UserURN + ":name.givenName.canary":                 false,
		schema.UserURN + ":userName:canary":                       false,
		schema.UserURN + "::userName":                             false,
		schema.UserURN + ":" + schema.EnterpriseURN:               false,
		schema.UserURN + "canary:userName":                        false, // a standard URN with a slip of the pen
		schema.EnterpriseURN + ":canary":                          false,
		schema.EnterpriseURN + ":manager.canary":                  false,
		schema.EnterpriseURN + ":userName":                        false,
		schema.GroupURN + ":displayName":                          false, // of another type
		"urn:ietf:params:scim:schemas:core:2.0:Canary:x":          false,
		"urn:ietf:params:scim:schemas:core:3.0:User:title":        false,
		"urn:scim:schemas:core:1.0:title":                         false,
		"urn:scim:my:custom:attribute":                            false,
		"http://schemas.example.com/canary:attribute":             false, // no URN
		"example:canary:attribute":                                false,
		acme + ":badgeColor":                                      true,
		strings.ToUpper(acme) + ":BADGECOLOR":                     true,
		acme + ":badge.color":                                     true,
		acme + ":active":                                          false,
		acme + ":Active":                                          false,
		acme + ":userName":                                        false,
		acme + ":USERNAME":                                        false,
		acme + ":profile.active":                                  false,
		acme + ".active":                                          false,
		acme + ":activeSince":                                     true,
		acme + ":inactive":                                        true,
		"urn:example:hr:2.0:User:grade":                           true,
		"URN:EXAMPLE:hr:2.0:User:grade":                           true,
		"urn:example:hr:2.0:User:active":                          false,
		"urn:example:hr:2.0:User:userName":                        false,
		"urn:ietf:params:scim:schemas:extension:enterprise:3.0:x": true,
		"urn:scim:schemas:extension:acmehr:1.0:x":                 true,
		schema.EnterpriseURN + "canary:department":                true, // not the extension that is known
		"urn:scim:schemas:extension:enterprise:1.0:department":    true, // SCIM 1.1
	} {
		_, err := user.ResolvePath(path, tolerant())
		require.Equal(t, unregistered, miss(t, err, path), path)
	}
	// A strict connection does not know the pre-standard URNs, but it knows them for what they are.
	_, err := user.ResolvePath("urn:scim:schemas:extension:enterprise:2.0:active", rigid())
	require.False(t, miss(t, err, "legacy"))
	_, err = user.ResolvePath("urn:scim:schemas:core:2.0:title", rigid())
	require.False(t, miss(t, err, "legacy"))
	covers(t, "ENTRA-42")
}

// URNs hold dots and colons, so one can begin with another one: the longest wins, in any order of registration.
func TestResolveTakesTheLongestURN(t *testing.T) {
	t.Parallel()
	ext := func(id string, names ...string) schema.ExtensionDefinition {
		s := elimity.Schema{ID: id}
		for _, name := range names {
			s.Attributes = append(s.Attributes, simple(elimity.StringParams{Name: name}))
		}
		return schema.ExtensionDefinition{Schema: s}
	}
	core := elimity.Schema{ID: "urn:x:2", Attributes: []elimity.CoreAttribute{
		simple(elimity.StringParams{Name: "a"}),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "b", SubAttributes: []elimity.SimpleParams{elimity.SimpleStringParams(elimity.StringParams{Name: "c"})}}),
	}}
	short, long, dotted, twin := ext("urn:x:2:b", "a", "c"), ext("urn:x:2:b:c", "a"), ext("urn:x:2.0", "a", "x0"), ext("urn:x:2:bb", "a")
	for _, extensions := range [][]schema.ExtensionDefinition{{short, long, dotted, twin}, {twin, dotted, long, short}} {
		rt := compile(t, schema.Definition{Name: "X", Endpoint: "/X", Schema: core, Extensions: extensions})
		for path, want := range map[string]string{
			"urn:x:2:a":     "a",
			"urn:x:2:b":     "urn:x:2:b", // the extension, not the attribute b
			"b.c":           "b.c",
			"urn:x:2:b:a":   "urn:x:2:b:a",
			"urn:x:2:b:c":   "urn:x:2:b:c", // the extension, not the attribute c of the shorter one
			"urn:x:2:b.c":   "urn:x:2:b:c", // the attribute c of the extension: urn-dot
			"urn:x:2:b:c:a": "urn:x:2:b:c:a",
			"urn:x:2:bb":    "urn:x:2:bb",
			"urn:x:2:bb:a":  "urn:x:2:bb:a",
			"urn:x:2.0":     "urn:x:2.0",
			"urn:x:2.0:a":   "urn:x:2.0:a",
			"urn:x:2.0.a":   "urn:x:2.0:a",
			"urn:x:2.a":     "a",
			"URN:X:2.0:X0":  "urn:x:2.0:x0",
		} {
			target, err := rt.ResolvePath(path, nil)
			require.NoError(t, err, path)
			require.Equal(t, want, target.Leaf().Path, path)
		}
	}
}

func TestExtensionKeys(t *testing.T) {
	t.Parallel()
	user := userType(t)
	for key, want := range map[string]bool{
		schema.EnterpriseURN:                               true,
		strings.ToUpper(schema.EnterpriseURN):              true,
		schema.EnterpriseURN + ":":                         false,
		schema.EnterpriseURN + ":manager":                  false,
		schema.EnterpriseURN[:len(schema.EnterpriseURN)-1]: false,
		schema.UserURN:                                     false, // the base schema is no extension
		"urn:scim:schemas:core:2.0":                        false,
		"userName":                                         false,
		"":                                                 false,
		"urn:ietf:params:scim:schemas:extension:x":         false,
		"urn:scim:schemas:extension:enterprise:1.0":        false,
	} {
		report := tolerant()
		require.Equal(t, want, user.Extension(key, report) != nil, key)
		require.Empty(t, report.Fired(), key)
	}
	for _, key := range []string{"urn:scim:schemas:extension:enterprise:2.0", "URN:scim:schemas:extension:enterprise:2.0:User"} {
		report := tolerant()
		require.Equal(t, schema.EnterpriseURN, user.Extension(key, report).Path)
		require.Equal(t, []string{"legacy-schema"}, report.Fired())
		require.Nil(t, user.Extension(key, rigid()))
	}
}
