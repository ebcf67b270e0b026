package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/scimkit/scim/store"
)

const (
	connectionColumns = `
c.id, c.tenant, c.display_name, c.identity_provider, c.status, c.policy, c.strict, c.created, c.updated, c.revision`
	oneConnection = `SELECT ` + connectionColumns + ` FROM scim_connections AS c WHERE c.id = ? AND c.tenant = ? AND c.status <> 'deleted'`
)

var (
	// Nobody else counts or adds active connections of the tenant until the transaction ends.
	lockTenant       = either(`SELECT ?`, `SELECT pg_advisory_xact_lock(764376440, hashtext(?))`)
	countConnections = both(`SELECT count(*) FROM scim_connections WHERE tenant = ? AND status = 'active'`)
	addConnection    = both(`
INSERT INTO scim_connections (display_name, identity_provider, status, policy, strict, updated, revision, created, id, tenant)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	setConnection = both(`
UPDATE scim_connections SET display_name = ?, identity_provider = ?, status = ?, policy = ?, strict = ?, updated = ?, revision = ?
WHERE id = ?`)
	readConnection  = both(oneConnection)
	keepConnection  = either(oneConnection, oneConnection+` FOR NO KEY UPDATE OF c`)
	listConnections = both(`
SELECT ` + connectionColumns + ` FROM scim_connections AS c WHERE c.tenant = ? AND c.status <> 'deleted' ORDER BY c.number`)
	deletedConnections = both(`
SELECT ` + connectionColumns + ` FROM scim_connections AS c WHERE c.status = 'deleted' ORDER BY c.updated, c.number LIMIT ?`)
	dropConnection = both(`DELETE FROM scim_connections WHERE id = ? AND tenant = ? AND status = 'deleted'`)
)

// CreateConnection implements store.ConnectionStore.
func (s *Store) CreateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	if err := connection.Scope().Check(); err != nil {
		return err
	}
	return s.InTx(ctx, func(ctx context.Context) error {
		h := s.on(ctx)
		if err := h.admit(ctx, connection, limit); err != nil {
			return err
		}
		if err := h.addTokens(ctx, connection.ID, tokens); err != nil {
			return err
		}
		columns, err := columnsOf(connection)
		if err != nil {
			return err
		}
		n, err := h.exec(ctx, addConnection, append(columns, connection.CreatedAt.UnixMicro(), connection.ID, connection.Tenant)...)
		if err == nil && n == 0 {
			return errors.Join(store.ErrExists, h.dropTokens(ctx, tokens))
		}
		return err
	})
}

// UpdateConnection implements store.ConnectionStore.
func (s *Store) UpdateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		h := s.on(ctx)
		before, err := s.Connection(ctx, connection.Scope())
		if err != nil {
			return err
		}
		if before.Revision != connection.Revision {
			return store.ErrVersion
		}
		if before.Status != store.StatusActive {
			if err := h.admit(ctx, connection, limit); err != nil {
				return err
			}
		}
		if err := h.putTokens(ctx, connection.ID, tokens); err != nil {
			return err
		}
		connection.Revision++
		columns, err := columnsOf(connection)
		if err != nil {
			return err
		}
		_, err = h.exec(ctx, setConnection, append(columns, connection.ID)...)
		return err
	})
}

// admit refuses an active connection of a tenant that has limit of them already.
func (h handle) admit(ctx context.Context, connection store.Connection, limit int) error {
	if limit <= 0 || connection.Status != store.StatusActive {
		return nil
	}
	var ignored any
	if err := h.row(ctx, lockTenant, []any{connection.Tenant}, &ignored); err != nil {
		return err
	}
	var active int
	err := h.row(ctx, countConnections, []any{connection.Tenant}, &active)
	if err == nil && active >= limit {
		err = store.ErrLimit
	}
	return err
}

// columnsOf returns what an update sets.
func columnsOf(c store.Connection) ([]any, error) {
	policy, err := json.Marshal(c.Policy)
	return []any{
		c.DisplayName, string(c.IdentityProvider), string(c.Status), string(policy), c.Strict, c.UpdatedAt.UnixMicro(), c.Revision,
	}, err
}

// Connection implements store.ConnectionStore.
func (s *Store) Connection(ctx context.Context, scope store.Scope) (connection store.Connection, err error) {
	if err := scope.Check(); err != nil {
		return connection, err
	}
	h := s.on(ctx)
	st := readConnection
	if h.t != nil {
		st = keepConnection
	}
	err = h.each(ctx, st, []any{scope.Connection, scope.Tenant}, func(row scanner) error { return scanConnection(row, &connection) })
	if err == nil && connection.ID == "" {
		err = store.ErrNotFound
	}
	return connection, err
}

// Connections implements store.ConnectionStore.
func (s *Store) Connections(ctx context.Context, tenant string) ([]store.Connection, error) {
	return s.connections(ctx, listConnections, tenant)
}

// Deleted implements store.ConnectionStore.
func (s *Store) Deleted(ctx context.Context, limit int) ([]store.Connection, error) {
	return s.connections(ctx, deletedConnections, limit)
}

func (s *Store) connections(ctx context.Context, st statement, arg any) (connections []store.Connection, err error) {
	err = s.on(ctx).each(ctx, st, []any{arg}, func(row scanner) error {
		var c store.Connection
		err := scanConnection(row, &c)
		connections = append(connections, c)
		return err
	})
	return connections, err
}

func scanConnection(row scanner, c *store.Connection, more ...any) error {
	var policy []byte
	var created, updated int64
	into := append([]any{
		&c.ID, &c.Tenant, &c.DisplayName, &c.IdentityProvider, &c.Status, &policy, &c.Strict, &created, &updated, &c.Revision,
	}, more...)
	if err := row.Scan(into...); err != nil {
		return err
	}
	c.CreatedAt, c.UpdatedAt = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	return json.Unmarshal(policy, &c.Policy)
}

// Forget implements store.ConnectionStore.
func (s *Store) Forget(ctx context.Context, scope store.Scope) error {
	if err := scope.Check(); err != nil {
		return err
	}
	return s.InTx(ctx, func(ctx context.Context) error {
		h := s.on(ctx)
		n, err := h.exec(ctx, dropConnection, scope.Connection, scope.Tenant)
		if err == nil && n > 0 {
			_, err = h.exec(ctx, dropTokensOf, scope.Connection)
		}
		return err
	})
}

// nullTime makes a column of a time that may be zero.
func nullTime(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func timeOf(column sql.NullInt64) time.Time {
	if !column.Valid {
		return time.Time{}
	}
	return time.UnixMicro(column.Int64).UTC()
}
