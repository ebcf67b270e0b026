// Command quickstart serves SCIM from an SQLite file, or from PostgreSQL, and prints how to connect an identity provider, or curl, to it.
//
// It shows what a host does: open a store, issue a connection and its token, build the handler, mount it before the host's own
// routes, and run the server with timeouts and a graceful end. Started again on the same database, it serves the same connection;
// its token was printed when it was minted, and cannot be printed again.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
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
	token    scim.Secret
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
	token := flags.String("token", "", "the connection's `token`, at least 32 characters, instead of a minted one")
	flags.IntVar(&o.rate, "rate", scim.DefaultRate, "requests per second that the connection may send; 0: any number")
	flags.BoolVar(&o.json, "json", false, "print one JSON object instead of instructions")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.idp, o.token = dialect.IdentityProvider(*idp), scim.Secret(*token)
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
	events := scim.LogEvents(logger)
	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: directory, Events: events, Logger: logger})
	if err != nil {
		return err
	}
	connection, token, err := connect(ctx, connections, o)
	if err != nil {
		return err
	}
	origin := "http://" + listener.Addr().String()
	greeting := greeting{
		BaseURL: origin + "/scim/v2", BearerToken: string(token), ConnectionID: connection.ID, Tenant: connection.Tenant,
		AdminURL: origin + "/admin", AdminToken: rand.Text(),
	}
	handler, err := scim.New(scim.Config{
		BaseURL:     greeting.BaseURL,
		Store:       directory,
		Verifier:    connections,
		Events:      events,
		Journal:     connections,
		Logger:      logger,
		RateLimiter: limiter(o.rate),
	})
	if err != nil {
		return err
	}
	admin, err := scim.NewAdmin(scim.AdminConfig{
		Handler: handler, Connections: connections, Authorize: bearer(greeting.AdminToken),
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", admin))
	if err := greeting.print(stdout, where, o.json); err != nil {
		return err
	}
	finish := inBackground(ctx, connections)
	defer finish() // after the last request
	return serve(ctx, listener, handler.Mount(mux))
}

// bearer authorizes every call that brings the token, for any tenant. A host asks instead whether whoever has signed in may do this for
// that tenant.
func bearer(token string) func(*http.Request, scim.Action, string) error {
	want := sha256.Sum256([]byte("Bearer " + token))
	return func(r *http.Request, _ scim.Action, _ string) error {
		have := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
			return scim.ErrUnauthorized
		}
		return nil
	}
}

// inBackground runs what the connections do beside requests, until the function that it returns is called.
func inBackground(ctx context.Context, connections *scim.Connections) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = connections.Run(ctx) // always nil
	}()
	return func() {
		cancel()
		<-done
	}
}

// connect finds the connection of the one tenant, or creates it with its token. Of several processes that start at the same time on one
// database, one does. token is empty if there is none that may be shown.
func connect(ctx context.Context, connections *scim.Connections, o options) (connection scim.Connection, token scim.Secret, err error) {
	const tenant = "demo"
	existing, err := connections.List(ctx, tenant)
	if err == nil && len(existing) == 0 {
		connection, token, err = connections.Create(ctx, scim.ConnectionDraft{
			Tenant: tenant, DisplayName: "Quickstart", IdentityProvider: o.idp, Token: scim.TokenDraft{Text: o.token},
		})
		if !errors.Is(err, scim.ErrConnectionExists) {
			return connection, token, err
		}
		existing, err = connections.List(ctx, tenant) // another process was faster
	}
	if err != nil {
		return connection, "", err
	}
	connection = existing[0]
	if o.token == "" {
		return connection, "", nil
	}
	_, _, err = connections.IssueToken(ctx, connection.Scope(), scim.TokenDraft{Name: "quickstart", Text: o.token})
	if errors.Is(err, store.ErrExists) { // given to an earlier run: it must still be this connection's
		var credential scim.Credential
		if credential, err = connections.VerifyToken(ctx, string(o.token)); err == nil && credential.Connection.ID != connection.ID {
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
	AdminURL     string `json:"admin_url"`
	AdminToken   string `json:"admin_token"` // of this run
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

Connections and their tokens are managed, and their journals read, at

    admin URL    %[5]s
    admin token  %[6]s

    export ADMIN=%[5]s ADMIN_TOKEN=%[6]s
    curl -s -H "Authorization: Bearer $ADMIN_TOKEN" $ADMIN/tenants/%[7]s/connections
`, g.BaseURL, shown, set, where, g.AdminURL, g.AdminToken, g.Tenant)
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
