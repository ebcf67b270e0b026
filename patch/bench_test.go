package patch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scimkit/scim/internal/schema"
)

// entraUser is as Entra ID provisions users with its default mapping: 1.4 KB as JSON, in the form in which stores keep it.
const entraUser = `{"schemas":["` + coreURN + `","` + enterpriseURN + `"],"externalId":"5f2a9f0e-6a3b-4f0e-9a55-0d3f6b1c7e21","userName":"nadia.ferro@contoso.example.test",` +
	`"name":{"formatted":"Nadia Marguerite Ferro","familyName":"Ferro","givenName":"Nadia","middleName":"Marguerite"},"displayName":"Nadia Ferro","nickName":"Naddy",` +
	`"profileUrl":"https://contoso.example.test/people/nadia.ferro","title":"Harbour Pilot","userType":"Member","preferredLanguage":"it-IT","locale":"it-IT",` +
	`"timezone":"Europe/Rome","active":true,"emails":[{"value":"nadia.ferro@contoso.example.test","type":"work","primary":true},{"value":"nadia@home.example.test","type":"home"}],` +
	`"phoneNumbers":[{"value":"+39 010 555 0100","type":"work"},{"value":"+39 340 555 0101","type":"mobile"},{"value":"+39 010 555 0102","type":"fax"}],` +
	`"addresses":[{"formatted":"Calata Molo Vecchio 15\nGenova GE 16128\nItaly","streetAddress":"Calata Molo Vecchio 15","locality":"Genova","region":"GE","postalCode":"16128","country":"IT","type":"work"}],` +
	`"roles":[{"value":"dispatcher","display":"Dispatcher","type":"WindowsAzureActiveDirectoryRole","primary":true}],` +
	`"` + enterpriseURN + `":{"employeeNumber":"700214","costCenter":"4410","organization":"Contoso Harbours","division":"North","department":"Pilotage",` +
	`"manager":{"value":"0198c7a4-51d2-7c3e-8f10-6b2e5d9a4c11","displayName":"Ruth Calder"}}}`

// BenchmarkApply measures a request from its bytes to the change set. The stored document is JSON, as a database hands it over.
func BenchmarkApply(b *testing.B) {
	replaced := make([]string, maxOperations)
	for i := range replaced {
		replaced[i] = on("replace", "title", fmt.Sprintf(`"Pilot %d"`, i))
	}
	added := make([]string, 1000)
	for i := range added {
		added[i] = fmt.Sprintf("0198c7a4-51d2-7c3e-8f10-%012d", i)
	}
	for _, bm := range []struct {
		name            string
		rt              *schema.ResourceType
		stored, request string
	}{
		{"active", userType, entraUser, body(`{"op":"replace","path":"active","value":false}`)},
		{"active-legacy", userType, entraUser, body(`{"op":"Replace","path":"active","value":"False"}`)},
		{"active-okta", userType, entraUser, body(`{"op":"replace","value":{"active":false}}`)},
		{"nothing new", userType, entraUser, body(`{"op":"replace","path":"active","value":true}`)},
		{"six operations", userType, entraUser, body(
			on("Replace", "displayName", `"Nadia Lind"`), on("Replace", `emails[type eq "work"].value`, `"nadia.lind@contoso.example.test"`),
			on("Replace", "name.givenName", `"Nadia"`), on("Replace", "name.familyName", `"Lind"`),
			on("Add", enterpriseURN+":department", `"Harbour"`), on("Replace", enterpriseURN+":manager", `"0198c7a4-51d2-7c3e-8f10-000000000001"`),
		)},
		{"path keys", userType, entraUser, body(`{"op":"replace","value":{"displayName":"Nadia Lind","name.familyName":"Lind","` + enterpriseURN + `:employeeNumber":"7002"}}`)},
		{"1000 operations", userType, entraUser, body(replaced...)},
		{"add one member", groupType, group, body(on("Add", "members", named("0198c7a4-51d2-7c3e-8f10-6b2e5d9a4c11")))},
		{"remove one member", groupType, group, body(on("remove", `members[value eq "0198c7a4-51d2-7c3e-8f10-6b2e5d9a4c11"]`, ""))},
		{"add 1000 members", groupType, group, body(on("add", "members", named(added...)))},
	} {
		b.Run(bm.name, func(b *testing.B) {
			stored := []byte(bm.stored)
			opts := options(bm.rt)
			b.SetBytes(int64(len(bm.request)))
			b.ReportAllocs()
			for b.Loop() {
				opts.Report = lenient()
				change, _, err := apply(schema.NewDocument(stored), bm.request, opts)
				if err != nil {
					b.Fatal(err)
				}
				change.After.JSON()
			}
		})
	}
}

// BenchmarkReplaceAll measures a PUT that changes one attribute.
func BenchmarkReplaceAll(b *testing.B) {
	request := strings.Replace(entraUser, `"active":true`, `"active":false`, 1)
	stored := []byte(entraUser)
	b.ReportAllocs()
	for b.Loop() {
		change, err := put(schema.NewDocument(stored), request, options(userType))
		if err != nil {
			b.Fatal(err)
		}
		change.After.JSON()
	}
}
