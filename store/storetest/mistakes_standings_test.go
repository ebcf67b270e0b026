package storetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// knowledge is the methods of hooked for what is known of members.
type knowledge struct {
	mapping          func(context.Context, store.Scope) (string, error)
	putMapping       func(context.Context, store.Scope, string) error
	assignments      func(context.Context, store.Scope) ([]store.RoleAssignment, error)
	putAssignments   func(context.Context, store.Scope, []store.RoleAssignment) error
	grants           func(context.Context, store.Scope, ...string) (map[string][]store.Grant, error)
	putGrants        func(context.Context, store.Scope, string, []store.Grant) error
	granted          func(context.Context, store.Scope, store.GrantQuery) ([]string, error)
	putTombstone     func(context.Context, store.Scope, store.Tombstone) error
	tombstones       func(context.Context, store.Scope, string, string) ([]store.Tombstone, error)
	forgetTombstones func(context.Context, time.Time) error
	// within is the context and the scope that a method of that name goes on with.
	within func(method string, ctx context.Context, scope store.Scope) (context.Context, store.Scope)
}

func knowledgeOf(m *memstore.Store) knowledge {
	return knowledge{
		mapping: m.AttributeMapping, putMapping: m.PutAttributeMapping, assignments: m.RoleAssignments, putAssignments: m.PutRoleAssignments,
		grants: m.Grants, putGrants: m.PutGrants, granted: m.Granted, putTombstone: m.PutTombstone, tombstones: m.Tombstones,
		forgetTombstones: m.ForgetTombstones,
		within: func(_ string, ctx context.Context, scope store.Scope) (context.Context, store.Scope) {
			return ctx, scope
		},
	}
}

func (h *hooked) AttributeMapping(ctx context.Context, scope store.Scope) (string, error) {
	return h.mapping(h.within("AttributeMapping", ctx, scope))
}

func (h *hooked) PutAttributeMapping(ctx context.Context, scope store.Scope, mapping string) error {
	ctx, scope = h.within("PutAttributeMapping", ctx, scope)
	return h.putMapping(ctx, scope, mapping)
}

func (h *hooked) RoleAssignments(ctx context.Context, scope store.Scope) ([]store.RoleAssignment, error) {
	return h.assignments(h.within("RoleAssignments", ctx, scope))
}

func (h *hooked) PutRoleAssignments(ctx context.Context, scope store.Scope, list []store.RoleAssignment) error {
	ctx, scope = h.within("PutRoleAssignments", ctx, scope)
	return h.putAssignments(ctx, scope, list)
}

func (h *hooked) Grants(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
	ctx, scope = h.within("Grants", ctx, scope)
	return h.grants(ctx, scope, members...)
}

func (h *hooked) PutGrants(ctx context.Context, scope store.Scope, member string, grants []store.Grant) error {
	ctx, scope = h.within("PutGrants", ctx, scope)
	return h.putGrants(ctx, scope, member, grants)
}

func (h *hooked) Granted(ctx context.Context, scope store.Scope, query store.GrantQuery) ([]string, error) {
	ctx, scope = h.within("Granted", ctx, scope)
	return h.granted(ctx, scope, query)
}

func (h *hooked) PutTombstone(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
	ctx, scope = h.within("PutTombstone", ctx, scope)
	return h.putTombstone(ctx, scope, stone)
}

func (h *hooked) Tombstones(ctx context.Context, scope store.Scope, externalID, userName string) ([]store.Tombstone, error) {
	ctx, scope = h.within("Tombstones", ctx, scope)
	return h.tombstones(ctx, scope, externalID, userName)
}

func (h *hooked) ForgetTombstones(ctx context.Context, before time.Time) error {
	ctx, _ = h.within("ForgetTombstones", ctx, store.Scope{})
	return h.forgetTombstones(ctx, before)
}

// standingMutants are mistakes with what is known of members.
func standingMutants() []mutant {
	list := slices.Concat(mappingMutants, assignmentMutants, grantMutants, grantedMutants, tombstoneMutants, crowdMutants, purgedMutants)
	for _, method := range []string{
		"AttributeMapping", "PutAttributeMapping", "RoleAssignments", "PutRoleAssignments", "Grants", "PutGrants", "Granted", "PutTombstone", "Tombstones",
	} {
		list = append(list, scopeMutants(method)...)
	}
	for _, method := range []string{"PutAttributeMapping", "PutRoleAssignments", "PutGrants", "PutTombstone", "ForgetTombstones"} {
		list = append(list, mutant{method + " is no part of a transaction", []string{"Transactions/with what is known of members"}, func(h *hooked) {
			apart(h, method)
		}})
	}
	for _, method := range []string{"AttributeMapping", "RoleAssignments", "Grants", "Granted", "Tombstones"} {
		list = append(list, mutant{method + " reads what was before the transaction", []string{"Transactions/with what is known of members"}, func(h *hooked) {
			nothing := store.Scope{Connection: "nobody", Tenant: "nobody"}
			h.inTx = func(ctx context.Context, f func(context.Context) error) error {
				return h.Store.InTx(ctx, func(ctx context.Context) error { return f(context.WithValue(ctx, inside{}, true)) })
			}
			h.within = func(name string, ctx context.Context, scope store.Scope) (context.Context, store.Scope) {
				if name == method && ctx.Value(inside{}) != nil {
					return ctx, nothing
				}
				return ctx, scope
			}
		}})
	}
	return list
}

