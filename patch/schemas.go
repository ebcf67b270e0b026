package patch

import (
	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// schemas applies an operation to the attribute schemas, whose value follows from the data: adding a URN has no effect of its
// own, removing an extension's URN removes the extension, and the base schema stays.
func (w *writer) schemas(root *schema.Node, expr ast.Expression) error {
	rt, a := w.Type, w.attribute
	var urns []schema.Value
	for _, urn := range rt.URNs(root) {
		urns = append(urns, schema.TextValue(urn))
	}
	holder := &schema.Node{}
	holder.Set(a, schema.ListValue(urns))
	var err error
	if expr != nil {
		err = w.selected(holder, expr)
	} else {
		err = w.list(holder)
	}
	if err != nil {
		return err
	}
	left := make(map[string]bool)
	for _, v := range holder.Get(a).List() {
		left[strict.FoldName(v.Text())] = true
	}
	if !left[strict.FoldName(rt.Schema.ID)] {
		return refuse(schema.Mutability, a.Path, "schemas must keep %s", rt.Schema.ID)
	}
	for _, ext := range rt.Extensions {
		if left[strict.FoldName(ext.Schema.ID)] {
			continue
		}
		if err := w.writeContainer(Operation{Op: Remove}, ext.Container, nil); err != nil {
			return err
		}
	}
	return nil
}
