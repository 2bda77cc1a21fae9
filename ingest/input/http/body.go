package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// take reads the body by what it says it is, and puts what is left.
func (t *taking) take(ctx context.Context, kind string, body io.Reader) error {
	r := bufio.NewReaderSize(body, 64<<10)
	var err error
	switch {
	case kind == "text/csv":
		err = t.rows(ctx, r)
	case strings.HasSuffix(kind, "msgpack"):
		err = t.packed(ctx, r)
	case kind == "application/json":
		var rest io.Reader
		if rest, err = t.pushed(ctx, r); err == nil && rest != nil {
			err = t.values(ctx, bufio.NewReaderSize(rest, 64<<10))
		}
	case t.json && first(r) == '[', isList(r), unsaid(kind) && (isArray(r) || isSpread(r)):
		err = t.elements(ctx, r)
	default:
		err = t.lines(ctx, r)
	}
	var put *intake.PutError
	if err != nil && (errors.As(err, &put) || intake.TooLarge(err)) {
		return err
	}
	// What came before a body that ends too early is whole.
	return errors.Join(err, t.batch.Put(ctx))
}

// values takes an array, a list of records, one object over many lines, or lines.
func (t *taking) values(ctx context.Context, r *bufio.Reader) error {
	if first(r) == '[' || isList(r) || isSpread(r) {
		return t.elements(ctx, r)
	}
	return t.lines(ctx, &stream{from: r})
}

// unsaid reports whether a sender named no kind of body, but only what its tool
// says by itself.
func unsaid(kind string) bool {
	return kind == "" || kind == "application/x-www-form-urlencoded" || kind == "application/octet-stream"
}

// array is the beginning of an array of objects, which no line of a log has.
var array = regexp.MustCompile(`^(?:\xef\xbb\xbf)?\s*\[\s*\{\s*["}]`)

func isArray(r *bufio.Reader) bool {
	head, _ := r.Peek(128)
	return array.Match(head)
}

// isSpread reports whether the body begins with an object that is written over
// many lines, and could not be read by lines.
func isSpread(r *bufio.Reader) bool {
	head, _ := r.Peek(128)
	line, rest, more := bytes.Cut(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"), []byte("\n"))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return more && len(bytes.TrimSpace(line)) == 1 && line[0] == '{' && len(rest) > 0 && rest[0] != '{'
}

// isList reports whether the body begins as the envelope of a list of records,
// whatever kind it is said to be: it could not be read by lines.
func isList(r *bufio.Reader) bool {
	head, _ := r.Peek(128)
	return intake.IsList(head)
}

// first is the first byte that is no white space, or 0.
func first(r *bufio.Reader) byte {
	for n := 1; n <= r.Size(); n++ {
		b, err := r.Peek(n)
		if err != nil {
			return 0
		}
		switch c := b[n-1]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// lines takes the body line by line, long lines in pieces.
func (t *taking) lines(ctx context.Context, r io.Reader) error {
	lines := intake.NewLines(r, input.MaxRecord)
	var received time.Time
	for n, part, reads := 1, 0, -1; ; {
		raw, more, err := lines.Next()
		if reads != lines.Reads {
			reads, received = lines.Reads, t.clock.Now()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(bytes.TrimSpace(raw)) > 0 || part > 0 && len(raw) > 0 {
			if err := t.line(ctx, received, n, part, raw, more); err != nil {
				return err
			}
		}
		switch {
		case err != nil:
			return nil
		case more:
			part++
		default:
			n, part = n+1, 0
		}
	}
}

// elements takes the elements of a JSON array; a line of the answer is one of
// them.
func (t *taking) elements(ctx context.Context, r io.Reader) error {
	values := intake.NewValues(r, input.MaxRecord, true)
	for n, part := 1, 0; ; {
		raw, more, err := values.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		}
		if len(raw) > 0 {
			if err := t.line(ctx, t.clock.Now(), n, part, raw, more); err != nil {
				return err
			}
		}
		switch {
		case err != nil:
			return err
		case more:
			part++
		default:
			n, part = n+1, 0
		}
	}
}
