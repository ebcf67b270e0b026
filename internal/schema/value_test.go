package schema_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// tree draws resources of a type: every attribute that a document can hold, readOnly ones included.
func tree(rt *schema.ResourceType) *rapid.Generator[*schema.Node] {
	return rapid.Custom(func(t *rapid.T) *schema.Node {
		node := &schema.Node{}
		for _, a := range rt.Root.Sub {
			switch {
			case a == rt.ID, a == rt.Meta, a == rt.Schemas, a.Dropped, a.Relation != schema.NoRelation, !rapid.Bool().Draw(t, a.Path):
				continue
			}
			node.Set(a, drawValue(t, a))
		}
		return node
	})
}

func drawValue(t *rapid.T, a *schema.Attribute) schema.Value {
	if !a.MultiValued {
		return drawSingle(t, a)
	}
	var list []schema.Value
	for range rapid.IntRange(0, 4).Draw(t, "length") {
		if v := drawSingle(t, a); !v.IsZero() {
			list = append(list, v)
		}
	}
	return schema.ListValue(list)
}

func drawSingle(t *rapid.T, a *schema.Attribute) schema.Value {
	switch a.Type {
	case schema.Boolean:
		return schema.BoolValue(rapid.Bool().Draw(t, "bool"))
	case schema.Integer:
		return schema.NumberValue(rapid.StringMatching(`0|-?[1-9][0-9]{0,17}`).Draw(t, "integer"))
	case schema.Decimal:
		return schema.NumberValue(rapid.StringMatching(`-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "decimal"))
	case schema.DateTime:
		return schema.TextValue(rapid.SampledFrom([]string{"2008-01-23T04:56:22Z", "2026-03-14T09:00:00.000001+02:00", "1999-12-31T23:59:59"}).Draw(t, "time"))
	case schema.Binary:
		return schema.TextValue(rapid.SampledFrom([]string{"AQIDBA==", "AQIDBA", "-_-_"}).Draw(t, "binary"))
	case schema.Complex:
		node := &schema.Node{}
		for _, sub := range a.Sub {
			if rapid.Bool().Draw(t, sub.Path) {
				node.Set(sub, drawValue(t, sub))
			}
		}
		return schema.ObjectValue(node)
	default:
		return schema.TextValue(text().Draw(t, "text"))
	}
}

// text draws strings of any Unicode characters but NUL, with a liking for those that JSON escapes.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-zA-Z0-9@. ]{1,12}`),
		rapid.StringN(1, 8, 32).Filter(func(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }),
		rapid.SampledFrom([]string{"\"", "\\", "</script>", "\u2028\u2029", "\x01\x7f", "\ufffd", "\U0010ffff", "{\"value\":\"x\"}", "e\u0301"}),
	)
}

// What is written is read again as the same tree, and written again as the same bytes.
func TestDocumentsSurviveStorage(t *testing.T) {
	t.Parallel()
	for _, rt := range []*schema.ResourceType{userType(t), groupType(t), deviceType(t)} {
		t.Run(rt.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				before := tree(rt).Draw(t, "tree")
				kept := rt.Document(before).JSON()
				require.True(t, json.Valid(kept), "%s", kept)
				require.NoError(t, strict.Check(kept, strict.Limits{Depth: 16, Values: 100_000}))
				after, err := schema.NewDocument(kept).Tree(rt)
				require.NoError(t, err)
				require.True(t, before.Equal(after), "%s", kept)
				require.Equal(t, string(kept), string(rt.Document(after).JSON()))
				wire, err := schema.NewDocument(kept).Wire(rt)
				require.NoError(t, err)
				require.Equal(t, string(kept), string(wire), "stored JSON goes out as it is")
			})
		})
	}
}

// A client that sends back what it read changes nothing: decoding the default representation gives the tree without what clients
// may not write.
func TestRepresentationsAreAcceptedStrictly(t *testing.T) {
	t.Parallel()
	for _, rt := range []*schema.ResourceType{userType(t), groupType(t), deviceType(t)} {
		t.Run(rt.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				sent := rt.Document(tree(rt).Draw(t, "tree")).JSON()
				report := rigid()
				first, err := decode(rt, string(sent), report)
				require.NoError(t, err, "%s", sent)
				require.Empty(t, report.Fired())
				second, err := decode(rt, string(rt.Document(first.Tree).JSON()), rigid())
				require.NoError(t, err)
				require.True(t, first.Tree.Equal(second.Tree), "%s", sent)
				require.Equal(t, encoded(first.Tree), encoded(second.Tree))
				// Tolerances change nothing about what needs none, but for empty strings and JSON in strings.
				if strings.Contains(string(sent), `""`) || strings.Contains(string(sent), `{\"`) {
					return
				}
				report = tolerant()
				third, err := decode(rt, string(sent), report)
				require.NoError(t, err)
				require.Empty(t, report.Fired(), "%s", sent)
				require.Equal(t, encoded(first.Tree), encoded(third.Tree))
			})
		})
	}
}

