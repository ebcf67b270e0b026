package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// The schemas that the providers name.
const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patchURN      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// person is a user as the provider knows it. An empty string is an attribute without a value.
type person struct {
	id   string // the server's; empty while the user is not on the server
	sent answer // the last write, for reports

	externalID, userName       string
	given, middle, family      string
	formatted                  string
	displayName, nickName      string
	title, userType            string
	language, locale, timezone string
	workMail, homeMail         string
	primaryMail                bool // workMail was sent as the primary one
	workPhone, mobile, fax     string
	street, city, region       string // of the work address
	postcode, country, oneLine string
	employeeNumber, costCenter string
	organization, division     string
	department, manager        string // the manager's id, as it was sent
	roles                      []role // never changed in place: copies of a person share it
	active                     bool
	number                     int    // keeps userName unique in a run
	domain                     string // of addresses, unique to a run
}

type role struct {
	value, typ string
	primary    bool
}

// group is a group as the provider knows it.
type group struct {
	id   string // the server's; empty while the group is not on the server
	sent answer // the last write, for reports

	externalID, displayName string
	members                 []*person
}

func (g *group) has(p *person) bool { return slices.Contains(g.members, p) }

// object is a JSON object.
type object = map[string]any

// document is what a server that keeps everything shows of a person, besides what it adds itself.
func (p *person) document() object {
	doc := object{"userName": p.userName, "active": p.active}
	put(doc, "externalId", p.externalID)
	put(doc, "displayName", p.displayName)
	put(doc, "nickName", p.nickName)
	put(doc, "title", p.title)
	put(doc, "userType", p.userType)
	put(doc, "preferredLanguage", p.language)
	put(doc, "locale", p.locale)
	put(doc, "timezone", p.timezone)
	putObject(doc, "name", object{"givenName": p.given, "middleName": p.middle, "familyName": p.family, "formatted": p.formatted})
	putList(doc, "emails", p.mails())
	putList(doc, "phoneNumbers", []any{
		object{"type": "work", "value": p.workPhone}, object{"type": "mobile", "value": p.mobile}, object{"type": "fax", "value": p.fax},
	})
	putList(doc, "addresses", []any{object{
		"type": "work", "streetAddress": p.street, "locality": p.city, "region": p.region, "postalCode": p.postcode,
		"country": p.country, "formatted": p.oneLine,
	}})
	putList(doc, "roles", p.roleList())
	enterprise := object{
		"employeeNumber": p.employeeNumber, "costCenter": p.costCenter, "organization": p.organization,
		"division": p.division, "department": p.department,
	}
	if p.manager != "" {
		enterprise["manager"] = object{"value": p.manager}
	}
	putObject(doc, enterpriseURN, enterprise)
	return doc
}

func (p *person) mails() []any {
	work := object{"type": "work", "value": p.workMail}
	if p.primaryMail {
		work["primary"] = true
	}
	return []any{work, object{"type": "home", "value": p.homeMail}}
}

func (p *person) roleList() (list []any) {
	for _, r := range p.roles {
		element := object{"value": r.value, "primary": r.primary}
		put(element, "type", r.typ)
		list = append(list, element)
	}
	return list
}

func put(doc object, name, value string) {
	if value != "" {
		doc[name] = value
	}
}

// putObject puts an object without its empty strings, if anything is left of it.
func putObject(doc object, name string, value object) {
	for key, v := range value {
		if v == "" {
			delete(value, key)
		}
	}
	if len(value) > 0 {
		doc[name] = value
	}
}

// putList puts a list of objects, without those that have nothing but a type.
func putList(doc object, name string, list []any) {
	var kept []any
	for _, element := range list {
		value := object{}
		putObject(value, "it", element.(object))
		if it, _ := value["it"].(object); !isBlank(it) {
			kept = append(kept, it)
		}
	}
	if len(kept) > 0 {
		doc[name] = kept
	}
}

// isBlank reports whether an element of a multi-valued attribute says nothing.
func isBlank(element object) bool {
	for name, value := range element {
		if name != "type" && name != "primary" && !isUnassigned(value) {
			return false
		}
	}
	return true
}

