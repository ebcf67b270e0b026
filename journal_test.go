package scim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// The journal, and the work in the background.

// journal returns the latest entries of a connection's journal, the latest first.
func (d *desk) journal(c scim.Connection, limit int) []store.JournalEntry {
	d.t.Helper()
	page, err := d.Journal(d.t.Context(), c.Scope(), store.JournalQuery{Limit: limit})
	require.NoError(d.t, err)
	return page.Entries
}

// slow is a body that takes five milliseconds to arrive.
type slow struct {
	io.Reader
	watch *watch
	read  bool
}

func (s *slow) Read(b []byte) (int, error) {
	if !s.read {
		s.watch.advance(5 * time.Millisecond)
	}
	s.read = true
	return s.Reader.Read(b)
}

func (s *slow) Close() error { return nil }

// Each request of a connection has an entry, which says what became of it.
func TestWhatTheJournalHolds(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		s := d.serve(withTap)
		c, bearer := d.connect("t")
		own := s.as(s.secret(bearer))
		tokenID := d.record(c).tokens[0].ID
		entries := 0
		noted := func(a *response, want store.JournalEntry) {
			t.Helper()
			entries++
			list := d.journal(c, 1000)
			require.Len(t, list, entries)
			want.Connection, want.RequestID, want.Status = c.ID, a.header.Get("X-Request-Id"), a.status
			if want.Time.IsZero() {
				want.Time = d.watch.now()
			}
			if want.TokenID == "" {
				want.TokenID = tokenID
			}
			require.Equal(t, want, list[0])
			require.Equal(t, a.status >= 400, list[0].Failed())
			d.watch.advance(time.Second)
		}
		type entry = store.JournalEntry

		// What succeeds. The duration is that of the whole request.
		r := own.request("POST", "/Users", user("anna"))
		r.Body = &slow{Reader: r.Body, watch: d.watch}
		at := d.watch.now()
		anna := own.send(r).is(201)
		id := anna.id()
		noted(anna, entry{Time: at, Method: "POST", Path: "/Users", ResourceID: id, Duration: 5 * time.Millisecond})
		noted(own.get("/Users/"+id), entry{Method: "GET", Path: "/Users/{id}", ResourceID: id})
		noted(own.get("/Users?filter="+url.QueryEscape(`userName eq "anna"`)), entry{Method: "GET", Path: "/Users"})
		noted(own.do("GET", "/ServiceProviderConfig", nil).is(200), entry{Method: "GET", Path: "/ServiceProviderConfig"})
		noted(own.do("HEAD", "/Users/"+id, nil), entry{Method: "HEAD", Path: "/Users/{id}", ResourceID: id})
		noted(own.do("POST", "/Users/.search", search(nil)).is(200), entry{Method: "POST", Path: "/Users/.search"})
		noted(own.do("PUT", "/Users/"+id, user("anna", attrs{"nickname2": 1, "x": attrs{"y": 2}})).is(200), entry{
			Method: "PUT", Path: "/Users/{id}", ResourceID: id, Rules: []string{"unknown-attribute"}, Ignored: []string{"nickname2", "x"},
		})
		noted(own.patch("/Users/"+id, op("Replace", "active", "False")).is(200), entry{
			Method: "PATCH", Path: "/Users/{id}", ResourceID: id, Rules: []string{"op-case", "string-boolean"},
		})

		// What fails: the RFC's word, the attribute, and the answer's own sentence.
		failed := func(a *response, want entry) {
			t.Helper()
			want.Detail = a.detail()
			want.ScimType, _ = a.at("scimType").(string)
			noted(a, want)
		}
		berta := own.user("berta")
		noted(berta, entry{Method: "POST", Path: "/Users", ResourceID: berta.id()})
		failed(own.do("POST", "/Users", user("anna")).fails(409, "uniqueness"), entry{Method: "POST", Path: "/Users", Attribute: "userName"})
		failed(own.do("PUT", "/Users/"+id, user("anna", attrs{"active": 5})).fails(400, "invalidValue"), entry{Method: "PUT", Path: "/Users/{id}", Attribute: "active"})
		failed(own.do("PUT", "/Users/"+id, user("berta")).fails(409, "uniqueness"), entry{Method: "PUT", Path: "/Users/{id}", ResourceID: id, Attribute: "userName"})
		failed(own.patch("/Users/"+id, op("replace", "meta.created", "x")).fails(400, "mutability"), entry{Method: "PATCH", Path: "/Users/{id}", ResourceID: id, Attribute: "meta.created"})
		failed(own.patch("/Users/"+id, op("replace", "nope", "x")).fails(400, "invalidPath"), entry{Method: "PATCH", Path: "/Users/{id}", ResourceID: id})
		failed(own.do("GET", "/Users?filter=(", nil).fails(400, "invalidFilter"), entry{Method: "GET", Path: "/Users"})
		failed(own.do("GET", "/Users/"+nobody, nil).fails(404, ""), entry{Method: "GET", Path: "/Users/{id}"})
		failed(own.do("GET", "/nope/"+id, nil).fails(404, ""), entry{Method: "GET", Path: "-"})
		failed(own.do("PURGE", "/Users", nil).fails(405, ""), entry{Method: "other", Path: "/Users"})
		failed(own.do("POST", "/Users", "x", "Content-Type", "text/xml").fails(415, ""), entry{Method: "POST", Path: "/Users"})
		failed(own.do("DELETE", "/Users/"+id, nil, "If-Match", `W/"99"`).fails(412, ""), entry{Method: "DELETE", Path: "/Users/{id}", ResourceID: id})
		s.tap().when(func(context.Context, string, any) error { return errors.New("dial tcp 10.0.0.7:5432") })
		failed(own.do("GET", "/Users", nil).fails(503, ""), entry{Method: "GET", Path: "/Users"})
		s.tap().when(func(context.Context, string, any) error { panic("canary") })
		failed(own.do("GET", "/Users", nil).fails(500, ""), entry{Method: "GET", Path: "/Users"})
		s.tap().when(func(context.Context, string, any) error { return nil })
		noted(own.do("DELETE", "/Users/"+id, nil).is(204), entry{Method: "DELETE", Path: "/Users/{id}", ResourceID: id})

		// Tokens that have ended: the answer does not say why, the journal does.
		named, text := d.issue(c, "n")
		ended := s.as(s.secret(text))
		refused := func(why string) {
			t.Helper()
			a := ended.do("GET", "/Users", nil).fails(401, "")
			require.NotContains(t, string(a.body), why)
			entry := d.journal(c, 1)[0]
			require.Contains(t, entry.Detail, why)
			noted(a, store.JournalEntry{TokenID: named.ID, Method: "GET", Path: "-", Detail: entry.Detail})
		}
		_, err := d.set(c, store.StatusDisabled)
		require.NoError(t, err)
		refused("the connection is disabled")
		_, err = d.set(c, store.StatusActive)
		require.NoError(t, err)
		d.watch.advance(5*365*24*time.Hour - time.Minute)
		var secret scim.Secret
		_, secret, err = d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "later"})
		require.NoError(t, err)
		d.watch.advance(time.Minute)
		refused("the token has expired")
		_, err = d.RevokeToken(t.Context(), c.Scope(), named.ID)
		require.NoError(t, err)
		refused("the token is revoked")
		covers(t, "S-23")

		// Nobody's requests are in nobody's journal.
		for _, token := range []string{"", "unknown", text + "x", text[:len(text)-1] + "!"} {
			s.as(token).do("GET", "/Users", nil).fails(401, "")
		}
		require.Len(t, d.journal(c, 1000), entries)
		require.NoError(t, d.Delete(t.Context(), c.Scope()))
		s.as(string(secret)).do("GET", "/Users", nil).fails(401, "")
		all, err := d.store.Journal(t.Context(), c.ID, store.JournalQuery{Limit: 1000})
		require.NoError(t, err)
		require.Len(t, all.Entries, entries)
	}, func(c *scim.ConnectionsConfig) { c.PerTenant = 2 })
}

