package cloud

import (
	"strings"

	"holdfast"
)

func kubernetes() []kind {
	return []kind{{
		dataset: holdfast.Dataset{
			Name:      "kubernetes.audit",
			Title:     "Kubernetes audit",
			Logsource: holdfast.Logsource{Product: "kubernetes", Category: "application", Service: "audit"},
			ECS: map[string]string{
				"sourceIPs": holdfast.EntitySource, "user.username": holdfast.EntityUser, "userAgent": "user_agent.original",
				"objectRef.namespace": "orchestrator.namespace", "verb": "event.action",
			},
			Alias: map[string]string{
				"apiGroup":     "objectRef.apiGroup",
				"hostPath":     "requestObject.spec.volumes.hostPath.path",
				"capabilities": "requestObject.spec.containers.securityContext.capabilities.add",
			},
		},
		is: func(r *record) bool {
			return r.text("kind") == "Event" && strings.HasPrefix(r.text("apiVersion"), "audit.k8s.io/")
		},
		time: []string{"requestReceivedTimestamp", "stageTimestamp"},
		more: func(r *record) {
			// The API server's decision, under the name that rules know.
			if v := r.v.Get("annotations", "authorization.k8s.io/decision"); plain(v) == "allow" {
				r.add("responseStatus.code", "ALLOW")
			}
		},
	}}
}
