package scim_test

import (
	"context"
	"sync"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// scopeRecorder passes calls on to a store and notes their scopes, so that tests can tell that a request touched nothing, or only
// its own connection.
type scopeRecorder struct {
	store.Store
	mu     sync.Mutex
	scopes []store.Scope
}

func (p *scopeRecorder) note(scope store.Scope) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scopes = append(p.scopes, scope)
}

// take returns the scopes of the calls since the last time.
func (p *scopeRecorder) take() []store.Scope {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.scopes
	p.scopes = nil
	return taken
}

func (p *scopeRecorder) Create(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
	p.note(scope)
	return p.Store.Create(ctx, scope, draft)
}

func (p *scopeRecorder) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	p.note(scope)
	return p.Store.Get(ctx, scope, ref)
}

func (p *scopeRecorder) List(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
	p.note(scope)
	return p.Store.List(ctx, scope, query)
}

func (p *scopeRecorder) Update(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
	p.note(scope)
	return p.Store.Update(ctx, scope, ref, change, w)
}

func (p *scopeRecorder) Delete(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
	p.note(scope)
	return p.Store.Delete(ctx, scope, ref, w)
}

// complete is a scopeRecorder with the optional interfaces of the store behind it.
type complete struct {
	*scopeRecorder
	store.Transactor
	members store.MemberLister
	groups  store.GroupLister
}

func (c complete) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
	c.note(scope)
	return c.members.Members(ctx, scope, query)
}

func (c complete) Groups(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
	c.note(scope)
	return c.groups.Groups(ctx, scope, members)
}

// wrapped returns the recorder with the capabilities of its store, all or none.
func (p *scopeRecorder) wrapped() store.Store {
	t, transactor := p.Store.(store.Transactor)
	m, lister := p.Store.(store.MemberLister)
	g, grouper := p.Store.(store.GroupLister)
	if transactor && lister && grouper {
		return complete{p, t, m, g}
	}
	return p
}
