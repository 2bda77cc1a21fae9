package cloud

import (
	"strings"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/parser"
)

var entra = map[string]string{
	"userPrincipalName": holdfast.EntityUser, "alertIncidents.assigneeUserPrincipalName": holdfast.EntityUser, "UserPrincipalName": holdfast.EntityUser,
	"ipAddress": holdfast.EntitySource, "IPAddress": holdfast.EntitySource,
	"initiatedBy.user.userPrincipalName": holdfast.EntityUser, "initiatedBy.user.ipAddress": holdfast.EntitySource, "initiatedBy.app.servicePrincipalId": holdfast.EntityPrincipal,
	"callerIpAddress": holdfast.EntitySource, "servicePrincipalId": holdfast.EntityPrincipal, "tenantId": "cloud.account.id",
}

// azure are Azure's activity log and Entra's logs, in the forms of Graph, of
// diagnostic settings, and of the tables of Log Analytics.
func azure() []kind {
	category := func(r *record) string { return r.text("category") }
	diagnostic := func(r *record) bool {
		return r.has("operationName", "category") && (r.has("time") || r.has("properties"))
	}
	table := func(r *record) string {
		if !r.has("TimeGenerated") {
			return ""
		}
		return r.text("Type")
	}
	return []kind{
		{
			dataset: azureDataset("riskdetection", "Entra risk detections", holdfast.Logsource{Product: "azure", Service: "pim"}),
			is: func(r *record) bool {
				if diagnostic(r) {
					switch category(r) {
					case "UserRiskEvents", "ServicePrincipalRiskEvents", "RiskyUsers", "RiskyServicePrincipals":
						return true
					}
				}
				return r.has("riskEventType") && (r.has("detectedDateTime") || r.has("activityDateTime") || r.has("riskState")) ||
					r.has("RiskEventType") && strings.HasSuffix(table(r), "RiskEvents")
			},
			hoist: true,
			time:  []string{"activityDateTime", "detectedDateTime", "ActivityDateTime", "DetectedDateTime", "time", "TimeGenerated"},
			more: func(r *record) {
				r.add("riskEventType", r.text("RiskEventType"))
			},
		},
		{
			dataset: azureDataset("pim", "Entra privileged identity management alerts"),
			is: func(r *record) bool {
				return strings.HasSuffix(r.text("@odata.type"), "AlertIncident") || r.has("alertDefinitionId", "alertIncidents")
			},
			time: []string{"incidentDateTime", "lastModifiedDateTime", "createdDateTime", "assigneeLastSignInDateTime", "assignmentCreatedDateTime"},
			more: func(r *record) {
				for _, x := range append(items(r.get("alertIncidents")), r.v) {
					if t := strings.TrimPrefix(plain(x.Get("@odata.type")), "#microsoft.graph."); strings.HasSuffix(t, "AlertIncident") {
						r.add("riskEventType", t)
					}
				}
			},
		},
		{
			dataset: azureDataset("signinlogs", "Entra sign-in logs"),
			is: func(r *record) bool {
				if diagnostic(r) && strings.HasSuffix(strings.ToLower(category(r)), "signinlogs") {
					return true
				}
				switch table(r) {
				case "SigninLogs", "AADNonInteractiveUserSignInLogs", "AADServicePrincipalSignInLogs", "AADManagedIdentitySignInLogs":
					return true
				}
				return r.has("createdDateTime", "status") && r.v.Exists("status", "errorCode") && (r.has("userPrincipalName") || r.has("appDisplayName") || r.has("servicePrincipalId"))
			},
			hoist: true,
			time:  []string{"createdDateTime", "CreatedDateTime", "time", "TimeGenerated"},
			host:  []string{"deviceDetail.displayName"},
			more:  signIn,
		},
		{
			dataset: azureDataset("auditlogs", "Entra audit logs", holdfast.Logsource{Product: "azure", Service: "activitylogs"}),
			is: func(r *record) bool {
				return diagnostic(r) && category(r) == "AuditLogs" || table(r) == "AuditLogs" ||
					r.has("activityDateTime", "activityDisplayName") && (r.has("loggedByService") || r.has("initiatedBy") || r.has("targetResources"))
			},
			hoist: true,
			time:  []string{"activityDateTime", "ActivityDateTime", "time", "TimeGenerated"},
			more:  directory,
		},
		{
			dataset: holdfast.Dataset{
				Name:      "azure.activitylogs",
				Title:     "Azure activity log",
				Logsource: holdfast.Logsource{Product: "azure", Service: "activitylogs"},
				ECS: map[string]string{
					"callerIpAddress": holdfast.EntitySource, "CallerIpAddress": holdfast.EntitySource, "caller": holdfast.EntityUser, "Caller": holdfast.EntityUser,
					"subscriptionId": "cloud.account.id", "SubscriptionId": "cloud.account.id", "operationName": "event.action",
				},
			},
			is: func(r *record) bool {
				switch category(r) {
				case "Administrative", "Security", "ServiceHealth", "Alert", "Recommendation", "Policy", "Autoscale", "ResourceHealth", "Action", "Write", "Delete":
					return diagnostic(r) && (r.has("resourceId") || r.has("identity"))
				}
				return r.has("eventDataId", "operationName") || table(r) == "AzureActivity" || r.has("OperationNameValue", "CategoryValue") || r.has("eventTimestamp", "operationName")
			},
			time: []string{"eventTimestamp", "time", "EventSubmissionTimestamp", "TimeGenerated", "submissionTimestamp"},
			more: activity,
		},
		{
			dataset: holdfast.Dataset{
				Name:      "azure.resourcelogs",
				Title:     "Azure resource logs",
				Logsource: holdfast.Logsource{Product: "azure", Service: "resourcelogs"},
				ECS:       map[string]string{"callerIpAddress": holdfast.EntitySource, "CallerIPAddress": holdfast.EntitySource, "operationName": "event.action"},
			},
			is: func(r *record) bool {
				return r.has("operationName", "category", "resourceId", "time")
			},
			time: []string{"time"},
		},
	}
}

