package cloud

import (
	"strings"

	"github.com/valyala/fastjson"

	"holdfast"
)

func okta() []kind {
	return []kind{{
		dataset: holdfast.Dataset{
			Name:      "okta.system",
			Title:     "Okta system log",
			Logsource: holdfast.Logsource{Product: "okta", Service: "okta"},
			ECS: map[string]string{
				"actor.alternateId": holdfast.EntityUser, "client.ipAddress": holdfast.EntitySource, "eventType": "event.action", "client.userAgent.rawUserAgent": "user_agent.original",
			},
		},
		is: func(r *record) bool {
			return r.has("eventType", "published") && (r.has("outcome") || r.has("actor")) && (r.has("uuid") || r.has("legacyEventType") || r.has("debugContext"))
		},
		time: []string{"published"},
	}}
}

func github() []kind {
	return []kind{{
		dataset: holdfast.Dataset{
			Name:      "github.audit",
			Title:     "GitHub audit log",
			Logsource: holdfast.Logsource{Product: "github", Service: "audit"},
			ECS: map[string]string{
				"actor": holdfast.EntityUser, "actor_ip": holdfast.EntitySource, "action": "event.action", "org": "organization.name",
			},
		},
		is: func(r *record) bool {
			return strings.Contains(r.text("action"), ".") && (r.has("_document_id") || r.has("created_at") || r.has("@timestamp")) &&
				(r.has("actor") || r.has("org") || r.has("business") || r.has("repo"))
		},
		time: []string{"@timestamp", "created_at"},
	}}
}

// saas are small ones whose records need nothing but their names.
func saas() []kind {
	return []kind{
		{
			dataset: holdfast.Dataset{
				Name:      "bitbucket.audit",
				Title:     "Bitbucket audit",
				Logsource: holdfast.Logsource{Product: "bitbucket", Service: "audit"},
				ECS:       map[string]string{"author.name": holdfast.EntityUser, "source": holdfast.EntitySource, "auditType.action": "event.action"},
			},
			is: func(r *record) bool {
				return r.v.Exists("auditType", "action") && r.v.Exists("auditType", "category")
			},
			time: []string{"timestamp"},
			host: []string{"node"},
		},
		{
			dataset: holdfast.Dataset{
				Name:      "onelogin.events",
				Title:     "OneLogin events",
				Logsource: holdfast.Logsource{Product: "onelogin", Service: "onelogin.events"},
				ECS:       map[string]string{"user_name": holdfast.EntityUser, "ipaddr": holdfast.EntitySource, "event_type_id": "event.code"},
			},
			is:   func(r *record) bool { return r.has("event_type_id", "account_id") },
			time: []string{"event_timestamp", "created_at"},
		},
		{
			dataset: holdfast.Dataset{
				Name:      "cisco.duo",
				Title:     "Duo authentication log",
				Logsource: holdfast.Logsource{Product: "cisco", Service: "duo"},
				ECS: map[string]string{
					"user.name": holdfast.EntityUser, "access_device.ip": holdfast.EntitySource, "access_device.hostname": holdfast.EntityHost,
				},
			},
			is: func(r *record) bool {
				return r.has("event_type", "txid", "result") && r.v.Get("access_device") != nil && r.v.Get("access_device").Type() == fastjson.TypeObject
			},
			time: []string{"isotimestamp", "timestamp"},
		},
	}
}
