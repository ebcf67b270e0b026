// Package schema compiles SCIM schemas into an index of attributes, and holds resources as trees bound to it: decoding from
// JSON with type checks and the decoder's share of the dialect rules, canonical encoding, projection, case folding, validation.
//
// A compiled [ResourceType] is immutable and safe for concurrent use. Trees are not: a tree that is shared is read-only.
package schema

import (
	"strings"

	"github.com/scimkit/scim/internal/strict"
)

// Type is an attribute's data type (RFC 7643, section 2.3).
type Type uint8

// The data types.
const (
	String Type = iota
	Boolean
	Decimal
	Integer
	DateTime
	Binary
	Reference
	Complex
)

// String returns the type's keyword in a schema document.
func (t Type) String() string {
	return [...]string{"string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"}[t]
}

// The values of Attribute.Mutability (RFC 7643, section 7).
const (
	ReadWrite = "readWrite"
	ReadOnly  = "readOnly"
	Immutable = "immutable"
	WriteOnly = "writeOnly"
)

// The values of Attribute.Returned (RFC 7643, section 7).
const (
	ReturnedDefault = "default"
	ReturnedAlways  = "always"
	ReturnedNever   = "never"
	ReturnedRequest = "request"
)

// The values of Attribute.Uniqueness (RFC 7643, section 7).
const (
	UniqueNone   = "none"
	UniqueServer = "server"
	UniqueGlobal = "global"
)

// Relation marks the attributes that are no part of a document because they are memberships.
type Relation uint8

// The relations.
const (
	NoRelation Relation = iota
	Members             // Group.members: written as deltas
	Groups              // User.groups: its reverse, read-only
)

// Attribute is one compiled attribute, sub-attribute or extension container.
type Attribute struct {
	Name           string // as declared; an extension container is named by its URN
	Path           string // canonical: "emails.value", "urn:…:User:manager.value"
	Description    string
	Type           Type
	MultiValued    bool
	Required       bool
	CaseExact      bool
	Mutability     string
	Returned       string
	Uniqueness     string
	Canonical      []string
	ReferenceTypes []string
	Sub            []*Attribute
	Parent         *Attribute // the complex attribute or extension container that holds this one
	Relation       Relation

	// Default is assigned when a POST leaves the attribute out. Such an attribute always has a value: a PUT without it keeps the
	// stored one, and clearing it is refused.
	Default Value
	// Dropped attributes are known, ignored on input and never stored: password.
	Dropped bool
	// MaxBytes bounds a string value.
	MaxBytes int

	extension bool
	unwrap    bool // an element may be a JSON document inside the string "value"
	folding   folding
	order     int
	names     map[string]*Attribute // sub-attributes by folded name, aliases included
	aliases   map[string]bool       // folded names in names that are not the declared ones
}

// IsExtension reports whether a is the container of a schema extension. A nil *Attribute, the parent of Root, is none.
func (a *Attribute) IsExtension() bool { return a != nil && a.extension }

// SubAttribute returns the sub-attribute with that name in any ASCII case, or nil. alias is set where name is another
// dialect's word for it.
func (a *Attribute) SubAttribute(name string) (sub *Attribute, alias bool) {
	if sub = a.names[name]; sub == nil {
		name = strict.FoldName(name)
		sub = a.names[name]
	}
	return sub, len(a.aliases) > 0 && a.aliases[name]
}

// Value returns the "value" sub-attribute, or nil.
func (a *Attribute) Value() *Attribute { return a.names["value"] }

// Primary returns the boolean "primary" sub-attribute of a multi-valued attribute, or nil.
func (a *Attribute) Primary() *Attribute {
	if p := a.names["primary"]; a.MultiValued && p != nil && p.Type == Boolean {
		return p
	}
	return nil
}

// Textual reports whether values of a are JSON strings.
func (a *Attribute) Textual() bool {
	switch a.Type {
	case String, DateTime, Binary, Reference:
		return true
	default:
		return false
	}
}

// Readable reports whether clients may ever see the attribute, and so filter by it.
func (a *Attribute) Readable() bool {
	for ; a != nil; a = a.Parent {
		if a.Returned == ReturnedNever || a.Mutability == WriteOnly || a.Dropped {
			return false
		}
	}
	return true
}

// Clearable reports whether the attribute may be without a value.
func (a *Attribute) Clearable() bool { return !a.Required && a.Default.IsZero() }

// Unique reports whether two live resources of one type and connection may not share the value.
func (a *Attribute) Unique() bool {
	return a.Uniqueness == UniqueServer || a.Uniqueness == UniqueGlobal
}

// Fold maps a text to the form in which equal values are equal bytes: identity for caseExact attributes.
func (a *Attribute) Fold(text string) string { return a.folding.fold(text) }

// Key is a unique attribute's value, folded: at most one live resource of a type and connection may hold it.
type Key struct {
	Path  string // canonical attribute path
	Value string // folded
}

func (a *Attribute) String() string { return a.Path }

// add indexes sub under its own name.
func (a *Attribute) add(sub *Attribute) {
	sub.Parent = a
	sub.order = len(a.Sub)
	a.Sub = append(a.Sub, sub)
	if a.names == nil {
		a.names = make(map[string]*Attribute)
	}
	a.names[sub.Name] = sub
	a.names[strict.FoldName(sub.Name)] = sub
}

// alias lets another name stand for sub.
func (a *Attribute) alias(name string, sub *Attribute) {
	if a.aliases == nil {
		a.aliases = make(map[string]bool)
	}
	folded := strict.FoldName(name)
	a.names[folded] = sub
	a.aliases[folded] = true
}

// paths sets the canonical paths of a's subtree.
func (a *Attribute) paths() {
	separator := "."
	if a.extension {
		separator = ":"
	}
	for _, sub := range a.Sub {
		sub.Path = strings.TrimPrefix(a.Path+separator, separator) + sub.Name
		sub.paths()
	}
}
