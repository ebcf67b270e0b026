// Package bench compares this library with less and with others.
package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	elimity "github.com/elimity-com/scim"
	elimityerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"
	elimityschema "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store/memstore"
)

const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patchURN      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	listURN       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

	baseURL = "https://scim.example.test/scim/v2"
	tokenA  = "token-of-the-benchmarks-0123456789abcdef"
)

// The benchmarks drive whole servers over loopback with a client that allocates nothing, so that allocs/op are the server's. In
// each group the same requests go to
//
//	nethttp   a handler that reads the body and writes as many bytes as ours would
//	floor     a server without authentication, validation and versions, over a map of JSON documents
//	elimity   the server of github.com/elimity-com/scim over the same map
//	scimkit   this library over memstore
//
// SCIM_BENCH_ROWS sets the size of the directory, 10000 by default.

// benchRows is the number of users in a directory.
func benchRows(b *testing.B) int {
	rows := 10_000
	if text := os.Getenv("SCIM_BENCH_ROWS"); text != "" {
		var err error
		rows, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	return rows
}

// entraUser is a user as Microsoft Entra ID sends it: 1.4 KB.
func entraUser(n int) []byte {
	name := fmt.Sprintf("nadia.ferro-%07d@example.test", n)
	body, err := json.Marshal(map[string]any{
		"schemas":     []string{userURN, enterpriseURN},
		"externalId":  fmt.Sprintf("a7d1f2c0-33b5-4c0b-9f2e-%012d", n),
		"userName":    name,
		"active":      true,
		"displayName": "Nadia Ferro",
		"emails":      []any{map[string]any{"primary": true, "type": "work", "value": name}, map[string]any{"type": "other", "value": "n." + name}},
		"meta":        map[string]any{"resourceType": "User"},
		"name":        map[string]any{"formatted": "Nadia Ferro", "familyName": "Ferro", "givenName": "Nadia"},
		"title":       "Senior Dispatcher", "preferredLanguage": "en-US", "locale": "en-US", "timezone": "Europe/Stockholm", "nickName": "Naddy", "userType": "Employee",
		"addresses": []any{map[string]any{
			"type": "work", "formatted": "9 Quay, 90210 Harbourtown, Sweden", "streetAddress": "9 Quay", "locality": "Harbourtown", "region": "North", "postalCode": "90210", "country": "SE",
		}},
		"phoneNumbers": []any{map[string]any{"type": "work", "value": "+46 8 555 0100"}, map[string]any{"type": "mobile", "value": "+46 70 555 0100"}},
		"roles":        []any{map[string]any{"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": "Dispatcher", "value": "Dispatcher"}},
		enterpriseURN:  map[string]any{"employeeNumber": strconv.Itoa(n), "costCenter": "4400", "organization": "Harbour AB", "division": "Operations", "department": "Dispatch", "manager": map[string]any{"value": "0197f6a2-0000-7000-8000-000000000001"}},
	})
	if err != nil {
		panic(err)
	}
	return body
}

// wireClient sends prepared requests over one kept-alive connection, without allocating.
type wireClient struct {
	conn   net.Conn
	reader *bufio.Reader
	buf    []byte
}

func dial(b testing.TB, handler http.Handler) *wireClient {
	server := httptest.NewServer(handler)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(b, err)
	b.Cleanup(func() { conn.Close(); server.Close() })
	return &wireClient{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10), buf: make([]byte, 1<<20)}
}

// rawRequest is a request as bytes.
func rawRequest(method, target string, body []byte) []byte {
	var buf bytes.Buffer
	fmt.Fprintf(&buf, "%s %s HTTP/1.1\r\nHost: scim.example.test\r\nAuthorization: Bearer %s\r\nAccept: application/scim+json\r\n", method, target, tokenA)
	if body != nil {
		fmt.Fprintf(&buf, "Content-Type: application/scim+json; charset=utf-8\r\nContent-Length: %d\r\n", len(body))
	}
	buf.WriteString("\r\n")
	buf.Write(body)
	return buf.Bytes()
}

