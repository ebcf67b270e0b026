package storetest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"
	"sync"

	elimity "github.com/elimity-com/scim/schema"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// location is the base of meta.location in filters.
const location = "https://scim.example.test/"

// sampleURN is a schema extension with an attribute of every data type.
const sampleURN = "urn:example:params:scim:schemas:extension:sample:2.0:User"

var (
	userType = sync.OnceValue(func() *schema.ResourceType {
		return compile("User", elimity.CoreUserSchema(), elimity.ExtensionEnterpriseUser(), sample())
	})
	groupType = sync.OnceValue(func() *schema.ResourceType { return compile("Group", elimity.CoreGroupSchema()) })
)

func sample() elimity.Schema {
	number := func(name string, typ elimity.AttributeDataType) elimity.CoreAttribute {
		return elimity.SimpleCoreAttribute(elimity.SimpleNumberParams(elimity.NumberParams{Name: name, Type: typ}))
	}
	return elimity.Schema{ID: sampleURN, Attributes: []elimity.CoreAttribute{
		number("badge", elimity.AttributeTypeInteger()),
		number("height", elimity.AttributeTypeDecimal()),
		elimity.SimpleCoreAttribute(elimity.SimpleDateTimeParams(elimity.DateTimeParams{Name: "hiredAt"})),
		elimity.SimpleCoreAttribute(elimity.SimpleBinaryParams(elimity.BinaryParams{Name: "portrait"})),
		elimity.SimpleCoreAttribute(elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "remote"})),
		elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{Name: "tags", MultiValued: true})),
	}}
}

func compile(name string, core elimity.Schema, extensions ...elimity.Schema) *schema.ResourceType {
	def := schema.Definition{Name: name, Endpoint: "/" + name + "s", Schema: core}
	for _, ext := range extensions {
		def.Extensions = append(def.Extensions, schema.ExtensionDefinition{Schema: ext})
	}
	rt, err := schema.Compile(def)
	if err != nil {
		panic(err)
	}
	return rt
}

func typeNamed(name string) *schema.ResourceType {
	if name == "Group" {
		return groupType()
	}
	return userType()
}

// nameOf returns the path of the required attribute of a type.
func nameOf(typ string) string {
	if typ == "Group" {
		return "displayName"
	}
	return "userName"
}

// attributes are those of a resource, by name.
type attributes map[string]any

// named returns the attributes of a resource that has a name and nothing else.
func named(typ, name string) attributes { return attributes{nameOf(typ): name} }

// with returns the attributes with one more.
func (a attributes) with(name string, value any) attributes {
	a = maps.Clone(a)
	a[name] = value
	return a
}

// rich returns attributes of every kind.
func rich(typ, name string) attributes {
	a := named(typ, name).with("externalId", "external id of "+name)
	if typ == "Group" {
		return a
	}
	maps.Copy(a, attributes{
		"displayName": "Display of " + name, "nickName": "nick", "title": "Engineer", "active": true, "userType": "Employee",
		"preferredLanguage": "sv-SE", "locale": "sv-SE", "timezone": "Europe/Stockholm", "profileUrl": "https://example.test/" + name,
		"name": attributes{"formatted": "Ms. Nadia Ferro", "givenName": "Nadia", "familyName": "Ferro", "middleName": "Q"},
		"emails": []attributes{
			{"value": name + "@Example.test", "type": "work", "primary": true},
			{"value": "home-" + name + "@example.test", "type": "home"},
		},
		"phoneNumbers": []attributes{{"value": "+46 8 555 0100", "type": "work"}, {"value": "+46 70 555 0100", "type": "mobile"}},
		"addresses":    []attributes{{"type": "work", "locality": "Göteborg", "postalCode": "41301", "country": "SE"}},
		"roles":        []attributes{{"value": "Dispatcher", "type": "app"}},
		schema.EnterpriseURN: attributes{
			"department": "Dispatch", "employeeNumber": "0701", "manager": attributes{"value": "the manager's id"},
		},
		sampleURN: attributes{
			"badge": json.Number("9007199254740993"), "height": json.Number("1.750"), "hiredAt": "2019-05-04T03:02:01.000001Z",
			"portrait": "AAEC/w==", "remote": false, "tags": []string{"b", "a", "b "},
		},
	})
	return a
}

