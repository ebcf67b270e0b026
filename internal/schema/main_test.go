package schema_test

import (
	"testing"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

func TestMain(m *testing.M) { claim.Main(m) }

var covers = claim.Covers

const (
	deviceURN = "urn:example:schemas:core:2.0:Device"
	labURN    = "urn:example:schemas:extension:lab:2.0:Device"
)

// tb is what tests, benchmarks and properties have in common.
type tb interface {
	require.TestingT
	Helper()
}

func compile(t tb, def schema.Definition) *schema.ResourceType {
	t.Helper()
	rt, err := schema.Compile(def)
	require.NoError(t, err)
	return rt
}

func userDefinition() schema.Definition {
	return schema.Definition{
		Name: "User", Endpoint: "/Users", Schema: elimity.CoreUserSchema(),
		Extensions: []schema.ExtensionDefinition{{Schema: elimity.ExtensionEnterpriseUser()}},
	}
}

func userType(t tb) *schema.ResourceType { t.Helper(); return compile(t, userDefinition()) }

func groupType(t tb) *schema.ResourceType {
	t.Helper()
	return compile(t, schema.Definition{Name: "Group", Endpoint: "/Groups", Schema: elimity.CoreGroupSchema()})
}

// deviceType has what User and Group lack: numbers, binaries, simple multi-valued attributes, all mutabilities and all values of
// "returned".
func deviceType(t tb) *schema.ResourceType {
	t.Helper()
	return compile(t, deviceDefinition())
}

func deviceDefinition() schema.Definition {
	text := func(name string) elimity.StringParams { return elimity.StringParams{Name: name} }
	return schema.Definition{
		Name: "Device", Endpoint: "/Devices",
		Schema: elimity.Schema{ID: deviceURN, Attributes: []elimity.CoreAttribute{
			simple(elimity.StringParams{Name: "serial", Required: true, CaseExact: true, Uniqueness: elimity.AttributeUniquenessServer(), Mutability: elimity.AttributeMutabilityImmutable()}),
			simple(text("model")),
			simple(elimity.StringParams{Name: "tags", MultiValued: true}),
			number("count", elimity.AttributeTypeInteger(), false),
			number("sizes", elimity.AttributeTypeInteger(), true),
			number("weight", elimity.AttributeTypeDecimal(), false),
			elimity.SimpleCoreAttribute(elimity.SimpleDateTimeParams(elimity.DateTimeParams{Name: "seen"})),
			elimity.SimpleCoreAttribute(elimity.SimpleBinaryParams(elimity.BinaryParams{Name: "key"})),
			elimity.SimpleCoreAttribute(elimity.SimpleReferenceParams(elimity.ReferenceParams{Name: "owner", ReferenceTypes: []elimity.AttributeReferenceType{"User"}})),
			elimity.SimpleCoreAttribute(elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "locked"})),
			elimity.SimpleCoreAttribute(elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "flags", MultiValued: true})),
			simple(elimity.StringParams{Name: "stock", Mutability: elimity.AttributeMutabilityReadOnly()}),
			simple(elimity.StringParams{Name: "secret", Mutability: elimity.AttributeMutabilityWriteOnly()}),
			simple(elimity.StringParams{Name: "pin", Returned: elimity.AttributeReturnedNever()}),
			simple(elimity.StringParams{Name: "note", Returned: elimity.AttributeReturnedRequest()}),
			simple(elimity.StringParams{Name: "label", Returned: elimity.AttributeReturnedAlways()}),
			elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "place", SubAttributes: []elimity.SimpleParams{
				elimity.SimpleStringParams(text("room")),
				elimity.SimpleStringParams(elimity.StringParams{Name: "rack", Required: true}),
				elimity.SimpleStringParams(elimity.StringParams{Name: "map", Mutability: elimity.AttributeMutabilityReadOnly()}),
				elimity.SimpleNumberParams(elimity.NumberParams{Name: "floors", Type: elimity.AttributeTypeInteger(), MultiValued: true}),
			}}),
			elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "ports", MultiValued: true, SubAttributes: []elimity.SimpleParams{
				elimity.SimpleStringParams(text("value")),
				elimity.SimpleStringParams(text("type")),
				elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "primary"}),
				elimity.SimpleStringParams(elimity.StringParams{Name: "hidden", Returned: elimity.AttributeReturnedRequest()}),
			}}),
		}},
		Extensions: []schema.ExtensionDefinition{{Schema: elimity.Schema{ID: labURN, Attributes: []elimity.CoreAttribute{
			simple(text("bench")),
			simple(elimity.StringParams{Name: "asset", Uniqueness: elimity.AttributeUniquenessGlobal()}),
		}}}},
	}
}

func simple(p elimity.StringParams) elimity.CoreAttribute {
	return elimity.SimpleCoreAttribute(elimity.SimpleStringParams(p))
}

func number(name string, typ elimity.AttributeDataType, multi bool) elimity.CoreAttribute {
	return elimity.SimpleCoreAttribute(elimity.SimpleNumberParams(elimity.NumberParams{Name: name, Type: typ, MultiValued: multi}))
}

// tolerant and rigid are the reports of a connection with and without the tolerances of package dialect.
func tolerant() *dialect.Report { return dialect.NewReport(false, dialect.Policy{}) }

func rigid() *dialect.Report { return dialect.NewReport(true, dialect.Policy{}) }

// decode reads a request body.
func decode(rt *schema.ResourceType, body string, report *dialect.Report) (input *schema.Input, err error) {
	err = strict.ReadString(body, func(r *strict.Reader) (err error) {
		input, err = rt.Decode(r, report)
		return err
	})
	return input, err
}

// attr returns the attribute at a path.
func attr(t tb, rt *schema.ResourceType, path string) *schema.Attribute {
	t.Helper()
	target, err := rt.ResolvePath(path, nil)
	require.NoError(t, err, path)
	return target.Leaf()
}

// value reads one attribute's value as a request would hold it.
func value(rt *schema.ResourceType, a *schema.Attribute, json string, report *dialect.Report) (v schema.Value, err error) {
	err = strict.ReadString(json, func(r *strict.Reader) (err error) {
		v, err = rt.DecodeValue(r, a, report)
		return err
	})
	return v, err
}

// encoded returns the attributes of a tree as JSON, without schemas.
func encoded(tree *schema.Node) string { return string(tree.AppendJSON(nil)) }

// refusal requires a *schema.Error with that scimType and path, and returns its detail.
func refusal(t tb, err error, scimType, path, where string) string {
	t.Helper()
	var e *schema.Error
	require.ErrorAs(t, err, &e, where)
	require.Equal(t, scimType, e.ScimType, "%s: %v", where, err)
	require.Equal(t, path, e.Path, "%s: %v", where, err)
	require.NotEmpty(t, e.Detail, where)
	return e.Detail
}

// exactly requires the same bytes: JSON that is equal but differs in the order of keys will not do.
func exactly(t tb, want, got, where string) {
	t.Helper()
	require.Equal(t, want, got, where)
}
