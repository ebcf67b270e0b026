package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/scimkit/scim/store"
)

const connectionColumns = `c.id, c.tenant, c.display_name, c.identity_provider, c.policy, c.strict, c.created`

var (
	// Nobody else counts or creates connections of the tenant until the transaction ends.
	lockTenant       = either(`SELECT ?`, `SELECT pg_advisory_xact_lock(764376440, hashtext(?))`)
	countConnections = both(`SELECT count(*) FROM scim_connections WHERE tenant = ?`)
	addConnection    = both(`
INSERT INTO scim_connections (id, tenant, display_name, identity_provider, policy, strict, created) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING`)
	listConnections = both(`SELECT ` + connectionColumns + ` FROM scim_connections AS c WHERE c.tenant = ? ORDER BY c.number`)
	findConnection  = both(`SELECT c.id FROM scim_connections AS c WHERE c.id = ?`)
	addToken        = both(`
INSERT INTO scim_tokens (id, connection, digest, last_four, created, expires) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	findByID     = both(findToken + `t.id = ?`)
	findByDigest = both(findToken + `t.digest = ?`)
)

const findToken = `SELECT ` + connectionColumns + `, t.id, t.digest, t.last_four, t.created, t.expires
FROM scim_tokens AS t JOIN scim_connections AS c ON c.id = t.connection WHERE `

// CreateConnection implements store.ConnectionStore.
func (s *Store) CreateConnection(ctx context.Context, connection store.Connection, limit int) error {
	policy, err := json.Marshal(connection.Policy)
	if err != nil {
		return err
	}
	return s.InTx(ctx, func(ctx context.Context) error {
		h := s.on(ctx)
		if limit > 0 {
			var ignored any
			if err := h.row(ctx, lockTenant, []any{connection.Tenant}, &ignored); err != nil {
				return err
			}
			var have int
			if err := h.row(ctx, countConnections, []any{connection.Tenant}, &have); err != nil {
				return err
			}
			if have >= limit {
				return store.ErrExists
			}
		}
		return existing(h.exec(ctx, addConnection, connection.ID, connection.Tenant, connection.DisplayName,
			string(connection.IdentityProvider), string(policy), connection.Strict, connection.CreatedAt.UnixMicro()))
	})
}

// existing turns an insertion that inserted nothing into ErrExists.
func existing(inserted int64, err error) error {
	if err == nil && inserted == 0 {
		return store.ErrExists
	}
	return err
}

// Connections implements store.ConnectionStore.
func (s *Store) Connections(ctx context.Context, tenant string) (connections []store.Connection, err error) {
	err = s.on(ctx).each(ctx, listConnections, []any{tenant}, func(row scanner) error {
		var c store.Connection
		err := scanConnection(row, &c)
		connections = append(connections, c)
		return err
	})
	return connections, err
}

func scanConnection(row scanner, c *store.Connection, more ...any) error {
	var policy []byte
	var created int64
	into := append([]any{&c.ID, &c.Tenant, &c.DisplayName, &c.IdentityProvider, &policy, &c.Strict, &created}, more...)
	if err := row.Scan(into...); err != nil {
		return err
	}
	c.CreatedAt = time.UnixMicro(created).UTC()
	return json.Unmarshal(policy, &c.Policy)
}

// CreateToken implements store.ConnectionStore.
func (s *Store) CreateToken(ctx context.Context, token store.Token) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		h := s.on(ctx)
		var id string
		err := h.row(ctx, findConnection, []any{token.Connection}, &id)
		if errors.Is(err, sql.ErrNoRows) {
			return store.ErrNotFound
		}
		if err != nil {
			return err
		}
		expires := sql.NullInt64{Int64: token.ExpiresAt.UnixMicro(), Valid: !token.ExpiresAt.IsZero()}
		return existing(h.exec(ctx, addToken, token.ID, token.Connection, token.Digest[:], token.LastFour, token.CreatedAt.UnixMicro(), expires))
	})
}

// FindToken implements store.ConnectionStore.
func (s *Store) FindToken(ctx context.Context, id string, digest store.Digest) (token store.Token, connection store.Connection, err error) {
	st, arg := findByID, any(id)
	if id == "" {
		st, arg = findByDigest, digest[:]
	}
	err = s.on(ctx).each(ctx, st, []any{arg}, func(row scanner) error {
		var stored []byte
		var created int64
		var expires sql.NullInt64
		if err := scanConnection(row, &connection, &token.ID, &stored, &token.LastFour, &created, &expires); err != nil {
			return err
		}
		copy(token.Digest[:], stored)
		token.Connection, token.CreatedAt = connection.ID, time.UnixMicro(created).UTC()
		if expires.Valid {
			token.ExpiresAt = time.UnixMicro(expires.Int64).UTC()
		}
		return nil
	})
	if err == nil && token.ID == "" {
		err = store.ErrNotFound
	}
	return token, connection, err
}
