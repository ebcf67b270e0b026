package patch_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
)

// user is a resource with something of everything. The server wrote the readOnly attributes.
const user = `{"externalId":"e-1","userName":"Ada@Example.test","name":{"familyName":"Lovelace","givenName":"Ada"},"displayName":"Ada","title":"Countess",` +
	`"active":true,"emails":[{"value":"work@x","display":"Office","type":"work","primary":true},{"value":"home@x","type":"home"},{"value":"old@x","type":"other"}],` +
	`"addresses":[{"streetAddress":"12 St James Square","locality":"London","type":"work"}],` +
	`"` + enterpriseURN + `":{"employeeNumber":"7","department":"Engines","manager":{"value":"m-1","$ref":"../Users/m-1","displayName":"Charles"}},` +
	`"` + badgeURN + `":{"serial":"S-1","stamp":"2024","hint":"blue","pin":"1234","level":3,"codes":["x","y"],` +
	`"seal":{"color":"red","code":"C-1","label":"L","stamp":"now"},"visits":[{"value":"v1","type":"a","count":1},{"value":"v2","type":"b","count":2}]}}`

// edited returns a resource after a change that no request makes.
func edited(doc string, edit func(object)) string {
	tree := parse([]byte(doc)).(object)
	edit(tree)
	return string(must(json.Marshal(tree)))
}

func in(doc object, keys ...string) object {
	for _, key := range keys {
		doc = doc[key].(object)
	}
	return doc
}

func TestAtomicity(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ operation, class string }{
		"mutability":      {on("replace", "id", `"x"`), schema.Mutability},
		"type":            {on("replace", "active", `"maybe"`), schema.InvalidValue},
		"required":        {on("remove", "userName", ""), schema.Mutability},
		"no target":       {on("add", `emails[type co "fax"].value`, `"x"`), schema.NoTarget},
		"no path":         {`{"op":"remove"}`, schema.NoTarget},
		"unknown path":    {on("replace", "nickNme", `"x"`), schema.InvalidPath},
		"malformed path":  {on("replace", "emails[", `"x"`), schema.InvalidPath},
		"bad filter":      {on("remove", `emails[colour eq "x"]`, ""), schema.InvalidFilter},
		"no value":        {on("add", "title", ""), schema.InvalidValue},
		"not an object":   {`{"op":"replace","value":"x"}`, schema.InvalidValue},
		"repeated key":    {`{"op":"replace","value":{"title":"x","TITLE":"y"}}`, schema.InvalidSyntax},
		"unknown, twice":  {`{"op":"replace","value":{"shoeSize":1,"SHOESIZE":2}}`, schema.InvalidSyntax},
		"ignored, twice":  {`{"op":"replace","value":{"id":"x","ID":"y"}}`, schema.InvalidSyntax},
		"in the end only": {on("add", "emails", `[{"value":"a","primary":true},{"value":"b","primary":true}]`), schema.InvalidValue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := []string{
				on("replace", "displayName", `"Changed"`), on("replace", `emails[type eq "work"].value`, `"changed@x"`),
				on("add", badgeURN+":codes", `["z"]`), on("remove", "addresses", ""),
			}
			refuses(t, userType, user, tt.class, append(first, tt.operation)...)
			refuses(t, userType, user, tt.class, append([]string{tt.operation}, first...)...)
		})
	}
}

// TestErrorsHoldNoValues: errors name attributes, values may be passwords.
func TestErrorsHoldNoValues(t *testing.T) {
	t.Parallel()
	const canary = "cAnaRy7"
	for _, operation := range []string{
		on("replace", "active", `"`+canary+`"`), on("replace", "name", `"`+canary+`"`), on("replace", `emails[type eq "`+canary, `1`),
		on("remove", `emails[type eq "x" and "`+canary+`"]`, ""), on("remove", `emails[type eq `+canary+`]`, ""), on("add", `emails[type co "`+canary+`"].value`, `"x"`),
		`{"op":"` + canary + `"}`, `{"op":"add","value":"` + canary + `"}`, `{"op":"add","value":{"title":"` + canary + `","TITLE":"` + canary + `"}}`,
		on("replace", badgeURN+":level", `"`+canary+`"`), on("replace", badgeURN+":serial", `"`+canary+`"`), on("replace", "schemas", `["`+canary+`"]`),
		on("replace", "userName", `"`+strings.Repeat(canary, 200)+`"`), `{"op":"add","path":{"` + canary + `":1}}`,
	} {
		_, _, err := apply(document(user), body(operation), options(userType))
		require.Error(t, err, operation)
		require.NotContains(t, strings.ToLower(err.Error()), strings.ToLower(canary), operation)
	}
}

// TestUnknownPaths: a mistake is refused, an extension that nobody registered is skipped.
func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	const refused, skipped = false, true
	for path, want := range map[string]bool{
		"nickNme":              refused,
		"name.nick":            refused,
		"userName.x":           refused,
		"emails.value.x":       refused,
		"__proto__":            refused,
		"$set":                 refused,
		"a.b.c":                refused,
		"title.":               refused,
		".title":               refused,
		"/title":               refused,
		"":                     refused,
		" ":                    refused,
		"*":                    refused,
		enterpriseURN + ":x":   refused,
		enterpriseURN + ".x":   refused,
		enterpriseURN + ":":    refused,
		badgeURN + ":seal.x":   refused,
		badgeURN + ":userName": refused,
		"urn:ietf:params:scim:schemas:core:2.0:Nobody:x":                        refused,
		"urn:ietf:params:scim:schemas:core:2.0:Group:displayName":               refused,
		"urn:scim:schemas:core:1.0:x":                                           refused,
		"urn:example:foreign:2.0:User:active":                                   refused,
		"urn:example:foreign:2.0:User:ACTIVE":                                   refused,
		"urn:example:foreign:2.0:User:userName":                                 refused,
		"urn:ietf:params:scim:schemas:extension:acme:2.0:User:active":           refused,
		"example:foreign:User:color":                                            refused,
		"http://example.test/User:color":                                        refused,
		"urn:example:foreign:2.0:User:color":                                    skipped,
		"URN:EXAMPLE:foreign:2.0:User:color":                                    skipped,
		"urn:example:foreign:2.0:User:deactivated":                              skipped,
		"urn:ietf:params:scim:schemas:extension:acme:2.0:User:color":            skipped,
		"urn:ietf:params:scim:schemas:extension:enterprise:3.0:User:department": skipped,
		`urn:example:foreign:2.0:User:colors[type eq "x"].value`:                skipped,
		badgeURN + "2:level":                                                    skipped,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			for _, operation := range []string{on("replace", path, `"x"`), on("add", path, `null`), on("remove", path, "")} {
				opts := options(userType)
				change, _, err := apply(document(user), body(on("replace", "title", `"Dr"`), operation), opts)
				if want == skipped {
					require.NoError(t, err)
					require.Len(t, change.Changes, 1)
					require.Equal(t, []string{"unregistered-extension"}, opts.Report.Fired())
				} else {
					require.Equal(t, schema.InvalidPath, class(t, err), "%s: %v", operation, err)
				}
				opts.Report = strictly()
				_, _, err = apply(document(user), body(operation), opts)
				require.Equal(t, schema.InvalidPath, class(t, err), "strict: %s: %v", operation, err)
			}
		})
	}
	t.Run("a skipped value must be sound", func(t *testing.T) {
		t.Parallel()
		refuses(t, userType, user, schema.InvalidSyntax, on("replace", "urn:example:foreign:2.0:User:color", `{"a":1,"A":2}`))
	})
}