func TestTheJournalOfLimitedRequests(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		s := d.serve(func(c *setup) { c.config.RateLimiter = scim.NewTokenBucket(1) })
		c, bearer := d.connect("t")
		for range 2 {
			s.as(bearer).get("/Users")
		}
		a := s.as(bearer).do("GET", "/Users", nil).fails(429, "")
		e := d.journal(c, 10)
		require.Len(t, e, 3)
		require.Equal(t, 429, e[0].Status)
		require.Equal(t, a.detail(), e[0].Detail)
		require.Equal(t, a.header.Get("X-Request-Id"), e[0].RequestID)
	})
}

// An answer that broke off has an entry as well, and so has a request whose client was gone before there was one.
func TestTheJournalOfBrokenAnswers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, memstore.New())
	s := d.serve(withTap)
	c, bearer := d.connect("t")
	own := s.as(bearer)
	var ids []string
	for i := range 1001 { // more than is read and sent at a time
		ids = append(ids, fmt.Sprintf("%0150d", i))
		_, err := d.store.Create(t.Context(), c.Scope(), store.Draft{Ref: store.Ref{Type: "User", ID: ids[i]}, At: d.watch.now(), Document: store.NewDocument([]byte(`{"userName":"u"}`))})
		require.NoError(t, err)
	}
	crew := own.group("Crew").id()
	own.patch("/Groups/"+crew, op("add", "members", memberList(ids...))).is(204)
	pages := 0
	s.tap().when(func(_ context.Context, call string, _ any) error {
		if call == "Members" {
			pages++
		}
		if pages > 1 {
			return errors.New("dial tcp 10.0.0.7:5432")
		}
		return nil
	})
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
		s.handler.ServeHTTP(httptest.NewRecorder(), own.request("GET", "/Groups/"+crew, nil))
	})
	e := d.journal(c, 10)
	require.Len(t, e, 3)
	require.Equal(t, 200, e[0].Status)
	require.Equal(t, crew, e[0].ResourceID)
	require.NotEmpty(t, e[0].Detail)
	require.NotContains(t, e[0].Detail, "10.0.0.7")
	s.tap().when(func(context.Context, string, any) error { panic(http.ErrAbortHandler) })
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { s.handler.ServeHTTP(httptest.NewRecorder(), own.request("GET", "/Users", nil)) })
	e = d.journal(c, 10)
	require.Len(t, e, 4)
	require.Zero(t, e[0].Status)
	require.True(t, e[0].Failed())
}

