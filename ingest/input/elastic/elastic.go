// Package elastic takes documents as the bulk API of Elasticsearch does, well
// enough that shippers made for it connect unchanged. It stores nothing of the
// templates, policies and pipelines that they set up, and answers no searches;
// what stands in a document is left to the parsers.
package elastic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// Input describes the input. Its Run only waits: the server mounts Handler.
func Input() input.Input {
	return input.Input{
		Name:  "elastic",
		Title: "Elasticsearch bulk API",
		Description: "Takes what Filebeat, Winlogbeat, Logstash, Vector, Fluent Bit and rsyslog send to Elasticsearch: index and create of " +
			"the bulk API, one answer an item, with a token as password or API key. The server has it on, without configuration.",
		References: []string{"https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk", "https://www.elastic.co/guide/en/ecs/current/index.html"},
		Options:    map[string]string{},
		Send:       `printf '{"create":{}}\n{"message":"hello"}\n' | curl -sS -u "holdfast:$TOKEN" "$URL/elastic/_bulk" -H 'Content-Type: application/x-ndjson' --data-binary @-`,
		Example:    input.Config{Kind: "elastic", Where: "/elastic"},
		Check: func(cfg input.Config) error {
			if len(cfg.Options) > 0 {
				return fmt.Errorf("elastic: there are no options: %w", holdfast.ErrInvalid)
			}
			return nil
		},
		Run: func(ctx context.Context, _ input.Config, _ input.Env) error { <-ctx.Done(); return nil },
	}
}

// Prefix is where the API stands. Shippers that cannot be told a path find it
// at the root as well.
const Prefix = "/elastic"

// Takes reports whether a request is for this way in. At the root that is what
// only this API has, and "/" itself if it comes with a token: without one it is
// a person with a browser.
func Takes(r *http.Request) bool {
	path := r.URL.Path
	if path == Prefix || strings.HasPrefix(path, Prefix+"/") {
		return true
	}
	if path == "/" {
		return r.Header.Get("Authorization") != ""
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch parts[0] {
	case "_bulk", "_license", "_xpack", "_cluster", "_cat", "_nodes", "_index_template", "_component_template", "_template", "_ilm", "_data_stream", "_ingest", "_alias":
		return true
	}
	return len(parts) > 1 && (parts[len(parts)-1] == "_bulk" || parts[1] == "_doc" || parts[1] == "_create")
}

// Handler returns the handler. The source of records is "elastic:NAME", by the
// name of the token.
func Handler(gate *intake.Gate) http.Handler {
	h := &handler{gate}
	return http.HandlerFunc(h.serve)
}

type handler struct{ gate *intake.Gate }

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", answerType(r))
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	parts := strings.Split(path, "/")
	last := parts[len(parts)-1]
	posted := r.Method == http.MethodPost || r.Method == http.MethodPut
	bulk := last == "_bulk" && len(parts) <= 3
	single := len(parts) > 1 && len(parts) <= 3 && (parts[1] == "_doc" || parts[1] == "_create")
	if !posted || !bulk && !single {
		if bulk || single {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, "illegal_argument_exception", "send documents by POST")
			return
		}
		if _, err := h.gate.Known(r); err != nil {
			refuseSender(w, err)
			return
		}
		h.handshake(w, r, parts)
		return
	}
	visit, err := h.gate.Enter(w, r)
	if err != nil {
		refuseSender(w, err)
		return
	}
	defer visit.Leave()
	body, done, err := intake.Unpack(w, r, intake.MaxPlain)
	if err != nil {
		refuse(w, http.StatusUnsupportedMediaType, "media_type_header_exception", err.Error())
		return
	}
	defer done()
	t := &taking{gate: h.gate, source: "elastic:" + visit.Name, key: h.gate.Key(), filter: filterOf(r.URL.Query().Get("filter_path"))}
	t.batch = intake.Batch{Visit: visit, Done: t.done}
	if single {
		id := ""
		if len(parts) == 3 {
			id = last
		}
		h.one(w, r, t, body, parts[0], id)
		return
	}
	if len(parts) > 1 {
		t.index = parts[0]
	}
	t.answer(w, t.bulk(r.Context(), body))
}

// refuseSender answers one that is not let in.
func refuseSender(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, holdfast.ErrForbidden):
		refuse(w, http.StatusForbidden, "security_exception", "this token may not send events")
	case errors.Is(err, intake.ErrBusy):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, rejected, err.Error())
	default:
		w.Header().Set("WWW-Authenticate", `Basic realm="holdfast" charset="UTF-8"`)
		refuse(w, http.StatusUnauthorized, "security_exception", intake.Told(err, "send a token, as the password of any user or as API key; `holdfast inputs token NAME` makes one"))
	}
}

const rejected = "es_rejected_execution_exception"

// refuse answers a whole request as Elasticsearch does.
func refuse(w http.ResponseWriter, status int, kind, reason string) {
	b := append([]byte(`{"error":{"root_cause":[`), cause(kind, reason)...)
	b = append(b, "],"...)
	b = append(b, cause(kind, reason)[1:]...)
	b = append(b, `,"status":`...)
	b = append(strconv.AppendInt(b, int64(status), 10), '}')
	w.WriteHeader(status)
	_, _ = w.Write(b) //nolint:gosec // JSON, said to be JSON, and what is HTML in it is escaped
}

func cause(kind, reason string) []byte {
	b := holdfast.AppendJSONString([]byte(`{"type":`), kind)
	b = holdfast.AppendJSONString(append(b, `,"reason":`...), reason)
	return append(b, '}')
}

// answerType is what the sender asked for: clients of version 8 and later want
// the version in it.
func answerType(r *http.Request) string {
	const vendor = "application/vnd.elasticsearch+json"
	accept := r.Header.Get("Accept")
	if !strings.Contains(accept, vendor) {
		return "application/json"
	}
	_, v, _ := strings.Cut(accept, "compatible-with=")
	if v == "" || v[0] < '7' || v[0] > '9' {
		return vendor
	}
	return vendor + ";compatible-with=" + v[:1]
}

// version is what is said to a sender that does not say its own. Beats refuse
// one that is older than they are, so they hear theirs.
func version(agent string) string {
	if m := beat.FindStringSubmatch(agent); m != nil {
		return m[1]
	}
	return "8.19.0"
}

var beat = regexp.MustCompile(`^(?:Elastic-)?(?i:[a-z]+beat)/([789]\.\d{1,3}\.\d{1,3})`)
