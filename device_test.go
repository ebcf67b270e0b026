package scim_test

import (
	"maps"

	elimity "github.com/elimity-com/scim/schema"

	"github.com/scimkit/scim"
)

const (
	deviceURN   = "urn:example:params:scim:schemas:core:2.0:Device"
	warrantyURN = "urn:example:params:scim:schemas:extension:warranty:2.0:Device"
)

// deviceType is a resource type of a host's own, with the characteristics of RFC 7643 that User and Group lack. Without extensions
// given, it has the optional extension of warrantyType. Its attributes are named by what they are:
//
//	deviceName    string, required                      assetTag      string, unique
//	model         string, declared by its name alone    serialNumber  string, unique, caseExact
//	slots         integer                               weight        decimal
//	installedAt   dateTime                              certificate   binary
//	manual        reference to anything external        managed       boolean
//	tags          strings                               aliases       strings, caseExact
//	origin        complex, immutable                    firmware      string, immutable
//	status        string, readOnly                      pin           string, writeOnly and never returned
//	inventory     string, always returned               diagnostics   string, returned on request
//	owner         complex, one value; owner.since is immutable, owner.note is returned on request
//	ports         complex, several values with primary; ports.slot is immutable, ports.link is readOnly
func deviceType(extensions ...scim.Extension) scim.ResourceType {
	if len(extensions) == 0 {
		extensions = []scim.Extension{warrantyType(false)}
	}
	return scim.ResourceType{
		Name: "Device", Endpoint: "/Devices", Description: "A thing with a plug",
		Schema:     elimity.Schema{ID: deviceURN, Attributes: deviceAttributes()},
		Extensions: extensions,
	}
}

// warrantyType is an extension of Device with an attribute that is required where the extension is there, and a unique one.
func warrantyType(required bool) scim.Extension {
	return scim.Extension{Required: required, Schema: elimity.Schema{ID: warrantyURN, Attributes: []elimity.CoreAttribute{
		textAttribute(elimity.StringParams{Name: "provider", Required: true}),
		textAttribute(elimity.StringParams{Name: "contract", Uniqueness: elimity.AttributeUniquenessServer()}),
		elimity.SimpleCoreAttribute(elimity.SimpleNumberParams(elimity.NumberParams{Name: "months", Type: elimity.AttributeTypeInteger()})),
	}}}
}

func textAttribute(p elimity.StringParams) elimity.CoreAttribute {
	return elimity.SimpleCoreAttribute(elimity.SimpleStringParams(p))
}

func deviceAttributes() []elimity.CoreAttribute {
	server := elimity.AttributeUniquenessServer()
	immutable := elimity.AttributeMutabilityImmutable()
	return []elimity.CoreAttribute{
		textAttribute(elimity.StringParams{Name: "deviceName", Required: true}),
		textAttribute(elimity.StringParams{Name: "model"}),
		textAttribute(elimity.StringParams{Name: "assetTag", Uniqueness: server}),
		textAttribute(elimity.StringParams{Name: "serialNumber", Uniqueness: server, CaseExact: true}),
		elimity.SimpleCoreAttribute(elimity.SimpleNumberParams(elimity.NumberParams{Name: "slots", Type: elimity.AttributeTypeInteger()})),
		elimity.SimpleCoreAttribute(elimity.SimpleNumberParams(elimity.NumberParams{Name: "weight", Type: elimity.AttributeTypeDecimal()})),
		elimity.SimpleCoreAttribute(elimity.SimpleDateTimeParams(elimity.DateTimeParams{Name: "installedAt"})),
		elimity.SimpleCoreAttribute(elimity.SimpleBinaryParams(elimity.BinaryParams{Name: "certificate"})),
		elimity.SimpleCoreAttribute(elimity.SimpleReferenceParams(elimity.ReferenceParams{
			Name: "manual", ReferenceTypes: []elimity.AttributeReferenceType{elimity.AttributeReferenceTypeExternal},
		})),
		elimity.SimpleCoreAttribute(elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "managed"})),
		textAttribute(elimity.StringParams{Name: "tags", MultiValued: true}),
		textAttribute(elimity.StringParams{Name: "aliases", MultiValued: true, CaseExact: true}),
		textAttribute(elimity.StringParams{Name: "firmware", Mutability: immutable}),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "origin", Mutability: immutable, SubAttributes: []elimity.SimpleParams{
			elimity.SimpleStringParams(elimity.StringParams{Name: "country", Mutability: immutable}),
			elimity.SimpleStringParams(elimity.StringParams{Name: "batch", Mutability: immutable}),
		}}),
		textAttribute(elimity.StringParams{Name: "status", Mutability: elimity.AttributeMutabilityReadOnly()}),
		textAttribute(elimity.StringParams{
			Name: "pin", CaseExact: true, Mutability: elimity.AttributeMutabilityWriteOnly(), Returned: elimity.AttributeReturnedNever(),
		}),
		textAttribute(elimity.StringParams{Name: "inventory", Returned: elimity.AttributeReturnedAlways()}),
		textAttribute(elimity.StringParams{Name: "diagnostics", Returned: elimity.AttributeReturnedRequest()}),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "owner", SubAttributes: []elimity.SimpleParams{
			elimity.SimpleStringParams(elimity.StringParams{Name: "value", CaseExact: true}),
			elimity.SimpleReferenceParams(elimity.ReferenceParams{Name: "$ref", ReferenceTypes: []elimity.AttributeReferenceType{"User"}}),
			elimity.SimpleStringParams(elimity.StringParams{Name: "since", Mutability: immutable}),
			elimity.SimpleStringParams(elimity.StringParams{Name: "note", Returned: elimity.AttributeReturnedRequest()}),
		}}),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{Name: "ports", MultiValued: true, SubAttributes: []elimity.SimpleParams{
			elimity.SimpleStringParams(elimity.StringParams{Name: "value"}),
			elimity.SimpleStringParams(elimity.StringParams{Name: "type", CanonicalValues: []string{"usb", "ethernet"}}),
			elimity.SimpleStringParams(elimity.StringParams{Name: "display"}),
			elimity.SimpleBooleanParams(elimity.BooleanParams{Name: "primary"}),
			elimity.SimpleNumberParams(elimity.NumberParams{Name: "speed", Type: elimity.AttributeTypeInteger()}),
			elimity.SimpleStringParams(elimity.StringParams{Name: "slot", Mutability: immutable}),
			elimity.SimpleStringParams(elimity.StringParams{Name: "link", Mutability: elimity.AttributeMutabilityReadOnly()}),
		}}),
	}
}

// withDevices serves devices beside users and groups.
func withDevices(c *setup) {
	c.config.Types = []scim.ResourceType{scim.UserType(), scim.GroupType(), deviceType()}
}

// device is the body of a device with that name and more attributes.
func device(name string, more ...map[string]any) map[string]any {
	body := map[string]any{"schemas": []string{deviceURN}, "deviceName": name}
	for _, m := range more {
		maps.Copy(body, m)
	}
	return body
}
