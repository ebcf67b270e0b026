package memstore

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/scimkit/scim/store"
)

// journals is apart from the rest of the store: it is written outside of transactions.
type journals struct {
	mu   sync.Mutex
	last uint64
	of   map[string][]noted // by connection, in the order of their numbers
}

type noted struct {
	number uint64
	store.JournalEntry
}

// AppendJournal implements store.JournalStore.
func (s *Store) AppendJournal(ctx context.Context, entries []store.JournalEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &s.journals
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.of == nil {
		j.of = make(map[string][]noted)
	}
	for _, e := range entries {
		j.last++
		e.Time = micro(e.Time)
		e.Rules, e.Ignored = slices.Clone(e.Rules), slices.Clone(e.Ignored)
		j.of[e.Connection] = append(j.of[e.Connection], noted{j.last, e})
	}
	return nil
}

// Journal implements store.JournalStore.
func (s *Store) Journal(ctx context.Context, connection string, query store.JournalQuery) (page store.JournalPage, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	before := ^uint64(0)
	if query.After != "" {
		if before, err = strconv.ParseUint(query.After, 10, 63); err != nil {
			return page, store.ErrCursor
		}
	}
	j := &s.journals
	j.mu.Lock()
	defer j.mu.Unlock()
	var last uint64
	for _, e := range slices.Backward(j.of[connection]) {
		if e.number >= before || query.Failed != nil && e.Failed() != *query.Failed {
			continue
		}
		if len(page.Entries) == query.Limit {
			page.Next = strconv.FormatUint(last, 10)
			break
		}
		last = e.number
		e.Rules, e.Ignored = slices.Clone(e.Rules), slices.Clone(e.Ignored)
		page.Entries = append(page.Entries, e.JournalEntry)
	}
	return page, nil
}

// TrimJournal implements store.JournalStore.
func (s *Store) TrimJournal(ctx context.Context, connection string, keep int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &s.journals
	j.mu.Lock()
	defer j.mu.Unlock()
	list := j.of[connection]
	j.keep(connection, list[max(0, len(list)-max(0, keep)):])
	return nil
}

// ExpireJournal implements store.JournalStore.
func (s *Store) ExpireJournal(ctx context.Context, before time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	before = micro(before)
	j := &s.journals
	j.mu.Lock()
	defer j.mu.Unlock()
	for connection, list := range j.of {
		j.keep(connection, slices.DeleteFunc(slices.Clone(list), func(e noted) bool { return e.Time.Before(before) }))
	}
	return nil
}

// keep replaces a connection's journal by a part of it, in memory of its own.
func (j *journals) keep(connection string, list []noted) {
	if len(list) == 0 {
		delete(j.of, connection)
		return
	}
	j.of[connection] = slices.Clone(list)
}
