package sqlstore

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/scimkit/scim/store"
)

const journalPage = `SELECT j.number, j.time, j.entry FROM scim_journal AS j WHERE j.connection = ? AND j.number < ? `

var (
	addNoted = either(`
INSERT INTO scim_journal (connection, time, failed, entry)
SELECT t.value ->> 'connection', t.value ->> 'time', t.value ->> 'failed', t.value ->> 'entry' FROM json_each(?) AS t`, `
INSERT INTO scim_journal (connection, time, failed, entry)
SELECT t.connection, t.time, t.failed, t.entry
FROM json_to_recordset(CAST(? AS json)) AS t (connection text, time bigint, failed boolean, entry text)`)
	allNoted    = both(journalPage + `ORDER BY j.number DESC LIMIT ?`)
	failedNoted = both(journalPage + `AND j.failed ORDER BY j.number DESC LIMIT ?`)
	passedNoted = both(journalPage + `AND NOT j.failed ORDER BY j.number DESC LIMIT ?`)
	trimNoted   = both(`
DELETE FROM scim_journal WHERE connection = ? AND number <= (
	SELECT number FROM scim_journal WHERE connection = ? ORDER BY number DESC LIMIT 1 OFFSET ?)`)
	expireNoted = both(`DELETE FROM scim_journal WHERE time < ?`)
)

// noted is an entry as a row.
type noted struct {
	Connection string `json:"connection"`
	Time       int64  `json:"time"`
	Failed     bool   `json:"failed"`
	Entry      string `json:"entry"`
}

// AppendJournal implements store.JournalStore, with one statement.
func (s *Store) AppendJournal(ctx context.Context, entries []store.JournalEntry) error {
	rows := make([]noted, len(entries))
	for i, e := range entries {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		rows[i] = noted{e.Connection, e.Time.UnixMicro(), e.Failed(), string(text)}
	}
	all, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return s.alter(ctx, addNoted, string(all))
}

// Journal implements store.JournalStore.
func (s *Store) Journal(ctx context.Context, connection string, query store.JournalQuery) (page store.JournalPage, err error) {
	before := uint64(math.MaxInt64)
	if query.After != "" {
		if before, err = strconv.ParseUint(query.After, 10, 63); err != nil {
			return page, store.ErrCursor
		}
	}
	st := allNoted
	switch {
	case query.Failed == nil:
	case *query.Failed:
		st = failedNoted
	default:
		st = passedNoted
	}
	var last int64
	err = s.on(ctx).each(ctx, st, []any{connection, int64(before), query.Limit + 1}, func(row scanner) error {
		if len(page.Entries) == query.Limit { // one more than the page
			page.Next = strconv.FormatInt(last, 10)
			return nil
		}
		e := store.JournalEntry{Connection: connection}
		var at int64
		var text []byte
		if err := row.Scan(&last, &at, &text); err != nil {
			return err
		}
		err := json.Unmarshal(text, &e)
		e.Time = time.UnixMicro(at).UTC()
		page.Entries = append(page.Entries, e)
		return err
	})
	return page, err
}

// TrimJournal implements store.JournalStore.
func (s *Store) TrimJournal(ctx context.Context, connection string, keep int) error {
	return s.alter(ctx, trimNoted, connection, connection, keep)
}

// ExpireJournal implements store.JournalStore.
func (s *Store) ExpireJournal(ctx context.Context, before time.Time) error {
	return s.alter(ctx, expireNoted, before.UnixMicro())
}

// alter runs one statement in the transaction of ctx, or in one of its own.
func (s *Store) alter(ctx context.Context, st statement, args ...any) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		_, err := s.on(ctx).exec(ctx, st, args...)
		return err
	})
}
