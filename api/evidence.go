package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
)

// CheckpointView is the newest signed checkpoint of the evidence log.
type CheckpointView struct {
	Text string `json:"text"`
	Size uint64 `json:"size"`
}

func (a *API) evidence() {
	type page struct {
		Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
		Before uint64 `query:"before" doc:"entries with an index below this; 0 for the newest"`
	}
	add(a, route{"GET", "/evidence", "evidence.read", "The evidence log, newest first", ""}, func(ctx context.Context, in *page) (*List[EvidenceEntry], error) {
		items, err := a.Evidence.List(ctx, in.Before, in.Limit)
		if err != nil {
			return nil, err
		}
		_, size, err := a.Evidence.Checkpoint()
		return listed(items, int(size)), err
	})
	add(a, route{"GET", "/evidence/checkpoint", "evidence.read", "The newest signed checkpoint", ""}, func(context.Context, *struct{}) (*One[CheckpointView], error) {
		text, size, err := a.Evidence.Checkpoint()
		return &One[CheckpointView]{CheckpointView{text, size}}, err
	})
	add(a, route{"GET", "/evidence/export", "evidence.read", "The whole log as a tar archive, to be verified offline", ""}, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) {
			c.SetHeader("Content-Type", "application/x-tar")
			c.SetHeader("Content-Disposition", `attachment; filename="evidence.tar"`)
			// An archive that breaks off lacks its end, which the reader sees.
			if err := a.Evidence.Export(c.Context(), c.BodyWriter()); err != nil {
				a.Log.Warn("evidence was not exported to its end", "error", err)
			}
		}}, nil
	})
}
