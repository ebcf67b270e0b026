module github.com/scimkit/scim

go 1.26.0

require (
	github.com/di-wu/parser v0.2.2 // indirect
	github.com/di-wu/xsd-datetime v1.0.0 // indirect
	github.com/elimity-com/scim v0.0.0-20240320110924-172bf2aee9c8 // indirect
	github.com/go-json-experiment/json v0.0.0-20260820222146-c27c302e5fc3 // indirect
	github.com/scim2/filter-parser/v2 v2.2.1 // indirect
	golang.org/x/text v0.43.0 // indirect
)