// roundTrip sends a request and returns the status and the size of the answer's body.
func (c *wireClient) roundTrip(b testing.TB, request []byte) (status, size int) {
	if _, err := c.conn.Write(request); err != nil {
		b.Fatal(err)
	}
	line := c.line(b)
	status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	chunked := false
	for line = c.line(b); len(line) > 2; line = c.line(b) {
		switch {
		case hasPrefix(line, "Content-Length:"):
			size = parseSize(line[len("Content-Length:"):], 10)
		case hasPrefix(line, "Transfer-Encoding:"):
			chunked = true
		}
	}
	if !chunked {
		c.read(b, 0, size)
		return status, size
	}
	for {
		n := parseSize(c.line(b), 16)
		c.read(b, size, n)
		size += n
		c.line(b)
		if n == 0 {
			return status, size
		}
	}
}

func (c *wireClient) line(b testing.TB) []byte {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		b.Fatal(err)
	}
	return line
}

func (c *wireClient) read(b testing.TB, at, n int) {
	if _, err := io.ReadFull(c.reader, c.buf[at:at+n]); err != nil {
		b.Fatal(err)
	}
}

func hasPrefix(line []byte, name string) bool {
	return len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name))
}

func parseSize(text []byte, base int) (n int) {
	for _, d := range text {
		switch {
		case '0' <= d && d <= '9':
			n = n*base + int(d-'0')
		case 'a' <= d && d <= 'f' && base == 16:
			n = n*base + int(d-'a') + 10
		}
	}
	return n
}

// body returns the body of the last answer.
func (c *wireClient) body(size int) map[string]any {
	var m map[string]any
	if err := json.Unmarshal(c.buf[:size], &m); err != nil {
		panic(err)
	}
	return m
}

// contestant is a server in a benchmark.
type contestant struct {
	name    string
	handler http.Handler
	prefix  string // of its endpoints
}

func newScimkit(b testing.TB) contestant {
	verifier, err := scim.StaticToken(tokenA, scim.Connection{ID: "connection-a", Tenant: "tenant-a"})
	require.NoError(b, err)
	handler, err := scim.New(scim.Config{
		BaseURL: baseURL, Store: memstore.New(), Verifier: verifier, RateLimiter: scim.Unlimited, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(b, err)
	return contestant{"scimkit", handler, "/scim/v2"}
}

func contestants(b testing.TB) []contestant {
	return []contestant{{"floor", &floor{}, ""}, {"elimity", newElimity(b), ""}, newScimkit(b)}
}

// netHTTP answers every request with that many bytes.
func netHTTP(status, size int) http.Handler {
	body := bytes.Repeat([]byte("x"), size)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/scim+json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// fill creates n users and returns their ids.
func fill(b testing.TB, c contestant, client *wireClient, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		status, size := client.roundTrip(b, rawRequest("POST", c.prefix+"/Users", entraUser(i)))
		require.Equal(b, 201, status, string(client.buf[:max(size, 0)]))
		ids[i] = idIn(b, client.buf[:size])
	}
	return ids
}

// idIn finds the id in a resource without decoding all of it.
func idIn(b testing.TB, body []byte) string {
	_, rest, ok := bytes.Cut(body, []byte(`"id":"`))
	require.True(b, ok, string(body))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(id)
}

// loop runs one prepared request b.N times.
func loop(b *testing.B, client *wireClient, want int, request []byte) {
	b.Helper()
	status, size := client.roundTrip(b, request)
	require.Equal(b, want, status, string(client.buf[:size]))
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if status, _ := client.roundTrip(b, request); status != want {
			b.Fatal(status)
		}
	}
	b.ReportMetric(float64(size), "body-B")
}

// BenchmarkGet reads one of many users.
func BenchmarkGet(b *testing.B) {
	b.Run("nethttp", func(b *testing.B) { loop(b, dial(b, netHTTP(200, 1300)), 200, rawRequest("GET", "/Users/1", nil)) })
	for _, c := range contestants(b) {
		b.Run(c.name, func(b *testing.B) {
			client := dial(b, c.handler)
			ids := fill(b, c, client, 1000)
			loop(b, client, 200, rawRequest("GET", c.prefix+"/Users/"+ids[500], nil))
		})
	}
}

// BenchmarkCreate posts users, each another one.
func BenchmarkCreate(b *testing.B) {
	b.Run("nethttp", func(b *testing.B) {
		loop(b, dial(b, netHTTP(201, 1300)), 201, rawRequest("POST", "/Users", entraUser(1)))
	})
	for _, c := range contestants(b) {
		b.Run(c.name, func(b *testing.B) {
			client := dial(b, c.handler)
			template := rawRequest("POST", c.prefix+"/Users", entraUser(0))
			request := bytes.Clone(template)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				copy(request, template)
				number(request, n)
				if status, size := client.roundTrip(b, request); status != 201 {
					b.Fatal(status, string(client.buf[:size]))
				}
			}
		})
	}
}