// scopeMutants are mistakes of one method with its scope.
func scopeMutants(method string) []mutant {
	return []mutant{
		{method + " without a scope", []string{"Standing/needs a scope"}, func(h *hooked) {
			h.within = func(name string, ctx context.Context, scope store.Scope) (context.Context, store.Scope) {
				if name == method {
					scope = store.Scope{Connection: cmp.Or(scope.Connection, "all"), Tenant: cmp.Or(scope.Tenant, "all")}
				}
				return ctx, scope
			}
		}},
		{method + " of every tenant", []string{"Standing/is of one scope"}, func(h *hooked) {
			mixing(h, method, func(a, b store.Scope) bool { return a.Connection == b.Connection })
		}},
		{method + " of every connection", []string{"Standing/is of one scope"}, func(h *hooked) {
			mixing(h, method, func(a, b store.Scope) bool { return a.Tenant == b.Tenant })
		}},
	}
}

// mixing lets one method reach the first scope that was written to and is taken for the same.
func mixing(h *hooked, method string, same func(a, b store.Scope) bool) {
	var mu sync.Mutex
	var written []store.Scope
	h.within = func(name string, ctx context.Context, scope store.Scope) (context.Context, store.Scope) {
		mu.Lock()
		defer mu.Unlock()
		if name == method {
			for _, other := range written {
				if same(scope, other) {
					return ctx, other
				}
			}
		}
		if strings.HasPrefix(name, "Put") {
			written = append(written, scope)
		}
		return ctx, scope
	}
}

// apart commits what a method does in a transaction, whatever becomes of that.
func apart(h *hooked, method string) {
	type pending struct{ again []func() error }
	h.inTx = func(ctx context.Context, f func(context.Context) error) error {
		var p pending
		err := h.Store.InTx(ctx, func(ctx context.Context) error { return f(context.WithValue(ctx, inside{}, &p)) })
		for _, again := range p.again {
			err = errors.Join(err, again())
		}
		return err
	}
	note := func(ctx context.Context, name string, do func(ctx context.Context) error) error {
		if p, ok := ctx.Value(inside{}).(*pending); ok && name == method {
			p.again = append(p.again, func() error { return do(context.Background()) })
		}
		return do(ctx)
	}
	h.putMapping = func(ctx context.Context, scope store.Scope, mapping string) error {
		return note(ctx, "PutAttributeMapping", func(ctx context.Context) error { return h.Store.PutAttributeMapping(ctx, scope, mapping) })
	}
	h.putAssignments = func(ctx context.Context, scope store.Scope, list []store.RoleAssignment) error {
		return note(ctx, "PutRoleAssignments", func(ctx context.Context) error { return h.Store.PutRoleAssignments(ctx, scope, list) })
	}
	h.putGrants = func(ctx context.Context, scope store.Scope, member string, grants []store.Grant) error {
		return note(ctx, "PutGrants", func(ctx context.Context) error { return h.Store.PutGrants(ctx, scope, member, grants) })
	}
	h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
		return note(ctx, "PutTombstone", func(ctx context.Context) error { return h.Store.PutTombstone(ctx, scope, stone) })
	}
	h.forgetTombstones = func(ctx context.Context, before time.Time) error {
		return note(ctx, "ForgetTombstones", func(ctx context.Context) error { return h.Store.ForgetTombstones(ctx, before) })
	}
}

// mappingAs changes attribute mappings before they are kept.
func mappingAs(h *hooked, edit func(before, mapping string) string) {
	h.putMapping = func(ctx context.Context, scope store.Scope, mapping string) error {
		before, err := h.Store.AttributeMapping(ctx, scope)
		return errors.Join(err, h.Store.PutAttributeMapping(ctx, scope, edit(before, mapping)))
	}
}

var mappingMutants = []mutant{
	{"keeps the first attribute mapping", []string{"Standing/attribute mappings are kept"}, func(h *hooked) {
		mappingAs(h, func(before, mapping string) string { return cmp.Or(before, mapping) })
	}},
	{"removes no attribute mapping", []string{"Standing/attribute mappings are kept"}, func(h *hooked) {
		mappingAs(h, func(before, mapping string) string { return cmp.Or(mapping, before) })
	}},
	{"keeps an empty object for an empty mapping", []string{"Standing/attribute mappings are kept"}, func(h *hooked) {
		mappingAs(h, func(_, mapping string) string { return cmp.Or(mapping, "{}") })
	}},
	{"compacts attribute mappings", []string{"Standing/attribute mappings are kept"}, func(h *hooked) {
		mappingAs(h, func(_, mapping string) string {
			var b bytes.Buffer
			if err := json.Compact(&b, []byte(mapping)); err != nil {
				return mapping
			}
			return b.String()
		})
	}},
	{"cuts attribute mappings", []string{"Standing/attribute mappings are kept"}, func(h *hooked) {
		mappingAs(h, func(_, mapping string) string { return mapping[:min(len(mapping), 65_535)] })
	}},
	{"does not find who has no attribute mapping", []string{"Standing/attribute mappings are kept"}, func(h *hooked) {
		h.mapping = func(ctx context.Context, scope store.Scope) (string, error) {
			mapping, err := h.Store.AttributeMapping(ctx, scope)
			if mapping == "" {
				err = store.ErrNotFound
			}
			return mapping, err
		}
	}},
}

// assigning changes the assignments before they are kept.
func assigning(h *hooked, edit func(before, list []store.RoleAssignment) []store.RoleAssignment) {
	h.putAssignments = func(ctx context.Context, scope store.Scope, list []store.RoleAssignment) error {
		before, err := h.Store.RoleAssignments(ctx, scope)
		return errors.Join(err, h.Store.PutRoleAssignments(ctx, scope, edit(before, slices.Clone(list))))
	}
}

// assigned changes the assignments that are returned.
func assigned(h *hooked, edit func(list []store.RoleAssignment) []store.RoleAssignment) {
	h.assignments = func(ctx context.Context, scope store.Scope) ([]store.RoleAssignment, error) {
		list, err := h.Store.RoleAssignments(ctx, scope)
		return edit(list), err
	}
}

