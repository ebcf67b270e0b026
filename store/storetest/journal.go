package storetest

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/scimkit/scim/store"
)

var journalTests = []test{
	{"entries are kept", journals, false, testJournal},
	{"the last entry comes first", journals, false, testJournalOrder},
	{"pages", journals, false, testJournalPages},
	{"pages while entries come", journals, false, testJournalPagesMoving},
	{"failures", journals, false, testJournalFailures},
	{"cursors that are none", journals, false, testJournalCursors},
	{"what was passed in or returned may be changed", journals, false, testSharedJournal},
	{"is trimmed", journals, false, testJournalTrim},
	{"expires", journals, false, testJournalExpiry},
	{"entries come at once", journals, false, testParallelJournal},
}

// entries describes requests of a connection, which are told apart by their RequestID.
func (r *rig) entries(connection string, n int) []store.JournalEntry {
	list := make([]store.JournalEntry, n)
	for i := range list {
		at := r.now()
		list[i] = store.JournalEntry{
			Connection: connection, Time: at, RequestID: fmt.Sprint("request ", r.ticks), TokenID: "token", Method: "PATCH", Path: "/Users/{id}",
			ResourceID: "resource", Status: 400, ScimType: "invalidValue", Detail: "why", Attribute: "emails.value",
			Rules: []string{"rule 1", "rule 2"}, Ignored: []string{"nickname"}, Duration: 1234567 * time.Nanosecond,
		}
	}
	return list
}

// note appends entries to journals, in one call.
func (r *rig) note(entries ...store.JournalEntry) {
	r.Helper()
	r.ok(r.journal.AppendJournal(r.Context(), entries), "AppendJournal")
}

// noted reads all pages of a journal.
func (r *rig) noted(connection string, failed *bool, limit int) (list []store.JournalEntry) {
	r.Helper()
	query := store.JournalQuery{Failed: failed, Limit: limit}
	for range 10_000 {
		page, err := r.journal.Journal(r.Context(), connection, query)
		r.ok(err, "Journal of %+v", query)
		if n := len(page.Entries); n > limit {
			r.Fatalf("Journal of %+v: %d entries on a page", query, n)
		}
		list = append(list, page.Entries...)
		if page.Next == "" {
			return list
		}
		query.After = page.Next
	}
	r.Fatalf("Journal, %d entries at a time: the pages never end", limit)
	return nil
}

// journalIs ends the test unless a journal holds what was appended in that order.
func (r *rig) journalIs(what, connection string, appended ...store.JournalEntry) {
	r.Helper()
	r.sameEntries(what, r.noted(connection, nil, 1000), appended)
}

// sameEntries ends the test unless the entries are those that were appended, the last one first.
func (r *rig) sameEntries(what string, got, appended []store.JournalEntry) {
	r.Helper()
	same(r, what, requestIDs(got), requestIDs(backward(appended)))
	for i, want := range backward(appended) {
		r.instant("Time of "+want.RequestID, got[i].Time, want.Time)
		equal(r, "an entry of "+what, entryText(got[i]), entryText(want))
	}
}

// entryText renders an entry, save its time.
func entryText(e store.JournalEntry) string {
	return fmt.Sprintf("%q request %q token %q: %s %q resource %q status %d %q %q %q rules %q ignored %q duration %d", e.Connection, e.RequestID,
		e.TokenID, e.Method, e.Path, e.ResourceID, e.Status, e.ScimType, e.Detail, e.Attribute, e.Rules, e.Ignored, int64(e.Duration))
}

