package winevent

// services names Sigma's service for each channel, in lower case. What is not
// here is a Windows event without a service.
var services = map[string]string{
	"application": "application",
	"dns server":  "dns-server",
	"microsoft-iis-configuration/operational":                                  "iis-configuration",
	"microsoft-servicebus-client/admin":                                        "servicebus-client",
	"microsoft-servicebus-client/operational":                                  "servicebus-client",
	"microsoft-windows-application-experience/program-compatibility-assistant": "application-experience",
	"microsoft-windows-application-experience/program-telemetry":               "application-experience",
	"microsoft-windows-applocker/exe and dll":                                  "applocker",
	"microsoft-windows-applocker/msi and script":                               "applocker",
	"microsoft-windows-applocker/packaged app-deployment":                      "applocker",
	"microsoft-windows-applocker/packaged app-execution":                       "applocker",
	"microsoft-windows-appmodel-runtime/admin":                                 "appmodel-runtime",
	"microsoft-windows-appxdeploymentserver/operational":                       "appxdeployment-server",
	"microsoft-windows-appxpackaging/operational":                              "appxpackaging-om",
	"microsoft-windows-bitlocker/bitlocker management":                         "bitlocker",
	"microsoft-windows-bits-client/operational":                                "bits-client",
	"microsoft-windows-capi2/operational":                                      "capi2",
	"microsoft-windows-certificateservicesclient-lifecycle-system/operational": "certificateservicesclient-lifecycle-system",
	"microsoft-windows-codeintegrity/operational":                              "codeintegrity-operational",
	"microsoft-windows-dhcp-server/operational":                                "dhcp",
	"microsoft-windows-diagnosis-scripted/operational":                         "diagnosis-scripted",
	"microsoft-windows-dns client events/operational":                          "dns-client",
	"microsoft-windows-dns-server/analytical":                                  "dns-server-analytic",
	"microsoft-windows-driverframeworks-usermode/operational":                  "driver-framework",
	"microsoft-windows-hyper-v-worker":                                         "hyper-v-worker",
	"microsoft-windows-kernel-eventtracing":                                    "kernel-event-tracing",
	"microsoft-windows-kernel-shimengine/diagnostic":                           "kernel-shimengine",
	"microsoft-windows-kernel-shimengine/operational":                          "kernel-shimengine",
	"microsoft-windows-ldap-client/debug":                                      "ldap",
	"microsoft-windows-lsa/operational":                                        "lsa-server",
	"microsoft-windows-ntfs/operational":                                       "ntfs",
	"microsoft-windows-ntlm/operational":                                       "ntlm",
	"microsoft-windows-powershell/operational":                                 "powershell",
	"microsoft-windows-printservice/admin":                                     "printservice-admin",
	"microsoft-windows-printservice/operational":                               "printservice-operational",
	"microsoft-windows-security-mitigations/kernel mode":                       "security-mitigations",
	"microsoft-windows-security-mitigations/user mode":                         "security-mitigations",
	"microsoft-windows-sense/operational":                                      "sense",
	"microsoft-windows-shell-core/operational":                                 "shell-core",
	"microsoft-windows-smbclient/connectivity":                                 "smbclient-connectivity",
	"microsoft-windows-smbclient/security":                                     "smbclient-security",
	"microsoft-windows-smbserver/connectivity":                                 "smbserver-connectivity",
	"microsoft-windows-sysmon/operational":                                     "sysmon",
	"microsoft-windows-taskscheduler/operational":                              "taskscheduler",
	"microsoft-windows-terminalservices-localsessionmanager/operational":       "terminalservices-localsessionmanager",
	"microsoft-windows-vhdmp/operational":                                      "vhdmp",
	"microsoft-windows-windows defender/operational":                           "windefend",
	"microsoft-windows-windows firewall with advanced security/firewall":       "firewall-as",
	"microsoft-windows-wmi-activity/operational":                               "wmi",
	"msexchange management":                                                    "msexchange-management",
	"openssh/operational":                                                      "openssh",
	"powershellcore/operational":                                               "powershell",
	"security":                                                                 "security",
	"system":                                                                   "system",
	"windows powershell":                                                       "powershell-classic",
}