func TestWholeSchemas(t *testing.T) {
	t.Parallel()
	refuses(t, userType, user, schema.Mutability, on("remove", coreURN, ""))
	refuses(t, userType, user, schema.Mutability, on("replace", coreURN, "null"))
	refuses(t, userType, user, schema.InvalidPath, on("remove", enterpriseURN+`[department eq "Engines"]`, ""))
	refuses(t, userType, user, schema.InvalidPath, on("replace", coreURN+`[userName eq "x"]`, `{}`))
	refuses(t, userType, user, schema.InvalidValue, on("replace", enterpriseURN, `"Engines"`))
	becomes(t, userType, user, edited(user, func(doc object) { doc["title"] = "Dr" }), on("add", coreURN, `{"title":"Dr","id":"x"}`))
	becomes(t, userType, user, edited(user, func(doc object) { in(doc, enterpriseURN)["department"] = "Bridges" }), on("replace", enterpriseURN, `{"department":"Bridges"}`))
	for _, operation := range []string{on("remove", enterpriseURN, ""), on("replace", strings.ToUpper(enterpriseURN), "null"), `{"op":"add","value":{"` + enterpriseURN + `":null}}`} {
		becomes(t, userType, edited(user, func(doc object) { delete(in(doc, enterpriseURN, "manager"), "displayName") }),
			edited(user, func(doc object) { delete(doc, enterpriseURN) }), operation)
	}
}

// TestErrorsNameTheAttribute by its canonical path, for the answer and the log.
func TestErrorsNameTheAttribute(t *testing.T) {
	t.Parallel()
	for operation, path := range map[string]string{
		on("replace", "META.version", `"x"`):                        "meta.version",
		on("remove", "USERNAME", ""):                                "userName",
		on("add", "title", ""):                                      "title",
		on("replace", "department[value eq 1]", `"x"`):              enterpriseURN + ":department",
		on("replace", badgeURN+".seal.CODE", `"x"`):                 badgeURN + ":seal.code",
		on("replace", badgeURN+`:visits[value eq "v1"].stamp`, `1`): badgeURN + ":visits.stamp",
		on("add", `emails[type co "x"].value`, `"x"`):               "emails",
		on("add", `emails.value`, `"x"`):                            "emails.value",
	} {
		_, _, err := apply(document(user), body(operation), options(userType))
		var refused *patch.Error
		require.ErrorAs(t, err, &refused, operation)
		require.Equal(t, path, refused.Path, operation)
		require.NotEmpty(t, refused.Detail, operation)
		require.Equal(t, refused.ScimType+": "+refused.Detail, refused.Error())
		require.False(t, refused.TooLarge)
	}
}

func TestUnknownKeysAreIgnoredAndReported(t *testing.T) {
	t.Parallel()
	opts := options(userType)
	request := body(`{"op":"replace","value":{"title":"Dr","color":1,"name.nick":"x","urn:example:foreign:2.0:User":{"a":[{}]},"urn:example:foreign:2.0:User:b":1,` +
		`"` + enterpriseURN + `":{"shoeSize":44,"department":"Bridges"}}}`)
	change, _, err := apply(document(user), request, opts)
	require.NoError(t, err)
	require.Len(t, change.Changes, 2)
	require.Equal(t, []string{"color", "name.nick", "urn:example:foreign:2.0:User", "urn:example:foreign:2.0:User:b", "shoeSize"}, opts.Report.Ignored())
	require.Contains(t, opts.Report.Fired(), "unknown-attribute")

	for _, value := range []string{`{"color":1}`, `{"name.nick":"x"}`, `{"urn:example:foreign:2.0:User":{}}`, `{"` + enterpriseURN + `":{"shoeSize":44}}`} {
		opts.Report = strictly()
		_, _, err = apply(document(user), body(`{"op":"replace","value":`+value+`}`), opts)
		require.Equal(t, schema.InvalidPath, class(t, err), value)
	}
}

// TestKeysThatMeanTheSame: the keys of an object have no order, so that two of them cannot write to one place.
func TestKeysThatMeanTheSame(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`{"title":"a","` + coreURN + `:title":"b"}`,
		`{"name":{"givenName":"a"},"name.givenName":"b"}`,
		`{"name.givenName":"a","name":{"GIVENNAME":null}}`,
		`{"name":null,"name.familyName":"b"}`,
		`{"name.familyName":"b","name":[]}`,
		`{"emails":[],"` + coreURN + `:emails":[]}`,
		`{"` + enterpriseURN + `":{"department":"a"},"department":"b"}`,
		`{"` + enterpriseURN + `":{"manager":"m-2"},"` + enterpriseURN + `:manager.value":"m-3"}`,
		`{"manager.value":"m-2","` + enterpriseURN + `":{"manager":"m-3"}}`,
		`{"manager.value":"m-2","manager.managerId":"m-3"}`,
		`{"` + coreURN + `":{"title":"a"},"title":"b"}`,
		`{"seal":{"tags":["a"]},"seal.tags":["b"]}`,
	} {
		refuses(t, userType, user, schema.InvalidSyntax, `{"op":"replace","value":`+value+`}`)
		refuses(t, userType, user, schema.InvalidSyntax, `{"op":"add","value":`+value+`}`)
	}
	refuses(t, groupType, group, schema.InvalidSyntax, `{"op":"add","value":{"members":[{"value":"a"}],"`+groupURN+`:members":[{"value":"b"}]}}`)

	becomes(t, userType, `{"userName":"u","emails":[{"value":"w","type":"work"}]}`,
		`{"userName":"u","name":{"familyName":"b","givenName":"a"},"emails":[{"value":"w","display":"y","type":"work"},{"value":"h"}],"`+enterpriseURN+`":{"employeeNumber":"7","department":"d"}}`,
		`{"op":"add","value":{"name":{"givenName":"a"},"name.familyName":"b","emails[type eq \"work\"].display":"y","emails":[{"value":"h"}],`+
			`"`+enterpriseURN+`":{"department":"d"},"employeeNumber":"7"}}`)
	// Operations have an order.
	becomes(t, userType, `{"userName":"u"}`, `{"userName":"u","title":"b"}`, `{"op":"add","value":{"title":"a"}}`, `{"op":"add","value":{"title":"b"}}`)
}

