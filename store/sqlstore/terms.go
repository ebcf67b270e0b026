package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/scimkit/scim/store"
)

// columns are the values that a resource has columns for. A nil pointer is no value.
type columns struct {
	userName, externalID, displayName *string // folded
	userHeld, displayHeld             bool    // no other resource of the type may have it
	active                            *bool
	display                           string
	terms                             []term
}

// term is another indexed value of a resource. Held is set if no other resource of the type may have it.
type term struct {
	Path  string `json:"p"`
	Value string `json:"v"`
	Held  bool   `json:"h,omitempty"`
}

// columns derives from a document and its unique values what the tables hold beside it.
func (s *Store) columns(document *store.Document, unique []store.Key) columns {
	c := columns{userName: single(document, "userName"), externalID: single(document, "externalId"), displayName: single(document, "displayName")}
	if active, ok := document.Flag("active"); ok {
		c.active = &active
	}
	if c.display = document.Text("displayName"); c.display == "" {
		c.display = document.Text("userName")
	}
	for _, key := range unique {
		switch key.Path {
		case "userName":
			c.userName, c.userHeld = &key.Value, true
		case "displayName":
			c.displayName, c.displayHeld = &key.Value, true
		default:
			c.put(key.Path, key.Value, true)
		}
	}
	for _, path := range s.indexed {
		for _, value := range document.Values(path) {
			c.put(path, value, false)
		}
	}
	return c
}

// single returns the folded value of an attribute that has one. Only those of multi-valued attributes of a host's can be too long
// for an index, and no statement compares these.
func single(document *store.Document, path string) *string {
	if values := document.Values(path); len(values) == 1 && len(values[0]) <= maxColumn {
		return &values[0]
	}
	return nil
}

// put adds a term unless it is there already.
func (c *columns) put(path, value string, held bool) {
	value = keyOf(value)
	for _, t := range c.terms {
		if t.Path == path && t.Value == value {
			return
		}
	}
	c.terms = append(c.terms, term{path, value, held})
}

const (
	maxColumn  = 2048 // bytes; schema.MaxKey after folding, which can make it three times as long, is below
	maxIndexed = 1024 // bytes of a value that scim_values holds as it is; PostgreSQL's indexes take about 2700 for all columns
	digestMark = "sha256:"
)

// keyOf returns what stands for a folded value in scim_values: the value, or its digest if it is long or looks like one.
func keyOf(value string) string {
	if len(value) <= maxIndexed && !strings.HasPrefix(value, digestMark) {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return digestMark + hex.EncodeToString(sum[:])
}

func encodeTerms(terms []term) string {
	if len(terms) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(terms) // of strings and booleans: cannot fail
	return string(text)
}

func decodeTerms(text string) (terms []term, err error) {
	err = json.Unmarshal([]byte(text), &terms)
	return terms, err
}

// split parts the terms that only one resource may hold from the others.
func split(terms []term) (held, free []term) {
	for _, t := range terms {
		if t.Held {
			held = append(held, t)
		} else {
			free = append(free, t)
		}
	}
	return held, free
}
