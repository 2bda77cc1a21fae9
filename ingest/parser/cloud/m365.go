package cloud

import (
	"strings"

	"github.com/valyala/fastjson"

	"holdfast"
)

func m365() []kind {
	return []kind{{
		dataset: holdfast.Dataset{
			Name:      "m365.audit",
			Title:     "Microsoft 365 unified audit",
			Logsource: holdfast.Logsource{Product: "m365", Service: "audit"},
			Also: []holdfast.Logsource{
				{Product: "m365", Service: "exchange"}, {Product: "m365", Service: "threat_management"}, {Product: "m365", Service: "threat_detection"},
			},
			ECS: map[string]string{
				"UserId": holdfast.EntityUser, "ClientIP": holdfast.EntitySource, "ClientIPAddress": holdfast.EntitySource, "ActorIpAddress": holdfast.EntitySource,
				"OrganizationId": "cloud.account.id", "SourceFileName": holdfast.EntityFile, "UserAgent": "user_agent.original",
			},
			Alias: map[string]string{"eventSource": "Workload"},
		},
		is: func(r *record) bool {
			return r.has("Operation", "Workload") && (r.has("RecordType") || r.has("UserId") || r.has("CreationTime"))
		},
		time: []string{"CreationTime", "CreationDate", "TimeGenerated"},
		host: []string{"DeviceName", "DeviceDisplayName"},
		more: func(r *record) {
			for _, list := range [...]string{"Parameters", "ExtendedProperties", "OperationProperties", "ModifiedProperties", "DeviceProperties"} {
				x := r.tree(list)
				r.addTree(list, x)
				named(r, list, x)
			}
			for _, p := range items(r.tree("ExtendedProperties")) {
				if string(p.GetStringBytes("Name")) == "RequestType" {
					r.add("RequestType", plain(p.Get("Value")))
				}
			}
			// The security centre's alerts go by their name.
			r.add("eventName", r.text("Operation"))
			if strings.HasPrefix(r.text("Operation"), "Alert") || r.text("Workload") == "SecurityComplianceCenter" {
				r.add("eventName", r.text("Name"))
			}
			switch strings.ToLower(r.text("ResultStatus")) {
			case "success", "succeeded", "true", "partiallysucceeded", "":
				r.add("status", "success")
			default:
				r.add("status", "failure")
			}
			if r.text("Workload") == "SecurityComplianceCenter" {
				r.add("Payload", strings.Join([]string{r.text("Operation"), r.text("Parameters"), r.text("Data")}, " "))
			}
		},
	}}
}

// named adds what a list of names and values says, as LIST.Name.
func named(r *record, list string, x *fastjson.Value) {
	for _, p := range items(x) {
		name := plain(p.Get("Name"))
		if name == "" || name == "Name" || name == "Value" {
			continue
		}
		r.add(list+"."+name, plain(p.Get("Value")), plain(p.Get("NewValue")))
	}
}
