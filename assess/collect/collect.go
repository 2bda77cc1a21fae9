// Package collect is the contract and catalogue of collectors: each reads one
// kind of fact from a host. Judging facts is left to checks.
package collect

import (
	"context"

	"holdfast"
	"holdfast/internal/host"
)

// Collector describes one reader of facts. Collect changes nothing on the
// host, never runs a shell, and returns at most MaxRows rows a table; a table
// that could not be read comes back with Error set, not as an empty one. Rows
// have declared columns only, and what cannot be known is left out of a row.
// Once ctx is done it returns ctx's error, soon.
type Collector struct {
	Name        string // "linux.sshd"
	Description string
	References  []string
	OS          []string // "linux", …
	Tables      []Schema
	// Needs says which right it wants and what lacks without it: "root: the
	// owners of other users' sockets".
	Needs   string
	Collect func(ctx context.Context, h *host.Host) ([]holdfast.Table, error)
}

// Schema documents a table.
type Schema struct {
	Name    string
	Columns []Column
}

// Column documents a column: Type is string, int (an int64), bool or list (a
// []any of texts).
type Column struct{ Name, Type, Description string }

// Rest is the name of a column that stands for all others of its type, where
// the host decides which there are.
const Rest = "…"

// MaxRows bounds a table.
const MaxRows = 100_000
