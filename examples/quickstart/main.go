// Command quickstart serves SCIM from an SQLite file, or from PostgreSQL, and prints how to connect an identity provider, or curl, to it.
//
// It shows what a host does: open a store, issue a connection and its token, build the handler, mount it before the host's own
// routes, and run the server with timeouts and a graceful end. Started again on the same database, it serves the same connection;
// its token was printed when it was minted, and cannot be printed again.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "quickstart:", err)
		}
		os.Exit(2)
	}
}

// options are the flags.
type options struct {
	addr     string
	db       string
	postgres string
	idp      dialect.IdentityProvider
	token    string
	rate     int
	json     bool
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free one")
	flags.StringVar(&o.db, "db", "scim.db", "SQLite `file` to keep resources in; memory keeps them in the process only")
	flags.StringVar(&o.postgres, "postgres", "", "`URL` of a PostgreSQL database to keep resources in; several processes may share it")
	idp := flags.String("idp", string(dialect.Generic), "identity provider of the connection: "+fmt.Sprint(dialect.IdentityProviders()))
	flags.StringVar(&o.token, "token", "", "the connection's `token`, at least 32 characters, instead of a minted one")
	flags.IntVar(&o.rate, "rate", scim.DefaultRate, "requests per second that the connection may send; 0: any number")
	flags.BoolVar(&o.json, "json", false, "print one JSON object instead of instructions")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.idp = dialect.IdentityProvider(*idp)
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.db == "":
		return o, errors.New("-db is empty: it is a file, or " + inMemory)
	case o.postgres != "" && isSet(flags, "db"):
		return o, errors.New("-db and -postgres exclude each other")
	case !o.idp.Known():
		return o, fmt.Errorf("-idp %s is not known; it is one of %v", o.idp, dialect.IdentityProviders())
	case o.rate < 0:
		return o, errors.New("-rate must not be negative")
	}
	return o, nil
}

// inMemory is the value of -db that is no file.
const inMemory = "memory"

func isSet(flags *flag.FlagSet, name string) (set bool) {
	flags.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// run serves until the process is told to stop.
func run(args []string, stdout, stderr io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // a second time, if it was served
	directory, where, shut, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: directory})
	if err != nil {
		return err
	}
	connection, token, err := connect(ctx, directory, connections, o)
	if err != nil {
		return err
	}
	greeting := greeting{
		BaseURL: "http://" + listener.Addr().String() + "/scim/v2", BearerToken: token, ConnectionID: connection.ID, Tenant: connection.Tenant,
	}
	handler, err := scim.New(scim.Config{
		BaseURL:     greeting.BaseURL,
		Store:       directory,
		Verifier:    connections,
		Events:      scim.LogEvents(logger),
		Logger:      logger,
		RateLimiter: limiter(o.rate),
	})
	if err != nil {
		return err
	}
	if err := greeting.print(stdout, where, o.json); err != nil {
		return err
	}
	return serve(ctx, listener, handler.Mount(http.NotFoundHandler()))
}

// connect finds the connection of the one tenant, or creates it with a token, both or neither. Of several processes that start at the
// same time on one database, one does. token is empty if there is none that may be shown.
func connect(ctx context.Context, d directory, connections *scim.Connections, o options) (connection scim.Connection, token string, err error) {
	const tenant = "demo"
	err = store.InTx(ctx, d, func(ctx context.Context) error {
		draft := scim.ConnectionDraft{Tenant: tenant, DisplayName: "Quickstart", IdentityProvider: o.idp}
		connection, err = connections.Create(ctx, draft)
		if err == nil && o.token == "" {
			token, _, err = connections.IssueToken(ctx, connection.ID)
		}
		return err
	})
	if errors.Is(err, scim.ErrConnectionExists) {
		var existing []scim.Connection
		if existing, err = d.Connections(ctx, tenant); err == nil {
			connection = existing[0]
		}
	}
	if err != nil || o.token == "" {
		return connection, token, err
	}
	_, err = connections.AddToken(ctx, connection.ID, o.token)
	if errors.Is(err, store.ErrExists) { // added by an earlier run: it must still be this connection's
		var credential scim.Credential
		if credential, err = connections.VerifyToken(ctx, o.token); err == nil && credential.Connection.ID != connection.ID {
			err = errors.New("-token is a token of another connection")
		}
	}
	return connection, o.token, err
}

func limiter(perSecond int) scim.RateLimiter {
	if perSecond == 0 {
		return scim.Unlimited
	}
	return scim.NewTokenBucket(perSecond)
}

// greeting is what whoever configures the identity provider needs.
type greeting struct {
	BaseURL      string `json:"base_url"`
	BearerToken  string `json:"bearer_token,omitempty"` // only when it was minted, or given by -token
	ConnectionID string `json:"connection_id"`
	Tenant       string `json:"tenant"`
}

func (g greeting) print(w io.Writer, where string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(g)
	}
	shown, set := g.BearerToken, g.BearerToken
	if g.BearerToken == "" {
		shown, set = "as printed when this database was new; -token adds another one", "..."
	}
	_, err := fmt.Fprintf(w, `SCIM is served, from %[4]s, at

    base URL  %[1]s
    token     %[2]s

In the identity provider, paste both. In another terminal:

    export SCIM=%[1]s TOKEN=%[3]s
    curl -s -H "Authorization: Bearer $TOKEN" $SCIM/Users
`, g.BaseURL, shown, set, where)
	return err
}

// serve answers requests until ctx ends, and then those that are under way.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return err
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