// TestNullForAnUnqualifiedName: identity providers send null for attributes of their own that the base schema does not have. One that
// an extension happens to have is not meant, unless the name says so.
func TestNullForAnUnqualifiedName(t *testing.T) {
	t.Parallel()
	less := edited(user, func(doc object) { delete(in(doc, enterpriseURN), "department") })
	for _, value := range []string{`{"department":null}`, `{"Department":null,"manager.value":null,"seal.color":null}`} {
		becomes(t, userType, user, user, `{"op":"replace","value":`+value+`}`)
	}
	for _, operation := range []string{
		on("replace", "department", "null"), `{"op":"replace","value":{"` + enterpriseURN + `:department":null}}`,
		`{"op":"add","value":{"` + enterpriseURN + `":{"department":null}}}`, `{"op":"replace","value":{"department":""}}`,
	} {
		becomes(t, userType, user, less, operation)
	}
}

func TestNothingChanges(t *testing.T) {
	t.Parallel()
	for name, operation := range map[string]string{
		"the same value":                on("replace", "title", `"Countess"`),
		"the same by another way":       `{"op":"add","value":{"name.givenName":"Ada","active":"True"}}`,
		"remove what is not there":      on("remove", "nickName", ""),
		"remove without a match":        on("remove", `emails[type eq "fax"]`, ""),
		"remove a sub without one":      on("remove", `emails[type eq "fax"].value`, ""),
		"add what is there":             on("add", "emails", `[{"value":"home@x","type":"home"}]`),
		"add nothing":                   on("add", "emails", `[]`),
		"another order":                 on("replace", badgeURN+":codes", `["y","x"]`),
		"an empty object":               `{"op":"replace","value":{}}`,
		"an empty name":                 on("replace", "name", `{}`),
		"an empty extension":            on("add", enterpriseURN, `{}`),
		"a schema that is there":        on("add", "schemas", `["`+enterpriseURN+`"]`),
		"a schema without data":         on("add", "schemas", `["`+contractURN+`","urn:x:y"]`),
		"a dropped attribute":           on("replace", "password", `"secret"`),
		"a dropped attribute, mistyped": `{"op":"add","value":{"password":{"a":1}}}`,
		"readOnly in a value":           `{"op":"replace","value":{"id":"x","meta":{"version":"1"},"groups":[{"value":"g"}],"` + badgeURN + `":{"stamp":"x"}}}`,
		"the immutable value again":     on("replace", badgeURN+":serial", `"S-1"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := document(user)
			change, _, err := apply(before, body(operation), options(userType))
			require.NoError(t, err)
			require.True(t, change.Empty(), "%v", change.Changes)
			require.Same(t, before, change.After)
			require.Nil(t, change.Unique)
		})
	}
	change, _, err := apply(document(user), body(), options(userType))
	require.NoError(t, err)
	require.True(t, change.Empty())
}

func TestChangeSet(t *testing.T) {
	t.Parallel()
	change, _, err := apply(document(user), body(
		on("replace", badgeURN+":seal.color", `"green"`), on("remove", enterpriseURN, ""), on("remove", `emails[type ne "work"]`, ""),
		on("add", "name", `{"givenName":"A.","formatted":"A. L."}`), on("replace", "userName", `"ÅDA"`), on("replace", "externalId", `"E-1"`), on("remove", "title", ""),
	), options(userType))
	require.NoError(t, err)
	var listed []string
	for _, c := range change.Changes {
		listed = append(listed, c.Path+" "+string(c.Before)+" "+string(c.After))
	}
	require.Equal(t, []string{
		`externalId "e-1" "E-1"`,
		`userName "Ada@Example.test" "ÅDA"`,
		`name.formatted  "A. L."`,
		`name.givenName "Ada" "A."`,
		`title "Countess" `,
		`emails [{"value":"work@x","display":"Office","type":"work","primary":true},{"value":"home@x","type":"home"},{"value":"old@x","type":"other"}] ` +
			`[{"value":"work@x","display":"Office","type":"work","primary":true}]`,
		enterpriseURN + `:employeeNumber "7" `,
		enterpriseURN + `:department "Engines" `,
		enterpriseURN + `:manager.value "m-1" `,
		enterpriseURN + `:manager.$ref "../Users/m-1" `,
		enterpriseURN + `:manager.displayName "Charles" `,
		badgeURN + `:seal.color "red" "green"`,
	}, listed)
	require.Equal(t, []schema.Key{{Path: "userName", Value: "åda"}}, change.Unique)
	require.NotContains(t, string(change.After.JSON()), enterpriseURN)
}

func TestWrittenAttributes(t *testing.T) {
	t.Parallel()
	const hint, motto = badgeURN + ":hint", badgeURN + ":seal.motto"
	for operation, want := range map[string][]string{
		on("replace", hint, `"x"`):                       {hint},
		on("replace", hint, `"blue"`):                    {hint},
		`{"op":"add","value":{"hint":"x","title":"y"}}`:  {hint},
		on("add", badgeURN, `{"HINT":"x"}`):              {hint},
		on("replace", motto, `"x"`):                      {motto},
		on("add", badgeURN+":seal", `{"motto":"x"}`):     {motto},
		`{"op":"add","value":{"seal.motto":"x"}}`:        {motto},
		on("add", badgeURN+":seal", `{"color":"green"}`): nil,
		on("replace", badgeURN+":pin", `"x"`):            nil,
		on("replace", "title", `"x"`):                    nil,
	} {
		_, written, err := apply(document(user), body(operation), options(userType))
		require.NoError(t, err)
		var paths []string
		for _, a := range written {
			if !slices.Contains(paths, a.Path) {
				paths = append(paths, a.Path)
			}
		}
		require.Equal(t, want, paths, operation)
	}
}

// TestValuePaths holds what operations through a value filter do to the elements that it selects, and what they create.
func TestValuePaths(t *testing.T) {
	t.Parallel()
	const work, home = `{"value":"w","display":"W","type":"work","primary":true}`, `{"value":"h","type":"home"}`
	list := func(elements ...string) string {
		if len(elements) == 0 {
			return `{"userName":"u"}`
		}
		return `{"userName":"u","emails":[` + strings.Join(elements, ",") + `]}`
	}
	for name, tt := range map[string]struct{ operation, want string }{
		"replace an element":                       {on("replace", `emails[type eq "work"]`, `{"value":"x"}`), list(`{"value":"x","type":"work"}`, home)},
		"replace what the filter names":            {on("replace", `emails[type eq "work"]`, `{"type":"other"}`), list(`{"type":"other"}`, home)},
		"replace several":                          {on("replace", `emails[type pr]`, `{"value":"x"}`), list(`{"value":"x"}`)},
		"replace by nothing":                       {on("replace", `emails[type eq "work"]`, `null`), list(home)},
		"add to an element":                        {on("add", `emails[type eq "home"]`, `{"display":"H"}`), list(work, `{"value":"h","display":"H","type":"home"}`)},
		"add to several":                           {on("add", `emails[type pr]`, `{"display":"D"}`), list(`{"value":"w","display":"D","type":"work","primary":true}`, `{"value":"h","display":"D","type":"home"}`)},
		"add nothing":                              {on("add", `emails[type eq "work"]`, `null`), list(work, home)},
		"add an empty object":                      {on("add", `emails[type eq "work"]`, `{}`), list(work, home)},
		"remove an element":                        {on("remove", `emails[type eq "work"]`, ""), list(home)},
		"remove all elements":                      {on("remove", `emails[type pr]`, ""), list()},
		"remove with a value that means nothing":   {on("remove", `emails[type eq "home"]`, `[{"value":"w"}]`), list(work)},
		"replace a sub-attribute":                  {on("replace", `emails[type eq "work"].value`, `"x"`), list(`{"value":"x","display":"W","type":"work","primary":true}`, home)},
		"replace it in several":                    {on("replace", `emails[value pr].display`, `"D"`), list(`{"value":"w","display":"D","type":"work","primary":true}`, `{"value":"h","display":"D","type":"home"}`)},
		"remove a sub-attribute":                   {on("remove", `emails[type eq "work"].display`, ""), list(`{"value":"w","type":"work","primary":true}`, home)},
		"replace a sub-attribute by nothing":       {on("replace", `emails[type eq "work"].display`, `""`), list(`{"value":"w","type":"work","primary":true}`, home)},
		"compound filter":                          {on("remove", `emails[type eq "work" and value ew "W"]`, ""), list(home)},
		"compound filter without a match":          {on("remove", `emails[type eq "work" and value eq "h"]`, ""), list(work, home)},
		"negation":                                 {on("remove", `emails[not (type eq "work")]`, ""), list(work)},
		"primary eq false without a flag":          {on("remove", `emails[primary eq false]`, ""), list(work)},
		"create by a sub-attribute":                {on("replace", `emails[type eq "other"].value`, `"o"`), list(work, home, `{"value":"o","type":"other"}`)},
		"create an element":                        {on("add", `emails[type eq "other"]`, `{"value":"o"}`), list(work, home, `{"value":"o","type":"other"}`)},
		"create by two terms":                      {on("add", `emails[type eq "other" and display eq "O"].value`, `"o"`), list(work, home, `{"value":"o","display":"O","type":"other"}`)},
		"create a primary element":                 {on("add", `emails[type eq "other" and primary eq "True"].value`, `"o"`), list(`{"value":"w","display":"W","type":"work","primary":false}`, home, `{"value":"o","type":"other","primary":true}`)},
		"create nothing from null":                 {on("add", `emails[type eq "other"]`, `null`), list(work, home)},
		"create nothing from an empty object":      {on("replace", `emails[type eq "other"]`, `{}`), list(work, home)},
		"create nothing from a sub-attribute's":    {on("replace", `emails[type eq "other"].value`, `""`), list(work, home)},
		"one becomes primary":                      {on("replace", `emails[type eq "home"].primary`, `true`), list(`{"value":"w","display":"W","type":"work","primary":false}`, `{"value":"h","type":"home","primary":true}`)},
		"one becomes primary as a whole":           {on("add", `emails[type eq "home"]`, `{"primary":true}`), list(`{"value":"w","display":"W","type":"work","primary":false}`, `{"value":"h","type":"home","primary":true}`)},
		"one is no longer primary":                 {on("replace", `emails[type eq "work"].primary`, `false`), list(`{"value":"w","display":"W","type":"work","primary":false}`, home)},
		"add a primary element":                    {on("add", `emails`, `[{"value":"o","primary":true}]`), list(`{"value":"w","display":"W","type":"work","primary":false}`, home, `{"value":"o","primary":true}`)},
		"add the flag to an element that is there": {on("add", `emails`, `[{"value":"h","type":"home","primary":true}]`), list(`{"value":"w","display":"W","type":"work","primary":false}`, `{"value":"h","type":"home","primary":true}`)},
		"add the primary element again":            {on("add", `emails`, `[{"value":"w","type":"work","primary":true}]`), list(work, home)},
		"add a null sub-attribute":                 {on("add", `emails[type eq "work"]`, `{"display":null}`), list(`{"value":"w","type":"work","primary":true}`, home)},
		"add the value in another case":            {on("add", `emails`, `[{"value":"W","type":"WORK"}]`), list(`{"value":"W","display":"W","type":"WORK","primary":true}`, home)},
		"add the value with another type":          {on("add", `emails`, `[{"value":"w","type":"home"}]`), list(work, home, `{"value":"w","type":"home"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			becomes(t, userType, list(work, home), tt.want, tt.operation)
		})
	}
	for name, tt := range map[string]struct{ operation, class string }{
		"or":               {on("add", `emails[type eq "a" or type eq "b"].value`, `"x"`), schema.NoTarget},
		"co":               {on("replace", `emails[type co "fax"].value`, `"x"`), schema.NoTarget},
		"not":              {on("add", `emails[not (type pr)].value`, `"x"`), schema.NoTarget},
		"a contradiction":  {on("add", `emails[type eq "a" and type eq "b"].value`, `"x"`), schema.NoTarget},
		"an empty text":    {on("add", `emails[type eq ""].value`, `"x"`), schema.NoTarget},
		"a wrong type":     {on("add", `emails[type eq "fax"].value`, `5`), schema.InvalidValue},
		"not an element":   {on("replace", `emails[type eq "work"]`, `"x"`), schema.InvalidValue},
		"two primary ones": {on("replace", `emails[type pr].primary`, `true`), schema.InvalidValue},
		"two in one list":  {on("add", `emails`, `[{"value":"1","primary":true},{"value":"2","primary":true}]`), schema.InvalidValue},
		"single-valued":    {on("replace", `name[givenName eq "x"].familyName`, `"x"`), schema.InvalidPath},
		"without brackets": {on("replace", `emails.value`, `"x"`), schema.InvalidPath},
		"unknown name":     {on("remove", `emails[colour eq "x"]`, ""), schema.InvalidFilter},
		"unknown operator": {on("remove", `emails[type like "x"]`, ""), schema.InvalidFilter},
		"wrong literal":    {on("remove", `emails[primary eq "maybe"]`, ""), schema.InvalidFilter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuses(t, userType, list(work, home), tt.class, tt.operation)
		})
	}
	t.Run("later operations reuse what one created", func(t *testing.T) {
		t.Parallel()
		becomes(t, userType, `{"userName":"u"}`, `{"userName":"u","addresses":[{"streetAddress":"9 Quay","locality":"Harbourtown","type":"work"}]}`,
			on("Add", `addresses[type eq "work"].streetAddress`, `"8 Quay"`), on("Replace", `addresses[type eq "work"].locality`, `"Harbourtown"`),
			on("Replace", `addresses[type eq "WORK"].streetAddress`, `"9 Quay"`))
	})
	t.Run("as keys", func(t *testing.T) {
		t.Parallel()
		becomes(t, userType, list(work, home), list(`{"value":"w","display":"D","type":"work","primary":true}`, `{"value":"h","display":"D","type":"home"}`),
			`{"op":"add","value":{"emails[type pr]":{"display":"D"}}}`)
		becomes(t, userType, list(work, home), list(`{"value":"w","display":"1","type":"work","primary":true}`, `{"value":"h","display":"2","type":"home"}`),
			`{"op":"add","value":{"emails[type eq \"work\"]":{"display":"1"},"emails[type eq \"home\"]":{"display":"2"}}}`)
		becomes(t, userType, list(work, home), list(`{"value":"w","display":"1","type":"work","primary":true}`, `{"value":"h","display":"2","type":"home"}`),
			`{"op":"replace","value":{"emails[type eq \"work\"].display":"1","emails[type eq \"home\"].display":"2"}}`)
	})
	t.Run("simple values", func(t *testing.T) {
		t.Parallel()
		codes := func(list string) string { return `{"userName":"u","` + badgeURN + `":{"codes":` + list + `}}` }
		becomes(t, userType, codes(`["x","y","z"]`), codes(`["z"]`), on("remove", badgeURN+`:codes[value eq "X" or value sw "y"]`, ""))
		becomes(t, userType, codes(`["x","y"]`), codes(`["x","w"]`), on("replace", badgeURN+`:codes[value eq "y"]`, `"w"`))
		becomes(t, userType, codes(`["x"]`), codes(`["x","w"]`), on("add", badgeURN+`:codes[value eq "w"]`, `"w"`))
		for _, nothing := range []string{`null`, `""`} {
			becomes(t, userType, codes(`["x"]`), codes(`["x"]`), on("add", badgeURN+`:codes[value eq "w"]`, nothing))
			becomes(t, userType, codes(`["x"]`), codes(`["x"]`), on("add", badgeURN+`:codes[value eq "x"]`, nothing))
			becomes(t, userType, codes(`["x","y"]`), codes(`["y"]`), on("replace", badgeURN+`:codes[value eq "x"]`, nothing))
		}
		becomes(t, userType, codes(`["x","y"]`), codes(`["y"]`), on("remove", badgeURN+`:codes`, `["X","q"]`))
		covers(t, "P-07")
	})
	covers(t, "M-09", "7644-3.5.2.1-10", "7644-3.5.2.1-11", "7644-3.5.2.2-06", "7644-3.5.2.2-12", "7644-3.5.2.3-07", "7644-3.5.2.3-08")
}

