package main

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// createTable is the table that the host has had all along, and what SCIM adds to it. Ids are never used again.
const createTable = `CREATE TABLE IF NOT EXISTS accounts (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	tenant     TEXT NOT NULL,
	login      TEXT NOT NULL,
	email      TEXT NOT NULL DEFAULT '',
	first_name TEXT NOT NULL DEFAULT '',
	last_name  TEXT NOT NULL DEFAULT '',
	enabled    BOOLEAN NOT NULL DEFAULT TRUE,

	connection  TEXT,                       -- that the account came through, NULL for those of the host's own
	login_key   TEXT,                       -- the login, folded by the handler; no database folds as SCIM does
	external_id TEXT,                       -- NULL where there is none: a filter must tell that from ''
	version     INTEGER NOT NULL DEFAULT 1,
	created_at  INTEGER NOT NULL DEFAULT 0, -- in microseconds since 1970
	updated_at  INTEGER NOT NULL DEFAULT 0,
	UNIQUE (tenant, connection, login_key)
)`

// columns are read in the order of scan.
const columns = `id, version, created_at, updated_at, login, coalesce(external_id, ''), email, first_name, last_name, enabled`

// searchable are the attributes that the database can filter by. The names are not among them, since SCIM ignores their case.
var searchable = filter.Columns{Dialect: filter.SQLite, Map: map[string]filter.Column{
	"userName":          {Expr: "login_key", Type: filter.FoldedText},
	"externalId":        {Expr: "external_id", Type: filter.ExactText},
	"active":            {Expr: "enabled", Type: filter.Boolean},
	"meta.created":      {Expr: "created_at", Type: filter.Microseconds},
	"meta.lastModified": {Expr: "updated_at", Type: filter.Microseconds},
}}

// accounts is a store.Store over the host's table: users only, and of their attributes those that have a column.
type accounts struct{ db *sql.DB }

type txKey struct{}

// InTx implements store.Transactor: a change and its event are committed together. The DSN makes transactions immediate, so one at a
// time writes.
func (a *accounts) InTx(ctx context.Context, f func(ctx context.Context) error) error {
	if ctx.Value(txKey{}) != nil {
		return f(ctx)
	}
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if err := f(context.WithValue(ctx, txKey{}, tx)); err != nil {
		return err
	}
	return tx.Commit()
}

// querier is what a database and a transaction have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// in returns the transaction of ctx, or the database.
func (a *accounts) in(ctx context.Context) querier {
	if tx, ok := ctx.Value(txKey{}).(*sql.Tx); ok {
		return tx
	}
	return a.db
}

// scan reads a row as a resource. The error is store.ErrNotFound if there is none.
func scan(row interface{ Scan(into ...any) error }) (r store.Resource, err error) {
	var id, created, updated int64
	var u scim.User
	var name scim.Name
	var email string
	err = row.Scan(&id, &r.Version, &created, &updated, &u.UserName, &u.ExternalID, &email, &name.GivenName, &name.FamilyName, &u.Active)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Resource{}, store.ErrNotFound
	}
	if err != nil {
		return store.Resource{}, err
	}
	if name != (scim.Name{}) {
		u.Name = &name
	}
	if email != "" { // as identity providers call the one address that there is: emails[type eq "work"].value
		u.Emails = []scim.MultiValue{{Value: email, Type: "work", Primary: true}}
	}
	r.Ref = store.Ref{Type: "User", ID: strconv.FormatInt(id, 10)}
	r.Created, r.LastModified = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	r.Document, err = u.Document()
	return r, err
}

// values returns what a document and its unique values put into the columns login, login_key, external_id, email, first_name,
// last_name and enabled.
func values(document *store.Document, unique []store.Key) ([]any, error) {
	u, err := scim.UserOf(document)
	if err != nil {
		return nil, err
	}
	var name scim.Name
	if u.Name != nil {
		name = *u.Name
	}
	key := unique[slices.IndexFunc(unique, func(k store.Key) bool { return k.Path == "userName" })] // a User has one
	externalID := sql.NullString{String: u.ExternalID, Valid: u.ExternalID != ""}
	return []any{u.UserName, key.Value, externalID, u.PrimaryEmail(), name.GivenName, name.FamilyName, u.Active}, nil
}

