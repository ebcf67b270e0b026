package scim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimkit/scim/store"
)

const (
	maxAssignments = 1000 // of a connection
	maxRole        = 100  // characters
)

// UnknownGroupError is a role assignment to a group that the connection does not have: 400 unknown_group.
type UnknownGroupError struct{ Group string }

func (e *UnknownGroupError) Error() string {
	return "scim: the connection has no group with the id " + e.Group
}

// RoleAssignments returns which roles the groups of a connection give, by group, then role.
func (m *MemberSink) RoleAssignments(ctx context.Context, connection store.Scope) ([]store.RoleAssignment, error) {
	return m.config.State.RoleAssignments(ctx, connection)
}

// SetRoleAssignments replaces which roles the groups of a connection give, at most 1000, and brings every member of the groups
// concerned in step with that, in the same transaction: all of it or nothing. Groups are locked, so that nobody joins or leaves them
// meanwhile. UnknownGroupError, AttributeError; a Refusal or another error of MembersConfig.Apply.
func (m *MemberSink) SetRoleAssignments(ctx context.Context, connection store.Scope, assignments []store.RoleAssignment) error {
	if len(assignments) > maxAssignments {
		return &AttributeError{"role_assignments", fmt.Sprintf("there are at most %d", maxAssignments)}
	}
	for _, a := range assignments {
		if err := checkText("role_id", a.Role, maxRole); err != nil {
			return err
		}
		if a.Group == "" {
			return &AttributeError{"group_id", "it must not be blank"}
		}
	}
	return store.InTx(ctx, m.tx, func(ctx context.Context) error {
		before, err := m.lockAssignments(ctx, connection)
		if err != nil {
			return err
		}
		old, err := m.rulesOf(ctx, connection, before)
		if err != nil {
			return err
		}
		rules, err := m.rulesOf(ctx, connection, assignments)
		if err != nil {
			return err
		}
		changed, err := m.lockGroups(ctx, old, rules)
		if err != nil {
			return err
		}
		if err := m.config.State.PutRoleAssignments(ctx, connection, assignments); err != nil {
			return err
		}
		for _, group := range changed {
			if err := m.eachMember(ctx, rules, group); err != nil {
				return err
			}
		}
		return nil
	})
}

// lockAssignments returns the assignments of a connection as nobody else changes them before the transaction ends.
func (m *MemberSink) lockAssignments(ctx context.Context, scope store.Scope) ([]store.RoleAssignment, error) {
	if err := m.config.State.LockRoleAssignments(ctx, scope); err != nil {
		return nil, err
	}
	return m.config.State.RoleAssignments(ctx, scope)
}

