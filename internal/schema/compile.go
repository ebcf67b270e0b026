package schema

import (
	"fmt"
	"regexp"

	elimity "github.com/elimity-com/scim/schema"

	"github.com/scimkit/scim/internal/strict"
)

// Limits on what a host may declare.
const (
	maxAttributes = 256 // per object: the decoder's duplicate check is a bit set of this size
	// MaxString bounds a string value, in bytes, unless its attribute says otherwise.
	MaxString = 8 << 10
	// MaxKey bounds, in bytes, the values that stores index: unique attributes, userName, externalId and displayName.
	MaxKey = 512
	// MaxElements bounds the values of one multi-valued attribute, memberships excepted.
	MaxElements = 1000
	// MaxDocument bounds a resource's attributes, in bytes of canonical JSON: what Document.JSON returns.
	MaxDocument = 256 << 10
)

// Definition declares a resource type in elimity's terms, which are those of the hosts.
type Definition struct {
	Name        string // "User"; meta.resourceType and the id in /ResourceTypes
	Endpoint    string // "/Users"
	Description string
	Schema      elimity.Schema
	Extensions  []ExtensionDefinition
}

// ExtensionDefinition declares a schema extension of a resource type.
type ExtensionDefinition struct {
	Schema   elimity.Schema
	Required bool
}

// Schema is a compiled schema as /Schemas shows it.
type Schema struct {
	ID          string
	Name        string
	Description string
	Attributes  []*Attribute // without dropped ones
}

// Extension is a compiled schema extension of one resource type.
type Extension struct {
	Schema    *Schema
	Required  bool
	Container *Attribute
}

// ResourceType is a compiled resource type: its attributes, common ones included, by every name that can reach them.
type ResourceType struct {
	Name        string
	Endpoint    string
	Description string
	Schema      *Schema
	Extensions  []*Extension

	Root       *Attribute // holds the core attributes, externalId and the extension containers
	ID         *Attribute
	ExternalID *Attribute
	Schemas    *Attribute
	Meta       *Attribute
	Members    *Attribute   // the membership relation written through this type, or nil
	Groups     *Attribute   // the membership relation read through this type, or nil
	Unique     []*Attribute // unique attributes in schema order
	Hidden     bool         // some attribute is not part of the default representation

	urns []urn
}

// urn is one way to write a schema's URN.
type urn struct {
	text   string // folded
	attr   *Attribute
	legacy bool
}

var (
	attributeName = regexp.MustCompile(`^\$?[A-Za-z][A-Za-z0-9_$-]*$`)
	schemaURI     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9!#$%&'()*+,./:;=?@_~-]+$`)
	endpointName  = regexp.MustCompile(`^/[A-Za-z][A-Za-z0-9_-]*$`)
	reserved      = map[string]bool{"/Schemas": true, "/ResourceTypes": true, "/ServiceProviderConfig": true, "/Bulk": true, "/Me": true}
)

// Compile checks a definition and indexes it.
func Compile(def Definition) (*ResourceType, error) {
	switch {
	case def.Name == "":
		return nil, fmt.Errorf("resource type without a name")
	case !endpointName.MatchString(def.Endpoint) || reserved[def.Endpoint]:
		return nil, fmt.Errorf("resource type %s: endpoint %q is not a free path of one segment such as /Devices", def.Name, def.Endpoint)
	}
	rt := &ResourceType{Name: def.Name, Endpoint: def.Endpoint, Description: def.Description}
	rt.addCommon()
	attrs, err := compileAttributes(def.Schema.ID, def.Schema.Attributes)
	if err != nil {
		return nil, fmt.Errorf("resource type %s: %w", def.Name, err)
	}
	rt.Schema = newSchema(def.Schema, attrs)
	for _, a := range attrs {
		if common, _ := rt.Root.SubAttribute(a.Name); common == nil {
			rt.Root.add(a) // RFC 7643, section 3.1 wins over a schema that lists common attributes
		}
	}
	rt.addURN(rt.Root, def.Schema.ID)
	for _, ext := range def.Extensions {
		if err := rt.addExtension(ext); err != nil {
			return nil, fmt.Errorf("resource type %s: %w", def.Name, err)
		}
	}
	rt.Root.paths()
	return rt, rt.finish()
}

// addCommon defines the attributes of RFC 7643, section 3.1.
func (rt *ResourceType) addCommon() {
	rt.Root = &Attribute{Type: Complex, Mutability: ReadWrite, Returned: ReturnedDefault}
	text := func(name string, mutability, returned string) *Attribute {
		return &Attribute{Name: name, Type: String, CaseExact: true, Mutability: mutability, Returned: returned, Uniqueness: UniqueNone, MaxBytes: MaxString}
	}
	rt.Schemas = text("schemas", ReadWrite, ReturnedAlways)
	rt.Schemas.MultiValued = true
	rt.Schemas.folding = foldCase // RFC 8141 compares the fixed part of a URN without case
	rt.ID = text("id", ReadOnly, ReturnedAlways)
	rt.ExternalID = text("externalId", ReadWrite, ReturnedDefault)
	rt.ExternalID.MaxBytes = MaxKey
	rt.Meta = &Attribute{Name: "meta", Type: Complex, Mutability: ReadOnly, Returned: ReturnedDefault}
	for _, name := range []string{"resourceType", "created", "lastModified", "location", "version"} {
		sub := text(name, ReadOnly, ReturnedDefault)
		switch name {
		case "created", "lastModified":
			sub.Type = DateTime
		case "location":
			sub.Type = Reference
		}
		rt.Meta.add(sub)
	}
	for _, a := range []*Attribute{rt.Schemas, rt.ID, rt.ExternalID, rt.Meta} {
		rt.Root.add(a)
	}
}

