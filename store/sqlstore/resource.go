package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store"
)

// record is a row of scim_resources.
type record struct {
	number   int64
	ref      store.Ref
	version  int64
	created  int64 // microseconds since 1970
	modified int64
	members  int64
	document []byte
	lockedColumns
}

// lockedColumns are read with a lock only.
type lockedColumns struct {
	display               string
	terms                 string
	userName, displayName sql.NullString
	userSlot, displaySlot int64
}

const recordColumns = `r.number, r.type, r.id, r.version, r.created, r.modified, r.members, r.document`

func (r *record) scan(row scanner, more ...any) error {
	return row.Scan(append([]any{&r.number, &r.ref.Type, &r.ref.ID, &r.version, &r.created, &r.modified, &r.members, &r.document}, more...)...)
}

const lockedNames = `, r.display, r.terms, r.user_name, r.display_name, r.user_slot, r.display_slot`

func (r *record) scanLocked(row scanner) error {
	return r.scan(row, &r.display, &r.terms, &r.userName, &r.displayName, &r.userSlot, &r.displaySlot)
}

func (r *record) resource() store.Resource {
	return store.Resource{
		Ref: r.ref, Version: store.Version(r.version),
		Created: time.UnixMicro(r.created).UTC(), LastModified: time.UnixMicro(r.modified).UTC(),
		Document: store.NewDocument(r.document),
	}
}

func (r *record) member() store.Member {
	return store.Member{ID: r.ref.ID, Type: r.ref.Type, Display: r.display}
}

// touch moves version and time by one change.
func (r *record) touch(at time.Time) {
	r.version++
	r.modified = max(at.UnixMicro(), r.modified+1)
}

const recordWhere = ` FROM scim_resources AS r WHERE r.directory = ? AND r.id = ? AND r.type = ?`

var (
	readRecord  = both(`SELECT ` + recordColumns + recordWhere)
	keepRecord  = both(`SELECT ` + recordColumns + lockedNames + recordWhere + `{keep}`)
	eraseRecord = both(`SELECT ` + recordColumns + lockedNames + recordWhere + `{erase}`)
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	c, err := s.open(ctx, scope)
	if err != nil {
		return store.Resource{}, err
	}
	if c.t != nil {
		r, err := c.load(ctx, ref, keepRecord)
		if err != nil {
			return store.Resource{}, err
		}
		return r.resource(), nil
	}
	var r record
	err = c.each(ctx, readRecord, []any{c.directory, ref.ID, ref.Type}, func(row scanner) error { return r.scan(row) })
	if err != nil {
		return store.Resource{}, err
	}
	if r.number == 0 {
		return store.Resource{}, store.ErrNotFound
	}
	return r.resource(), nil
}

// load reads a resource and locks it until the transaction ends. What is locked already is not read again, unless to erase it.
func (c call) load(ctx context.Context, ref store.Ref, how statement) (*record, error) {
	key := held{c.directory, ref.ID}
	if r := c.t.held[key]; r != nil && r.ref.Type == ref.Type && how == keepRecord {
		return r, nil
	}
	r := &record{}
	err := c.each(ctx, how, []any{c.directory, ref.ID, ref.Type}, r.scanLocked)
	if err != nil {
		return nil, err
	}
	if r.number == 0 {
		return nil, store.ErrNotFound
	}
	c.t.held[key] = r
	return r, nil
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, scope store.Scope, draft store.Draft) (applied store.Applied, err error) {
	r, stored, err := s.createAtOnce(ctx, scope, draft)
	if err != nil {
		return store.Applied{}, err
	}
	if stored {
		return store.Applied{Resource: r.resource(), Changed: true}, nil
	}
	err = s.write(ctx, scope, func(ctx context.Context, c call) error {
		members, err := c.resolve(ctx, draft.Members)
		if err != nil {
			return err
		}
		r := drafted(draft, len(members))
		if err := c.insert(ctx, r, draft); err != nil {
			return err
		}
		joined, err := c.join(ctx, r.number, members)
		if err != nil {
			return err
		}
		applied = store.Applied{Resource: r.resource(), Changed: true, Added: joined}
		return nil
	})
	return applied, err
}

func drafted(draft store.Draft, members int) *record {
	at := draft.At.UnixMicro()
	return &record{ref: draft.Ref, version: 1, created: at, modified: at, members: int64(members), document: draft.Document.JSON()}
}

