package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"holdfast"
	"holdfast/spine"
)

// maxReplays is how many replays run at a time.
const maxReplays = 2

func (a *API) replay() {
	running := make(chan struct{}, maxReplays)
	type request struct {
		Body struct {
			Rule  string    `json:"rule,omitempty" maxLength:"300" doc:"the key of a loaded rule; or"`
			Text  string    `json:"text,omitempty" maxLength:"1000000" doc:"rules as a file has them"`
			Where string    `json:"where,omitempty" maxLength:"16384" doc:"an exception to be tried"`
			From  time.Time `json:"from,omitempty" required:"false"`
			To    time.Time `json:"to,omitempty" required:"false"`
		}
	}
	add(a, route{"POST", "/rules/replay", "rule.replay", "Run a rule over stored events; lines of JSON say how far it is, the last one has the result", ""}, func(_ context.Context, in *request) (*huma.StreamResponse, error) {
		run, err := a.Loop.Replay(spine.ReplayRequest{Rule: in.Body.Rule, Text: in.Body.Text, Where: in.Body.Where, From: in.Body.From, To: in.Body.To})
		if err != nil {
			return nil, err
		}
		select {
		case running <- struct{}{}:
		default:
			return nil, holdfast.ErrFull
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer func() { <-running }()
			c.SetHeader("Content-Type", "application/x-ndjson")
			c.SetHeader("Cache-Control", "no-store")
			w := c.BodyWriter()
			enc := json.NewEncoder(w)
			var told time.Time
			say := func(l holdfast.ReplayLine) {
				if err := enc.Encode(l); err != nil {
					return // the reader is gone, and with it the context
				}
				if rw, ok := w.(http.ResponseWriter); ok {
					_ = http.NewResponseController(rw).Flush()
				}
			}
			out, err := run(c.Context(), func(l holdfast.ReplayLine) {
				if now := time.Now(); now.Sub(told) > 200*time.Millisecond {
					told = now
					say(l)
				}
			})
			if err != nil {
				say(holdfast.ReplayLine{Error: err.Error()})
				return
			}
			say(holdfast.ReplayLine{Result: &out})
		}}, nil
	})
}