// Create implements store.Store. The database mints the id.
func (a *accounts) Create(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
	if err := scope.Check(); err != nil {
		return store.Applied{}, err
	}
	args, err := values(draft.Document, draft.Unique)
	if err != nil {
		return store.Applied{}, err
	}
	at := draft.At.UnixMicro()
	created, err := scan(a.in(ctx).QueryRowContext(ctx, `INSERT INTO accounts
		(login, login_key, external_id, email, first_name, last_name, enabled, tenant, connection, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING `+columns,
		append(args, scope.Tenant, scope.Connection, at, at)...))
	return applied(created, err)
}

// applied is the outcome of a statement that returns no row if the login is taken.
func applied(r store.Resource, err error) (store.Applied, error) {
	if errors.Is(err, store.ErrNotFound) {
		return store.Applied{}, &store.UniquenessError{Path: "userName"}
	}
	return store.Applied{Resource: r, Changed: err == nil}, err
}

// Get implements store.Store.
func (a *accounts) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	if err := scope.Check(); err != nil {
		return store.Resource{}, err
	}
	id, err := strconv.ParseInt(ref.ID, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != ref.ID || ref.Type != "User" { // "+7" and "007" are nobody's ids
		return store.Resource{}, store.ErrNotFound
	}
	return scan(a.in(ctx).QueryRowContext(ctx,
		`SELECT `+columns+` FROM accounts WHERE id = ? AND tenant = ? AND connection = ?`, id, scope.Tenant, scope.Connection))
}

// get returns a resource that is to be written, ErrVersion if it has not the version that the writer expects.
func (a *accounts) get(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Resource, error) {
	r, err := a.Get(ctx, scope, ref)
	if err == nil && w.IfVersion != 0 && w.IfVersion != r.Version {
		err = store.ErrVersion
	}
	return r, err
}

// Update implements store.Store.
func (a *accounts) Update(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (after store.Applied, err error) {
	err = a.InTx(ctx, func(ctx context.Context) error {
		before, err := a.get(ctx, scope, ref, w)
		if err != nil || len(change.Changes) == 0 {
			after = store.Applied{Resource: before}
			return err
		}
		args, err := values(change.After, change.Unique)
		if err != nil {
			return err
		}
		at := max(w.At.UnixMicro(), before.LastModified.UnixMicro()+1)
		after, err = applied(scan(a.in(ctx).QueryRowContext(ctx, `UPDATE OR IGNORE accounts
			SET login = ?, login_key = ?, external_id = ?, email = ?, first_name = ?, last_name = ?, enabled = ?,
				version = version + 1, updated_at = ?
			WHERE id = ? RETURNING `+columns, append(args, at, ref.ID)...)))
		return err
	})
	return after, err
}

// Delete implements store.Store.
func (a *accounts) Delete(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (deleted store.Deleted, err error) {
	err = a.InTx(ctx, func(ctx context.Context) error {
		if deleted.Resource, err = a.get(ctx, scope, ref, w); err != nil {
			return err
		}
		_, err = a.in(ctx).ExecContext(ctx, `DELETE FROM accounts WHERE id = ?`, ref.ID)
		return err
	})
	return deleted, err
}

// List implements store.Store. The database filters as far as it can; where that is not all, Match decides.
func (a *accounts) List(ctx context.Context, scope store.Scope, query store.Query) (page store.Page, err error) {
	if err := scope.Check(); err != nil {
		return page, err
	}
	from, args := ` FROM accounts WHERE tenant = ? AND connection = ?`, []any{scope.Tenant, scope.Connection}
	where, literals, exact := query.Filter.SQL(searchable)
	if where != "" {
		from += " AND " + where
		args = append(args, literals...)
	}
	order := ` ORDER BY id`
	if exact {
		if err := a.in(ctx).QueryRowContext(ctx, `SELECT count(*)`+from, args...).Scan(&page.Total); err != nil {
			return page, err
		}
		order += ` LIMIT ? OFFSET ?`
		args = append(args, query.Count, query.Start-1)
	}
	rows, err := a.in(ctx).QueryContext(ctx, `SELECT `+columns+from+order, args...)
	if err != nil {
		return page, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return page, err
		}
		if !exact {
			ok, err := query.Filter.Match(filter.Record{
				ID: r.ID, Version: int64(r.Version), Created: r.Created, LastModified: r.LastModified, Document: r.Document,
			})
			if err != nil {
				return page, err
			}
			if !ok {
				continue
			}
			if page.Total++; page.Total < query.Start || len(page.Resources) == query.Count {
				continue
			}
		}
		page.Resources = append(page.Resources, r)
	}
	return page, rows.Err()
}