// No entry holds anything of a body, a filter, a header or a token, but names of attributes and ids of resources.
func TestTheJournalHoldsNoWordOfTheClient(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		const word = "Sentinel-4711"
		s := d.serve()
		c, bearer := d.connect("t")
		own := s.as(bearer)
		id := own.user("anna").id()
		crew := own.group("Crew", id).id()
		body := user(word, attrs{
			"displayName": word, "externalId": word, "emails": []any{attrs{"value": word, "type": word}}, "unknown": word, "password": word,
			"schemas": []string{userURN, "urn:" + word}, "name": attrs{"givenName": word, "x": attrs{"y": word}},
		})
		headers := []string{
			"User-Agent", word, "Accept", word, "X-Request-Id", word, "X-Forwarded-For", word, "If-Match", `"` + word + `"`, "If-None-Match", `"` + word + `"`, "Cookie", word,
			"Referer", word, "Traceparent", word,
		}
		quoted := url.QueryEscape(`userName eq "` + word + `"`)
		requests := 0
		for _, r := range []struct {
			method, target string
			body           any
		}{
			{"POST", "/Users", body},
			{"POST", "/Users", body}, // 409
			{"PUT", "/Users/" + id, body},
			{"PUT", "/Users/" + id, user("anna", attrs{"active": word})},
			{"PUT", "/Users/" + id, user("anna", attrs{"emails": word})},
			{"PUT", "/Users/" + id, user("anna", attrs{"schemas": word})},
			{"PUT", "/Users/" + id, user("anna", attrs{"profileUrl": word + " " + word, "timezone": word, "locale": word})},
			{"PATCH", "/Users/" + id, patchBody(op("replace", "title", word), pathless("add", attrs{"nickName": word}))},
			{"PATCH", "/Users/" + id, patchBody(op(word, "title", word))},
			{"PATCH", "/Users/" + id, patchBody(op("replace", "active", word))},
			{"PATCH", "/Users/" + id, patchBody(op("replace", `emails[type eq "`+word+`"].value`, word))},
			{"PATCH", "/Users/" + id, patchBody(op("replace", `emails[type eq "`+word+`"].nope`, word))},
			{"PATCH", "/Users/" + id, patchBody(op("replace", `emails[type regex "`+word+`"].value`, word))},
			{"PATCH", "/Users/" + id, patchBody(op("replace", `emails[type eq "`+word, word))},
			{"PATCH", "/Users/" + id, patchBody(op("remove", `emails[value eq "`+word+`"]`))},
			{"PATCH", "/Users/" + id, patchBody(pathless("replace", attrs{`emails[value eq "` + word + `"].nope`: word}))},
			{"PATCH", "/Users/" + id, patchBody(op("add", "schemas", []string{"urn:" + word}))},
			{"PATCH", "/Groups/" + crew, patchBody(op("add", "members", memberList(word)))},
			{"PATCH", "/Groups/" + crew, patchBody(op("remove", `members[value eq "`+word+`"]`))},
			{"PATCH", "/Groups/" + crew, patchBody(op("replace", `members[value eq "`+word+`"].display`, word))},
			{"POST", "/Groups", attrs{"schemas": []string{groupURN}, "displayName": word, "members": memberList(word, word+"2")}},
			{"GET", "/Users?filter=" + quoted, nil},
			{"GET", "/Users?filter=" + word, nil},
			{"GET", "/Users?filter=userName+eq+" + word, nil},
			{"GET", "/Users?filter=" + url.QueryEscape(`active eq "`+word+`"`), nil},
			{"GET", "/Users?filter=" + url.QueryEscape(`userName eq "`+word), nil},
			{"GET", "/Users?filter=" + url.QueryEscape(`meta.created gt "`+word+`"`), nil},
			{"GET", "/Users?" + word + "=" + word, nil},
			{"GET", "/Users?count=" + word + "&startIndex=" + word + "&sortBy=" + word + "&attributes=" + word, nil},
			{"GET", "/Users/" + word, nil},
			{"GET", "/" + word, nil},
			{"GET", "/Schemas/" + word, nil},
			{"DELETE", "/Users/" + word, nil},
			{word, "/Users", nil},
			{"POST", "/Users/.search", search(attrs{"filter": `userName eq "` + word + `"`, "attributes": []string{word}})},
			{"POST", "/Users/.search", search(attrs{"filter": word})},
			{"POST", "/Users", word},
			{"POST", "/Users", `"` + word},
			{"POST", "/Users", `{"userName":"` + word + `","userName":"` + word + `"}`},
			{"POST", "/Bulk", word},
		} {
			own.do(r.method, r.target, r.body, headers...)
			own.do(r.method, r.target, r.body, "Content-Type", word)
			own.do(r.method, r.target, r.body)
			requests += 3
		}
		own.get("/Users?access_token=" + bearer)
		entries := d.journal(c, 1000)
		require.Len(t, entries, requests+3)
		unknown := 0
		for _, e := range entries {
			encoded, err := json.Marshal(e)
			require.NoError(t, err)
			for _, text := range []string{fmt.Sprintf("%+v", e), string(encoded)} {
				require.NotContains(t, strings.ToLower(text), strings.ToLower(word))
				require.NotContains(t, text, bearer)
				require.NotContains(t, text, bearer[22:])
			}
			if slices.Contains(e.Ignored, "unknown") {
				unknown++
			}
		}
		require.Positive(t, unknown, "the names of ignored attributes are there")
		covers(t, "O-01")
	})
}

