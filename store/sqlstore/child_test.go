package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store/sqlstore"
)

// childOrders holds, in the environment, the orders of a test binary that runs as another process of a test.
const childOrders = "SCIM_TEST_CHILD"

// orders are what another process has to do.
type orders struct {
	Task   string
	Target target
	// The process kills itself when it comes to this moment for the Nth time: before a "statement", after an "emit", which is before
	// the commit, and before an "answer", which is after it. The moment "hold" is before a migration is noted: it stops there.
	Moment string
	N      int64
}

// tasks are what another process can do. It says a line when it is ready, and ends when its standard input does, at the latest.
var tasks = map[string]func(t *testing.T, o orders){
	"migrate": migrateTask,
	"serve":   serveTask,
	"lock":    lockTask,
}

// TestChild is the main function of the other processes.
func TestChild(t *testing.T) {
	if text := os.Getenv(childOrders); text != "" {
		var o orders
		require.NoError(t, json.Unmarshal([]byte(text), &o))
		tasks[o.Task](t, o)
	}
}

func say(line string) { _, _ = fmt.Fprintln(os.Stdout, line) }

// hear waits for a line or the end of standard input.
func hear() { _, _ = bufio.NewReader(os.Stdin).ReadString('\n') }

// die ends this process as the kernel does: nothing runs any more.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	panic(fmt.Sprint("still alive: ", err, <-make(chan struct{})))
}

// fate counts how often a process comes to its moment, and lets it die when it is due.
type fate struct {
	orders
	armed atomic.Bool
	count atomic.Int64
}

func (f *fate) come(moment string) {
	if f.armed.Load() && f.Moment == moment && f.count.Add(1) == f.N {
		die()
	}
}

// open opens the database so that the process can die at a statement.
func (f *fate) open(t *testing.T) *sql.DB {
	db, d := dbtest.Between(t, f.Target.Dialect, f.Target.DSN)
	db.SetMaxOpenConns(maxConns)
	d.Watch(func(text string, _ []any) {
		if f.Moment == "hold" && strings.HasPrefix(text, "INSERT INTO scim_migrations") {
			say("holding")
			<-make(chan struct{})
		}
		f.come("statement")
	})
	return db
}

func migrateTask(t *testing.T, o orders) {
	f := &fate{orders: o}
	db := f.open(t)
	f.armed.Store(true)
	say("ready")
	hear()
	require.NoError(t, sqlstore.Migrate(t.Context(), db, o.Target.Dialect))
}

func serveTask(t *testing.T, o orders) {
	f := &fate{orders: o}
	db := f.open(t)
	s, err := sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: o.Target.Dialect})
	require.NoError(t, err)
	sink := o.Target.hostSink()
	handler, err := newHandler(s, scim.EventFunc(func(ctx context.Context, e scim.Event) error {
		err := sink.Emit(ctx, e)
		f.come("emit")
		return err
	}))
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(&dying{w, func() {
			if r.Method != http.MethodGet {
				f.come("answer")
			}
		}}, r)
	})}
	f.armed.Store(true)
	go func() { _ = server.Serve(listener) }()
	say("http://" + listener.Addr().String() + "/scim/v2")
	_, _ = io.Copy(io.Discard, os.Stdin)
	require.NoError(t, server.Close())
}

// dying calls a function before an answer is sent.
type dying struct {
	http.ResponseWriter
	before func()
}

func (d *dying) WriteHeader(status int) {
	d.before()
	d.ResponseWriter.WriteHeader(status)
}

// lockTask holds the write lock of an SQLite file until it is told to let go.
func lockTask(t *testing.T, o orders) {
	db := o.Target.open(t)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	run := func(text string) {
		_, err := conn.ExecContext(t.Context(), text)
		require.NoError(t, err)
	}
	run("BEGIN IMMEDIATE")
	say("locked")
	hear()
	run("ROLLBACK")
	require.NoError(t, conn.Close())
}

// child is another process.
type child struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *strings.Builder
	ended  bool
}

// spawn starts a process, which ends with the test at the latest.
func spawn(t testing.TB, o orders) *child {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	c := &child{t: t, cmd: exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.count=1"), stderr: &strings.Builder{}} //nolint:gosec // itself
	c.cmd.Env = append(os.Environ(), childOrders+"="+string(text))
	c.cmd.Stderr = c.stderr
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.stdout = bufio.NewReader(out)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(c.kill)
	return c
}

// expect waits for a line that the process says.
func (c *child) expect() string {
	c.t.Helper()
	line, err := c.stdout.ReadString('\n')
	if err != nil {
		c.kill()
		require.NoError(c.t, err, c.stderr.String())
	}
	return strings.TrimSpace(line)
}

// proceed lets the process go on.
func (c *child) proceed() {
	c.t.Helper()
	_, err := io.WriteString(c.stdin, "\n")
	require.NoError(c.t, err)
}

// end waits for the end of the process and returns what it said, and whether it succeeded.
func (c *child) end() (output string, ok bool) {
	c.t.Helper()
	rest, err := io.ReadAll(c.stdout)
	require.NoError(c.t, err)
	c.ended = true
	err = c.cmd.Wait()
	return string(rest) + c.stderr.String(), err == nil
}

// kill ends the process as the kernel does.
func (c *child) kill() {
	if !c.ended {
		c.ended = true
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// server starts a process that serves the database.
func server(t testing.TB, o orders) (client, *child) {
	t.Helper()
	o.Task = "serve"
	c := spawn(t, o)
	base := c.expect()
	require.Contains(t, base, "http://", c.stderr)
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	t.Cleanup(transport.CloseIdleConnections)
	return client{base: base, http: &http.Client{Transport: transport}}, c
}
