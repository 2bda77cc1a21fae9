//go:build !linux

package disableaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"holdfast"
	"holdfast/internal/host"
)

var errSystem = fmt.Errorf("%s works on Linux, not on %s: %w", name, runtime.GOOS, errors.ErrUnsupported)

func plan(_ context.Context, _ *host.Host, raw json.RawMessage) (holdfast.Plan, error) {
	if _, err := readParams(raw); err != nil {
		return holdfast.Plan{}, err
	}
	return holdfast.Plan{}, errSystem
}

func apply(context.Context, *host.Host, holdfast.Plan) error { return errSystem }

func undo(context.Context, *host.Host, holdfast.Plan) error { return errSystem }

func verify(context.Context, *host.Host, holdfast.Plan) (holdfast.Proof, error) {
	return holdfast.Proof{}, errSystem
}

func verifyUndone(context.Context, *host.Host, holdfast.Plan) (holdfast.Proof, error) {
	return holdfast.Proof{}, errSystem
}