// note records entries that differ in their times and, one of three, in their success.
func (d *desk) note(c scim.Connection, from, to int) {
	for i := from; i < to; i++ {
		status := http.StatusOK
		if i%3 == 0 {
			status = http.StatusBadRequest
		}
		d.Record(store.JournalEntry{Connection: c.ID, Time: d.watch.now().Add(time.Duration(i) * time.Millisecond), RequestID: fmt.Sprint(i), Method: "GET", Path: "/Users", Status: status})
	}
}

// numbers are what note has numbered entries with.
func numbers(entries []store.JournalEntry) (list []string) {
	for _, e := range entries {
		list = append(list, e.RequestID)
	}
	return list
}

// down lists numbers, the highest first.
func down(from, to, by int) (list []string) {
	for i := from; i >= to; i -= by {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func TestPagesOfTheJournal(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		c, _ := d.connect("t")
		other, _ := d.connect("t")
		pages := func(query store.JournalQuery) (all []string, pages int) {
			t.Helper()
			for {
				page, err := d.Journal(t.Context(), c.Scope(), query)
				require.NoError(t, err)
				require.LessOrEqual(t, len(page.Entries), query.Limit)
				all, pages = append(all, numbers(page.Entries)...), pages+1
				if query.After = page.Next; page.Next == "" {
					return all, pages
				}
				if pages == 1 {
					d.note(c, 1000, 1001) // what comes later is not on the pages that follow
				}
			}
		}
		all, n := pages(store.JournalQuery{Limit: 3})
		require.Empty(t, all)
		require.Equal(t, 1, n)
		d.note(c, 1, 21)
		d.note(other, 500, 510)
		all, n = pages(store.JournalQuery{Limit: 100})
		require.Equal(t, down(20, 1, 1), all)
		require.Equal(t, 1, n)
		all, n = pages(store.JournalQuery{Limit: 6, Failed: new(true)})
		require.Equal(t, down(18, 3, 3), all)
		require.Equal(t, 1, n)
		all, n = pages(store.JournalQuery{Limit: 2, Failed: new(true)})
		require.Equal(t, down(18, 3, 3), all)
		require.Equal(t, 3, n)
		all, n = pages(store.JournalQuery{Limit: 7})
		require.Equal(t, append([]string{"1000"}, down(20, 1, 1)...), all)
		require.Equal(t, 3, n)
		all, _ = pages(store.JournalQuery{Limit: 100, Failed: new(false)})
		require.Len(t, all, 16)
		require.NotContains(t, all, "18")
		for _, after := range []string{"x", "-1", "1.5", " "} {
			_, err := d.Journal(t.Context(), c.Scope(), store.JournalQuery{Limit: 1, After: after})
			require.ErrorIs(t, err, store.ErrCursor)
		}
		require.Equal(t, down(509, 500, 1), numbers(d.journal(other, 100)))
		for _, scope := range []store.Scope{{Connection: c.ID, Tenant: "other"}, {Connection: nobody, Tenant: "t"}} {
			page, err := d.Journal(t.Context(), scope, store.JournalQuery{Limit: 1})
			require.ErrorIs(t, err, store.ErrNotFound)
			require.Empty(t, page)
		}
	}, perTenant(2))
}

