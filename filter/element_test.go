package filter_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// bindElement parses a PATCH path and binds its value filter.
func bindElement(t testing.TB, rt *schema.ResourceType, text string, report *dialect.Report) (*filter.Element, *schema.Attribute, error) {
	t.Helper()
	path, err := filter.ParsePath(text, filter.PathLimits, report)
	require.NoError(t, err, text)
	target, err := rt.Resolve(path.AttributePath.URI(), path.AttributePath.AttributeName, path.AttributePath.SubAttributeName(), report)
	require.NoError(t, err, text)
	element, err := filter.BindElement(path.ValueExpression, rt, target.Leaf(), report)
	return element, target.Leaf(), err
}

// elementValue decodes one element as a store hands it back.
func elementValue(t testing.TB, rt *schema.ResourceType, a *schema.Attribute, body string) (v schema.Value) {
	t.Helper()
	require.NoError(t, strict.ReadString(body, func(r *strict.Reader) (err error) {
		v, err = rt.DecodeElement(r, a, strictly())
		return err
	}))
	return v
}

func TestElementMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rt      *schema.ResourceType
		path    string
		yes, no []string
	}{
		{userType, `emails[type eq "WORK"].value`, []string{`{"type":"work"}`, `{"type":"Work","value":"x"}`}, []string{`{"type":"home"}`, `{"value":"work"}`}},
		{userType, `emails[type eq "work" and value ew ".example"]`, []string{`{"type":"work","value":"A.EXAMPLE"}`}, []string{`{"type":"work"}`, `{"type":"home","value":"a.example"}`}},
		{userType, `roles[primary eq "True"].value`, []string{`{"value":"a","primary":true}`}, []string{`{"value":"a"}`, `{"value":"a","primary":false}`}},
		{userType, `roles[primary eq "False"].value`, []string{`{"value":"a"}`, `{"value":"a","primary":false}`}, []string{`{"value":"a","primary":true}`}},
		{userType, `emails[not (type eq "work")]`, []string{`{"type":"home"}`, `{"value":"x"}`}, []string{`{"type":"work"}`}},
		{userType, `emails[type ne "work" or value pr]`, []string{`{"type":"home"}`, `{"type":"work","value":"x"}`}, []string{`{"type":"work"}`}},
		{userType, `emails[type eq null]`, []string{`{"value":"x"}`}, []string{`{"type":"work"}`}},
		{userType, badgeURN + `:codes[value eq "red"]`, []string{`"Red"`, `"red"`}, []string{`"reddish"`}},
		{userType, badgeURN + `:floors[value gt 1.5]`, []string{`2`, `100`}, []string{`1`, `-2`}},
		{userType, schema.EnterpriseURN + `:manager[value eq "m"]`, []string{`{"value":"m"}`}, []string{`{"value":"M"}`, `{"$ref":"m"}`}},
		{groupType, `members[type eq "Group"]`, []string{`{"value":"a","type":"Group"}`}, []string{`{"value":"a","type":"User"}`, `{"value":"Group"}`}},
		{groupType, `members[display sw "b" and $ref ew "/a"]`, []string{`{"value":"a","display":"Babs","$ref":"../Users/a"}`}, []string{`{"value":"a","display":"Babs"}`}},
		{groupType, `members[value eq "\u0130"]`, []string{`{"value":"\u0130"}`}, []string{`{"value":"i"}`, `{"value":"I"}`, `{"value":"i\u0307"}`}},
		{groupType, `members[value eq "\u212a"]`, []string{`{"value":"\u212a"}`}, []string{`{"value":"K"}`, `{"value":"k"}`}},
		{groupType, `members[value eq "\u00df\u00e9"]`, []string{`{"value":"\u00df\u00e9"}`}, []string{`{"value":"ss\u00e9"}`, `{"value":"\u00dfe\u0301"}`}},
	} {
		var seen filter.Folds
		element, a, err := bindElement(t, c.rt, c.path, lenient())
		require.NoError(t, err, c.path)
		for _, body := range c.yes {
			require.True(t, element.Match(elementValue(t, c.rt, a, body), &seen), "%s of %s", c.path, body)
		}
		for _, body := range c.no {
			require.False(t, element.Match(elementValue(t, c.rt, a, body), &seen), "%s of %s", c.path, body)
		}
		require.False(t, element.Match(schema.Value{}, nil), c.path)
	}
	covers(t, "P-10")
}

