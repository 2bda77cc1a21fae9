package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"holdfast"
)

const (
	maxListeners = 200
	heartbeat    = 15 * time.Second
)

type change struct{ noun, id string }

// stream tells every open console what has changed. A slow listener loses
// changes, and is told to read everything again.
type stream struct {
	mu        sync.Mutex
	listeners map[chan change]bool
}

func newStream() *stream { return &stream{listeners: map[chan change]bool{}} }

func (s *stream) tell(noun, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		select {
		case l <- change{noun, id}:
		default:
			select {
			case <-l: // make room for the word that says: everything
				l <- change{"everything", ""}
			default:
			}
		}
	}
}

func (s *stream) listen() (chan change, func(), bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) >= maxListeners {
		return nil, nil, false
	}
	l := make(chan change, 64)
	s.listeners[l] = true
	return l, func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}, true
}

func (a *API) streamRoute() {
	add(a, route{"GET", "/stream", "stream.read", "Server-sent events: what has changed", ""}, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		l, stop, ok := a.stream.listen()
		if !ok {
			return nil, holdfast.ErrFull
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer stop()
			c.SetHeader("Content-Type", "text/event-stream")
			c.SetHeader("Cache-Control", "no-store")
			w := c.BodyWriter()
			var rc *http.ResponseController
			if rw, ok := w.(http.ResponseWriter); ok {
				rc = http.NewResponseController(rw)
			}
			send := func(b []byte) bool {
				if _, err := w.Write(b); err != nil {
					return false
				}
				return rc == nil || rc.Flush() == nil
			}
			tick := time.NewTicker(heartbeat)
			defer tick.Stop()
			if !send([]byte(": open\n\n")) {
				return
			}
			for {
				select {
				case <-c.Context().Done():
					return
				case <-tick.C:
					if !send([]byte(": beat\n\n")) {
						return
					}
				case ch := <-l:
					b := append([]byte("event: change\ndata: {\"noun\":"), holdfast.AppendJSONString(nil, ch.noun)...)
					b = append(b, `,"id":`...)
					b = holdfast.AppendJSONString(b, ch.id)
					if !send(append(b, "}\n\n"...)) {
						return
					}
				}
			}
		}}, nil
	})
}