func azureDataset(service, title string, also ...holdfast.Logsource) holdfast.Dataset {
	return holdfast.Dataset{
		Name: "azure." + service, Title: title, Also: also, ECS: entra,
		Logsource: holdfast.Logsource{Product: "azure", Service: service},
	}
}

// pair is a name that rules use, and where its value stands in the forms.
type pair struct {
	name string
	from []string
}

// signIn adds the columns that Log Analytics has and rules ask for.
func signIn(r *record) {
	code := r.text("status.errorCode", "resultType", "ResultType")
	if r.text("ResultType") == "" {
		r.add("ResultType", code)
	}
	for _, p := range [...]pair{
		{"ResultDescription", []string{"status.failureReason", "resultDescription"}},
		{"AuthenticationRequirement", []string{"authenticationRequirement"}},
		{"RiskState", []string{"riskState"}},
		{"ResourceDisplayName", []string{"resourceDisplayName"}},
		{"conditionalAccessStatus", []string{"ConditionalAccessStatus"}},
		{"userAgent", []string{"UserAgent"}},
		{"ClientApp", []string{"clientAppUsed", "ClientAppUsed"}},
		{"clientAppUsed", []string{"ClientAppUsed"}},
		{"userPrincipalName", []string{"UserPrincipalName"}},
		{"ipAddress", []string{"IPAddress"}},
		{"Username", []string{"userPrincipalName", "UserPrincipalName"}},
	} {
		if r.base.Get(p.name) == nil {
			r.add(p.name, r.text(p.from...))
		}
	}
	r.add("Resultdescription", r.text("status.failureReason", "resultDescription", "ResultDescription"))
	r.add("ActivityDetails", "Sign-ins")
	switch code {
	case "0":
		r.add("Status", "Success")
	case "":
	default:
		r.add("Status", "Failure")
	}
	if detail := strings.ToLower(r.text("status.additionalDetails")); strings.HasPrefix(detail, "mfa denied") {
		r.add("Status", "MFA Denied")
	}
	if d := r.tree("deviceDetail", "DeviceDetail"); d != nil {
		// Empty is a value here: a device that nobody knows has no id.
		for _, of := range [...]struct{ name, key string }{
			{"DeviceDetail.deviceId", "deviceId"}, {"DeviceDetail.trusttype", "trustType"}, {"DeviceDetail.isCompliant", "isCompliant"},
		} {
			if x := d.Get(of.key); x != nil && x.Type() != fastjson.TypeNull && len(r.fields) < parser.MaxFields {
				r.field(of.name, plain(x), holdfast.String)
			}
		}
	}
	if x := r.get("networkLocationDetails"); x != nil {
		r.addTree("NetworkLocationDetails", x)
	}
	switch r.text("authenticationProtocol", "AuthenticationProtocol") {
	case "deviceCode":
		r.add("properties.message", "Device Code")
	case "ropc":
		r.add("properties.message", "ROPC")
	}
}

