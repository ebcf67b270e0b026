package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/scimkit/scim/store"
)

var (
	holdersOf = both(`
SELECT m.holder FROM scim_resources AS r JOIN scim_members AS m ON m.member = r.number
WHERE r.directory = ? AND r.id = ? AND m.holder IN {numbers}`)
	membersOf = both(`
SELECT m.member FROM scim_resources AS r JOIN scim_members AS m ON m.holder = r.number
WHERE r.directory = ? AND r.id = ? AND m.member IN {numbers}`)
	inAnyGroup = both(`SELECT DISTINCT m.member FROM scim_members AS m WHERE m.member IN {numbers}`)
)

// relations answers a filter's questions on members and groups, each with one statement for all of the records.
func (c call) relations(ctx context.Context, records []*record) func(r *record, relation, id string) (bool, error) {
	type question struct{ relation, id string }
	answers := make(map[question]map[int64]bool)
	ask := func(q question) (map[int64]bool, error) {
		numbers := make([]int64, len(records))
		for i, r := range records {
			numbers[i] = r.number
		}
		st, args := inAnyGroup, []any{list(numbers)}
		switch {
		case q.relation == "members":
			st, args = holdersOf, []any{c.directory, q.id, list(numbers)}
		case q.id != "":
			st, args = membersOf, []any{c.directory, q.id, list(numbers)}
		}
		yes := make(map[int64]bool)
		return yes, c.each(ctx, st, args, func(row scanner) error {
			var number int64
			err := row.Scan(&number)
			yes[number] = true
			return err
		})
	}
	return func(r *record, relation, id string) (bool, error) {
		if relation == "members" && id == "" {
			return r.members > 0, nil
		}
		q := question{relation, id}
		if answers[q] == nil {
			yes, err := ask(q)
			if err != nil {
				return false, err
			}
			answers[q] = yes
		}
		return answers[q][r.number], nil
	}
}

var (
	sizes = both(`
SELECT r.number, r.id, r.members FROM scim_resources AS r WHERE r.directory = ? AND r.id IN {texts}`)
	// The page is taken first, and then joined: where statistics are old, the whole group would be joined, and then sorted.
	membersOfOne = both(`
SELECT m.holder, m.member, r.id, r.type, r.display
FROM (SELECT holder, member FROM scim_members WHERE holder = ? AND member > ? ORDER BY member LIMIT ?) AS m
JOIN scim_resources AS r ON r.number = m.member ORDER BY m.member`)
	membersOfMany = both(`
SELECT m.holder, m.member, r.id, r.type, r.display FROM scim_members AS m JOIN scim_resources AS r ON r.number = m.member
WHERE m.holder IN {numbers} ORDER BY m.holder, m.member`)
)

// group is one group of a MemberQuery.
type group struct {
	id      string
	number  int64
	members int64
}

// membership is a row of a group's members.
type membership struct {
	holder, number int64
	store.Member
}

// Members implements store.MemberLister. The members of a group come in the order of their own creation. Groups that fit into
// the page are read together, and a big one from where the page before ended.
func (s *Store) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (page store.MemberPage, err error) {
	start, last, err := parseCursor(query.After)
	if err != nil {
		return page, err
	}
	c, err := s.open(ctx, scope)
	if err != nil || c.directory == 0 || start >= len(query.Groups) {
		return page, err
	}
	groups, err := c.groups(ctx, query.Groups)
	if err != nil {
		return page, err
	}
	for i := start; i < len(groups); {
		room := query.Limit - len(page.Memberships)
		whole := 0 // groups that fit
		if last == 0 {
			whole = fitting(groups[i:], room)
		}
		if whole > 0 {
			if err := c.wholeGroups(ctx, &page, groups[i:i+whole]); err != nil {
				return page, err
			}
			i += whole
			continue
		}
		// One row more than there is room for tells whether the group goes on.
		found, err := c.memberships(ctx, membersOfOne, groups[i].number, last, room+1)
		if err != nil {
			return page, err
		}
		for _, m := range found[:min(room, len(found))] {
			page.Memberships = append(page.Memberships, store.Membership{Group: groups[i].id, Member: m.Member})
			last = m.number
		}
		if len(found) > room {
			page.Next = formatCursor(i, last)
			return page, nil
		}
		i, last = i+1, 0
	}
	return page, nil
}

// groups finds groups, in the order asked; one that does not exist has the number 0.
func (c call) groups(ctx context.Context, ids []string) ([]group, error) {
	found := make(map[string]group, len(ids))
	err := c.each(ctx, sizes, []any{c.directory, list(ids)}, func(row scanner) error {
		var g group
		err := row.Scan(&g.number, &g.id, &g.members)
		found[g.id] = g
		return err
	})
	groups := make([]group, len(ids))
	for i, id := range ids {
		groups[i] = found[id]
	}
	return groups, err
}

// fitting returns how many of the first groups have no more members than that together.
func fitting(groups []group, room int) int {
	total := int64(0)
	for i, g := range groups {
		if total += g.members; total > int64(room) {
			return i
		}
	}
	return len(groups)
}

// wholeGroups adds the members of some groups to a page.
func (c call) wholeGroups(ctx context.Context, page *store.MemberPage, groups []group) error {
	var numbers []int64
	for _, g := range groups {
		if g.members > 0 {
			numbers = append(numbers, g.number)
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	found, err := c.memberships(ctx, membersOfMany, list(numbers))
	if err != nil {
		return err
	}
	byGroup := make(map[int64][]store.Member, len(groups))
	for _, m := range found {
		byGroup[m.holder] = append(byGroup[m.holder], m.Member)
	}
	for _, g := range groups {
		for _, m := range byGroup[g.number] {
			page.Memberships = append(page.Memberships, store.Membership{Group: g.id, Member: m})
		}
	}
	return nil
}

func (c call) memberships(ctx context.Context, st statement, args ...any) (found []membership, err error) {
	err = c.each(ctx, st, args, func(row scanner) error {
		var m membership
		err := row.Scan(&m.holder, &m.number, &m.ID, &m.Type, &m.Display)
		found = append(found, m)
		return err
	})
	return found, err
}

// A cursor is the index of a group in the query and the number of the last member of it that was returned.
func formatCursor(group int, number int64) string {
	return strconv.Itoa(group) + "-" + strconv.FormatInt(number, 10)
}

func parseCursor(cursor string) (group int, number int64, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	left, right, _ := strings.Cut(cursor, "-")
	if group, err = strconv.Atoi(left); err == nil {
		number, err = strconv.ParseInt(right, 10, 64)
	}
	if err != nil || group < 0 {
		return 0, 0, fmt.Errorf("sqlstore: bad cursor %q", cursor)
	}
	return group, number, nil
}

var groupsOf = both(`
SELECT d.id, r.id, r.type, r.display FROM scim_resources AS d
JOIN scim_members AS m ON m.member = d.number JOIN scim_resources AS r ON r.number = m.holder
WHERE d.directory = ? AND d.id IN {texts} ORDER BY m.member, m.holder`)

// Groups implements store.GroupLister. The groups of a member come in the order of their creation.
func (s *Store) Groups(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
	groups := make(map[string][]store.Group, len(members))
	c, err := s.open(ctx, scope)
	if err != nil || c.directory == 0 {
		return groups, err
	}
	err = c.each(ctx, groupsOf, []any{c.directory, list(members)}, func(row scanner) error {
		var member string
		var g store.Group
		err := row.Scan(&member, &g.ID, &g.Type, &g.Display)
		groups[member] = append(groups[member], g)
		return err
	})
	return groups, err
}