// number replaces the seven digits of each user name in a request.
func number(request []byte, n int) {
	digits := []byte(fmt.Sprintf("-%07d@", n))
	for rest := request; ; {
		i := bytes.Index(rest, []byte("-0000000@"))
		if i < 0 {
			return
		}
		copy(rest[i:], digits)
		rest = rest[i+len(digits):]
	}
}

// BenchmarkPatchActive switches a user off and on.
func BenchmarkPatchActive(b *testing.B) {
	for _, c := range contestants(b) {
		b.Run(c.name, func(b *testing.B) {
			client := dial(b, c.handler)
			id := fill(b, c, client, 1000)[500]
			requests := [2][]byte{patchRequest(c.prefix+"/Users/"+id, "replace", "active", "false"), patchRequest(c.prefix+"/Users/"+id, "replace", "active", "true")}
			alternate(b, client, requests, 200)
		})
	}
}

// BenchmarkPut replaces a user by itself with another title.
func BenchmarkPut(b *testing.B) {
	for _, c := range contestants(b) {
		b.Run(c.name, func(b *testing.B) {
			client := dial(b, c.handler)
			id := fill(b, c, client, 1000)[500]
			body := entraUser(500)
			var requests [2][]byte
			for i, title := range []string{"Senior Dispatcher", "Junior Dispatcher"} {
				requests[i] = rawRequest("PUT", c.prefix+"/Users/"+id, bytes.Replace(body, []byte("Senior Dispatcher"), []byte(title), 1))
			}
			alternate(b, client, requests, 200)
		})
	}
}

// alternate runs two prepared requests in turn.
func alternate(b *testing.B, client *wireClient, requests [2][]byte, want int) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	for b.Loop() {
		n++
		if status, size := client.roundTrip(b, requests[n%2]); status != want {
			b.Fatal(status, string(client.buf[:size]))
		}
	}
}

// BenchmarkFilterUserName finds one user by name in directories of two sizes.
func BenchmarkFilterUserName(b *testing.B) {
	for _, rows := range []int{1000, benchRows(b)} {
		for _, c := range contestants(b) {
			if c.name == "elimity" && rows > 1000 {
				continue // it matches every user: minutes
			}
			b.Run(fmt.Sprintf("rows=%d/%s", rows, c.name), func(b *testing.B) {
				client := dial(b, c.handler)
				fill(b, c, client, rows)
				target := fmt.Sprintf("%s/Users?filter=userName+eq+%%22nadia.ferro-%07d%%40example.test%%22", c.prefix, rows/2)
				loop(b, client, 200, rawRequest("GET", target, nil))
			})
		}
	}
}