// A Node is a map from attributes to values that keeps the order of the schema.
func TestNodeIsAMap(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	attrs := attr(t, rt, "place").Sub
	rapid.Check(t, func(t *rapid.T) {
		node, model := &schema.Node{}, map[*schema.Attribute]schema.Value{}
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			a := rapid.SampledFrom(attrs).Draw(t, "attribute")
			v := schema.Value{}
			if rapid.Bool().Draw(t, "assign") {
				v = drawValue(t, a)
			}
			node.Set(a, v)
			if v.IsZero() {
				delete(model, a)
			} else {
				model[a] = v
			}
		}
		require.Equal(t, len(model), node.Len())
		last := -1
		for _, f := range node.Fields() {
			require.True(t, f.Value.Equal(model[f.Attribute]))
			at := 0
			for attrs[at] != f.Attribute {
				at++
			}
			require.Greater(t, at, last, "fields stand in schema order")
			last = at
		}
		for _, a := range attrs {
			require.True(t, node.Get(a).Equal(model[a]))
		}
		var object map[string]any
		require.NoError(t, json.Unmarshal(node.AppendJSON(nil), &object))
		require.Len(t, object, len(model))
	})
	var none *schema.Node
	require.Zero(t, none.Len())
	require.Nil(t, none.Fields())
	require.True(t, none.Get(attrs[0]).IsZero())
	require.Zero(t, none.Clone().Len())
	require.True(t, none.Equal(&schema.Node{}))
	exactly(t, "{}", encoded(none), "nil")
}

// A clone shares nothing that Set could change, however deep.
func TestClone(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	rapid.Check(t, func(t *rapid.T) {
		node := tree(rt).Draw(t, "tree")
		before := encoded(node)
		clone := node.Clone()
		require.True(t, node.Equal(clone))
		require.Equal(t, before, encoded(clone))
		for _, f := range clone.Clone().Fields() {
			for _, element := range f.Value.Elements() {
				for _, sub := range f.Attribute.Sub {
					if n := element.Node(); n != nil && !n.Get(sub).IsZero() {
						n.Set(sub, schema.TextValue("changed"))
					}
				}
			}
		}
		for _, f := range clone.Fields() {
			for _, sub := range f.Attribute.Sub {
				if n := f.Value.Node(); n != nil {
					n.Set(sub, schema.Value{})
				}
			}
		}
		for _, a := range rt.Root.Sub {
			clone.Set(a, schema.Value{})
		}
		require.Zero(t, clone.Len())
		require.Equal(t, before, encoded(node))
	})
}

// Equality of values is one of sets where the order means nothing: of lists, not of what is in their elements.
func TestEqual(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	read := func(path, json string) schema.Value {
		v, err := value(rt, attr(t, rt, path), json, rigid())
		require.NoError(t, err, json)
		return v
	}
	for _, c := range []struct {
		path, a, b string
		equal      bool
	}{
		{"model", `"a"`, `"a"`, true},
		{"model", `"a"`, `"A"`, false}, // what a client sees differs
		{"model", `"a"`, `null`, false},
		{"locked", `true`, `true`, true},
		{"locked", `true`, `false`, false},
		{"count", `7`, `7`, true},
		{"count", `7`, `8`, false},
		{"weight", `1.0`, `1.0`, true},
		{"weight", `1.0`, `1`, false},
		{"tags", `["a","b"]`, `["b","a"]`, true},
		{"tags", `["a","b"]`, `["a"]`, false},
		{"tags", `["a"]`, `["a","b"]`, false},
		{"tags", `["a","b","c"]`, `["c","b","x"]`, false},
		{"tags", `[]`, `null`, true},
		{"place", `{"room":"a","rack":"b"}`, `{"rack":"b","room":"a"}`, true},
		{"place", `{"room":"a"}`, `{"rack":"a"}`, false},
		{"place", `{"room":"a"}`, `{"room":"a","rack":"b"}`, false},
		{"place", `{"rack":"b","floors":[1,2]}`, `{"floors":[2,1],"rack":"b"}`, true},
		{"place", `{}`, `null`, true},
		{"ports", `[{"value":"a"},{"value":"b","type":"t"}]`, `[{"type":"t","value":"b"},{"value":"a"}]`, true},
		{"ports", `[{"value":"a"},{"value":"b","type":"t"}]`, `[{"value":"a","type":"t"},{"value":"b"}]`, false},
	} {
		a, b := read(c.path, c.a), read(c.path, c.b)
		require.Equal(t, c.equal, a.Equal(b), "%s %s", c.a, c.b)
		require.Equal(t, c.equal, b.Equal(a), "%s %s", c.b, c.a)
	}
	require.False(t, schema.TextValue("1").Equal(schema.NumberValue("1")))
	require.False(t, schema.TextValue("true").Equal(schema.BoolValue(true)))
	require.False(t, schema.TextValue("").Equal(schema.Value{}))
	twice := schema.ListValue([]schema.Value{schema.TextValue("a"), schema.TextValue("a"), schema.TextValue("b")})
	other := schema.ListValue([]schema.Value{schema.TextValue("a"), schema.TextValue("b"), schema.TextValue("b")})
	require.False(t, twice.Equal(other), "a repetition counts")
}

