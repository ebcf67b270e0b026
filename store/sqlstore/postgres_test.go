package sqlstore_test

import (
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
)

// postgres is a server of the test's own, which it may kill. It listens on a socket in its folder only.
type postgres struct {
	target
	t      testing.TB
	bin    string
	dir    string
	server *exec.Cmd
	ended  chan struct{} // closed when the server has
}

func newPostgres(t testing.TB) *postgres {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	require.NoError(t, err)
	require.NotEmpty(t, found, "short of the programs of PostgreSQL")
	slices.Sort(found)
	dir, err := os.MkdirTemp("", "scim-pg-") //nolint:usetesting // the name of a socket must be short
	require.NoError(t, err)
	p := &postgres{t: t, bin: filepath.Dir(found[len(found)-1]), dir: dir}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	if uid, gid, other := p.owner(); other {
		require.NoError(t, os.Chown(dir, uid, gid))
	}
	p.run("initdb", "-D", p.data(), "-U", "scim", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
	dsn := url.URL{Scheme: "postgres", User: url.User("scim"), Path: "/postgres"}
	dsn.RawQuery = url.Values{"host": {dir}}.Encode()
	p.target = target{"pgx", dsn.String(), filter.PostgreSQL}
	p.start()
	t.Cleanup(func() { p.stop(syscall.SIGQUIT) })
	return p
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

// owner is the user that runs the server, which root may not.
func (p *postgres) owner() (uid, gid int, other bool) {
	p.t.Helper()
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup("postgres")
	require.NoError(p.t, err)
	uid, err = strconv.Atoi(u.Uid)
	require.NoError(p.t, err)
	gid, err = strconv.Atoi(u.Gid)
	require.NoError(p.t, err)
	return uid, gid, true
}

func (p *postgres) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, program), args...)
	cmd.Dir = p.dir
	if uid, gid, other := p.owner(); other {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	return cmd
}

func (p *postgres) run(program string, args ...string) {
	p.t.Helper()
	output, err := p.command(program, args...).CombinedOutput()
	require.NoError(p.t, err, string(output))
}

// start starts the server and waits until it serves. The processes of a server that was killed need a moment to notice; until then, a
// new one ends at once.
func (p *postgres) start() {
	p.t.Helper()
	db, err := sql.Open(p.Driver, p.DSN)
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, db.Close()) }()
	for range 100 {
		p.server = p.command("postgres", "-D", p.data(), "-c", "listen_addresses=", "-c", "unix_socket_directories="+p.dir)
		log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(p.t, err)
		p.server.Stdout, p.server.Stderr = log, log
		require.NoError(p.t, p.server.Start())
		require.NoError(p.t, log.Close())
		ended := make(chan struct{})
		p.ended = ended
		go func(server *exec.Cmd) {
			_ = server.Wait()
			close(ended)
		}(p.server)
		if p.serves(db) {
			return
		}
	}
	log, err := os.ReadFile(filepath.Join(p.dir, "log"))
	require.NoError(p.t, err)
	require.Fail(p.t, "PostgreSQL does not start", string(log))
}

// serves waits until the server accepts connections, or ends.
func (p *postgres) serves(db *sql.DB) bool {
	for db.PingContext(p.t.Context()) != nil {
		select {
		case <-p.ended:
			return false
		default:
		}
	}
	return true
}

// stop ends the server with a signal, and waits: SIGQUIT is an immediate shutdown, which recovers as from a crash.
func (p *postgres) stop(signal os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.server.Process.Signal(signal))
	<-p.ended
}

// killBackend kills a process that serves a connection of d: the server takes that for a crash.
func (p *postgres) killBackend(d target) {
	p.t.Helper()
	u, err := url.Parse(d.DSN)
	require.NoError(p.t, err)
	admin := p.open(p.t)
	var pid string
	require.NoError(p.t, admin.QueryRow("SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY state DESC LIMIT 1",
		u.Query().Get("application_name")).Scan(&pid))
	n, err := strconv.Atoi(pid)
	require.NoError(p.t, err)
	require.NoError(p.t, syscall.Kill(n, syscall.SIGKILL))
}

// revive waits until the server serves again; one that was killed is started.
func (p *postgres) revive() {
	p.t.Helper()
	db, err := sql.Open(p.Driver, p.DSN)
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, db.Close()) }()
	if !p.serves(db) {
		p.start()
	}
}
