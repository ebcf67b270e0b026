package scim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/scimkit/scim/internal/mapping"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/store"
)

// MembersConfig configures Members.
type MembersConfig struct {
	// Store is that of Config.Store, required. It must be a store.Transactor, a store.MemberLister and a store.GroupLister.
	Store store.Store
	// State keeps roles and tombstones, nil: Store, if it is a store.MemberStore. Its calls must take part in Store's transactions.
	State store.MemberStore
	// Types are those of Config.Types.
	Types []ResourceType
	// Functions are filters of the host's own for attribute mappings, by name. Each is called by several goroutines at a time, never with
	// an empty text, and again for the same value.
	Functions map[string]func(value string) (string, error)
	// Apply makes the host's account be what after says, required. It is called in the transaction in which the resource changes, before
	// the identity provider has its answer: what it writes through that transaction (sqlstore.Tx) is committed together with the
	// resource. before is what it was told last, nil for a new member; it is not called if nothing changes for the account.
	//
	// It must be idempotent, since a transaction may run again, and a request may come again. Ending the sessions of a member that is not
	// active any more belongs here. An error undoes the change: a Refusal becomes the answer that it describes, anything else a 503.
	Apply func(ctx context.Context, before *Member, after Member) error
	// DefaultRoles are the roles of every active member of a connection, nil: none.
	DefaultRoles func(connection store.Scope) []string
	// DomainRoles are the roles of active members whose Email is of a domain, in lower case, nil: none.
	DomainRoles func(connection store.Scope, domain string) []string
	// Domains are those of the e-mail addresses that a connection may claim, as userName or e-mail address; nil, or a nil list: any. It
	// is asked about every address that a write adds, whichever verb or path wrote it, and never about what was there before: taking a
	// domain away keeps nobody from being deactivated. What is refused is a 400 invalidValue.
	Domains func(connection store.Scope) []string
	// Link decides about an active member that is new, is back, or has a new Email, which the host may know already; nil: Apply decides. The
	// host's account is never adopted silently: LinkRefuse, the zero value, is a 409 uniqueness, and LinkExisting is passed on to Apply
	// as Member.Link.
	Link func(ctx context.Context, after Member) (Link, error)
	// MayModify refuses a change of a user or group, its deletion, and what the deletion of another resource does to it, nil: none. An
	// error undoes the whole request, with a 403 unless it is a Refusal.
	MayModify func(ctx context.Context, connection store.Scope, before store.Resource) error
}

// Link is what becomes of a member whose e-mail address the host may know.
type Link int

// The decisions of MembersConfig.Link.
const (
	LinkRefuse   Link = iota // the address is somebody else's
	LinkCreate               // nobody has it
	LinkExisting             // the account that has it becomes the member's
)

// MemberSink is an EventSink that keeps the host's accounts in step with the directory. It is safe for concurrent use.
type MemberSink struct {
	config  MembersConfig
	tx      store.Transactor
	members store.MemberLister
	groups  store.GroupLister
	user    *schema.ResourceType

	defaults *mapping.Mapping
	mu       sync.Mutex
	mappings map[string]*mapping.Mapping // compiled, by their JSON
}

var _ EventSink = (*MemberSink)(nil)

const (
	userType  = "User"
	groupType = "Group"
	// together is how many members are looked at with one query.
	together = 200
)

// Members returns the sink that calls Apply. It fails if something in the configuration is missing, or if Store has no transactions.
func Members(config MembersConfig) (*MemberSink, error) {
	m := &MemberSink{config: config}
	var ok [3]bool
	m.tx, ok[0] = config.Store.(store.Transactor)
	m.members, ok[1] = config.Store.(store.MemberLister)
	m.groups, ok[2] = config.Store.(store.GroupLister)
	if m.config.State == nil {
		m.config.State, _ = config.Store.(store.MemberStore)
	}
	types, err := compileTypes(config.Types)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(types, func(rt *schema.ResourceType) bool { return rt.Name == userType })
	if i < 0 {
		return nil, errors.New("scim: MembersConfig.Types holds no User")
	}
	m.user = types[i]
	if m.defaults, err = mapping.Compile(m.user, nil, config.Functions); err != nil {
		return nil, fmt.Errorf("scim: MembersConfig.Functions: %w", err)
	}
	switch {
	case config.Apply == nil:
		return nil, errors.New("scim: MembersConfig.Apply is nil")
	case !ok[0] || !ok[1] || !ok[2]:
		return nil, errors.New("scim: MembersConfig.Store lacks transactions, members or groups")
	case m.config.State == nil:
		return nil, errors.New("scim: MembersConfig.State is nil")
	}
	return m, nil
}

