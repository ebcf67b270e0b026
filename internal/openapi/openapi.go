// Package openapi holds the description of the management API.
package openapi

import _ "embed"

// Document is an OpenAPI 3.1 document in JSON.
//
//go:embed openapi.json
var Document []byte