// input decodes attributes as the handler decodes a request.
func (r *rig) input(typ string, a attributes) *schema.Input {
	r.Helper()
	rt := typeNamed(typ)
	body := attributes{}
	urns := []string{rt.Schema.ID}
	for name, value := range a {
		if list, ok := value.([]attributes); ok && r.single(name) {
			value = list[:1]
		}
		if strings.HasPrefix(name, "urn:") {
			urns = append(urns, name)
		}
		body[name] = value
	}
	body["schemas"] = urns
	text, err := json.Marshal(body)
	r.ok(err, "encoding %v", a)
	var input *schema.Input
	err = strict.Read(text, func(s *strict.Reader) (err error) {
		input, err = rt.Decode(s, nil)
		return err
	})
	r.ok(err, "decoding %s", text)
	rt.AssignDefaults(input.Tree)
	r.ok(rt.Validate(input.Tree), "validating %s", text)
	return input
}

// single reports whether the store keeps one value only of a multi-valued attribute.
func (k *kit) single(name string) bool { return k.keep != nil && !k.keep[name] }

// draft describes a new resource as the handler does.
func (r *rig) draft(typ string, a attributes, members ...string) store.Draft {
	r.Helper()
	rt, input := typeNamed(typ), r.input(typ, a)
	return store.Draft{
		Ref: store.Ref{Type: typ, ID: newID()}, At: r.now(),
		Document: rt.Document(input.Tree), Unique: rt.Keys(input.Tree), Members: members,
	}
}

// change computes what a PUT with these attributes changes, members excepted.
func (r *rig) change(before store.Resource, a attributes) patch.ChangeSet {
	r.Helper()
	change, err := patch.ReplaceAll(before.Document, r.input(before.Type, a), patch.Options{Type: typeNamed(before.Type), MaxMembers: 1})
	r.ok(err, "computing the change of %s", before.ID)
	change.Members = patch.Delta{}
	return change
}

// delta is a change of members and nothing else.
func delta(d patch.Delta) patch.ChangeSet { return patch.ChangeSet{Members: d} }

// adding is the delta that adds members.
func adding(ids ...string) patch.ChangeSet { return delta(patch.Delta{Add: ids}) }

// kept returns a document's attributes without those that the store does not keep, as a tree.
func (r *rig) kept(typ string, document *store.Document) *schema.Node {
	r.Helper()
	if document == nil {
		r.Fatalf("a resource of type %s has no document", typ)
	}
	tree, err := document.Tree(typeNamed(typ))
	r.ok(err, "reading the document %s", document.JSON())
	if r.keep == nil {
		return tree
	}
	return r.project(tree)
}

func (r *rig) project(tree *schema.Node) *schema.Node {
	kept := &schema.Node{}
	for _, f := range tree.Fields() {
		v := f.Value
		if !r.keep[f.Attribute.Path] {
			v = r.projectValue(v)
		}
		if !v.IsZero() {
			kept.Set(f.Attribute, v)
		}
	}
	return kept
}

func (r *rig) projectValue(v schema.Value) schema.Value {
	switch v.Kind() {
	case schema.Object:
		if node := r.project(v.Node()); node.Len() > 0 {
			return schema.ObjectValue(node)
		}
	case schema.List:
		var list []schema.Value
		for _, element := range v.List() {
			if element = r.projectValue(element); !element.IsZero() {
				list = append(list, element)
			}
		}
		return schema.ListValue(list)
	}
	return schema.Value{}
}

// text renders what the store keeps of a document.
func (r *rig) text(typ string, document *store.Document) string {
	r.Helper()
	return string(typeNamed(typ).Document(r.kept(typ, document)).JSON())
}

// newID returns a version 7 UUID. All have the same time, so that their order is not that of creation.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails
	copy(b[:], []byte{0x01, 0x9c, 0xeb, 0xa1, 0x0c, 0xd5})
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

func randomScope() store.Scope {
	return store.Scope{Connection: "connection-" + rand.Text(), Tenant: "tenant-" + rand.Text()}
}
