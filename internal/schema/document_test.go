package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
)

func TestDocumentFromATree(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	input, err := decode(rt, `{"schemas":["`+schema.UserURN+`","`+schema.EnterpriseURN+`"],"displayName":"D","userName":"A",
		"emails":[{"value":"B@X"},{"type":"work"},{"value":"c@x"}],"name":{"givenName":"G"},"active":true,"`+schema.EnterpriseURN+`":{"department":"ENG","manager":{"value":"M"}}}`, rigid())
	require.NoError(t, err)
	d := rt.Document(input.Tree)
	want := `{"schemas":["` + schema.UserURN + `","` + schema.EnterpriseURN + `"],"userName":"A","name":{"givenName":"G"},"displayName":"D","active":true,` +
		`"emails":[{"value":"B@X"},{"type":"work"},{"value":"c@x"}],"` + schema.EnterpriseURN + `":{"department":"ENG","manager":{"value":"M"}}}`
	require.Equal(t, want, string(d.JSON()))
	first := d.JSON()
	require.Same(t, &first[0], &d.JSON()[0], "encoded once")
	wire, err := d.Wire(rt)
	require.NoError(t, err)
	require.Equal(t, want, string(wire))
	tree, err := d.Tree(rt)
	require.NoError(t, err)
	require.Same(t, input.Tree, tree)

	for path, want := range map[string][]string{
		"userName":                               {"a"},
		"USERNAME":                               {"a"},
		"displayName":                            {"d"},
		"emails.value":                           {"b@x", "c@x"},
		"emails":                                 nil, // complex
		"emails.type":                            {"work"},
		"name.givenName":                         {"g"},
		"name.familyName":                        nil,
		"active":                                 nil, // no text
		"externalId":                             nil,
		"canary":                                 nil,
		"":                                       nil,
		schema.EnterpriseURN + ":department":     {"eng"},
		schema.EnterpriseURN + ":manager.value":  {"M"}, // caseExact
		schema.EnterpriseURN + ":employeeNumber": nil,
		schema.UserURN + ":userName":             {"a"},
		schema.UserURN:                           nil,
		schema.EnterpriseURN:                     nil,
		"urn:ietf:params:scim:schemas:x:y:canary": nil,
	} {
		require.Equal(t, want, d.Values(path), path)
	}
	for path, want := range map[string]string{"userName": "A", "emails.value": "B@X", "externalId": "", "active": "", "canary": ""} {
		require.Equal(t, want, d.Text(path), path)
	}
}

// A host that keeps columns builds documents as it likes: with or without "schemas", in any order and spelling of keys.
func TestDocumentFromColumns(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	const core, enterprise = schema.UserURN, schema.EnterpriseURN
	for name, c := range map[string]struct{ json, wire string }{
		"canonical":            {`{"schemas":["` + core + `"],"userName":"a","active":true}`, `{"schemas":["` + core + `"],"userName":"a","active":true}`},
		"without schemas":      {`{"active":true,"userName":"a"}`, `{"schemas":["` + core + `"],"userName":"a","active":true}`},
		"with an extension":    {`{"` + enterprise + `":{"department":"D"},"userName":"a"}`, `{"schemas":["` + core + `","` + enterprise + `"],"userName":"a","` + enterprise + `":{"department":"D"}}`},
		"schemas at the end":   {`{"userName":"a","schemas":["` + core + `"]}`, `{"schemas":["` + core + `"],"userName":"a"}`},
		"with white space":     {` { "schemas" : ["` + core + `"], "userName" : "a" } `, `{"schemas":["` + core + `"],"userName":"a"}`},
		"by json.Encoder":      {`{"schemas":["` + core + `"],"userName":"a"}` + "\n", `{"schemas":["` + core + `"],"userName":"a"}`},
		"with nulls":           {`{"userName":"a","title":null,"emails":[],"name":{}}`, `{"schemas":["` + core + `"],"userName":"a"}`},
		"in another case":      {`{"USERNAME":"a"}`, `{"schemas":["` + core + `"],"userName":"a"}`},
		"with foreign columns": {`{"userName":"a","row":{"x":1},"id":"7","meta":{},"password":"secret","groups":[{"value":"g"}]}`, `{"schemas":["` + core + `"],"userName":"a"}`},
		"with derived values":  {`{"userName":"a","` + enterprise + `":{"manager":{"value":"m","displayName":"M"}}}`, `{"schemas":["` + core + `","` + enterprise + `"],"userName":"a","` + enterprise + `":{"manager":{"value":"m","displayName":"M"}}}`},
		"with an empty string": {`{"userName":"a","title":""}`, `{"schemas":["` + core + `"],"userName":"a","title":""}`},
		"empty":                {`{}`, `{"schemas":["` + core + `"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, treeFirst := range []bool{false, true} { // the answer does not depend on who asked before
				d := schema.NewDocument([]byte(c.json))
				if treeFirst {
					_, err := d.Tree(rt)
					require.NoError(t, err)
				}
				wire, err := d.Wire(rt)
				require.NoError(t, err)
				require.Equal(t, c.wire, string(wire))
				require.Equal(t, c.json, string(d.JSON()), "the JSON is the host's")
				tree, err := d.Tree(rt)
				require.NoError(t, err)
				again, err := d.Tree(rt)
				require.NoError(t, err)
				require.Same(t, tree, again, "decoded once")
				require.Equal(t, c.wire, string(rt.Document(tree).JSON()))
			}
		})
	}
}

// What a store damaged is an error wherever it has to be read, and not an empty resource.
func TestDamagedDocuments(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	for _, json := range []string{``, `null`, `[]`, `{"userName":7}`, `{"userName":"a"`, `{"active":"yes"}`, `{"emails":{"value":1}}`, `{"userName":"a","USERNAME":"b"}`, `{"userName":"\ud800"}`} {
		d := schema.NewDocument([]byte(json))
		for range 2 {
			_, err := d.Tree(rt)
			require.Error(t, err, json)
			_, err = d.Wire(rt)
			require.Error(t, err, json)
		}
	}
}
