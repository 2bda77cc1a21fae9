package detect

import (
	"maps"
	"slices"
	"strings"

	"holdfast"
	"holdfast/detect/sigma"
)

// Names of fields that every Windows event has: the System part of an event
// ([MS-EVEN6] 2.2.13), flattened as Sigma's rules name it.
const systemFields = `Provider_Name Provider_Guid Provider_EventSourceName EventID EventID_Qualifiers Version Level Task Opcode Keywords
	TimeCreated_SystemTime EventRecordID Correlation_ActivityID Correlation_RelatedActivityID Execution_ProcessID Execution_ThreadID
	Channel Computer Security_UserID`

// sysmonFields are those of Sysmon's events (schema 4.90) by Sigma's category.
// An event of a category can have these and systemFields, and no others.
var sysmonFields = map[string]string{
	"process_creation": `RuleName UtcTime ProcessGuid ProcessId Image FileVersion Description Product Company OriginalFileName CommandLine
		CurrentDirectory User LogonGuid LogonId TerminalSessionId IntegrityLevel Hashes ParentProcessGuid ParentProcessId ParentImage
		ParentCommandLine ParentUser
		SubjectUserSid SubjectUserName SubjectDomainName SubjectLogonId NewProcessId NewProcessName TokenElevationType TargetUserSid
		TargetUserName TargetDomainName TargetLogonId ParentProcessName MandatoryLabel`,
	"file_change":              `RuleName UtcTime ProcessGuid ProcessId Image TargetFilename CreationUtcTime PreviousCreationUtcTime User`,
	"network_connection":       `RuleName UtcTime ProcessGuid ProcessId Image User Protocol Initiated SourceIsIpv6 SourceIp SourceHostname SourcePort SourcePortName DestinationIsIpv6 DestinationIp DestinationHostname DestinationPort DestinationPortName`,
	"sysmon_status":            `UtcTime State Version SchemaVersion Configuration ConfigurationFileHash`,
	"process_termination":      `RuleName UtcTime ProcessGuid ProcessId Image User`,
	"driver_load":              `RuleName UtcTime ImageLoaded Hashes Signed Signature SignatureStatus`,
	"image_load":               `RuleName UtcTime ProcessGuid ProcessId Image ImageLoaded FileVersion Description Product Company OriginalFileName Hashes Signed Signature SignatureStatus User`,
	"create_remote_thread":     `RuleName UtcTime SourceProcessGuid SourceProcessId SourceImage TargetProcessGuid TargetProcessId TargetImage NewThreadId StartAddress StartModule StartFunction SourceUser TargetUser`,
	"raw_access_thread":        `RuleName UtcTime ProcessGuid ProcessId Image Device User`,
	"process_access":           `RuleName UtcTime SourceProcessGUID SourceProcessId SourceThreadId SourceImage TargetProcessGUID TargetProcessId TargetImage GrantedAccess CallTrace SourceUser TargetUser`,
	"file_event":               `RuleName UtcTime ProcessGuid ProcessId Image TargetFilename CreationUtcTime User`,
	"registry_add":             `RuleName EventType UtcTime ProcessGuid ProcessId Image TargetObject User`,
	"registry_delete":          `RuleName EventType UtcTime ProcessGuid ProcessId Image TargetObject User`,
	"registry_set":             `RuleName EventType UtcTime ProcessGuid ProcessId Image TargetObject Details User`,
	"registry_rename":          `RuleName EventType UtcTime ProcessGuid ProcessId Image TargetObject NewName User`,
	"registry_event":           `RuleName EventType UtcTime ProcessGuid ProcessId Image TargetObject Details NewName User`,
	"create_stream_hash":       `RuleName UtcTime ProcessGuid ProcessId Image TargetFilename CreationUtcTime Hash Contents User`,
	"pipe_created":             `RuleName EventType UtcTime ProcessGuid ProcessId PipeName Image User`,
	"wmi_event":                `RuleName EventType UtcTime Operation User EventNamespace Name Query Type Destination Consumer Filter`,
	"dns_query":                `RuleName UtcTime ProcessGuid ProcessId QueryName QueryStatus QueryResults Image User`,
	"file_delete":              `RuleName UtcTime ProcessGuid ProcessId User Image TargetFilename Hashes IsExecutable Archived`,
	"clipboard_change":         `RuleName UtcTime ProcessGuid ProcessId Image Session ClientInfo Hashes Archived User`,
	"process_tampering":        `RuleName UtcTime ProcessGuid ProcessId Image Type User`,
	"file_delete_detected":     `RuleName UtcTime ProcessGuid ProcessId User Image TargetFilename Hashes IsExecutable`,
	"file_block_executable":    `RuleName UtcTime ProcessGuid ProcessId User Image TargetFilename Hashes`,
	"file_block_shredding":     `RuleName UtcTime ProcessGuid ProcessId User Image TargetFilename Hashes IsExecutable`,
	"file_executable_detected": `RuleName UtcTime ProcessGuid ProcessId User Image TargetFilename Hashes`,
	"sysmon_error":             `UtcTime ID Description`,
	"ps_module":                `ContextInfo UserData Payload`,
	"ps_script":                `MessageNumber MessageTotal ScriptBlockText ScriptBlockId Path`,
}

// fieldsOf returns the names that events of a logsource can have, and whether
// those are all of them; where they are not, a name that is missing from them
// proves nothing.
func fieldsOf(l holdfast.Logsource, datasets map[string]holdfast.Dataset) (names []string, whole bool) {
	known := map[string]bool{}
	if strings.EqualFold(l.Product, "windows") || l.Product == "" {
		if own := sysmonFields[strings.ToLower(l.Category)]; own != "" {
			whole = l.Product != ""
			for _, f := range append(strings.Fields(own), strings.Fields(systemFields)...) {
				known[f] = true
			}
		}
	}
	for _, d := range datasets {
		if !sigma.Serves(l, d) {
			continue
		}
		for native, ecs := range d.ECS {
			if !whole {
				known[native] = true
			}
			known[ecs] = true
		}
		for alias := range d.Alias {
			known[alias] = true
		}
	}
	return slices.Sorted(maps.Keys(known)), whole
}
