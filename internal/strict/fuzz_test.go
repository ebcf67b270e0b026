package strict_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/strict"
)

// FuzzRead holds the reader against encoding/json. What the reader accepts, encoding/json accepts and reads as the same value; what
// encoding/json accepts and the package comment does not exclude, the reader accepts.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"schemas":["urn:x"],"userName":"a","emails":[{"value":"a@b","primary":true}],"n":-1.5e3,"z":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 || strict.Check(body, strict.Limits{Depth: 64, Values: 1 << 16}) != nil {
			return
		}
		got, err := read(body)
		skipped := strict.Read(body, (*strict.Reader).Skip)
		require.Equal(t, err == nil, skipped == nil, "reading a value and skipping it agree: %v, %v", err, skipped)
		var raw string
		rawErr := strict.ReadString(string(body), func(r *strict.Reader) (err error) {
			raw, err = r.Raw()
			return err
		})
		var want any
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		valid := json.Valid(body) && dec.Decode(&want) == nil
		if err != nil {
			refused(t, err, string(body))
			require.False(t, valid && utf8.Valid(body) && !bytes.Contains(body, []byte(`\u`)) && !repeats(body), "refused without a reason: %v", err)
			return
		}
		require.True(t, valid, "accepted what is no JSON")
		require.Equal(t, want, got)
		require.NoError(t, rawErr)
		require.Equal(t, strings.Trim(string(body), " \t\r\n"), raw)
	})
}

// repeats reports whether some object of valid JSON has two keys that are equal without ASCII case.
func repeats(body []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(body))
	var stack []*strict.Names // nil for arrays
	key := false              // the next string is a key
	for {
		token, err := dec.Token()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		isKey := key
		switch token {
		case json.Delim('{'):
			stack = append(stack, &strict.Names{})
		case json.Delim('['):
			stack = append(stack, nil)
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			isKey = false
		}
		if isKey && stack[len(stack)-1].Add(token.(string)) != nil {
			return true
		}
		inObject := len(stack) > 0 && stack[len(stack)-1] != nil
		key = inObject && !isKey
	}
}

// FuzzCheck holds the scan against what encoding/json finds in valid documents; in others it must only come to an end.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"a":["\u0000",{"b":"\\u0000"}]}`), uint16(3), uint16(12))
	f.Fuzz(func(t *testing.T, body []byte, extraDepth, extraValues uint16) {
		depth, values := int(extraDepth)+1, int(extraValues)+1
		err := strict.Check(body, strict.Limits{Depth: depth, Values: values})
		if err != nil {
			refused(t, err, string(body))
		}
		var v any
		if len(body) > 1<<16 || json.Unmarshal(body, &v) != nil || !utf8.Valid(body) || repeats(body) {
			return
		}
		d, n := shape(v)
		require.False(t, err == nil && (d > depth || n-1 > values), "%d levels, %d values", d, n)
		require.False(t, err == nil && hasNUL(v), "U+0000 got through")
		require.False(t, err != nil && d <= depth && 2*n <= values && !hasNUL(v), "refused without a reason: %v", err)
	})
}

func hasNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		for _, e := range v {
			if hasNUL(e) {
				return true
			}
		}
	case map[string]any:
		for key, e := range v {
			if hasNUL(key) || hasNUL(e) {
				return true
			}
		}
	}
	return false
}
