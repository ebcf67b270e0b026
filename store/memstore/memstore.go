// Package memstore is the reference implementation of the store contracts: everything in memory, one lock, code that is meant to
// be read. It serves tests, demonstrations and directories that are filled again at every start.
//
// It implements every optional interface of package store and the store of connections. Documents are kept as JSON; userName,
// externalId, displayName and e-mail addresses are indexed, so that a look-up by one of them costs the same in a directory of a
// million. Other filters match every resource of the type. A page costs the same at any offset.
//
// Limits: nothing survives the process, and one writer at a time, of whichever connection, holds the lock until its transaction
// ends, its event sinks included.
//
// Security: documents hold whatever the identity provider sent; tokens are held as digests only.
package memstore

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// Store keeps resources and connections. Its zero value is not usable; see New. It is safe for concurrent use.
type Store struct {
	mu          sync.RWMutex
	directories map[store.Scope]*directory
	connections connections
	journals    journals
	standings   map[store.Scope]*standing
}

// New returns an empty store.
func New() *Store {
	return &Store{
		directories: make(map[store.Scope]*directory), connections: newConnections(), standings: make(map[store.Scope]*standing),
	}
}

var (
	_ store.Store           = (*Store)(nil)
	_ store.Transactor      = (*Store)(nil)
	_ store.MemberLister    = (*Store)(nil)
	_ store.GroupLister     = (*Store)(nil)
	_ store.ConnectionStore = (*Store)(nil)
	_ store.Purger          = (*Store)(nil)
	_ store.JournalStore    = (*Store)(nil)
	_ store.MemberStore     = (*Store)(nil)
)

// directory is what one Scope holds.
type directory struct {
	records map[string]*record
	tables  map[string]*table
	last    uint64 // number of the newest record
}

// table is the resources of one type.
type table struct {
	name  string
	order sequence[*record]
	index *index
}

// record is one resource.
type record struct {
	id       string
	table    *table
	number   uint64
	version  store.Version
	created  int64 // microseconds since 1970
	modified int64
	json     []byte
	display  string
	terms    []term             // unique ones first
	unique   int                // number of these
	members  *sequence[*record] // of a group, by their numbers
	groups   map[string]*record // that the resource is a direct member of
}

func (d *directory) table(typ string) *table {
	t := d.tables[typ]
	if t == nil {
		t = &table{name: typ, index: newIndex()}
		d.tables[typ] = t
	}
	return t
}

// find returns a resource of that type, or nil.
func (d *directory) find(ref store.Ref) *record {
	if r := d.records[ref.ID]; r != nil && r.table.name == ref.Type {
		return r
	}
	return nil
}

func (r *record) resource() store.Resource {
	return store.Resource{
		Ref: store.Ref{Type: r.table.name, ID: r.id}, Version: r.version,
		Created: time.UnixMicro(r.created).UTC(), LastModified: time.UnixMicro(r.modified).UTC(),
		Document: store.NewDocument(r.json),
	}
}

// fill takes over a document and what is derived from it. Texts are copied: those of a document are parts of the request that it came
// with, all of which they would keep.
func (r *record) fill(document *store.Document, unique []store.Key) {
	r.json = bytes.Clone(document.JSON()) // without the slack of the buffer that it was encoded into
	r.terms, r.unique = r.table.index.terms(document, unique)
	r.display = ""
	for _, path := range []string{"displayName", "userName"} {
		if text := document.Text(path); text != "" && r.display == "" {
			r.display = strings.Clone(text)
		}
	}
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, scope store.Scope, ref store.Ref) (found store.Resource, err error) {
	err = s.read(ctx, scope, func(d *directory) error {
		r := d.find(ref)
		if r == nil {
			return store.ErrNotFound
		}
		found = r.resource()
		return nil
	})
	return found, err
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, scope store.Scope, draft store.Draft) (applied store.Applied, err error) {
	err = s.write(ctx, scope, func(d *directory, t *tx) error {
		if _, taken := d.records[draft.ID]; taken {
			return &store.UniquenessError{Path: "id"}
		}
		members, err := d.resolve(draft.Members)
		if err != nil {
			return err
		}
		at := draft.At.UnixMicro()
		r := &record{id: draft.ID, table: d.table(draft.Type), version: 1, created: at, modified: at}
		r.fill(draft.Document, draft.Unique)
		if err := r.table.index.free(r); err != nil {
			return err
		}
		d.last++
		r.number = d.last
		t.insert(d, r)
		for _, m := range members {
			t.join(r, m)
			applied.Added = append(applied.Added, m.member())
		}
		applied.Resource, applied.Changed = r.resource(), true
		return nil
	})
	return applied, err
}

// resolve finds the records of ids that are to become members.
func (d *directory) resolve(ids []string) ([]*record, error) {
	records := make([]*record, 0, len(ids))
	var unknown []string
	for _, id := range ids {
		if r := d.records[id]; r != nil {
			records = append(records, r)
		} else {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		return nil, &store.UnknownMembersError{IDs: unknown}
	}
	return records, nil
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, write store.Write) (applied store.Applied, err error) {
	err = s.write(ctx, scope, func(d *directory, t *tx) error {
		r := d.find(ref)
		switch {
		case r == nil:
			return store.ErrNotFound
		case write.IfVersion != 0 && write.IfVersion != r.version:
			return store.ErrVersion
		}
		add, err := d.resolve(change.Members.Add)
		if err != nil {
			return err
		}
		next := *r
		if len(change.Changes) > 0 {
			next.fill(change.After, change.Unique)
			if err := r.table.index.free(&next); err != nil {
				return err
			}
		}
		applied.Removed = t.leave(d, r, change.Members)
		for _, m := range add {
			if t.join(r, m) {
				applied.Added = append(applied.Added, m.member())
			}
		}
		applied.Changed = len(change.Changes) > 0 || len(applied.Added) > 0 || len(applied.Removed) > 0
		if applied.Changed {
			next.touch(write.At)
			t.replace(r, next)
		}
		applied.Resource = r.resource()
		return nil
	})
	return applied, err
}

// touch moves version and time by one change.
func (r *record) touch(at time.Time) {
	r.version++
	r.modified = max(at.UnixMicro(), r.modified+1)
}

func (r *record) member() store.Member {
	return store.Member{ID: r.id, Type: r.table.name, Display: r.display}
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, scope store.Scope, ref store.Ref, write store.Write) (deleted store.Deleted, err error) {
	err = s.write(ctx, scope, func(d *directory, t *tx) error {
		r := d.find(ref)
		switch {
		case r == nil:
			return store.ErrNotFound
		case write.IfVersion != 0 && write.IfVersion != r.version:
			return store.ErrVersion
		}
		deleted.Resource = r.resource()
		for _, group := range byNumber(r.groups) {
			t.part(group, r)
			if group == r {
				continue
			}
			before, next := group.resource(), *group
			next.touch(write.At)
			t.replace(group, next)
			deleted.Lost = append(deleted.Lost, store.Loss{Before: before, Group: group.resource(), Member: r.member()})
		}
		t.leave(d, r, patch.Delta{Clear: true})
		t.remove(d, r)
		return nil
	})
	return deleted, err
}

// byNumber returns records in the order of their creation.
func byNumber(records map[string]*record) []*record {
	return slices.SortedFunc(maps.Values(records), func(a, b *record) int { return cmp.Compare(a.number, b.number) })
}
