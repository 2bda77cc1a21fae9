// Package hec takes events as Splunk's HTTP Event Collector does: JSON events,
// raw lines, acknowledgements, health. What stands in an event is left to the
// parsers.
package hec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// Input describes the input. Its Run only waits: the server mounts Handler.
func Input() input.Input {
	return input.Input{
		Name:  "hec",
		Title: "Splunk HTTP Event Collector",
		Description: "Takes what is made to be sent to Splunk: events and raw lines, with host, source, sourcetype, index and fields, " +
			"acknowledgements by channel, and health. The token is the Splunk token. The server has it on, without configuration.",
		References: []string{
			"https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector",
			"https://docs.splunk.com/Documentation/Splunk/latest/Data/AboutHECIDXAck",
			"https://docs.splunk.com/Documentation/Splunk/latest/Data/TroubleshootHTTPEventCollector",
		},
		Options: map[string]string{},
		Send:    `curl -sS "$URL/services/collector/event" -H "Authorization: Splunk $TOKEN" -d '{"event":"hello","host":"web-01"}'`,
		Example: input.Config{Kind: "hec", Where: Prefix},
		Check: func(cfg input.Config) error {
			if len(cfg.Options) > 0 {
				return fmt.Errorf("hec: there are no options: %w", holdfast.ErrInvalid)
			}
			return nil
		},
		Run: func(ctx context.Context, _ input.Config, _ input.Env) error { <-ctx.Done(); return nil },
	}
}

// Prefix is where the collector stands.
const Prefix = "/services/collector"

// Takes reports whether a request is for this way in.
func Takes(r *http.Request) bool {
	return r.URL.Path == Prefix || strings.HasPrefix(r.URL.Path, Prefix+"/")
}

// Handler returns the handler. The source of records is "hec:NAME", by the name
// of the token.
func Handler(gate *intake.Gate) http.Handler {
	h := &handler{gate: gate}
	h.acks.key = gate.AckKey
	h.acks.next.Store(uint64(gate.Clock.Now().UnixNano())) // so that few are given twice
	return http.HandlerFunc(h.serve)
}

type handler struct {
	gate *intake.Gate
	acks acks
}

// said is one of the answers that Splunk documents.
type said struct {
	status int
	code   int
	text   string
}

var (
	saySuccess     = said{200, 0, "Success"}
	sayDisabled    = said{403, 1, "Token disabled"}
	sayNoToken     = said{401, 2, "Token is required"}
	sayNoScheme    = said{401, 3, "Invalid authorization"}
	sayWrongToken  = said{403, 4, "Invalid token"}
	sayNoData      = said{400, 5, "No data"}
	sayBadFormat   = said{400, 6, "Invalid data format"}
	sayFailed      = said{500, 8, "Internal server error"}
	sayBusy        = said{503, 9, "Server is busy"}
	sayNoChannel   = said{400, 10, "Data channel is missing"}
	sayBadChannel  = said{400, 11, "Invalid data channel"}
	sayNoEvent     = said{400, 12, "Event field is required"}
	sayBlank       = said{400, 13, "Event field cannot be blank"}
	sayBadFields   = said{400, 15, "Error in handling indexed fields"}
	sayHealthy     = said{200, 17, "HEC is healthy"}
	sayUnhealthy   = said{503, 18, "HEC is unhealthy, queues are full"}
	sayTooLarge    = said{413, 27, "Request entity too large"}
	sayNotFound    = said{404, 404, "The requested URL was not found on this server."}
	sayNotAllowed  = said{405, 405, "Method Not Allowed"}
	sayBadEncoding = said{415, 6, "Invalid data format"}
)

func (s said) write(w http.ResponseWriter, more string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(s.status)
	b := holdfast.AppendJSONString([]byte(`{"text":`), s.text)
	b = strconv.AppendInt(append(b, `,"code":`...), int64(s.code), 10)
	_, _ = w.Write(append(append(b, more...), '}'))
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	what := strings.Trim(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	what = strings.TrimSuffix(what, "/1.0")
	if what == "health" {
		if h.gate.Room != nil && h.gate.Room() != nil {
			sayUnhealthy.write(w, "")
			return
		}
		sayHealthy.write(w, "")
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		if r.Method == http.MethodOptions { // Docker's log driver asks so, without a token, before a container starts
			return
		}
		sayNotAllowed.write(w, "")
		return
	}
	visit, err := h.gate.Enter(w, r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	defer visit.Leave()
	channel := r.Header.Get("X-Splunk-Request-Channel")
	if channel == "" {
		channel = r.URL.Query().Get("channel")
	}
	if len(channel) > maxChannel || strings.ContainsAny(channel, "/\x00") {
		sayBadChannel.write(w, "")
		return
	}
	body, done, err := intake.Unpack(w, r, intake.MaxPlain)
	if err != nil {
		sayBadEncoding.write(w, "")
		return
	}
	defer done()
	t := &taking{gate: h.gate, source: "hec:" + visit.Name, key: h.gate.Key(), batch: intake.Batch{Visit: visit}, bad: -1}
	t.batch.Done = func(n int, err error) {
		if err == nil {
			t.taken += n
		}
	}
	switch what {
	case "", "event":
		err = t.events(r.Context(), body)
	case "raw":
		err = t.lines(r.Context(), body, r.URL.Query())
	case "ack":
		h.ack(w, body, visit.ID, channel)
		return
	default:
		sayNotFound.write(w, "")
		return
	}
	t.answer(w, err, func() string {
		if channel == "" {
			return ""
		}
		return `,"ackId":` + strconv.FormatUint(h.acks.issue(visit.ID, channel), 10)
	})
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, holdfast.ErrForbidden):
		sayDisabled.write(w, "")
	case errors.Is(err, intake.ErrBusy):
		w.Header().Set("Retry-After", "1")
		sayBusy.write(w, "")
	case r.Header.Get("Authorization") == "":
		sayNoToken.write(w, "")
	case intake.Secret(r.Header.Get("Authorization")) == "":
		sayNoScheme.write(w, "")
	default:
		sayWrongToken.write(w, "")
	}
}

// answer gives the one answer of a request. An acknowledgement's id is given
// only after all of it is durable.
func (t *taking) answer(w http.ResponseWriter, err error, ack func() string) {
	var put *intake.PutError
	switch {
	case errors.As(err, &put) && errors.Is(err, holdfast.ErrFull):
		w.Header().Set("Retry-After", strconv.Itoa(intake.RetryAfter(err)))
		sayBusy.write(w, "")
	case errors.As(err, &put):
		w.Header().Set("Retry-After", "1")
		sayFailed.write(w, "")
	case err != nil && intake.TooLarge(err):
		sayTooLarge.write(w, "")
	case t.bad >= 0:
		t.why.write(w, `,"invalid-event-number":`+strconv.Itoa(t.bad))
	case err != nil:
		sayBadFormat.write(w, `,"invalid-event-number":`+strconv.Itoa(t.count))
	case t.count == 0:
		sayNoData.write(w, "")
	default:
		saySuccess.write(w, ack())
	}
}