func backward[T any](list []T) []T {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func requestIDs(entries []store.JournalEntry) (ids []string) {
	for _, e := range entries {
		ids = append(ids, e.RequestID)
	}
	return ids
}

// testJournal checks that everything of an entry comes back.
func testJournal(r *rig) {
	link, other := rand.Text(), rand.Text()
	r.journalIs("the journal of a connection without entries", link)
	r.note()
	entries := append(r.entries(link, 3), store.JournalEntry{Connection: link, Time: r.now(), RequestID: "empty"})
	unusual := r.entries(link, 1)[0]
	unusual.Detail, unusual.TokenID, unusual.Path = "quotes ' \" \\ \\u0041 <&>, a\r\n\tb, \u2028 % _ ?", "\U0001F680", "-"
	unusual.Rules, unusual.Ignored = []string{`a"b`, "", "a,b"}, []string{"straße"}
	unusual.Status, unusual.Duration = 0, 1<<62
	unusual.Time = time.Date(2026, 7, 1, 0, 30, 0, 999999000, time.FixedZone("east", 2*60*60))
	entries = append(entries, unusual)
	foreign := r.entries(other, 2)
	r.note(entries[0], foreign[0], entries[1])
	r.note(entries[2])
	r.note(entries[3], entries[4], foreign[1])
	r.journalIs("the journal", link, entries...)
	r.journalIs("the journal of another connection", other, foreign...)
	for _, nobody := range []string{"", link + " ", "nobody"} {
		r.journalIs("the journal of a connection without entries", nobody)
	}
}

// testJournalOrder checks that entries come as they were stored, whatever their times say.
func testJournalOrder(r *rig) {
	link := rand.Text()
	entries := r.entries(link, 6)
	for i, shuffled := range []int{3, 1, 5, 0, 0, 4} {
		entries[i].Time = start.Add(time.Duration(shuffled) * time.Second)
	}
	r.note(entries[:3]...)
	r.note(entries[3:]...)
	r.journalIs("the journal", link, entries...)
}

func testJournalPages(r *rig) {
	link, other := rand.Text(), rand.Text()
	entries, foreign := r.entries(link, 12), r.entries(other, 12)
	for i := range entries {
		r.note(foreign[i], entries[i])
	}
	for _, limit := range []int{1, 2, 3, 5, 11, 12, 13, 1000} {
		r.sameEntries(fmt.Sprintf("the journal in pages of %d", limit), r.noted(link, nil, limit), entries)
	}
}

// testJournalPagesMoving checks that what is stored or removed between pages repeats nothing, and hides nothing that stays.
func testJournalPagesMoving(r *rig) {
	link := rand.Text()
	entries := r.entries(link, 8)
	r.note(entries...)
	first, err := r.journal.Journal(r.Context(), link, store.JournalQuery{Limit: 3})
	r.ok(err, "Journal")
	r.sameEntries("the first page", first.Entries, entries[5:])
	r.note(r.entries(link, 4)...)
	r.ok(r.journal.TrimJournal(r.Context(), link, 4+6), "TrimJournal")
	second, err := r.journal.Journal(r.Context(), link, store.JournalQuery{Limit: 10, After: first.Next})
	r.ok(err, "Journal")
	r.sameEntries("the second page, after other entries came and the first ones went", second.Entries, entries[2:5])
	equal(r, "Next of the last page", second.Next, "")
}

// testJournalFailures checks pages of failures and of what did not fail, with statuses on both sides of every border.
func testJournalFailures(r *rig) {
	link := rand.Text()
	statuses := []int{200, 404, 201, 204, 399, 400, 0, 412, 500, 304, 599, 200}
	entries := r.entries(link, len(statuses))
	var failures, others []store.JournalEntry
	for i, status := range statuses {
		entries[i].Status = status
		if entries[i].Failed() {
			failures = append(failures, entries[i])
		} else {
			others = append(others, entries[i])
		}
	}
	r.note(entries...)
	yes, no := true, false
	for _, limit := range []int{1, 2, 3, 5, 6, 7, 100} {
		r.sameEntries(fmt.Sprintf("the failures in pages of %d", limit), r.noted(link, &yes, limit), failures)
		r.sameEntries(fmt.Sprintf("the others in pages of %d", limit), r.noted(link, &no, limit), others)
		r.sameEntries(fmt.Sprintf("all in pages of %d", limit), r.noted(link, nil, limit), entries)
	}
}

func testJournalCursors(r *rig) {
	link := rand.Text()
	r.note(r.entries(link, 3)...)
	page, err := r.journal.Journal(r.Context(), link, store.JournalQuery{Limit: 1})
	r.ok(err, "Journal")
	for _, cursor := range []string{"nonsense", page.Next + "x", " " + page.Next, "-" + page.Next, "1' OR '1'='1", "ﬁ", "99999999999999999999999"} {
		page, err := r.journal.Journal(r.Context(), link, store.JournalQuery{Limit: 1, After: cursor})
		r.fails(err, store.ErrCursor, "Journal after %q", cursor)
		equal(r, "the number of entries beside an error", len(page.Entries), 0)
	}
}

// testSharedJournal changes every list that the store was given or handed out.
func testSharedJournal(r *rig) {
	link := rand.Text()
	want, passed := r.entries(link, 2), r.entries(link, 2)
	for i := range passed {
		passed[i].Time, passed[i].RequestID = want[i].Time, want[i].RequestID
	}
	r.note(passed...)
	for range 3 {
		for i := range passed {
			clear(passed[i].Rules)
			clear(passed[i].Ignored)
		}
		clear(passed)
		r.journalIs("the journal", link, want...)
		passed = r.noted(link, nil, 1000)
	}
}

func testJournalTrim(r *rig) {
	link, other := rand.Text(), rand.Text()
	entries, foreign := r.entries(link, 8), r.entries(other, 8)
	for i := range entries {
		entries[i].Status = 200 + 200*(i%2)
		r.note(entries[i], foreign[i])
	}
	left := 8
	for _, keep := range []int{100, 8, 7, 7, 3, 5, 1} {
		r.ok(r.journal.TrimJournal(r.Context(), link, keep), "TrimJournal to %d", keep)
		left = min(left, keep)
		r.journalIs(fmt.Sprintf("the journal after a TrimJournal to %d", keep), link, entries[8-left:]...)
	}
	for range 2 {
		r.ok(r.journal.TrimJournal(r.Context(), link, 0), "TrimJournal to nothing")
		r.journalIs("the journal after a TrimJournal to nothing", link)
	}
	r.journalIs("the journal of another connection", other, foreign...)
	r.note(entries[0])
	r.journalIs("the journal that begins anew", link, entries[0])
}

// testJournalExpiry uses times of long ago, since the entries of all connections expire.
func testJournalExpiry(r *rig) {
	link, other := rand.Text(), rand.Text()
	entries, foreign := r.entries(link, 6), r.entries(other, 2)
	for i, at := range []time.Duration{0, time.Hour, -time.Microsecond, time.Microsecond, -time.Hour} {
		entries[i].Time = longAgo.Add(at)
	}
	foreign[0].Time = longAgo.Add(-time.Microsecond)
	r.note(foreign...)
	r.note(entries...)
	for range 2 {
		r.ok(r.journal.ExpireJournal(r.Context(), longAgo), "ExpireJournal")
		r.journalIs("the journal", link, entries[0], entries[1], entries[3], entries[5])
		r.journalIs("the journal of another connection", other, foreign[1])
	}
}

// testParallelJournal checks that no entry is lost, and that those of one call keep their order.
func testParallelJournal(r *rig) {
	link := rand.Text()
	entries := r.entries(link, 3*crowd)
	r.allWin("AppendJournal", together(func(n int) error {
		return r.journal.AppendJournal(r.Context(), entries[3*n:3*n+3])
	}))
	got := r.noted(link, nil, 7)
	same(r, "the entries", sorted(requestIDs(got)), sorted(requestIDs(entries)))
	ids := requestIDs(backward(got))
	for n := range crowd {
		call := requestIDs(entries[3*n : 3*n+3])
		own := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(call, id) })
		same(r, "the entries of one call", own, call)
	}
}
