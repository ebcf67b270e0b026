package scim_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// GET of one resource: RFC 7644, section 3.4.1.

func TestRead(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		created := s.create(k.endpoint, k.body("a"))
		target := k.endpoint + "/" + created.id()
		a := s.get(target)
		require.Equal(t, string(created.body), string(a.body))
		for _, name := range []string{"Resources", "totalResults"} {
			require.NotContains(t, a.json(), name)
		}
		covers(t, "7644-3.4.1-01")
		require.Equal(t, a.at("meta", "location"), a.header.Get("Location"))
		require.Equal(t, a.at("meta", "version"), a.header.Get("Etag"))
		require.Equal(t, "application/scim+json", a.header.Get("Content-Type"))
		covers(t, "7644-3.4.1-02")
		for _, spelling := range []string{"/" + target, target + "/", target + "?", target + "?&", target + "?aadOptscim062020", target + "?unknown=1&x="} {
			require.Equal(t, string(a.body), string(s.get(spelling).body), spelling)
		}
		covers(t, "ONELOGIN-02", "ENTRA-09")
	})
}

func TestReadOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		gone := s.user("gone").id()
		s.do("DELETE", "/Users/"+gone, nil).is(204)
		group := s.group("g").id()
		foreign := s.as(tokenB).user("u").id()
		want := string(s.do("GET", "/Users/none", nil).fails(404, "").body)
		for _, id := range []string{
			gone, group, foreign, "0000-not-there", "u-404404404", "0", "me", "*", strings.Repeat("x", 4000), "%20", "a%3Fb", "%F0%9F%98%80", `"`, "'--",
		} {
			for _, query := range []string{"", "?attributes=id", "?excludedAttributes=members"} {
				id := id
				if !strings.Contains(id, "%") {
					id = url.PathEscape(id)
				}
				a := s.do("GET", "/Users/"+id+query, nil).fails(404, "")
				require.Equal(t, want, string(a.body), "whoever asks cannot tell why it is not there")
				require.Empty(t, a.header.Get("Etag"))
				require.Empty(t, a.header.Get("Location"))
			}
		}
		covers(t, "7644-3.12-06", "ENTRA-21")
		s.do("GET", "/Groups/"+s.user("u").id(), nil).fails(404, "")
		s.as(tokenB).do("GET", "/Groups/"+group, nil).fails(404, "")
		require.Equal(t, foreign, s.as(tokenB).get("/Users/"+foreign).id())
		covers(t, "7643-3.1-19", "S-63")
	})
}

// TestTheDefaultSet: what is returned always and by default, and of the rest nothing.
func TestTheDefaultSet(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		body := device("d", map[string]any{
			"model": "m", "inventory": "i", "diagnostics": "x", "pin": "4711", "slots": 1, "externalId": "e", "owner": map[string]any{"value": "u", "note": "n"},
			warrantyURN: map[string]any{"provider": "p"},
		})
		target := "/Devices/" + s.create("/Devices", body).id()
		names := func(a map[string]any) (names []string) {
			for name := range a {
				names = append(names, name)
			}
			return names
		}
		want := []string{"schemas", "id", "externalId", "meta", "deviceName", "model", "inventory", "slots", "owner", warrantyURN}
		require.ElementsMatch(t, want, names(s.get(target).json()))
		require.ElementsMatch(t, want, names(s.get("/Devices").at("Resources", 0).(map[string]any)))
		require.Equal(t, map[string]any{"value": "u"}, s.get(target).at("owner"))
		require.ElementsMatch(t, []string{"schemas", "id", "inventory", "diagnostics"}, names(s.get(target+"?attributes=diagnostics,pin").json()))
		covers(t, "7644-3.4-01")
	}, withDevices)
}

// TestAFilterOnOneResourceIsIgnored: the resource is what was asked for, whether the filter matches it, does not, or is none.
func TestAFilterOnOneResourceIsIgnored(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("a").id()
		want := string(s.get("/Users/" + id).body)
		for _, filter := range []string{`userName eq "a"`, `userName eq "other"`, "("} {
			require.Equal(t, want, string(s.get("/Users/"+id+"?filter="+url.QueryEscape(filter)).body))
		}
		covers(t, "7644-3.4.2.1-01")
	})
}

func TestReadIfChanged(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		created := s.create(k.endpoint, k.body("a"))
		target := k.endpoint + "/" + created.id()
		tag := created.version()
		for _, condition := range []string{tag, strings.TrimPrefix(tag, "W/"), `"x", ` + tag, "*"} {
			for _, method := range []string{"GET", "HEAD"} {
				a := s.do(method, target, nil, "If-None-Match", condition).is(304)
				require.Empty(t, a.body)
				require.Equal(t, tag, a.header.Get("Etag"))
				require.Empty(t, a.header.Get("Content-Type"))
			}
		}
		covers(t, "7644-3.14-02")
		require.Equal(t, string(created.body), string(s.do("GET", target, nil, "If-None-Match", `W/"0"`).is(200).body))

		body := k.body("a")
		body["externalId"] = "e"
		changed := s.do("PUT", target, body).is(200)
		require.NotEqual(t, tag, changed.version())
		a := s.do("GET", target, nil, "If-None-Match", tag).is(200)
		require.Equal(t, string(changed.body), string(a.body))
		covers(t, "7644-3.14-02")
	})
}