var assignmentMutants = []mutant{
	{"orders assignments by role", []string{"Standing/role assignments are kept in order"}, func(h *hooked) {
		assigned(h, func(list []store.RoleAssignment) []store.RoleAssignment {
			slices.SortStableFunc(list, func(a, b store.RoleAssignment) int { return strings.Compare(a.Role, b.Role) })
			return list
		})
	}},
	{"orders the roles of a group backward", []string{"Standing/role assignments are kept in order"}, func(h *hooked) {
		assigned(h, func(list []store.RoleAssignment) []store.RoleAssignment {
			slices.SortFunc(list, func(a, b store.RoleAssignment) int {
				return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(b.Role, a.Role))
			})
			return list
		})
	}},
	{"keeps one role of each group", []string{"Standing/role assignments are kept in order"}, func(h *hooked) {
		assigning(h, func(_, list []store.RoleAssignment) []store.RoleAssignment {
			slices.SortFunc(list, func(a, b store.RoleAssignment) int { return strings.Compare(a.Group, b.Group) })
			return slices.CompactFunc(list, func(a, b store.RoleAssignment) bool { return a.Group == b.Group })
		})
	}},
	{"adds assignments", []string{"Standing/role assignments are replaced", "Standing/texts are kept"}, func(h *hooked) {
		assigning(h, func(before, list []store.RoleAssignment) []store.RoleAssignment { return slices.Concat(before, list) })
	}},
	{"keeps the assignments when none are put", []string{"Standing/role assignments are replaced"}, func(h *hooked) {
		assigning(h, func(before, list []store.RoleAssignment) []store.RoleAssignment {
			if len(list) == 0 {
				return before
			}
			return list
		})
	}},
	{"replaces the assignments of the groups that are named", []string{"Standing/role assignments are replaced"}, func(h *hooked) {
		assigning(h, func(before, list []store.RoleAssignment) []store.RoleAssignment {
			for _, b := range before {
				if len(list) > 0 && !slices.ContainsFunc(list, func(a store.RoleAssignment) bool { return a.Group == b.Group }) {
					list = append(list, b)
				}
			}
			return list
		})
	}},
	{"refuses assignments that are repeated", []string{"Standing/role assignments are replaced"}, func(h *hooked) {
		h.putAssignments = func(ctx context.Context, scope store.Scope, list []store.RoleAssignment) error {
			for i, a := range list {
				if slices.Contains(list[:i], a) {
					return store.ErrUniqueness
				}
			}
			return h.Store.PutRoleAssignments(ctx, scope, list)
		}
	}},
	{"folds roles", []string{"Standing/texts are kept"}, func(h *hooked) {
		assigning(h, func(_, list []store.RoleAssignment) []store.RoleAssignment {
			for i := range list {
				list[i].Role = strings.ToLower(list[i].Role)
			}
			return list
		})
	}},
	{"keeps the caller's assignments", []string{"Standing/what was passed in or returned may be changed"}, func(h *hooked) {
		var kept []store.RoleAssignment
		h.putAssignments = func(_ context.Context, _ store.Scope, list []store.RoleAssignment) error {
			kept = list
			return nil
		}
		h.assignments = func(context.Context, store.Scope) ([]store.RoleAssignment, error) { return slices.Clone(kept), nil }
	}},
	{"sorts the caller's assignments", []string{"Standing/what was passed in or returned may be changed"}, func(h *hooked) {
		h.putAssignments = func(ctx context.Context, scope store.Scope, list []store.RoleAssignment) error {
			slices.SortFunc(list, func(a, b store.RoleAssignment) int { return strings.Compare(a.Group, b.Group) })
			return h.Store.PutRoleAssignments(ctx, scope, list)
		}
	}},
	{"hands out the assignments that it keeps", []string{"Standing/what was passed in or returned may be changed"}, func(h *hooked) {
		var kept []store.RoleAssignment
		h.putAssignments = func(_ context.Context, _ store.Scope, list []store.RoleAssignment) error {
			kept = slices.Clone(list)
			return nil
		}
		h.assignments = func(context.Context, store.Scope) ([]store.RoleAssignment, error) { return kept, nil }
	}},
}

// granting changes a member's grants before they are kept.
func granting(h *hooked, edit func(before, list []store.Grant) []store.Grant) {
	h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
		before, err := h.Store.Grants(ctx, scope, member)
		return errors.Join(err, h.Store.PutGrants(ctx, scope, member, edit(before[member], slices.Clone(list))))
	}
}

// grantsBy orders the grants that are returned.
func grantsBy(h *hooked, compare func(a, b store.Grant) int) {
	h.grants = func(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
		found, err := h.Store.Grants(ctx, scope, members...)
		for _, list := range found {
			slices.SortStableFunc(list, compare)
		}
		return found, err
	}
}

// keptGrants keeps the grants of members elsewhere.
func keptGrants(h *hooked, put, get func([]store.Grant) []store.Grant) {
	var kept sync.Map
	h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
		kept.Store(member, put(list))
		return h.Store.PutGrants(ctx, scope, member, list)
	}
	h.grants = func(_ context.Context, _ store.Scope, members ...string) (map[string][]store.Grant, error) {
		found := map[string][]store.Grant{}
		for _, member := range members {
			if list, ok := kept.Load(member); ok {
				found[member] = get(list.([]store.Grant))
			}
		}
		return found, nil
	}
}

func itself(list []store.Grant) []store.Grant { return list }