// name is a name as it is written, and as it is spelt in an account.
type name struct{ written, account string }

var givenNames = []name{
	{"Nadia", "nadia"}, {"Tomás", "tomas"}, {"Zoë", "zoe"}, {"Łukasz", "lukasz"}, {"Åsa", "asa"}, {"Jean-Luc", "jean-luc"},
	{"芳", "fang"}, {"Müjde", "mujde"}, {"Ольга", "olga"}, {"D’Arcy", "d'arcy"}, {"Siân", "sian"}, {"Nguyễn", "nguyen"},
	{"Priya", "priya"}, {"Jürgen", "juergen"}, {"يوسف", "yusuf"}, {"Chloé", "chloe"}, {"Kwame", "kwame"}, {"Mary Ann", "maryann"},
}

var familyNames = []name{
	{"Ferro", "ferro"}, {"O'Neil", "o'neil"}, {"Lindström", "lindstrom"}, {"van der Berg", "vanderberg"}, {"Großmann", "grossmann"},
	{"王", "wang"}, {"Øster", "oster"}, {"Smith-Jones", "smith-jones"}, {"Иванова", "ivanova"}, {"Nuñez", "nunez"}, {"İnan", "inan"},
	{"D'Souza", "d'souza"}, {"Kowalski", "kowalski"}, {"St. John", "st.john"}, {"Çelik", "celik"}, {"Okafor", "okafor"}, {"Ng", "ng"},
}

var (
	titles      = []string{"Pilot", "Harbour Master", "Chef d’équipe", "R&D Engineer (L3)", "Dispatcher", "VP, “Special” Projects"}
	departments = []string{"Harbour", "Research & Development", "Vertrieb / Süd", "People", "Finance"}
	cities      = [][4]string{ // city, region, postcode, country
		{"Göteborg", "Västra Götaland", "411 03", "SE"}, {"Harbourtown", "North", "90210", "US"}, {"São Paulo", "SP", "01310-100", "BR"},
		{"東京", "東京都", "100-0001", "JP"}, {"Dún Laoghaire", "Co. Dublin", "A96 K7X5", "IE"},
	}
	languages  = [][3]string{{"sv-SE", "sv-SE", "Europe/Stockholm"}, {"en-US", "en-US", "America/New_York"}, {"pt-BR", "pt-BR", "America/Sao_Paulo"}}
	roleNames  = []string{"Dispatcher", "Auditor", "User", "Approver", "Read only"}
	groupNames = []string{"Harbour Ops", "R&D", "Équipe de nuit", "Sales / South", "C++ Guild", "Café #1", "People", "100% Remote", "Crew's Mess", "運用"}
)

// invent returns the people and groups of a run.
func invent(r *rand.Rand, o options) ([]*person, []*group) {
	run := strconv.FormatUint(o.seed, 36)
	people := make([]*person, o.users)
	for i := range people {
		people[i] = newPerson(r, i, run)
	}
	groups := make([]*group, o.groups)
	for i := range groups {
		g := &group{
			externalID:  guid(r),
			displayName: fmt.Sprintf("%s %d (%s)", groupNames[i%len(groupNames)], i+1, run),
		}
		share := 5 + r.IntN(30) // percent of all people
		for _, p := range people {
			if i == 0 || r.IntN(100) < share {
				g.members = append(g.members, p)
			}
		}
		groups[i] = g
	}
	return people, groups
}

