package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// model is the contract of package store, written down as plainly as possible: slices that are searched from the start.
type model struct{ entries []entry } // in the order of creation

type entry struct {
	ref               store.Ref
	version           store.Version
	created, modified time.Time
	members           []string
	attributes
}

func (m *model) clone() *model {
	c := &model{slices.Clone(m.entries)}
	for i := range c.entries {
		c.entries[i].members = slices.Clone(c.entries[i].members)
	}
	return c
}

func (m *model) find(ref store.Ref) *entry {
	for i := range m.entries {
		if m.entries[i].ref == ref {
			return &m.entries[i]
		}
	}
	return nil
}

func (m *model) byID(id string) *entry {
	for i := range m.entries {
		if m.entries[i].ref.ID == id {
			return &m.entries[i]
		}
	}
	return nil
}

func touch(e *entry, at time.Time) {
	e.version++
	e.modified = e.modified.Add(time.Microsecond)
	if at.After(e.modified) {
		e.modified = at
	}
}

func (m *model) unknown(ids []string) (unknown []string) {
	for _, id := range ids {
		if m.byID(id) == nil {
			unknown = append(unknown, id)
		}
	}
	return unknown
}

func (m *model) taken(ref store.Ref, unique string) bool {
	return unique != "" && slices.ContainsFunc(m.entries, func(e entry) bool { return e.ref.Type == ref.Type && e.ref != ref && e.unique(e.ref) == unique })
}

// outcome is what both sides say about one operation.
type outcome struct {
	err            string
	changed        bool
	added, removed []string
	lost           []string
}

func (m *model) create(ref store.Ref, at time.Time, a attributes, members []string) (o outcome) {
	switch {
	case m.byID(ref.ID) != nil:
		o.err = "uniqueness id"
	case len(m.unknown(members)) > 0:
		o.err = "unknown " + strings.Join(m.unknown(members), " ")
	case m.taken(ref, a.unique(ref)):
		o.err = "uniqueness userName"
	default:
		m.entries = append(m.entries, entry{ref: ref, version: 1, created: at, modified: at, members: slices.Clone(members), attributes: a})
		o = outcome{changed: true, added: members}
	}
	return o
}

func (m *model) update(ref store.Ref, at time.Time, ifVersion store.Version, a *attributes, d patch.Delta) (o outcome) {
	e := m.find(ref)
	switch {
	case e == nil:
		return outcome{err: "not found"}
	case ifVersion != 0 && ifVersion != e.version:
		return outcome{err: "version"}
	case len(m.unknown(d.Add)) > 0:
		return outcome{err: "unknown " + strings.Join(m.unknown(d.Add), " ")}
	case a != nil && m.taken(ref, a.unique(ref)):
		return outcome{err: "uniqueness userName"}
	}
	var final []string
	for _, id := range e.members {
		if d.Clear && !slices.Contains(d.Add, id) || slices.Contains(d.Remove, id) {
			o.removed = append(o.removed, id)
		} else {
			final = append(final, id)
		}
	}
	for _, id := range d.Add {
		if !slices.Contains(final, id) {
			final = append(final, id)
			o.added = append(o.added, id)
		}
	}
	e.members = final
	if a != nil {
		e.attributes = *a
	}
	if o.changed = a != nil || len(o.added)+len(o.removed) > 0; o.changed {
		touch(e, at)
	}
	return o
}

func (m *model) remove(ref store.Ref, at time.Time, ifVersion store.Version) (o outcome) {
	e := m.find(ref)
	switch {
	case e == nil:
		return outcome{err: "not found"}
	case ifVersion != 0 && ifVersion != e.version:
		return outcome{err: "version"}
	}
	for i := range m.entries {
		group := &m.entries[i]
		if slices.Contains(group.members, ref.ID) && group.ref != ref {
			group.members = slices.DeleteFunc(group.members, func(id string) bool { return id == ref.ID })
			touch(group, at)
			o.lost = append(o.lost, fmt.Sprint(group.ref.ID, group.version))
		}
	}
	m.entries = slices.DeleteFunc(m.entries, func(e entry) bool { return e.ref == ref })
	return o
}

// attributes are those of a draft or change. Names come from a few, so that they collide.
type attributes struct{ name, displayName, mail string }

func (a attributes) values(ref store.Ref) map[string]any {
	if ref.Type == "Group" {
		return map[string]any{"displayName": a.name}
	}
	values := map[string]any{"userName": a.name}
	if a.displayName != "" {
		values["displayName"] = a.displayName
	}
	if a.mail != "" {
		values["emails"] = []any{map[string]any{"value": a.mail}, map[string]any{"value": a.mail, "type": "other"}}
	}
	return values
}

func (a attributes) unique(ref store.Ref) string {
	if ref.Type == "User" {
		return strings.ToLower(a.name)
	}
	return ""
}

// display is how members and groups are called.
func (e entry) display() string {
	if e.ref.Type == "User" && e.displayName != "" {
		return e.displayName
	}
	return e.name
}

var names = []string{"ann", "Ann", "bea", "cleo", "dora", "BEA"}

