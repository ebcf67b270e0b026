package schema_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
)

func many(n int) []elimity.CoreAttribute {
	attrs := make([]elimity.CoreAttribute, n)
	for i := range attrs {
		attrs[i] = simple(elimity.StringParams{Name: fmt.Sprintf("a%d", i)})
	}
	return attrs
}

func manySub(n int) []elimity.SimpleParams {
	attrs := make([]elimity.SimpleParams, n)
	for i := range attrs {
		attrs[i] = elimity.SimpleStringParams(elimity.StringParams{Name: fmt.Sprintf("a%d", i)})
	}
	return attrs
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	attributes := func(attrs ...elimity.CoreAttribute) func(*schema.Definition) {
		return func(d *schema.Definition) { d.Schema.Attributes = attrs }
	}
	extension := func(id string, attrs ...elimity.CoreAttribute) func(*schema.Definition) {
		return func(d *schema.Definition) {
			d.Extensions = append(d.Extensions, schema.ExtensionDefinition{Schema: elimity.Schema{ID: id, Attributes: attrs}})
		}
	}
	endpoint := func(e string) func(*schema.Definition) { return func(d *schema.Definition) { d.Endpoint = e } }
	id := func(id string) func(*schema.Definition) { return func(d *schema.Definition) { d.Schema.ID = id } }
	unique := elimity.AttributeUniquenessServer()
	for name, c := range map[string]struct {
		change func(*schema.Definition)
		says   string
	}{
		"no name":                       {func(d *schema.Definition) { d.Name = "" }, "without a name"},
		"no endpoint":                   {endpoint(""), "endpoint"},
		"endpoint without a slash":      {endpoint("Devices"), "endpoint"},
		"endpoint of two segments":      {endpoint("/a/b"), "endpoint"},
		"endpoint with a trailing one":  {endpoint("/Devices/"), "endpoint"},
		"root":                          {endpoint("/"), "endpoint"},
		"endpoint with a query":         {endpoint("/Devices?"), "endpoint"},
		"endpoint beyond ASCII":         {endpoint("/Geräte"), "endpoint"},
		"endpoint with a line break":    {endpoint("/Devices\n"), "endpoint"},
		"endpoint of searches":          {endpoint("/.search"), "endpoint"},
		"endpoint of schemas":           {endpoint("/Schemas"), "endpoint"},
		"endpoint of types":             {endpoint("/ResourceTypes"), "endpoint"},
		"endpoint of the configuration": {endpoint("/ServiceProviderConfig"), "endpoint"},
		"endpoint of bulk":              {endpoint("/Bulk"), "endpoint"},
		"endpoint of me":                {endpoint("/Me"), "endpoint"},

		"no schema id":                   {id(""), "is not a URI"},
		"schema id without a scheme":     {id("Device"), "is not a URI"},
		"schema id with a space":         {id("urn:a b"), "is not a URI"},
		"schema id with a quote":         {id(`urn:a"b`), "is not a URI"},
		"schema id with a backslash":     {id(`urn:a\b`), "is not a URI"},
		"schema id with a bracket":       {id("urn:a]b"), "is not a URI"},
		"schema id with NUL":             {id("urn:a\x00b"), "is not a URI"},
		"schema id with a line break":    {id("urn:a\nb"), "is not a URI"}, // it goes into JSON as it is
		"extension id without a scheme":  {extension("Lab"), "is not a URI"},
		"the same extension twice":       {func(d *schema.Definition) { extension(labURN)(d); extension(labURN)(d) }, "twice"},
		"the same but for its case":      {func(d *schema.Definition) { extension(labURN)(d); extension(strings.ToUpper(labURN))(d) }, "twice"},
		"the core schema as extension":   {extension(deviceURN), "twice"},
		"the core schema in other case":  {extension(strings.ToLower(deviceURN)), "twice"},
		"an attribute twice":             {attributes(simple(elimity.StringParams{Name: "a"}), simple(elimity.StringParams{Name: "a"})), "declared twice"},
		"the same in other case":         {attributes(simple(elimity.StringParams{Name: "a"}), simple(elimity.StringParams{Name: "A"})), "declared twice"},
		"an attribute twice, below":      {extension(labURN, simple(elimity.StringParams{Name: "a"}), simple(elimity.StringParams{Name: "A"})), "declared twice"},
		"an attribute without a name":    {attributes(elimity.CoreAttribute{}), "bad attribute name"},
		"a bad name of a sub-attribute":  {attributes(elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "c", SubAttributes: []elimity.SimpleParams{elimity.SimpleStringParams(elimity.StringParams{Name: `a"b`})}})), "bad attribute name"},
		"a sub-attribute without a name": {attributes(elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "c", SubAttributes: []elimity.SimpleParams{{}}})), "bad attribute name"},

		"too many attributes":     {attributes(many(300)...), "more than 256"},
		"too many sub-attributes": {attributes(elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "c", SubAttributes: manySub(257)})), "more than 256"},
		"too many in a extension": {extension(labURN, many(257)...), "more than 256"},

		"a unique list":          {attributes(simple(elimity.StringParams{Name: "a", MultiValued: true, Uniqueness: unique})), "cannot be unique"},
		"a unique number":        {attributes(elimity.SimpleCoreAttribute(elimity.SimpleNumberParams(elimity.NumberParams{Name: "a", Type: elimity.AttributeTypeInteger(), Uniqueness: unique}))), "cannot be unique"},
		"a unique sub-attribute": {attributes(elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "c", SubAttributes: []elimity.SimpleParams{elimity.SimpleStringParams(elimity.StringParams{Name: "a", Uniqueness: unique})}})), "cannot be unique"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			def := schema.Definition{Name: "Device", Endpoint: "/Devices", Schema: elimity.Schema{ID: deviceURN, Attributes: many(1)}}
			_, err := schema.Compile(def)
			require.NoError(t, err)
			c.change(&def)
			_, err = schema.Compile(def)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// 256 attributes on a level are as good as one: the common ones and the extensions are among those of the resource.