// newPerson invents a person. Every attribute but userName, the names and active is missing from some.
func newPerson(r *rand.Rand, i int, run string) *person {
	given, family := pick(r, givenNames), pick(r, familyNames)
	p := &person{
		given: given.written, family: family.written, displayName: given.written + " " + family.written,
		externalID: guid(r), active: true, number: i, domain: run + ".example.test",
	}
	p.userName = p.account(given, family)
	if i%9 != 2 {
		p.workMail, p.primaryMail = p.userName, true
	}
	if r.IntN(3) == 0 {
		p.homeMail = fmt.Sprintf("%s+%d@home.example.test", given.account, i)
	}
	if r.IntN(4) == 0 {
		p.middle = pick(r, givenNames).written
	}
	if r.IntN(3) == 0 {
		p.nickName = strings.ToUpper(given.account)
	}
	if r.IntN(5) > 0 {
		p.title = pick(r, titles)
		p.userType = "Employee"
	}
	if r.IntN(4) > 0 {
		language := pick(r, languages)
		p.language, p.locale, p.timezone = language[0], language[1], language[2]
	}
	p.phones(r)
	if r.IntN(3) > 0 {
		p.move(r)
	}
	if r.IntN(5) > 0 {
		p.department, p.costCenter = pick(r, departments), strconv.Itoa(r.IntN(90)+10)
		p.employeeNumber = fmt.Sprintf("%06d", r.IntN(1_000_000)) // leading zeros are to stay
		p.organization, p.division = "Harbour AB", "Øst"
	}
	for n := range []int{0, 1, 1, 2}[r.IntN(4)] {
		p.roles = append(p.roles, role{value: roleNames[(i+n)%len(roleNames)], typ: appRole})
	}
	if len(p.roles) == 1 {
		p.roles[0].primary = true
	}
	return p
}

// account returns a userName that nobody else of the run has: some with a plus sign, some with capitals.
func (p *person) account(given, family name) string {
	local := fmt.Sprintf("%s.%s.%d", given.account, family.account, p.number)
	switch p.number % 5 {
	case 1:
		local += "+hr"
	case 2:
		local = strings.ToUpper(local[:1]) + local[1:]
	}
	return local + "@" + p.domain
}

// phones gives a person numbers, in formats that a server must not touch.
func (p *person) phones(r *rand.Rand) {
	if r.IntN(4) > 0 {
		p.workPhone = fmt.Sprintf("+46 (0)31-%03d %02d %02d", r.IntN(1000), r.IntN(100), r.IntN(100))
	}
	if r.IntN(2) > 0 {
		p.mobile = fmt.Sprintf("0044 20 7946 %04d", r.IntN(10_000))
	}
	if r.IntN(6) == 0 {
		p.fax = "1-2-3"
	}
}

// move gives a person another work address.
func (p *person) move(r *rand.Rand) {
	city := pick(r, cities)
	p.street = fmt.Sprintf("%d Quay \"B\"", r.IntN(200)+1)
	p.city, p.region, p.postcode, p.country = city[0], city[1], city[2], city[3]
	p.oneLine = p.street + ", " + p.city
}

// change is what happens to a person between two cycles: several attributes at once.
func (p *person) change(r *rand.Rand) {
	switch p.number % 4 {
	case 0: // marries
		family := familyNames[r.IntN(len(familyNames))]
		p.family, p.displayName = family.written, p.given+" "+family.written
		p.userName = strings.Replace(p.account(name{account: "new"}, family), "@", ".2@", 1)
		p.workMail = p.userName
		if p.formatted != "" {
			p.formatted = p.displayName
		}
	case 1: // is promoted
		p.title, p.department, p.costCenter = "Head of "+pick(r, departments), pick(r, departments), strconv.Itoa(r.IntN(900)+100)
		p.division = ""
		p.promote()
	case 2: // moves
		p.move(r)
		p.workPhone, p.timezone = fmt.Sprintf("+1 555 01%02d", r.IntN(100)), "UTC"
		p.mobile, p.nickName = "", ""
	case 3: // is put right
		p.externalID, p.employeeNumber = guid(r), fmt.Sprintf("%06d", r.IntN(1_000_000))
		p.language, p.homeMail = "en-GB", fmt.Sprintf("put.right+%d@home.example.test", p.number)
	}
	if p.workMail == "" {
		p.workMail = p.userName
	}
}

// promote gives a first role, changes the only one, or adds to several.
func (p *person) promote() {
	switch n := len(p.roles); {
	case n <= 1:
		p.roles = []role{{value: "Lead", typ: appRole, primary: true}}
	default:
		p.roles = append(slices.Clone(p.roles), role{value: "Lead", typ: appRole})
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// guid returns a random identifier in the form of Entra's object ids.
func guid(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}
