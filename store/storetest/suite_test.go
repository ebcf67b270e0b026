package storetest

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

func TestMain(m *testing.M) { claim.Main(m) }

// plain is a store without any optional interface.
type plain struct{ store.Store }

// hooked is a memstore with other methods in place of some of its own.
type hooked struct {
	*memstore.Store
	before  func() // every call
	create  func(context.Context, store.Scope, store.Draft) (store.Applied, error)
	get     func(context.Context, store.Scope, store.Ref) (store.Resource, error)
	list    func(context.Context, store.Scope, store.Query) (store.Page, error)
	update  func(context.Context, store.Scope, store.Ref, patch.ChangeSet, store.Write) (store.Applied, error)
	delete  func(context.Context, store.Scope, store.Ref, store.Write) (store.Deleted, error)
	members func(context.Context, store.Scope, store.MemberQuery) (store.MemberPage, error)
	groups  func(context.Context, store.Scope, []string) (map[string][]store.Group, error)
	inTx    func(context.Context, func(context.Context) error) error
	connect func(context.Context, store.Connection, int) error
	links   func(context.Context, string) ([]store.Connection, error)
	token   func(context.Context, store.Token) error
	find    func(context.Context, string, store.Digest) (store.Token, store.Connection, error)
}

func newHooked() *hooked {
	m := memstore.New()
	return &hooked{
		Store: m, before: func() {}, create: m.Create, get: m.Get, list: m.List, update: m.Update, delete: m.Delete, members: m.Members,
		groups: m.Groups, inTx: m.InTx, connect: m.CreateConnection, links: m.Connections, token: m.CreateToken, find: m.FindToken,
	}
}

func (h *hooked) Create(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
	h.before()
	return h.create(ctx, scope, draft)
}

func (h *hooked) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	h.before()
	return h.get(ctx, scope, ref)
}

func (h *hooked) List(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
	h.before()
	return h.list(ctx, scope, query)
}

func (h *hooked) Update(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
	h.before()
	return h.update(ctx, scope, ref, change, w)
}

func (h *hooked) Delete(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
	h.before()
	return h.delete(ctx, scope, ref, w)
}

func (h *hooked) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
	h.before()
	return h.members(ctx, scope, query)
}

func (h *hooked) Groups(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
	h.before()
	return h.groups(ctx, scope, members)
}

func (h *hooked) InTx(ctx context.Context, f func(context.Context) error) error {
	h.before()
	return h.inTx(ctx, f)
}

func (h *hooked) CreateConnection(ctx context.Context, connection store.Connection, limit int) error {
	return h.connect(ctx, connection, limit)
}

func (h *hooked) Connections(ctx context.Context, tenant string) ([]store.Connection, error) {
	return h.links(ctx, tenant)
}

func (h *hooked) CreateToken(ctx context.Context, token store.Token) error {
	return h.token(ctx, token)
}

func (h *hooked) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	return h.find(ctx, id, digest)
}

// ownIDs mints ids as a table with an integer key does.
func ownIDs() store.Store {
	var last atomic.Int64
	h := newHooked()
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		draft.ID = strconv.FormatInt(last.Add(1), 10)
		return h.Store.Create(ctx, scope, draft)
	}
	return h
}

func opening(open func() store.Store) func(*testing.T) store.Store {
	return func(*testing.T) store.Store { return open() }
}

func memory() store.Store { return memstore.New() }

// Stores of every kind pass, and what they are short of is not held against them.
func TestSuitePasses(t *testing.T) { // the cost of one store is counted before the others are at work
	var statements atomic.Int64
	shared := newHooked()
	shared.before = func() { statements.Add(1) }
	t.Run("counted and shared", func(t *testing.T) {
		Run(t, Harness{Open: opening(func() store.Store { return shared }), Statements: statements.Load})
	})
	for name, h := range map[string]Harness{
		"declines all but users": {
			Types: []string{"User"}, Open: opening(func() store.Store { return NewFaultStore(plain{memory()}) }),
		},
		"nothing but groups": {Types: []string{"Group"}, Open: opening(memory)},
		"own ids":            {OwnIDs: true, Open: opening(ownIDs)},
		"some attributes": {
			Attributes: []string{"userName", "displayName", "active", "name", "emails.value"}, Open: opening(memory),
		},
		"transactions run again": {Open: opening(func() store.Store {
			s := NewFaultStore(memory())
			s.Retry(3)
			return s
		})},
		"a replica without delay": {Open: opening(func() store.Store {
			m := memory()
			return NewStaleStore(m, m)
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Run(t, h)
		})
	}
}
