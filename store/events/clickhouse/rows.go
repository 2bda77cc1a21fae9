package clickhouse

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast"
)

// maxRow is the longest row that is taken.
const maxRow = 128 << 20

// Limits bound what a search may take.
type Limits struct {
	Rows    int           // of the answer; 0 for no bound
	Time    time.Duration // of running
	Memory  uint64        // bytes
	Threads int
}

// Column is a column of an answer, with its type as ClickHouse names it.
type Column struct{ Name, Type string }

// Rows is an answer that is read row by row.
type Rows struct {
	Columns []Column

	db    *DB
	id    string
	body  io.ReadCloser
	r     *bufio.Reader
	ended bool
	stop  func() bool
	once  sync.Once
}

// reading are the settings of every search: it changes nothing, and ends when
// who asked goes away.
func reading(l Limits) map[string]string {
	m := map[string]string{
		"readonly": "2", "cancel_http_readonly_queries_on_client_close": "1", "output_format_json_quote_64bit_integers": "0",
		"output_format_json_quote_denormals": "0", "output_format_json_validate_utf8": "1", "session_timezone": "UTC", "date_time_output_format": "simple",
	}
	if l.Time > 0 {
		m["max_execution_time"] = strconv.Itoa(max(1, int(l.Time.Seconds())))
	}
	if l.Memory > 0 {
		m["max_memory_usage"] = strconv.FormatUint(l.Memory, 10)
	}
	if l.Threads > 0 {
		m["max_threads"] = strconv.Itoa(l.Threads)
	}
	if l.Rows > 0 { // the statement has a limit of its own; this is the belt to it
		m["max_result_rows"], m["result_overflow_mode"] = strconv.Itoa(l.Rows), "break"
	}
	return m
}

// Query runs one SELECT, whose arguments are texts at {p1:String} and so on.
// The rows must be closed.
func (d *DB) Query(ctx context.Context, sql string, args []any, l Limits) (*Rows, error) {
	if err := d.Ready(ctx); err != nil {
		return nil, err
	}
	return d.query(ctx, sql, args, l)
}

func (d *DB) query(ctx context.Context, sql string, args []any, l Limits) (*Rows, error) {
	set := reading(l)
	set["default_format"] = "JSONCompactEachRowWithNamesAndTypes"
	r := &Rows{db: d, id: holdfast.NewID("holdfast")}
	r.stop = context.AfterFunc(ctx, r.kill)
	body, err := d.send(ctx, request{sql: sql, args: args, settings: set, id: r.id})
	if err != nil {
		r.stop()
		return nil, err
	}
	r.body, r.r = body, bufio.NewReaderSize(body, 64<<10)
	var names, types []string
	if err := errors.Join(r.line(&names), r.line(&types)); err != nil {
		r.Close()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("ClickHouse at %s: the answer was cut off: %w", d.host, io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	if len(names) != len(types) {
		r.Close()
		return nil, fmt.Errorf("ClickHouse at %s: %d names of columns and %d types: %w", d.host, len(names), len(types), holdfast.ErrInvalid)
	}
	for i := range names {
		r.Columns = append(r.Columns, Column{names[i], bare(types[i])})
	}
	return r, nil
}

// bare is a type without what does not change its values' form.
func bare(t string) string {
	for _, around := range []string{"Nullable(", "LowCardinality("} {
		for strings.HasPrefix(t, around) {
			t = strings.TrimSuffix(strings.TrimPrefix(t, around), ")")
		}
	}
	return t
}

// kill has the server end a query that nobody waits for any more. Closing the
// connection does, too, once the server notices.
func (r *Rows) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// It may have ended by now, or the user may not kill: both are no harm.
	_ = r.db.Kill(ctx, r.id)
}

// Close ends the search if it has not ended.
func (r *Rows) Close() error {
	var err error
	r.once.Do(func() {
		mine := r.stop()
		if r.body != nil {
			err = r.body.Close()
		}
		if mine && !r.ended {
			r.kill()
		}
	})
	return err
}

// line reads one line of JSON into v.
func (r *Rows) line(v any) error {
	line, err := r.read()
	if err != nil {
		return err
	}
	if line[0] != '[' {
		return r.broken(line)
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("ClickHouse at %s: a row cannot be read: %w", r.db.host, err)
	}
	return nil
}

// read returns the next line that is not empty.
func (r *Rows) read() ([]byte, error) {
	var line []byte
	for {
		part, err := r.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if len(line) > maxRow {
				return nil, fmt.Errorf("one row has more than %d bytes; ask for fewer columns: %w", maxRow, holdfast.ErrTooLarge)
			}
			continue
		case errors.Is(err, io.EOF):
			if line = bytes.TrimSpace(line); len(line) > 0 {
				return line, nil
			}
			r.ended = true
			return nil, io.EOF
		case err != nil:
			return nil, fmt.Errorf("ClickHouse at %s: the answer was cut off: %w", r.db.host, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

// broken is the error that ClickHouse wrote into an answer under way.
func (r *Rows) broken(line []byte) error {
	rest, _ := io.ReadAll(io.LimitReader(r.r, 4<<10)) // as far as it goes
	text := string(line) + " " + string(rest)
	e := &Error{Text: short(text, 200)}
	if _, after, ok := strings.Cut(text, "Code: "); ok {
		digits, _, _ := strings.Cut(after, ".")
		e.Code, _ = strconv.Atoi(digits)
	}
	r.ended = true
	return r.db.explain(e)
}

// Next returns the next row, or io.EOF after the last.
func (r *Rows) Next() ([]any, error) {
	var row []any
	if err := r.line(&row); err != nil {
		return nil, err
	}
	if len(row) != len(r.Columns) {
		return nil, fmt.Errorf("ClickHouse at %s: a row has %d values for %d columns: %w", r.db.host, len(row), len(r.Columns), holdfast.ErrInvalid)
	}
	for i := range row {
		row[i] = value(row[i], r.Columns[i].Type)
	}
	return row, nil
}

// value is a value of JSON as its type wants it.
func value(v any, typ string) any {
	switch v := v.(type) {
	case json.Number:
		if strings.HasPrefix(typ, "Bool") {
			return v.String() == "1"
		}
		if !strings.HasPrefix(typ, "Float") && !strings.HasPrefix(typ, "Decimal") {
			if n, err := v.Int64(); err == nil {
				return n
			}
			if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
				return n
			}
		}
		f, err := v.Float64()
		if err != nil {
			return nil
		}
		return f
	case string:
		if strings.HasPrefix(typ, "DateTime") || strings.HasPrefix(typ, "Date") {
			for _, form := range []string{"2006-01-02 15:04:05.999999999", time.DateOnly} {
				if t, err := time.Parse(form, v); err == nil {
					return t
				}
			}
		}
		return v
	case []any:
		of := bare(strings.TrimSuffix(strings.TrimPrefix(typ, "Array("), ")"))
		for i := range v {
			v[i] = value(v[i], of)
		}
		return v
	}
	return v
}

// Write has ClickHouse write the answer of a search in one of its formats.
func (d *DB) Write(ctx context.Context, w io.Writer, format, sql string, args []any, l Limits) error {
	if err := d.Ready(ctx); err != nil {
		return err
	}
	set := reading(l)
	set["default_format"] = format
	set["wait_end_of_query"] = "1" // a file that breaks off is no file
	id := holdfast.NewID("holdfast")
	defer context.AfterFunc(ctx, (&Rows{db: d, id: id}).kill)()
	body, err := d.send(ctx, request{sql: sql, args: args, settings: set, id: id})
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("ClickHouse at %s: the answer was cut off: %w", d.host, err)
	}
	return nil
}