var grantMutants = []mutant{
	{"orders grants by source", []string{"Standing/grants are kept in order"}, func(h *hooked) {
		grantsBy(h, func(a, b store.Grant) int { return cmp.Compare(a.Source, b.Source) })
	}},
	{"orders the sources of a role backward", []string{"Standing/grants are kept in order"}, func(h *hooked) {
		grantsBy(h, func(a, b store.Grant) int {
			return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(b.Source, a.Source))
		})
	}},
	{"orders the groups of a role backward", []string{"Standing/grants are kept in order"}, func(h *hooked) {
		grantsBy(h, func(a, b store.Grant) int {
			return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Source, b.Source), cmp.Compare(b.Group, a.Group))
		})
	}},
	{"keeps one source of each role", []string{"Standing/grants are kept in order"}, func(h *hooked) {
		granting(h, func(_, list []store.Grant) []store.Grant {
			slices.SortFunc(list, func(a, b store.Grant) int { return strings.Compare(a.Role, b.Role) })
			return slices.CompactFunc(list, func(a, b store.Grant) bool { return a.Role == b.Role })
		})
	}},
	{"keeps no group of a grant", []string{"Standing/grants are kept in order", "Standing/who was granted what"}, func(h *hooked) {
		granting(h, func(_, list []store.Grant) []store.Grant {
			for i := range list {
				list[i].Group = ""
			}
			return list
		})
	}},
	{"names members without grants", []string{"Standing/grants are kept in order", "Standing/grants are replaced"}, func(h *hooked) {
		h.grants = func(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
			found, err := h.Store.Grants(ctx, scope, members...)
			for _, member := range members {
				found[member] = found[member][:len(found[member]):len(found[member])]
			}
			return found, err
		}
	}},
	{"returns the grants of everybody", []string{"Standing/grants are kept in order"}, func(h *hooked) {
		var known sync.Map
		h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
			known.Store(member, true)
			return h.Store.PutGrants(ctx, scope, member, list)
		}
		h.grants = func(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
			if len(members) == 0 {
				known.Range(func(member, _ any) bool {
					members = append(members, member.(string))
					return true
				})
			}
			return h.Store.Grants(ctx, scope, members...)
		}
	}},
	{"returns the grants of one member", []string{"Standing/grants are kept in order", "Standing/many members are written at once"}, func(h *hooked) {
		h.grants = func(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
			return h.Store.Grants(ctx, scope, members[:min(len(members), 1)]...)
		}
	}},
	{"adds grants", []string{"Standing/grants are replaced"}, func(h *hooked) {
		granting(h, func(before, list []store.Grant) []store.Grant { return slices.Concat(before, list) })
	}},
	{"keeps the grants when none are put", []string{"Standing/grants are replaced"}, func(h *hooked) {
		granting(h, func(before, list []store.Grant) []store.Grant {
			if len(list) == 0 {
				return before
			}
			return list
		})
	}},
	{"replaces the grants of everybody", []string{"Standing/grants are replaced"}, func(h *hooked) {
		last := ""
		h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
			before := last
			last = member
			return errors.Join(h.Store.PutGrants(ctx, scope, before, nil), h.Store.PutGrants(ctx, scope, member, list))
		}
	}},
	{"refuses grants that are repeated", []string{"Standing/grants are replaced"}, func(h *hooked) {
		h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
			for i, g := range list {
				if slices.Contains(list[:i], g) {
					return store.ErrUniqueness
				}
			}
			return h.Store.PutGrants(ctx, scope, member, list)
		}
	}},
	{"counts grants that are repeated", []string{"Standing/grants are replaced"}, func(h *hooked) {
		keptGrants(h, slices.Clone[[]store.Grant], func(list []store.Grant) []store.Grant {
			return slices.SortedFunc(slices.Values(list), func(a, b store.Grant) int {
				return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Group, b.Group))
			})
		})
	}},
	{"folds members", []string{"Standing/texts are kept"}, func(h *hooked) {
		h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
			return h.Store.PutGrants(ctx, scope, strings.ToLower(member), list)
		}
	}},
	{"trims texts", []string{"Standing/texts are kept"}, func(h *hooked) {
		granting(h, func(_, list []store.Grant) []store.Grant {
			for i := range list {
				list[i].Role = strings.TrimSpace(list[i].Role)
			}
			return list
		})
	}},
	{"keeps the caller's grants", []string{"Standing/what was passed in or returned may be changed"}, func(h *hooked) {
		keptGrants(h, itself, slices.Clone[[]store.Grant])
	}},
	{"sorts the caller's grants", []string{"Standing/what was passed in or returned may be changed"}, func(h *hooked) {
		h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
			slices.SortFunc(list, func(a, b store.Grant) int { return strings.Compare(a.Role, b.Role) })
			return h.Store.PutGrants(ctx, scope, member, list)
		}
	}},
	{"hands out the grants that it keeps", []string{"Standing/what was passed in or returned may be changed"}, func(h *hooked) {
		keptGrants(h, slices.Clone[[]store.Grant], itself)
	}},
}

// asking changes the query for members, and the answer.
func asking(h *hooked, query func(*store.GrantQuery), answer func(asked store.GrantQuery, members []string) []string) {
	h.granted = func(ctx context.Context, scope store.Scope, q store.GrantQuery) ([]string, error) {
		asked := q
		query(&q)
		members, err := h.Store.Granted(ctx, scope, q)
		return answer(asked, members), err
	}
}

func unasked(*store.GrantQuery) {}

func answered(_ store.GrantQuery, members []string) []string { return members }

// ofEverySource finds the members of grants that fit, each once or once for every such grant.
func ofEverySource(h *hooked, fits func(q store.GrantQuery, g store.Grant) bool, once bool) {
	var known sync.Map
	h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
		known.Store(member, true)
		return h.Store.PutGrants(ctx, scope, member, list)
	}
	h.granted = func(ctx context.Context, scope store.Scope, q store.GrantQuery) (found []string, err error) {
		var members []string
		known.Range(func(member, _ any) bool {
			members = append(members, member.(string))
			return true
		})
		slices.Sort(members)
		grants, err := h.Store.Grants(ctx, scope, members...)
		for _, member := range members {
			for _, g := range grants[member] {
				if member > q.After && fits(q, g) {
					found = append(found, member)
				}
			}
		}
		if once {
			found = slices.Compact(found)
		}
		return found[:min(len(found), q.Limit)], err
	}
}