// Emit implements EventSink.
func (m *MemberSink) Emit(ctx context.Context, e Event) error {
	scope := store.Scope{Connection: e.Connection, Tenant: e.Tenant}
	if e.Type == ConnectionDeleted {
		return m.release(ctx, scope)
	}
	if e.Resource.Type != userType && e.Resource.Type != groupType {
		return nil
	}
	if err := m.mayModify(ctx, scope, e.Before); err != nil {
		return err
	}
	if e.Resource.Type == userType {
		return m.follow(ctx, scope, e)
	}
	return m.group(ctx, scope, e)
}

func (m *MemberSink) mayModify(ctx context.Context, scope store.Scope, before *store.Resource) error {
	if before == nil || m.config.MayModify == nil {
		return nil
	}
	err := m.config.MayModify(ctx, scope, *before)
	var refusal *Refusal
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return &Refusal{Status: 403, Detail: "the resource is protected"}
}

// follow follows a change of a user's own resource.
func (m *MemberSink) follow(ctx context.Context, scope store.Scope, e Event) error {
	rules, err := m.rules(ctx, scope)
	if err != nil {
		return err
	}
	s := &standing{}
	if e.Before != nil {
		before, _, err := identify(ctx, rules, *e.Before)
		if err != nil && !isUnmapped(err) {
			return err
		}
		s.before = &before
	}
	if e.After == nil {
		err = m.removed(ctx, rules, s, e)
	} else {
		err = m.present(ctx, rules, s, e)
	}
	if err != nil {
		return err
	}
	return m.settle(ctx, rules, []*standing{s})
}

// removed makes the member of a resource that was deleted one that is removed, and remembers it.
func (m *MemberSink) removed(ctx context.Context, rules *rules, s *standing, e Event) error {
	s.after = *s.before
	s.after.Status = MemberRemoved
	stone, err := m.tombstone(*e.Before, e)
	if err != nil {
		return err
	}
	return m.config.State.PutTombstone(ctx, rules.scope, stone)
}

// present makes of a resource what its member is to be, if that is allowed. What a mapping cannot map keeps nobody in: whoever is to be
// deactivated is.
func (m *MemberSink) present(ctx context.Context, rules *rules, s *standing, e Event) (err error) {
	s.after, s.mapped, err = identify(ctx, rules, *e.After)
	var unmapped *mapping.Error
	if errors.As(err, &unmapped) && s.after.Status == MemberActive {
		return &Refusal{Status: 400, ScimType: "invalidValue", Detail: "attribute mapping, key " + unmapped.Key + ": " + unmapped.Reason}
	}
	if err != nil && unmapped == nil {
		return err
	}
	if err := m.mayClaim(rules.scope, e.Before, *e.After, s); err != nil {
		return err
	}
	if s.after.Link, err = m.link(ctx, s.before, s.after); err != nil {
		return err
	}
	if e.Before != nil {
		return nil
	}
	stone, err := m.tombstone(*e.After, e)
	if err != nil {
		return err
	}
	s.after.Predecessors, err = m.config.State.Tombstones(ctx, rules.scope, stone.ExternalID, stone.UserName)
	return err
}

// link asks what becomes of an active member whose address is new, or that is back: a leaver is not kept in for its address.
func (m *MemberSink) link(ctx context.Context, before *Member, after Member) (Link, error) {
	known := before != nil && before.Status == MemberActive && before.Email == after.Email
	if m.config.Link == nil || after.Status != MemberActive || after.Email == "" || known {
		return LinkCreate, nil
	}
	link, err := m.config.Link(ctx, after)
	if err == nil && link == LinkRefuse {
		err = &Refusal{
			Status: 409, ScimType: "uniqueness", Attribute: "emails.value", Detail: "the e-mail address belongs to another account of the application",
		}
	}
	return link, err
}

