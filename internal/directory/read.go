package directory

import (
	"context"

	"github.com/scimkit/scim/store"
)

// memberPage is how many memberships are read at a time.
const memberPage = 1000

// List returns a page of resources.
func (d *Directory) List(ctx context.Context, q Request, query store.Query) (store.Page, error) {
	return d.Store.List(ctx, q.Scope, query)
}

// EachMember calls f with each membership of the groups, in their order.
func (d *Directory) EachMember(ctx context.Context, q Request, groups []string, f func(store.Membership) error) error {
	query := store.MemberQuery{Groups: groups, Limit: memberPage}
	for {
		page, err := d.Members.Members(ctx, q.Scope, query)
		if err != nil {
			return err
		}
		for _, m := range page.Memberships {
			if err := f(m); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.After = page.Next
	}
}

// GroupsOf returns the groups that each of the resources is a direct member of.
func (d *Directory) GroupsOf(ctx context.Context, q Request, ids []string) (map[string][]store.Group, error) {
	return d.Groups.Groups(ctx, q.Scope, ids)
}
