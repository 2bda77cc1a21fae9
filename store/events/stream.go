package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"holdfast"
)

// most is how many searches may run or wait at a time. Four run; who comes when
// all places are taken is told so at once.
const most = 32

// maxAnswer is the most that one answer may hold in memory: 64 MiB.
const maxAnswer = 64 << 20

// Stream runs a search and hands on its rows as the engine gives them: first
// head with the columns, then row for each. Neither keeps what it is given. It
// stops at MaxRows and says whether there were more.
func (s *Store) Stream(ctx context.Context, st Statement, head func([]Column) error, row func([]any) error) (truncated bool, err error) {
	if n := s.asked.Add(1); n > most {
		s.asked.Add(-1)
		return false, errBusy()
	}
	defer s.asked.Add(-1)
	defer ended()
	if s.far != nil {
		return s.far.stream(ctx, st, head, row)
	}
	headed, begun := false, false
	for {
		truncated, err = s.streamOnce(ctx, st, func(c []Column) error {
			if headed {
				return nil
			}
			headed = true
			return head(c)
		}, func(r []any) error {
			begun = true
			return row(r)
		})
		if err == nil || begun || !s.blame(ctx, st, err) {
			return truncated, err
		}
	}
}

// streamOnce runs a search over the segments that can be read, as far as is known.
func (s *Store) streamOnce(ctx context.Context, st Statement, head func([]Column) error, row func([]any) error) (truncated bool, err error) {
	if st.Find != "" && st.MaxRows <= mostFetched {
		return s.streamFound(ctx, st, head, row)
	}
	done := s.turns.Search()
	defer done()
	text, err := s.text(ctx, st)
	if err != nil {
		return false, err
	}
	rows, err := s.db.QueryContext(ctx, text, st.Args...)
	done() // the answer is there; who reads it may take his time
	if err != nil {
		return false, queryError(ctx, err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return false, queryError(ctx, err)
	}
	cols := make([]Column, len(types))
	for i, t := range types {
		cols[i] = Column{t.Name(), kindOf(t.DatabaseTypeName())}
	}
	if err := head(cols); err != nil {
		return false, err
	}
	truncated, err = each(rows, len(cols), st.MaxRows, row)
	if err != nil {
		return false, queryError(ctx, err)
	}
	return truncated, nil
}

// Searching says how many searches run or wait.
func (s *Store) Searching() int { return int(s.asked.Load()) }

func errBusy() error {
	return fmt.Errorf("%d searches are under way; try again in a moment: %w", most, holdfast.ErrFull)
}

func each(rows *sql.Rows, columns, limit int, row func([]any) error) (truncated bool, err error) {
	into := make([]any, columns)
	for n := 0; rows.Next(); n++ {
		if n == limit {
			return true, nil
		}
		vals := make([]any, columns)
		for i := range vals {
			into[i] = &vals[i]
		}
		if err := rows.Scan(into...); err != nil {
			return false, err
		}
		for i := range vals {
			vals[i] = finite(plain(vals[i]))
		}
		if err := row(vals); err != nil {
			return false, err
		}
	}
	return false, rows.Err()
}

// finite has nothing for what JSON has no word for.
func finite(v any) any {
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil
	}
	return v
}

// text is the statement with its relations before it, checked by the engine's own
// parser.
func (s *Store) text(ctx context.Context, st Statement) (string, error) {
	r, err := s.relations(ctx, st)
	if err != nil {
		return "", err
	}
	if st.Own != "" {
		if err := s.check(ctx, st.Own); err != nil {
			return "", err
		}
	}
	text := r.with + st.SQL
	if err := s.onlySelect(ctx, text); err != nil {
		return "", err
	}
	return text, nil
}

func bounded(st Statement) string {
	var parts []string
	if !st.From.IsZero() {
		parts = append(parts, `"time" >= TIMESTAMP `+literal(stamp(st.From)))
	}
	if !st.To.IsZero() {
		parts = append(parts, `"time" < TIMESTAMP `+literal(stamp(st.To)))
	}
	if len(parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(parts, " AND ")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

// errFull ends a search whose answer has grown too large.
var errFull = errors.New("the answer is full")

// Query runs a search. It ends when ctx does.
func (s *Store) Query(ctx context.Context, st Statement) (Result, error) {
	start := time.Now()
	var r Result
	held := 0
	truncated, err := s.Stream(ctx, st, func(c []Column) error {
		r.Columns = c
		return nil
	}, func(row []any) error {
		for _, v := range row {
			held += sizeOf(v)
		}
		if held > maxAnswer && len(r.Rows) > 0 {
			return errFull
		}
		r.Rows = append(r.Rows, row)
		return nil
	})
	if errors.Is(err, errFull) {
		truncated, err = true, nil
	}
	if err != nil {
		return Result{}, err
	}
	r.Truncated, r.Took = truncated, time.Since(start)
	return r, nil
}

// sizeOf guesses what a value takes.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return 16 + len(v)
	case []any:
		n := 24
		for _, x := range v {
			n += sizeOf(x)
		}
		return n
	}
	return 16
}

// lateColumns has DuckDB find the newest rows by the columns that a search asks
// about, and fetch the others for those alone, where Find does not: it reads all
// rows between the first and the last of them.
const lateColumns = "SET late_materialization_max_rows = 100000"
