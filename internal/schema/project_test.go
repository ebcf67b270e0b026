package schema_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
)

// shown returns what a projection shows of a tree, without schemas, id and meta.
func shown(p *schema.Projection, tree *schema.Node) string {
	return "{" + strings.TrimPrefix(string(p.AppendFields(nil, tree)), ",") + "}"
}

func split(names string) []string {
	if names == "" {
		return nil
	}
	return strings.Split(names, ",")
}

func TestProjectionOfUsers(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	const enterprise = `"` + schema.EnterpriseURN + `"`
	input, err := decode(rt, `{"schemas":["`+schema.UserURN+`","`+schema.EnterpriseURN+`"],"userName":"u","externalId":"e","name":{"givenName":"g","familyName":"f"},
		"emails":[{"value":"v","type":"work"},{"type":"home"}],`+enterprise+`:{"department":"d","manager":{"value":"m"}}}`, rigid())
	require.NoError(t, err)
	const (
		id         = `"externalId":"e"`
		userName   = `"userName":"u"`
		name       = `"name":{"familyName":"f","givenName":"g"}`
		emails     = `"emails":[{"value":"v","type":"work"},{"type":"home"}]`
		department = `"department":"d"`
		manager    = `"manager":{"value":"m"}`
		extension  = enterprise + `:{` + department + `,` + manager + `}`
	)
	all := strings.Join([]string{id, userName, name, emails, extension}, ",")
	for _, c := range []struct{ attributes, excluded, want string }{
		{"", "", all},
		{"userName", "", userName},
		{"USERNAME", "", userName},
		{schema.UserURN + ":userName", "", userName},
		{strings.ToUpper(schema.UserURN) + ":userName,name.givenName", "", userName + `,"name":{"givenName":"g"}`},
		{"name", "", name},
		{"name,name.givenName", "", name},
		{"emails.value", "", `"emails":[{"value":"v"}]`}, // an element with nothing to show is not shown
		{"emails.display", "", ``},
		{"department", "", enterprise + `:{` + department + `}`},
		{schema.EnterpriseURN, "", extension},
		{schema.EnterpriseURN + ":manager", "", enterprise + `:{` + manager + `}`},
		{schema.EnterpriseURN + ":manager.value", "", enterprise + `:{` + manager + `}`},
		{schema.EnterpriseURN + ":manager.$ref", "", ``},
		{"id", "", ``},
		{"meta", "", ``},
		{"password", "", ``},
		{"canary", "", ``},
		{"canary,userName,<b>", "", userName},
		{schema.UserURN, "", all}, // the whole resource
		{"", "userName", strings.Join([]string{id, name, emails, extension}, ",")},
		{"", "USERNAME,externalid,name,emails", extension},
		{"", "name.givenName", strings.Join([]string{id, userName, `"name":{"familyName":"f"}`, emails, extension}, ",")},
		{"", "name.givenName,name.familyName", strings.Join([]string{id, userName, emails, extension}, ",")}, // no empty object
		{"", "emails.type", strings.Join([]string{id, userName, name, `"emails":[{"value":"v"}]`, extension}, ",")},
		{"", schema.EnterpriseURN, strings.Join([]string{id, userName, name, emails}, ",")},
		{"", "department", strings.Join([]string{id, userName, name, emails, enterprise + `:{` + manager + `}`}, ",")},
		{"", "id,schemas,canary", all},
		{"", schema.UserURN, ""},
	} {
		p := rt.NewProjection(split(c.attributes), split(c.excluded), nil)
		require.Equal(t, c.attributes+c.excluded == "", p == nil, "no parameters need no projection")
		require.Equal(t, "{"+c.want+"}", shown(p, input.Tree), "attributes=%s excludedAttributes=%s", c.attributes, c.excluded)
		require.True(t, p.Shows(rt.ID), "id is returned always")
		require.True(t, p.Shows(rt.Schemas))
		require.False(t, p.Shows(attr(t, rt, "password")))
	}
	covers(t, "7644-3.9-05", "7644-3.9-07")
}

// What "returned" and "mutability" hide, and from whom.
func TestProjectionOfDevices(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	input, err := decode(rt, `{"schemas":["`+deviceURN+`"],"serial":"s","secret":"x","pin":"x","note":"n","label":"l","ports":[{"value":"v","hidden":"h"},{"hidden":"i"}]}`, rigid())
	require.NoError(t, err)
	const (
		serial = `"serial":"s"`
		note   = `"note":"n"`
		label  = `"label":"l"`
		ports  = `"ports":[{"value":"v"}]`
	)
	for _, c := range []struct{ attributes, excluded, requested, want string }{
		{"", "", "", serial + "," + label + "," + ports},
		{"", "", "note", serial + "," + note + "," + label + "," + ports},
		{"note", "", "", note + "," + label},
		{"serial", "", "", serial + "," + label},
		{"secret,pin", "", "", label},
		{"", "", "secret,pin", serial + "," + label + "," + ports},
		{"", "label", "", serial + "," + label + "," + ports}, // returned always
		{"", "serial", "", label + "," + ports},
		{"", "note", "note", serial + "," + label + "," + ports},
		{"serial", "", "note", serial + "," + note + "," + label},
		{"ports", "", "", label + "," + ports}, // naming the whole does not ask for what is returned on request
		{"ports.hidden", "", "", label + `,"ports":[{"hidden":"h"},{"hidden":"i"}]`},
		{"ports,ports.hidden", "", "", label + `,"ports":[{"value":"v","hidden":"h"},{"hidden":"i"}]`},
		{deviceURN, "", "", serial + "," + label + "," + ports},
	} {
		var requested []*schema.Attribute
		for _, name := range split(c.requested) {
			requested = append(requested, attr(t, rt, name))
		}
		p := rt.NewProjection(split(c.attributes), split(c.excluded), requested)
		require.NotNil(t, p, "a type that hides something needs one")
		require.Equal(t, "{"+c.want+"}", shown(p, input.Tree), "attributes=%s excludedAttributes=%s requested=%s", c.attributes, c.excluded, c.requested)
	}
	// Without a projection nothing hidden is shown either.
	var none *schema.Projection
	exactly(t, "{"+serial+","+label+","+ports+"}", shown(none, input.Tree), "no projection")
	for path, want := range map[string]bool{"serial": true, "note": false, "secret": false, "pin": false, "label": true, "stock": true, "ports.hidden": false} {
		require.Equal(t, want, none.Shows(attr(t, rt, path)), path)
	}
	covers(t, "7643-7-14")
}
