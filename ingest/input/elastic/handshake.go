package elastic

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"holdfast"
	"holdfast/internal/intake"
)

// handshake answers what shippers ask before they send. What they would set up
// is said to be there already, so that they leave it at that.
func (h *handler) handshake(w http.ResponseWriter, r *http.Request, parts []string) {
	name := ""
	if len(parts) > 1 {
		name = parts[len(parts)-1]
	}
	say := func(b []byte) {
		if r.Method != http.MethodHead {
			_, _ = w.Write(b) //nolint:gosec // JSON, said to be JSON, and what is HTML in it is escaped
		}
	}
	quoted := string(holdfast.AppendJSONString(nil, name))
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		switch parts[0] {
		case "_index_template", "_component_template", "_template", "_ilm", "_data_stream", "_ingest":
			say([]byte(`{"acknowledged":true}`))
			return
		}
	} else if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed, "illegal_argument_exception", "this is a way in: nothing can be deleted")
		return
	}
	switch parts[0] {
	case "":
		say(info(r))
	case "_license":
		say([]byte(license))
	case "_xpack":
		if name == "license" {
			say([]byte(license))
			return
		}
		say([]byte(xpack))
	case "_cluster":
		say([]byte(health))
	case "_cat":
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		say([]byte("0 00:00:00 holdfast green 1 1 0 0 0 0 0 0 - 100.0%\n"))
	case "_nodes":
		say(nodes(r))
	case "_index_template":
		say([]byte(`{"index_templates":[{"name":` + quoted + `,"index_template":{"index_patterns":[],"composed_of":[],"data_stream":{}}}]}`))
	case "_component_template":
		say([]byte(`{"component_templates":[{"name":` + quoted + `,"component_template":{"template":{}}}]}`))
	case "_template", "_ingest":
		say([]byte(`{` + quoted + `:{}}`))
	case "_ilm":
		say([]byte(`{` + quoted + `:{"version":1,"policy":{"phases":{}}}}`))
	case "_data_stream":
		say([]byte(`{"data_streams":[{"name":` + quoted + `,"timestamp_field":{"name":"@timestamp"},"indices":[],"generation":1,"status":"GREEN"}]}`))
	case "_alias":
		index := string(holdfast.AppendJSONString(nil, name+"-000001"))
		say([]byte(`{` + index + `:{"aliases":{` + quoted + `:{"is_write_index":true}}}}`))
	default:
		if len(parts) == 1 && !strings.HasPrefix(parts[0], "_") { // an index
			say([]byte(`{}`))
			return
		}
		refuse(w, http.StatusNotFound, "resource_not_found_exception", "this is a way in: send documents to /_bulk")
	}
}

func info(r *http.Request) []byte {
	v := string(holdfast.AppendJSONString(nil, version(r.UserAgent())))
	return []byte(`{"name":"holdfast","cluster_name":"holdfast","cluster_uuid":"holdfast","version":{"number":` + v +
		`,"build_flavor":"default","build_type":"tar","build_hash":"holdfast","build_date":"2025-01-01T00:00:00.000Z","build_snapshot":false,` +
		`"lucene_version":"9.12.0","minimum_wire_compatibility_version":"7.17.0","minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"}`)
}

// nodes is this one, at the address by which it was asked: clients that look for
// the nodes of a cluster go on with what they find, and with nothing if there is no
// address. Filebeat's modules look for the processors that their pipelines need.
func nodes(r *http.Request) []byte {
	at := r.Host
	if _, _, err := net.SplitHostPort(at); err != nil {
		port := "80"
		if r.TLS != nil {
			port = "443"
		}
		at = net.JoinHostPort(strings.Trim(at, "[]"), port)
	}
	b := []byte(`{"_nodes":{"total":1,"successful":1,"failed":0},"cluster_name":"holdfast","nodes":{"holdfast":{"name":"holdfast","version":`)
	b = holdfast.AppendJSONString(b, version(r.UserAgent()))
	b = holdfast.AppendJSONString(append(b, `,"roles":["data","ingest"],"http":{"publish_address":`...), at)
	b = fmt.Appendf(b, `,"max_content_length_in_bytes":%d},"ingest":{"processors":[`, intake.MaxBody)
	for i, p := range strings.Fields(processors) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"type":"`...), p...), `"}`...)
	}
	return append(b, `]}}}}`...)
}

// processors are those of Elasticsearch's ingest pipelines. None of them is needed
// here: what a pipeline would find in a line, the parsers do.
const processors = `append attachment bytes circle community_id convert csv date date_index_name dissect dot_expander drop enrich fail
	fingerprint foreach geoip grok gsub html_strip inference ip_location join json kv lowercase network_direction pipeline redact
	registered_domain remove rename reroute script set set_security_user sort split terminate trim uppercase uri_parts urldecode user_agent`

const (
	license = `{"license":{"status":"active","uid":"holdfast","type":"basic","mode":"basic","issued_to":"holdfast","issuer":"holdfast"}}`
	xpack   = `{"license":{"uid":"holdfast","type":"basic","mode":"basic","status":"active"},"features":{"ilm":{"available":true,"enabled":true},"data_streams":{"available":true,"enabled":true},"security":{"available":true,"enabled":true}}}`
	health  = `{"cluster_name":"holdfast","status":"green","timed_out":false,"number_of_nodes":1,"number_of_data_nodes":1,"active_primary_shards":1,"active_shards":1,"relocating_shards":0,"initializing_shards":0,"unassigned_shards":0,"active_shards_percent_as_number":100.0}`
)
