package winevent

import (
	"slices"
	"strings"
	"testing"

	"holdfast"
	"holdfast/ingest/parser"
)

// TestChannels has events of channels whose service is not their name.
func TestChannels(t *testing.T) {
	p := Parser()
	for channel, service := range map[string]string{
		"DNS Server": "dns-server",
		"Microsoft-Windows-DNS-Server/Analytical":                 "dns-server-analytic",
		"Microsoft-Windows-DriverFrameworks-UserMode/Operational": "driver-framework",
		"Microsoft-ServiceBus-Client/Admin":                       "microsoft-servicebus-client",
		"Microsoft-ServiceBus-Client/Operational":                 "servicebus-client",
	} {
		got, err := p.Parse([]byte(strings.Replace(process, "Microsoft-Windows-Sysmon/Operational", channel, 1)), parser.Hint{})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(p.Datasets, func(d holdfast.Dataset) bool { return d.Name == got.Dataset })
		if i < 0 {
			t.Fatalf("%s: no dataset %q", channel, got.Dataset)
		}
		want := holdfast.Logsource{Product: "windows", Service: service}
		if d := p.Datasets[i]; d.Logsource != want && !slices.Contains(d.Also, want) {
			t.Errorf("%s: %+v serves %+v and %+v", channel, d.Name, d.Logsource, d.Also)
		}
	}
}