func (rt *ResourceType) addExtension(def ExtensionDefinition) error {
	id := def.Schema.ID
	attrs, err := compileAttributes(id, def.Schema.Attributes)
	if err != nil {
		return err
	}
	if known, _ := rt.Root.SubAttribute(id); known != nil || strict.FoldName(id) == strict.FoldName(rt.Schema.ID) {
		return fmt.Errorf("schema %s is used twice", id)
	}
	container := &Attribute{Name: id, Type: Complex, Mutability: ReadWrite, Returned: ReturnedDefault, extension: true}
	for _, a := range attrs {
		container.add(a)
	}
	rt.Root.add(container)
	rt.addURN(container, id)
	rt.Extensions = append(rt.Extensions, &Extension{Schema: newSchema(def.Schema, attrs), Required: def.Required, Container: container})
	return nil
}

// addURN makes container reachable by id and by the pre-standard spellings of id.
func (rt *ResourceType) addURN(container *Attribute, id string) {
	rt.urns = append(rt.urns, urn{text: strict.FoldName(id), attr: container})
	for _, old := range legacyURNs[id] {
		rt.urns = append(rt.urns, urn{text: strict.FoldName(old), attr: container, legacy: true})
	}
}

// finish derives what depends on the finished paths.
func (rt *ResourceType) finish() error {
	for _, a := range rt.Root.Sub {
		switch a.Relation {
		case Members:
			rt.Members = a
		case Groups:
			rt.Groups = a
		}
	}
	if len(rt.Root.Sub) > maxAttributes {
		return fmt.Errorf("resource type %s has more than %d attributes", rt.Name, maxAttributes)
	}
	return walk(rt.Root, func(a *Attribute) error {
		if len(a.Sub) > maxAttributes {
			return fmt.Errorf("resource type %s: %s has more than %d attributes", rt.Name, a.Path, maxAttributes)
		}
		a.folding = foldingOf(rt, a)
		if a.Unique() {
			if a.MultiValued || !a.Textual() || a.Parent != rt.Root && !a.Parent.extension {
				return fmt.Errorf("resource type %s: %s cannot be unique: only single-valued strings outside of complex attributes can", rt.Name, a.Path)
			}
			rt.Unique = append(rt.Unique, a)
			a.MaxBytes = MaxKey
		}
		if a.Parent == rt.Root && (a.Path == "userName" || a.Path == "displayName") && !a.MultiValued && a.Textual() {
			a.MaxBytes = MaxKey
		}
		if a.Returned == ReturnedNever || a.Returned == ReturnedRequest || a.Mutability == WriteOnly {
			rt.Hidden = rt.Hidden || !a.Dropped
		}
		return nil
	})
}

func foldingOf(rt *ResourceType, a *Attribute) folding {
	switch {
	case a == rt.Schemas:
		return a.folding
	case a.CaseExact || a.Type != String:
		return foldExact
	case a.Path == "userName" && rt.Schema.ID == UserURN:
		return foldUserName
	default:
		return foldCase
	}
}

func walk(a *Attribute, f func(*Attribute) error) error {
	for _, sub := range a.Sub {
		if err := f(sub); err != nil {
			return err
		}
		if err := walk(sub, f); err != nil {
			return err
		}
	}
	return nil
}

func newSchema(def elimity.Schema, attrs []*Attribute) *Schema {
	s := &Schema{ID: def.ID, Name: def.Name.Value(), Description: def.Description.Value()}
	for _, a := range attrs {
		if !a.Dropped {
			s.Attributes = append(s.Attributes, a)
		}
	}
	return s
}

// IsURI reports whether a text can be the id of a schema.
func IsURI(text string) bool { return schemaURI.MatchString(text) }

// compileAttributes turns elimity's attributes into ours and corrects those of the standard schemas.
func compileAttributes(id string, defs []elimity.CoreAttribute) ([]*Attribute, error) {
	if !IsURI(id) {
		return nil, fmt.Errorf("schema id %q is not a URI", id)
	}
	holder := &Attribute{}
	for _, def := range defs {
		a, err := newAttribute(holder, def)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", id, err)
		}
		for _, sub := range def.SubAttributes() {
			if _, err := newAttribute(a, sub); err != nil {
				return nil, fmt.Errorf("schema %s: %s: %w", id, a.Name, err)
			}
		}
	}
	correct(id, holder)
	return holder.Sub, nil
}

// newAttribute adds an attribute to the one that holds it.
func newAttribute(holder *Attribute, def elimity.CoreAttribute) (*Attribute, error) {
	if !attributeName.MatchString(def.Name()) {
		return nil, fmt.Errorf("bad attribute name %q", def.Name())
	}
	if twin, _ := holder.SubAttribute(def.Name()); twin != nil {
		return nil, fmt.Errorf("the attribute %q is declared twice", def.Name())
	}
	a := &Attribute{
		Name:        def.Name(),
		Description: def.Description(),
		MultiValued: def.MultiValued(),
		Required:    def.Required(),
		CaseExact:   def.CaseExact(),
		Mutability:  def.Mutability(),
		Returned:    def.Returned(),
		Uniqueness:  def.Uniqueness(),
		Canonical:   def.CanonicalValues(),
		MaxBytes:    MaxString,
	}
	for t := String; t <= Complex; t++ {
		if t.String() == def.AttributeType() {
			a.Type = t
		}
	}
	for _, t := range def.ReferenceTypes() {
		a.ReferenceTypes = append(a.ReferenceTypes, string(t))
	}
	if a.Type == Complex {
		a.Uniqueness = UniqueNone // RFC 7643, erratum 6004
	}
	holder.add(a)
	return a, nil
}