// TestElementsAreNotMixedUp adds elements that are told from one that is there by type only, or by what is no text.
func TestElementsAreNotMixedUp(t *testing.T) {
	t.Parallel()
	becomes(t, userType, `{"userName":"u","emails":[{"value":"a"}]}`, `{"userName":"u","emails":[{"value":"a"},{"value":"a","type":"null"}]}`,
		on("add", "emails", `[{"value":"a","type":"null"}]`))
	becomes(t, userType, `{"userName":"u","emails":[{"value":"null","type":"x"}]}`, `{"userName":"u","emails":[{"value":"null","type":"x"},{"type":"x"}]}`,
		on("add", "emails", `[{"type":"x"}]`))
	becomes(t, userType, `{"userName":"u","emails":[{"value":"a","type":"null"}]}`, `{"userName":"u","emails":[{"value":"a","type":"null"},{"value":"a"}]}`,
		on("add", "emails", `[{"value":"a"}]`))
	twins := `{"userName":"u","emails":[{"value":"a","display":"1"},{"value":"a","display":"2"}]}`
	becomes(t, userType, twins, `{"userName":"u","emails":[{"value":"a","display":"3"},{"value":"a","display":"2"}]}`, on("add", "emails", `[{"value":"a","display":"3"}]`))
	becomes(t, userType, `{"userName":"u"}`, `{"userName":"u","emails":[{"value":"a","display":"2"}]}`,
		on("add", "emails", `[{"value":"a","display":"1"},{"value":"a","display":"2"}]`))
	becomes(t, userType, `{"userName":"u","emails":[{"value":"a"},{"value":"b"},{"value":"c"}]}`, `{"userName":"u","emails":[{"value":"c"}]}`,
		on("remove", "emails", `[{"value":"a","primary":true},{"value":"b","display":"B"}]`))
	becomes(t, userType, `{"userName":"u","emails":[{"value":"a"},{"value":"b","type":"null"}]}`, `{"userName":"u","emails":[{"value":"a"}]}`,
		on("remove", "emails", `[{"value":"a","type":"null"},{"value":"b","type":"null"}]`))
}

