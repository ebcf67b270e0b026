package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/scimkit/scim/filter"
)

// Open is SQLite or PostgreSQL with a Driver between the pool and the database.
func Open(t testing.TB, dialect filter.Dialect) (*sql.DB, *Driver) {
	t.Helper()
	if dialect == filter.PostgreSQL {
		return Between(t, dialect, PostgreSQLDSN(t))
	}
	return Between(t, dialect, SQLiteDSN(SQLiteFile(t)))
}

// Between opens any database with a Driver in between.
func Between(t testing.TB, dialect filter.Dialect, dsn string) (*sql.DB, *Driver) {
	t.Helper()
	var connector driver.Connector
	var err error
	if dialect == filter.PostgreSQL {
		connector, err = stdlib.GetDefaultDriver().(driver.DriverContext).OpenConnector(dsn)
	} else {
		connector, err = sqlite.NewConnector(dsn)
	}
	check(t, err)
	d := &Driver{connector: connector, dialect: dialect}
	db := sql.OpenDB(d)
	t.Cleanup(func() { check(t, db.Close()) })
	return db, d
}

// Driver passes everything on to the driver of a database, counts the steps and makes one of them fail by plan. It is safe for
// concurrent use.
type Driver struct {
	connector driver.Connector
	dialect   filter.Dialect

	mu     sync.Mutex
	counts Counts
	watch  func(text string, args []any)
	fault  Fault
	seen   int // steps that the fault counts
	fired  int
	last   Step // that failed
	inside bool // it was in a transaction
}

// Counts is how often what was tried. Preparations are not counted, neither is what a text of several statements holds.
type Counts struct{ Begins, Statements, Commits, Rollbacks int64 }

// Counts returns the counts since the beginning.
func (d *Driver) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Steps is what costs a round trip and can fail: begins, statements and commits since the beginning.
func (d *Driver) Steps() int64 {
	c := d.Counts()
	return c.Begins + c.Statements + c.Commits
}

// Watch has f called with every statement before it runs; nil ends that. f must not use the database.
func (d *Driver) Watch(f func(text string, args []any)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch = f
}

// Connect implements driver.Connector.
func (d *Driver) Connect(ctx context.Context) (driver.Conn, error) {
	if f, ok := d.step(Connect, false, "", nil); ok {
		return nil, f.Err
	}
	opened, err := d.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := opened.(session)
	if !ok {
		return nil, errors.Join(fmt.Errorf("dbtest: %T lacks interfaces", opened), opened.Close())
	}
	return &conn{session: inner, d: d}, nil
}

// Driver implements driver.Connector.
func (d *Driver) Driver() driver.Driver { return d.connector.Driver() }

// session is what the connections of both drivers have.
type session interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Pinger
}

type conn struct {
	session
	d       *Driver
	tx      driver.Tx // open
	aborted bool      // PostgreSQL: the open transaction refuses everything but its end
	broken  bool      // the database has gone away
}

// errAborted is PostgreSQL's answer inside of a transaction in which something failed.
var errAborted = &StateError{"25P02", "current transaction is aborted, commands ignored until end of transaction block"}

func (c *conn) refuses() error {
	switch {
	case c.broken:
		return driver.ErrBadConn
	case c.aborted:
		return errAborted
	}
	return nil
}

// fail does to a connection what the error of a fault means.
func (c *conn) fail(err error) {
	var code *CodeError
	switch {
	case breaks(err):
		c.broken = true
		c.undo()
	case c.tx == nil:
	case c.d.dialect == filter.PostgreSQL:
		c.aborted = true
	case errors.As(err, &code) && code.undoes:
		c.undo()
	}
}

// undo rolls back what is open, as a database does on its own.
func (c *conn) undo() {
	if c.tx != nil {
		_ = c.tx.Rollback() // it fails where the database did so itself
	}
}

// run runs one statement, unless a fault is due. A fault that is due later is returned.
func (c *conn) run(text string, args []driver.NamedValue, f func() error) (later *Fault, err error) {
	fault, due := c.d.step(Statement, c.tx != nil, text, args)
	if err := c.refuses(); err != nil {
		return nil, err
	}
	if due && fault.When == Before {
		c.fail(fault.Err)
		return nil, fault.Err
	}
	if err := f(); !due || err != nil {
		return nil, err
	}
	return &fault, nil
}

