package scim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"pgregory.net/rapid"

	"github.com/scimkit/scim/dialect"
)

// generator draws requests that hit what requests before them made.
type generator struct {
	*rapid.T
	texts []string           // few, so that they meet again
	made  map[string][]known // by token
}

// known is a resource that was created; it may be deleted since.
type known struct{ endpoint, id, etag string }

// nasty are texts that databases fold, match or quote by rules of their own.
var nasty = []string{
	"bob", "BOB", "Bob", "bob@example.test", "BOB@Example.test", "bo_", "b%b", "b*b", `b\b`, "o'neil", `say "x"`, "a;b--", "${x}", " bob", "bob ",
	"straße", "STRASSE", "straẞe", "İlker", "i̇lker", "ilker", "ILKER", "ıLKER", "Kelvin", "kelvin", "Åsa", "A\u030asa", "åsa",
	"ｂｏｂ", "ﬁn", "fin", "Σίσυφος", "ΣΊΣΥΦΟΣ", "Ꭰ", "ꭰ", "🙂", "\U0010FFFD", "é", "e\u0301", "ſam", "sam", "日本", "0", "1e3", "true", "null", "",
}

func newGenerator(t *rapid.T) *generator {
	return &generator{
		T: t, made: map[string][]known{},
		texts: rapid.SliceOfNDistinct(rapid.SampledFrom(nasty), 5, 9, rapid.ID[string]).Draw(t, "texts"),
	}
}

// below draws a number from 0 to n-1, each as likely as the others: the generators of package rapid favour small numbers.
func below(n int) *rapid.Generator[int] {
	return rapid.Custom(func(t *rapid.T) (number int) {
		for bit := 1; bit < 16*n; bit *= 2 {
			if rapid.Bool().Draw(t, "bit") {
				number += bit
			}
		}
		return number % n
	})
}

// one is true once in n times.
func (g *generator) one(n int) bool { return below(n).Draw(g.T, "one in") == n-1 }

func (g *generator) number(low, high int) int { return low + below(high-low+1).Draw(g.T, "number") }

func pick[E any](g *generator, from ...E) E { return from[below(len(from)).Draw(g.T, "pick")] }

func (g *generator) text() string { return pick(g, g.texts...) }

func (g *generator) policy() dialect.Policy {
	return pick(g, dialect.Policy{}, dialect.PolicyFor(dialect.MicrosoftEntra), dialect.PolicyFor(dialect.Okta), dialect.Policy{
		BareRemove: dialect.BareRemoveRefuse, PatchAnswer: dialect.PatchAnswerResource, UniqueGroupNames: true,
	})
}

// learn remembers what a request created.
func (g *generator) learn(l letter, r reply) {
	var made struct{ ID string }
	if r.status != 201 || json.Unmarshal([]byte(r.body), &made) != nil || made.ID == "" {
		return
	}
	endpoint, _, _ := strings.Cut(l.target, "?")
	g.made[l.token] = append(g.made[l.token], known{endpoint, made.ID, r.header.Get("Etag")})
}

// some returns a resource of an endpoint, "" for any: usually one that was created, sometimes another connection's, or none.
func (g *generator) some(token, endpoint string) known {
	if g.one(25) {
		token = tokenB
	}
	var fitting []known
	for _, r := range g.made[token] {
		if endpoint == "" || r.endpoint == endpoint {
			fitting = append(fitting, r)
		}
	}
	if len(fitting) == 0 || g.one(25) {
		return known{endpoint, pick(g, "none", "0199a1b2-0000-7000-8000-999999999999", "0", "*"), `W/"1"`}
	}
	return pick(g, fitting...)
}

// seed draws a request that fills an empty directory.
func (g *generator) seed() letter {
	endpoint := pick(g, "/Users", "/Groups")
	body := map[string]any{"schemas": []string{userURN}, "userName": g.text(), "emails": g.values()}
	if endpoint == "/Groups" {
		body = map[string]any{"schemas": []string{groupURN}, "displayName": g.text(), "members": g.members(tokenA)}
	}
	return letter{method: "POST", target: endpoint, body: g.encode(body), token: tokenA}
}