// directory adds the names under which rules know an audit record's parts, and
// each changed property as modified.NAME.
func directory(r *record) {
	activity := strings.TrimSpace(r.text("activityDisplayName", "ActivityDisplayName", "operationName", "OperationName"))
	for _, name := range [...]string{"properties.message", "operationName", "OperationName", "ActivityDisplayName", "activityDisplayName", "ActivityType", "activityType"} {
		if x := r.v.Get(name); x == nil || plain(x) != activity {
			r.add(name, activity)
		}
	}
	for _, p := range [...]pair{
		{"Category", []string{"category"}},
		{"category", []string{"Category"}},
		{"LoggedByService", []string{"loggedByService"}},
		{"loggedByService", []string{"LoggedByService"}},
		{"properties.result", []string{"result", "Result"}},
		{"Status", []string{"result", "Result"}},
		{"result", []string{"Result"}},
		{"failure_status_reason", []string{"resultReason", "ResultReason", "resultDescription"}},
	} {
		if r.base.Get(p.name) == nil {
			r.add(p.name, r.text(p.from...))
		}
	}
	r.add("Status", r.text("resultReason", "ResultReason"))
	if by := r.tree("initiatedBy", "InitiatedBy"); by != nil {
		r.add("Initiatedby", plain(by.Get("user", "userPrincipalName")), plain(by.Get("app", "displayName")))
		if !r.base.Exists("initiatedBy") {
			r.add("initiatedBy.user.userPrincipalName", plain(by.Get("user", "userPrincipalName")))
			r.add("initiatedBy.user.ipAddress", plain(by.Get("user", "ipAddress")))
			r.add("initiatedBy.app.displayName", plain(by.Get("app", "displayName")))
		}
	}
	targets := r.tree("targetResources", "TargetResources")
	r.addTree("TargetResources", targets)
	r.addTree("properties.targetResources", targets)
	for _, t := range items(targets) {
		r.add("Target", plain(t.Get("userPrincipalName")), plain(t.Get("displayName")))
		if plain(t.Get("type")) == "ServicePrincipal" {
			r.add("targetResources.type", "Service Principal")
		}
		changes := t.Get("modifiedProperties")
		r.addTree("TargetResources.modifiedProperties", changes)
		for _, c := range items(changes) {
			name, old, value := plain(c.Get("displayName")), plain(c.Get("oldValue")), plain(c.Get("newValue"))
			if name == "" {
				continue
			}
			r.add("TargetResources.ModifiedProperties.DisplayName", name)
			r.add("TargetResources.ModifiedProperties.NewValue", value)
			r.add("TargetResources.modifiedProperties.newValue", value)
			r.add("modified."+name, unquoted(value))
			r.add("modified_from."+name, unquoted(old))
			if name == "ConsentContext.IsAdminConsent" {
				r.add(name, unquoted(value))
			}
			if name == "UserType" {
				r.add("properties.message", `"displayName":"UserType","oldValue":"`+escaped(old)+`","newValue":"`+escaped(value)+`"`)
			}
		}
	}
}

// unquoted takes the quotes off a value that Entra writes as JSON in a text.
func unquoted(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		if v, err := fastjson.Parse(s); err == nil && v.Type() == fastjson.TypeString {
			return string(v.GetStringBytes())
		}
	}
	return s
}

func escaped(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }

// activity adds what the forms of the activity log call differently.
func activity(r *record) {
	operation := r.text("operationName", "operationName.value", "OperationNameValue", "OperationName")
	if plain(r.get("operationName")) == "" {
		r.add("operationName", operation)
	}
	if !r.has("OperationNameValue") {
		r.add("OperationNameValue", operation)
	}
	if !r.has("CategoryValue") {
		r.add("CategoryValue", r.text("properties.eventCategory", "category", "category.value"))
	}
	if !r.has("ResourceProviderValue") {
		provider, _, _ := strings.Cut(operation, "/")
		r.add("ResourceProviderValue", provider)
	}
	if !r.has("ResourceId") {
		r.add("ResourceId", r.text("resourceId", "_ResourceId", "resourceUri"))
	}
	if !r.has("resourceId") {
		r.add("resourceId", r.text("ResourceId", "_ResourceId", "resourceUri"))
	}
	const upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
	for _, keys := range [...][]string{{"identity", "claims", upn}, {"claims", upn}, {"identity", "claims", "name"}, {"identity", "claims", "appid"}} {
		if caller := plain(r.v.Get(keys...)); caller != "" && !r.has("caller") {
			r.add("caller", caller)
			break
		}
	}
	if !r.has("callerIpAddress") {
		r.add("callerIpAddress", r.text("httpRequest.clientIpAddress", "CallerIpAddress"))
	}
	r.add("status", r.text("status.value", "ActivityStatusValue", "resultType"))
}