func (c *conn) exec(text string, args []driver.NamedValue, f func() (driver.Result, error)) (result driver.Result, err error) {
	fault, err := c.run(text, args, func() error { result, err = f(); return err })
	if fault != nil {
		c.fail(fault.Err)
		return nil, fault.Err
	}
	return result, err
}

func (c *conn) query(text string, args []driver.NamedValue, f func() (driver.Rows, error)) (rows driver.Rows, err error) {
	fault, err := c.run(text, args, func() error { rows, err = f(); return err })
	switch {
	case fault == nil:
		return rows, err
	case fault.When == Midway:
		return &torn{Rows: rows, c: c, fault: fault.Err}, nil
	}
	_ = rows.Close() // what it says is drowned by the fault
	c.fail(fault.Err)
	return nil, fault.Err
}

// torn are rows that end with an error after the first.
type torn struct {
	driver.Rows
	c     *conn
	fault error
	rows  int
	ended bool // closed, which must not happen twice
}

func (r *torn) Next(into []driver.Value) error {
	if r.rows++; r.rows == 1 {
		if err := r.Rows.Next(into); !errors.Is(err, io.EOF) {
			return err
		}
	}
	_ = r.Close() // what it says is drowned by the fault
	r.c.fail(r.fault)
	return r.fault
}

func (r *torn) Close() error {
	if r.ended {
		return nil
	}
	r.ended = true
	return r.Rows.Close()
}

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return c.exec(text, args, func() (driver.Result, error) { return c.session.ExecContext(ctx, text, args) })
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(text, args, func() (driver.Rows, error) { return c.session.QueryContext(ctx, text, args) })
}

func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if err := c.refuses(); err != nil {
		return nil, err
	}
	inner, err := c.session.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &stmt{preparation: inner.(preparation), c: c, text: text}, nil
}

func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	fault, due := c.d.step(Begin, true, "", nil)
	if err := c.refuses(); err != nil {
		return nil, err
	}
	if due && fault.When == Before {
		c.fail(fault.Err)
		return nil, fault.Err
	}
	inner, err := c.session.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	if due {
		c.fail(fault.Err)
		return nil, errors.Join(fault.Err, inner.Rollback())
	}
	c.tx, c.aborted = inner, false
	return &transaction{c}, nil
}

func (c *conn) Ping(ctx context.Context) error {
	if err := c.refuses(); err != nil {
		return err
	}
	return c.session.Ping(ctx)
}

func (c *conn) ResetSession(ctx context.Context) error {
	if c.broken {
		return driver.ErrBadConn
	}
	return c.session.ResetSession(ctx)
}

// IsValid implements driver.Validator.
func (c *conn) IsValid() bool {
	v, ok := c.session.(driver.Validator)
	return !c.broken && (!ok || v.IsValid())
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *conn) CheckNamedValue(value *driver.NamedValue) error {
	if checker, ok := c.session.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(value)
	}
	return driver.ErrSkip
}

// preparation is what the prepared statements of both drivers have.
type preparation interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	preparation
	c    *conn
	text string
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.c.exec(s.text, args, func() (driver.Result, error) { return s.preparation.ExecContext(ctx, args) })
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.query(s.text, args, func() (driver.Rows, error) { return s.preparation.QueryContext(ctx, args) })
}

type transaction struct{ c *conn }

func (t *transaction) Commit() error {
	c := t.c
	fault, due := c.d.step(Commit, true, "", nil)
	defer func() { c.tx, c.aborted = nil, false }()
	switch {
	case c.broken:
		return driver.ErrBadConn
	case c.aborted:
		return errors.Join(errors.New("commit unexpectedly resulted in rollback"), c.tx.Rollback())
	case due && (fault.When == Before || tells(fault.Err)):
		c.undo()
		c.broken = breaks(fault.Err)
		return fault.Err
	}
	err := c.tx.Commit()
	if due && err == nil {
		c.broken = breaks(fault.Err)
		return fault.Err
	}
	return err
}

func (t *transaction) Rollback() error {
	c := t.c
	c.d.step(Rollback, true, "", nil)
	defer func() { c.tx, c.aborted = nil, false }()
	if c.broken {
		return driver.ErrBadConn
	}
	return c.tx.Rollback()
}
