package scim

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/mapping"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/store"
)

// maxMappings is how many compiled mappings are kept.
const maxMappings = 1000

func isUnmapped(err error) bool {
	var unmapped *mapping.Error
	return errors.As(err, &unmapped)
}

// AttributeMapping returns what a connection's attribute mapping has of its own, empty if that is nothing.
func (m *MemberSink) AttributeMapping(ctx context.Context, connection store.Scope) (map[string]string, error) {
	text, err := m.config.State.AttributeMapping(ctx, connection)
	table := map[string]string{}
	if err != nil || text == "" {
		return table, err
	}
	return table, json.Unmarshal([]byte(text), &table)
}

// EffectiveMapping returns a connection's attribute mapping with the defaults for what it leaves out.
func (m *MemberSink) EffectiveMapping(ctx context.Context, connection store.Scope) (map[string]string, error) {
	table, err := m.AttributeMapping(ctx, connection)
	if err != nil {
		return nil, err
	}
	compiled, err := m.compiled(table)
	if err != nil {
		return nil, err
	}
	return compiled.Effective(), nil
}

// SetAttributeMapping replaces a connection's attribute mapping: SCIM paths, as in PATCH, with targets: email, given_name, family_name,
// display_name, user_name, external_id, locale, timezone, title, role, or metadata.<key>, with an expression before them if the value is
// to be changed, {{ value | downcase }}.email. What it leaves out keeps its default, so an empty table resets it. It has at most 200 keys
// and 64 KiB. It counts for users that are written from then on; Resync applies it to the others. AttributeError names the key.
func (m *MemberSink) SetAttributeMapping(ctx context.Context, connection store.Scope, table map[string]string) error {
	if _, err := m.compiled(table); err != nil {
		return err
	}
	text := ""
	if len(table) > 0 {
		encoded, err := json.Marshal(table)
		if err != nil {
			return err
		}
		text = string(encoded)
	}
	return m.config.State.PutAttributeMapping(ctx, connection, text)
}

// compiled compiles a mapping, or finds it compiled.
func (m *MemberSink) compiled(table map[string]string) (*mapping.Mapping, error) {
	if len(table) == 0 {
		return m.defaults, nil
	}
	text, err := json.Marshal(table)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	known := m.mappings[string(text)]
	m.mu.Unlock()
	if known != nil {
		return known, nil
	}
	compiled, err := mapping.Compile(m.user, table, m.config.Functions)
	if err != nil {
		return nil, &AttributeError{"attribute_mapping", err.Error()}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mappings == nil || len(m.mappings) >= maxMappings {
		m.mappings = make(map[string]*mapping.Mapping)
	}
	m.mappings[string(text)] = compiled
	return compiled, nil
}

// Preview is what an attribute mapping makes of a resource.
type Preview struct {
	Member Member
	Roles  []string          // that the attributes give
	Origin map[string]string // by target, the path that it comes from
}

// PreviewAttributeMapping tells what a mapping, nil for the connection's own, would make of a user as an identity provider sends it, JSON.
// Nothing is stored, and nobody told. AttributeError: the mapping, or the resource, is not acceptable.
func (m *MemberSink) PreviewAttributeMapping(
	ctx context.Context, connection store.Scope, table map[string]string, resource []byte,
) (p Preview, err error) {
	if table == nil {
		if table, err = m.AttributeMapping(ctx, connection); err != nil {
			return p, err
		}
	}
	rules := &rules{scope: connection, fallback: m.defaults}
	if rules.mapping, err = m.compiled(table); err != nil {
		return p, err
	}
	limits, err := Limits{}.withDefaults()
	if err != nil {
		return p, err
	}
	if err := strict.Check(resource, limits.shape()); err != nil {
		return p, &AttributeError{"resource", err.Error()}
	}
	var document *store.Document
	err = strict.Read(resource, func(r *strict.Reader) error {
		input, err := m.user.Decode(r, dialect.NewReport(false, dialect.Policy{}))
		if err != nil {
			return err
		}
		m.user.AssignDefaults(input.Tree)
		document = m.user.Document(input.Tree)
		return nil
	})
	if err != nil {
		return p, &AttributeError{"resource", err.Error()}
	}
	if p.Member, p.Roles, err = identify(ctx, rules, store.Resource{Document: document}); isUnmapped(err) {
		return p, &AttributeError{"resource", err.Error()}
	}
	if err != nil {
		return p, err
	}
	result, err := rules.mapping.Apply(ctx, document)
	p.Origin = result.Origin
	return p, err
}