// createAtOnce stores a resource whose creation is all that is to be committed and fits into one statement, which PostgreSQL commits
// by itself: to begin and end a transaction would cost two more round trips. Where it stored nothing, a transaction finds out why.
func (s *Store) createAtOnce(ctx context.Context, scope store.Scope, draft store.Draft) (r *record, stored bool, err error) {
	if s.config.Dialect != filter.PostgreSQL || s.joined(ctx) != nil || len(draft.Members) > 0 {
		return nil, false, nil
	}
	c, err := s.open(ctx, scope)
	if err != nil {
		return nil, false, err
	}
	cols := s.columns(draft.Document, draft.Unique)
	held, free := split(cols.terms)
	if c.directory == 0 || len(held) > 0 || len(free) > maxTogether {
		return nil, false, nil
	}
	r = drafted(draft, 0)
	_, err = c.exec(ctx, createAtOnce[len(free)], c.creation(r, cols, free)...)
	if uniqueViolation(err) || retryable(err) {
		return nil, false, nil
	}
	return r, err == nil, err
}

const newRecord = `
INSERT INTO scim_resources (directory, type, id, created, modified, members, user_name, external_id, display_name, active, display, terms,
	document, number, user_slot, display_slot, version) `

var (
	addRecord = either(newRecord+`
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, n.number, CASE WHEN ? THEN 0 ELSE n.number END, CASE WHEN ? THEN 0 ELSE n.number END, 1
FROM (SELECT 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'scim_resources'), 0) AS number) AS n WHERE true
ON CONFLICT DO NOTHING RETURNING number`, ``)
	// createRecord is by the number of indexed values. It is all of a creation in one statement, since each costs PostgreSQL a round trip.
	createRecord = createWith("ON CONFLICT DO NOTHING", "SELECT number FROM r")
	// createAtOnce fails where createRecord does nothing, and returns nothing: outside of a transaction that is the cheaper way.
	createAtOnce = createWith("", "SELECT WHERE false")

	dropRecord = both(`DELETE FROM scim_resources WHERE number = ?`)
	idTaken    = both(`SELECT count(*) FROM scim_resources WHERE directory = ? AND id = ?`)
	nameTaken  = both(`
SELECT count(*) FROM scim_resources WHERE directory = ? AND type = ? AND user_name = ? AND user_slot = 0 AND number <> ?`)
	displayTaken = both(`
SELECT count(*) FROM scim_resources WHERE directory = ? AND type = ? AND display_name = ? AND display_slot = 0 AND number <> ?`)
)

// maxTogether is how many indexed values are stored in the statement that stores the resource.
const maxTogether = 3

func createWith(conflict, result string) (by [maxTogether + 1]statement) {
	for terms := range by {
		text := `
WITH r AS (` + newRecord + `
	SELECT CAST(? AS bigint), CAST(? AS text), CAST(? AS text), CAST(? AS bigint), CAST(? AS bigint), CAST(? AS bigint), CAST(? AS text),
		CAST(? AS text), CAST(? AS text), CAST(? AS boolean), CAST(? AS text), CAST(? AS text), CAST(? AS text), n.number,
		CASE WHEN ? THEN 0 ELSE n.number END, CASE WHEN ? THEN 0 ELSE n.number END, 1
	FROM (SELECT nextval('scim_numbers') AS number) AS n
	` + conflict + ` RETURNING directory, type, number),
c AS (
	INSERT INTO scim_counts (directory, type, block, shard, resources)
	SELECT directory, type, number / ` + strconv.Itoa(blockSize) + `, pg_backend_pid() % 16, 1 FROM r` + addCounts + `)`
		if terms > 0 {
			text += `,
v AS (
	INSERT INTO scim_values (directory, type, path, value, slot, number) SELECT r.directory, r.type, t.path, t.value, r.number, r.number
	FROM r, (VALUES (CAST(? AS text), CAST(? AS text))` + strings.Repeat(", (?, ?)", terms-1) + `) AS t (path, value))`
		}
		by[terms] = either(``, text+" "+result)
	}
	return by
}

// creation returns the arguments of the statement that stores a new resource, with the values in together.
func (c call) creation(r *record, cols columns, together []term) []any {
	r.terms = encodeTerms(cols.terms)
	args := []any{
		c.directory, r.ref.Type, r.ref.ID, r.created, r.modified, r.members,
		cols.userName, cols.externalID, cols.displayName, cols.active, cols.display, r.terms, string(r.document), cols.userHeld, cols.displayHeld,
	}
	for _, t := range together {
		args = append(args, t.Path, t.Value)
	}
	return args
}

