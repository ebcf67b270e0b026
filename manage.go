package scim

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/openapi"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/store"
)

// connectionView is a connection in the management API.
type connectionView struct {
	ConnectionID             string                   `json:"connection_id"`
	Tenant                   string                   `json:"tenant"`
	DisplayName              string                   `json:"display_name"`
	IdentityProvider         dialect.IdentityProvider `json:"identity_provider"`
	Status                   store.ConnectionStatus   `json:"status"`
	BaseURL                  string                   `json:"base_url"`
	BearerToken              string                   `json:"bearer_token,omitempty"` // in the answer to its creation only
	BearerTokenLastFour      *string                  `json:"bearer_token_last_four"`
	BearerTokenExpiresAt     *time.Time               `json:"bearer_token_expires_at"`
	NextBearerToken          string                   `json:"next_bearer_token,omitempty"` // in the answer to rotate/start only
	NextBearerTokenLastFour  *string                  `json:"next_bearer_token_last_four"`
	NextBearerTokenExpiresAt *time.Time               `json:"next_bearer_token_expires_at"`
	Policy                   dialect.Policy           `json:"policy"`
	Strict                   bool                     `json:"strict"`
	LastUsedAt               *time.Time               `json:"last_used_at"`
	CreatedAt                time.Time                `json:"created_at"`
	UpdatedAt                time.Time                `json:"updated_at"`
	Recipe                   dialect.Recipe           `json:"recipe"`
}

// view shows a connection with its tokens.
func (c *call) view(connection Connection, tokens []store.Token) connectionView {
	recipe := dialect.RecipeFor(connection.IdentityProvider)
	v := connectionView{
		ConnectionID: connection.ID, Tenant: connection.Tenant, DisplayName: connection.DisplayName,
		IdentityProvider: connection.IdentityProvider, Status: connection.Status, Policy: connection.Policy, Strict: connection.Strict,
		BaseURL:   recipe.BaseURL(wire.BaseURL(c.config.Handler.config.BaseURL, connection.ID)),
		CreatedAt: connection.CreatedAt, UpdatedAt: connection.UpdatedAt, Recipe: recipe,
	}
	var used time.Time
	for _, t := range tokens {
		if t.Connection != connection.ID {
			continue
		}
		if t.LastUsedAt.After(used) {
			used = t.LastUsedAt
		}
		switch t.Slot {
		case store.SlotCurrent:
			v.BearerTokenLastFour, v.BearerTokenExpiresAt = &t.LastFour, moment(t.ExpiresAt)
		case store.SlotNext:
			v.NextBearerTokenLastFour, v.NextBearerTokenExpiresAt = &t.LastFour, moment(t.ExpiresAt)
		}
	}
	v.LastUsedAt = moment(used)
	return v
}

// show answers with a connection as a step left it, after secret added to the view what is shown this once. What is done must not fail
// any more, and least of all take the secret along: nothing is read for the answer.
func (c *call) show(status int, l *life, secret func(*connectionView)) error {
	v := c.view(l.connection, l.tokens)
	if secret != nil {
		secret(&v)
	}
	return c.answer(status, map[string]connectionView{"connection": v})
}

func (c *call) createConnection() error {
	var body struct {
		DisplayName      string                   `json:"display_name"`
		IdentityProvider dialect.IdentityProvider `json:"identity_provider"`
		Policy           *dialect.Policy          `json:"policy"`
		Strict           bool                     `json:"strict"`
		ExpiresAt        time.Time                `json:"bearer_token_expires_at"`
	}
	if err := c.read(&body); err != nil {
		return err
	}
	l, text, err := c.config.Connections.create(c.r.Context(), ConnectionDraft{
		Tenant: c.tenant, DisplayName: body.DisplayName, IdentityProvider: body.IdentityProvider,
		Policy: body.Policy, Strict: body.Strict, Token: TokenDraft{ExpiresAt: body.ExpiresAt},
	})
	if err != nil {
		return err
	}
	c.connection = l.connection.ID
	return c.show(http.StatusCreated, l, func(v *connectionView) { v.BearerToken = string(text) })
}

func (c *call) listConnections() error {
	ctx := c.r.Context()
	if err := c.config.Connections.flushUsage(ctx); err != nil {
		return err
	}
	connections, err := c.config.Connections.List(ctx, c.tenant)
	if err != nil {
		return err
	}
	ids := make([]string, len(connections))
	for i, connection := range connections {
		ids[i] = connection.ID
	}
	tokens, err := c.config.Connections.config.Store.Tokens(ctx, ids...)
	if err != nil {
		return err
	}
	views := make([]connectionView, len(connections))
	for i, connection := range connections {
		views[i] = c.view(connection, tokens)
	}
	return c.answer(http.StatusOK, map[string][]connectionView{"connections": views})
}