func TestElementRefuses(t *testing.T) {
	t.Parallel()
	for scimType, paths := range map[string][]string{
		schema.InvalidPath: {`userName[value eq "x"]`, `meta[version pr]`, schema.EnterpriseURN + `[department pr]`, schema.UserURN + `[userName pr]`},
		schema.InvalidFilter: {`emails[foo eq "x"]`, `emails[emails.type eq "x"]`, `emails[primary gt true]`, `emails[primary eq "yes"]`, `emails[type eq 5]`, `emails[value co null]`,
			badgeURN + `:codes[type eq "x"]`, badgeURN + `:vault[value eq "x"]`, badgeURN + `:seeds[value eq "x"]`, badgeURN + `:floors[value eq "1"]`},
	} {
		for _, path := range paths {
			element, _, err := bindElement(t, userType, path, lenient())
			require.Nil(t, element, path)
			var refused *filter.Error
			require.ErrorAs(t, err, &refused, path)
			require.Equal(t, scimType, refused.ScimType, path)
		}
	}
	_, _, err := bindElement(t, userType, `roles[primary eq "True"].value`, strictly())
	require.Error(t, err)
}

func TestElementTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, want string // "": none
		covers     []string
	}{
		{path: `emails[type eq "work"].value`, want: `{"type":"work"}`},
		{path: `emails[type eq "Work" and primary eq true].value`, want: `{"type":"Work","primary":true}`},
		{path: `emails[(type eq "work") and (value eq "x" and display eq "y")]`, want: `{"value":"x","display":"y","type":"work"}`},
		{path: `roles[primary eq "True"].value`, want: `{"primary":true}`, covers: []string{"ENTRA-44"}},
		{path: `roles[value eq "{\"value\":\"x\"}"]`, want: `{"value":"{\"value\":\"x\"}"}`},
		{path: `roles[primary eq "FALSE"].value`, want: `{"primary":false}`},
		{path: `emails[not (type ne "work")]`, want: `{"type":"work"}`},
		{path: badgeURN + `:codes[value eq "Red"]`, want: `"Red"`},
		{path: badgeURN + `:floors[value eq 70e-1]`, want: `7`},
		{path: badgeURN + `:visits[count eq 7 and at eq "2024-01-01T00:00:00+01:00" and scan eq "AbCd"]`, want: `{"count":7,"at":"2024-01-01T00:00:00+01:00","scan":"AbCd"}`},
		{path: badgeURN + `:visits[tags eq "x"]`, want: `{"tags":["x"]}`},
		{path: schema.EnterpriseURN + `:manager[value eq "m"]`, want: `{"value":"m"}`},
		{path: `emails[type eq "work" or type eq "home"]`},
		{path: `emails[type eq "work" and type eq "home"]`},
		{path: `emails[type eq "work" and not (value eq "x")]`},
		{path: `emails[type eq "work" and value sw "x"]`},
		{path: `emails[type eq "work" and (value eq "x" or value eq "y")]`},
		{path: `emails[type pr]`},
		{path: `emails[type ne "work"]`},
		{path: `emails[type eq null]`},
		{path: `emails[type eq ""]`},
		{path: badgeURN + `:codes[value eq "a" and value eq "b"]`},
		{path: badgeURN + `:floors[value eq 1.5]`},
		{path: badgeURN + `:visits[stamp eq "x"]`}, // readOnly
		{path: badgeURN + `:visits[scan eq "no base64!"]`},
	} {
		element, a, err := bindElement(t, userType, c.path, lenient())
		require.NoError(t, err, c.path)
		v, ok := element.Template()
		require.Equal(t, c.want != "", ok, c.path)
		if ok {
			require.Equal(t, c.want, string(v.AppendJSON(nil)))
			require.True(t, element.Match(v, nil), c.path)
			require.True(t, v.Equal(elementValue(t, userType, a, c.want)), c.path)
		}
		covers(t, c.covers...)
	}
}

func TestElementIDs(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		`members[value eq "a"]`:                                             {"a"},
		`members[value eq "a" or (VALUE eq "b" or value eq "A")]`:           {"a", "b", "A"},
		`members[value eq "a" or value eq "b" or value eq "a"]`:             {"a", "b"},
		`members[value eq ""]`:                                              {},
		`members[not (value ne "a")]`:                                       {"a"},
		`members[value eq "a" and value eq "b"]`:                            nil,
		`members[value eq "a" and type eq "User"]`:                          nil,
		`members[value eq "a" or type eq "User"]`:                           nil,
		`members[value ne "a"]`:                                             nil,
		`members[value sw "a"]`:                                             nil,
		`members[value pr]`:                                                 nil,
		`members[value eq null]`:                                            nil,
		`members[display eq "a"]`:                                           nil,
		`members[value eq "a" or (value eq "b" and value eq "c")]`:          nil,
		`members[not (value eq "a")]`:                                       nil,
		`members[not (value ne "a" and value ne "b")].display`:              {"a", "b"},
		`urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq "x"]`: {"x"},
	} {
		element, _, err := bindElement(t, groupType, path, lenient())
		require.NoError(t, err, path)
		ids, ok := element.IDs()
		require.Equal(t, want, ids, path)
		require.Equal(t, want != nil, ok, path)
	}
	element, _, err := bindElement(t, userType, `emails[value eq "a"]`, nil)
	require.NoError(t, err)
	_, ok := element.IDs()
	require.False(t, ok)
}