// kind is the category of an event of one service and id.
type kind struct {
	service  string
	id       string
	category string
	// typed narrows it to one value of EventType.
	typed string
	// general is a second category that the event belongs to as well.
	general string
	name    string // of its dataset
}

// kinds lists them; of two that fit, the first counts.
var kinds = []kind{
	{service: "sysmon", id: "1", category: "process_creation"},
	{service: "sysmon", id: "2", category: "file_change"},
	{service: "sysmon", id: "3", category: "network_connection"},
	{service: "sysmon", id: "4", category: "sysmon_status"},
	{service: "sysmon", id: "5", category: "process_termination"},
	{service: "sysmon", id: "6", category: "driver_load"},
	{service: "sysmon", id: "7", category: "image_load"},
	{service: "sysmon", id: "8", category: "create_remote_thread"},
	{service: "sysmon", id: "9", category: "raw_access_thread"},
	{service: "sysmon", id: "10", category: "process_access"},
	{service: "sysmon", id: "11", category: "file_event"},
	{service: "sysmon", id: "12", category: "registry_add", typed: "CreateKey", general: "registry_event"},
	{service: "sysmon", id: "12", category: "registry_delete", typed: "DeleteKey", general: "registry_event"},
	{service: "sysmon", id: "12", category: "registry_delete", typed: "DeleteValue", general: "registry_event"},
	{service: "sysmon", id: "12", category: "registry_event"},
	{service: "sysmon", id: "13", category: "registry_set", general: "registry_event"},
	{service: "sysmon", id: "14", category: "registry_rename", general: "registry_event"},
	{service: "sysmon", id: "15", category: "create_stream_hash"},
	{service: "sysmon", id: "16", category: "sysmon_status"},
	{service: "sysmon", id: "17", category: "pipe_created"},
	{service: "sysmon", id: "18", category: "pipe_created"},
	{service: "sysmon", id: "19", category: "wmi_event"},
	{service: "sysmon", id: "20", category: "wmi_event"},
	{service: "sysmon", id: "21", category: "wmi_event"},
	{service: "sysmon", id: "22", category: "dns_query"},
	{service: "sysmon", id: "23", category: "file_delete"},
	{service: "sysmon", id: "24", category: "clipboard_change"},
	{service: "sysmon", id: "25", category: "process_tampering"},
	{service: "sysmon", id: "26", category: "file_delete_detected"},
	{service: "sysmon", id: "27", category: "file_block_executable"},
	{service: "sysmon", id: "28", category: "file_block_shredding"},
	{service: "sysmon", id: "29", category: "file_executable_detected"},
	{service: "sysmon", id: "255", category: "sysmon_error"},
	{service: "security", id: "4688", category: "process_creation"},
	{service: "powershell", id: "4103", category: "ps_module"},
	{service: "powershell", id: "4104", category: "ps_script"},
	{service: "powershell-classic", id: "400", category: "ps_classic_start"},
	{service: "powershell-classic", id: "600", category: "ps_classic_provider_start"},
	{service: "powershell-classic", id: "800", category: "ps_classic_script"},
	{service: "windefend", id: "1006", category: "antivirus"},
	{service: "windefend", id: "1007", category: "antivirus"},
	{service: "windefend", id: "1008", category: "antivirus"},
	{service: "windefend", id: "1009", category: "antivirus"},
	{service: "windefend", id: "1010", category: "antivirus"},
	{service: "windefend", id: "1011", category: "antivirus"},
	{service: "windefend", id: "1012", category: "antivirus"},
	{service: "windefend", id: "1017", category: "antivirus"},
	{service: "windefend", id: "1018", category: "antivirus"},
	{service: "windefend", id: "1019", category: "antivirus"},
	{service: "windefend", id: "1115", category: "antivirus"},
	{service: "windefend", id: "1116", category: "antivirus"},
}

// alsoNamed are second names that rules have for a service.
var alsoNamed = map[string]string{
	"servicebus-client": "microsoft-servicebus-client",
}

// aliases are the names that rules of a category use for the fields of a
// service whose own names differ.
var aliases = map[string]map[string]string{
	"security/process_creation": {"Image": "NewProcessName", "ParentImage": "ParentProcessName"},
	"windefend/antivirus":       {"Signature": "ThreatName", "Filename": "Path"},
}
