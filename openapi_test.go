package scim_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/openapi"
)

// What the management API answers is held against its OpenAPI document, by every test that calls it.

// contract is the OpenAPI document, ready to check calls with.
type contract struct {
	document map[string]any
	paths    map[string]map[string]*docCall // by template and method
	missing  *jsonschema.Schema             // the answer where there is no such path or method
}

// docCall is an operation of the document.
type docCall struct {
	id, action string
	body       *jsonschema.Schema // nil: the call has none
	bodyNeeded bool
	parameters map[string]map[string]*jsonschema.Schema // by place and name
	answers    map[int]*docAnswer
}

// docAnswer is what an operation may answer with one status.
type docAnswer struct {
	mediaType string
	headers   map[string]*jsonschema.Schema
	schema    *jsonschema.Schema
	codes     []string // of a problem
}

// outcome is something that an operation may answer. The code is empty where it succeeds.
type outcome struct {
	operation string
	status    int
	code      string
}

var readContract = sync.OnceValues(func() (*contract, error) { return newContract(openapi.Document) })

func newContract(document []byte) (c *contract, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the document is not as expected: %v", p)
		}
	}()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	c = &contract{document: value.(map[string]any), paths: map[string]map[string]*docCall{}}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", value); err != nil {
		return nil, err
	}
	d := reader{c.document, compiler}
	c.missing = d.schema("components", "schemas", "Problem")
	for template, item := range d.object("paths") {
		c.paths[template] = map[string]*docCall{}
		for method := range item.(map[string]any) {
			if method != "parameters" {
				c.paths[template][strings.ToUpper(method)] = d.operation(template, method)
			}
		}
	}
	return c, nil
}

// reader reads an OpenAPI document. It panics where the document is not as it should be.
type reader struct {
	document map[string]any
	compiler *jsonschema.Compiler
}

// at returns what stands at a path, and the path without references.
func (d reader) at(path ...string) (value any, real []string) {
	value = d.document
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil {
				panic(err)
			}
			value = v[i]
		}
		real = append(real, step)
		if m, ok := value.(map[string]any); ok && m["$ref"] != nil && len(m) == 1 {
			value, real = d.at(strings.Split(strings.TrimPrefix(m["$ref"].(string), "#/"), "/")...)
		}
	}
	return value, slices.Clone(real)
}

func (d reader) object(path ...string) map[string]any {
	value, real := d.at(path...)
	if value == nil {
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		panic(fmt.Sprintf("%v is no object", real))
	}
	return object
}