// BenchmarkList reads pages of 100 at several offsets.
func BenchmarkList(b *testing.B) {
	rows := benchRows(b)
	for _, c := range contestants(b) {
		client := dial(b, c.handler)
		fill(b, c, client, rows)
		for _, start := range []int{1, rows / 2, rows - 100} {
			b.Run(fmt.Sprintf("start=%d/%s", start, c.name), func(b *testing.B) {
				loop(b, client, 200, rawRequest("GET", fmt.Sprintf("%s/Users?startIndex=%d&count=100", c.prefix, start), nil))
			})
		}
	}
}

// BenchmarkMember adds one member to a group and removes it again, in groups of several sizes.
func BenchmarkMember(b *testing.B) {
	c := newScimkit(b)
	for _, size := range []int{10, benchRows(b), 100_000} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			client := dial(b, c.handler)
			group := bigGroup(b, c, client, size)
			requests := [2][]byte(group.requests())
			alternate(b, client, requests, 204)
		})
	}
}

// BenchmarkGetGroupWithoutMembers reads a big group as Microsoft Entra ID does.
func BenchmarkGetGroupWithoutMembers(b *testing.B) {
	c := newScimkit(b)
	for _, size := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			client := dial(b, c.handler)
			loop(b, client, 200, rawRequest("GET", bigGroup(b, c, client, size).target+"?excludedAttributes=members", nil))
		})
	}
}

type benchGroup struct{ target, outsider string }

// bigGroup creates a group with that many members, and a user that is none.
func bigGroup(b testing.TB, c contestant, client *wireClient, size int) benchGroup {
	create := func(endpoint, body string) string {
		status, n := client.roundTrip(b, rawRequest("POST", c.prefix+endpoint+"?attributes=id", []byte(body)))
		require.Equal(b, 201, status, string(client.buf[:n]))
		return client.body(n)["id"].(string)
	}
	group := c.prefix + "/Groups/" + create("/Groups", `{"schemas":["`+groupURN+`"],"displayName":"g"}`)
	var batch []string
	flush := func() {
		body := `{"schemas":["` + patchURN + `"],"Operations":[{"op":"add","path":"members","value":[` + strings.Join(batch, ",") + `]}]}`
		status, n := client.roundTrip(b, rawRequest("PATCH", group, []byte(body)))
		require.Equal(b, 204, status, string(client.buf[:n]))
		batch = batch[:0]
	}
	for i := range size {
		id := create("/Users", fmt.Sprintf(`{"schemas":["%s"],"userName":"%s-%d"}`, userURN, group, i))
		if batch = append(batch, `{"value":"`+id+`"}`); len(batch) == 1000 || i == size-1 {
			flush()
		}
	}
	return benchGroup{group, create("/Users", fmt.Sprintf(`{"schemas":["%s"],"userName":"%s-outsider"}`, userURN, group))}
}

// floor is as little as a server can do and still answer: documents as bytes in a map, two hash indexes, no checks.
type floor struct {
	mu    sync.RWMutex
	docs  map[string]map[string]any
	bytes map[string][]byte
	names map[string]string
	order []string
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/Users"), "/")
	switch {
	case r.Method == http.MethodGet && id != "":
		f.mu.RLock()
		body := f.bytes[id]
		f.mu.RUnlock()
		floorWrite(w, 200, body)
	case r.Method == http.MethodGet:
		f.list(w, r)
	default:
		f.write(w, r, id)
	}
}

func floorWrite(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/scim+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (f *floor) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	f.mu.RLock()
	defer f.mu.RUnlock()
	ids := f.order
	if filter := query.Get("filter"); filter != "" {
		ids = []string{f.names[strings.Trim(strings.TrimPrefix(filter, "userName eq "), `"`)]}
	} else {
		start, _ := strconv.Atoi(query.Get("startIndex"))
		count, _ := strconv.Atoi(query.Get("count"))
		ids = ids[start-1 : min(start-1+count, len(ids))]
	}
	body := []byte(`{"schemas":["` + listURN + `"],"totalResults":` + strconv.Itoa(len(f.order)) + `,"Resources":[`)
	for i, id := range ids {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, f.bytes[id]...)
	}
	floorWrite(w, 200, append(body, "]}"...))
}

