package memstore

import (
	"slices"
	"strings"

	"github.com/scimkit/scim/store"
)

// indexed are the attributes by whose value resources are found without matching all of them.
var indexed = []string{"userName", "externalId", "displayName", "emails.value"}

// index finds the records of a type by the values of some attributes, and decides who holds a unique value.
type index struct {
	paths  []string   // indexed, and the unique attributes of the host's own as they come up
	values []postings // by number in paths
}

// postings are the records by the values of one attribute. Nearly every value has one record, but a whole directory may share a
// displayName.
type postings struct {
	one  map[string]*record
	many map[string]*sequence[*record] // where it is more than one
}

// term is one value of an indexed attribute.
type term struct {
	path  uint8 // its number in index.paths; a type has fewer unique attributes than this holds
	value string
}

func newIndex() *index {
	x := &index{}
	for _, path := range indexed {
		x.number(path)
	}
	return x
}

// find yields the records with a value of an attribute, in the order of their creation; ok is false if it is not indexed.
func (x *index) find(path, value string) (each func(yield func(uint64, *record) bool), ok bool) {
	if !slices.Contains(indexed, path) {
		return nil, false
	}
	return x.values[x.number(path)].each(value), true
}

// terms returns the terms of a document, the unique ones first.
func (x *index) terms(document *store.Document, unique []store.Key) (terms []term, n int) {
	own := make(map[string]string, len(unique)+len(indexed)) // one copy of an address that is the user name as well
	put := func(path, value string, seen map[term]bool) {
		if own[value] == "" {
			own[value] = strings.Clone(value)
		}
		t := term{x.number(path), own[value]}
		if !seen[t] {
			seen[t] = true
			terms = append(terms, t)
		}
	}
	seen := make(map[term]bool, len(unique)+len(indexed))
	for _, key := range unique {
		put(key.Path, key.Value, seen)
	}
	n = len(terms)
	for _, path := range indexed {
		for _, value := range document.Values(path) {
			put(path, value, seen)
		}
	}
	return slices.Clone(terms), n
}

// number returns the number of an attribute, a new one if it has none.
func (x *index) number(path string) uint8 {
	i := slices.Index(x.paths, path)
	if i < 0 {
		i = len(x.paths)
		x.paths = append(x.paths, path)
		x.values = append(x.values, postings{one: make(map[string]*record), many: make(map[string]*sequence[*record])})
	}
	return uint8(i)
}

// free checks that no other record holds one of r's unique values.
func (x *index) free(r *record) (err error) {
	for _, t := range r.terms[:r.unique] {
		x.values[t.path].each(t.value)(func(_ uint64, other *record) bool {
			if other.id != r.id && slices.Contains(other.terms[:other.unique], t) {
				err = &store.UniquenessError{Path: x.paths[t.path]}
			}
			return err == nil
		})
	}
	return err
}

// add enters a record, but for the terms in present.
func (x *index) add(r *record, present []term) {
	old := setOf(present)
	for _, t := range r.terms {
		if !old[t] {
			x.values[t.path].add(t.value, r)
		}
	}
}

// remove takes a record out, but for the terms in kept.
func (x *index) remove(r *record, kept []term) {
	still := setOf(kept)
	for _, t := range r.terms {
		if !still[t] {
			x.values[t.path].remove(t.value, r)
		}
	}
}

func setOf(terms []term) map[term]bool {
	set := make(map[term]bool, len(terms))
	for _, t := range terms {
		set[t] = true
	}
	return set
}

func (p postings) add(value string, r *record) {
	if many := p.many[value]; many != nil {
		many.insert(r.number, r)
		return
	}
	first := p.one[value]
	if first == nil {
		p.one[value] = r
		return
	}
	delete(p.one, value)
	many := &sequence[*record]{}
	many.insert(first.number, first)
	many.insert(r.number, r)
	p.many[value] = many
}

func (p postings) remove(value string, r *record) {
	many := p.many[value]
	if many == nil {
		delete(p.one, value)
		return
	}
	if many.remove(r.number); many.length == 0 {
		delete(p.many, value)
	}
}

// each yields the records with a value in the order of their creation.
func (p postings) each(value string) func(yield func(uint64, *record) bool) {
	return func(yield func(uint64, *record) bool) {
		if many := p.many[value]; many != nil {
			many.from(0, yield)
		} else if r := p.one[value]; r != nil {
			yield(r.number, r)
		}
	}
}
