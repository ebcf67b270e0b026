package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/scimkit/scim/filter"
)

// statement is one statement in the words of each database.
type statement struct {
	sqlite, postgres string
}

// fixed are the texts for SQLite that every Store prepares when it is made.
var fixed []string

// either returns a statement in the words of each database, the arguments of both as ?.
func either(sqlite, postgres string) statement {
	if sqlite != "" {
		fixed = append(fixed, sqlite)
	}
	return statement{sqlite: sqlite, postgres: numbered(postgres)}
}

// both makes a statement for both databases out of one text. Arguments are ?, and
//
//	{texts} {numbers}        the elements of an argument that is a JSON array
//	{listed}                 the directory in a list, in its order; for scim_resources_order and the like
//	{keep} {share} {erase}   the lock on the row r: against other writers, against its deletion, against both
func both(text string) statement {
	sqlite := strings.NewReplacer(
		"{texts}", "(SELECT value FROM json_each(?))", "{numbers}", "(SELECT value FROM json_each(?))",
		"{listed}", "directory", "{keep}", "", "{share}", "", "{erase}", "",
	)
	postgres := strings.NewReplacer(
		// An array is compared with an index. A set would be joined, and is taken for so big that the whole table is read.
		"NOT IN {numbers}", "<> ALL (CAST(translate(CAST(? AS text), '[]', '{}') AS bigint[]))",
		"IN {numbers}", "= ANY (CAST(translate(CAST(? AS text), '[]', '{}') AS bigint[]))",
		"IN {texts}", "= ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json))))",
		"{listed}", "directory + 0", "{keep}", " FOR NO KEY UPDATE OF r", "{share}", " FOR KEY SHARE OF r", "{erase}", " FOR UPDATE OF r",
	)
	return either(sqlite.Replace(text), postgres.Replace(text))
}

// numbered replaces each ? by the placeholder of its place.
func numbered(text string) string {
	var b strings.Builder
	n := 0
	for {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
		text = after
	}
}

// list makes a JSON array of texts or numbers.
func list[E string | int64](elements []E) string {
	text, _ := json.Marshal(elements) // of texts and numbers: cannot fail
	if elements == nil {
		return "[]"
	}
	return string(text)
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

// handle runs statements, in a transaction or on their own.
type handle struct {
	s *Store
	t *txn // nil: on their own
}

// on returns a handle for the transaction of ctx, if it carries one.
func (s *Store) on(ctx context.Context) handle { return handle{s, s.joined(ctx)} }

// runner is what *sql.DB, *sql.Tx and *sql.Stmt have in common, once the text is settled.
type runner interface {
	exec(ctx context.Context, args []any) (sql.Result, error)
	query(ctx context.Context, args []any) (*sql.Rows, error)
}

type prepared struct{ *sql.Stmt }

func (p prepared) exec(ctx context.Context, args []any) (sql.Result, error) {
	return p.ExecContext(ctx, args...)
}

func (p prepared) query(ctx context.Context, args []any) (*sql.Rows, error) {
	return p.QueryContext(ctx, args...)
}

type direct struct {
	on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
	text string
}

func (d direct) exec(ctx context.Context, args []any) (sql.Result, error) {
	return d.on.ExecContext(ctx, d.text, args...)
}

func (d direct) query(ctx context.Context, args []any) (*sql.Rows, error) {
	return d.on.QueryContext(ctx, d.text, args...)
}

// prepare prepares the fixed statements. SQLite compiles a text anew each time unless it is prepared; drivers of PostgreSQL keep what
// they prepared, where the pool lets them.
func (s *Store) prepare(ctx context.Context) error {
	if s.config.Dialect == filter.PostgreSQL {
		return nil
	}
	s.statements = make(map[string]*sql.Stmt, len(fixed))
	for _, text := range fixed {
		stmt, err := s.config.DB.PrepareContext(ctx, text) //nolint:sqlclosecheck // closed with the database
		if err != nil {
			return err
		}
		s.statements[text] = stmt
	}
	return nil
}

// runner settles how a statement runs.
func (h handle) runner(ctx context.Context, st statement) runner {
	if h.s.config.Dialect == filter.PostgreSQL {
		return h.direct(st.postgres)
	}
	stmt := h.s.statements[st.sqlite]
	switch {
	case stmt == nil:
		return h.direct(st.sqlite)
	case h.t != nil:
		stmt = h.t.tx.StmtContext(ctx, stmt)
	}
	return prepared{stmt}
}

func (h handle) direct(text string) runner {
	if h.t != nil {
		return direct{h.t.tx, text}
	}
	return direct{h.s.config.DB, text}
}

// exec runs a statement without rows and returns how many it changed.
func (h handle) exec(ctx context.Context, st statement, args ...any) (int64, error) {
	result, err := h.runner(ctx, st).exec(ctx, args)
	if err != nil {
		return 0, h.noted(err)
	}
	return result.RowsAffected()
}

// row runs a statement with one row; sql.ErrNoRows if there is none.
func (h handle) row(ctx context.Context, st statement, args []any, into ...any) error {
	found := false
	err := h.each(ctx, st, args, func(row scanner) error {
		found = true
		return row.Scan(into...)
	})
	if err == nil && !found {
		return sql.ErrNoRows
	}
	return err
}

// each calls f with every row.
func (h handle) each(ctx context.Context, st statement, args []any, f func(scanner) error) (err error) {
	rows, err := h.runner(ctx, st).query(ctx, args)
	if err != nil {
		return h.noted(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return h.noted(rows.Err())
}

// noted remembers, for a transaction, an error after which it may run again, whatever its caller makes of the error.
func (h handle) noted(err error) error {
	if h.t != nil && retryable(err) {
		h.t.lost = true
	}
	return err
}