var grantedMutants = []mutant{
	{"finds members by any source", []string{"Standing/who was granted what"}, func(h *hooked) {
		ofEverySource(h, func(q store.GrantQuery, g store.Grant) bool { return q.Group == "" || g.Group == q.Group }, true)
	}},
	{"finds members of any group", []string{"Standing/who was granted what", "Standing/texts are kept"}, func(h *hooked) {
		asking(h, func(q *store.GrantQuery) { q.Group = "" }, answered)
	}},
	{"finds no members of any group", []string{"Standing/who was granted what", "Standing/pages of members"}, func(h *hooked) {
		ofEverySource(h, func(q store.GrantQuery, g store.Grant) bool { return q.Source == g.Source && g.Group == q.Group }, true)
	}},
	{"finds groups by the beginning of their ids", []string{"Standing/who was granted what"}, func(h *hooked) {
		ofEverySource(h, func(q store.GrantQuery, g store.Grant) bool {
			return q.Source == g.Source && strings.HasPrefix(g.Group, q.Group)
		}, true)
	}},
	{"finds a member for each grant", []string{"Standing/who was granted what", "Standing/pages of members"}, func(h *hooked) {
		ofEverySource(h, func(q store.GrantQuery, g store.Grant) bool {
			return q.Source == g.Source && (q.Group == "" || g.Group == q.Group)
		}, false)
	}},
	{"finds the last members first", []string{"Standing/who was granted what"}, func(h *hooked) {
		asking(h, unasked, func(_ store.GrantQuery, members []string) []string { return backward(members) })
	}},
	{"begins with the last of the page before", []string{"Standing/pages of members"}, func(h *hooked) {
		asking(h, func(q *store.GrantQuery) { q.After = q.After[:max(len(q.After)-1, 0)] }, answered)
	}},
	{"always returns the first page", []string{"Standing/pages of members"}, func(h *hooked) {
		asking(h, func(q *store.GrantQuery) { q.After = "" }, answered)
	}},
	{"returns all members on a page", []string{"Standing/pages of members"}, func(h *hooked) {
		asking(h, func(q *store.GrantQuery) { q.Limit = everything }, answered)
	}},
	{"returns one member less", []string{"Standing/pages of members"}, func(h *hooked) {
		asking(h, unasked, func(q store.GrantQuery, members []string) []string {
			return members[:min(len(members), max(q.Limit-1, 1))]
		})
	}},
	{"limits grants", []string{"Standing/pages of members"}, func(h *hooked) {
		ofEverySource(h, func(q store.GrantQuery, g store.Grant) bool {
			return q.Source == g.Source && (q.Group == "" || g.Group == q.Group)
		}, false)
		all := h.granted
		h.granted = func(ctx context.Context, scope store.Scope, q store.GrantQuery) ([]string, error) {
			members, err := all(ctx, scope, q)
			return slices.Compact(members), err
		}
	}},
	{"pages by the place of the last member", []string{"Standing/pages of members"}, func(h *hooked) {
		h.granted = func(ctx context.Context, scope store.Scope, q store.GrantQuery) ([]string, error) {
			after := q.After
			q.After = ""
			limit := q.Limit
			q.Limit = everything
			members, err := h.Store.Granted(ctx, scope, q)
			members = members[slices.Index(members, after)+1:]
			return members[:min(len(members), limit)], err
		}
	}},
}

// keptStones keeps tombstones elsewhere.
func keptStones(h *hooked, find func(all []store.Tombstone, externalID, userName string) []store.Tombstone) {
	var mu sync.Mutex
	var kept []store.Tombstone
	h.putTombstone = func(_ context.Context, _ store.Scope, stone store.Tombstone) error {
		mu.Lock()
		defer mu.Unlock()
		stone.DeletedAt = stone.DeletedAt.UTC()
		kept = append(slices.DeleteFunc(kept, func(s store.Tombstone) bool { return s.Member == stone.Member }), stone)
		return nil
	}
	h.tombstones = func(_ context.Context, _ store.Scope, externalID, userName string) ([]store.Tombstone, error) {
		mu.Lock()
		defer mu.Unlock()
		found := find(slices.Clone(kept), externalID, userName)
		slices.SortStableFunc(found, func(a, b store.Tombstone) int { return b.DeletedAt.Compare(a.DeletedAt) })
		return found[:min(len(found), 10)], nil
	}
}

// stonesFound changes the tombstones that are returned.
func stonesFound(h *hooked, edit func([]store.Tombstone) []store.Tombstone) {
	h.tombstones = func(ctx context.Context, scope store.Scope, externalID, userName string) ([]store.Tombstone, error) {
		list, err := h.Store.Tombstones(ctx, scope, externalID, userName)
		return edit(list), err
	}
}

func where(list []store.Tombstone, f func(store.Tombstone) bool) []store.Tombstone {
	return slices.DeleteFunc(slices.Clone(list), func(s store.Tombstone) bool { return !f(s) })
}

