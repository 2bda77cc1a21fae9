package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"holdfast"
)

// maxURL is how long a request's address may become; ClickHouse takes 1 MiB.
const maxURL = 1000 << 10

// Error is what ClickHouse answered instead of a result.
type Error struct {
	Code int // of ClickHouse, 0 if it gave none
	Text string
}

func (e *Error) Error() string { return e.Text }

// The codes of errors that have a meaning here.
const (
	codeUnknownDatabase = 81
	codeSlow            = 159
	codeReadOnly        = 164
	codeBusy            = 202
	codeMemory          = 241
	codeCancelled       = 394
	codeDenied          = 497
	codeLogin           = 516
)

// request is one statement on its way.
type request struct {
	sql      string
	args     []any             // p1, p2 and so on
	settings map[string]string // of ClickHouse, and of its HTTP interface
	id       string            // of the query; "" for none
	body     io.Reader         // data; the statement then goes into the address
}

// escaped is an argument as the HTTP interface reads it.
var escaped = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)

// send sends a request and returns the answer's body.
func (d *DB) send(ctx context.Context, r request) (io.ReadCloser, error) {
	v := url.Values{"database": {d.database}}
	for k, x := range r.settings {
		v.Set(k, x)
	}
	for i, a := range r.args {
		v.Set("param_p"+strconv.Itoa(i+1), escaped.Replace(fmt.Sprint(a)))
	}
	if r.id != "" {
		v.Set("query_id", r.id)
	}
	body := r.body
	if body == nil {
		body = strings.NewReader(r.sql)
	} else {
		v.Set("query", r.sql)
	}
	q := v.Encode()
	if len(q) > maxURL {
		return nil, fmt.Errorf("this search names more than ClickHouse takes at once; use shorter lists: %w", holdfast.ErrTooLarge)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.base+"?"+q, body)
	if err != nil {
		return nil, errors.New("clickhouse: the request cannot be made") // its text would show the arguments
	}
	if d.user != "" {
		req.Header.Set("X-ClickHouse-User", d.user)
	}
	if d.password != "" {
		req.Header.Set("X-ClickHouse-Key", d.password)
	}
	res, err := d.http.Do(req)
	if err != nil {
		var ue *url.Error // holds the whole address, arguments and all
		if errors.As(err, &ue) {
			err = ue.Err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("ClickHouse at %s cannot be reached: %w; is it running, and does --events name its HTTP port: %w", d.host, err, holdfast.ErrAway)
	}
	if res.StatusCode == http.StatusOK && res.Header.Get("X-ClickHouse-Exception-Code") == "" {
		return res.Body, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10)) // what can be read of it
	code, _ := strconv.Atoi(res.Header.Get("X-ClickHouse-Exception-Code"))
	if code == 0 && slices.Contains([]int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, res.StatusCode) {
		return nil, fmt.Errorf("ClickHouse at %s cannot be reached: what stands before it says %s: %w", d.host, short(string(text), res.StatusCode), holdfast.ErrAway)
	}
	return nil, d.explain(&Error{code, short(string(text), res.StatusCode)})
}

func short(text string, status int) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "")
	if len(text) > 600 {
		text = strings.ToValidUTF8(text[:600], "") + "…"
	}
	if text == "" {
		return "HTTP status " + strconv.Itoa(status)
	}
	return text
}

// explain says what to do about an error.
func (d *DB) explain(e *Error) error {
	switch e.Code {
	case codeLogin:
		return fmt.Errorf("ClickHouse at %s refuses the user %q or its password; give the password in a file with ?password-file=, or the whole address as HOLDFAST_EVENTS: %w", d.host, d.user, e)
	case codeDenied, codeReadOnly:
		return fmt.Errorf("the user %q of ClickHouse may not do this; grant it SELECT, INSERT, ALTER and CREATE TABLE on %s.*, as docs/cluster.md says: %w", d.user, d.database, e)
	case codeUnknownDatabase:
		return fmt.Errorf("ClickHouse at %s has no database %s; make it with CREATE DATABASE %s: %w", d.host, d.database, d.database, e)
	case codeSlow:
		return fmt.Errorf("the search took too long; narrow its time range: %w", holdfast.ErrTooLarge)
	case codeMemory:
		return fmt.Errorf("the search needs more memory than it may have; narrow its time range or group by less: %w", holdfast.ErrTooLarge)
	case codeBusy:
		return fmt.Errorf("ClickHouse is busy with other queries; try again in a moment: %w", holdfast.ErrFull)
	case codeCancelled:
		return fmt.Errorf("the search was ended on the server: %w", e)
	}
	return fmt.Errorf("ClickHouse: %w", e)
}

// exec runs a statement that has no answer.
func (d *DB) exec(ctx context.Context, r request) error {
	if r.settings == nil {
		r.settings = map[string]string{}
	}
	r.settings["wait_end_of_query"] = "1" // so that an error comes as one
	body, err := d.send(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(body, 1<<20)); err != nil {
		return fmt.Errorf("ClickHouse at %s: the answer was cut off: %w", d.host, err)
	}
	return nil
}