// machine drives the store and the model side by side.
type machine struct {
	t     *rapid.T
	s     *memstore.Store
	model *model
	ids   []string // handed out at some time
	clock int
}

func (m *machine) time() time.Time {
	m.clock += rapid.IntRange(-2, 5).Draw(m.t, "clock")
	return at(max(m.clock, 0))
}

func (m *machine) ref() store.Ref {
	pool := append([]string{"ghost"}, m.ids...)
	typ := rapid.SampledFrom([]string{"User", "Group"}).Draw(m.t, "type")
	id := rapid.SampledFrom(pool).Draw(m.t, "id")
	if e := m.model.byID(id); e != nil && rapid.IntRange(0, 9).Draw(m.t, "right type") > 0 {
		typ = e.ref.Type
	}
	return store.Ref{Type: typ, ID: id}
}

func (m *machine) members() []string {
	if len(m.ids) == 0 {
		return nil
	}
	ids := rapid.SliceOfNDistinct(rapid.SampledFrom(m.ids), 0, min(4, len(m.ids)), rapid.ID[string]).Draw(m.t, "members")
	if rapid.IntRange(0, 9).Draw(m.t, "ghost") == 0 {
		ids = append(ids, "ghost")
	}
	return ids
}

func (m *machine) attributes() attributes {
	return attributes{
		name:        rapid.SampledFrom(names).Draw(m.t, "name"),
		displayName: rapid.SampledFrom([]string{"", "Ann", "bea"}).Draw(m.t, "displayName"),
		mail:        rapid.SampledFrom([]string{"", "ann", "cleo"}).Draw(m.t, "mail"),
	}
}

func (m *machine) version(ref store.Ref) store.Version {
	e := m.model.find(ref)
	switch n := rapid.IntRange(0, 5).Draw(m.t, "condition"); {
	case n == 0 && e != nil:
		return e.version
	case n == 1:
		return store.Version(rapid.IntRange(1, 4).Draw(m.t, "version"))
	default:
		return 0
	}
}

// step does one random thing to both sides and compares what they say.
func (m *machine) step(ctx context.Context) {
	t := m.t
	var want, got outcome
	switch rapid.IntRange(0, 9).Draw(t, "operation") {
	case 0, 1, 2:
		ref := store.Ref{Type: rapid.SampledFrom([]string{"User", "Group"}).Draw(t, "type"), ID: fmt.Sprintf("%02x", rapid.Byte().Draw(t, "new id"))}
		when, a := m.time(), m.attributes()
		var members []string
		if ref.Type == "Group" {
			members = m.members()
		}
		want = m.model.create(ref, when, a, members)
		applied, err := m.s.Create(ctx, scopeA, draft(t, ref, when, a.values(ref), members...))
		got = result(applied, err)
		if err == nil {
			m.ids = append(m.ids, ref.ID)
		}
	case 3, 4, 5, 6, 7:
		ref, when := m.ref(), m.time()
		var set patch.ChangeSet
		var a *attributes
		if rapid.Bool().Draw(t, "attributes") {
			drawn := m.attributes()
			a, set = &drawn, change(t, ref, drawn.values(ref))
		}
		if ref.Type == "Group" {
			set.Members.Add = m.members()
			if set.Members.Clear = rapid.IntRange(0, 3).Draw(t, "clear") == 0; !set.Members.Clear {
				set.Members.Remove = slices.DeleteFunc(m.members(), func(id string) bool { return slices.Contains(set.Members.Add, id) })
			}
		}
		w := store.Write{At: when, IfVersion: m.version(ref)}
		want = m.model.update(ref, when, w.IfVersion, a, set.Members)
		applied, err := m.s.Update(ctx, scopeA, ref, set, w)
		got = result(applied, err)
		if err == nil {
			require.Equal(t, m.model.find(ref).version, applied.Resource.Version)
		}
	default:
		ref, when := m.ref(), m.time()
		w := store.Write{At: when, IfVersion: m.version(ref)}
		want = m.model.remove(ref, when, w.IfVersion)
		deleted, err := m.s.Delete(ctx, scopeA, ref, w)
		got = result(store.Applied{}, err)
		for _, loss := range deleted.Lost {
			require.Equal(t, loss.Before.Version+1, loss.Group.Version)
			got.lost = append(got.lost, fmt.Sprint(loss.Group.ID, loss.Group.Version))
		}
	}
	require.Equal(t, want.err, got.err)
	require.Equal(t, want.changed, got.changed)
	require.Equal(t, want.lost, got.lost)
	require.ElementsMatch(t, want.added, got.added)
	require.ElementsMatch(t, want.removed, got.removed)
}

func ids(members []store.Member) (list []string) {
	for _, m := range members {
		list = append(list, m.ID)
	}
	return list
}

func result(applied store.Applied, err error) (o outcome) {
	var unknown *store.UnknownMembersError
	var unique *store.UniquenessError
	switch {
	case errors.As(err, &unknown):
		o.err = "unknown " + strings.Join(unknown.IDs, " ")
	case errors.As(err, &unique):
		o.err = "uniqueness " + unique.Path
	case errors.Is(err, store.ErrNotFound):
		o.err = "not found"
	case errors.Is(err, store.ErrVersion):
		o.err = "version"
	case err != nil:
		o.err = err.Error()
	}
	o.changed, o.added, o.removed = applied.Changed, ids(applied.Added), ids(applied.Removed)
	return o
}

