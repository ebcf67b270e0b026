package filter_test

import (
	"testing"
	"time"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

// badgeURN is an extension with what the standard schemas lack: numbers, hidden attributes, simple multi-valued attributes.
const badgeURN = "urn:example:params:scim:schemas:extension:badge:1.0:User"

var (
	userType  = compile(schema.Definition{Name: "User", Endpoint: "/Users", Schema: elimity.CoreUserSchema(), Extensions: extensions})
	groupType = compile(schema.Definition{Name: "Group", Endpoint: "/Groups", Schema: elimity.CoreGroupSchema()})

	extensions = []schema.ExtensionDefinition{{Schema: elimity.ExtensionEnterpriseUser()}, {Schema: badgeSchema()}}

	// lenient and strictly are the reports of a connection without and with "strict"; unquoted has the policy UnquotedLiterals.
	lenient  = func() *dialect.Report { return dialect.NewReport(false, dialect.Policy{}) }
	strictly = func() *dialect.Report { return dialect.NewReport(true, dialect.Policy{}) }
	unquoted = func() *dialect.Report { return dialect.NewReport(false, dialect.PolicyFor(dialect.MicrosoftEntra)) }

	options = filter.Options{Location: "https://scim.example.test/v2/Users/"}
)

func compile(def schema.Definition) *schema.ResourceType {
	rt, err := schema.Compile(def)
	if err != nil {
		panic(err)
	}
	return rt
}

func badgeSchema() elimity.Schema {
	never, writeOnly := elimity.AttributeReturnedNever(), elimity.AttributeMutabilityWriteOnly()
	simple := elimity.SimpleCoreAttribute
	text := elimity.SimpleStringParams
	return elimity.Schema{ID: badgeURN, Attributes: []elimity.CoreAttribute{
		simple(elimity.SimpleNumberParams(elimity.NumberParams{Name: "level", Type: elimity.AttributeTypeInteger()})),
		simple(elimity.SimpleNumberParams(elimity.NumberParams{Name: "ratio", Type: elimity.AttributeTypeDecimal()})),
		simple(elimity.SimpleDateTimeParams(elimity.DateTimeParams{Name: "issued"})),
		simple(elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "lost"})),
		simple(elimity.SimpleBinaryParams(elimity.BinaryParams{Name: "photo"})),
		simple(elimity.SimpleReferenceParams(elimity.ReferenceParams{Name: "site", ReferenceTypes: []elimity.AttributeReferenceType{"external"}})),
		simple(text(elimity.StringParams{Name: "codes", MultiValued: true})),
		simple(elimity.SimpleNumberParams(elimity.NumberParams{Name: "floors", Type: elimity.AttributeTypeInteger(), MultiValued: true})),
		simple(text(elimity.StringParams{Name: "pin", Returned: never})),
		simple(text(elimity.StringParams{Name: "seeds", MultiValued: true, Mutability: writeOnly})),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "vault", SubAttributes: []elimity.SimpleParams{
			text(elimity.StringParams{Name: "label"}), text(elimity.StringParams{Name: "value", Returned: never}),
		}}),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "visits", MultiValued: true, SubAttributes: []elimity.SimpleParams{
			text(elimity.StringParams{Name: "value", CaseExact: true}),
			text(elimity.StringParams{Name: "tags", MultiValued: true}),
			text(elimity.StringParams{Name: "stamp", Mutability: elimity.AttributeMutabilityReadOnly()}),
			elimity.SimpleNumberParams(elimity.NumberParams{Name: "count", Type: elimity.AttributeTypeInteger()}),
			elimity.SimpleDateTimeParams(elimity.DateTimeParams{Name: "at"}),
			elimity.SimpleBinaryParams(elimity.BinaryParams{Name: "scan"}),
		}}),
	}}
}

// document decodes a resource as a POST does, and returns what a store hands back: JSON only.
func document(t testing.TB, rt *schema.ResourceType, body string) *schema.Document {
	t.Helper()
	var in *schema.Input
	err := strict.ReadString(body, func(r *strict.Reader) (err error) {
		in, err = rt.Decode(r, nil)
		return err
	})
	require.NoError(t, err)
	rt.AssignDefaults(in.Tree)
	return schema.NewDocument(rt.Document(in.Tree).JSON())
}

const (
	created  = "2011-05-13T04:42:34.123456Z"
	modified = "2011-05-13T06:42:35+02:00" // 04:42:35Z
)

func record(t testing.TB, rt *schema.ResourceType, body string) filter.Record {
	t.Helper()
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return parsed
	}
	return filter.Record{ID: "2819c223-7F76", Version: 3, Created: at(created), LastModified: at(modified), Document: document(t, rt, body)}
}

// bind parses and binds a filter that must be sound.
func bind(t testing.TB, rt *schema.ResourceType, text string, report *dialect.Report) *filter.Filter {
	t.Helper()
	expr, err := filter.Parse(text, filter.DefaultLimits, report)
	require.NoError(t, err, text)
	f, err := filter.Bind(expr, rt, options, report)
	require.NoError(t, err, text)
	return f
}

func matches(t testing.TB, rt *schema.ResourceType, text string, r filter.Record) bool {
	t.Helper()
	ok, err := bind(t, rt, text, lenient()).Match(r)
	require.NoError(t, err, text)
	return ok
}

// refusal parses and binds a filter that one of the two must refuse.
func refusal(t testing.TB, rt *schema.ResourceType, text string, report *dialect.Report) *filter.Error {
	t.Helper()
	expr, err := filter.Parse(text, filter.DefaultLimits, report)
	if err == nil {
		var f *filter.Filter
		f, err = filter.Bind(expr, rt, options, report)
		require.Nil(t, f, text)
	} else {
		require.Nil(t, expr, text)
	}
	var refused *filter.Error
	require.ErrorAs(t, err, &refused, "%s: %v", text, err)
	require.Equal(t, schema.InvalidFilter, refused.ScimType, text)
	require.NotEmpty(t, refused.Detail, text)
	return refused
}
