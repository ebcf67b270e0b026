package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/dbtest"
)

func TestMain(m *testing.M) { claim.Main(m) }

var covers = claim.Covers

// build compiles the command once per test.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "quickstart")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// process is a running quickstart, in a folder of its own.
type process struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

func start(t *testing.T, binary string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), binary, append([]string{"-addr", "127.0.0.1:0"}, args...)...), stderr: &bytes.Buffer{}}
	p.cmd.Stderr = p.stderr
	p.cmd.Dir = t.TempDir()
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.stdout = bufio.NewReader(out)
	require.NoError(t, p.cmd.Start())
	return p
}

// stop ends the process as an operator would and returns what it logged.
func (p *process) stop(t *testing.T) string {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
	return p.stderr.String()
}

func (p *process) greeting(t *testing.T) (g greeting) {
	t.Helper()
	line, err := p.stdout.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &g))
	return g
}

// send returns the status of an answer, its header and its body.
func send(t *testing.T, g greeting, method, path, content string) (status int, header http.Header, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.BaseURL+path, strings.NewReader(content))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+g.BearerToken)
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	read, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode, answer.Header, string(read)
}

// get returns the status of an answer and its Retry-After.
func get(t *testing.T, g greeting, path string) (status int, retryAfter string) {
	t.Helper()
	status, header, _ := send(t, g, http.MethodGet, path, "")
	return status, header.Get("Retry-After")
}

func body(t *testing.T, g greeting, path string) string {
	t.Helper()
	_, _, text := send(t, g, http.MethodGet, path, "")
	return text
}

func create(t *testing.T, g greeting, userName string) {
	t.Helper()
	status, _, text := send(t, g, http.MethodPost, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+userName+`"}`)
	require.Equal(t, http.StatusCreated, status, text)
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	binary := build(t)
	p := start(t, binary, "-json")
	g := p.greeting(t)
	require.NotEmpty(t, g.ConnectionID)
	require.NotEmpty(t, g.Tenant)
	for _, c := range []struct {
		g      greeting
		path   string
		status int
	}{
		{g, "/Users", 200}, {g, "/../..", 404}, {greeting{BaseURL: g.BaseURL, BearerToken: "wrong"}, "/Users", 401},
	} {
		status, _ := get(t, c.g, c.path)
		require.Equal(t, c.status, status)
	}
	require.FileExists(t, filepath.Join(p.cmd.Dir, "scim.db"))
	log := p.stop(t)
	require.Contains(t, log, "route=/Users")
	require.NotContains(t, log, g.BearerToken)

	fixed := strings.Repeat("demo-token-", 4)
	p = start(t, binary, "-json", "-token", fixed, "-idp", "okta", "-db", "memory")
	g = p.greeting(t)
	require.Equal(t, fixed, g.BearerToken)
	status, _ := get(t, g, "/Users?startIndex=1&count=2")
	require.Equal(t, 200, status)
	p.stop(t)
}

func TestRate(t *testing.T) {
	t.Parallel()
	p := start(t, build(t), "-json", "-rate", "1")
	g := p.greeting(t)
	status, retryAfter := get(t, g, "/Users")
	for n := 0; status == http.StatusOK && n < 100; n++ { // the bucket holds two, and one more each second
		status, retryAfter = get(t, g, "/Users")
	}
	require.Equal(t, http.StatusTooManyRequests, status)
	seconds, err := strconv.Atoi(retryAfter)
	require.NoError(t, err)
	require.Positive(t, seconds)
	covers(t, "R-05", "S-74")
	p.stop(t)
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-postgres", "postgres://127.0.0.1/x", "-db", "memory"}, {"-db", ""}, {"-idp", "nobody"}, {"-rate", "-1"}, {"-token", "short"}, {"-nope"}, {"stray"},
		{"-addr", "not an address"},
	} {
		var stdout, stderr bytes.Buffer
		t.Chdir(t.TempDir())
		err := run(append([]string{"-addr", "127.0.0.1:0"}, args...), &stdout, &stderr)
		require.Error(t, err, args)
		require.Empty(t, stdout.String(), args)
		if flag := strings.TrimPrefix(args[0], "-"); flag == "postgres" || flag == "db" || flag == "idp" || flag == "rate" {
			require.Contains(t, err.Error(), args[0])
		}
	}
}

// TestAgain starts again on the same database: the connection, its token and its users are still there.
func TestAgain(t *testing.T) {
	t.Parallel()
	binary := build(t)
	for name, flags := range map[string]func(t *testing.T) []string{
		"sqlite":     func(t *testing.T) []string { return []string{"-db", filepath.Join(t.TempDir(), "a #directory?.db")} },
		"postgresql": func(t *testing.T) []string { return []string{"-postgres", dbtest.PostgreSQLDSN(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(flags(t), "-json")
			p := start(t, binary, args...)
			first := p.greeting(t)
			create(t, first, "nadia@example.com")
			p.stop(t)

			p = start(t, binary, args...)
			again := p.greeting(t)
			require.Equal(t, first.ConnectionID, again.ConnectionID)
			require.Empty(t, again.BearerToken, "only a token minted in this run is printed")
			again.BearerToken = first.BearerToken
			require.Contains(t, body(t, again, "/Users"), `"userName":"nadia@example.com"`)
			require.NotContains(t, p.stop(t), first.BearerToken)

			fixed := strings.Repeat("demo-token-", 4)
			for range 2 {
				p = start(t, binary, append(args, "-token", fixed)...)
				added := p.greeting(t)
				require.Equal(t, fixed, added.BearerToken)
				for _, token := range []string{fixed, first.BearerToken} {
					added.BearerToken = token
					require.Contains(t, body(t, added, "/Users"), `"totalResults":1`)
				}
				p.stop(t)
			}
		})
	}
}

// TestAtOnce starts several processes at once on an empty database: one of them creates the connection and prints the token.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	binary := build(t)
	for name, flags := range map[string]func(t *testing.T) []string{
		"sqlite":     func(t *testing.T) []string { return []string{"-db", filepath.Join(t.TempDir(), "scim.db")} },
		"postgresql": func(t *testing.T) []string { return []string{"-postgres", dbtest.PostgreSQLDSN(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(flags(t), "-json")
			processes := make([]*process, 3)
			for i := range processes {
				processes[i] = start(t, binary, args...)
			}
			var tokens []string
			greetings := make([]greeting, len(processes))
			for i, p := range processes {
				greetings[i] = p.greeting(t)
				require.Equal(t, greetings[0].ConnectionID, greetings[i].ConnectionID)
				if greetings[i].BearerToken != "" {
					tokens = append(tokens, greetings[i].BearerToken)
				}
			}
			require.Len(t, tokens, 1)
			for i := range greetings {
				greetings[i].BearerToken = tokens[0]
			}
			create(t, greetings[0], "nadia@example.com")
			for i, p := range processes {
				require.Contains(t, body(t, greetings[i], "/Users"), `"userName":"nadia@example.com"`)
				p.stop(t)
			}
		})
	}
}
