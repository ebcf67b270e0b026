package scim_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// Media types: RFC 7644, sections 3.1 and 3.8.

const (
	scimMedia  = "application/scim+json"
	plainMedia = "application/json"
)

func TestUnicodeTravels(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		name := "Zoë Łukasz 山田 😀 \u2028 \u00a0 \u200d e\u0301"
		created := s.user("zoe", map[string]any{"displayName": name})
		require.Equal(t, name, created.at("displayName"))
		for _, contentType := range []string{scimMedia, scimMedia + "; charset=utf-8", plainMedia + "; charset=UTF-8"} {
			a := s.do("PUT", "/Users/"+created.id(), user("zoe", map[string]any{"displayName": name}), "Content-Type", contentType).is(200)
			require.Equal(t, name, a.at("displayName"))
		}
		escaped := `{"schemas":["` + userURN + `"],"userName":"zoe","displayName":"Zo\u00eb \ud83d\ude00"}`
		require.Equal(t, "Zoë 😀", s.do("PUT", "/Users/"+created.id(), escaped).is(200).at("displayName"))
		require.Equal(t, "Zoë 😀", s.get("/Users").at("Resources", 0, "displayName"))
		covers(t, "7644-3.8-01")
	})
}

func TestAccept(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		type answer struct {
			accept, want string
			covers       []string
		}
		for _, c := range []answer{
			{accept: scimMedia, want: scimMedia},
			{accept: plainMedia, want: plainMedia, covers: []string{"7644-3.8-02"}},
			{accept: "", want: scimMedia, covers: []string{"ENTRA-03"}},
			{accept: "*/*", want: scimMedia, covers: []string{"7644-3.8-03"}},
			{accept: "application/*;q=0.5, text/html", want: scimMedia},
			{accept: "application/json;q=0.9, application/scim+json", want: scimMedia},
			{accept: "text/html, application/json;q=0.5, */*;q=0.1", want: plainMedia},
			{accept: "application/json; charset=utf-8", want: plainMedia},
			{accept: "Application/JSON", want: plainMedia, covers: []string{"9110-12.5.1-01"}},
			{accept: "text/xml", want: scimMedia},
			{accept: "application/scim+xml", want: scimMedia, covers: []string{"9110-15.5.7-01"}},
			{accept: "application/json;q=0", want: scimMedia},
			{accept: "application/scim+json;q=0", want: scimMedia},
			{accept: "text/html", want: scimMedia},
			{accept: ",;=,", want: scimMedia, covers: []string{"H-07"}},
		} {
			for _, target := range []string{"/Users/" + id, "/Users", "/ServiceProviderConfig", "/Schemas"} {
				a := s.do("GET", target, nil, "Accept", c.accept).is(200)
				require.Equal(t, c.want, a.header.Get("Content-Type"), c.accept)
			}
			covers(t, c.covers...)
		}
		require.Equal(t, plainMedia, s.do("PUT", "/Users/"+id, user("anna"), "Accept", plainMedia).is(200).header.Get("Content-Type"))
		require.Equal(t, plainMedia, s.do("PATCH", "/Users/"+id, patchBody(op("add", "title", "x")), "Accept", plainMedia).is(200).header.Get("Content-Type"))
		require.Equal(t, plainMedia, s.do("POST", "/Users", user("bert"), "Accept", plainMedia).is(201).header.Get("Content-Type"))
		require.Equal(t, plainMedia, s.do("POST", "/Users/.search", search(nil), "Accept", plainMedia).is(200).header.Get("Content-Type"))
		require.Equal(t, scimMedia, s.do("POST", "/Users", user("carl"), "Accept", "").is(201).header.Get("Content-Type"))
		covers(t, "ENTRA-05")
	})
}

