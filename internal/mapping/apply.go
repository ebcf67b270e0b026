package mapping

import (
	"context"
	"slices"
	"strings"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

// Result is what a mapping makes of a document. Targets without a value are left out; no value is empty.
type Result struct {
	Fields   map[string]string // by target, Role excepted
	Roles    []string          // ids without repetitions, in the order of the keys' precedence
	Metadata map[string]string // by key, without "metadata."
	Origin   map[string]string // the key that won, by target; for Role, the first that gave one
}

// Apply maps the attributes of a resource. A nil document has none.
//
// Where several keys have the same target, the first in this order that gives a value wins: a key with a value filter before one
// without; a key of the mapping before a default; emails before all others, userName after them; more conditions, then a sub-attribute,
// before less; then the alphabet. Role takes what each of its keys gives.
//
// A key finds one value of a multi-valued attribute, the primary one or else the first; for Role it finds all of them. An empty text is
// no value. Booleans and numbers become their JSON. An expression with default gives its value also where the document has none.
//
// Apply looks at ctx before each key and each filter. The errors are an *Error for a value that exceeds a limit or that a function of
// the host refuses, that of ctx, and that of a stored document that does not fit the schema. Then there is no Result.
func (m *Mapping) Apply(ctx context.Context, document *schema.Document) (Result, error) {
	a := applier{Result: Result{Fields: map[string]string{}, Metadata: map[string]string{}, Origin: map[string]string{}}}
	if document != nil {
		var err error
		if a.tree, err = document.Tree(m.rt); err != nil {
			return Result{}, err
		}
	}
	for i := range m.rules {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		if err := a.apply(ctx, &m.rules[i]); err != nil {
			return Result{}, err
		}
	}
	return a.Result, nil
}

// applier fills a Result from one document.
type applier struct {
	Result
	tree  *schema.Node
	seen  filter.Folds
	roles int // values found for Role
}

func (a *applier) apply(ctx context.Context, r *rule) error {
	if _, decided := a.Origin[r.target]; decided && r.target != Role {
		return nil
	}
	found := false
	for text := range r.texts(a.tree, &a.seen) {
		found = true
		if err := a.set(ctx, r, text); err != nil {
			return err
		}
		if r.target != Role {
			break
		}
	}
	if !found && r.fills() {
		return a.set(ctx, r, "")
	}
	return nil
}

// set evaluates a rule for a value and keeps the outcome, if there is one.
func (a *applier) set(ctx context.Context, r *rule, text string) error {
	if r.target == Role {
		if a.roles++; a.roles > MaxRoles {
			return refuse(r.key, "there are more than %d values for roles", MaxRoles)
		}
	}
	text, err := r.evaluate(ctx, text)
	if err != nil || text == "" {
		return err
	}
	name, isMetadata := strings.CutPrefix(r.target, Metadata)
	switch {
	case isMetadata:
		a.Metadata[name] = text
	case r.target != Role:
		a.Fields[r.target] = text
	case !slices.Contains(a.Roles, text):
		a.Roles = append(a.Roles, text)
	}
	if _, decided := a.Origin[r.target]; !decided {
		a.Origin[r.target] = r.key
	}
	return nil
}
