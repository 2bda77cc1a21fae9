// Package winevent reads Windows events in the JSON form of their XML: an
// object with the key Event, as package evtx and the common exporters write it.
// It finds the dataset by channel, event id and event type.
package winevent

import (
	"slices"
	"strings"
	"sync"

	"holdfast"
	"holdfast/ingest/parser"
)

const product = "windows"

// Parser describes the parser.
func Parser() parser.Parser {
	pool := sync.Pool{New: func() any { return newReader() }}
	return parser.Parser{
		Name:  "winevent",
		Title: "Windows events",
		Description: "Events of any channel, as JSON of their XML. EventData and UserData become fields under their own names, " +
			"without blanks; attributes of System are joined to their element's name (Provider_Name).",
		References: []string{"[MS-EVEN6] 2.2.12", "Sigma specification 2.1, logsource"},
		Datasets:   Datasets(),
		Form:       parser.Object,
		Parse: func(raw []byte, hint parser.Hint) (parser.Parsed, error) {
			r := pool.Get().(*reader)
			defer pool.Put(r)
			return r.parse(raw, hint.Into)
		},
	}
}

// Datasets lists one for each category and each service, and one for events of
// other channels.
func Datasets() []holdfast.Dataset {
	out := []holdfast.Dataset{dataset("windows.event", "", kind{})}
	for _, s := range services {
		name := "windows." + s
		if !slices.ContainsFunc(out, func(d holdfast.Dataset) bool { return d.Name == name }) {
			out = append(out, dataset(name, s, kind{}))
		}
	}
	for _, k := range kinds {
		name := k.dataset()
		if !slices.ContainsFunc(out, func(d holdfast.Dataset) bool { return d.Name == name }) {
			out = append(out, dataset(name, k.service, k))
		}
	}
	slices.SortFunc(out, func(a, b holdfast.Dataset) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (k *kind) dataset() string { return "windows." + k.service + "." + k.category }

// service is where events of one service go: by id, else to the dataset.
type service struct {
	dataset string
	kinds   map[string][]*kind
	coded   bool // its values hold codes for words
}

// byService has an entry for "" as well: channels without a service.
var byService = func() map[string]*service {
	out := map[string]*service{"": {dataset: "windows.event"}}
	for _, s := range services {
		out[s] = &service{"windows." + s, map[string][]*kind{}, s == "security"}
	}
	for i := range kinds {
		k := &kinds[i]
		k.name = k.dataset()
		out[k.service].kinds[k.id] = append(out[k.service].kinds[k.id], k)
	}
	return out
}()

func dataset(name, service string, k kind) holdfast.Dataset {
	d := holdfast.Dataset{
		Name:      name,
		Title:     strings.TrimSpace("Windows " + service + " " + strings.ReplaceAll(k.category, "_", " ")),
		Logsource: holdfast.Logsource{Product: product, Service: service, Category: k.category},
		Whole:     true,
		Alias:     aliases[service+"/"+k.category],
		ECS: map[string]string{
			"Computer": holdfast.EntityHost,
			"User":     holdfast.EntityUser, "TargetUserName": holdfast.EntityUser, "SubjectUserName": holdfast.EntityUser,
			"IpAddress": holdfast.EntitySource, "SourceIp": holdfast.EntitySource, "SourceAddress": holdfast.EntitySource, "ClientAddress": holdfast.EntitySource,
			"DestinationIp": holdfast.EntityDestination, "DestAddress": holdfast.EntityDestination,
			"Image": holdfast.EntityExecutable, "NewProcessName": holdfast.EntityExecutable, "ProcessName": holdfast.EntityExecutable, "Application": holdfast.EntityExecutable,
			"Hashes": holdfast.EntityHash, "TargetFilename": holdfast.EntityFile, "ImageLoaded": holdfast.EntityFile, "QueryName": holdfast.EntityDomain,
			"CommandLine": "process.command_line", "ParentImage": "process.parent.executable", "ParentCommandLine": "process.parent.command_line",
			"ProcessId": "process.pid", "EventID": "event.code", "Channel": "winlog.channel", "LogonType": "winlog.logon.type",
			"SourcePort": "source.port", "IpPort": "source.port", "DestinationPort": "destination.port", "TargetObject": "registry.path",
		},
	}
	if k.general != "" {
		d.Also = []holdfast.Logsource{{Product: product, Service: service, Category: k.general}}
	}
	if other := alsoNamed[service]; other != "" {
		d.Also = append(d.Also, holdfast.Logsource{Product: product, Service: other, Category: k.category})
	}
	return d
}