func (d reader) schema(path ...string) *jsonschema.Schema {
	_, real := d.at(path...)
	location := "openapi.json#"
	for _, step := range real {
		location += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return d.compiler.MustCompile(location)
}

func (d reader) operation(template, method string) *docCall {
	path := []string{"paths", template, method}
	under := func(steps ...string) []string { return append(slices.Clone(path), steps...) }
	object := d.object(path...)
	o := &docCall{
		id: object["operationId"].(string), action: object["x-action"].(string),
		parameters: map[string]map[string]*jsonschema.Schema{"path": {}, "query": {}}, answers: map[int]*docAnswer{},
	}
	for _, place := range [][]string{{"paths", template, "parameters"}, under("parameters")} {
		list, _ := d.at(place...)
		for i := range asList(list) {
			at := append(slices.Clone(place), strconv.Itoa(i))
			p := d.object(at...)
			o.parameters[p["in"].(string)][p["name"].(string)] = d.schema(append(at, "schema")...)
		}
	}
	if body := d.object(under("requestBody")...); body != nil {
		o.body = d.schema(under("requestBody", "content", "application/json", "schema")...)
		o.bodyNeeded, _ = body["required"].(bool)
	}
	for status := range d.object(under("responses")...) {
		n, err := strconv.Atoi(status)
		if err != nil {
			panic(err)
		}
		o.answers[n] = d.answer(under("responses", status)...)
	}
	return o
}

func (d reader) answer(path ...string) *docAnswer {
	under := func(steps ...string) []string { return append(slices.Clone(path), steps...) }
	content := d.object(under("content")...)
	if len(content) != 1 {
		panic(fmt.Sprintf("%v has not one media type", path))
	}
	a := &docAnswer{headers: map[string]*jsonschema.Schema{}}
	for mediaType := range content {
		a.mediaType = mediaType
	}
	a.schema = d.schema(under("content", a.mediaType, "schema")...)
	for header := range d.object(under("headers")...) {
		a.headers[header] = d.schema(under("headers", header, "schema")...)
	}
	codes, _ := d.at(under("content", a.mediaType, "schema", "properties", "code", "enum")...)
	for _, code := range asList(codes) {
		a.codes = append(a.codes, code.(string))
	}
	return a
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// match finds the operations of a path.
func (c *contract) match(path string) (template string, operations map[string]*docCall, values map[string]string) {
	segments := strings.Split(path, "/")
	for template, operations := range c.paths {
		wanted := strings.Split(template, "/")
		values := map[string]string{}
		fits := len(wanted) == len(segments)
		for i := 0; fits && i < len(wanted); i++ {
			text, err := url.PathUnescape(segments[i])
			if name, ok := strings.CutPrefix(wanted[i], "{"); ok {
				values[strings.TrimSuffix(name, "}")] = text
				fits = err == nil && text != ""
			} else {
				fits = wanted[i] == segments[i]
			}
		}
		if fits {
			return template, operations, values
		}
	}
	return "", nil, nil
}

// exchanged is a call of the management API and its answer. path is escaped and begins with the slash before "tenants".
type exchanged struct {
	method, path, query string
	request             []byte
	status              int
	header              http.Header
	body                []byte
}

// check holds a call and its answer against the document. Where the answer is described, what came out is returned as well.
func (c *contract) check(x exchanged) (out outcome, err error) {
	_, operations, values := c.match(x.path)
	method := x.method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	o := operations[method]
	answer := &docAnswer{mediaType: "application/problem+json", schema: c.missing}
	switch {
	case operations == nil:
		answer.codes = []string{"not_found"}
		if x.status != http.StatusNotFound {
			return out, fmt.Errorf("the document has no such path, and the answer is no 404")
		}
	case o == nil:
		answer.codes = []string{"method_not_allowed"}
		if x.status != http.StatusMethodNotAllowed {
			return out, fmt.Errorf("the document has no such method, and the answer is no 405")
		}
	default:
		out = outcome{operation: o.id, status: x.status}
		if answer = o.answers[x.status]; answer == nil {
			return out, fmt.Errorf("%s: the document has no status %d", o.id, x.status)
		}
	}
	if out.code, err = answer.check(x); err != nil || o == nil {
		return out, err
	}
	return out, o.checkRequest(x, values, out.code)
}

// check holds an answer against its description, and returns the code of a problem.
func (a *docAnswer) check(x exchanged) (code string, err error) {
	if got := x.header.Get("Content-Type"); got != a.mediaType {
		return "", fmt.Errorf("the Content-Type is %q, and described as %q", got, a.mediaType)
	}
	for name, schema := range a.headers {
		values := x.header.Values(name)
		if len(values) != 1 {
			return "", fmt.Errorf("the header %s is there %d times", name, len(values))
		}
		if err := schema.Validate(values[0]); err != nil {
			return "", fmt.Errorf("the header %s: %w", name, err)
		}
	}
	if x.method == http.MethodHead {
		if len(x.body) > 0 {
			return "", fmt.Errorf("HEAD is answered with a body")
		}
		return "", nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.body))
	if err != nil {
		return "", err
	}
	if err := a.schema.Validate(value); err != nil {
		return "", err
	}
	if a.codes == nil {
		return "", nil
	}
	object := value.(map[string]any)
	code = object["code"].(string)
	if !slices.Contains(a.codes, code) {
		return "", fmt.Errorf("the code %s is not described", code)
	}
	if fmt.Sprint(object["status"]) != strconv.Itoa(x.status) || object["title"] != http.StatusText(x.status) {
		return "", fmt.Errorf("the problem has another status than its answer, or another title than its status")
	}
	return code, nil
}

// checkRequest holds a request against its description: those that are carried out conform, and those whose body is refused for its
// form do not.
func (o *docCall) checkRequest(x exchanged, values map[string]string, code string) error {
	if x.status >= 300 && code != "invalid_body" {
		return nil
	}
	err := o.conforms(x, values)
	switch {
	case code == "invalid_body" && err == nil:
		return fmt.Errorf("%s: a body that conforms is refused", o.id)
	case code == "" && err != nil:
		return fmt.Errorf("%s: a request that does not conform is carried out: %w", o.id, err)
	}
	return nil
}

func (o *docCall) conforms(x exchanged, values map[string]string) error {
	for name, text := range values {
		if err := o.parameters["path"][name].Validate(text); err != nil {
			return err
		}
	}
	query, err := url.ParseQuery(x.query)
	if err != nil {
		return err
	}
	for name, schema := range o.parameters["query"] {
		if !query.Has(name) {
			continue
		}
		var value any = query.Get(name)
		if !slices.Contains(schema.Types.ToStrings(), "string") { // a number or a boolean
			if value, err = jsonschema.UnmarshalJSON(strings.NewReader(query.Get(name))); err != nil {
				return err
			}
		}
		if err := schema.Validate(value); err != nil {
			return err
		}
	}
	switch {
	case o.body == nil:
		return nil // whatever is there is not read
	case len(bytes.TrimSpace(x.request)) == 0 && o.bodyNeeded:
		return fmt.Errorf("the body is missing")
	case len(bytes.TrimSpace(x.request)) == 0:
		return nil
	}
	if !jsontext.Value(x.request).IsValid() { // neither names that are there twice nor broken UTF-8, which a schema cannot see
		return fmt.Errorf("the body is no JSON")
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.request))
	if err != nil {
		return err
	}
	return o.body.Validate(value)
}