// TestRemoveNothing: a value that lists nothing is no word for "all". Null is none, so that it is like a remove without a value.
func TestRemoveNothing(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`[]`, `""`, `{}`, `[{}]`, `[null]`, `[""]`, `{"emails":[]}`, `[{"display":"Office"}]`, `[{"unknown":1}]`, `"work@x"`, `5`} {
		change, _, err := apply(document(user), body(on("remove", "emails", value)), options(userType))
		if err == nil {
			require.Empty(t, change.Changes, value)
		}
	}
	for _, value := range []string{`[]`, `""`, `{}`, `[{}]`, `[null]`, `[""]`, `{"members":[]}`, `[{"display":"Ada"}]`, `[{"unknown":1}]`, `"u1"`, `5`} {
		change, _, err := apply(document(group), body(on("remove", "members", value)), options(groupType, roster...))
		if err == nil {
			require.True(t, change.Members.Empty(), value)
		}
	}
	becomes(t, userType, user, edited(user, func(doc object) { delete(doc, "emails") }), on("remove", "emails", `null`))
	becomes(t, userType, user, edited(user, func(doc object) { doc["emails"] = doc["emails"].([]any)[2:] }), on("remove", "emails", `[{"value":"WORK@x"},{"type":"Home"}]`))
	becomes(t, userType, user, user, on("remove", "emails", `[{"value":"work@x","type":"home"}]`))
}