// compare holds all that can be read against the model, with the context of a transaction or without.
func (m *machine) compare(ctx context.Context) {
	t := m.t
	for _, typ := range []string{"User", "Group"} {
		var want []entry
		for _, e := range m.model.entries {
			if e.ref.Type == typ {
				want = append(want, e)
			}
		}
		start, count := rapid.IntRange(1, 12).Draw(t, "start"), rapid.IntRange(0, 12).Draw(t, "count")
		page, err := m.s.List(ctx, scopeA, store.Query{Type: typ, Start: start, Count: count})
		require.NoError(t, err)
		require.Equal(t, len(want), page.Total)
		want = want[min(start-1, len(want)):min(start-1+count, len(want))]
		require.Len(t, page.Resources, len(want))
		for i, r := range page.Resources {
			m.compareResource(want[i], r)
		}
		name := rapid.SampledFrom(names).Draw(t, "sought")
		if typ == "Group" {
			m.compareFilter(ctx, typ, "displayName", name, func(e entry) bool { return strings.EqualFold(e.name, name) })
			continue
		}
		m.compareFilter(ctx, typ, "displayName", name, func(e entry) bool { return strings.EqualFold(e.displayName, name) })
		m.compareFilter(ctx, typ, "userName", name, func(e entry) bool { return strings.EqualFold(e.name, name) })
		m.compareFilter(ctx, typ, "emails.value", name, func(e entry) bool { return strings.EqualFold(e.mail, name) })
	}
	m.compareMembers(ctx)
}

func (m *machine) compareResource(e entry, r store.Resource) {
	require.Equal(m.t, e.ref, r.Ref)
	require.Equal(m.t, e.version, r.Version)
	require.Equal(m.t, e.created, r.Created)
	require.Equal(m.t, e.modified, r.LastModified)
	want, _ := document(m.t, e.ref, e.values(e.ref))
	require.Equal(m.t, string(want.JSON()), string(r.Document.JSON()))
}

func (m *machine) compareFilter(ctx context.Context, typ, attribute, value string, match func(entry) bool) {
	var want []string
	for _, e := range m.model.entries {
		if e.ref.Type == typ && match(e) {
			want = append(want, e.ref.ID)
		}
	}
	got, total := list(ctx, m.t, m.s, scopeA, store.Query{Type: typ, Start: 1, Count: everything, Filter: where(m.t, typ, fmt.Sprintf("%s eq %q", attribute, value))})
	require.Equal(m.t, append([]string{}, want...), got, attribute)
	require.Equal(m.t, len(want), total)
}

func (m *machine) compareMembers(ctx context.Context) {
	t := m.t
	var groups, all, want, got []string
	of := map[string][]store.Group{}
	for _, e := range m.model.entries {
		all = append(all, e.ref.ID)
		groups = append(groups, e.ref.ID)
		for _, member := range m.model.entries { // in the order of their creation
			id := member.ref.ID
			if !slices.Contains(e.members, id) {
				continue
			}
			want = append(want, fmt.Sprint(e.ref.ID, store.Member{ID: id, Type: member.ref.Type, Display: member.display()}))
			of[id] = append(of[id], store.Group{ID: e.ref.ID, Type: e.ref.Type, Display: e.display()})
		}
	}
	for _, x := range memberships(ctx, t, m.s, scopeA, rapid.IntRange(1, 5).Draw(t, "limit"), groups...) {
		got = append(got, fmt.Sprint(x.Group, x.Member))
	}
	require.Equal(t, want, got)
	reverse, err := m.s.Groups(ctx, scopeA, all)
	require.NoError(t, err)
	require.True(t, maps.EqualFunc(of, reverse, slices.Equal), "%v %v", of, reverse)
}

// Random writes, alone and in transactions that are kept or taken back, leave the store as the model says.
func TestStoreMatchesModel(t *testing.T) {
	t.Parallel()
	failed := errors.New("the transaction fails")
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{t: t, s: memstore.New(), model: &model{}}
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			fails := rapid.IntRange(0, 3).Draw(t, "fails") == 0
			if rapid.IntRange(0, 3).Draw(t, "alone") == 0 {
				m.step(t.Context())
				m.compare(t.Context())
				continue
			}
			saved := m.model.clone()
			before := snapshot(t, m.s, scopeA, names)
			err := m.s.InTx(t.Context(), func(ctx context.Context) error {
				for range rapid.IntRange(0, 6).Draw(t, "steps") {
					m.step(ctx)
				}
				m.compare(ctx)
				if fails {
					return failed
				}
				return nil
			})
			if fails {
				require.ErrorIs(t, err, failed)
				m.model = saved
				require.Equal(t, before, snapshot(t, m.s, scopeA, names), "a rollback restores everything byte for byte")
			} else {
				require.NoError(t, err)
			}
			m.compare(t.Context())
		}
	})
}
