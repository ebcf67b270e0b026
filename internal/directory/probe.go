package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/store"
)

// Probe finds out which optional interfaces the store has and does not decline. nobody is a scope that holds nothing. A type with
// members needs a store that can list them.
func (d *Directory) Probe(types []*schema.ResourceType, nobody store.Scope) error {
	ctx := context.Background()
	if t, ok := d.Store.(store.Transactor); ok {
		err := t.InTx(ctx, func(context.Context) error { return nil })
		if !errors.Is(err, errors.ErrUnsupported) {
			d.Transactor = t
		}
	}
	if m, ok := d.Store.(store.MemberLister); ok {
		_, err := m.Members(ctx, nobody, store.MemberQuery{Groups: []string{"probe"}, Limit: 1})
		if !errors.Is(err, errors.ErrUnsupported) {
			d.Members = m
		}
	}
	if g, ok := d.Store.(store.GroupLister); ok {
		_, err := g.Groups(ctx, nobody, []string{"probe"})
		if !errors.Is(err, errors.ErrUnsupported) {
			d.Groups = g
		}
	}
	for _, rt := range types {
		if rt.Members != nil && d.Members == nil {
			return fmt.Errorf("scim: the resource type %s has members, but the store is no store.MemberLister: leave the type out of Config.Types", rt.Name)
		}
	}
	return nil
}