// lockGroups locks the groups of old and new assignments, in the order of their ids, and returns those whose roles change.
func (m *MemberSink) lockGroups(ctx context.Context, old, new *rules) (changed []string, err error) {
	var groups []string
	for _, r := range []*rules{old, new} {
		for group, roles := range r.byGroup {
			slices.Sort(roles)
			r.byGroup[group] = slices.Compact(roles)
			groups = append(groups, group)
		}
	}
	slices.Sort(groups)
	for _, group := range slices.Compact(groups) {
		_, err := m.config.Store.Get(ctx, new.scope, store.Ref{Type: groupType, ID: group})
		if errors.Is(err, store.ErrNotFound) && len(new.byGroup[group]) > 0 {
			return nil, &UnknownGroupError{group}
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if !slices.Equal(old.byGroup[group], new.byGroup[group]) {
			changed = append(changed, group)
		}
	}
	return changed, nil
}

// eachMember computes the members of a group anew, a page at a time.
func (m *MemberSink) eachMember(ctx context.Context, rules *rules, group string) error {
	query := store.MemberQuery{Groups: []string{group}, Limit: together}
	for {
		page, err := m.members.Members(ctx, rules.scope, query)
		if err != nil {
			return err
		}
		var ids []string
		for _, member := range page.Memberships {
			if member.Type == userType {
				ids = append(ids, member.ID)
			}
		}
		if err := m.recompute(ctx, rules, ids, nil); err != nil {
			return err
		}
		if query.After = page.Next; query.After == "" {
			return nil
		}
	}
}

// GrantRole gives an active member a role directly, until RevokeRole, or until it is deactivated. store.ErrNotFound: there is no such
// member, or it is not active; AttributeError.
func (m *MemberSink) GrantRole(ctx context.Context, connection store.Scope, member, role string) error {
	if err := checkText("role_id", role, maxRole); err != nil {
		return err
	}
	return m.direct(ctx, connection, member, func(roles []string) []string {
		if slices.Contains(roles, role) {
			return roles
		}
		return append(roles, role)
	})
}

// RevokeRole takes a role back that was given directly; what the member has it for otherwise stays. store.ErrNotFound as in GrantRole.
func (m *MemberSink) RevokeRole(ctx context.Context, connection store.Scope, member, role string) error {
	return m.direct(ctx, connection, member, func(roles []string) []string {
		return slices.DeleteFunc(roles, func(r string) bool { return r == role })
	})
}

// direct changes the roles of a member that were given directly.
func (m *MemberSink) direct(ctx context.Context, scope store.Scope, member string, change func([]string) []string) error {
	return store.InTx(ctx, m.tx, func(ctx context.Context) error {
		user, err := m.config.Store.Get(ctx, scope, store.Ref{Type: userType, ID: member}) // locks it
		if err != nil {
			return err
		}
		rules, err := m.rules(ctx, scope)
		if err != nil {
			return err
		}
		is, _, err := identify(ctx, rules, user)
		if err != nil && !isUnmapped(err) {
			return err
		}
		if is.Status != MemberActive {
			return store.ErrNotFound
		}
		grants, err := m.config.State.Grants(ctx, scope, member)
		if err != nil {
			return err
		}
		roles := []string{}
		for _, g := range grants[member] {
			if g.Source == store.SourceDirect {
				roles = append(roles, g.Role)
			}
		}
		return m.recompute(ctx, rules, []string{member}, func(s *standing) { s.direct = change(roles) })
	})
}

// Member returns a member as the host was told. store.ErrNotFound: there is none, or it was removed.
func (m *MemberSink) Member(ctx context.Context, connection store.Scope, id string) (Member, error) {
	user, err := m.config.Store.Get(ctx, connection, store.Ref{Type: userType, ID: id})
	if err != nil {
		return Member{}, err
	}
	list, err := m.told(ctx, connection, []store.Resource{user})
	if err != nil {
		return Member{}, err
	}
	return list[0], nil
}

// List returns members as the host was told, in the order of their creation: those from the start-th on, from 1, count at most. total is
// how many there are.
func (m *MemberSink) List(ctx context.Context, connection store.Scope, start, count int) (list []Member, total int, err error) {
	page, err := m.config.Store.List(ctx, connection, store.Query{Type: userType, Start: start, Count: count})
	if err != nil {
		return nil, 0, err
	}
	list, err = m.told(ctx, connection, page.Resources)
	return list, page.Total, err
}

// told completes users with their groups and the roles that they were granted.
func (m *MemberSink) told(ctx context.Context, scope store.Scope, users []store.Resource) ([]Member, error) {
	rules, err := m.rules(ctx, scope)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(users))
	list := make([]Member, len(users))
	for i, user := range users {
		if list[i], _, err = identify(ctx, rules, user); err != nil && !isUnmapped(err) {
			return nil, err
		}
		ids[i] = user.ID
	}
	granted, err := m.config.State.Grants(ctx, scope, ids...)
	if err != nil {
		return nil, err
	}
	groups, err := m.groups.Groups(ctx, scope, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		list[i].Groups, list[i].Roles = groups[id], roles(granted[id])
		slices.SortFunc(list[i].Groups, func(a, b store.Group) int { return strings.Compare(a.ID, b.ID) })
	}
	return list, nil
}

// Resync tells the host about every member of a connection anew, with before equal to after unless a role changes, in transactions of a
// few hundred each: after the host changed its rules, or lost what it was told. An error ends it; what was told stays.
func (m *MemberSink) Resync(ctx context.Context, connection store.Scope) error {
	page, err := m.config.Store.List(ctx, connection, store.Query{Type: userType, Start: 1})
	if err != nil {
		return err
	}
	// From the end: whoever is deleted meanwhile moves others towards it, so that some come twice and none is left out.
	for start := (page.Total-1)/together*together + 1; start > 0; start -= together {
		page, err := m.config.Store.List(ctx, connection, store.Query{Type: userType, Start: start, Count: together})
		if err != nil {
			return err
		}
		ids := make([]string, len(page.Resources))
		for i, r := range page.Resources {
			ids[i] = r.ID
		}
		err = store.InTx(ctx, m.tx, func(ctx context.Context) error {
			rules, err := m.rules(ctx, connection)
			if err != nil {
				return err
			}
			return m.recompute(ctx, rules, ids, func(s *standing) { s.always = true })
		})
		if err != nil {
			return err
		}
	}
	return nil
}