func TestOrderOfElements(t *testing.T) {
	t.Parallel()
	before := `{"userName":"u","emails":[{"value":"1","type":"a"},{"value":"2","type":"b"},{"value":"3","type":"a"},{"value":"4","type":"c","primary":true}]}`
	for name, tt := range map[string]struct{ operation, want string }{
		"replace": {on("replace", `emails[type eq "b"].value`, `"x"`), "1 x 3 4"},
		"element": {on("replace", `emails[type eq "b"]`, `{"value":"x"}`), "1 x 3 4"},
		"remove":  {on("remove", `emails[value eq "1"]`, ""), "2 3 4"},
		"several": {on("remove", `emails[type eq "a"]`, ""), "2 4"},
		"listed":  {on("remove", `emails`, `[{"value":"3"},{"value":"1"}]`), "2 4"},
		"add":     {on("add", "emails", `[{"value":"5"},{"value":"2","type":"b","display":"x"}]`), "1 2 3 4 5"},
		"create":  {on("add", `emails[type eq "d"].value`, `"5"`), "1 2 3 4 5"},
		"primary": {on("replace", `emails[value eq "2"].primary`, `true`), "1 2 3 4"},
		"another": {on("replace", "userName", `"v"`), "1 2 3 4"},
	} {
		var values []string
		tree := parse([]byte(after(t, userType, before, tt.operation))).(object)
		for _, element := range tree["emails"].([]any) {
			values = append(values, element.(object)["value"].(string))
		}
		require.Equal(t, tt.want, strings.Join(values, " "), name)
	}
}

func TestImmutableAttributes(t *testing.T) {
	t.Parallel()
	bare := edited(user, func(doc object) {
		delete(in(doc, badgeURN), "serial")
		delete(in(doc, badgeURN, "seal"), "code")
	})
	set := []string{
		on("add", badgeURN+":serial", `"S-2"`), on("replace", badgeURN, `{"serial":"S-2","seal":{"code":"C-2"}}`),
		on("replace", badgeURN+":seal.code", `"C-2"`), on("add", badgeURN+":seal", `{"code":"C-2"}`), `{"op":"add","value":{"seal.code":"C-2"}}`,
	}
	unset := []string{
		on("remove", badgeURN+":serial", ""), on("replace", badgeURN+":serial", "null"), on("replace", badgeURN+":serial", `""`),
		on("remove", badgeURN+":seal.code", ""), on("replace", badgeURN+":seal", `{"code":null}`), on("remove", badgeURN+":seal", ""),
		on("remove", badgeURN, ""), on("replace", badgeURN, "null"), on("remove", "schemas", `["`+badgeURN+`"]`),
		`{"op":"replace","value":{"` + badgeURN + `":null}}`,
	}
	for _, operation := range set {
		_, _, err := apply(document(bare), body(operation), options(userType))
		require.NoError(t, err, "the first value: %s", operation)
		refuses(t, userType, user, schema.Mutability, operation)
	}
	for _, operation := range unset {
		refuses(t, userType, user, schema.Mutability, operation)
		for _, again := range set {
			refuses(t, userType, user, schema.Mutability, operation, again)
		}
	}
	becomes(t, userType, user, user, on("remove", badgeURN+":serial", ""), on("add", badgeURN+":serial", `"S-1"`))
	for name, extension := range map[string]string{
		"another value": `{"serial":"S-2"}`, "another value inside": `{"seal":{"code":"C-2","label":"L"}}`,
	} {
		_, err := put(document(user), `{"schemas":["`+coreURN+`"],"userName":"u","`+badgeURN+`":`+extension+`}`, options(userType))
		require.Equal(t, schema.Mutability, class(t, err), name)
	}
	const visit = `{"userName":"u","active":true,"` + badgeURN + `":{"visits":[{"value":"v","type":"t","kind":"k"},{"value":"w"}]}}`
	for _, operation := range []string{
		on("replace", badgeURN+`:visits[value eq "v"].kind`, `"other"`), on("remove", badgeURN+`:visits[value eq "v"].kind`, ""),
		on("add", badgeURN+`:visits[value eq "v"]`, `{"kind":"other"}`), on("replace", badgeURN+`:visits[value eq "v"]`, `{"kind":"other"}`),
		on("add", badgeURN+`:visits`, `[{"value":"v","type":"t","kind":"other"}]`), `{"op":"add","value":{"visits":[{"value":"v","type":"t","kind":"other"}]}}`,
	} {
		refuses(t, userType, visit, schema.Mutability, operation)
	}
	_, _, err := apply(document(visit), body(on("add", badgeURN+`:visits[value eq "w"].kind`, `"first"`)), options(userType))
	require.NoError(t, err)
	refuses(t, groupType, group, schema.Mutability, on("replace", `members[value eq "a"].display`, `"x"`))
	covers(t, "M-05", "7644-3.5.2-14")
}

// TestRequiredInAnExtension: the extension may be absent, but not be there without what it requires.
func TestRequiredInAnExtension(t *testing.T) {
	t.Parallel()
	const bare = `{"userName":"u","active":true}`
	const signed = `{"userName":"u","active":true,"` + contractURN + `":{"number":"7","note":"n"}}`
	for _, operation := range []string{
		on("add", contractURN+":note", `"n"`), on("add", contractURN, `{"note":"n"}`), `{"op":"add","value":{"` + contractURN + `":{"note":"n","number":null}}}`,
		on("add", contractURN, `{"note":"n","number":" "}`),
	} {
		refuses(t, userType, bare, schema.InvalidValue, operation)
	}
	becomes(t, userType, bare, signed, on("add", contractURN+":note", `"n"`), on("add", contractURN+":number", `"7"`))
	becomes(t, userType, bare, signed, on("replace", contractURN, `{"note":"n","number":"7"}`))

	refuses(t, userType, signed, schema.Mutability, on("remove", contractURN+":number", ""))
	refuses(t, userType, signed, schema.Mutability, on("remove", contractURN+":number", ""), on("add", contractURN+":number", `"8"`))
	refuses(t, userType, signed, schema.InvalidValue, on("replace", contractURN+":number", "null"))
	refuses(t, userType, signed, schema.InvalidValue, on("replace", contractURN, `{"number":""}`))
	refuses(t, userType, signed, schema.Mutability, on("remove", contractURN, ""))
	refuses(t, userType, signed, schema.Mutability, on("remove", "schemas", `["`+contractURN+`"]`))
	becomes(t, userType, signed, `{"userName":"u","active":true,"`+contractURN+`":{"number":"7"}}`, on("remove", contractURN+":note", ""))

	change, err := put(document(signed), representation(userType, document(bare), ""), options(userType))
	require.NoError(t, err)
	require.Equal(t, canonical(t, []byte(bare)), canonical(t, change.After.JSON()))
}

