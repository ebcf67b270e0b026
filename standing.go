package scim

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/scimkit/scim/internal/mapping"
	"github.com/scimkit/scim/store"
)

// rules are what the members of a connection follow from, beside their resources.
type rules struct {
	scope       store.Scope
	mapping     *mapping.Mapping
	fallback    *mapping.Mapping // the defaults
	assignments []store.RoleAssignment
	byGroup     map[string][]string // roles
	defaults    []string
	released    bool // the connection is deleted: groups and defaults give nothing any more
}

func (m *MemberSink) rules(ctx context.Context, scope store.Scope) (*rules, error) {
	assignments, err := m.config.State.RoleAssignments(ctx, scope)
	if err != nil {
		return nil, err
	}
	return m.rulesOf(ctx, scope, assignments)
}

func (m *MemberSink) rulesOf(ctx context.Context, scope store.Scope, assignments []store.RoleAssignment) (*rules, error) {
	r := &rules{scope: scope, fallback: m.defaults, assignments: assignments, byGroup: make(map[string][]string)}
	for _, a := range assignments {
		r.byGroup[a.Group] = append(r.byGroup[a.Group], a.Role)
	}
	if m.config.DefaultRoles != nil {
		r.defaults = m.config.DefaultRoles(scope)
	}
	table, err := m.AttributeMapping(ctx, scope)
	if err == nil {
		r.mapping, err = m.compiled(table)
	}
	return r, err
}

// drop removes the assignments of a group.
func (r *rules) drop(group string) {
	r.assignments = slices.DeleteFunc(slices.Clone(r.assignments), func(a store.RoleAssignment) bool { return a.Group == group })
	delete(r.byGroup, group)
}

// standing is a member on the way from what the host was told to what it is to be told. Its user is locked.
type standing struct {
	before *Member // nil: new
	after  Member
	moved  store.Group // the group that it joined or left, if that is why
	joined bool
	direct []string // roles given directly, nil: those that it has
	mapped []string // roles that its attributes give
	always bool     // the host is told even if nothing changed
}

// groupsBefore returns the groups that the member was in before it moved.
func (s *standing) groupsBefore() []store.Group {
	if s.moved.ID == "" {
		return s.after.Groups
	}
	groups := slices.DeleteFunc(slices.Clone(s.after.Groups), func(g store.Group) bool { return g.ID == s.moved.ID })
	if !s.joined {
		groups = append(groups, s.moved)
		slices.SortFunc(groups, func(a, b store.Group) int { return strings.Compare(a.ID, b.ID) })
	}
	return groups
}

// settle completes members with groups and roles, stores the roles, and tells the host about those that changed.
func (m *MemberSink) settle(ctx context.Context, rules *rules, list []*standing) error {
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.after.ID
	}
	granted, err := m.config.State.Grants(ctx, rules.scope, ids...)
	if err != nil {
		return err
	}
	groups, err := m.groups.Groups(ctx, rules.scope, ids)
	if err != nil {
		return err
	}
	for _, s := range list {
		had := granted[s.after.ID]
		s.after.Groups = groups[s.after.ID]
		slices.SortFunc(s.after.Groups, func(a, b store.Group) int { return strings.Compare(a.ID, b.ID) })
		grants := m.grants(rules, s, had)
		s.after.Roles = roles(grants)
		if s.before != nil {
			s.before.Groups, s.before.Roles = s.groupsBefore(), roles(had)
		}
		if !sameGrants(had, grants) {
			if err := m.config.State.PutGrants(ctx, rules.scope, s.after.ID, grants); err != nil {
				return err
			}
		}
		if s.before != nil && !s.always && s.before.same(s.after) {
			continue
		}
		if err := m.config.Apply(ctx, s.before, s.after); err != nil {
			return err
		}
	}
	return nil
}

// grants are the roles that a member is to have. Whoever is not active has none, and loses those given directly for good.
func (m *MemberSink) grants(rules *rules, s *standing, had []store.Grant) []store.Grant {
	if s.after.Status != MemberActive {
		return nil
	}
	var grants []store.Grant
	add := func(source store.GrantSource, group string, roles ...string) {
		for _, role := range roles {
			grants = append(grants, store.Grant{Role: role, Source: source, Group: group})
		}
	}
	if s.direct != nil {
		add(store.SourceDirect, "", s.direct...)
	} else {
		for _, g := range had {
			if g.Source == store.SourceDirect {
				grants = append(grants, g)
			}
		}
	}
	add(store.SourceAttribute, "", s.mapped...)
	if domain, ok := domainOf(s.after.Email); ok && m.config.DomainRoles != nil {
		add(store.SourceDomain, "", m.config.DomainRoles(rules.scope, domain)...)
	}
	if !rules.released {
		add(store.SourceConnection, "", rules.defaults...)
		for _, group := range s.after.Groups {
			add(store.SourceGroup, group.ID, rules.byGroup[group.ID]...)
		}
	}
	sortGrants(grants)
	return slices.Compact(grants)
}

func sameGrants(a, b []store.Grant) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	sortGrants(a)
	sortGrants(b)
	return slices.Equal(a, b)
}

// recompute settles members whose own resources did not change. Each user is locked, in the order of the ids, so that whoever is
// deactivated at the same time neither keeps nor regains a role. prepare, if any, has a say in each.
func (m *MemberSink) recompute(ctx context.Context, rules *rules, ids []string, prepare func(*standing)) error {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for chunk := range slices.Chunk(ids, together) {
		var list []*standing
		for _, id := range chunk {
			user, err := m.config.Store.Get(ctx, rules.scope, store.Ref{Type: userType, ID: id})
			if errors.Is(err, store.ErrNotFound) {
				continue // removed: the host was told
			}
			if err != nil {
				return err
			}
			before, mapped, err := identify(ctx, rules, user)
			if err != nil && !isUnmapped(err) { // what was refused nowhere else must not be refused here
				return err
			}
			s := &standing{before: &before, after: before, mapped: mapped}
			if prepare != nil {
				prepare(s)
			}
			list = append(list, s)
		}
		if err := m.settle(ctx, rules, list); err != nil {
			return err
		}
	}
	return nil
}
