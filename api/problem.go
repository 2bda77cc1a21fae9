package api

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"holdfast"
	"holdfast/api/account"
	"holdfast/query"
)

// Problem is an error as RFC 9457 has it, with what Holdfast adds: the place
// of a query's fault, and what keeps an incident open.
type Problem struct {
	huma.ErrorModel
	Fault *query.Error    `json:"fault,omitempty"`
	Open  []holdfast.Open `json:"open,omitempty"`
}

// errOpen carries the open points of a close gate.
type errOpen struct{ open []holdfast.Open }

func (e errOpen) Error() string { return "the incident cannot close yet" }

// problem is the one place that maps errors to HTTP statuses.
func problem(err error) error {
	status := http.StatusInternalServerError
	var fault *query.Error
	var open errOpen
	switch {
	case errors.As(err, &fault), errors.Is(err, holdfast.ErrInvalid):
		status = http.StatusUnprocessableEntity
	case errors.As(err, &open):
		status = http.StatusConflict
	case errors.Is(err, holdfast.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, account.ErrLogin):
		status = http.StatusUnauthorized
	case errors.Is(err, account.ErrSlow):
		status = http.StatusTooManyRequests
	case errors.Is(err, holdfast.ErrForbidden):
		status = http.StatusForbidden
	case errors.Is(err, holdfast.ErrConflict), errors.Is(err, holdfast.ErrRefused):
		status = http.StatusConflict
	case errors.Is(err, holdfast.ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, holdfast.ErrFull), errors.Is(err, holdfast.ErrAway):
		status = http.StatusServiceUnavailable
	}
	p := &Problem{Fault: fault, Open: open.open}
	p.Status, p.Title, p.Detail = status, http.StatusText(status), err.Error()
	return p
}
