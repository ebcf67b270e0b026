package scim

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/scimkit/scim/store"
)

// JournalEntry is a SCIM request of a connection and its answer, without bodies, tokens and values.
type JournalEntry = store.JournalEntry

// Journal hears of every request whose connection is known, once it was answered.
type Journal interface {
	// Record takes an entry over. It must neither block nor fail.
	Record(entry JournalEntry)
}

// journal is the entries that are not stored yet. What does not fit is lost, and counted: a journal must not hold requests up.
type journal struct {
	flushing sync.Mutex    // one flush after the other, so that entries keep their order
	filled   chan struct{} // wakes Run up before its time

	mu       sync.Mutex
	waiting  []JournalEntry
	dropped  uint64
	appended map[string]int // by connection, since its journal was last trimmed
}

const (
	maxWaiting = 8192            // entries that are not stored yet
	wakeAt     = maxWaiting / 2  // entries
	flushEvery = time.Second     // that is, if Run runs
	flushGrace = 5 * time.Second // for what is left at the end
	trimAfter  = 1000            // entries of a connection
)

func newJournal() journal {
	return journal{filled: make(chan struct{}, 1), appended: make(map[string]int)}
}

// Record implements Journal. Entries are stored by Run, and before a journal is read; up to 8192 wait for that, others are lost.
func (c *Connections) Record(entry JournalEntry) {
	if c.config.Journal == nil {
		return
	}
	j := &c.journal
	j.mu.Lock()
	if len(j.waiting) >= maxWaiting {
		j.dropped++
	} else {
		j.waiting = append(j.waiting, entry)
	}
	wake := len(j.waiting) == wakeAt // and not for every entry from then on, which would not help a store that fails
	j.mu.Unlock()
	if wake {
		select {
		case j.filled <- struct{}{}:
		default:
		}
	}
}

// JournalDropped returns how many entries this process has lost.
func (c *Connections) JournalDropped() uint64 {
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	return c.journal.dropped
}

// Journal returns a page of a connection's journal, the latest entry first, with everything that this process has recorded; other
// processes store theirs within about a second. store.ErrNotFound: there is no such connection. store.ErrCursor: query.After is none of
// the journal's.
func (c *Connections) Journal(ctx context.Context, connection store.Scope, query store.JournalQuery) (store.JournalPage, error) {
	if _, err := c.Get(ctx, connection); err != nil {
		return store.JournalPage{}, err
	}
	if c.config.Journal == nil {
		return store.JournalPage{}, nil
	}
	if err := c.flushJournal(ctx); err != nil {
		return store.JournalPage{}, err
	}
	return c.config.Journal.Journal(ctx, connection.Connection, query)
}

// flushJournal stores the entries that wait. Those that cannot be stored wait on.
func (c *Connections) flushJournal(ctx context.Context) error {
	j := &c.journal
	j.flushing.Lock()
	defer j.flushing.Unlock()
	entries := j.take()
	if len(entries) == 0 {
		return nil
	}
	if err := c.config.Journal.AppendJournal(ctx, entries); err != nil {
		j.giveBack(entries)
		return err
	}
	return c.trim(ctx, j.count(entries))
}

func (j *journal) take() []JournalEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	entries := j.waiting
	j.waiting = nil
	return entries
}

// giveBack puts entries before those that came meanwhile, as far as there is room.
func (j *journal) giveBack(entries []JournalEntry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := slices.Concat(entries, j.waiting)
	j.waiting = all[:min(len(all), maxWaiting)]
	j.dropped += uint64(len(all) - len(j.waiting))
}

// count adds entries that were stored, and returns the connections whose journals are due to be trimmed.
func (j *journal) count(entries []JournalEntry) (due []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range entries {
		if j.appended[e.Connection]++; j.appended[e.Connection] == trimAfter {
			due = append(due, e.Connection)
		}
	}
	return due
}

// written returns the connections whose journals grew since they were last trimmed.
func (j *journal) written() (connections []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for connection := range j.appended {
		connections = append(connections, connection)
	}
	return connections
}

// trim shortens journals to their length.
func (c *Connections) trim(ctx context.Context, connections []string) error {
	for _, connection := range connections {
		if err := c.config.Journal.TrimJournal(ctx, connection, c.config.JournalLength); err != nil {
			return err
		}
		c.journal.mu.Lock()
		delete(c.journal.appended, connection)
		c.journal.mu.Unlock()
	}
	return nil
}