// Who has no journal loses nothing else.
func TestConnectionsWithoutAJournal(t *testing.T) {
	t.Parallel()
	memory := memstore.New()
	d := newDesk(t, memory, func(c *scim.ConnectionsConfig) { c.Store = struct{ store.ConnectionStore }{c.Store} })
	c, bearer := d.connect("t")
	d.serve().as(bearer).get("/Users")
	require.NoError(t, d.Flush(t.Context()))
	require.NoError(t, d.Sweep(t.Context()))
	require.Empty(t, d.journal(c, 10))
	_, err := d.Journal(t.Context(), store.Scope{Connection: c.ID, Tenant: "other"}, store.JournalQuery{Limit: 1})
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Zero(t, d.JournalDropped())

	// It may be in another place than the connections.
	elsewhere := memstore.New()
	d = newDesk(t, memory, perTenant(2), func(c *scim.ConnectionsConfig) { c.Journal = elsewhere })
	c, bearer = d.connect("t")
	d.serve().as(bearer).get("/Users")
	require.Len(t, d.journal(c, 10), 1)
	page, err := elsewhere.Journal(t.Context(), c.ID, store.JournalQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Entries, 1)
	page, err = memory.Journal(t.Context(), c.ID, store.JournalQuery{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Entries)
}

// However many entries there are, they are stored with one statement.
func TestEntriesAreStoredInBatches(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		d := newDesk(t, b.store)
		c, _ := d.connect("t")
		other, _ := d.connect("other")
		d.note(c, 0, 400)
		d.note(other, 0, 400)
		var written atomic.Int64
		b.steps.Watch(func(text string, _ []any) {
			if strings.Contains(text, "scim_journal") {
				written.Add(1)
			}
		})
		require.NoError(t, d.Flush(t.Context()))
		require.EqualValues(t, 1, written.Load())
		before := b.steps.Steps()
		require.NoError(t, d.Flush(t.Context()))
		require.Equal(t, before, b.steps.Steps(), "nothing to store costs nothing")
		b.steps.Watch(nil)
		require.Equal(t, down(399, 0, 1), numbers(d.journal(c, 1000)))
		require.Equal(t, down(399, 0, 1), numbers(d.journal(other, 1000)))
	})
}

func TestJournalsAreBounded(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		c, _ := d.connect("t")
		other, _ := d.connect("other")
		stored := func(c scim.Connection) []string {
			t.Helper()
			page, err := d.store.Journal(t.Context(), c.ID, store.JournalQuery{Limit: 2000})
			require.NoError(t, err)
			return numbers(page.Entries)
		}
		// A long journal is cut while it is written, every thousand entries, and whatever is too long by a sweep.
		d.note(c, 0, 999)
		d.note(other, 0, 80)
		require.NoError(t, d.Flush(t.Context()))
		require.Len(t, stored(c), 999)
		d.note(c, 999, 1000)
		require.NoError(t, d.Flush(t.Context()))
		require.Equal(t, down(999, 950, 1), stored(c))
		require.Len(t, stored(other), 80)
		require.NoError(t, d.Sweep(t.Context()))
		require.Equal(t, down(79, 30, 1), stored(other))
		d.note(c, 1000, 1999)
		require.NoError(t, d.Flush(t.Context()))
		require.Len(t, stored(c), 1049)
		d.note(c, 1999, 2010)
		require.NoError(t, d.Flush(t.Context()))
		require.Equal(t, down(2009, 1960, 1), stored(c))

		// What is old goes.
		d.watch.advance(time.Hour - time.Minute)
		d.note(c, 0, 3)
		require.NoError(t, d.Flush(t.Context()))
		require.NoError(t, d.Sweep(t.Context()))
		require.Len(t, stored(c), 50)
		require.Len(t, stored(other), 50)
		d.watch.advance(time.Minute + 3*time.Second)
		require.NoError(t, d.Sweep(t.Context()))
		require.Equal(t, []string{"2", "1", "0"}, stored(c))
		require.Empty(t, stored(other))

		// A deleted connection's stays until the connection is forgotten.
		require.NoError(t, d.Delete(t.Context(), c.Scope()))
		require.NoError(t, d.Sweep(t.Context()))
		require.Len(t, stored(c), 3)
		_, err := d.Journal(t.Context(), c.Scope(), store.JournalQuery{Limit: 1})
		require.ErrorIs(t, err, store.ErrNotFound)
	}, func(c *scim.ConnectionsConfig) { c.JournalLength, c.JournalRetention = 50, time.Hour })

	// Deleted connections take their journals along.
	onEachDesk(t, func(t *testing.T, d *desk) {
		c, _ := d.connect("t")
		d.note(c, 0, 3)
		require.NoError(t, d.Delete(t.Context(), c.Scope()))
		require.NoError(t, d.Flush(t.Context()))
		d.watch.advance(time.Hour)
		require.NoError(t, d.Sweep(t.Context()))
		page, err := d.store.Journal(t.Context(), c.ID, store.JournalQuery{Limit: 1})
		require.NoError(t, err)
		require.Empty(t, page.Entries)
	})
}

