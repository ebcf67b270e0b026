package memstore

import (
	"context"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// tx is a transaction: the lock is held, and every change notes how to take it back.
type tx struct {
	store *Store
	undo  []func()
	ended bool // what still has its context afterwards is no part of it
}

type txKey struct{}

// InTx implements store.Transactor. Inside f, only calls with the context that f is given may use the store; others wait for f.
func (s *Store) InTx(ctx context.Context, f func(ctx context.Context) error) error {
	if s.joined(ctx) != nil {
		return f(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt(func(t *tx) error { return f(context.WithValue(ctx, txKey{}, t)) })
}

// joined returns the transaction of this store that ctx carries, or nil.
func (s *Store) joined(ctx context.Context) *tx {
	if t, ok := ctx.Value(txKey{}).(*tx); ok && t.store == s && !t.ended {
		return t
	}
	return nil
}

// attempt runs f and takes back what it changed unless it returns nil.
func (s *Store) attempt(f func(*tx) error) error {
	t := &tx{store: s}
	committed := false
	defer func() {
		t.ended = true
		if !committed {
			t.rollback(0)
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	committed = true
	return nil
}

// rollback takes back what was changed since the undo log had that length, latest first.
func (t *tx) rollback(length int) {
	for i := len(t.undo) - 1; i >= length; i-- {
		t.undo[i]()
	}
	t.undo = t.undo[:length]
}

// read runs f with the directory of scope, which it must not change.
func (s *Store) read(ctx context.Context, scope store.Scope, f func(*directory) error) error {
	if err := check(ctx, scope); err != nil {
		return err
	}
	if s.joined(ctx) == nil {
		s.mu.RLock()
		defer s.mu.RUnlock()
	}
	d := s.directories[scope]
	if d == nil {
		d = &directory{}
	}
	return f(d)
}

// write runs f with the directory of scope in the transaction of ctx, or in one of its own. An error takes back what f did.
func (s *Store) write(ctx context.Context, scope store.Scope, f func(*directory, *tx) error) error {
	if err := check(ctx, scope); err != nil {
		return err
	}
	run := func(t *tx) error {
		d := s.directories[scope]
		if d == nil {
			d = &directory{records: make(map[string]*record), tables: make(map[string]*table)}
			s.directories[scope] = d
		}
		length := len(t.undo)
		err := f(d, t)
		if err != nil {
			t.rollback(length)
		}
		return err
	}
	if t := s.joined(ctx); t != nil {
		return run(t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt(run)
}

func check(ctx context.Context, scope store.Scope) error {
	if err := scope.Check(); err != nil {
		return err
	}
	return ctx.Err()
}

// The changes below are the only ones there are; each notes its opposite.

// insert adds a record that free accepted.
func (t *tx) insert(d *directory, r *record) {
	put(d, r)
	t.undo = append(t.undo, func() { drop(d, r) })
}

// remove drops a record that is in no group and has no members.
func (t *tx) remove(d *directory, r *record) {
	drop(d, r)
	t.undo = append(t.undo, func() { put(d, r) })
}

// replace gives r the contents of next, which is the same resource.
func (t *tx) replace(r *record, next record) {
	old := *r
	swap := func(contents record) func() {
		return func() {
			r.table.index.remove(r, contents.terms)
			indexed := r.terms
			members, groups := r.members, r.groups // these change by join and part only
			*r = contents
			r.members, r.groups = members, groups
			r.table.index.add(r, indexed)
		}
	}
	swap(next)()
	t.undo = append(t.undo, swap(old))
}

// join makes m a member of group, unless it is one.
func (t *tx) join(group, m *record) bool {
	if m.in(group) {
		return false
	}
	link(group, m)
	t.undo = append(t.undo, func() { unlink(group, m) })
	return true
}

// part ends the membership of m in group.
func (t *tx) part(group, m *record) {
	unlink(group, m)
	t.undo = append(t.undo, func() { link(group, m) })
}

// leave ends the memberships in group that a delta removes, and returns the members that are none any more. Those that the delta
// adds again stay.
func (t *tx) leave(d *directory, group *record, delta patch.Delta) []store.Member {
	var removed []store.Member
	end := func(m *record) {
		t.part(group, m)
		removed = append(removed, m.member())
	}
	if !delta.Clear {
		for _, id := range delta.Remove {
			if m := d.records[id]; m.in(group) {
				end(m)
			}
		}
		return removed
	}
	stay := make(map[string]bool, len(delta.Add))
	for _, id := range delta.Add {
		stay[id] = true
	}
	var leaving []*record
	group.eachMember(0, func(_ uint64, m *record) bool {
		if !stay[m.id] {
			leaving = append(leaving, m)
		}
		return true
	})
	for _, m := range leaving {
		end(m)
	}
	return removed
}

func put(d *directory, r *record) {
	d.records[r.id] = r
	r.table.order.insert(r.number, r)
	r.table.index.add(r, nil)
}

func drop(d *directory, r *record) {
	delete(d.records, r.id)
	r.table.order.remove(r.number)
	r.table.index.remove(r, nil)
}

func link(group, m *record) {
	if group.members == nil {
		group.members = &sequence[*record]{}
	}
	if m.groups == nil {
		m.groups = make(map[string]*record)
	}
	group.members.insert(m.number, m)
	m.groups[group.id] = group
}

func unlink(group, m *record) {
	group.members.remove(m.number)
	delete(m.groups, group.id)
}

// in reports whether r, which may be nil, is a member of group.
func (r *record) in(group *record) bool { return r != nil && r.groups[group.id] != nil }

// eachMember yields the members of r with a number greater than after.
func (r *record) eachMember(after uint64, yield func(uint64, *record) bool) {
	if r.members != nil {
		r.members.after(after, yield)
	}
}