// outcomes are all that the document describes.
func (c *contract) outcomes() []outcome {
	var all []outcome
	for _, operations := range c.paths {
		for _, o := range operations {
			for status, answer := range o.answers {
				if answer.codes == nil {
					all = append(all, outcome{o.id, status, ""})
				}
				for _, code := range answer.codes {
					all = append(all, outcome{o.id, status, code})
				}
			}
		}
	}
	return all
}

// operation returns an operation by its id, with its path and method.
func (c *contract) operation(id string) (template, method string, o *docCall) {
	for template, operations := range c.paths {
		for method, o := range operations {
			if o.id == id {
				return template, method, o
			}
		}
	}
	return "", "", nil
}

func theContract(t testing.TB) *contract {
	t.Helper()
	c, err := readContract()
	require.NoError(t, err)
	return c
}

// eachNode calls f with everything in a JSON value and where it stands.
func eachNode(v any, path string, f func(path string, v any)) {
	f(path, v)
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			eachNode(v[key], path+"/"+key, f)
		}
	case []any:
		for i, item := range v {
			eachNode(item, fmt.Sprint(path, "/", i), f)
		}
	}
}

func TestOpenAPIIsWhole(t *testing.T) {
	t.Parallel()
	c := theContract(t)
	require.Equal(t, "3.1.0", c.document["openapi"])
	require.Equal(t, []any{map[string]any{"host": []any{}}}, c.document["security"])
	ids, referred, defined := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, operations := range c.paths {
		for _, o := range operations {
			require.False(t, ids[o.id], "%s is there twice", o.id)
			ids[o.id] = true
			require.NotEmpty(t, o.answers[http.StatusUnauthorized].codes, o.id)
			require.NotEmpty(t, o.answers[http.StatusForbidden].codes, o.id)
			require.NotEmpty(t, o.answers[http.StatusInternalServerError].codes, o.id)
			for status, answer := range o.answers {
				require.Equal(t, status >= 400, answer.codes != nil, "%s: %d", o.id, status)
				require.Contains(t, answer.headers, "X-Request-Id", "%s: %d", o.id, status)
			}
		}
	}
	require.Len(t, ids, 14)
	for kind, components := range c.document["components"].(map[string]any) {
		for name := range components.(map[string]any) {
			if kind != "securitySchemes" {
				defined["#/components/"+kind+"/"+name] = true
			}
		}
	}
	eachNode(c.document, "", func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if text, ok := v["$ref"].(string); ok {
				referred[text] = true
			}
			if _, isEnd := v["operationId"]; isEnd {
				require.NotEmpty(t, v["summary"], path)
				require.NotEmpty(t, v["tags"], path)
			}
		case string:
			require.Equal(t, strings.TrimSpace(v), v, path)
			if strings.HasSuffix(path, "/description") {
				require.Regexp(t, `^[A-Z`+"`"+`-].*|^(true|false):`, v, path)
				require.NotContains(t, v, "  ", path)
			}
		}
	})
	require.Equal(t, defined, referred, "what is defined is used, and what is used is defined")
}