func TestCompileAcceptsFullLevels(t *testing.T) {
	t.Parallel()
	rt := compile(t, schema.Definition{
		Name: "Device", Endpoint: "/Devices",
		Schema: elimity.Schema{ID: deviceURN, Attributes: append(many(250), elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "c", SubAttributes: manySub(256)}))},
		Extensions: []schema.ExtensionDefinition{
			{Schema: elimity.Schema{ID: labURN, Attributes: many(256)}},
		},
	})
	require.Len(t, rt.Root.Sub, 256)
	input, err := decode(rt, `{"schemas":["`+deviceURN+`","`+labURN+`"],"a0":"x","a249":"x","c":{"a0":"x","a255":"x"},"`+labURN+`":{"a0":"x","a255":"x"}}`, rigid())
	require.NoError(t, err)
	require.JSONEq(t, `{"a0":"x","a249":"x","c":{"a0":"x","a255":"x"},"`+labURN+`":{"a0":"x","a255":"x"}}`, encoded(input.Tree))
	_, err = decode(rt, `{"schemas":["`+deviceURN+`"],"a249":"x","A249":"y"}`, tolerant())
	refusal(t, err, schema.InvalidSyntax, "a249", "the last attribute twice")
}

// A host may trim a standard schema under its own name: that is an error or a smaller type, but never a panic.
func TestCompileTrimmedStandardSchemas(t *testing.T) {
	t.Parallel()
	for _, id := range []string{schema.UserURN, schema.GroupURN, schema.EnterpriseURN} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			require.NotPanics(t, func() {
				rt, err := schema.Compile(schema.Definition{Name: "Small", Endpoint: "/Small", Schema: elimity.Schema{ID: id, Attributes: []elimity.CoreAttribute{
					simple(elimity.StringParams{Name: "userName", Required: true}),
				}}})
				if err != nil {
					return
				}
				input, err := decode(rt, `{"schemas":["`+id+`"],"userName":"a"}`, rigid())
				require.NoError(t, err)
				exactly(t, `{"userName":"a"}`, encoded(input.Tree), id)
			})
		})
	}
}

