package main

import (
	"fmt"
	"maps"
	"slices"
)

// managed are the attributes of a user that the providers own: one that they did not send must not be there. All others are the
// server's own business.
var managed = []string{
	"userName", "externalId", "name", "displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone",
	"active", "emails", "phoneNumbers", "addresses", "roles", "password", enterpriseURN,
}

// added are sub-attributes that a server may add by itself.
var added = []string{"display", "displayName", "$ref", "formatted"}

// differences collects where a document is not what it should be.
type differences struct{ lines []string }

func (d *differences) addf(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// document compares a user, attribute by attribute.
func (d *differences) document(want, got object) {
	for _, name := range managed {
		d.value(name, want[name], got[name])
	}
}

// value compares one value; a want of nil is an attribute that must not have one.
func (d *differences) value(path string, want, got any) {
	switch want := want.(type) {
	case object:
		if got, ok := got.(object); ok {
			d.object(path, want, got)
			return
		}
	case []any:
		if got, ok := got.([]any); ok {
			d.list(path, want, got)
			return
		}
	case nil:
		if isUnassigned(got) {
			return
		}
	default:
		if want == got {
			return
		}
	}
	d.addf("%s: want %s, got %s", path, show(want), show(got))
}

func (d *differences) object(path string, want, got object) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		d.value(path+"."+name, orAbsent(name, want[name]), orAbsent(name, got[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok && !slices.Contains(added, name) {
			d.value(path+"."+name, nil, orAbsent(name, got[name]))
		}
	}
}

// orAbsent makes no difference between an element that is not primary and one that does not say (RFC 7643, section 2.4).
func orAbsent(name string, value any) any {
	if primary, ok := value.(bool); ok && !primary && name == "primary" {
		return nil
	}
	return value
}

// list compares the elements of a multi-valued attribute, in any order. Elements of nothing but a type are what a removal leaves
// behind, and do not count.
func (d *differences) list(path string, want, got []any) {
	rest := slices.DeleteFunc(slices.Clone(got), func(element any) bool {
		o, ok := element.(object)
		return ok && isBlank(o)
	})
	missing := 0
	for _, element := range want {
		i := slices.IndexFunc(rest, func(other any) bool {
			var inner differences
			inner.value("", element, other)
			return len(inner.lines) == 0
		})
		if i < 0 {
			missing++
			d.addf("%s: want %s among %s", path, show(element), show(rest))
			continue
		}
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) > missing {
		d.addf("%s: more than there should be: %s", path, show(rest))
	}
}

// isUnassigned reports whether a value means "no value" (RFC 7643, section 2.5). An empty string is one too: Okta sends it.
func isUnassigned(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case []any:
		return !slices.ContainsFunc(value, func(element any) bool { return !isUnassigned(element) })
	case object:
		return isBlank(value)
	default:
		return false
	}
}

// show is a value as JSON.
func show(value any) string {
	if value == nil {
		return "nothing"
	}
	return string(encode(value))
}