var tombstoneMutants = []mutant{
	{"keeps milliseconds of tombstones", []string{"Standing/tombstones are kept"}, func(h *hooked) {
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			stone.DeletedAt = stone.DeletedAt.Truncate(time.Millisecond)
			return h.Store.PutTombstone(ctx, scope, stone)
		}
	}},
	{"keeps the time zone of tombstones", []string{"Standing/tombstones are kept"}, func(h *hooked) {
		stonesFound(h, func(list []store.Tombstone) []store.Tombstone {
			for i := range list {
				list[i].DeletedAt = list[i].DeletedAt.In(time.FixedZone("east", 2*60*60))
			}
			return list
		})
	}},
	{"keeps no external id", []string{"Standing/tombstones are kept"}, func(h *hooked) {
		stonesFound(h, func(list []store.Tombstone) []store.Tombstone {
			for i := range list {
				list[i].ExternalID = ""
			}
			return list
		})
	}},
	{"confuses external ids and user names", []string{"Standing/tombstones are kept", "Standing/tombstones are found by either name"}, func(h *hooked) {
		keptStones(h, func(all []store.Tombstone, externalID, userName string) []store.Tombstone {
			return where(all, func(s store.Tombstone) bool {
				names := []string{s.ExternalID, s.UserName}
				return externalID != "" && slices.Contains(names, externalID) || slices.Contains(names, userName)
			})
		})
	}},
	{"finds tombstones without an external id", []string{"Standing/tombstones are found by either name"}, func(h *hooked) {
		keptStones(h, func(all []store.Tombstone, externalID, userName string) []store.Tombstone {
			return where(all, func(s store.Tombstone) bool { return s.ExternalID == externalID || s.UserName == userName })
		})
	}},
	{"finds tombstones by both names", []string{"Standing/tombstones are found by either name"}, func(h *hooked) {
		keptStones(h, func(all []store.Tombstone, externalID, userName string) []store.Tombstone {
			return where(all, func(s store.Tombstone) bool {
				return externalID != "" && s.ExternalID == externalID && s.UserName == userName
			})
		})
	}},
	{"finds tombstones by external ids first", []string{"Standing/tombstones are found by either name"}, func(h *hooked) {
		keptStones(h, func(all []store.Tombstone, externalID, userName string) []store.Tombstone {
			found := where(all, func(s store.Tombstone) bool { return externalID != "" && s.ExternalID == externalID })
			if len(found) == 0 {
				found = where(all, func(s store.Tombstone) bool { return s.UserName == userName })
			}
			return found
		})
	}},
	{"finds tombstones twice", []string{"Standing/tombstones are found by either name", "Standing/the latest tombstones come first"}, func(h *hooked) {
		keptStones(h, func(all []store.Tombstone, externalID, userName string) []store.Tombstone {
			return slices.Concat(where(all, func(s store.Tombstone) bool { return externalID != "" && s.ExternalID == externalID }),
				where(all, func(s store.Tombstone) bool { return s.UserName == userName }))
		})
	}},
	{"finds the first tombstones first", []string{"Standing/the latest tombstones come first"}, func(h *hooked) {
		stonesFound(h, backward[store.Tombstone])
	}},
	{"finds tombstones in the order in which they came", []string{"Standing/the latest tombstones come first"}, func(h *hooked) {
		place, n := map[string]int{}, 0
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			n++
			place[stone.Member] = n
			return h.Store.PutTombstone(ctx, scope, stone)
		}
		stonesFound(h, func(list []store.Tombstone) []store.Tombstone {
			slices.SortFunc(list, func(a, b store.Tombstone) int { return cmp.Compare(place[b.Member], place[a.Member]) })
			return list
		})
	}},
	{"finds nine tombstones", []string{"Standing/the latest tombstones come first"}, func(h *hooked) {
		stonesFound(h, func(list []store.Tombstone) []store.Tombstone { return list[:min(len(list), 9)] })
	}},
	{"finds ten tombstones by each name", []string{"Standing/the latest tombstones come first"}, func(h *hooked) {
		h.tombstones = func(ctx context.Context, scope store.Scope, externalID, userName string) ([]store.Tombstone, error) {
			one, err := h.Store.Tombstones(ctx, scope, externalID, "\x00")
			two, other := h.Store.Tombstones(ctx, scope, "", userName)
			for _, stone := range two {
				if !slices.Contains(one, stone) {
					one = append(one, stone)
				}
			}
			slices.SortFunc(one, func(a, b store.Tombstone) int { return b.DeletedAt.Compare(a.DeletedAt) })
			return one, errors.Join(err, other)
		}
	}},
	{"keeps the first tombstone of a member", []string{"Standing/tombstones are replaced"}, func(h *hooked) {
		var known sync.Map
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			if _, before := known.LoadOrStore(stone.Member, true); before {
				return nil
			}
			return h.Store.PutTombstone(ctx, scope, stone)
		}
	}},
	{"keeps the latest tombstone of a member", []string{"Standing/tombstones are replaced"}, func(h *hooked) {
		var latest sync.Map
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			if before, ok := latest.Load(stone.Member); ok && before.(time.Time).After(stone.DeletedAt) {
				return nil
			}
			latest.Store(stone.Member, stone.DeletedAt)
			return h.Store.PutTombstone(ctx, scope, stone)
		}
	}},
	{"keeps every tombstone of a member", []string{"Standing/tombstones are replaced"}, func(h *hooked) {
		n := 0
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			n++
			stone.Member = fmt.Sprint(stone.Member, "#", n)
			return h.Store.PutTombstone(ctx, scope, stone)
		}
		stonesFound(h, func(list []store.Tombstone) []store.Tombstone {
			for i := range list {
				list[i].Member, _, _ = strings.Cut(list[i].Member, "#")
			}
			return list
		})
	}},
	{"forgets no tombstones", []string{"Standing/tombstones are forgotten"}, func(h *hooked) {
		h.forgetTombstones = func(context.Context, time.Time) error { return nil }
	}},
	{"forgets tombstones from that moment", []string{"Standing/tombstones are forgotten"}, func(h *hooked) {
		h.forgetTombstones = func(ctx context.Context, before time.Time) error {
			return h.Store.ForgetTombstones(ctx, before.Add(time.Microsecond))
		}
	}},
	{"forgets all tombstones", []string{"Standing/tombstones are forgotten"}, func(h *hooked) {
		h.forgetTombstones = func(ctx context.Context, _ time.Time) error {
			return h.Store.ForgetTombstones(ctx, start.AddDate(100, 0, 0))
		}
	}},
	{"forgets the tombstones of one scope", []string{"Standing/tombstones are forgotten"}, func(h *hooked) {
		last, before := store.Scope{}, time.Time{}
		var hidden sync.Map
		h.forgetTombstones = func(_ context.Context, at time.Time) error {
			before = at
			hidden.Store(last, true)
			return nil
		}
		h.tombstones = func(ctx context.Context, scope store.Scope, externalID, userName string) ([]store.Tombstone, error) {
			last = scope
			list, err := h.Store.Tombstones(ctx, scope, externalID, userName)
			if _, ok := hidden.Load(scope); ok {
				list = slices.DeleteFunc(list, func(s store.Tombstone) bool { return s.DeletedAt.Before(before) })
			}
			return list, err
		}
	}},
	{"forgets the grants with the tombstone", []string{"Standing/tombstones are forgotten"}, func(h *hooked) {
		var scopes sync.Map
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			scopes.Store(scope, stone.Member)
			return h.Store.PutTombstone(ctx, scope, stone)
		}
		h.forgetTombstones = func(ctx context.Context, before time.Time) (err error) {
			scopes.Range(func(scope, _ any) bool {
				err = errors.Join(err, h.Store.PutGrants(ctx, scope.(store.Scope), "old", nil))
				return true
			})
			return errors.Join(err, h.Store.ForgetTombstones(ctx, before))
		}
	}},
	{"never takes a forgotten member back", []string{"Standing/tombstones are forgotten"}, func(h *hooked) {
		var known sync.Map
		forgotten := false
		h.forgetTombstones = func(ctx context.Context, before time.Time) error {
			forgotten = true
			return h.Store.ForgetTombstones(ctx, before)
		}
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			if _, before := known.LoadOrStore(fmt.Sprint(scope, stone.Member), true); before && forgotten {
				return nil
			}
			return h.Store.PutTombstone(ctx, scope, stone)
		}
	}},
}

