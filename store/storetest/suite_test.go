package storetest

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

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
	ledger
	knowledge
}

// ledger is the methods of hooked for connections, journals and purging.
type ledger struct {
	connect      func(context.Context, store.Connection, []store.Token, int) error
	reconnect    func(context.Context, store.Connection, []store.Token, int) error
	link         func(context.Context, store.Scope) (store.Connection, error)
	links        func(context.Context, string) ([]store.Connection, error)
	tokens       func(context.Context, ...string) ([]store.Token, error)
	find         func(context.Context, string, store.Digest) (store.Token, store.Connection, error)
	use          func(context.Context, map[string]time.Time) error
	deleted      func(context.Context, int) ([]store.Connection, error)
	forget       func(context.Context, store.Scope) error
	forgetTokens func(context.Context, time.Time) error
	note         func(context.Context, []store.JournalEntry) error
	journal      func(context.Context, string, store.JournalQuery) (store.JournalPage, error)
	trim         func(context.Context, string, int) error
	expire       func(context.Context, time.Time) error
	purge        func(context.Context, store.Scope, int) (bool, error)
}

func newHooked() *hooked {
	m := memstore.New()
	return &hooked{
		Store: m, before: func() {}, create: m.Create, get: m.Get, list: m.List, update: m.Update, delete: m.Delete, members: m.Members,
		groups: m.Groups, inTx: m.InTx,
		ledger: ledger{
			connect: m.CreateConnection, reconnect: m.UpdateConnection, link: m.Connection, links: m.Connections, tokens: m.Tokens,
			find: m.FindToken, use: m.UseTokens, deleted: m.Deleted, forget: m.Forget, forgetTokens: m.ForgetTokens,
			note: m.AppendJournal, journal: m.Journal, trim: m.TrimJournal, expire: m.ExpireJournal, purge: m.Purge,
		},
		knowledge: knowledgeOf(m),
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

func (h *hooked) CreateConnection(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
	return h.connect(ctx, c, tokens, limit)
}

func (h *hooked) UpdateConnection(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
	return h.reconnect(ctx, c, tokens, limit)
}

func (h *hooked) Connection(ctx context.Context, scope store.Scope) (store.Connection, error) {
	return h.link(ctx, scope)
}

func (h *hooked) Connections(ctx context.Context, tenant string) ([]store.Connection, error) {
	return h.links(ctx, tenant)
}

func (h *hooked) Tokens(ctx context.Context, connections ...string) ([]store.Token, error) {
	return h.tokens(ctx, connections...)
}

func (h *hooked) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	return h.find(ctx, id, digest)
}

func (h *hooked) UseTokens(ctx context.Context, used map[string]time.Time) error {
	return h.use(ctx, used)
}

func (h *hooked) Deleted(ctx context.Context, limit int) ([]store.Connection, error) {
	return h.deleted(ctx, limit)
}

func (h *hooked) Forget(ctx context.Context, scope store.Scope) error { return h.forget(ctx, scope) }

func (h *hooked) ForgetTokens(ctx context.Context, before time.Time) error {
	return h.forgetTokens(ctx, before)
}

func (h *hooked) AppendJournal(ctx context.Context, entries []store.JournalEntry) error {
	return h.note(ctx, entries)
}

func (h *hooked) Journal(ctx context.Context, connection string, query store.JournalQuery) (store.JournalPage, error) {
	return h.journal(ctx, connection, query)
}

func (h *hooked) TrimJournal(ctx context.Context, connection string, keep int) error {
	return h.trim(ctx, connection, keep)
}

func (h *hooked) ExpireJournal(ctx context.Context, before time.Time) error {
	return h.expire(ctx, before)
}

func (h *hooked) Purge(ctx context.Context, scope store.Scope, limit int) (bool, error) {
	return h.purge(ctx, scope, limit)
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
