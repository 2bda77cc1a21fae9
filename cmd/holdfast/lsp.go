package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"holdfast/api"
	"holdfast/query"
	"holdfast/query/lsp"
)

// editorWait is how long an editor waits for what a server knows, before it gets
// what is known without.
const editorWait = 4 * time.Second

func (a *app) lsp() *cobra.Command {
	return &cobra.Command{
		Use: "lsp", Short: "Serve an editor: complete, explain and check searches while they are written (Language Server Protocol)",
		Long: `Speaks the Language Server Protocol over standard input and output. A document is one search.
Fields and values come from the server; where none is reached or you are not logged in,
steps, functions and faults are there all the same. docs/query.md says how editors are set up.`,
		Example: `  holdfast lsp
  vim.lsp.start({ name = 'holdfast', cmd = { 'holdfast', 'lsp' } })     in Neovim, for a buffer with a search`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s := lsp.Server{Version: version, Complete: a.completeFor, Check: a.checkFor}
			err := s.Serve(c.Context(), editorPipe{a.in, a.out})
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return errors.New("the editor went away without saying exit")
			}
			return err
		},
	}
}

func (a *app) completeFor(ctx context.Context, text string, cursor int) (c query.Completion) {
	wait, cancel := context.WithTimeout(ctx, editorWait)
	defer cancel()
	if err := a.call(wait, http.MethodPost, "/query/complete", map[string]any{"q": text, "cursor": cursor}, &c); err != nil {
		return query.Complete(text, cursor, nil, time.Now())
	}
	return c
}

func (a *app) checkFor(ctx context.Context, text string) (*query.Error, []query.Error) {
	if fault, _ := query.Check(text, query.Options{MaxRows: 1}, time.Now()); fault != nil {
		return fault, nil
	}
	ctx, cancel := context.WithTimeout(ctx, editorWait)
	defer cancel()
	var x api.Explained
	var f *fault
	err := a.call(ctx, http.MethodPost, "/query/explain", map[string]any{"q": text}, &x)
	if errors.As(err, &f) {
		return f.Fault, nil
	}
	return nil, x.Hints
}

// editorPipe is standard input and output as one.
type editorPipe struct {
	io.Reader
	io.Writer
}

// Close ends the process' part of reading; the output is not ours to close.
func (p editorPipe) Close() error {
	if c, ok := p.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