// firstCrowd waits until so many calls have come, and only once.
func firstCrowd() (wait func()) {
	var come atomic.Int64
	pass := barrier(crowd)
	return func() {
		if come.Add(1) <= crowd {
			pass()
		}
	}
}

var crowdMutants = []mutant{
	{"removes the grants before it adds others", []string{"Standing/one of many writes wins"}, func(h *hooked) {
		wait := firstCrowd()
		h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
			if err := h.Store.PutGrants(ctx, scope, member, nil); err != nil {
				return err
			}
			wait()
			return h.Store.InTx(ctx, func(ctx context.Context) error {
				before, err := h.Store.Grants(ctx, scope, member)
				return errors.Join(err, h.Store.PutGrants(ctx, scope, member, slices.Concat(before[member], list)))
			})
		}
	}},
	{"removes the assignments before it adds others", []string{"Standing/one of many writes wins"}, func(h *hooked) {
		wait := firstCrowd()
		h.putAssignments = func(ctx context.Context, scope store.Scope, list []store.RoleAssignment) error {
			if err := h.Store.PutRoleAssignments(ctx, scope, nil); err != nil {
				return err
			}
			wait()
			return h.Store.InTx(ctx, func(ctx context.Context) error {
				before, err := h.Store.RoleAssignments(ctx, scope)
				return errors.Join(err, h.Store.PutRoleAssignments(ctx, scope, slices.Concat(before, list)))
			})
		}
	}},
	{"refuses mappings that come at once", []string{"Standing/one of many writes wins"}, func(h *hooked) {
		var calls atomic.Int64
		h.putMapping = func(ctx context.Context, scope store.Scope, mapping string) error {
			if calls.Add(1) == 2 {
				return store.ErrExists
			}
			return h.Store.PutAttributeMapping(ctx, scope, mapping)
		}
	}},
	{"looks for a tombstone before it adds one", []string{"Standing/one of many writes wins"}, func(h *hooked) {
		wait := firstCrowd()
		var won sync.Map
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			wait()
			if _, before := won.LoadOrStore(stone.Member, true); before {
				return store.ErrExists
			}
			return h.Store.PutTombstone(ctx, scope, stone)
		}
	}},
	{"writes the grants of all members as a whole", []string{"Standing/many members are written at once"}, func(h *hooked) {
		wait := firstCrowd()
		var mu sync.Mutex
		kept := map[string][]store.Grant{}
		h.putGrants = func(_ context.Context, _ store.Scope, member string, list []store.Grant) error {
			mu.Lock()
			next := maps.Clone(kept)
			mu.Unlock()
			next[member] = list
			wait()
			mu.Lock()
			defer mu.Unlock()
			kept = next
			return nil
		}
		h.grants = func(context.Context, store.Scope, ...string) (map[string][]store.Grant, error) { return kept, nil }
	}},
	{"loses tombstones that come at once", []string{"Standing/many members are written at once"}, func(h *hooked) {
		var calls atomic.Int64
		h.putTombstone = func(ctx context.Context, scope store.Scope, stone store.Tombstone) error {
			if calls.Add(1) == 2 {
				return nil
			}
			return h.Store.PutTombstone(ctx, scope, stone)
		}
	}},
	{"shows members between two grants", []string{"Standing/is seen as a whole"}, func(h *hooked) {
		// The second replacement is half-way until somebody has read.
		removed, read := make(chan struct{}), make(chan struct{})
		var once sync.Once
		var mu sync.Mutex
		calls := 0
		h.putGrants = func(ctx context.Context, scope store.Scope, member string, list []store.Grant) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls == 2 {
				if err := h.Store.PutGrants(ctx, scope, member, nil); err != nil {
					return err
				}
				close(removed)
				<-read
			}
			return h.Store.PutGrants(ctx, scope, member, list)
		}
		h.grants = func(ctx context.Context, scope store.Scope, members ...string) (map[string][]store.Grant, error) {
			<-removed
			defer once.Do(func() { close(read) })
			return h.Store.Grants(ctx, scope, members...)
		}
	}},
	{"shows assignments one by one", []string{"Standing/is seen as a whole"}, func(h *hooked) {
		added, read := make(chan struct{}), make(chan struct{})
		var once sync.Once
		var mu sync.Mutex
		calls := 0
		h.putAssignments = func(ctx context.Context, scope store.Scope, list []store.RoleAssignment) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls == 2 {
				if err := h.Store.PutRoleAssignments(ctx, scope, list[:1]); err != nil {
					return err
				}
				close(added)
				<-read
			}
			return h.Store.PutRoleAssignments(ctx, scope, list)
		}
		h.assignments = func(ctx context.Context, scope store.Scope) ([]store.RoleAssignment, error) {
			<-added
			defer once.Do(func() { close(read) })
			return h.Store.RoleAssignments(ctx, scope)
		}
	}},
}

