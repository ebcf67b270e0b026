package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// mutants are the mistakes that stores are likely to have.
var mutants = []mutant{
	{"deletes nothing", []string{"Resources/live and die", "Resources/who is not found", "Transactions/commit"}, func(h *hooked) {
		h.delete = func(ctx context.Context, scope store.Scope, ref store.Ref, _ store.Write) (store.Deleted, error) {
			r, err := h.Store.Get(ctx, scope, ref)
			return store.Deleted{Resource: r}, err
		}
	}},
	{"never clears an attribute", []string{"Resources/documents are kept"}, func(h *hooked) {
		updating(h, func(ctx context.Context, scope store.Scope, ref store.Ref, change *patch.ChangeSet, _ *store.Write) error {
			before, err := h.Store.Get(ctx, scope, ref)
			if err != nil || change.After == nil {
				return err
			}
			if len(change.After.JSON()) < len(before.Document.JSON()) {
				change.After = before.Document
			}
			return nil
		})
	}},
	{"folds ids", []string{"Resources/ids are opaque"}, func(h *hooked) { identified(h, strings.ToLower) }},
	{"trims ids", []string{"Resources/ids are opaque"}, func(h *hooked) { identified(h, strings.TrimSpace) }},
	{"mints ids", []string{"Resources/ids are the caller's"}, func(h *hooked) {
		h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
			draft.ID = newID()
			return h.Store.Create(ctx, scope, draft)
		}
	}},
	{"uses ids again", []string{"Resources/ids are used once"}, func(h *hooked) {
		var free atomic.Value
		h.delete = func(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
			free.Store(ref.ID)
			return h.Store.Delete(ctx, scope, ref, w)
		}
		h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
			if id, ok := free.Swap("").(string); ok && id != "" {
				draft.ID = id
			}
			return h.Store.Create(ctx, scope, draft)
		}
	}},
	{"tells who is gone", []string{"Resources/who is not found"}, func(h *hooked) {
		var seen sync.Map
		h.get = func(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
			r, err := h.Store.Get(ctx, scope, ref)
			if _, known := seen.Load(ref.ID); err != nil && known {
				return r, fmt.Errorf("there was one: %w", err)
			}
			return r, err
		}
		h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
			seen.Store(draft.ID, true)
			return h.Store.Create(ctx, scope, draft)
		}
	}},
	{"ignores the type", []string{"Resources/other types are not found"}, func(h *hooked) {
		h.get = func(ctx context.Context, scope store.Scope, ref store.Ref) (r store.Resource, err error) {
			for _, ref.Type = range []string{"User", "Group"} {
				if r, err = h.Store.Get(ctx, scope, ref); err == nil {
					return r, nil
				}
			}
			return r, err
		}
	}},
	{"keeps milliseconds", []string{"Resources/times"}, func(h *hooked) {
		timed(h, func(t time.Time) time.Time { return t.Truncate(time.Millisecond) })
	}},
	{"answers in local time", []string{"Resources/times"}, func(h *hooked) {
		timed(h, func(t time.Time) time.Time { return t.In(time.FixedZone("local", 3600)) })
	}},
	{"trusts the caller's clock", []string{"Resources/time goes on"}, func(h *hooked) {
		h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
			applied, err := h.Store.Update(ctx, scope, ref, change, w)
			applied.Resource.LastModified = w.At
			return applied, err
		}
	}},
	{"counts twice", []string{"Versions/count changes", "Versions/members and attributes are one change", "Concurrency/one of many writes of a version wins"}, func(h *hooked) {
		h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
			members := change.Members
			change.Members = patch.Delta{}
			if _, err := h.Store.Update(ctx, scope, ref, change, w); err != nil {
				return store.Applied{}, err
			}
			change.Members = members
			return h.Store.Update(ctx, scope, ref, change, store.Write{At: w.At})
		}
	}},
	{"ignores IfVersion", []string{"Versions/guard writes", "Concurrency/one of many writes of a version wins"}, func(h *hooked) {
		updating(h, func(_ context.Context, _ store.Scope, _ store.Ref, _ *patch.ChangeSet, w *store.Write) error {
			w.IfVersion = 0
			return nil
		})
	}},
	{"ignores IfVersion of a Delete", []string{"Versions/guard writes"}, func(h *hooked) {
		h.delete = func(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
			return h.Store.Delete(ctx, scope, ref, store.Write{At: w.At})
		}
	}},
	{"always touches", []string{"Versions/nothing to change", "Versions/no members to change"}, func(h *hooked) {
		updating(h, func(ctx context.Context, scope store.Scope, ref store.Ref, change *patch.ChangeSet, _ *store.Write) error {
			before, err := h.Store.Get(ctx, scope, ref)
			if len(change.Changes) == 0 {
				change.Changes, change.After = []patch.Change{{}}, before.Document
			}
			return err
		})
	}},
	{"compares unique values as they were sent", []string{"Uniqueness/of what is created", "Concurrency/one of many gets the name"}, func(h *hooked) {
		keyed(h, func(d *store.Document, keys []store.Key) []store.Key {
			if len(keys) > 0 {
				keys[0].Value = d.Text(keys[0].Path)
			}
			return keys
		})
	}},
	{"holds no unique values", []string{"Uniqueness/of what is created", "Uniqueness/of what is changed", "Values/of full length",
		"Transactions/go on after a failed call"}, func(h *hooked) {
		keyed(h, func(*store.Document, []store.Key) []store.Key { return nil })
	}},
	{"holds no unique values that changed", []string{"Uniqueness/of what is changed", "Concurrency/one of many takes the name"}, func(h *hooked) {
		updating(h, func(_ context.Context, _ store.Scope, _ store.Ref, change *patch.ChangeSet, _ *store.Write) error {
			change.Unique = nil
			return nil
		})
	}},
	{"holds values for ever", []string{"Uniqueness/values become free"}, func(h *hooked) {
		holding(h, func(scope store.Scope, typ string, key store.Key) string { return fmt.Sprint(scope, typ, key) })
	}},
	{"holds values across scopes", []string{"Uniqueness/per scope"}, func(h *hooked) {
		holding(h, func(_ store.Scope, typ string, key store.Key) string { return fmt.Sprint(typ, key) })
	}},
	{"holds values across types", []string{"Uniqueness/per type"}, func(h *hooked) {
		holding(h, func(scope store.Scope, _ string, key store.Key) string { return fmt.Sprint(scope, key) })
	}},
	{"holds one value", []string{"Uniqueness/of several values"}, func(h *hooked) {
		keyed(h, func(_ *store.Document, keys []store.Key) []store.Key { return keys[:min(1, len(keys))] })
	}},
	{"holds values without their paths", []string{"Uniqueness/of several values"}, func(h *hooked) {
		keyed(h, func(_ *store.Document, keys []store.Key) []store.Key {
			for i := range keys {
				keys[i].Path = "userName"
			}
			return keys
		})
	}},
	{"cuts unique values", []string{"Values/long keys"}, func(h *hooked) {
		keyed(h, func(_ *store.Document, keys []store.Key) []store.Key {
			for i := range keys {
				keys[i].Value = keys[i].Value[:min(255, len(keys[i].Value))]
			}
			return keys
		})
	}},
	{"frees values with a change of members", []string{"Uniqueness/of group names where a policy says so"}, func(h *hooked) {
		h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
			if r, err := h.Store.Get(ctx, scope, ref); err == nil && len(change.Changes) == 0 {
				change.Changes, change.After = []patch.Change{{}}, r.Document
			}
			return h.Store.Update(ctx, scope, ref, change, w)
		}
	}},
	{"starts one late", []string{"Lists/pages", "Lists/pages of what matches"}, func(h *hooked) {
		listing(h, func(q *store.Query) {
			if q.Start > 1 {
				q.Start++
			}
		}, func(store.Query, *store.Page) {})
	}},
	{"counts the page", []string{"Lists/pages of what matches", "Filters/are answered exactly"}, func(h *hooked) {
		listing(h, func(*store.Query) {}, func(q store.Query, p *store.Page) {
			if q.Filter != nil {
				p.Total = len(p.Resources)
			}
		})
	}},
	{"orders by the last change", []string{"Lists/order"}, func(h *hooked) {
		listing(h, func(*store.Query) {}, func(_ store.Query, p *store.Page) {
			slices.SortFunc(p.Resources, func(a, b store.Resource) int { return b.LastModified.Compare(a.LastModified) })
		})
	}},
	{"finds somebody", []string{"Lists/nobody"}, func(h *hooked) {
		listing(h, func(*store.Query) {}, func(_ store.Query, p *store.Page) { p.Total = max(p.Total, 1) })
	}},
	{"ignores filters without an equality", []string{"Filters/are answered exactly", "Values/of every plane"}, func(h *hooked) {
		listing(h, func(q *store.Query) {
			if terms, _ := q.Filter.Equality(); len(terms) == 0 {
				q.Filter = nil
			}
		}, func(store.Query, *store.Page) {})
	}},
	{"filters what was", []string{"Filters/see changes"}, func(h *hooked) {
		var first sync.Map
		h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
			applied, err := h.Store.Create(ctx, scope, draft)
			first.Store(applied.Resource.ID, applied.Resource)
			return applied, err
		}
		matched(h, func(f *filter.Filter, r store.Resource) bool {
			was, _ := first.Load(r.ID)
			ok, _ := f.Match(recordOf(was.(store.Resource), false))
			return ok
		})
	}},
	{"finds no relations", []string{"Filters/by members", "Filters/by groups"}, func(h *hooked) {
		matched(h, func(f *filter.Filter, r store.Resource) bool {
			ok, _ := f.Match(recordOf(r, false))
			return ok
		})
	}},
	{"takes few terms", []string{"Filters/of many terms"}, func(h *hooked) {
		h.list = func(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
			columns := map[string]filter.Column{}
			for _, path := range []string{"userName", "displayName"} {
				columns[path] = filter.Column{Expr: path, Type: filter.FoldedText}
			}
			if _, args, _ := query.Filter.SQL(filter.Columns{Map: columns}); len(args) > 50 {
				return store.Page{}, errors.New("expression tree is too large")
			}
			return h.Store.List(ctx, scope, query)
		}
	}},
	{"skips what it cannot match", []string{"Filters/that fail"}, func(h *hooked) {
		matched(h, func(f *filter.Filter, r store.Resource) bool {
			ok, err := f.Match(recordOf(r, false))
			return ok && err == nil
		})
	}},
	{"knows one plane", []string{"Values/of every plane"}, func(h *hooked) {
		rewritten(h, func(json []byte) []byte {
			return bytes.Map(func(c rune) rune {
				if c > 0xffff {
					return '?'
				}
				return c
			}, json)
		})
	}},
	{"keeps 4 KB", []string{"Values/of full length", "Values/many"}, func(h *hooked) { bounded(h, 4<<10) }},
	{"hands out what it changes later", []string{"Sharing/what was returned stays"}, func(h *hooked) {
		var mu sync.Mutex
		out := map[string][]byte{}
		h.get = func(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
			r, err := h.Store.Get(ctx, scope, ref)
			if err != nil {
				return r, err
			}
			mu.Lock()
			defer mu.Unlock()
			if out[ref.ID] == nil {
				out[ref.ID] = bytes.Clone(r.Document.JSON())
			}
			r.Document = store.NewDocument(out[ref.ID])
			return r, nil
		}
		h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
			applied, err := h.Store.Update(ctx, scope, ref, change, w)
			mu.Lock()
			defer mu.Unlock()
			if len(out[ref.ID]) == len(applied.Resource.Document.JSON()) {
				copy(out[ref.ID], applied.Resource.Document.JSON())
			}
			return applied, err
		}
	}},
	{"hands out its cache", []string{"Sharing/what was returned may be changed"}, func(h *hooked) {
		var cache sync.Map
		h.members = func(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
			if page, ok := cache.Load(fmt.Sprint(scope, query)); ok {
				return page.(store.MemberPage), nil
			}
			page, err := h.Store.Members(ctx, scope, query)
			cache.Store(fmt.Sprint(scope, query), page)
			return page, err
		}
	}},
	{"keeps the caller's list", []string{"Sharing/what was passed in may be changed"}, func(h *hooked) {
		h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
			members := draft.Members
			draft.Members = nil
			applied, err := h.Store.Create(ctx, scope, draft)
			if len(members) > 0 {
				h.members = func(context.Context, store.Scope, store.MemberQuery) (page store.MemberPage, err error) {
					for _, id := range members {
						page.Memberships = append(page.Memberships, store.Membership{Group: applied.Resource.ID, Member: store.Member{ID: id}})
					}
					return page, nil
				}
			}
			return applied, err
		}
	}},
	{"takes an empty scope for some", []string{"Scopes/are required"}, func(h *hooked) {
		scoped(h, func(s store.Scope) store.Scope {
			if s.Tenant == "" {
				s.Tenant = "default"
			}
			return s
		})
	}},
	{"ignores the tenant", []string{"Scopes/are apart"}, func(h *hooked) {
		scoped(h, func(s store.Scope) store.Scope {
			if s.Tenant != "" {
				s.Tenant = "any"
			}
			return s
		})
	}},
	{"ignores the connection", []string{"Scopes/are apart"}, func(h *hooked) {
		scoped(h, func(s store.Scope) store.Scope {
			if s.Connection != "" {
				s.Connection = "any"
			}
			return s
		})
	}},
	{"has members without a scope", []string{"Scopes/have memberships of their own"}, func(h *hooked) {
		var scopes sync.Map
		create := h.create
		h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
			scopes.Store(draft.ID, scope)
			return create(ctx, scope, draft)
		}
		h.members = func(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
			if s, ok := scopes.Load(query.Groups[0]); ok {
				scope = s.(store.Scope)
			}
			return h.Store.Members(ctx, scope, query)
		}
	}},
	{"adds or removes", []string{"Members/deltas"}, func(h *hooked) {
		updating(h, func(_ context.Context, _ store.Scope, _ store.Ref, change *patch.ChangeSet, _ *store.Write) error {
			if len(change.Members.Add) > 0 {
				change.Members.Remove = nil
			}
			return nil
		})
	}},
	{"forgets the first members", []string{"Members/first members"}, func(h *hooked) {
		h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
			draft.Members = nil
			return h.Store.Create(ctx, scope, draft)
		}
	}},
	{"names one unknown member", []string{"Members/unknown ones", "Scopes/have memberships of their own"}, func(h *hooked) {
		h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
			applied, err := h.Store.Update(ctx, scope, ref, change, w)
			if unknown, ok := errors.AsType[*store.UnknownMembersError](err); ok {
				unknown.IDs = unknown.IDs[:1]
			}
			return applied, err
		}
	}},
	{"skips unknown members", []string{"Members/unknown ones", "Transactions/go on after unknown members"}, func(h *hooked) {
		h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
			applied, err := h.Store.Update(ctx, scope, ref, change, w)
			if unknown, ok := errors.AsType[*store.UnknownMembersError](err); ok {
				change.Members.Add = slices.DeleteFunc(slices.Clone(change.Members.Add), func(id string) bool { return slices.Contains(unknown.IDs, id) })
				return h.Store.Update(ctx, scope, ref, change, w)
			}
			return applied, err
		}
	}},
	{"orders members by id", []string{"Members/order"}, func(h *hooked) {
		paging(h, func(p *store.MemberPage) {
			slices.SortFunc(p.Memberships, func(a, b store.Membership) int { return strings.Compare(a.ID, b.ID) })
		})
	}},
	{"has one page of members", []string{"Members/pages"}, func(h *hooked) { paging(h, func(p *store.MemberPage) { p.Next = "" }) }},
	{"pages members by number", []string{"Members/pages while members change"}, func(h *hooked) {
		h.members = func(ctx context.Context, scope store.Scope, query store.MemberQuery) (page store.MemberPage, err error) {
			skip := len(query.After)
			all, err := h.Store.Members(ctx, scope, store.MemberQuery{Groups: query.Groups, Limit: everything})
			if err != nil {
				return page, err
			}
			rest := all.Memberships[min(skip, len(all.Memberships)):]
			page.Memberships = rest[:min(query.Limit, len(rest))]
			if len(rest) > query.Limit {
				page.Next = strings.Repeat("x", skip+query.Limit)
			}
			return page, nil
		}
	}},
	{"names nobody", []string{"Members/names"}, func(h *hooked) {
		paging(h, func(p *store.MemberPage) {
			for i := range p.Memberships {
				p.Memberships[i].Display = ""
			}
		})
	}},
	{"finds groups of groups", []string{"Members/groups of members"}, func(h *hooked) {
		h.groups = func(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
			found, err := h.Store.Groups(ctx, scope, members)
			for id, direct := range found {
				for _, g := range direct {
					outer, err := h.Store.Groups(ctx, scope, []string{g.ID})
					if err != nil {
						return nil, err
					}
					found[id] = append(found[id], outer[g.ID]...)
				}
			}
			return found, err
		}
	}},
	{"lets no group be in itself", []string{"Members/groups without users", "Members/order"}, func(h *hooked) {
		updating(h, func(_ context.Context, _ store.Scope, ref store.Ref, change *patch.ChangeSet, _ *store.Write) error {
			change.Members.Add = slices.DeleteFunc(slices.Clone(change.Members.Add), func(id string) bool { return id == ref.ID })
			return nil
		})
	}},
	{"tells no group of its loss", []string{"Deletion/of members", "Deletion/of groups", "Deletion/of who is in many groups",
		"Concurrency/who is deleted joins no group", "Concurrency/members of the same groups are deleted at once"}, func(h *hooked) {
		deleting(h, func(d *store.Deleted) { d.Lost = nil })
	}},
	{"gives all losses one time", []string{"Deletion/of who is in many groups"}, func(h *hooked) {
		deleting(h, func(d *store.Deleted) {
			for i := range d.Lost {
				d.Lost[i].Group.LastModified = d.Lost[0].Group.LastModified
			}
		})
	}},
	{"tells a group of the loss of itself", []string{"Deletion/of groups", "Members/groups without users"}, func(h *hooked) {
		h.delete = func(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
			groups, _ := h.Store.Groups(ctx, scope, []string{ref.ID})
			deleted, err := h.Store.Delete(ctx, scope, ref, w)
			if slices.ContainsFunc(groups[ref.ID], func(g store.Group) bool { return g.ID == ref.ID }) {
				deleted.Lost = append(deleted.Lost, store.Loss{Group: deleted.Resource})
			}
			return deleted, err
		}
	}},
	{"never commits", []string{"Transactions/commit", "Concurrency/transactions are seen as a whole"}, func(h *hooked) {
		h.inTx = func(ctx context.Context, f func(context.Context) error) error {
			if err := h.Store.InTx(ctx, func(ctx context.Context) error { return errors.Join(errRetry, f(ctx)) }); !errors.Is(err, errRetry) {
				return err
			}
			return nil
		}
	}},
	{"never rolls back", []string{
		"Transactions/roll back on an error", "Transactions/roll back on a panic", "Transactions/roll back memberships", "Transactions/nest",
		"Transactions/hide what is not committed", "Transactions/with connections", "Transactions/with a purge",
	}, noTransactions},
	{"turns panics into errors", []string{"Transactions/roll back on a panic"}, func(h *hooked) {
		h.inTx = func(ctx context.Context, f func(context.Context) error) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("recovered: %v", p)
				}
			}()
			return h.Store.InTx(ctx, f)
		}
	}},
	{"reads groups outside of the transaction", []string{"Transactions/read their own writes"}, func(h *hooked) {
		h.inTx = func(ctx context.Context, f func(context.Context) error) error {
			return h.Store.InTx(ctx, func(ctx context.Context) error { return f(context.WithValue(ctx, inside{}, true)) })
		}
		h.groups = func(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
			if ctx.Value(inside{}) != nil {
				return map[string][]store.Group{}, nil
			}
			return h.Store.Groups(ctx, scope, members)
		}
	}},
	{"forgets how an inner transaction ended", []string{"Transactions/nest"}, func(h *hooked) {
		h.inTx = func(ctx context.Context, f func(context.Context) error) error {
			if ctx.Value(inside{}) != nil {
				_ = f(ctx)
				return nil
			}
			return h.Store.InTx(ctx, func(ctx context.Context) error { return f(context.WithValue(ctx, inside{}, true)) })
		}
	}},
	{"gives transactions up after a failed call", []string{"Transactions/go on after a failed call", "Transactions/go on after unknown members",
		"Transactions/go on after refused changes of connections"}, aborted},
	{"goes on when the request has ended", []string{"Transactions/that are canceled"}, func(h *hooked) {
		h.inTx = func(ctx context.Context, f func(context.Context) error) error {
			return h.Store.InTx(context.WithoutCancel(ctx), f)
		}
	}},
	{"commits half of what is canceled", []string{"Transactions/that are canceled"}, func(h *hooked) {
		noTransactions(h)
		run := h.inTx
		h.inTx = func(ctx context.Context, f func(context.Context) error) error {
			return errors.Join(run(ctx, f), ctx.Err())
		}
	}},
	{"shows the rollback as a commit", []string{"Transactions/run hooks after the commit"}, func(h *hooked) {
		h.inTx = func(ctx context.Context, f func(context.Context) error) error {
			_ = h.Store.InTx(ctx, f)
			return nil
		}
	}},
	{"commits after it says so", []string{"Transactions/run hooks after the commit"}, func(h *hooked) {
		stale := func() func(context.Context, store.Scope, store.Ref) (store.Resource, error) {
			return func(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
				r, err := h.Store.Get(ctx, scope, ref)
				r.Version = 1
				return r, err
			}
		}
		h.get = stale()
	}},
	{"deletes twice", []string{"Concurrency/one of many deletions wins", "Resources/live and die"}, func(h *hooked) {
		h.delete = func(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
			deleted, err := h.Store.Delete(ctx, scope, ref, w)
			if errors.Is(err, store.ErrNotFound) {
				err = nil
			}
			return deleted, err
		}
	}},
	{"writes members as a whole", []string{"Concurrency/members are added at once", "Concurrency/members come and go at once"}, lostUpdates},
	{"keeps ghosts", []string{"Concurrency/who is deleted joins no group"}, ghosts},
	{"gives up on a deadlock", []string{"Concurrency/members of the same groups are deleted at once", "Concurrency/transactions meet in two groups"}, func(h *hooked) {
		var calls atomic.Int64
		h.delete = func(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
			if calls.Add(1) == 3 {
				return store.Deleted{}, errLock
			}
			return h.Store.Delete(ctx, scope, ref, w)
		}
		h.inTx = func(ctx context.Context, f func(context.Context) error) error {
			if calls.Add(1) == 3 {
				return errLock
			}
			return h.Store.InTx(ctx, f)
		}
	}},
	{"locks nothing", []string{"Concurrency/nobody comes between read and write"}, func(h *hooked) {
		noTransactions(h)
		var reads atomic.Int64
		wait := barrier(crowd)
		h.get = func(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
			r, err := h.Store.Get(ctx, scope, ref)
			if ctx.Value(inside{}) != nil && reads.Add(1) <= crowd {
				wait()
			}
			return r, err
		}
	}},
	{"shows half a transaction", []string{"Concurrency/transactions are seen as a whole"}, halfSeen},
	{"runs a statement per resource", []string{"Cost/does not grow with the directory"}, func(h *hooked) {
		listing(h, func(*store.Query) {}, func(_ store.Query, p *store.Page) {
			for range p.Total {
				h.before()
			}
		})
	}},
	{"runs many statements", []string{"Cost/does not grow with the directory"}, func(h *hooked) {
		h.get = func(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
			h.before()
			h.before()
			return h.Store.Get(ctx, scope, ref)
		}
	}},
	{"runs a statement per group", []string{"Cost/of members does not grow with the group"}, func(h *hooked) {
		deleting(h, func(d *store.Deleted) {
			for range d.Lost {
				h.before()
			}
		})
	}},
}