// letter draws a request.
func (g *generator) letter() letter {
	l := letter{method: "GET", token: tokenA}
	if g.one(10) {
		l.token = tokenB
	}
	endpoint := pick(g, "/Users", "/Groups")
	if made := g.made[l.token]; len(made) > 0 {
		endpoint = pick(g, made...).endpoint
	}
	switch g.number(1, 16) {
	case 1, 2, 3, 4:
		l.method, l.target, l.body = "POST", endpoint, g.encode(g.body(l.token, endpoint))
	case 5, 6, 7, 8, 9:
		r := g.some(l.token, endpoint)
		l.method, l.target, l.body, l.headers = "PATCH", endpoint+"/"+r.id, g.encode(g.patch(l.token, endpoint, r)), g.condition(r)
	case 10:
		r := g.some(l.token, endpoint)
		l.method, l.target, l.body, l.headers = "PUT", endpoint+"/"+r.id, g.encode(g.body(l.token, endpoint)), g.condition(r)
	case 11:
		r := g.some(l.token, endpoint)
		l.method, l.target, l.headers = "DELETE", endpoint+"/"+r.id, g.condition(r)
	case 12:
		r := g.some(l.token, endpoint)
		l.target, l.headers = endpoint+"/"+r.id, g.condition(r)
	case 13:
		l.method, l.target, l.body = "POST", endpoint+"/.search", g.encode(g.search(l.token, endpoint))
		return l
	case 14:
		return g.lookup()
	default:
		l.target = endpoint + "?" + g.query(l.token, endpoint)
		return l
	}
	if g.one(4) {
		l.target += "?" + g.projection()
	}
	return l
}

// encode writes JSON, which is broken once in a while.
func (g *generator) encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		g.Fatalf("%v", err)
	}
	if g.one(60) {
		return string(text[:g.number(0, len(text))])
	}
	return string(text)
}

// condition draws the headers of a conditional request: the version at creation is often right, and often stale.
func (g *generator) condition(r known) []string {
	if !g.one(4) {
		return nil
	}
	return []string{pick(g, "If-Match", "If-Match", "If-None-Match"), pick(g, r.etag, r.etag, `W/"2"`, `"3"`, "*", `W/"9"`, `W/"1", W/"2"`, "bad")}
}

var (
	userPaths = []string{
		"userName", "displayName", "externalId", "nickName", "title", "userType", "active", "name.givenName", "name.familyName", "name",
		"emails", "emails.value", "emails.type", "emails.primary", "phoneNumbers.value", "roles.value", "id", "meta.created",
		"meta.lastModified", "meta.version", "groups.value", "groups", enterpriseURN + ":employeeNumber", enterpriseURN + ":manager.value",
		userURN + ":userName", "USERNAME", "noSuch", "password", "profileUrl", "locale", "addresses.postalCode",
	}
	groupPaths = []string{
		"displayName", "externalId", "members", "members.value", "members.type", "members.display", "members.$ref", "id", "meta.lastModified",
		"DISPLAYNAME", groupURN + ":displayName", "noSuch",
	}
)

func paths(endpoint string) []string {
	if endpoint == "/Groups" {
		return groupPaths
	}
	return userPaths
}

func (g *generator) projection() string {
	var names []string
	for range g.number(1, 3) {
		names = append(names, pick(g, append(paths("/Users"), groupPaths...)...))
	}
	return pick(g, "attributes", "attributes", "excludedAttributes") + "=" + url.QueryEscape(strings.Join(names, ","))
}

func (g *generator) query(token, endpoint string) string {
	var parts []string
	if !g.one(4) {
		parts = append(parts, "filter="+url.QueryEscape(g.filter(token, endpoint, 3)))
	}
	if g.one(3) {
		parts = append(parts, "startIndex="+pick(g, "1", "2", "3", "7", "0", "-1", "99", "x"))
	}
	if g.one(3) {
		parts = append(parts, "count="+pick(g, "0", "1", "2", "3", "100", "-1", "x"))
	}
	if g.one(4) {
		parts = append(parts, g.projection())
	}
	if g.one(20) {
		parts = append(parts, "sortBy=userName")
	}
	return strings.Join(parts, "&")
}