// The common attributes are those of RFC 7643, section 3.1, whatever a schema says about them.
func TestCommonAttributesWin(t *testing.T) {
	t.Parallel()
	rt := compile(t, schema.Definition{Name: "Device", Endpoint: "/Devices", Schema: elimity.Schema{ID: deviceURN, Attributes: []elimity.CoreAttribute{
		simple(elimity.StringParams{Name: "ID", Returned: elimity.AttributeReturnedNever()}),
		simple(elimity.StringParams{Name: "externalid", Mutability: elimity.AttributeMutabilityReadOnly(), MultiValued: true}),
		simple(elimity.StringParams{Name: "Meta"}),
		simple(elimity.StringParams{Name: "schemas"}),
		simple(elimity.StringParams{Name: "model"}),
	}}})
	require.Len(t, rt.Root.Sub, 5)
	require.Equal(t, schema.ReadOnly, rt.ID.Mutability)
	require.Equal(t, schema.ReturnedAlways, rt.ID.Returned)
	require.True(t, rt.ID.CaseExact)
	require.Equal(t, schema.ReadWrite, rt.ExternalID.Mutability)
	require.False(t, rt.ExternalID.MultiValued)
	require.True(t, rt.ExternalID.CaseExact)
	require.Equal(t, schema.MaxKey, rt.ExternalID.MaxBytes)
	require.False(t, rt.ExternalID.Unique())
	require.Equal(t, schema.ReadOnly, rt.Meta.Mutability)
	require.Equal(t, schema.Complex, rt.Meta.Type)
	require.True(t, rt.Schemas.MultiValued)
	require.Equal(t, schema.ReturnedAlways, rt.Schemas.Returned)
	for path, typ := range map[string]schema.Type{
		"meta.resourceType": schema.String, "meta.created": schema.DateTime, "meta.lastModified": schema.DateTime,
		"meta.location": schema.Reference, "meta.version": schema.String,
	} {
		a := attr(t, rt, path)
		require.Equal(t, typ, a.Type, path)
		require.Equal(t, schema.ReadOnly, a.Mutability, path)
		require.True(t, a.CaseExact, path)
	}
	covers(t, "7643-3.1-17")
}

// What the errata of RFC 7643 and this library's decisions change in the standard schemas.
func TestErrata(t *testing.T) {
	t.Parallel()
	for range 2 { // compiling changes nothing in the schemas that it reads
		user, group := userType(t), groupType(t)

		require.True(t, attr(t, group, "displayName").Required, "erratum 5368")
		require.True(t, attr(t, user, schema.EnterpriseURN+":manager.value").CaseExact, "erratum 8472")
		require.Equal(t, []string{"Group"}, attr(t, user, "groups.$ref").ReferenceTypes, "erratum 8471")
		require.True(t, attr(t, user, "groups.value").CaseExact)
		require.True(t, attr(t, group, "members.value").CaseExact)
		require.NotNil(t, attr(t, user, "addresses").Primary())
		canonical := attr(t, user, "ims.type").Canonical
		require.Equal(t, "other", canonical[len(canonical)-1])
		require.NotContains(t, canonical[:len(canonical)-1], "other")
		for _, a := range append(user.Root.Sub, group.Root.Sub...) {
			if a.Type == schema.Complex {
				require.False(t, a.Unique(), "erratum 6004: %s", a)
			}
			for _, sub := range a.Sub {
				require.True(t, sub.Type != schema.Complex || a.IsExtension(), "erratum 8415: %s", sub)
			}
		}

		require.True(t, attr(t, user, "active").Default.Bool())
		require.False(t, attr(t, user, "active").Clearable())
		require.True(t, attr(t, user, "password").Dropped)
		require.False(t, attr(t, user, "password").Readable())
		require.Equal(t, schema.MaxKey, attr(t, user, "displayName").MaxBytes)
		require.Equal(t, schema.MaxKey, attr(t, group, "displayName").MaxBytes)
		require.Equal(t, schema.MaxKey, attr(t, user, "userName").MaxBytes)
		require.Equal(t, schema.MaxString, attr(t, user, "title").MaxBytes)

		require.Equal(t, schema.Members, group.Members.Relation)
		require.Equal(t, schema.Groups, user.Groups.Relation)
		require.Nil(t, user.Members)
		require.Nil(t, group.Groups)
		require.Equal(t, []*schema.Attribute{attr(t, user, "userName")}, user.Unique)
		require.Empty(t, group.Unique)
		require.False(t, user.Hidden)
		for _, a := range user.Schema.Attributes {
			require.NotEqual(t, "password", a.Name, "a dropped attribute is not advertised")
		}
	}
}

// A host's own schema is taken as it is, even where its attributes are called like those of the standard.
func TestOwnSchemasAreNotCorrected(t *testing.T) {
	t.Parallel()
	core := elimity.CoreUserSchema()
	core.ID = "urn:example:schemas:core:2.0:Person"
	rt := compile(t, schema.Definition{Name: "Person", Endpoint: "/People", Schema: core})
	require.True(t, attr(t, rt, "active").Default.IsZero())
	require.False(t, attr(t, rt, "password").Dropped)
	require.False(t, attr(t, rt, "password").Readable(), "it is writeOnly nevertheless")
	require.Nil(t, rt.Groups)
	require.Equal(t, schema.NoRelation, attr(t, rt, "groups").Relation)
	require.NotContains(t, attr(t, rt, "ims.type").Canonical, "other")
	require.True(t, rt.Hidden)
	// userName folds as other strings do.
	require.Equal(t, "strasse", attr(t, rt, "userName").Fold("STRAẞE"))
}

