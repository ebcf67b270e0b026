package store

import (
	"context"
	"time"
)

// JournalEntry is a SCIM request of a connection and its answer, for the people who run the connection. It holds no body, token or
// value that the request carried.
type JournalEntry struct {
	Connection string    `json:"-"` // the connection's id
	Time       time.Time `json:"-"` // when the request arrived, in UTC and whole microseconds
	RequestID  string    `json:"request_id"`
	TokenID    string    `json:"token_id,omitempty"`
	Method     string    `json:"method"`
	// Path is the route with {id} in place of ids, "/Users/{id}"; "-" where there is none.
	Path string `json:"path"`
	// ResourceID is the id of the resource that the request found or created, empty where it named none or an unknown one, or failed
	// before it looked for it.
	ResourceID string `json:"resource_id,omitempty"`
	// Status is the HTTP status, 0 if the client went away before there was one.
	Status   int    `json:"status"`
	ScimType string `json:"scim_type,omitempty"` // of an error
	Detail   string `json:"detail,omitempty"`    // of an error: why, in the words of the answer without its values
	// Attribute is the path of the attribute that an error is about.
	Attribute string `json:"attribute,omitempty"`
	// Rules are the ids of the dialect's rules that the request needed.
	Rules []string `json:"rules,omitempty"`
	// Ignored are the names of attributes that no schema knows and that were ignored.
	Ignored  []string      `json:"ignored_attributes,omitempty"`
	Duration time.Duration `json:"duration_ns"`
}

// Failed reports whether the request failed: a status from 400 on, or none.
func (e JournalEntry) Failed() bool { return e.Status < 100 || e.Status >= 400 }

// JournalQuery selects a page of a connection's journal.
type JournalQuery struct {
	Failed *bool  // nil: all entries; otherwise those whose Failed is that
	After  string // JournalPage.Next of the page before; empty for the first one
	Limit  int    // entries in the page at most, positive
}

// JournalPage is an answer to a JournalQuery: the entries that were stored last come first. What is stored or removed between two pages
// repeats nothing and hides nothing else.
type JournalPage struct {
	Entries []JournalEntry
	Next    string // opaque; empty on the last page
}

// JournalStore keeps the journals of connections. It is the library's own state, as ConnectionStore. Its calls come outside of
// transactions.
type JournalStore interface {
	// AppendJournal stores entries of any connections, in this order.
	AppendJournal(ctx context.Context, entries []JournalEntry) error
	// Journal returns a page of a connection's journal; a connection without entries has an empty one. ErrCursor: query.After is none
	// of the journal's.
	Journal(ctx context.Context, connection string, query JournalQuery) (JournalPage, error)
	// TrimJournal removes all of a connection's entries but the last keep.
	TrimJournal(ctx context.Context, connection string, keep int) error
	// ExpireJournal removes the entries of all connections from before a time.
	ExpireJournal(ctx context.Context, before time.Time) error
}