func TestValueKinds(t *testing.T) {
	t.Parallel()
	rt := deviceType(t)
	room := attr(t, rt, "place.room")
	node := &schema.Node{}
	require.Equal(t, schema.Value{}, schema.ObjectValue(node))
	require.Equal(t, schema.Value{}, schema.ObjectValue(nil))
	require.Equal(t, schema.Value{}, schema.ListValue(nil))
	node.Set(room, schema.TextValue("x"))
	for _, c := range []struct {
		v        schema.Value
		kind     schema.Kind
		json     string
		elements int
	}{
		{schema.Value{}, schema.Unassigned, `null`, 0},
		{schema.TextValue("a\"\\\n\u2028"), schema.Text, "\"a\\\"\\\\\\n\u2028\"", 1},
		{schema.TextValue(""), schema.Text, `""`, 1},
		{schema.NumberValue("1.50"), schema.Number, `1.50`, 1},
		{schema.BoolValue(false), schema.Bool, `false`, 1},
		{schema.ObjectValue(node), schema.Object, `{"room":"x"}`, 1},
		{schema.ListValue([]schema.Value{schema.TextValue("a"), schema.NumberValue("1")}), schema.List, `["a",1]`, 2},
	} {
		require.Equal(t, c.kind, c.v.Kind())
		require.Equal(t, c.kind == schema.Unassigned, c.v.IsZero())
		require.Equal(t, c.json, string(c.v.AppendJSON([]byte{})))
		require.Equal(t, "x"+c.json, string(c.v.AppendJSON([]byte("x"))))
		require.Len(t, c.v.Elements(), c.elements)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	device, user, group := deviceType(t), userType(t), groupType(t)
	for _, c := range []struct {
		rt   *schema.ResourceType
		body string
		path string // of the refusal, or ""
	}{
		{device, `"serial":"s"`, ""},
		{device, ``, "serial"},
		{device, `"serial":null`, "serial"},
		{device, `"serial":""`, "serial"},
		{device, `"serial":" \t\u00a0"`, "serial"},
		{device, `"serial":"s","place":{"room":"r"}`, "place.rack"},
		{device, `"serial":"s","place":{"rack":"r"}`, ""},
		{device, `"serial":"s","ports":[{"value":"a","primary":true},{"value":"b","primary":true}]`, "ports"},
		{device, `"serial":"s","ports":[{"value":"a","primary":true},{"value":"b","primary":false}]`, ""},
		{device, `"serial":"s","` + labURN + `":{"asset":" "}`, labURN + ":asset"},
		{device, `"serial":"s","` + labURN + `":{"asset":"a"}`, ""},
		{user, `"userName":"a"`, ""},
		{user, `"displayName":"a"`, "userName"},
		{user, `"userName":"\u3000"`, "userName"},
		{user, `"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":true}]`, "emails"},
		{user, `"userName":"a","addresses":[{"locality":"x","primary":true},{"locality":"y","primary":true}]`, "addresses"},
		{user, `"userName":"a","emails":[{"value":"x","primary":true}],"roles":[{"value":"y","primary":true}]`, ""},
		{group, `"displayName":"g"`, ""},
		{group, `"externalId":"e"`, "displayName"},
		{group, `"displayName":" "`, "displayName"},
	} {
		body := `{"schemas":["` + c.rt.Schema.ID + `","` + labURN + `"]`
		if c.body != "" {
			body += "," + c.body
		}
		// A strict connection keeps empty strings, which must not pass for values.
		for _, report := range []string{"tolerant", "strict"} {
			rules := tolerant()
			if report == "strict" {
				rules = rigid()
				body = strings.Replace(body, `,"`+labURN+`"]`, "]", 1)
				if strings.Contains(body, labURN) {
					body = strings.Replace(body, "]", `,"`+labURN+`"]`, 1)
				}
			}
			input, err := decode(c.rt, body+"}", rules)
			require.NoError(t, err, body)
			err = c.rt.Validate(input.Tree)
			if c.path == "" {
				require.NoError(t, err, body)
			} else {
				refusal(t, err, schema.InvalidValue, c.path, body)
			}
		}
	}
}

func TestRequiredExtension(t *testing.T) {
	t.Parallel()
	def := deviceDefinition()
	def.Extensions[0].Required = true
	rt := compile(t, def)
	without, err := decode(rt, `{"schemas":["`+deviceURN+`"],"serial":"s"}`, rigid())
	require.NoError(t, err)
	refusal(t, rt.Validate(without.Tree), schema.InvalidValue, labURN, "no extension")
	empty, err := decode(rt, `{"schemas":["`+deviceURN+`"],"serial":"s","`+labURN+`":{"bench":null}}`, rigid())
	require.NoError(t, err)
	refusal(t, rt.Validate(empty.Tree), schema.InvalidValue, labURN, "an empty extension")
	with, err := decode(rt, `{"schemas":["`+deviceURN+`","`+labURN+`"],"serial":"s","`+labURN+`":{"bench":"b"}}`, rigid())
	require.NoError(t, err)
	require.NoError(t, rt.Validate(with.Tree))
}

func TestDefaultsAndKeys(t *testing.T) {
	t.Parallel()
	user, device := userType(t), deviceType(t)
	for body, want := range map[string]string{
		`"userName":"A"`:                  `{"userName":"A","active":true}`,
		`"userName":"A","active":null`:    `{"userName":"A","active":true}`,
		`"userName":"A","active":false`:   `{"userName":"A","active":false}`,
		`"userName":"A","active":"False"`: `{"userName":"A","active":false}`,
	} {
		input, err := decode(user, `{"schemas":["`+schema.UserURN+`"],`+body+`}`, tolerant())
		require.NoError(t, err)
		user.AssignDefaults(input.Tree)
		require.JSONEq(t, want, encoded(input.Tree))
		require.Equal(t, []schema.Key{{Path: "userName", Value: "a"}}, user.Keys(input.Tree))
	}
	input, err := decode(device, `{"schemas":["`+deviceURN+`","`+labURN+`"],"serial":"S","`+labURN+`":{"asset":"ÄSSET"}}`, rigid())
	require.NoError(t, err)
	require.Equal(t, []schema.Key{{Path: "serial", Value: "S"}, {Path: labURN + ":asset", Value: "ässet"}}, device.Keys(input.Tree))
	require.Empty(t, device.Keys(&schema.Node{}))
	device.AssignDefaults(input.Tree)
	require.True(t, input.Tree.Get(attr(t, device, "locked")).IsZero())
}

// A document is read by many requests at once; which of them makes the JSON or the tree must not matter.
func TestDocumentsAreSafeForConcurrentUse(t *testing.T) {
	rt := userType(t) // not parallel: a race is to be reported here and nowhere else
	const kept = `{"schemas":["` + schema.UserURN + `"],"userName":"a","emails":[{"value":"A@x","type":"work"}]}`
	const columns = `{"emails":[{"type":"work","value":"A@x"}],"userName":"a"}`
	fromTree := func() *schema.Document {
		input, err := decode(rt, kept, rigid())
		require.NoError(t, err)
		return rt.Document(input.Tree)
	}
	for name, fresh := range map[string]func() *schema.Document{
		"from stored JSON": func() *schema.Document { return schema.NewDocument([]byte(kept)) },
		"from columns":     func() *schema.Document { return schema.NewDocument([]byte(columns)) },
		"from a tree":      fromTree,
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				d := fresh()
				var wg sync.WaitGroup
				for i := range 12 {
					wg.Go(func() {
						switch i % 4 {
						case 0:
							if wire, err := d.Wire(rt); err != nil || string(wire) != kept {
								t.Errorf("%s %v", wire, err)
							}
						case 1:
							if n, err := d.Tree(rt); err != nil || n.Len() != 2 {
								t.Errorf("%v %v", n, err)
							}
						case 2:
							if !json.Valid(d.JSON()) {
								t.Errorf("%s", d.JSON())
							}
						default:
							if text := d.Text("userName"); name == "from a tree" && text != "a" {
								t.Errorf("userName is %q", text)
							}
						}
					})
				}
				wg.Wait()
			}
		})
	}
}
