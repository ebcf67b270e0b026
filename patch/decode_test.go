package patch_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	const schemas = `"schemas":["` + patch.URN + `"]`
	one := func(op patch.Operation) []patch.Operation { return []patch.Operation{op} }
	tests := []struct {
		name, body string
		want       []patch.Operation
		class      string // of the error, on every connection
		strict     string // of the error, on a strict one only
	}{
		{name: "array", body: `[]`, class: schema.InvalidSyntax},
		{name: "string", body: `"x"`, class: schema.InvalidSyntax},
		{name: "null", body: `null`, class: schema.InvalidSyntax},
		{name: "nothing", body: ``, class: schema.InvalidSyntax},
		{name: "cut off", body: `{` + schemas + `,"Operations":[{"op":"remove","path":"title"}`, class: schema.InvalidSyntax},
		{name: "trailing data", body: `{` + schemas + `,"Operations":[{"op":"remove","path":"title"}]} {}`, class: schema.InvalidSyntax},

		{name: "no schemas", body: `{"Operations":[{"op":"remove","path":"title"}]}`, class: schema.InvalidSyntax},
		{name: "schemas null", body: `{"schemas":null,"Operations":[{"op":"remove","path":"title"}]}`, class: schema.InvalidSyntax},
		{name: "schemas a string", body: `{"schemas":"` + patch.URN + `","Operations":[{"op":"remove","path":"title"}]}`, class: schema.InvalidSyntax},
		{name: "schemas empty", body: `{"schemas":[],"Operations":[{"op":"remove","path":"title"}]}`, class: schema.InvalidSyntax},
		{name: "schemas of numbers", body: `{"schemas":[5],"Operations":[{"op":"remove","path":"title"}]}`, class: schema.InvalidSyntax},
		{name: "another schema", body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"Operations":[{"op":"remove","path":"title"}]}`, class: schema.InvalidSyntax},
		{
			name: "one more schema, in another case", body: `{"SCHEMAS":["urn:x","` + strings.ToUpper(patch.URN) + `"],"Operations":[{"op":"remove","path":"title"}]}`,
			want: one(patch.Operation{Op: patch.Remove, Path: "title", HasPath: true}),
		},

		{name: "no operations", body: `{` + schemas + `}`, class: schema.InvalidSyntax},
		{name: "operations null", body: `{` + schemas + `,"Operations":null}`, class: schema.InvalidSyntax},
		{name: "operations an object", body: `{` + schemas + `,"Operations":{}}`, class: schema.InvalidSyntax},
		{name: "operations empty", body: `{` + schemas + `,"Operations":[]}`, strict: schema.InvalidSyntax},
		{name: "an operation that is a string", body: body(`"remove"`), class: schema.InvalidSyntax},
		{name: "an operation that is null", body: body(`null`), class: schema.InvalidSyntax},

		{name: "op missing", body: body(`{"path":"title","value":"x"}`), class: schema.InvalidSyntax},
		{name: "op null", body: body(`{"op":null,"path":"title"}`), class: schema.InvalidSyntax},
		{name: "op a number", body: body(`{"op":5,"path":"title"}`), class: schema.InvalidSyntax},
		{name: "op empty", body: body(`{"op":"","path":"title"}`), class: schema.InvalidSyntax},
		{name: "op move", body: body(`{"op":"move","path":"title"}`), class: schema.InvalidSyntax},
		{name: "op delete", body: body(`{"op":"delete","path":"title"}`), class: schema.InvalidSyntax},
		{name: "op with a space", body: body(`{"op":"ADD ","path":"title","value":"x"}`), class: schema.InvalidSyntax},
		{name: "op in letters that only look like it", body: body(`{"op":"remoVe\u0301","path":"title"}`), class: schema.InvalidSyntax},
		{name: "a bad op after a good one", body: body(`{"op":"remove","path":"title"}`, `{"op":"test","path":"title"}`), class: schema.InvalidSyntax},
		{
			name: "op capitalised", body: body(`{"op":"Replace","path":"title","value":"x"}`), strict: schema.InvalidSyntax,
			want: one(patch.Operation{Op: patch.Replace, Path: "title", HasPath: true, Value: `"x"`, HasValue: true}),
		},
		{
			name: "keys in any case and order", body: `{"OPERATIONS":[{"VALUE":[1, 2],"Path":"emails","oP":"add"}],` + schemas + `}`,
			want: one(patch.Operation{Op: patch.Add, Path: "emails", HasPath: true, Value: `[1, 2]`, HasValue: true}),
		},
		{
			name: "keys that mean nothing", body: `{"id":"x",` + schemas + `,"failOnErrors":{"a":[1]},"Operations":[{"name":"n","op":"remove","path":"title","x":{}}]}`,
			want: one(patch.Operation{Op: patch.Remove, Path: "title", HasPath: true}),
		},
		{name: "keys repeated", body: `{` + schemas + `,"Operations":[],"operations":[{"op":"remove","path":"title"}]}`, class: schema.InvalidSyntax},
		{name: "op repeated", body: body(`{"op":"add","OP":"remove","path":"title"}`), class: schema.InvalidSyntax},
		{name: "path repeated", body: body(`{"op":"remove","path":"title","path":"name"}`), class: schema.InvalidSyntax},
		{name: "a repetition inside a key that means nothing", body: body(`{"op":"remove","path":"title","x":{"a":1,"A":2}}`), class: schema.InvalidSyntax},

		{name: "path a number", body: body(`{"op":"remove","path":5}`), class: schema.InvalidPath},
		{name: "path an array", body: body(`{"op":"remove","path":["title"]}`), class: schema.InvalidPath},
		{
			name: "path null is no path", body: body(`{"op":"add","path":null,"value":{}}`),
			want: one(patch.Operation{Op: patch.Add, Value: `{}`, HasValue: true}),
		},
		{
			name: "path empty is a path", body: body(`{"op":"remove","path":""}`),
			want: one(patch.Operation{Op: patch.Remove, HasPath: true}),
		},
		{
			name: "value null is a value", body: body(`{"op":"add","path":"title","value":null}`),
			want: one(patch.Operation{Op: patch.Add, Path: "title", HasPath: true, Value: `null`, HasValue: true}),
		},
		{
			name: "escapes", body: body(`{"\u006fp":"\u0061dd","path":"n\u0061me","value":"\u00e9"}`),
			want: one(patch.Operation{Op: patch.Add, Path: "name", HasPath: true, Value: `"\u00e9"`, HasValue: true}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ops, err := decode(tt.body, maxOperations, lenient())
			require.Equal(t, tt.class, class(t, err), "%v", err)
			if err == nil {
				require.Equal(t, tt.want, ops)
			}
			_, err = decode(tt.body, maxOperations, strictly())
			require.Equal(t, tt.class+tt.strict, class(t, err), "strict: %v", err)
		})
	}
}

func TestDecodeReportsItsRules(t *testing.T) {
	t.Parallel()
	report := lenient()
	_, err := decode(body(`{"op":"remove","path":"title"}`), maxOperations, report)
	require.NoError(t, err)
	require.Empty(t, report.Fired())
	_, err = decode(body(`{"op":"Remove","path":"title"}`), maxOperations, report)
	require.NoError(t, err)
	require.Equal(t, []string{"op-case"}, report.Fired())
	_, err = decode(body(), maxOperations, report)
	require.NoError(t, err)
	require.Equal(t, []string{"op-case", "empty-operations"}, report.Fired())
}

func TestDecodeBoundsOperations(t *testing.T) {
	t.Parallel()
	operation := `{"op":"remove","path":"title"}`
	ops, err := decode(body(operation, operation, operation), 3, lenient())
	require.NoError(t, err)
	require.Len(t, ops, 3)

	// What stands behind the limit is not even read.
	_, err = decode(`{"schemas":["`+patch.URN+`"],"Operations":[`+strings.Repeat(operation+",", 3)+`{"op":`, 3, lenient())
	var refused *patch.Error
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.TooLarge)
	require.Equal(t, schema.TooMany, refused.ScimType)
	require.Equal(t, "Operations", refused.Path)
	require.Contains(t, refused.Error(), "3")
}
