package http

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/parser"
	"holdfast/internal/intake"
)

// rows takes CSV (RFC 4180) with a header: each row becomes a JSON object with
// the columns as its members, so that it can be read without the header. Cells
// stay texts. A line of the answer is a row; the header is row 0.
func (t *taking) rows(ctx context.Context, r io.Reader) error {
	rows := &rowReader{lines: intake.NewLines(r, input.MaxRecord)}
	head, more, err := rows.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) == 0 && err != nil {
		return nil
	}
	columns, ferr := columnsOf(head)
	if ferr != nil || more {
		return fmt.Errorf("the header: %w", errors.Join(ferr, errIf(more, "it is too long")))
	}
	for n, part := 1, 0; err == nil; {
		var raw []byte
		raw, more, err = rows.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if part == 0 && !more && len(raw) > 0 {
			raw = t.object(n, columns, raw)
		}
		for ; len(raw) > input.MaxRecord; part++ {
			if err := t.line(ctx, t.clock.Now(), n, part, raw[:input.MaxRecord:input.MaxRecord], true); err != nil {
				return err
			}
			raw = raw[input.MaxRecord:]
		}
		if len(raw) > 0 {
			if err := t.line(ctx, t.clock.Now(), n, part, raw, more); err != nil {
				return err
			}
		}
		if more {
			part++
		} else {
			n, part = n+1, 0
		}
	}
	return nil
}

func errIf(yes bool, what string) error {
	if yes {
		return errors.New(what)
	}
	return nil
}

// object is a row as JSON; one that cannot be read stays as it is.
func (t *taking) object(n int, columns []string, raw []byte) []byte {
	cells, err := cellsOf(raw)
	if err != nil {
		t.trouble(n, "no CSV; kept as it is")
		return raw
	}
	out := []byte{'{'}
	for i, cell := range cells {
		name := "column" + strconv.Itoa(i+1)
		if i < len(columns) {
			name = columns[i]
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = holdfast.AppendJSONString(out, name)
		out = append(out, ':')
		out = holdfast.AppendJSONString(out, cell)
	}
	if out = append(out, '}'); len(out) > input.MaxRecord {
		t.trouble(n, "too long with the names of its columns; kept as it is")
		return raw
	}
	if len(cells) != len(columns) {
		t.trouble(n, fmt.Sprintf("%d cells, the header has %d", len(cells), len(columns)))
	}
	return out
}

func columnsOf(head []byte) ([]string, error) {
	columns, err := cellsOf(bytes.TrimPrefix(head, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	if len(columns) > parser.MaxFields {
		return nil, fmt.Errorf("%d columns, %d are allowed", len(columns), parser.MaxFields)
	}
	for i, c := range columns {
		if c = strings.TrimSpace(c); c == "" {
			c = "column" + strconv.Itoa(i+1)
		}
		if len(c) > parser.MaxName {
			return nil, fmt.Errorf("the name of column %d has %d bytes, %d are allowed", i+1, len(c), parser.MaxName)
		}
		columns[i] = c
	}
	return columns, nil
}

func cellsOf(row []byte) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(row))
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	cells, err := r.Read()
	return slices.Clone(cells), err
}

// rowReader joins lines until their quotes are even: a cell in quotes may hold
// line ends.
type rowReader struct {
	lines *intake.Lines
	more  bool // the row before goes on
}

// next returns the next row that is not empty, or a piece of one that is too
// long.
func (r *rowReader) next() (row []byte, more bool, err error) {
	for {
		line, cut, err := r.lines.Next()
		row = append(row, line...)
		switch {
		case err != nil || cut || r.more:
			r.more = cut
			return row, cut, err
		case bytes.Count(row, []byte{'"'})%2 != 0 && len(row) < input.MaxRecord:
			row = append(row, '\n')
			continue
		}
		if row = bytes.TrimSpace(row); len(row) > 0 {
			return row, false, nil
		}
		row = row[:0]
	}
}
