package patch_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/patch"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

// The extensions of userType besides the enterprise one: badgeURN has what the standard schemas lack, contractURN an attribute that
// is required in an extension that is not.
const (
	badgeURN    = "urn:example:params:scim:schemas:extension:badge:1.0:User"
	contractURN = "urn:example:params:scim:schemas:extension:contract:1.0:User"
)

var (
	userType = compile(schema.Definition{Name: "User", Endpoint: "/Users", Schema: elimity.CoreUserSchema(), Extensions: []schema.ExtensionDefinition{
		{Schema: elimity.ExtensionEnterpriseUser()}, {Schema: badgeSchema()}, {Schema: contractSchema()},
	}})
	groupType = compile(schema.Definition{Name: "Group", Endpoint: "/Groups", Schema: elimity.CoreGroupSchema()})
)

func compile(def schema.Definition) *schema.ResourceType {
	rt, err := schema.Compile(def)
	if err != nil {
		panic(err)
	}
	return rt
}

func text(p elimity.StringParams) elimity.SimpleParams { return elimity.SimpleStringParams(p) }

func badgeSchema() elimity.Schema {
	immutable, readOnly := elimity.AttributeMutabilityImmutable(), elimity.AttributeMutabilityReadOnly()
	simple := elimity.SimpleCoreAttribute
	number := elimity.SimpleNumberParams
	return elimity.Schema{ID: badgeURN, Attributes: []elimity.CoreAttribute{
		simple(text(elimity.StringParams{Name: "serial", CaseExact: true, Mutability: immutable})),
		simple(text(elimity.StringParams{Name: "stamp", Mutability: readOnly})),
		simple(text(elimity.StringParams{Name: "hint", Returned: elimity.AttributeReturnedRequest()})),
		simple(text(elimity.StringParams{Name: "pin", Returned: elimity.AttributeReturnedNever()})),
		simple(number(elimity.NumberParams{Name: "level", Type: elimity.AttributeTypeInteger()})),
		simple(number(elimity.NumberParams{Name: "ratio", Type: elimity.AttributeTypeDecimal()})),
		simple(elimity.SimpleDateTimeParams(elimity.DateTimeParams{Name: "issued"})),
		simple(elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "lost"})),
		simple(text(elimity.StringParams{Name: "codes", MultiValued: true})),
		simple(number(elimity.NumberParams{Name: "floors", MultiValued: true, Type: elimity.AttributeTypeInteger()})),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "seal", SubAttributes: []elimity.SimpleParams{
			text(elimity.StringParams{Name: "color"}),
			text(elimity.StringParams{Name: "code", Mutability: immutable}),
			text(elimity.StringParams{Name: "label", Required: true}),
			text(elimity.StringParams{Name: "stamp", Mutability: readOnly}),
			text(elimity.StringParams{Name: "motto", Returned: elimity.AttributeReturnedRequest()}),
			text(elimity.StringParams{Name: "tags", MultiValued: true}),
		}}),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "visits", MultiValued: true, SubAttributes: []elimity.SimpleParams{
			text(elimity.StringParams{Name: "value", CaseExact: true}),
			text(elimity.StringParams{Name: "type"}),
			text(elimity.StringParams{Name: "kind", Mutability: immutable}),
			text(elimity.StringParams{Name: "stamp", Mutability: readOnly}),
			text(elimity.StringParams{Name: "secret", Returned: elimity.AttributeReturnedNever()}),
			text(elimity.StringParams{Name: "tags", MultiValued: true}),
			number(elimity.NumberParams{Name: "count", Type: elimity.AttributeTypeInteger()}),
			elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "primary"}),
		}}),
	}}
}

func contractSchema() elimity.Schema {
	return elimity.Schema{ID: contractURN, Attributes: []elimity.CoreAttribute{
		elimity.SimpleCoreAttribute(text(elimity.StringParams{Name: "number", Required: true})),
		elimity.SimpleCoreAttribute(text(elimity.StringParams{Name: "note"})),
	}}
}