func TestSchemasAttribute(t *testing.T) {
	t.Parallel()
	less := edited(user, func(doc object) { delete(doc, enterpriseURN) })
	for _, operation := range []string{
		on("remove", "schemas", `["`+enterpriseURN+`"]`), on("remove", "SCHEMAS", quoted(strings.ToUpper(enterpriseURN))),
		on("remove", `schemas[value eq "`+enterpriseURN+`"]`, ""), on("remove", `schemas[value ew "enterprise:2.0:user"]`, ""),
		on("replace", "schemas", `["`+badgeURN+`","`+coreURN+`"]`), on("replace", coreURN+":schemas", `["`+coreURN+`","`+badgeURN+`","urn:x:y"]`),
	} {
		becomes(t, userType, user, less, operation)
	}
	for _, operation := range []string{
		on("remove", "schemas", ""), on("remove", "schemas", "null"), on("replace", "schemas", "[]"), on("replace", "schemas", "null"),
		on("replace", "schemas", `["`+enterpriseURN+`","`+badgeURN+`"]`), on("remove", "schemas", `["`+coreURN+`"]`),
		on("remove", `schemas[value eq "`+coreURN+`"]`, ""), on("remove", `schemas[value pr]`, ""),
	} {
		refuses(t, userType, user, schema.Mutability, operation)
	}
	refuses(t, userType, user, schema.InvalidValue, on("add", "schemas", "[5]"))

	// The operations after it see what it did, and data brings its schema back.
	becomes(t, userType, user, edited(user, func(doc object) { doc[enterpriseURN] = object{"department": "New"} }),
		on("remove", "schemas", `["`+enterpriseURN+`"]`), on("add", enterpriseURN+":department", `"New"`))
	tree := parse([]byte(after(t, userType, less, on("add", enterpriseURN+":department", `"New"`)))).(object)
	require.Contains(t, tree["schemas"], enterpriseURN)
	covers(t, "7644-3.5.2-16", "7644-3.5.2-17")
}

// TestReference holds what becomes of a manager's $ref when the manager changes.
func TestReference(t *testing.T) {
	t.Parallel()
	manager := func(doc string) any { return in(parse([]byte(doc)).(object), enterpriseURN)["manager"] }
	was := object{"value": "m-1", "$ref": "../Users/m-1", "displayName": "Charles"}
	for operation, want := range map[string]any{
		on("replace", enterpriseURN+":manager", `"m-2"`):                                 object{"value": "m-2"},
		on("replace", enterpriseURN+":manager", `{"value":"m-2"}`):                       object{"value": "m-2"},
		on("replace", enterpriseURN+":manager", `[{"value":"m-2","$ref":null}]`):         object{"value": "m-2"},
		on("replace", enterpriseURN+":manager.value", `"m-2"`):                           object{"value": "m-2"},
		on("add", enterpriseURN+":manager.managerId", `"m-2"`):                           object{"value": "m-2"},
		`{"op":"replace","value":{"manager":"m-2"}}`:                                     object{"value": "m-2"},
		on("replace", enterpriseURN, `{"manager":{"value":"m-2","displayName":"Mine"}}`): object{"value": "m-2"},
		on("replace", enterpriseURN+":manager", `"m-1"`):                                 was,
		on("replace", enterpriseURN+":manager", `{"value":"m-1"}`):                       was,
		on("replace", enterpriseURN+":manager.value", `"m-1"`):                           was,
		on("add", enterpriseURN+":manager", `{"$ref":"x"}`):                              object{"value": "m-1", "$ref": "x", "displayName": "Charles"},
		on("remove", enterpriseURN+":manager.value", ""):                                 nil,
		on("remove", enterpriseURN+":manager", ""):                                       nil,
		on("replace", enterpriseURN+":manager", `""`):                                    nil,
		on("replace", enterpriseURN+":manager", `{"value":""}`):                          nil,
	} {
		require.Equal(t, want, manager(after(t, userType, user, operation)), operation)
	}

	sent := func(manager string) string {
		return `{"schemas":["` + coreURN + `","` + enterpriseURN + `"],"userName":"u","` + enterpriseURN + `":{"manager":` + manager + `,"department":"d"}}`
	}
	bare := `{"userName":"u","active":true,"` + enterpriseURN + `":{"manager":` + string(must(json.Marshal(was))) + `}}`
	for value, want := range map[string]any{
		`"m-1"`:                                 object{"value": "m-1", "displayName": "Charles"},
		`{"value":"m-1","$ref":"../Users/m-1"}`: was,
		`null`:                                  nil,
	} {
		change, err := put(document(bare), sent(value), options(userType))
		require.NoError(t, err)
		require.Equal(t, want, manager(string(change.After.JSON())), value)
	}
}

// TestPutKeeps holds what a PUT that leaves an attribute out does not clear: what a client cannot know, may not change, or need not say.
func TestPutKeeps(t *testing.T) {
	t.Parallel()
	const sent = `{"schemas":["` + coreURN + `"],"userName":"Ada@Example.test"`
	for name, tt := range map[string]struct{ before, request, want string }{
		"nothing of the extension sent": {
			edited(user, func(doc object) { delete(in(doc, badgeURN), "seal") }), sent + `}`,
			`{"serial":"S-1","stamp":"2024","hint":"blue","pin":"1234"}`,
		},
		"a part of it sent": {
			user, sent + `,"` + badgeURN + `":{"level":4,"stamp":"mine","pin":"5678","seal":{"label":"M","stamp":"mine"}}}`,
			`{"serial":"S-1","stamp":"2024","hint":"blue","pin":"5678","level":4,"seal":{"code":"C-1","label":"M","stamp":"now"}}`,
		},
		"a complex attribute that is left out takes its readOnly part along": {
			edited(user, func(doc object) { delete(in(doc, badgeURN, "seal"), "code") }), sent + `,"` + badgeURN + `":{"level":4}}`,
			`{"serial":"S-1","stamp":"2024","hint":"blue","pin":"1234","level":4}`,
		},
	} {
		change, err := put(document(tt.before), tt.request, options(userType))
		require.NoError(t, err, name)
		want := `{"userName":"Ada@Example.test","active":true,"` + badgeURN + `":` + tt.want + `}`
		require.Equal(t, canonical(t, []byte(want)), canonical(t, change.After.JSON()), name)
	}
	_, err := put(document(user), `{"schemas":["`+coreURN+`"],"title":"x"}`, options(userType))
	require.Equal(t, schema.InvalidValue, class(t, err), "userName is required")
	change, err := put(document(`{"userName":"u","active":false}`), sent+`}`, options(userType))
	require.NoError(t, err)
	require.Contains(t, string(change.After.JSON()), `"active":false`)
}

// TestSubAttributeBeforeTheBrackets: reading past it would remove a whole element where one sub-attribute was meant.
func TestSubAttributeBeforeTheBrackets(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{
		on("remove", `emails.display[type eq "work"]`, ""), on("replace", `emails.value[type eq "work"].display`, `"x"`),
		on("add", `emails.display[type eq "work"]`, `{"value":"x"}`), `{"op":"replace","value":{"emails.value[type eq \"work\"].display":"x"}}`,
		on("remove", enterpriseURN+`:manager.value[value eq "m-1"].displayName`, ""), on("remove", badgeURN+`:visits.type[value eq "v1"]`, ""),
	} {
		refuses(t, userType, user, schema.InvalidPath, operation)
	}
	refuses(t, groupType, group, schema.InvalidPath, on("remove", `members.display[value eq "a"]`, ""))
}