func (c *call) getConnection() error {
	if err := c.config.Connections.flushUsage(c.r.Context()); err != nil {
		return err
	}
	l, err := c.config.Connections.load(c.r.Context(), c.scope(), c.start)
	if err != nil {
		return err
	}
	return c.show(http.StatusOK, l, nil)
}

func (c *call) updateConnection() error {
	var body struct {
		DisplayName      *string                   `json:"display_name"`
		IdentityProvider *dialect.IdentityProvider `json:"identity_provider"`
		Policy           *dialect.Policy           `json:"policy"`
		Strict           *bool                     `json:"strict"`
		Status           *store.ConnectionStatus   `json:"status"`
	}
	if err := c.read(&body); err != nil {
		return err
	}
	l, err := c.config.Connections.update(c.r.Context(), c.scope(), ConnectionChange(body))
	if err != nil {
		return err
	}
	return c.show(http.StatusOK, l, nil)
}

func (c *call) deleteConnection() error {
	if err := c.config.Connections.Delete(c.r.Context(), c.scope()); err != nil {
		return err
	}
	return c.answer(http.StatusOK, map[string]string{"connection_id": c.connection})
}

func (c *call) startRotation() error {
	var body struct {
		ExpiresAt time.Time `json:"next_bearer_token_expires_at"`
	}
	if err := c.read(&body); err != nil {
		return err
	}
	l, text, err := c.config.Connections.startRotation(c.r.Context(), c.scope(), TokenDraft{ExpiresAt: body.ExpiresAt})
	if err != nil {
		return err
	}
	return c.show(http.StatusOK, l, func(v *connectionView) { v.NextBearerToken = string(text) })
}

func (c *call) completeRotation() error { return c.rotated((*life).completeRotation) }

func (c *call) cancelRotation() error { return c.rotated((*life).cancelRotation) }

func (c *call) rotated(step func(*life) error) error {
	l, err := c.config.Connections.step(c.r.Context(), c.scope(), step)
	if err != nil {
		return err
	}
	return c.show(http.StatusOK, l, nil)
}

// tokenView is a token in the management API.
type tokenView struct {
	TokenID     string          `json:"token_id"`
	Name        string          `json:"name"` // empty for those of the rotation
	Slot        store.TokenSlot `json:"slot"`
	Status      string          `json:"status"` // active, expired, revoked
	BearerToken string          `json:"bearer_token,omitempty"`
	LastFour    string          `json:"last_four"`
	ExpiresAt   *time.Time      `json:"expires_at"`
	LastUsedAt  *time.Time      `json:"last_used_at"`
	RevokedAt   *time.Time      `json:"revoked_at"`
	CreatedAt   time.Time       `json:"created_at"`
}

func (c *call) viewToken(t store.Token) tokenView {
	v := tokenView{
		TokenID: t.ID, Name: t.Name, Slot: t.Slot, Status: "active", LastFour: t.LastFour, ExpiresAt: moment(t.ExpiresAt),
		LastUsedAt: moment(t.LastUsedAt), RevokedAt: moment(t.RevokedAt), CreatedAt: t.CreatedAt,
	}
	switch {
	case v.RevokedAt != nil:
		v.Status = "revoked"
	case v.ExpiresAt != nil && !c.start.Before(*v.ExpiresAt):
		v.Status = "expired"
	}
	return v
}

