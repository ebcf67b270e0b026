package dbtest

import (
	"database/sql/driver"
	"errors"
	"fmt"
)

// Step is a kind of what a database does.
type Step int

// The steps. Any is each of Begin, Statement and Commit. Rollback never fails.
const (
	Any Step = iota
	Begin
	Statement
	Commit
	Rollback
	Connect
)

// Moment is when a step fails.
type Moment int

// The moments. Midway is After, except that a query's first row arrives before the error.
const (
	Before Moment = iota
	After
	Midway
)

// Fault is a plan of failure. What the error means for the connection and its transaction comes with it: both are lost with
// driver.ErrBadConn, AdminShutdown and ErrIO, the transaction with a failed commit and with Full and IOErr, and on PostgreSQL it
// refuses to go on after any error. SerializationFailure, DeadlockDetected and Busy are Before on a commit, whatever When is.
type Fault struct {
	On    Step
	N     int // the first of these steps to fail, counted from Inject on, from 1; 0: none
	Times int // how many fail, 0 is one, a negative number all: then no connection is opened either
	When  Moment
	Err   error
}

// Inject replaces the plan of failure.
func (d *Driver) Inject(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault, d.seen, d.fired = f, 0, 0
}

// Heal ends the plan of failure. Connections that it broke stay broken.
func (d *Driver) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = Fault{}
}

// Fired is how many steps have failed since Inject.
func (d *Driver) Fired() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fired
}

// Last is the last step that failed, and whether it belonged to a transaction, as a begin and a commit do.
func (d *Driver) Last() (step Step, inside bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last, d.inside
}

// step counts a step and tells whether it is to fail.
func (d *Driver) step(s Step, inside bool, text string, args []driver.NamedValue) (Fault, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s {
	case Begin:
		d.counts.Begins++
	case Statement:
		d.counts.Statements++
		if d.watch != nil {
			values := make([]any, len(args))
			for i, arg := range args {
				values[i] = arg.Value
			}
			d.watch(text, values)
		}
	case Commit:
		d.counts.Commits++
	case Rollback:
		d.counts.Rollbacks++
		return Fault{}, false
	}
	f := d.fault
	down := f.N > 0 && f.Times < 0 && d.fired > 0
	counted := f.On == s || f.On == Any && s != Connect
	if counted {
		d.seen++
	}
	due := counted && f.N > 0 && d.seen >= f.N && (f.Times < 0 || d.seen < f.N+max(f.Times, 1))
	if !due && (!down || s != Connect) {
		return Fault{}, false
	}
	d.fired++
	d.last, d.inside = s, inside
	return f, true
}

// StateError is an error of PostgreSQL.
type StateError struct{ state, text string }

func (e *StateError) Error() string {
	return fmt.Sprintf("ERROR: %s (SQLSTATE %s)", e.text, e.state)
}

// SQLState is the method that errors of PostgreSQL's drivers have.
func (e *StateError) SQLState() string { return e.state }

// CodeError is an error of SQLite.
type CodeError struct {
	code   int
	text   string
	undoes bool // the transaction, see sqlite.org/lang_transaction.html
}

func (e *CodeError) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.code) }

// Code is the method that errors of modernc.org/sqlite have.
func (e *CodeError) Code() int { return e.code }

// Errors to inject.
var (
	SerializationFailure = &StateError{"40001", "could not serialize access due to concurrent update"}
	DeadlockDetected     = &StateError{"40P01", "deadlock detected"}
	TooManyConnections   = &StateError{"53300", "sorry, too many clients already"}
	AdminShutdown        = &StateError{"57P01", "terminating connection due to administrator command"}

	Busy     = &CodeError{5, "database is locked", false}
	ReadOnly = &CodeError{8, "attempt to write a readonly database", false}
	IOErr    = &CodeError{10, "disk I/O error", true}
	Full     = &CodeError{13, "database or disk is full", true}

	ErrIO = errors.New("read tcp 192.0.2.1:5432: connection reset by peer")
)

// tells reports whether an error of COMMIT says that nothing was committed. It cannot come after the fact.
func tells(err error) bool {
	return errors.Is(err, SerializationFailure) || errors.Is(err, DeadlockDetected) || errors.Is(err, Busy)
}

// breaks reports whether a connection is gone after an error.
func breaks(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, ErrIO) || errors.Is(err, AdminShutdown)
}