func (g *generator) search(token, endpoint string) map[string]any {
	body := map[string]any{"schemas": []string{searchURN}}
	if !g.one(4) {
		body["filter"] = g.filter(token, endpoint, 3)
	}
	if g.one(3) {
		body["startIndex"], body["count"] = g.number(0, 6), g.number(0, 4)
	}
	if g.one(4) {
		body[pick(g, "attributes", "excludedAttributes")] = []string{pick(g, paths(endpoint)...), pick(g, paths(endpoint)...)}
	}
	return body
}

// lookup draws a query that an index may answer.
func (g *generator) lookup() letter {
	target := pick(g, "/Users?filter=userName", "/Users?filter=externalId", "/Users?filter=emails.value", "/Users?filter=emails", "/Users?filter=displayName",
		"/Users?filter=nickName", "/Users?filter=phoneNumbers.value", "/Users?filter=name.familyName", "/Groups?filter=displayName", "/Groups?filter=externalId")
	return letter{method: "GET", target: target + url.QueryEscape(" eq "+quoted(g.text())), token: tokenA}
}

// filter draws a filter that is mostly well formed.
func (g *generator) filter(token, endpoint string, depth int) string {
	if depth > 0 {
		switch g.number(1, 8) {
		case 1, 2:
			return g.filter(token, endpoint, depth-1) + pick(g, " and ", " or ", " AND ") + g.filter(token, endpoint, depth-1)
		case 3:
			return pick(g, "not (", "(") + g.filter(token, endpoint, depth-1) + ")"
		case 4:
			list, inside := "members", "value eq "+g.literal(token)
			if endpoint == "/Users" {
				list, inside = pick(g, "emails", "emails", "roles", "phoneNumbers"), pick(g, "value", "type", "primary")+" "+g.comparison(token)
			}
			if endpoint == "/Users" && g.one(2) {
				inside += pick(g, " and ", " or ") + pick(g, "value", "type", "display") + " " + g.comparison(token)
			}
			return list + "[" + inside + "]"
		}
	}
	if g.one(3) { // what identity providers ask
		path := pick(g, "userName", "externalId", "displayName", "emails.value", "id", "groups.value", "nickName")
		if endpoint == "/Groups" {
			path = pick(g, "displayName", "externalId", "id", "members.value", "members")
		}
		return path + " eq " + g.literal(token)
	}
	return pick(g, paths(endpoint)...) + " " + g.comparison(token)
}

