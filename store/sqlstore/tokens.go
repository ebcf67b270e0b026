package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/scimkit/scim/store"
)

const tokenColumns = `t.id, t.connection, t.name, t.slot, t.digest, t.last_four, t.created, t.expires, t.revoked, t.used`

const findToken = `SELECT ` + connectionColumns + `, ` + tokenColumns + `
FROM scim_tokens AS t JOIN scim_connections AS c ON c.id = t.connection WHERE c.status <> 'deleted' AND `

var (
	findByID     = both(findToken + `t.id = ?`)
	findByDigest = both(findToken + `t.digest = ?`)
	listTokens   = both(`
SELECT ` + tokenColumns + ` FROM scim_tokens AS t JOIN scim_connections AS c ON c.id = t.connection
WHERE t.connection IN {texts} AND c.status <> 'deleted' ORDER BY t.number`)
	keepTokens = both(`SELECT r.id FROM scim_tokens AS r WHERE r.connection = ? AND r.id IN {texts} ORDER BY r.id{keep}`)
	setToken   = both(`UPDATE scim_tokens SET name = ?, slot = ?, expires = ?, revoked = ? WHERE id = ?`)
	addToken   = both(`
INSERT INTO scim_tokens (name, slot, expires, revoked, id, connection, digest, last_four, created, used)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	useToken     = both(`UPDATE scim_tokens SET used = ? WHERE id = ? AND (used IS NULL OR used < ?)`)
	dropTokens   = both(`DELETE FROM scim_tokens WHERE id IN {texts}`)
	dropTokensOf = both(`DELETE FROM scim_tokens WHERE connection = ?`)
	expireTokens = both(`DELETE FROM scim_tokens WHERE revoked < ? OR expires < ?`)
)

// addTokens stores new tokens of a connection. ErrExists: one is taken, and none was stored.
func (h handle) addTokens(ctx context.Context, connection string, tokens []store.Token) error {
	for i, t := range tokens {
		n, err := h.exec(ctx, addToken, t.Name, string(t.Slot), nullTime(t.ExpiresAt), nullTime(t.RevokedAt), t.ID, connection,
			t.Digest[:], t.LastFour, t.CreatedAt.UnixMicro(), nullTime(t.LastUsedAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.Join(store.ErrExists, h.dropTokens(ctx, tokens[:i]))
		}
	}
	return nil
}

// putTokens stores tokens of a connection: it adds the new ones, and then changes the others. ErrExists: a new one is taken, and nothing
// was stored.
func (h handle) putTokens(ctx context.Context, connection string, tokens []store.Token) error {
	if len(tokens) == 0 {
		return nil
	}
	known := make(map[string]bool, len(tokens))
	err := h.each(ctx, keepTokens, []any{connection, idsOf(tokens)}, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		known[id] = true
		return err
	})
	if err != nil {
		return err
	}
	fresh := slices.DeleteFunc(slices.Clone(tokens), func(t store.Token) bool { return known[t.ID] })
	if err := h.addTokens(ctx, connection, fresh); err != nil {
		return err
	}
	for _, t := range tokens {
		if !known[t.ID] {
			continue
		}
		if _, err := h.exec(ctx, setToken, t.Name, string(t.Slot), nullTime(t.ExpiresAt), nullTime(t.RevokedAt), t.ID); err != nil {
			return err
		}
	}
	return nil
}

// dropTokens takes back what was added in the same transaction.
func (h handle) dropTokens(ctx context.Context, tokens []store.Token) error {
	if len(tokens) == 0 {
		return nil
	}
	_, err := h.exec(ctx, dropTokens, idsOf(tokens))
	return err
}

// idsOf makes an argument of the ids of tokens.
func idsOf(tokens []store.Token) string {
	ids := make([]string, len(tokens))
	for i, t := range tokens {
		ids[i] = t.ID
	}
	return list(ids)
}

// Tokens implements store.ConnectionStore.
func (s *Store) Tokens(ctx context.Context, connections ...string) (tokens []store.Token, err error) {
	err = s.on(ctx).each(ctx, listTokens, []any{list(connections)}, func(row scanner) error {
		var t tokenRow
		err := row.Scan(t.into()...)
		tokens = append(tokens, t.value())
		return err
	})
	return tokens, err
}

// FindToken implements store.ConnectionStore.
func (s *Store) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	st, arg := findByID, any(id)
	if id == "" {
		st, arg = findByDigest, digest[:]
	}
	var t tokenRow
	var connection store.Connection
	err := s.on(ctx).each(ctx, st, []any{arg}, func(row scanner) error { return scanConnection(row, &connection, t.into()...) })
	if err == nil && t.ID == "" {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Token{}, store.Connection{}, err
	}
	return t.value(), connection, nil
}

// tokenRow is a token as its columns hold it.
type tokenRow struct {
	store.Token
	digest                 []byte
	created                int64
	expires, revoked, used sql.NullInt64
}

// into returns where the columns go.
func (t *tokenRow) into() []any {
	return []any{
		&t.ID, &t.Connection, &t.Name, &t.Slot, &t.digest, &t.LastFour, &t.created, &t.expires, &t.revoked, &t.used,
	}
}

func (t *tokenRow) value() store.Token {
	copy(t.Digest[:], t.digest)
	t.CreatedAt = time.UnixMicro(t.created).UTC()
	t.ExpiresAt, t.RevokedAt, t.LastUsedAt = timeOf(t.expires), timeOf(t.revoked), timeOf(t.used)
	return t.Token
}

// UseTokens implements store.ConnectionStore. Tokens are taken in the order of their ids, so that processes do not lock each other out.
func (s *Store) UseTokens(ctx context.Context, used map[string]time.Time) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		h := s.on(ctx)
		for _, id := range slices.Sorted(maps.Keys(used)) {
			at := used[id].UnixMicro()
			if _, err := h.exec(ctx, useToken, at, id, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// ForgetTokens implements store.ConnectionStore.
func (s *Store) ForgetTokens(ctx context.Context, before time.Time) error {
	return s.alter(ctx, expireTokens, before.UnixMicro(), before.UnixMicro())
}
