package cloud

import (
	"holdfast"
)

func aws() []kind {
	return []kind{
		{
			dataset: holdfast.Dataset{
				Name:      "aws.cloudtrail",
				Title:     "AWS CloudTrail",
				Logsource: holdfast.Logsource{Product: "aws", Service: "cloudtrail"},
				ECS: map[string]string{
					"sourceIPAddress": holdfast.EntitySource, "userIdentity.userName": holdfast.EntityUser, "userIdentity.arn": holdfast.EntityPrincipal,
					"recipientAccountId": "cloud.account.id", "awsRegion": "cloud.region", "eventName": "event.action", "eventSource": "event.provider", "userAgent": "user_agent.original",
				},
			},
			is: func(r *record) bool {
				return r.has("eventVersion", "eventTime") && (r.has("eventSource", "eventName") || r.has("eventCategory", "awsRegion"))
			},
			time: []string{"eventTime"},
			more: func(r *record) {
				for _, name := range [...]string{"requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"} {
					r.addTree(name, r.get(name))
				}
				// ModifyInstanceAttribute names what it changes by a key, where it
				// once had the name as a value.
				if in := r.v.Get("requestParameters"); in != nil && in.Exists("userData") && !in.Exists("attribute") {
					r.add("requestParameters.attribute", "userData")
				}
				if !r.v.Exists("status") {
					status := "success"
					if r.text("errorCode", "errorMessage") != "" || r.text("responseElements.ConsoleLogin") == "Failure" {
						status = "failure"
					}
					r.add("status", status)
				}
			},
		},
		{
			dataset: holdfast.Dataset{
				Name:      "aws.guardduty",
				Title:     "AWS GuardDuty findings",
				Logsource: holdfast.Logsource{Product: "aws", Service: "guardduty"},
				ECS: map[string]string{
					"accountId": "cloud.account.id", "region": "cloud.region",
					"resource.accessKeyDetails.userName":                                          holdfast.EntityUser,
					"service.action.awsApiCallAction.remoteIpDetails.ipAddressV4":                 holdfast.EntitySource,
					"service.action.networkConnectionAction.remoteIpDetails.ipAddressV4":          holdfast.EntityDestination,
					"service.action.dnsRequestAction.domain":                                      holdfast.EntityDomain,
					"service.action.portProbeAction.portProbeDetails.remoteIpDetails.ipAddressV4": holdfast.EntitySource,
				},
			},
			is: func(r *record) bool {
				return r.has("schemaVersion", "accountId", "type", "resource") && r.text("service.serviceName") == "guardduty"
			},
			time: []string{"updatedAt", "service.eventLastSeen", "createdAt"},
		},
	}
}