// tombstone returns what is remembered of a user.
func (m *MemberSink) tombstone(r store.Resource, e Event) (store.Tombstone, error) {
	tree, err := r.Document.Tree(m.user)
	if err != nil {
		return store.Tombstone{}, err
	}
	document := m.user.Document(tree)
	folded := func(path string) string {
		if values := document.Values(path); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	return store.Tombstone{Member: r.ID, ExternalID: folded("externalId"), UserName: folded("userName"), DeletedAt: e.Time}, nil
}

// mayClaim checks the addresses that a resource has and had not before, and the one that the mapping makes of it.
func (m *MemberSink) mayClaim(scope store.Scope, before *store.Resource, after store.Resource, s *standing) error {
	if m.config.Domains == nil {
		return nil
	}
	allowed := m.config.Domains(scope)
	if allowed == nil {
		return nil
	}
	had := make(map[string]bool)
	if before != nil {
		for _, c := range claims(*before) {
			had[c.address] = true
		}
		had[s.before.Email] = true
	}
	list := claims(after)
	if s.after.Email != "" {
		list = append(list, claim{"emails.value", s.after.Email})
	}
	for _, c := range list {
		if had[c.address] {
			continue
		}
		domain, ok := domainOf(c.address)
		if !ok || !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, domain) }) {
			return &Refusal{
				Status: 400, ScimType: "invalidValue", Attribute: c.path,
				Detail: c.path + " must be an e-mail address of a domain that this connection may use",
			}
		}
	}
	return nil
}

type claim struct{ path, address string }

// claims returns the addresses of a user. A userName without @ is a name and claims none.
func claims(r store.Resource) []claim {
	var list []claim
	user, err := UserOf(r.Document)
	if err != nil {
		return nil
	}
	if strings.Contains(user.UserName, "@") {
		list = append(list, claim{"userName", user.UserName})
	}
	for _, e := range user.Emails {
		list = append(list, claim{"emails.value", e.Value})
	}
	return list
}

// group follows a change of a group: its members' roles depend on it if it gives any.
func (m *MemberSink) group(ctx context.Context, scope store.Scope, e Event) error {
	rules, err := m.rules(ctx, scope)
	if err != nil {
		return err
	}
	if e.After == nil {
		return m.ungroup(ctx, rules, groupOf(*e.Before))
	}
	if len(rules.byGroup[e.Resource.ID]) == 0 {
		return nil
	}
	var ids []string
	joined := make(map[string]bool, len(e.Added))
	for _, changed := range [][]store.Member{e.Added, e.Removed} {
		for _, member := range changed {
			if member.Type == userType {
				ids = append(ids, member.ID)
			}
		}
	}
	for _, member := range e.Added {
		joined[member.ID] = true
	}
	moved := groupOf(*e.After)
	return m.recompute(ctx, rules, ids, func(s *standing) { s.moved, s.joined = moved, joined[s.after.ID] })
}

func groupOf(r store.Resource) store.Group {
	group, _ := GroupOf(r.Document) // a name that cannot be read is none
	return store.Group{ID: r.ID, Type: groupType, Display: group.DisplayName}
}

// ungroup takes away what a group that was deleted gave.
func (m *MemberSink) ungroup(ctx context.Context, rules *rules, group store.Group) error {
	if len(rules.byGroup[group.ID]) > 0 {
		assignments, err := m.lockAssignments(ctx, rules.scope)
		if err != nil {
			return err
		}
		if rules, err = m.rulesOf(ctx, rules.scope, assignments); err != nil {
			return err
		}
		rules.drop(group.ID)
		if err := m.config.State.PutRoleAssignments(ctx, rules.scope, rules.assignments); err != nil {
			return err
		}
	}
	left := func(s *standing) { s.moved = group }
	return m.eachGranted(ctx, rules, store.GrantQuery{Source: store.SourceGroup, Group: group.ID}, left)
}

// eachGranted computes the members anew that were granted something.
func (m *MemberSink) eachGranted(ctx context.Context, rules *rules, query store.GrantQuery, prepare func(*standing)) error {
	query.Limit = together
	for {
		ids, err := m.config.State.Granted(ctx, rules.scope, query)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := m.recompute(ctx, rules, ids, prepare); err != nil {
			return err
		}
		query.After = ids[len(ids)-1]
	}
}

// release takes away what a connection gave its members by group or by default when it is deleted. Their status stays, as do roles of
// other sources.
func (m *MemberSink) release(ctx context.Context, scope store.Scope) error {
	rules, err := m.rulesOf(ctx, scope, nil)
	if err != nil {
		return err
	}
	rules.released = true
	if err := m.config.State.PutRoleAssignments(ctx, scope, nil); err != nil {
		return err
	}
	for _, source := range []store.GrantSource{store.SourceGroup, store.SourceConnection} {
		if err := m.eachGranted(ctx, rules, store.GrantQuery{Source: source}, nil); err != nil {
			return err
		}
	}
	return nil
}