// lenient and strictly are the reports of a connection without and with "strict".
func lenient() *dialect.Report  { return dialect.NewReport(false, dialect.Policy{}) }
func strictly() *dialect.Report { return dialect.NewReport(true, dialect.Policy{}) }

const maxOperations = 1000

// options are those of a tolerant connection whose group has the members given.
func options(rt *schema.ResourceType, members ...member) patch.Options {
	return patch.Options{Type: rt, Report: lenient(), MaxMembers: 10_000, Scan: scan(members)}
}

// member is one member of a group as the store tells it.
type member struct{ id, typ, display string }

func scan(members []member) func(yield func(id, typ, display string) error) error {
	return func(yield func(id, typ, display string) error) error {
		for _, m := range members {
			if err := yield(m.id, m.typ, m.display); err != nil {
				return err
			}
		}
		return nil
	}
}

// body wraps operations into a request.
func body(operations ...string) string {
	return `{"schemas":["` + patch.URN + `"],"Operations":[` + strings.Join(operations, ",") + `]}`
}

func decode(text string, limit int, report *dialect.Report) (ops []patch.Operation, err error) {
	err = strict.ReadString(text, func(r *strict.Reader) error {
		ops, err = patch.Decode(r, limit, report)
		return err
	})
	return ops, err
}

// apply decodes a request and applies it.
func apply(before *schema.Document, request string, opts patch.Options) (patch.ChangeSet, []*schema.Attribute, error) {
	ops, err := decode(request, maxOperations, opts.Report)
	if err != nil {
		return patch.ChangeSet{}, nil, err
	}
	return patch.Apply(context.Background(), before, ops, opts)
}

// document wraps attributes as a store hands them over.
func document(attributes string) *schema.Document { return schema.NewDocument([]byte(attributes)) }

// class is the scimType of an error, "" for none. Errors of the JSON reader are invalidSyntax on the wire.
func class(t require.TestingT, err error) string {
	if err == nil {
		return ""
	}
	var refused *patch.Error
	var invalid *schema.Error
	var bad *filter.Error
	var malformed *strict.Error
	switch {
	case errors.As(err, &refused):
		return refused.ScimType
	case errors.As(err, &invalid):
		return invalid.ScimType
	case errors.As(err, &bad):
		return bad.ScimType
	case errors.As(err, &malformed):
		return schema.InvalidSyntax
	}
	require.NoError(t, err, "an error of a type that Apply does not document")
	return ""
}

// canonical indents and orders JSON for comparison. "schemas" is left out: no document that a test writes down has it.
func canonical(t testing.TB, text []byte) string {
	t.Helper()
	var tree map[string]any
	require.NoError(t, json.Unmarshal(text, &tree), "%s", text)
	delete(tree, "schemas")
	out, err := json.MarshalIndent(tree, "", "  ")
	require.NoError(t, err)
	return string(out)
}

// after applies operations that must succeed to a resource and returns the result.
func after(t testing.TB, rt *schema.ResourceType, before string, operations ...string) string {
	t.Helper()
	change, _, err := apply(document(before), body(operations...), options(rt))
	require.NoError(t, err, "%v", operations)
	return string(change.After.JSON())
}

// becomes asserts what operations make of a resource.
func becomes(t testing.TB, rt *schema.ResourceType, before, want string, operations ...string) {
	t.Helper()
	require.Equal(t, canonical(t, []byte(want)), canonical(t, []byte(after(t, rt, before, operations...))), "%v", operations)
}

// refuses asserts that operations are refused and leave nothing behind.
func refuses(t testing.TB, rt *schema.ResourceType, before, scimType string, operations ...string) {
	t.Helper()
	doc := document(before)
	change, written, err := apply(doc, body(operations...), options(rt))
	require.Equal(t, scimType, class(t, err), "%v: %v", operations, err)
	require.Equal(t, patch.ChangeSet{}, change)
	require.Nil(t, written)
	require.Equal(t, before, string(doc.JSON()))
}
