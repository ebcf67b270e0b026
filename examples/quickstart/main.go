// Command quickstart serves SCIM from memory and prints how to connect an identity provider, or curl, to it.
//
// It shows what a host does: open a store, issue a connection and its token, build the handler, mount it before the host's own
// routes, and run the server with timeouts and a graceful end. Everything is gone when it stops.
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
	"github.com/scimkit/scim/store/memstore"
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
	flags.StringVar(&o.db, "db", "memory", "where resources are kept; only memory")
	flags.StringVar(&o.postgres, "postgres", "", "not supported: resources are kept in memory")
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
	case o.postgres != "":
		return o, errors.New("-postgres is not supported: resources are kept in memory")
	case o.db != "memory":
		return o, fmt.Errorf("-db %s is not supported: resources are kept in memory, and memory is the only value", o.db)
	case !o.idp.Known():
		return o, fmt.Errorf("-idp %s is not known; it is one of %v", o.idp, dialect.IdentityProviders())
	case o.rate < 0:
		return o, errors.New("-rate must not be negative")
	}
	return o, nil
}

// run serves until the process is told to stop.
func run(args []string, stdout, stderr io.Writer) error {
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
	memory := memstore.New()
	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: memory})
	if err != nil {
		return err
	}
	greeting, err := connect(ctx, connections, o, "http://"+listener.Addr().String()+"/scim/v2")
	if err != nil {
		return err
	}
	handler, err := scim.New(scim.Config{
		BaseURL:     greeting.BaseURL,
		Store:       memory,
		Verifier:    connections,
		Events:      scim.LogEvents(logger),
		Logger:      logger,
		RateLimiter: limiter(o.rate),
	})
	if err != nil {
		return err
	}
	if err := greeting.print(stdout, o.json); err != nil {
		return err
	}
	return serve(ctx, listener, handler.Mount(http.NotFoundHandler()))
}

// connect creates the connection of the one tenant, and its token.
func connect(ctx context.Context, connections *scim.Connections, o options, baseURL string) (greeting, error) {
	const tenant = "demo"
	connection, err := connections.Create(ctx, scim.ConnectionDraft{Tenant: tenant, DisplayName: "Quickstart", IdentityProvider: o.idp})
	if err != nil {
		return greeting{}, err
	}
	token := o.token
	if token != "" {
		_, err = connections.AddToken(ctx, connection.ID, token)
	} else {
		token, _, err = connections.IssueToken(ctx, connection.ID)
	}
	return greeting{BaseURL: baseURL, BearerToken: token, ConnectionID: connection.ID, Tenant: tenant}, err
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
	BearerToken  string `json:"bearer_token"`
	ConnectionID string `json:"connection_id"`
	Tenant       string `json:"tenant"`
}

func (g greeting) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(g)
	}
	_, err := fmt.Fprintf(w, `SCIM is served, from memory, at

    base URL  %[1]s
    token     %[2]s

In the identity provider, paste both. In another terminal:

    export SCIM=%[1]s TOKEN=%[2]s
    curl -s -H "Authorization: Bearer $TOKEN" $SCIM/Users
`, g.BaseURL, g.BearerToken)
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
