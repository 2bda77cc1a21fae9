package cloud

import (
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"holdfast"
)

func workspaceDataset(service, title string) holdfast.Dataset {
	return holdfast.Dataset{
		Name:      "google_workspace." + service,
		Title:     "Google Workspace " + title,
		Logsource: holdfast.Logsource{Product: "gcp", Service: "google_workspace." + service},
		Also:      []holdfast.Logsource{{Product: "google_workspace", Service: service}},
		ECS: map[string]string{
			"actor.email": holdfast.EntityUser, "ipAddress": holdfast.EntitySource, "eventName": "event.action", "id.customerId": "cloud.account.id",
			"protoPayload.authenticationInfo.principalEmail": holdfast.EntityUser, "protoPayload.requestMetadata.callerIp": holdfast.EntitySource,
		},
	}
}

// workspace are the activities of the Reports API, and the same as they reach
// Cloud Logging.
func workspace() []kind {
	var out []kind
	for _, s := range [...]struct{ service, title, api string }{
		{"admin", "administration", "admin.googleapis.com"},
		{"login", "logins", "login.googleapis.com"},
		{"drive", "Drive", "drive.googleapis.com"},
		{"token", "OAuth grants", "oauth2.googleapis.com"},
		{"activity", "activities", ""},
	} {
		out = append(out, kind{
			dataset: workspaceDataset(s.service, s.title),
			is: func(r *record) bool {
				if strings.HasSuffix(r.text("kind"), "reports#activity") && r.has("events") {
					return s.api == "" || r.text("id.applicationName") == s.service
				}
				return s.api != "" && r.text("protoPayload.serviceName") == s.api && r.has("protoPayload") && r.v.Exists("protoPayload", "metadata")
			},
			time: []string{"id.time", "timestamp", "receiveTimestamp"},
			more: func(r *record) {
				service := s.api
				if service == "" {
					service = r.text("id.applicationName") + ".googleapis.com"
				}
				r.add("eventService", service)
				if !r.has("protoPayload") {
					r.add("protoPayload.serviceName", service)
				}
				r.add("protoPayload.Servicename", service)
				events := slices.Concat(items(r.get("events")), items(r.get("protoPayload.metadata.event")))
				for _, e := range events {
					name := plain(e.Get("name"))
					if name == "" {
						name = plain(e.Get("eventName"))
					} else {
						r.add("protoPayload.metadata.event.eventName", name)
					}
					r.add("eventName", name)
					for _, list := range [...]string{"parameters", "parameter"} {
						for _, p := range e.GetArray(list) {
							parameter(r, p)
						}
					}
				}
			},
		})
	}
	return out
}

// parameter adds a parameter under its own name below "parameters", and the two
// that rules call by their bare names.
func parameter(r *record, p *fastjson.Value) {
	name := strings.ToLower(plain(p.Get("name")))
	if name == "" {
		return
	}
	for _, key := range [...]string{"value", "boolValue", "intValue"} {
		text := plain(p.Get(key))
		r.add("parameters."+name, text)
		if name == "setting_name" || name == "new_value" || name == "old_value" {
			r.add(name, text)
		}
	}
	for _, key := range [...]string{"multiValue", "multiStrValue"} {
		for _, x := range p.GetArray(key) {
			r.add("parameters."+name, plain(x))
		}
	}
}

func gcp() []kind {
	return []kind{{
		dataset: holdfast.Dataset{
			Name:      "gcp.audit",
			Title:     "Google Cloud audit logs",
			Logsource: holdfast.Logsource{Product: "gcp", Service: "gcp.audit"},
			Also:      []holdfast.Logsource{{Product: "gcp", Service: "audit"}},
			ECS: map[string]string{
				"protoPayload.authenticationInfo.principalEmail": holdfast.EntityUser, "protoPayload.authenticationInfo.principalSubject": holdfast.EntityPrincipal,
				"protoPayload.requestMetadata.callerIp": holdfast.EntitySource, "resource.labels.project_id": "cloud.account.id",
				"protoPayload.requestMetadata.callerSuppliedUserAgent": "user_agent.original",
			},
			Alias: map[string]string{
				"gcp.audit.method_name":                          "protoPayload.methodName",
				"data.protoPayload.serviceName":                  "protoPayload.serviceName",
				"data.protoPayload.authorizationInfo.permission": "protoPayload.authorizationInfo.permission",
				"data.protoPayload.authorizationInfo.granted":    "protoPayload.authorizationInfo.granted",
				"data.protoPayload.resource.type":                "resource.type",
			},
		},
		is: func(r *record) bool {
			return r.v.Exists("protoPayload", "methodName") || r.has("protoPayload", "logName")
		},
		time: []string{"timestamp", "receiveTimestamp"},
		more: func(r *record) {
			r.add("data.protoPayload.methodName", r.text("protoPayload.methodName"))
			log := r.text("logName")
			if _, after, ok := strings.Cut(log, "/logs/"); ok {
				log = after
			}
			r.add("data.protoPayload.logName", log)
		},
	}}
}