func TestContentType(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		send := func(contentType string) []*response {
			return []*response{
				s.do("POST", "/Users", user("bert"), "Content-Type", contentType),
				s.do("PUT", "/Users/"+id, user("anna"), "Content-Type", contentType),
				s.do("PATCH", "/Users/"+id, patchBody(op("add", "title", "x")), "Content-Type", contentType),
				s.do("POST", "/Users/.search", search(nil), "Content-Type", contentType),
			}
		}
		for _, contentType := range []string{
			scimMedia, plainMedia, plainMedia + "; charset=utf-8", scimMedia + ";charset=\"UTF-8\"", plainMedia + "; odata=verbose; x=y", "APPLICATION/JSON", "",
		} {
			for _, a := range send(contentType) {
				require.Less(t, a.status, 300, contentType)
			}
			require.Len(t, s.filter("/Users", `userName eq "bert"`), 1)
			s.do("DELETE", "/Users/"+s.filter("/Users", `userName eq "bert"`)[0], nil).is(204)
		}
		covers(t, "7644-3.8-04", "7644-3.8-06", "ENTRA-04")

		before := string(s.get("/Users").body)
		s.take()
		for _, contentType := range []string{
			"text/xml", "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "application/jsonp",
			plainMedia + "; charset=utf-16", plainMedia + "; charset=iso-8859-1", scimMedia + "; charset=us-ascii", "json", "application/", "; charset=utf-8",
			plainMedia + ", text/xml", "application/json application/scim+json",
		} {
			for _, a := range send(contentType) {
				a.fails(415, "")
			}
		}
		require.Empty(t, s.take())
		require.Equal(t, before, string(s.get("/Users").body))
		covers(t, "9110-15.5.16-01", "H-02")

		// A request without a body has no use for a type, whatever it says.
		for _, contentType := range []string{scimMedia + "; charset=utf-8", "text/xml", "nonsense"} {
			s.do("GET", "/Users", nil, "Content-Type", contentType).is(200)
			s.do("GET", "/Users/"+id, nil, "Content-Type", contentType, "User-Agent", "").is(200)
		}
		covers(t, "OKTA-02", "ONELOGIN-04")
		s.do("DELETE", "/Users/"+id, nil, "Content-Type", "text/xml").is(204)
	})
}

func TestSuffixesSelectNoFormat(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		for _, target := range []string{"/Users/" + id + ".scim", "/Users/" + id + ".json", "/Users/1.scim", "/Users.scim", "/Users/" + id + ".xml"} {
			s.do("GET", target, nil).fails(404, "")
		}
		covers(t, "7644-3.8-05")
	})
}

func TestContentEncodingIsRefusedUnread(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		var bomb bytes.Buffer
		z := gzip.NewWriter(&bomb)
		_, err := z.Write(bytes.Repeat([]byte(" "), 256<<10))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		s.take()
		for _, encoding := range []string{"gzip", "br", "deflate", "GZIP", "x-gzip", "zstd", "gzip, identity", "identity, gzip"} {
			s.do("POST", "/Users", bomb.Bytes(), "Content-Encoding", encoding).fails(415, "")
			r := s.request("POST", "/Users", user("anna"), "Content-Encoding", encoding)
			body := &unreadable{}
			r.Body = body
			s.send(r).fails(415, "")
			require.False(t, body.read.Load())
		}
		require.Empty(t, s.take())
		covers(t, "H-03")
		s.do("POST", "/Users", user("anna"), "Content-Encoding", "identity").is(201)
	})
}

func TestBodiesHaveALimit(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		fill := func(n int) string {
			body := string(jsonOf(t, user("anna")))
			return body + strings.Repeat(" ", n-len(body))
		}
		s.take()
		for _, method := range []string{"POST", "PUT", "PATCH"} {
			target := map[string]string{"POST": "/Users", "PUT": "/Users/x", "PATCH": "/Users/x"}[method]
			s.do(method, target, fill(2<<20+1)).fails(413, "")
			unknown := s.request(method, target, fill(2<<20+1))
			unknown.ContentLength = -1
			s.send(unknown).fails(413, "")
			claimed := s.request(method, target, fill(100))
			claimed.ContentLength = 1_000_000_000_000
			body := &unreadable{}
			claimed.Body = body
			s.send(claimed).fails(413, "")
			require.False(t, body.read.Load())
		}
		require.Empty(t, s.take())
		covers(t, "9110-15.5.14-01")
		s.do("POST", "/Users", fill(2<<20)).is(201)
	})
	onEachStore(t, func(t *testing.T, s *server) {
		body := string(jsonOf(t, user("anna")))
		s.do("POST", "/Users", body+strings.Repeat(" ", 201-len(body))).fails(413, "")
		s.do("POST", "/Users", body+strings.Repeat(" ", 200-len(body))).is(201)
	}, withLimits(scim.Limits{BodyBytes: 200}))
}
