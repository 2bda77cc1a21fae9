package api

import (
	"context"

	"holdfast/spine"
)

func (a *API) status() {
	add(a, route{"GET", "/status", "status.read", "Health of the pipeline", ""}, func(ctx context.Context, _ *struct{}) (*One[spine.Status], error) {
		return one(a.Loop.Status(ctx))
	})
	add(a, route{"GET", "/loop", "loop.read", "The loop on one page", ""}, func(ctx context.Context, _ *struct{}) (*One[spine.Overview], error) {
		return one(a.Loop.Overview(ctx))
	})
}