func (g *generator) comparison(token string) string {
	if g.one(6) {
		return "pr"
	}
	return pick(g, "eq", "eq", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ") + " " + g.literal(token)
}

func (g *generator) literal(token string) string {
	switch g.number(1, 10) {
	case 1, 2, 3:
		return quoted(g.some(token, "").id)
	case 4:
		return pick(g, "true", "false", `"True"`, `"true"`, "null", "1", "-1.5e3", "bare", `"unclosed`)
	case 5:
		return quoted(fmt.Sprintf("2026-03-14T09:00:00.%03dZ", g.number(0, 80)))
	case 6:
		return pick(g, `"work"`, `"home"`, `"User"`, `"Group"`, `"2026"`, `"W/\"2\""`)
	default:
		text := []rune(g.text())
		if g.one(3) {
			text = text[:g.number(0, len(text))]
		}
		return quoted(string(text))
	}
}

func quoted(text string) string {
	out, _ := json.Marshal(text) // a string: cannot fail
	return string(out)
}

// body draws a resource.
func (g *generator) body(token, endpoint string) map[string]any {
	if endpoint == "/Groups" {
		body := map[string]any{"schemas": []string{groupURN}, "displayName": g.text()}
		if g.one(3) {
			body["externalId"] = g.text()
		}
		if !g.one(3) {
			body["members"] = g.members(token)
		}
		return body
	}
	body := map[string]any{"schemas": []string{userURN}, "userName": g.text()}
	if g.one(25) {
		delete(body, "userName")
	}
	for range g.number(0, 5) {
		name, value := g.attribute(token)
		body[name] = value
	}
	if g.one(3) {
		body["schemas"] = []string{userURN, enterpriseURN}
		body[enterpriseURN] = map[string]any{"employeeNumber": g.text(), "manager": map[string]any{"value": g.some(token, "").id}}
	}
	return body
}

// attribute draws an attribute of a user with its value.
func (g *generator) attribute(token string) (name string, value any) {
	switch g.number(1, 12) {
	case 1, 2:
		return "externalId", g.text()
	case 3:
		return pick(g, "displayName", "nickName", "DISPLAYNAME", "title"), g.text()
	case 4:
		return "active", pick[any](g, true, false, false, "False", "true", "no", nil)
	case 5:
		return "name", map[string]any{"givenName": g.text(), "familyName": g.text()}
	case 6:
		return pick(g, "phoneNumbers", "roles", "entitlements"), g.values()
	case 7:
		return pick(g, "id", "groups", "meta", "noSuch", "password"), pick[any](g, g.text(), nil, []any{})
	case 8:
		return enterpriseURN, map[string]any{"manager": map[string]any{"value": g.some(token, "").id}}
	case 9:
		return pick(g, "locale", "timezone", "preferredLanguage", "userType", "profileUrl"), g.text()
	default:
		return "emails", g.values()
	}
}

// values draws the value of a multi-valued attribute.
func (g *generator) values() any {
	list := []any{}
	for range g.number(0, 3) {
		value := map[string]any{"value": g.text(), "type": pick(g, "work", "home", "other")}
		if g.one(3) {
			value["primary"] = g.one(2)
		}
		if g.one(5) {
			value["display"] = g.text()
		}
		list = append(list, value)
	}
	return list
}

// members draws a list of members with repetitions, groups, and a few that do not exist.
func (g *generator) members(token string) []any {
	list := []any{}
	for range min(g.number(0, 5), 2*len(g.made[token])) {
		m := map[string]any{"value": g.some(token, pick(g, "/Users", "/Users", "/Groups")).id}
		if g.one(6) {
			m["display"], m["type"] = g.text(), pick(g, "User", "Group")
		}
		list = append(list, m)
	}
	return list
}

// patch draws a PATCH.
func (g *generator) patch(token, endpoint string, of known) map[string]any {
	var ops []map[string]any
	for range g.number(1, 3) {
		o := g.userOperation(token)
		if endpoint == "/Groups" {
			o = g.groupOperation(token, of)
		}
		ops = append(ops, o)
	}
	return patchBody(ops...)
}

func (g *generator) operation(path string, value any) map[string]any {
	name := pick(g, "add", "replace", "remove", "Add", "Replace", "add", "replace")
	if path == "" {
		return pathless(name, value)
	}
	if name == "remove" && !g.one(6) {
		return op(name, path)
	}
	return op(name, path, value)
}

func (g *generator) groupOperation(token string, of known) map[string]any {
	member := g.some(token, pick(g, "/Users", "/Users", "/Groups")).id
	switch g.number(1, 10) {
	case 1, 2, 3:
		return map[string]any{"op": "add", "path": "members", "value": g.members(token)}
	case 4:
		return map[string]any{"op": "remove", "path": "members[value eq " + quoted(member) + "]"}
	case 5:
		return map[string]any{"op": pick(g, "remove", "replace"), "path": "members", "value": g.members(token)}
	case 6:
		return map[string]any{"op": "remove", "path": pick(g, "members", "members", "members[type eq \"User\"]", "members[display co \"b\"]")}
	case 7:
		return g.operation("", map[string]any{"displayName": g.text(), "members": g.members(token)})
	case 8:
		return g.operation("members", []any{map[string]any{"value": of.id}})
	default:
		return g.operation(pick(g, groupPaths...), g.text())
	}
}

func (g *generator) userOperation(token string) map[string]any {
	name, value := g.attribute(token)
	switch g.number(1, 8) {
	case 1, 2:
		return g.operation(name, value)
	case 3:
		return g.operation("", map[string]any{name: value, "name.givenName": g.text()})
	case 4:
		filter := pick(g, "type eq \"work\"", "value "+g.comparison(token), "primary eq true", "type pr and value pr")
		return g.operation("emails["+filter+"]"+pick(g, "", ".value", ".primary", ".display"), pick[any](g, g.text(), true, "true", nil))
	case 5:
		return g.operation(enterpriseURN+pick(g, ":employeeNumber", ":manager", ":manager.value", ""), pick[any](g, g.text(), g.some(token, "").id))
	default:
		return g.operation(pick(g, userPaths...), pick[any](g, g.text(), g.text(), true, g.values(), 1))
	}
}