// refuses reports whether a schema accepts nothing.
func refuses(schema any) bool {
	accepts, isBool := schema.(bool)
	return isBool && !accepts
}

// Every object of an answer is closed, every member of a connection is described, and secrets are in few of them.
func TestOpenAPIIsStrict(t *testing.T) {
	t.Parallel()
	c := theContract(t)
	secrets := map[string][]string{}
	eachNode(c.document["components"].(map[string]any)["schemas"], "", func(path string, v any) {
		schema, ok := v.(map[string]any)
		if !ok {
			return
		}
		if properties, isObject := schema["properties"].(map[string]any); isObject {
			name := strings.Split(path, "/")[1]
			if !refuses(schema["additionalProperties"]) && !refuses(schema["unevaluatedProperties"]) {
				require.True(t, strings.HasSuffix(name, "Members"), "%s is open", path)
			}
			for property, value := range properties {
				described := value.(map[string]any)
				if described["$ref"] == "#/components/schemas/BearerToken" {
					secrets[property] = append(secrets[property], name)
				}
				if strings.HasSuffix(name, "Members") || name == "JournalEntry" || name == "Group" || name == "Problem" {
					require.True(t, described["description"] != nil || described["$ref"] != nil, "%s/%s", path, property)
				}
			}
		}
	})
	for _, list := range secrets {
		slices.Sort(list)
	}
	require.Equal(t, map[string][]string{
		"bearer_token": {"CreatedConnection", "IssuedToken"}, "next_bearer_token": {"RotatingConnection"},
	}, secrets)
}

// The examples of the document conform to it.
func TestOpenAPIExamples(t *testing.T) {
	t.Parallel()
	c := theContract(t)
	d := reader{document: c.document}
	examples := 0
	for template, operations := range c.paths {
		for method, o := range operations {
			path := []string{"paths", template, strings.ToLower(method)}
			if o.body != nil {
				content := d.object(append(path, "requestBody", "content", "application/json")...)
				require.NoError(t, o.body.Validate(content["example"]), o.id)
			}
			for status, answer := range o.answers {
				content := d.object(append(path, "responses", strconv.Itoa(status), "content", answer.mediaType)...)
				values := []any{}
				if example, ok := content["example"]; ok {
					values = append(values, example)
				}
				shown, _ := content["examples"].(map[string]any)
				for name := range shown {
					example := d.object(append(path, "responses", strconv.Itoa(status), "content", answer.mediaType, "examples", name)...)
					values = append(values, example["value"])
				}
				require.NotEmpty(t, values, "%s: %d", o.id, status)
				for _, value := range values {
					require.NoError(t, answer.schema.Validate(value), "%s: %d", o.id, status)
					if answer.codes != nil {
						require.Equal(t, http.StatusText(status), value.(map[string]any)["title"])
					}
					examples++
				}
			}
		}
	}
	require.Greater(t, examples, 50)
}
