package scim_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// labels is a slog.Handler that keeps the distinct values of the attributes that people count and group requests by.
type labels struct {
	mu     sync.Mutex
	values map[string]map[string]bool
}

func newLabels() *labels { return &labels{values: map[string]map[string]bool{}} }

func (l *labels) Enabled(context.Context, slog.Level) bool { return true }

func (l *labels) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *labels) WithGroup(string) slog.Handler { return l }

func (l *labels) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add("msg", r.Message)
	l.add("level", r.Level.String())
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "route", "method", "status", "scim_type", "attribute", "reason", "tenant", "connection", "token_id":
			l.add(a.Key, a.Value.String())
		case "rules":
			for _, rule := range a.Value.Any().([]string) {
				l.add(a.Key, rule)
			}
		}
		return true
	})
	return nil
}

func (l *labels) add(key, value string) {
	if l.values[key] == nil {
		l.values[key] = map[string]bool{}
	}
	l.values[key][value] = true
}

// all returns the values that there were so far, sorted.
func (l *labels) all() map[string][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string][]string{}
	for key, values := range l.values {
		all[key] = slices.Sorted(maps.Keys(values))
	}
	return all
}

// attempt is a request with a word in places that are the client's.
type attempt struct {
	method, target string
	body           any
}

// common are what clients send all day.
func common(word string) []attempt {
	return []attempt{
		{"GET", "/Users/" + word, nil}, {"GET", "/" + word, nil}, {word, "/Users", nil}, {"POST", "/Users", user(word)},
		{"GET", "/Users?filter=userName+eq+" + url.QueryEscape(`"`+word+`"`), nil},
	}
}

// odd are what only some clients send, by mistake or on purpose; id is a user's.
func odd(word, id string) []attempt {
	own := "/Users/" + id
	return []attempt{
		{"PUT", "/Users/" + word, user(word)}, {"DELETE", "/Groups/" + word, nil}, {"PATCH", "/Users/" + word, patchBody(op("replace", "title", word))},
		{"GET", "/" + word + "/" + word, nil}, {"GET", "/Users/" + word + "/" + word, nil}, {"POST", "/Users/" + word, nil},
		{"GET", "/Schemas/" + word, nil}, {"GET", "/ResourceTypes/" + word, nil}, {"GET", "/Me/" + word, nil}, {"POST", "/Bulk", word},
		{word, "/Users/" + word, nil}, {"X-" + word, "/" + word, nil}, {"POST", "/Users", user("someone", attrs{"nickName": word})},
		{"POST", "/Users", user(word, attrs{"active": word})}, {"POST", "/Users", user(word+"x", attrs{word: word})}, {"POST", "/Users", word},
		{"PATCH", own, patchBody(op("replace", word, word))}, {"PATCH", own, patchBody(op(word, "title", word))},
		{"PATCH", own, patchBody(op("replace", "emails["+word+` eq "x"]`, word))}, {"PATCH", own, patchBody(pathless("add", attrs{word: 1}))},
		{"GET", "/Users?filter=" + word + "+pr", nil}, {"GET", "/Users?filter=" + word, nil}, {"GET", "/Users?count=" + word, nil},
		{"GET", "/Users?sortBy=" + word + "&attributes=" + word, nil},
		{"POST", "/Groups", attrs{"schemas": []string{groupURN}, "displayName": word, "members": memberList(word)}},
	}
}

// However many ids, paths, names and methods there are, whoever makes metrics of the log gets labels from a short list.
func TestLabelsAreFew(t *testing.T) {
	t.Parallel()
	l := newLabels()
	s := newServer(t, func(c *setup) { c.config.Logger, c.config.Events = slog.New(l), nil })
	id := s.user("someone").id()
	send := func(word string, attempts []attempt) {
		for _, a := range attempts {
			s.do(a.method, a.target, a.body)
		}
		s.as("token-"+word).do("GET", "/Users", nil).fails(401, "")
	}
	send("word", append(common("word"), odd("word", id)...))
	first := l.all()
	require.Equal(t, []string{
		"-", "/Bulk", "/Groups", "/Groups/{id}", "/ResourceTypes/{id}", "/Schemas/{id}", "/Users", "/Users/{id}",
	}, first["route"])
	require.Equal(t, []string{"DELETE", "GET", "PATCH", "POST", "PUT", "other"}, first["method"])
	require.Equal(t, []string{"200", "201", "400", "401", "404", "405", "409", "501"}, first["status"])
	require.Equal(t, []string{"", "invalidFilter", "invalidPath", "invalidSyntax", "invalidValue", "uniqueness"}, first["scim_type"])
	for i := range 2000 {
		word := fmt.Sprintf("word%d", i)
		send(word, common(word))
		if i%20 == 0 {
			send(word, odd(word, id))
		}
	}
	require.Equal(t, first, l.all())
	covers(t, "O-03")
}