// Tokens are listed for 90 days after their end.
func TestTokensAreForgotten(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		c, bearer := d.connect("t")
		revoked, _ := d.issue(c, "revoked")
		_, _, err := d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "expired", ExpiresAt: d.watch.now().Add(time.Hour)})
		require.NoError(t, err)
		_, err = d.RevokeToken(t.Context(), c.Scope(), revoked.ID)
		require.NoError(t, err)
		names := func() (list []string) {
			require.NoError(t, d.Sweep(t.Context()))
			for _, token := range d.record(c).tokens {
				list = append(list, token.Name)
			}
			return list
		}
		const kept = 90 * 24 * time.Hour
		d.watch.advance(kept)
		require.Equal(t, []string{"", "revoked", "expired"}, names())
		d.watch.advance(time.Microsecond)
		require.Equal(t, []string{"", "expired"}, names())
		d.watch.advance(time.Hour)
		require.Equal(t, []string{""}, names())
		d.works(c, bearer)
	})
}

// notebook is a JournalStore that may fail or hold its callers up.
type notebook struct {
	store.JournalStore
	mu    sync.Mutex
	tried int
	kept  [][]store.JournalEntry
	fails error
	trims error
	meet  func(context.Context)
}

func (n *notebook) AppendJournal(ctx context.Context, entries []store.JournalEntry) error {
	n.mu.Lock()
	n.tried++
	meet := n.meet
	n.mu.Unlock()
	if meet != nil {
		meet(ctx)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails != nil {
		return n.fails
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n.kept = append(n.kept, slices.Clone(entries))
	return n.JournalStore.AppendJournal(ctx, entries)
}

func (n *notebook) TrimJournal(ctx context.Context, connection string, keep int) error {
	if n.trims != nil {
		return n.trims
	}
	return n.JournalStore.TrimJournal(ctx, connection, keep)
}

// fail makes storing entries fail until it is called with nil.
func (n *notebook) fail(err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fails = err
	return err
}

// meets has f called while entries are stored.
func (n *notebook) meets(f func(context.Context)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.meet = f
}

// batches are what was stored, the entries of each call by their numbers.
func (n *notebook) batches() (list [][]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, batch := range n.kept {
		list = append(list, numbers(batch))
	}
	return list
}

// calls is how often it was tried to store entries since the last call.
func (n *notebook) calls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	tried := n.tried
	n.tried = 0
	return tried
}

func noting(n *notebook) func(*scim.ConnectionsConfig) {
	return func(c *scim.ConnectionsConfig) {
		n.JournalStore = memstore.New()
		c.Journal = n
	}
}

func TestJournalsUnderPressure(t *testing.T) {
	t.Parallel()
	const most = 8192
	book := &notebook{}
	d := newDesk(t, memstore.New(), noting(book))
	c, _ := d.connect("t")

	// What does not fit is lost, and counted.
	d.note(c, 0, most)
	require.Zero(t, d.JournalDropped())
	d.note(c, most, most+7)
	require.EqualValues(t, 7, d.JournalDropped())
	require.NoError(t, d.Flush(t.Context()))
	require.Len(t, book.batches(), 1)
	require.Equal(t, down(most-1, 0, 1), numbers(d.journal(c, 10_000)))
	d.note(c, 0, 3)
	require.Equal(t, []string{"2", "1", "0"}, numbers(d.journal(c, 3)))
	require.EqualValues(t, 7, d.JournalDropped())

	// What cannot be stored waits, before what comes later; if that is too much, it is the later that is lost.
	err := book.fail(errors.New("the database is down"))
	d.note(c, 0, 10)
	_, failed := d.Journal(t.Context(), c.Scope(), store.JournalQuery{Limit: 1})
	require.ErrorIs(t, failed, err)
	book.meets(func(context.Context) { d.note(c, 20, 30) })
	require.ErrorIs(t, d.Flush(t.Context()), err)
	book.meets(func(context.Context) { d.note(c, 30, 30+most) })
	require.ErrorIs(t, d.Flush(t.Context()), err)
	require.NoError(t, book.fail(nil))
	book.meets(nil)
	require.EqualValues(t, 7+20, d.JournalDropped())
	require.NoError(t, d.Flush(t.Context()))
	batches := book.batches()
	require.Len(t, batches, 3)
	want := append(append(down(30+most-20-1, 30, 1), down(29, 20, 1)...), down(9, 0, 1)...)
	slices.Reverse(want)
	require.Equal(t, want, batches[2])

	// A journal that cannot be cut is stored all the same, and cut later.
	book.trims = errors.New("the database is down")
	d.note(c, 0, 1000)
	require.ErrorIs(t, d.Flush(t.Context()), book.trims)
	require.ErrorIs(t, d.Sweep(t.Context()), book.trims)
	require.NoError(t, d.Flush(t.Context()))
	require.Len(t, book.batches(), 4, "nothing is stored twice")
	book.trims = nil
	require.NoError(t, d.Sweep(t.Context()))
	require.Len(t, d.journal(c, 20_000), 10_000)
}

// A store that takes its time holds no request up.
func TestRecordingDoesNotWait(t *testing.T) {
	t.Parallel()
	book := &notebook{}
	d := newDesk(t, memstore.New(), noting(book))
	s := d.serve()
	c, bearer := d.connect("t")
	d.note(c, 0, 1)
	storing, over := make(chan struct{}), make(chan struct{})
	book.meets(func(context.Context) { close(storing); <-over })
	flushed := make(chan error)
	go func() { flushed <- d.Flush(context.Background()) }()
	<-storing
	for range 100 {
		s.as(bearer).get("/Users")
	}
	close(over)
	require.NoError(t, <-flushed)
	book.meets(nil)
	require.Len(t, d.journal(c, 1000), 101)
}

// background runs Connections in the background in a bubble of its own, with the bubble's clock, and stops them in the end.
func background(t *testing.T, book *notebook, f func(t *testing.T, d *desk, stop func()), options ...func(*scim.ConnectionsConfig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memstore.New(), append([]func(*scim.ConnectionsConfig){
			noting(book), perTenant(-1), func(c *scim.ConnectionsConfig) { c.Now = time.Now },
		}, options...)...)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- d.Run(ctx) }()
		synctest.Wait()
		stop := sync.OnceFunc(func() {
			cancel()
			require.NoError(t, <-over)
		})
		f(t, d, stop)
		stop()
	})
}