func (c *call) issueToken() error {
	var body struct {
		Name      string    `json:"name"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := c.read(&body); err != nil {
		return err
	}
	t, text, err := c.config.Connections.IssueToken(c.r.Context(), c.scope(), TokenDraft{Name: body.Name, ExpiresAt: body.ExpiresAt})
	if err != nil {
		return err
	}
	v := c.viewToken(t)
	v.BearerToken = string(text)
	return c.answer(http.StatusCreated, map[string]tokenView{"token": v})
}

func (c *call) listTokens() error {
	tokens, err := c.config.Connections.Tokens(c.r.Context(), c.scope())
	if err != nil {
		return err
	}
	views := make([]tokenView, len(tokens))
	for i, t := range tokens {
		views[i] = c.viewToken(t)
	}
	return c.answer(http.StatusOK, map[string][]tokenView{"tokens": views})
}

func (c *call) revokeToken() error {
	if _, err := c.config.Connections.Get(c.r.Context(), c.scope()); err != nil {
		return err
	}
	t, err := c.config.Connections.RevokeToken(c.r.Context(), c.scope(), c.token)
	if errors.Is(err, store.ErrNotFound) && !isSinkError(err) {
		return &problem{Status: http.StatusNotFound, Code: "token_not_found", Detail: "the connection has no such token"}
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, map[string]tokenView{"token": c.viewToken(t)})
}

// groupView is a provisioned group in the management API.
type groupView struct {
	GroupID      string `json:"group_id"`
	GroupName    string `json:"group_name"`
	ExternalID   string `json:"external_id,omitempty"`
	Tenant       string `json:"tenant"`
	ConnectionID string `json:"connection_id"`
}

func (c *call) listGroups() error {
	query, err := c.query("limit", "cursor")
	if err != nil {
		return err
	}
	limit, err := limitOf(query)
	if err != nil {
		return err
	}
	start := 1
	if cursor := query["cursor"]; cursor != "" {
		if start, err = strconv.Atoi(cursor); err != nil || start < 1 {
			return store.ErrCursor
		}
	}
	ctx := c.r.Context()
	if _, err := c.config.Connections.Get(ctx, c.scope()); err != nil {
		return err
	}
	answer := struct {
		Groups     []groupView `json:"groups"`
		NextCursor string      `json:"next_cursor"`
	}{Groups: []groupView{}}
	if c.groups == nil {
		return c.answer(http.StatusOK, answer)
	}
	page, err := c.config.Handler.config.Store.List(ctx, c.scope(), store.Query{Type: c.groups.Name, Start: start, Count: limit})
	if err != nil {
		return err
	}
	for _, r := range page.Resources {
		tree, err := r.Document.Tree(c.groups)
		if err != nil {
			return err
		}
		group := c.groups.Document(tree)
		answer.Groups = append(answer.Groups, groupView{
			GroupID: r.ID, GroupName: group.Text("displayName"), ExternalID: group.Text("externalId"),
			Tenant: c.tenant, ConnectionID: c.connection,
		})
	}
	if next := start + len(page.Resources); len(page.Resources) == limit && next <= page.Total {
		answer.NextCursor = strconv.Itoa(next)
	}
	return c.answer(http.StatusOK, answer)
}

// entryView is an entry of the journal in the management API.
type entryView struct {
	Time              time.Time `json:"time"`
	RequestID         string    `json:"request_id"`
	TokenID           string    `json:"token_id,omitempty"`
	Method            string    `json:"method"`
	Path              string    `json:"path"`
	ResourceID        string    `json:"resource_id,omitempty"`
	Status            int       `json:"status"`
	ScimType          string    `json:"scim_type,omitempty"`
	Detail            string    `json:"detail,omitempty"`
	Attribute         string    `json:"attribute,omitempty"`
	Rules             []string  `json:"rules"`
	IgnoredAttributes []string  `json:"ignored_attributes"`
	DurationMS        float64   `json:"duration_ms"`
}

func viewEntry(e JournalEntry) entryView {
	return entryView{
		Time: e.Time, RequestID: e.RequestID, TokenID: e.TokenID, Method: e.Method, Path: e.Path, ResourceID: e.ResourceID,
		Status: e.Status, ScimType: e.ScimType, Detail: e.Detail, Attribute: e.Attribute,
		Rules: append([]string{}, e.Rules...), IgnoredAttributes: append([]string{}, e.Ignored...),
		DurationMS: float64(e.Duration.Microseconds()) / 1000,
	}
}

func (c *call) readJournal() error {
	query, err := c.query("limit", "cursor", "failed")
	if err != nil {
		return err
	}
	wanted := store.JournalQuery{After: query["cursor"]}
	if wanted.Limit, err = limitOf(query); err != nil {
		return err
	}
	if text, given := query["failed"]; given {
		failed, err := strconv.ParseBool(text)
		if err != nil {
			return &AttributeError{"failed", "it is true or false"}
		}
		wanted.Failed = &failed
	}
	page, err := c.config.Connections.Journal(c.r.Context(), c.scope(), wanted)
	if err != nil {
		return err
	}
	entries := make([]entryView, len(page.Entries))
	for i, e := range page.Entries {
		entries[i] = viewEntry(e)
	}
	return c.answer(http.StatusOK, struct {
		Entries    []entryView `json:"entries"`
		NextCursor string      `json:"next_cursor"`
		Dropped    uint64      `json:"dropped"` // entries of all connections that this process has lost
	}{entries, page.Next, c.config.Connections.JournalDropped()})
}

// describe serves the OpenAPI document.
func (c *call) describe() error {
	c.w.Header().Set("Content-Type", plainJSON)
	c.w.WriteHeader(http.StatusOK)
	c.status = http.StatusOK
	_, _ = c.w.Write(openapi.Document) // the client has gone; there is nobody to tell
	return nil
}