// insert stores a new resource, whose number it sets. UniquenessError: the id or a unique value is taken, and nothing was stored.
func (c call) insert(ctx context.Context, r *record, draft store.Draft) error {
	cols := c.s.columns(draft.Document, draft.Unique)
	held, free := split(cols.terms)
	how, together := addRecord, free[:0]
	if c.s.config.Dialect == filter.PostgreSQL {
		together = free[:min(len(free), maxTogether)]
		how = createRecord[len(together)]
	}
	err := c.row(ctx, how, c.creation(r, cols, together), &r.number)
	if errors.Is(err, sql.ErrNoRows) {
		return c.taken(ctx, r, cols, draft.Unique)
	}
	if err != nil {
		return err
	}
	if c.s.config.Dialect == filter.SQLite {
		if _, err := c.exec(ctx, countOne, c.directory, r.ref.Type, r.number/blockSize, 1); err != nil {
			return err
		}
	}
	if err := c.index(ctx, r, free[len(together):]); err != nil {
		return err
	}
	if path, err := c.hold(ctx, r, held); path != "" || err != nil {
		if err != nil {
			return err
		}
		if err := c.erase(ctx, r); err != nil {
			return err
		}
		return &store.UniquenessError{Path: path}
	}
	return nil
}

// taken finds out which value of a resource that could not be stored is taken.
func (c call) taken(ctx context.Context, r *record, cols columns, unique []store.Key) error {
	for _, key := range unique {
		if taken, err := c.held(ctx, r, key.Path, cols); taken || err != nil {
			if err != nil {
				return err
			}
			return &store.UniquenessError{Path: key.Path}
		}
	}
	var others int
	if err := c.row(ctx, idTaken, []any{c.directory, r.ref.ID}, &others); err != nil {
		return err
	}
	if others == 0 { // whoever held it has gone meanwhile
		c.t.lost = true
		return errLost
	}
	return &store.UniquenessError{Path: "id"}
}

// held reports whether another resource holds r's value of userName or displayName.
func (c call) held(ctx context.Context, r *record, path string, cols columns) (bool, error) {
	st, value := nameTaken, cols.userName
	switch path {
	case "userName":
	case "displayName":
		st, value = displayTaken, cols.displayName
	default:
		return false, nil
	}
	var others int
	err := c.row(ctx, st, []any{c.directory, r.ref.Type, *value, r.number}, &others)
	return others > 0, err
}

var (
	indexValues = either(`
INSERT INTO scim_values (directory, type, path, value, slot, number)
SELECT ?, ?, t.value ->> 'p', t.value ->> 'v', ?, ? FROM json_each(?) AS t WHERE true ON CONFLICT DO NOTHING RETURNING path, value`, `
INSERT INTO scim_values (directory, type, path, value, slot, number)
SELECT CAST(? AS bigint), CAST(? AS text), t.p, t.v, CAST(? AS bigint), CAST(? AS bigint)
FROM json_to_recordset(CAST(? AS json)) AS t (p text, v text) ORDER BY t.p, t.v ON CONFLICT DO NOTHING RETURNING path, value`)
	// A value that another resource holds stays: the number tells.
	releaseValues = either(`
DELETE FROM scim_values WHERE directory = ? AND type = ? AND number = ? AND slot = ? AND (path, value) IN (
	SELECT t.value ->> 'p', t.value ->> 'v' FROM json_each(?) AS t)`, `
DELETE FROM scim_values WHERE directory = ? AND type = ? AND number = ? AND slot = ? AND (path, value) IN (
	SELECT t.p, t.v FROM json_to_recordset(CAST(? AS json)) AS t (p text, v text))`)
)

// index adds values that any number of resources may have.
func (c call) index(ctx context.Context, r *record, free []term) error {
	if len(free) == 0 {
		return nil
	}
	_, err := c.exec(ctx, indexValues, c.directory, r.ref.Type, r.number, r.number, encodeTerms(free))
	return err
}

// hold adds values that only one resource may have. taken is the path of the first one that another one has; none is added then.
func (c call) hold(ctx context.Context, r *record, held []term) (taken string, err error) {
	if len(held) == 0 {
		return "", nil
	}
	var got []term
	err = c.each(ctx, indexValues, []any{c.directory, r.ref.Type, 0, r.number, encodeTerms(held)}, func(row scanner) error {
		t := term{Held: true}
		err := row.Scan(&t.Path, &t.Value)
		got = append(got, t)
		return err
	})
	if err != nil || len(got) == len(held) {
		return "", err
	}
	i := slices.IndexFunc(held, func(t term) bool { return !slices.Contains(got, t) })
	return held[i].Path, c.release(ctx, r, got)
}

// release removes terms of a resource.
func (c call) release(ctx context.Context, r *record, terms []term) error {
	held, free := split(terms)
	for slot, terms := range map[int64][]term{0: held, r.number: free} {
		if len(terms) == 0 {
			continue
		}
		if _, err := c.exec(ctx, releaseValues, c.directory, r.ref.Type, r.number, slot, encodeTerms(terms)); err != nil {
			return err
		}
	}
	return nil
}