// pass lets time pass in a bubble, and then whatever is due happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestRunFlushesEverySecond(t *testing.T) {
	t.Parallel()
	book := &notebook{}
	background(t, book, func(t *testing.T, d *desk, stop func()) {
		c, bearer := d.connect("t")
		used := func() time.Time {
			tokens, err := d.store.Tokens(context.Background(), c.ID)
			require.NoError(t, err)
			return tokens[0].LastUsedAt
		}
		for i := range 3 {
			d.note(c, i, i+1)
			d.works(c, bearer)
			pass(time.Second - time.Nanosecond)
			require.Len(t, book.batches(), i)
			pass(time.Nanosecond)
			require.Len(t, book.batches(), i+1)
			require.Equal(t, []string{fmt.Sprint(i)}, book.batches()[i])
		}
		require.WithinDuration(t, time.Now(), used(), 4*time.Second)
		pass(10 * time.Second)
		require.Len(t, book.batches(), 3, "nothing to store costs nothing")

		// A crowd does not wait that long.
		d.note(c, 0, 4095)
		synctest.Wait()
		require.Len(t, book.batches(), 3)
		d.note(c, 4095, 4096)
		synctest.Wait()
		require.Len(t, book.batches(), 4)
		require.Len(t, book.batches()[3], 4096)

		// What is left is stored at the end.
		pass(time.Minute)
		d.works(c, bearer)
		last := time.Now()
		d.note(c, 0, 3)
		stop()
		require.Len(t, book.batches(), 5)
		require.Equal(t, []string{"0", "1", "2"}, book.batches()[4])
		require.WithinDuration(t, last, used(), time.Millisecond)
		require.Empty(t, d.log.String())
	})
}

func TestRunTriesAgain(t *testing.T) {
	t.Parallel()
	book := &notebook{}
	background(t, book, func(t *testing.T, d *desk, stop func()) {
		c, _ := d.connect("t")
		require.Error(t, book.fail(errors.New("the database is down")))
		d.note(c, 0, 5)
		pass(3 * time.Second)
		require.Equal(t, 3, book.calls())
		records := d.log.records(t)
		require.Len(t, records, 3)
		for _, record := range records {
			require.Equal(t, "WARN", record["level"])
			require.Equal(t, "flush", record["work"])
			require.Equal(t, "the database is down", record["cause"])
		}
		// However many requests there are meanwhile, it is not tried for each of them.
		for i := range 10_000 {
			d.note(c, 5+i, 6+i)
			if i%50 == 0 {
				synctest.Wait()
			}
		}
		require.LessOrEqual(t, book.calls(), 2)
		require.NoError(t, book.fail(nil))
		pass(time.Second)
		require.Equal(t, 1, book.calls())
		require.Len(t, book.batches()[0], 8192)
		require.Equal(t, "0", book.batches()[0][0])
		require.EqualValues(t, 10_005-8192, d.JournalDropped())

		// The end is not silent either.
		require.Error(t, book.fail(errors.New("the database is down again")))
		d.note(c, 0, 5)
		stop()
		require.Contains(t, d.log.String(), "the database is down again")
	})
}

