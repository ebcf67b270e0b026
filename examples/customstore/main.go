// Command customstore serves SCIM from a table of accounts that a host application has had all along, with keys and columns of its
// own: no documents, no second copy of anybody.
//
// store.go is what a host writes, about two hundred lines: Create, Get, List, Update and Delete over its own table, and InTx, so that events
// are committed with the changes that they tell of. store_test.go holds it to the contract in one line. This file mounts it.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	elimity "github.com/elimity-com/scim/schema"
	_ "modernc.org/sqlite" // the driver sqlite

	"github.com/scimkit/scim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "customstore:", err)
		}
		os.Exit(2)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("customstore", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free one")
	file := flags.String("db", "accounts.db", "SQLite `file` with the accounts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	db, err := open(ctx, *file)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String() + "/scim/v2"
	token := rand.Text() + rand.Text()
	handler, err := mount(db, base, token, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "base URL  %s\ntoken     %s\n", base, token); err != nil {
		return err
	}
	return serve(ctx, listener, handler)
}

// open opens the database. Transactions take the write lock when they begin, and wait for each other.
func open(ctx context.Context, file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, createTable); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// mount builds the handler for one connection of one tenant, and puts it before the host's own routes.
func mount(db *sql.DB, base, token string, logger *slog.Logger) (http.Handler, error) {
	verifier, err := scim.StaticToken(token, scim.Connection{ID: "demo", Tenant: "demo"})
	if err != nil {
		return nil, err
	}
	handler, err := scim.New(scim.Config{
		BaseURL:  base,
		Store:    &accounts{db},
		Verifier: verifier,
		Types:    []scim.ResourceType{accountType()},
		Events:   scim.LogEvents(logger),
		Logger:   logger,
	})
	if err != nil {
		return nil, err
	}
	return handler.Mount(http.NotFoundHandler()), nil
}

// accountType is a User with the attributes that accounts have a column for. It is what an administrator may map: other attributes
// of a body are ignored and reported in the log, and a PATCH of one of them is refused rather than lost.
func accountType() scim.ResourceType {
	core := elimity.CoreUserSchema()
	core.Attributes = slices.DeleteFunc(slices.Clone(core.Attributes), func(a elimity.CoreAttribute) bool {
		return !slices.Contains([]string{"userName", "name", "active", "emails"}, a.Name())
	})
	return scim.ResourceType{Name: "User", Endpoint: "/Users", Description: "User Account", Schema: core}
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