func TestDeviceIsCompiled(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	require.Equal(t, []string{"serial", labURN + ":asset"}, paths(rt.Unique))
	require.True(t, rt.Hidden)
	require.Len(t, rt.Extensions, 1)
	require.True(t, rt.Extensions[0].Container.IsExtension())
	require.False(t, attr(t, rt, "place").IsExtension())
	require.Equal(t, labURN+":bench", attr(t, rt, labURN+":bench").Path)
	require.Equal(t, "place.room", attr(t, rt, "place.room").String())
	types := map[string]schema.Type{
		"model": schema.String, "locked": schema.Boolean, "weight": schema.Decimal, "count": schema.Integer, "seen": schema.DateTime,
		"key": schema.Binary, "owner": schema.Reference, "place": schema.Complex,
	}
	keywords := map[schema.Type]string{}
	for path, typ := range types {
		require.Equal(t, typ, attr(t, rt, path).Type, path)
		keywords[typ] = typ.String()
	}
	require.Equal(t, map[schema.Type]string{
		schema.String: "string", schema.Boolean: "boolean", schema.Decimal: "decimal", schema.Integer: "integer", schema.DateTime: "dateTime",
		schema.Binary: "binary", schema.Reference: "reference", schema.Complex: "complex",
	}, keywords)
	for path, readable := range map[string]bool{
		"model": true, "note": true, "label": true, "secret": false, "pin": false, "ports.hidden": true, "stock": true,
	} {
		require.Equal(t, readable, attr(t, rt, path).Readable(), path)
	}
	require.False(t, attr(t, rt, "serial").Clearable())
	require.False(t, attr(t, rt, "place.rack").Clearable())
	require.True(t, attr(t, rt, "model").Clearable())
	require.Equal(t, "place", attr(t, rt, "place.room").Parent.Name)
	require.Nil(t, attr(t, rt, "place").Primary(), "a single-valued attribute has no primary element")
	require.Nil(t, attr(t, rt, "tags").Value())
	require.Equal(t, "ports.value", attr(t, rt, "ports").Value().Path)
	for path, textual := range map[string]bool{"model": true, "seen": true, "key": true, "owner": true, "locked": false, "count": false, "weight": false, "place": false} {
		require.Equal(t, textual, attr(t, rt, path).Textual(), path)
	}
}

func paths(attrs []*schema.Attribute) []string {
	list := []string{}
	for _, a := range attrs {
		list = append(list, a.Path)
	}
	return list
}

func TestSubAttributeNames(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	name := attr(t, rt, "name")
	for _, spelling := range []string{"givenName", "GIVENNAME", "givenname"} {
		sub, alias := name.SubAttribute(spelling)
		require.Equal(t, "name.givenName", sub.Path, spelling)
		require.False(t, alias)
	}
	for _, unknown := range []string{"", "given name", "givenName ", "g\u0131venName", "name.givenName"} {
		sub, _ := name.SubAttribute(unknown)
		require.Nil(t, sub, unknown)
	}
	sub, _ := rt.Root.SubAttribute("u\u017ferName") // J-03: no Unicode folding of names
	require.Nil(t, sub)
	roles := attr(t, rt, "roles")
	for spelling, isAlias := range map[string]bool{"display": false, "DISPLAY": false, "displayName": true, "DisplayNAME": true} {
		sub, alias := roles.SubAttribute(spelling)
		require.Equal(t, "roles.display", sub.Path)
		require.Equal(t, isAlias, alias, spelling)
	}
}

// A compiled type is read by all requests at once, and compiling the same schema elsewhere does not disturb them.
func TestCompileConcurrently(t *testing.T) {
	t.Parallel()
	def := userDefinition()
	shared := compile(t, def)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := schema.Compile(def); err != nil {
					t.Error(err)
				}
				if _, err := shared.ResolvePath("urn:scim:schemas:core:2.0:User:name.givenName", nil); err != nil {
					t.Error(err)
				}
				if _, err := decode(shared, `{"schemas":["`+schema.UserURN+`"],"userName":"a","roles":[{"displayName":"x"}]}`, tolerant()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
