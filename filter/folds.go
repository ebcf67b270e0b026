package filter

import "github.com/scimkit/scim/internal/schema"

// Folds remembers folded texts, over several calls of Match for example, so that none is folded twice if that takes long. The zero
// value is ready; a nil *Folds remembers nothing. It belongs to one goroutine, and grows with the texts that it sees.
type Folds struct{ folded map[foldKey]string }

type foldKey struct {
	attr *schema.Attribute
	text string
}

// Fold returns what a.Fold does.
func (f *Folds) Fold(a *schema.Attribute, text string) string {
	if f == nil || len(text) <= short && isASCII(text) {
		return a.Fold(text)
	}
	key := foldKey{a, text}
	folded, ok := f.folded[key]
	if !ok {
		folded = a.Fold(text)
		if f.folded == nil {
			f.folded = make(map[foldKey]string)
		}
		f.folded[key] = folded
	}
	return folded
}