// A store that hangs does not keep the process from stopping.
func TestRunStops(t *testing.T) {
	t.Parallel()
	book := &notebook{}
	background(t, book, func(t *testing.T, d *desk, stop func()) {
		c, _ := d.connect("t")
		book.meets(func(ctx context.Context) { <-ctx.Done() })
		d.note(c, 0, 5)
		began := time.Now()
		stop()
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Contains(t, d.log.String(), context.DeadlineExceeded.Error(), "what is lost is not lost in silence")
	})
	// In the middle of a flush, it is broken off and made up for.
	book = &notebook{}
	background(t, book, func(t *testing.T, d *desk, stop func()) {
		c, _ := d.connect("t")
		book.meets(func(ctx context.Context) {
			<-ctx.Done()
			book.meets(nil)
		})
		d.note(c, 0, 5)
		pass(time.Second)
		began := time.Now()
		stop()
		require.Zero(t, time.Since(began))
		require.Equal(t, 2, book.calls())
		require.Equal(t, [][]string{{"0", "1", "2", "3", "4"}}, book.batches())
		require.Empty(t, d.log.String())
	})
}

func TestRunSweepsEveryMinute(t *testing.T) {
	t.Parallel()
	book := &notebook{}
	var mu sync.Mutex
	var swept []string
	var gate chan struct{}
	failures := 1
	purged := func() []string {
		mu.Lock()
		defer mu.Unlock()
		list := swept
		swept = nil
		return list
	}
	background(t, book, func(t *testing.T, d *desk, _ func()) {
		require.Equal(t, []string{"earlier"}, purged(), "it does not wait for the first minute")
		require.Contains(t, d.log.String(), "the disk is full")
		c, _ := d.connect("t")
		require.NoError(t, d.Delete(context.Background(), c.Scope()))
		require.Equal(t, []string{c.ID}, purged())
		pass(time.Minute - time.Nanosecond)
		require.Empty(t, purged())
		pass(time.Nanosecond)
		require.Equal(t, []string{"earlier", c.ID}, purged(), "what failed is tried again")

		// A sweep that takes long does not keep the journal waiting.
		mu.Lock()
		gate = make(chan struct{})
		mu.Unlock()
		other, _ := d.connect("t")
		pass(time.Minute)
		for i := range 3 {
			d.note(other, i, i+1)
			pass(time.Second)
			require.Len(t, book.batches(), i+1)
		}
		mu.Lock()
		close(gate)
		gate = nil
		mu.Unlock()
		synctest.Wait()
		require.Equal(t, []string{c.ID}, purged())

		// After an hour the connection is forgotten.
		pass(57 * time.Minute)
		require.Len(t, purged(), 57)
		pass(2 * time.Minute)
		purged()
		pass(5 * time.Minute)
		require.Empty(t, purged())
	}, func(c *scim.ConnectionsConfig) {
		earlier := store.Connection{ID: "earlier", Tenant: "t", Status: store.StatusActive, Revision: 1, UpdatedAt: time.Now().Add(-2 * time.Hour)}
		require.NoError(t, c.Store.CreateConnection(context.Background(), earlier, nil, 0))
		earlier.Status = store.StatusDeleted
		require.NoError(t, c.Store.UpdateConnection(context.Background(), earlier, nil, 0))
		c.Resources = purgeFunc(func(_ context.Context, scope store.Scope, _ int) (bool, error) {
			mu.Lock()
			swept = append(swept, scope.Connection)
			waits, fails := gate, failures > 0
			failures--
			mu.Unlock()
			if waits != nil {
				<-waits
			}
			if fails {
				return false, errors.New("the disk is full")
			}
			return false, nil
		})
	})
}

// Any number of processes may do the work.
func TestRunTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backend := memstore.New()
		now := func(c *scim.ConnectionsConfig) { c.Now = time.Now }
		first, second := newDesk(t, backend, now), newDesk(t, backend, now)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		for _, d := range []*desk{first, first, second} {
			go func() { over <- d.Run(ctx) }()
		}
		c, _ := first.connect("t")
		first.note(c, 0, 3)
		second.note(c, 3, 6)
		pass(time.Second)
		page, err := backend.Journal(ctx, c.ID, store.JournalQuery{Limit: 10})
		require.NoError(t, err)
		require.ElementsMatch(t, down(5, 0, 1), numbers(page.Entries))
		require.NoError(t, second.Delete(ctx, c.Scope()))
		pass(62 * time.Minute)
		deleted, err := backend.Deleted(ctx, 10)
		require.NoError(t, err)
		require.Empty(t, deleted)
		cancel()
		for range 3 {
			require.NoError(t, <-over)
		}
		require.Empty(t, first.log.String()+second.log.String())
	})
}