func (f *floor) write(w http.ResponseWriter, r *http.Request, id string) {
	var doc map[string]any
	if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
		floorWrite(w, 400, nil)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.docs == nil {
		f.docs, f.bytes, f.names = map[string]map[string]any{}, map[string][]byte{}, map[string]string{}
	}
	status := 200
	switch r.Method {
	case http.MethodPost:
		status = 201
		id = fmt.Sprintf("%08d", len(f.order))
		f.order = append(f.order, id)
	case http.MethodPatch:
		ops := doc["Operations"].([]any)
		doc = f.docs[id]
		for _, o := range ops {
			doc[o.(map[string]any)["path"].(string)] = o.(map[string]any)["value"]
		}
	}
	doc["id"] = id
	f.docs[id] = doc
	f.names[doc["userName"].(string)] = id
	f.bytes[id], _ = json.Marshal(doc)
	floorWrite(w, status, f.bytes[id])
}

// newElimity is elimity's server over a map.
func newElimity(b testing.TB) http.Handler {
	server, err := elimity.NewServer(&elimity.ServerArgs{
		ServiceProviderConfig: &elimity.ServiceProviderConfig{SupportPatch: true, SupportFiltering: true, MaxResults: 500},
		ResourceTypes: []elimity.ResourceType{{
			ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: elimityschema.CoreUserSchema(),
			SchemaExtensions: []elimity.SchemaExtension{{Schema: elimityschema.ExtensionEnterpriseUser()}},
			Handler:          &elimityUsers{docs: map[string]elimity.ResourceAttributes{}},
		}},
	})
	require.NoError(b, err)
	return server
}

type elimityUsers struct {
	mu    sync.RWMutex
	docs  map[string]elimity.ResourceAttributes
	order []string
}

func (u *elimityUsers) Create(_ *http.Request, attributes elimity.ResourceAttributes) (elimity.Resource, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	id := fmt.Sprintf("%08d", len(u.order))
	u.order = append(u.order, id)
	u.docs[id] = attributes
	return elimity.Resource{ID: id, Attributes: attributes}, nil
}

func (u *elimityUsers) Get(_ *http.Request, id string) (elimity.Resource, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	attributes, ok := u.docs[id]
	if !ok {
		return elimity.Resource{}, elimityerrors.ScimErrorResourceNotFound(id)
	}
	return elimity.Resource{ID: id, Attributes: attributes}, nil
}

func (u *elimityUsers) GetAll(_ *http.Request, params elimity.ListRequestParams) (elimity.Page, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	page := elimity.Page{TotalResults: len(u.order)}
	if params.FilterValidator == nil {
		start := params.StartIndex - 1
		for _, id := range u.order[start:min(start+params.Count, len(u.order))] {
			page.Resources = append(page.Resources, elimity.Resource{ID: id, Attributes: u.docs[id]})
		}
		return page, nil
	}
	page.TotalResults = 0
	for _, id := range u.order {
		if params.FilterValidator.PassesFilter(u.docs[id]) == nil {
			page.TotalResults++
			page.Resources = append(page.Resources, elimity.Resource{ID: id, Attributes: u.docs[id]})
		}
	}
	return page, nil
}

func (u *elimityUsers) Replace(_ *http.Request, id string, attributes elimity.ResourceAttributes) (elimity.Resource, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.docs[id] = attributes
	return elimity.Resource{ID: id, Attributes: attributes}, nil
}

func (u *elimityUsers) Delete(*http.Request, string) error { return nil }

func (u *elimityUsers) Patch(_ *http.Request, id string, operations []elimity.PatchOperation) (elimity.Resource, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, op := range operations {
		u.docs[id][op.Path.String()] = op.Value
	}
	return elimity.Resource{ID: id, Attributes: u.docs[id]}, nil
}
