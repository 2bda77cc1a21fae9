package winevent

import (
	"bytes"
	"strings"
	"unsafe"

	"holdfast"
	"holdfast/ingest/parser"
)

// maxWords bounds the bytes that words add to an event.
const maxWords = 16 << 10

// spell adds a second value to each field of a Security event that holds codes
// for access rights and the like: the text as Windows shows it. Rules ask for
// either, and an event's list holds if one of its values does.
func (r *reader) spell() {
	if !bytes.Contains(r.text, []byte("%%")) {
		return
	}
	most := len(r.text) + maxWords
	for _, f := range r.fields[:len(r.fields):len(r.fields)] {
		if len(r.fields) >= parser.MaxFields {
			return
		}
		start := len(r.text)
		if f.Kind != holdfast.String || !r.spelled(f.Text, most) {
			r.text = r.text[:start]
			continue
		}
		b := r.text[start:]
		r.fields = append(r.fields, holdfast.Field{Name: f.Name, Kind: f.Kind, Text: unsafe.String(unsafe.SliceData(b), len(b))}) //nolint:gosec // what was appended is not written again
	}
}

// spelled appends a text with words for its codes, and reports whether it has
// any that are known, and there was room for them.
func (r *reader) spelled(text string, most int) bool {
	known := false
	for {
		i := strings.Index(text, "%%")
		if i < 0 || len(text) < i+6 {
			break
		}
		word := words[text[i+2:i+6]]
		if word == "" {
			word = text[i : i+6]
		} else {
			known = true
		}
		if r.text = append(append(r.text, text[:i]...), word...); len(r.text) > most {
			return false
		}
		text = text[i+6:]
	}
	if known {
		r.text = append(r.text, text...)
	}
	return known && len(r.text) <= most
}

// words are what Windows shows for codes in events of its Security log, in
// English: rights that all objects know, then those of one kind of object.
var words = map[string]string{
	"1537": "DELETE", "1538": "READ_CONTROL", "1539": "WRITE_DAC", "1540": "WRITE_OWNER", "1541": "SYNCHRONIZE", "1542": "ACCESS_SYS_SEC", "1543": "MAX_ALLOWED",
	// Files, folders and pipes.
	"4416": "ReadData (or ListDirectory)", "4417": "WriteData (or AddFile)", "4418": "AppendData (or AddSubdirectory or CreatePipeInstance)",
	"4419": "ReadEA", "4420": "WriteEA", "4421": "Execute/Traverse", "4422": "DeleteChild", "4423": "ReadAttributes", "4424": "WriteAttributes",
	// Keys of the registry.
	"4432": "Query key value", "4433": "Set key value", "4434": "Create sub-key", "4435": "Enumerate sub-keys", "4436": "Notify about changes to keys", "4437": "Create Link",
	// Processes, threads, sections and tokens.
	"4480": "Force process termination", "4481": "Create new thread in process", "4482": "Set process session ID", "4483": "Perform virtual memory operation",
	"4484": "Read from process memory", "4485": "Write to process memory", "4486": "Duplicate handle into or out of process", "4487": "Create a subprocess of process",
	"4488": "Set process quotas", "4489": "Set process information", "4490": "Query process information", "4491": "Set process termination port",
	"4512": "Query section state", "4513": "Map section for write", "4514": "Map section for read", "4515": "Map section for execute", "4516": "Extend size",
	"4544": "Use symbolic link",
	"4560": "Force thread termination", "4561": "Suspend or resume thread", "4562": "Send an alert to thread", "4563": "Get thread context", "4564": "Set thread context",
	"4565": "Set thread information", "4566": "Query thread information", "4567": "Assign a token to the thread",
	"4568": "Cause thread to directly impersonate another thread", "4569": "Directly impersonate this thread",
	"4592": "AssignAsPrimary", "4593": "Duplicate", "4594": "Impersonate", "4595": "Query", "4596": "QuerySource", "4597": "AdjustPrivileges", "4598": "AdjustGroups", "4599": "AdjustDefaultDacl",
	// Accounts: the server, domains, groups and users.
	"5376": "ConnectToServer", "5377": "ShutdownServer", "5378": "InitializeServer", "5379": "CreateDomain", "5380": "EnumerateDomains", "5381": "LookupDomain",
	"5392": "ReadPasswordParameters", "5393": "WritePasswordParameters", "5394": "ReadOtherParameters", "5395": "WriteOtherParameters", "5396": "CreateUser",
	"5397": "CreateGlobalGroup", "5398": "CreateLocalGroup", "5399": "GetLocalGroupMembership", "5400": "ListAccounts", "5401": "LookupIDs", "5402": "AdministerServer",
	"5408": "ReadInformation", "5409": "WriteAccount", "5410": "AddMember", "5411": "RemoveMember", "5412": "ListMembers",
	"5424": "AddMember", "5425": "RemoveMember", "5426": "ListMembers", "5427": "ReadInformation", "5428": "WriteAccount",
	"5440": "ReadGeneralInformation", "5441": "ReadPreferences", "5442": "WritePreferences", "5443": "ReadLogon", "5444": "ReadAccount", "5445": "WriteAccount",
	"5446": "ChangePassword (with knowledge of old password)", "5447": "SetPassword (without knowledge of old password)",
	"5448": "ListGroups", "5449": "ReadGroupMembership", "5450": "ChangeGroupMembership",
	// Secrets of the local security authority.
	"5648": "Change secret value", "5649": "Query secret value",
	// Services and who starts them.
	"7168": "Connect to service controller", "7169": "Create a new service", "7170": "Enumerate services", "7171": "Lock service database for exclusive access",
	"7172": "Query service database lock state", "7173": "Set last-known-good state of service database",
	"7184": "Query service configuration information", "7185": "Set service configuration information", "7186": "Query status of service",
	"7187": "Enumerate dependencies of service", "7188": "Start the service", "7189": "Stop the service", "7190": "Pause or continue the service",
	// Objects of a directory.
	"7680": "Create Child", "7681": "Delete Child", "7682": "List Contents", "7683": "Write Self", "7684": "Read Property", "7685": "Write Property",
	"7686": "Delete Tree", "7687": "List Object", "7688": "Control Access",
	// Tokens of logons and processes, and changes of what is audited.
	"1832": "Identification", "1833": "Impersonation", "1840": "Delegation",
	"1936": "TokenElevationTypeDefault (1)", "1937": "TokenElevationTypeFull (2)", "1938": "TokenElevationTypeLimited (3)",
	"8448": "Success removed", "8449": "Success Added", "8450": "Failure removed", "8451": "Failure Added",
}
