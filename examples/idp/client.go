package main

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	timeout     = 60 * time.Second // what Okta waits for an answer (OKTA-29)
	maxAnswer   = 64 << 20         // bytes
	maxRefusals = 100              // 429s in a row before a request counts as failed
	maxLost     = 10               // requests in a row without an answer before the server counts as gone
)

// client sends requests, checks what is the same for every answer, and measures.
type client struct {
	base   string
	query  string // of the base URL
	token  string
	dress  func(h http.Header, body bool) // sets the provider's headers
	http   *http.Client
	report *report

	lost     atomic.Int32 // requests without an answer since the last one that had one
	answered atomic.Bool

	mu     sync.Mutex
	resume time.Time // nothing is sent before, because a 429 said so
}

func newClient(o options, transport http.RoundTripper, r *report) *client {
	base := *o.url
	base.RawQuery = ""
	return &client{
		base: strings.TrimRight(base.String(), "/"), query: o.url.RawQuery, token: o.token, report: r,
		http: &http.Client{
			Transport: transport,
			// A redirected POST loses its body: no provider follows.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// gone reports whether the server cannot be reached: it never answered, or has stopped to.
func (c *client) gone() bool {
	lost := c.lost.Load()
	return lost >= maxLost || lost > 0 && !c.answered.Load()
}

// request is one request of a provider.
type request struct {
	method   string
	endpoint string // "/Users" or "/Groups"
	id       string // of the resource, or ""
	query    string // encoded as the provider does
	body     any    // nil for none
	want     []int  // the statuses that the provider can go on with
}

// path is the request's target below the base URL.
func (q request) path() string {
	path := q.endpoint
	if q.id != "" {
		path += "/" + url.PathEscape(q.id)
	}
	if q.query != "" {
		path += "?" + q.query
	}
	return path
}

// template names the kind of request: its path without id and without values.
func (q request) template() string {
	template := q.method + " " + q.endpoint
	if q.id != "" {
		template += "/{id}"
	}
	var names []string
	for pair := range strings.SplitSeq(q.query, "&") {
		if name, _, _ := strings.Cut(pair, "="); name != "" {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		template += "?" + strings.Join(names, "&")
	}
	return template
}

// answer is what came back.
type answer struct {
	request string // "PATCH /Users/2819"
	sent    string // and its body
	status  int
	header  http.Header
	body    []byte
	object  map[string]any // body, if it is a JSON object
}

// brief is what a report needs of a write, which the model keeps for long.
func (a answer) brief() answer { return answer{request: a.request, sent: a.sent, status: a.status} }

// send sends a request until it is not refused with 429. ok is false if the provider cannot go on with the answer; the report knows
// already why.
func (c *client) send(ctx context.Context, q request) (a answer, ok bool) {
	var body []byte
	if q.body != nil {
		body = encode(q.body)
	}
	var err error
	for refusals := 0; ; refusals++ {
		if !c.rest(ctx) || c.gone() {
			return a, false
		}
		if a, err = c.attempt(ctx, q, body); err != nil {
			c.fail(q, body, err)
			return a, false
		}
		if a.status != http.StatusTooManyRequests || refusals == maxRefusals {
			break
		}
		c.refused(a)
	}
	c.answered.Store(true)
	c.lost.Store(0)
	return a, c.accept(q, &a)
}

// encode is JSON as the providers write it. All bodies are built here, of maps and strings.
func encode(v any) []byte {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(buf.Bytes())
}

// attempt is one request on the wire. It is answered even if the run is interrupted meanwhile: a user whose creation nobody heard
// of could not be deleted.
func (c *client) attempt(ctx context.Context, q request, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	target := c.base + q.path()
	if c.query != "" {
		bare, query, _ := strings.Cut(target, "?")
		target = strings.TrimSuffix(bare+"?"+c.query+"&"+query, "&")
	}
	r, err := http.NewRequestWithContext(ctx, q.method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	c.dress(r.Header, body != nil)
	start := time.Now()
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := read(response)
	if err != nil {
		return answer{}, err
	}
	c.report.measure(q.template(), response.StatusCode, time.Since(start))
	a := answer{
		request: q.method + " " + q.path(), sent: string(body),
		status: response.StatusCode, header: response.Header, body: text,
	}
	return a, nil
}

// read reads an answer in the encodings that Okta offers.
func read(response *http.Response) ([]byte, error) {
	var body io.Reader = response.Body
	var err error
	switch response.Header.Get("Content-Encoding") {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	return text, err
}

// rest waits until a 429 is over; it reports whether the run goes on.
func (c *client) rest(ctx context.Context) bool {
	c.mu.Lock()
	pause := time.Until(c.resume)
	c.mu.Unlock()
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// refused takes note of a 429: nobody sends anything before Retry-After is over.
func (c *client) refused(a answer) {
	pause, ok := retryAfter(a.header.Get("Retry-After"), time.Now())
	if !ok {
		c.report.add(mismatch{sent: a.request, about: "429 without a valid Retry-After"})
	}
	c.report.refuse(pause)
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := time.Now().Add(pause); until.After(c.resume) {
		c.resume = until
	}
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); without it, a second must do.
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0), true
	}
	return time.Second, false
}

// fail takes note of a request without an answer.
func (c *client) fail(q request, body []byte, err error) {
	c.lost.Add(1)
	c.report.add(mismatch{sent: q.method + " " + q.path(), body: string(body), about: "no answer: " + err.Error()})
}

// accept checks what every answer has to be, whatever it says.
func (c *client) accept(q request, a *answer) bool {
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	var object map[string]any
	if decoder.Decode(&object) == nil && !decoder.More() {
		a.object = object
	}
	var problems []string
	expected := slices.Contains(q.want, a.status)
	if !expected {
		problems = append(problems, fmt.Sprintf("status %d, want %s", a.status, statuses(q.want)))
	}
	switch media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); {
	case a.status == http.StatusNoContent:
	case a.object == nil:
		problems = append(problems, "the body is no JSON object")
	case media != "application/scim+json":
		problems = append(problems, fmt.Sprintf("Content-Type %q, want application/scim+json", media))
	case a.status >= 400:
		problems = append(problems, errorShape(a)...)
	}
	if len(problems) == 0 {
		return true
	}
	c.report.add(mismatch{sent: a.request, body: a.sent, about: strings.Join(problems, "\n"), answer: string(a.body)})
	return expected && (a.object != nil || a.status == http.StatusNoContent)
}

func statuses(want []int) string {
	var texts []string
	for _, status := range want {
		texts = append(texts, strconv.Itoa(status))
	}
	return strings.Join(texts, " or ")
}

// errorShape checks an error's body (RFC 7644, section 3.12): the providers show its detail to people.
func errorShape(a *answer) (problems []string) {
	const urn = "urn:ietf:params:scim:api:messages:2.0:Error"
	if schemas, _ := a.object["schemas"].([]any); !slices.Contains(schemas, any(urn)) {
		problems = append(problems, "the error does not have the schema "+urn)
	}
	if a.object["status"] != strconv.Itoa(a.status) {
		problems = append(problems, fmt.Sprintf("the error's status is %s, want the string %q", show(a.object["status"]), strconv.Itoa(a.status)))
	}
	if a.status == http.StatusConflict && a.object["scimType"] != "uniqueness" {
		problems = append(problems, fmt.Sprintf("the error's scimType is %s, want uniqueness", show(a.object["scimType"])))
	}
	return problems
}
