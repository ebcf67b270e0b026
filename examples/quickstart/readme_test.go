package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readme returns what the README says in the shell blocks under a name.
func readme(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile(`(?s)<!-- `+regexp.QuoteMeta(name)+" -->\n```sh\n(.*?)```\n").FindAllSubmatch(text, -1)
	require.NotEmpty(t, blocks, name)
	var all strings.Builder
	for _, block := range blocks {
		all.Write(block[1])
	}
	return all.String()
}

// follow runs what a reader of the README types, at the root of the repository, after pasting the exports that the quickstart printed.
func follow(t *testing.T, script string, args ...string) []string {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("short of " + tool)
		}
	}
	p := start(t, build(t), args...)
	var exports strings.Builder
	for strings.Count(exports.String(), "export ") < 2 {
		line, err := p.stdout.ReadString('\n')
		require.NoError(t, err)
		if strings.Contains(line, "export ") {
			exports.WriteString(line)
		}
	}
	command := exec.CommandContext(t.Context(), "bash", "-eu", "-c", exports.String()+script)
	command.Dir = "../.."
	out, err := command.Output()
	require.NoError(t, err, string(out))
	p.stop(t)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestReadmeConversation(t *testing.T) {
	t.Parallel()
	answers := follow(t, readme(t, "conversation"))
	require.Len(t, answers, 4, "%q", answers)
	require.Contains(t, answers[0], `"totalResults":0`)
	require.Contains(t, answers[1], `"display":"nadia@example.com"`)
	require.Contains(t, answers[2], `"active":false`)
	require.Contains(t, answers[3], `"scimType":"invalidFilter"`)
}

// The guides play the administrator with curl and the provider with examples/idp.
func TestReadmeGuides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		guide string
		runs  int // of examples/idp
		wants []string
	}{
		{"guide: okta", 1, []string{`"entries":[{`, `"status":200`}},
		{"guide: entra", 2, []string{`?aadOptscim062020"`, `"last_used_at":"2`, `"next_bearer_token_last_four":null`}},
	} {
		t.Run(c.guide, func(t *testing.T) {
			t.Parallel()
			answers := strings.Join(follow(t, readme(t, "guide: helpers")+readme(t, c.guide), "-rate", "0"), "\n")
			require.Equal(t, c.runs, strings.Count(answers, "mismatches: 0"), answers)
			for _, want := range c.wants {
				require.Contains(t, answers, want)
			}
			require.NotContains(t, answers, `"code":`)
			require.NotContains(t, answers, "_token\":\"scim_") // secrets went into variables
		})
	}
}
