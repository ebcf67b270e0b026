package schema

import (
	"strings"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/strict"
)

// Target is what an attribute path names.
type Target struct {
	Attribute *Attribute // a common, core or extension attribute; an extension container; Root for the core schema's bare URN
	Sub       *Attribute // the sub-attribute, or nil
}

// Leaf returns the innermost attribute that the path names.
func (t Target) Leaf() *Attribute {
	if t.Sub != nil {
		return t.Sub
	}
	return t.Attribute
}

// Miss is a path that names nothing in the resource type.
type Miss struct {
	// Unregistered is set for an attribute of an extension that the type does not have, which is no mistake of the client's
	// (see ResourceType.Resolve).
	Unregistered bool
	// Vital is set for an attribute of an unknown schema that may mean active or userName: ignoring it could lose an offboarding.
	Vital  bool
	Detail string
}

func (m *Miss) Error() string { return m.Detail }

// Resolve finds the attribute that uri:name.sub names; uri and sub may be empty. A URN is cut at the longest schema URN known
// to the type, never at a dot or colon: URNs hold both. The error is a *Miss.
//
// An attribute counts as one of an unregistered extension if its URN contains ":extension:" or lies outside of urn:ietf: and
// urn:scim:, unless its last segment is active or userName: skipping those silently could lose an offboarding.
func (rt *ResourceType) Resolve(uri, name, sub string, report *dialect.Report) (Target, error) {
	if uri == "" {
		if a, _ := rt.Root.SubAttribute(name); a == nil {
			if a = rt.unqualified(name, report); a != nil {
				return Target{Attribute: a}.In(sub, report)
			}
		}
		return rt.resolveIn(rt.Root, name, sub, report)
	}
	full := uri + ":" + name
	if sub != "" {
		full += "." + sub
	}
	found, rest := rt.schemaOf(full)
	switch {
	case found == nil:
		return Target{}, unregistered(full)
	case found.legacy && !report.Allow(dialect.LegacySchema):
		return Target{}, unregistered(full)
	case rest == "":
		return Target{Attribute: found.attr}, nil
	case rest[0] == '.' && !report.Allow(dialect.URNDot):
		return Target{}, &Miss{Detail: "a schema URN must be followed by a colon and an attribute"}
	}
	name, sub, _ = strings.Cut(rest[1:], ".")
	if !attributeName.MatchString(name) || sub != "" && !attributeName.MatchString(sub) || strings.HasSuffix(rest, ".") {
		return Target{}, &Miss{Detail: "the path is not of the form URN:attribute.subAttribute"}
	}
	return rt.resolveIn(found.attr, name, sub, report)
}

// schemaOf returns the longest schema URN that full starts with, and what follows it: nothing, or a separator and more.
func (rt *ResourceType) schemaOf(full string) (*urn, string) {
	folded := strict.FoldName(full)
	var best *urn
	for i := range rt.urns {
		u := &rt.urns[i]
		if !strings.HasPrefix(folded, u.text) || best != nil && len(best.text) >= len(u.text) {
			continue
		}
		if rest := folded[len(u.text):]; rest == "" || rest[0] == ':' || rest[0] == '.' {
			best = u
		}
	}
	if best == nil {
		return nil, ""
	}
	return best, full[len(best.text):]
}

// Extension returns the container that a top-level key of a resource names by a schema URN, or nil.
func (rt *ResourceType) Extension(key string, report *dialect.Report) *Attribute {
	u, rest := rt.schemaOf(key)
	if u == nil || rest != "" || u.attr == rt.Root || u.legacy && !report.Allow(dialect.LegacySchema) {
		return nil
	}
	return u.attr
}

func (rt *ResourceType) resolveIn(container *Attribute, name, sub string, report *dialect.Report) (Target, error) {
	a, _ := container.SubAttribute(name)
	if a == nil || a.extension && container != rt.Root {
		return Target{}, &Miss{Detail: "the resource type " + rt.Name + " has no attribute " + dialect.Printable(name)}
	}
	return Target{Attribute: a}.In(sub, report)
}

// In returns the target of a sub-attribute of t's attribute, t itself for "". The error is a *Miss.
func (t Target) In(sub string, report *dialect.Report) (Target, error) {
	a := t.Attribute
	if sub == "" {
		return t, nil
	}
	s, alias := a.SubAttribute(sub)
	if s == nil || a.extension || alias && !report.Allow(dialect.AttributeAlias) {
		return Target{}, &Miss{Detail: "the attribute " + a.Path + " has no sub-attribute " + dialect.Printable(sub)}
	}
	return Target{Attribute: a, Sub: s}, nil
}

// unqualified finds an extension attribute that is named without its URN.
func (rt *ResourceType) unqualified(name string, report *dialect.Report) *Attribute {
	for _, ext := range rt.Extensions {
		if a, _ := ext.Container.SubAttribute(name); a != nil && report.Allow(dialect.UnqualifiedExtension) {
			return a
		}
	}
	return nil
}

func unregistered(full string) *Miss {
	folded := strict.FoldName(full)
	standard := strings.HasPrefix(folded, "urn:ietf:") || strings.HasPrefix(folded, "urn:scim:")
	last := folded[strings.LastIndexAny(folded, ":.")+1:]
	foreign := strings.HasPrefix(folded, "urn:") && (!standard || strings.Contains(folded, ":extension:"))
	vital := last == "active" || last == "username"
	return &Miss{
		Unregistered: foreign && !vital,
		Vital:        vital,
		Detail:       "the resource type has no schema with the URN in " + dialect.Printable(full),
	}
}