// keeping puts back, after a purge, what of a scope it did not remove.
func keeping(h *hooked, keep func(ctx context.Context, scope store.Scope) (again func() error, err error)) {
	h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
		again, err := keep(ctx, scope)
		if err != nil {
			return false, err
		}
		more, err := h.Store.Purge(ctx, scope, limit)
		return more, errors.Join(err, again())
	}
}

var purgedMutants = []mutant{
	{"keeps what is known of members that were purged", []string{"Standing/is purged"}, func(h *hooked) {
		h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
			more, err := h.purgeSome(ctx, scope, "User", limit)
			if more || err != nil {
				return more, err
			}
			return h.purgeSome(ctx, scope, "Group", limit)
		}
	}},
	{"purges nothing where there are no resources", []string{"Standing/is purged"}, func(h *hooked) {
		h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
			users, err := h.Store.List(ctx, scope, store.Query{Type: "User", Start: 1})
			if err != nil || users.Total == 0 {
				return false, err
			}
			return h.Store.Purge(ctx, scope, limit)
		}
	}},
	{"keeps the mapping of what was purged", []string{"Standing/is purged"}, func(h *hooked) {
		keeping(h, func(ctx context.Context, scope store.Scope) (func() error, error) {
			mapping, err := h.Store.AttributeMapping(ctx, scope)
			return func() error { return h.Store.PutAttributeMapping(ctx, scope, mapping) }, err
		})
	}},
	{"keeps the assignments of what was purged", []string{"Standing/is purged"}, func(h *hooked) {
		keeping(h, func(ctx context.Context, scope store.Scope) (func() error, error) {
			list, err := h.Store.RoleAssignments(ctx, scope)
			return func() error { return h.Store.PutRoleAssignments(ctx, scope, list) }, err
		})
	}},
	{"keeps the grants of what was purged", []string{"Standing/is purged"}, func(h *hooked) {
		keeping(h, func(ctx context.Context, scope store.Scope) (func() error, error) {
			found, err := h.Store.Grants(ctx, scope, "ann")
			return func() error { return h.Store.PutGrants(ctx, scope, "ann", found["ann"]) }, err
		})
	}},
	{"keeps the tombstones of what was purged", []string{"Standing/is purged"}, func(h *hooked) {
		keeping(h, func(ctx context.Context, scope store.Scope) (func() error, error) {
			stones, err := h.Store.Tombstones(ctx, scope, "e", "u")
			return func() (err error) {
				for _, stone := range stones {
					err = errors.Join(err, h.Store.PutTombstone(ctx, scope, stone))
				}
				return err
			}, err
		})
	}},
	{"purges what is known of every tenant", []string{"Standing/is purged"}, func(h *hooked) {
		purgedAlike(h, func(a, b store.Scope) bool { return a.Connection == b.Connection })
	}},
	{"purges what is known of every connection", []string{"Standing/is purged"}, func(h *hooked) {
		purgedAlike(h, func(a, b store.Scope) bool { return a.Tenant == b.Tenant })
	}},
	{"takes back no purge of what is known", []string{"Transactions/with what is known of members"}, func(h *hooked) {
		apartPurge(h)
	}},
}

// purgedAlike purges every scope that is taken for the same.
func purgedAlike(h *hooked, same func(a, b store.Scope) bool) {
	var scopes sync.Map
	h.putMapping = func(ctx context.Context, scope store.Scope, mapping string) error {
		scopes.Store(scope, true)
		return h.Store.PutAttributeMapping(ctx, scope, mapping)
	}
	h.purge = func(ctx context.Context, scope store.Scope, limit int) (more bool, err error) {
		scopes.Range(func(other, _ any) bool {
			if same(scope, other.(store.Scope)) {
				_, err = h.Store.Purge(ctx, other.(store.Scope), limit)
			}
			return err == nil
		})
		return false, err
	}
}

// apartPurge repeats after a transaction the purges in it.
func apartPurge(h *hooked) {
	var scopes []store.Scope
	h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
		scopes = append(scopes, scope)
		return h.Store.Purge(ctx, scope, limit)
	}
	h.inTx = func(ctx context.Context, f func(context.Context) error) error {
		err := h.Store.InTx(ctx, f)
		for _, scope := range scopes {
			_, purge := h.Store.Purge(ctx, scope, 1)
			err = errors.Join(err, purge)
		}
		scopes = nil
		return err
	}
}