// TestKeysOfAnExtensionStayInIt: what the object of an extension holds is never an attribute of another schema.
func TestKeysOfAnExtensionStayInIt(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"name.givenName", `emails[type eq \"work\"].value`, "userName", coreURN + ":userName", enterpriseURN + ":department", "manager.value", "id",
	} {
		for _, operation := range []string{
			on("replace", badgeURN, `{"`+key+`":"other"}`), `{"op":"replace","value":{"` + badgeURN + `":{"` + key + `":"other"}}}`,
		} {
			change, _, err := apply(document(user), body(operation), options(userType))
			if err == nil {
				require.Empty(t, change.Changes, operation)
			}
		}
	}
	becomes(t, userType, user, edited(user, func(doc object) { in(doc, badgeURN, "seal")["color"] = "green" }), on("replace", badgeURN, `{"seal.color":"green"}`))

	const urn = "urn:example:params:scim:schemas:extension:stage:1.0:User"
	artists := compile(schema.Definition{Name: "Artist", Endpoint: "/Artists", Schema: elimity.CoreUserSchema(), Extensions: []schema.ExtensionDefinition{
		{Schema: elimity.Schema{ID: urn, Attributes: []elimity.CoreAttribute{elimity.ComplexCoreAttribute(elimity.ComplexParams{
			Name: "name", SubAttributes: []elimity.SimpleParams{text(elimity.StringParams{Name: "givenName"})},
		})}}},
	}})
	for _, operation := range []string{
		on("add", urn, `{"name.givenName":"Ziggy"}`), `{"op":"add","value":{"` + urn + `":{"name":{"givenName":"Ziggy"}}}}`, on("add", urn+":name.givenName", `"Ziggy"`),
	} {
		becomes(t, artists, `{"userName":"u","name":{"givenName":"David"}}`, `{"userName":"u","name":{"givenName":"David"},"`+urn+`":{"name":{"givenName":"Ziggy"}}}`, operation)
	}
}

// TestMultiValuedSubAttributes are lists like any other: add appends, and a remove that lists values removes those.
func TestMultiValuedSubAttributes(t *testing.T) {
	t.Parallel()
	tagged := func(seal, visit string) string {
		return `{"userName":"u","active":true,"` + badgeURN + `":{"seal":{"label":"L","tags":` + seal + `},"visits":[{"value":"v","tags":` + visit + `}]}}`
	}
	before := tagged(`["a","b"]`, `["a","b"]`)
	for name, tt := range map[string]struct{ operation, want string }{
		"replace":             {on("replace", badgeURN+":seal.tags", `["c"]`), tagged(`["c"]`, `["a","b"]`)},
		"replace in elements": {on("replace", badgeURN+`:visits[value eq "v"].tags`, `["c"]`), tagged(`["a","b"]`, `["c"]`)},
		"add":                 {on("add", badgeURN+":seal.tags", `["c","a"]`), tagged(`["a","b","c"]`, `["a","b"]`)},
		"add in elements":     {on("add", badgeURN+`:visits[value eq "v"].tags`, `["c"]`), tagged(`["a","b"]`, `["a","b","c"]`)},
		"remove":              {on("remove", badgeURN+":seal.tags", `["a","x"]`), tagged(`["b"]`, `["a","b"]`)},
		"remove in elements":  {on("remove", badgeURN+`:visits[value eq "v"].tags`, `["a"]`), tagged(`["a","b"]`, `["b"]`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			becomes(t, userType, before, tt.want, tt.operation)
		})
	}
}

// TestReadOnlyOutlivesItsExtension: a client may neither write a readOnly attribute nor remove it, whatever it names.
func TestReadOnlyOutlivesItsExtension(t *testing.T) {
	t.Parallel()
	const stamped = `{"userName":"u","active":true,"` + badgeURN + `":{"stamp":"2024","level":1}}`
	for _, operation := range []string{
		on("remove", badgeURN, ""), on("replace", badgeURN, "null"), `{"op":"replace","value":{"` + badgeURN + `":null}}`,
		on("remove", "schemas", `["`+badgeURN+`"]`), on("replace", "schemas", `["`+coreURN+`"]`),
	} {
		change, _, err := apply(document(stamped), body(operation), options(userType))
		if err != nil {
			require.Equal(t, schema.Mutability, class(t, err), operation)
			continue
		}
		require.Contains(t, string(change.After.JSON()), `"stamp":"2024"`, operation)
	}
}

// TestArrayOfOneObject: by the rule array-for-single it is that object, so it leaves alone what the object leaves out.
func TestArrayOfOneObject(t *testing.T) {
	t.Parallel()
	for _, object := range []string{`{}`, `{"givenName":null}`, `{"givenName":""}`, `{"familyName":"L","givenName":null}`, `{"unknown":1}`} {
		want := after(t, userType, user, on("replace", "name", object))
		require.Equal(t, want, after(t, userType, user, on("replace", "name", "["+object+"]")), object)
		require.Equal(t, want, after(t, userType, user, `{"op":"add","value":{"name":[`+object+`]}}`), object)
	}
}

// TestDisplayNameGoesWithTheManager: it is the old manager's name, whatever else the request says of the new one.
func TestDisplayNameGoesWithTheManager(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{
		on("replace", enterpriseURN+":manager", `{"value":"m-2","$ref":"../Users/m-2"}`),
		`{"op":"replace","value":{"` + enterpriseURN + `:manager":{"value":"m-2","$ref":"User"}}}`,
	} {
		require.NotContains(t, after(t, userType, user, operation), "Charles", operation)
	}
	bare := edited(user, func(doc object) { delete(doc, badgeURN) })
	for _, manager := range []string{`"m-2"`, `{"value":"m-2"}`, `{"value":"m-2","$ref":"../Users/m-2"}`} {
		change, err := put(document(bare), `{"schemas":["`+coreURN+`","`+enterpriseURN+`"],"userName":"u","`+enterpriseURN+`":{"manager":`+manager+`}}`, options(userType))
		require.NoError(t, err)
		require.NotContains(t, string(change.After.JSON()), "Charles", manager)
	}
}

// TestPutWhatGetShowsOfElements is TestPutWhatGetShows for what elements of a list and objects hold that a client cannot send back.
func TestPutWhatGetShowsOfElements(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"readOnly in an element":       `{"userName":"u","active":true,"` + badgeURN + `":{"visits":[{"value":"v","stamp":"s"},{"value":"w"}]}}`,
		"returned never in an element": `{"userName":"u","active":true,"` + badgeURN + `":{"visits":[{"value":"v","secret":"s"}]}}`,
		"nothing but readOnly":         `{"userName":"u","active":true,"` + enterpriseURN + `":{"manager":{"displayName":"Charles"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := document(before)
			change, err := put(doc, representation(userType, doc, ""), options(userType))
			require.NoError(t, err)
			require.Empty(t, change.Changes)
		})
	}
}
