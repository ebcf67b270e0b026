package mapping_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/mapping"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

// badgeURN is an extension with what the standard schemas lack: numbers, hidden attributes, simple multi-valued attributes.
const (
	badgeURN      = "urn:example:params:scim:schemas:extension:badge:1.0:User"
	enterpriseURN = schema.EnterpriseURN
)

var (
	userType = compileType(schema.Definition{Name: "User", Endpoint: "/Users", Schema: elimity.CoreUserSchema(), Extensions: []schema.ExtensionDefinition{
		{Schema: elimity.ExtensionEnterpriseUser()}, {Schema: badgeSchema()},
	}})
	groupType = compileType(schema.Definition{Name: "Group", Endpoint: "/Groups", Schema: elimity.CoreGroupSchema()})
)

func compileType(def schema.Definition) *schema.ResourceType {
	rt, err := schema.Compile(def)
	if err != nil {
		panic(err)
	}
	return rt
}

func badgeSchema() elimity.Schema {
	simple, text := elimity.SimpleCoreAttribute, elimity.SimpleStringParams
	return elimity.Schema{ID: badgeURN, Attributes: []elimity.CoreAttribute{
		simple(elimity.SimpleNumberParams(elimity.NumberParams{Name: "level", Type: elimity.AttributeTypeInteger()})),
		simple(elimity.SimpleNumberParams(elimity.NumberParams{Name: "ratio", Type: elimity.AttributeTypeDecimal()})),
		simple(elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "lost"})),
		simple(text(elimity.StringParams{Name: "codes", MultiValued: true})),
		simple(text(elimity.StringParams{Name: "pin", Returned: elimity.AttributeReturnedNever()})),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "visits", MultiValued: true, SubAttributes: []elimity.SimpleParams{
			text(elimity.StringParams{Name: "value", CaseExact: true}),
			text(elimity.StringParams{Name: "tags", MultiValued: true}),
			text(elimity.StringParams{Name: "secret", Returned: elimity.AttributeReturnedNever()}),
		}}),
	}}
}

// decode reads a resource as a POST or PUT does. A body without schemas is given that of the type.
func decode(t testing.TB, rt *schema.ResourceType, body string) *schema.Document {
	t.Helper()
	if !strings.Contains(body, `"schemas"`) {
		body = `{"schemas":["` + rt.Schema.ID + `"],` + body[1:]
	}
	var in *schema.Input
	err := strict.ReadString(body, func(r *strict.Reader) (err error) {
		in, err = rt.Decode(r, nil)
		return err
	})
	require.NoError(t, err, body)
	return rt.Document(in.Tree)
}

// stored is a document as a store hands it over: JSON that nobody has read yet.
func stored(document *schema.Document) *schema.Document { return schema.NewDocument(document.JSON()) }

func compile(t testing.TB, table map[string]string) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Compile(userType, table, nil)
	require.NoError(t, err)
	return m
}

// apply maps a user by a table.
func apply(t testing.TB, table map[string]string, user string) mapping.Result {
	t.Helper()
	result, err := compile(t, table).Apply(context.Background(), decode(t, userType, user))
	require.NoError(t, err)
	return result
}

// refusal compiles a table that must be refused.
func refusal(t testing.TB, table map[string]string, functions map[string]mapping.Function) *mapping.Error {
	t.Helper()
	m, err := mapping.Compile(userType, table, functions)
	require.Nil(t, m)
	var refused *mapping.Error
	require.ErrorAs(t, err, &refused, "%v", table)
	require.NotEmpty(t, refused.Reason)
	return refused
}

// evaluate gives a value to an expression, which stands before the target.
func evaluate(t testing.TB, expression, value string, functions map[string]mapping.Function) (string, error) {
	t.Helper()
	m, err := mapping.Compile(userType, map[string]string{"nickName": expression + ".metadata.x"}, functions)
	require.NoError(t, err, expression)
	result, err := m.Apply(context.Background(), user(t, "nickName", value))
	return result.Metadata["x"], err
}

// user has one attribute.
func user(t testing.TB, attribute string, value any) *schema.Document {
	t.Helper()
	body, err := json.Marshal(map[string]any{attribute: value})
	require.NoError(t, err)
	return schema.NewDocument(body)
}
