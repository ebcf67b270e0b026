// Command idp is an identity provider that provisions users and groups to a SCIM 2.0 server, the way Microsoft Entra ID or Okta
// does, and compares what the server shows with what it was sent.
//
//	go run ./examples/idp -url https://app.example.com/scim/v2 -token T -as entra -users 1000 -groups 20
//
// What each provider sends, in which order and shape, is in entra.go and okta.go. The data is invented, reproducible from -seed,
// and named by it, so that runs do not meet each other in one directory. At the end the program deletes what it created; Okta never
// deletes users, so a run as Okta leaves its users deactivated.
//
// Standard output gets a summary of requests, latencies and mismatches. The exit status is 0 if there is no mismatch, 1 if there is
// one or an unexpected status or the run was interrupted, 2 for bad flags and a server that cannot be reached.
//
// Limits: the directory must not be written to by others meanwhile, or its lists cannot be compared. Answers are read up to 64 MiB.
//
// Security: the token is never printed, whatever a server answers. It is on the command line, where other users of the machine
// may see it: use one that is revoked afterwards, and a directory that is not in use.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal ends the run with its clean-up, a second one the process
	p := program{stdout: os.Stdout, stderr: os.Stderr, bar: isTerminal(os.Stderr), transport: newTransport()}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// newTransport returns what requests travel through.
func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: maxParallel,
		DisableCompression:  true, // a provider that offers encodings says so itself
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     time.Minute,
	}
}

// The exit statuses.
const (
	exitClean    = 0
	exitMismatch = 1 // or an unexpected status, or interrupted
	exitUnusable = 2 // bad flags, unreachable server
)

// program is what a run needs from the world.
type program struct {
	stdout, stderr io.Writer
	bar            bool // draw progress bars on stderr
	transport      http.RoundTripper
}

// maxParallel bounds -parallel.
const maxParallel = 256

// options are the flags.
type options struct {
	url      *url.URL
	token    string
	as       string
	users    int
	groups   int
	parallel int
	seed     uint64
	keep     bool
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("idp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	base := flags.String("url", "", "base `URL` of the server; a query in it, such as Entra's flag, goes along with every request")
	flags.StringVar(&o.token, "token", "", "bearer `token`")
	flags.StringVar(&o.as, "as", "entra", "provider: entra (with the flag aadOptscim062020), entra-legacy (without it) or okta")
	flags.IntVar(&o.users, "users", 1000, "users to provision")
	flags.IntVar(&o.groups, "groups", 20, "groups to provision")
	flags.IntVar(&o.parallel, "parallel", 8, "requests at a time")
	flags.Uint64Var(&o.seed, "seed", 0, "`number` that all data and names come from; 0: a fresh one")
	flags.BoolVar(&o.keep, "keep", false, "leave users and groups on the server")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.url, err = url.Parse(*base)
	switch {
	case flags.NArg() > 0:
		return o, errors.New("there is an argument behind the flags") // not named: it may be the token
	case err != nil || o.url.Scheme != "http" && o.url.Scheme != "https" || o.url.Host == "" || o.url.User != nil || o.url.Fragment != "":
		return o, errors.New("-url must be an absolute http or https URL without user or fragment")
	case o.token == "":
		return o, errors.New("-token is missing")
	case strings.ContainsFunc(o.token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return o, errors.New("-token must be printable ASCII without spaces")
	case o.as != "entra" && o.as != "entra-legacy" && o.as != "okta":
		return o, errors.New("-as must be entra, entra-legacy or okta")
	case o.users < 1 || o.users > 1_000_000:
		return o, errors.New("-users must be 1 to 1000000")
	case o.groups < 0 || o.groups > 100_000:
		return o, errors.New("-groups must be 0 to 100000")
	case o.parallel < 1 || o.parallel > maxParallel:
		return o, fmt.Errorf("-parallel must be 1 to %d", maxParallel)
	}
	for o.seed == 0 {
		o.seed = rand.Uint64() >> 16 //nolint:gosec // keeps runs apart, and is short enough to be typed again
	}
	return o, nil
}

// run provisions and returns the exit status.
func (p program) run(ctx context.Context, args []string) int {
	o, err := parse(args, p.stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitUnusable
	}
	if err != nil {
		printf(p.stderr, "idp: %v\n", err)
		return exitUnusable
	}
	printf(p.stderr, "idp: seed %d\n", o.seed)
	s := newSession(o, p)
	idp := newProvider(o.as, s)
	start := time.Now()
	err = s.provision(ctx, idp, o.keep)
	s.client.close()
	s.report.print(p.stdout, headline(o, idp, time.Since(start)))
	if err != nil {
		printf(p.stderr, "idp: %v\n", err)
	}
	switch {
	case errors.Is(err, errUnreachable):
		return exitUnusable
	case err != nil || s.report.mismatches() > 0:
		return exitMismatch
	default:
		return exitClean
	}
}

func newProvider(as string, s *session) provider {
	switch as {
	case "okta":
		return newOkta(s)
	case "entra-legacy":
		return newEntra(s, true)
	default:
		return newEntra(s, false)
	}
}

func headline(o options, idp provider, took time.Duration) string {
	text := fmt.Sprintf("%s: %d users, %d groups, %d requests at a time, seed %d, %s",
		idp.name(), o.users, o.groups, o.parallel, o.seed, took.Round(10*time.Millisecond))
	if left := idp.leaves(); left != "" && !o.keep {
		text += "\n" + left
	}
	return text
}

// printf prints to a person, whose absence is no reason to stop.
func printf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
