package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/query"
)

// contact is what `up` leaves in the data folder for the command line of the
// same machine: readable only by whoever runs the server.
type contact struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	CA    string `json:"ca,omitempty"` // PEM of the server's certificate, when it made its own
}

const contactFile = "client.json"

// errAway is a server that cannot be reached.
type errAway struct{ error }

func (e errAway) Unwrap() error { return e.error }

// fault is an error the server answered.
type fault struct {
	Status int             `json:"status"`
	Title  string          `json:"title"`
	Detail string          `json:"detail"`
	Fault  *query.Error    `json:"fault"`
	Open   []holdfast.Open `json:"open"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

func (f *fault) Error() string {
	s := f.Detail
	if s == "" {
		s = f.Title
	}
	for _, e := range f.Errors {
		s += "; " + strings.TrimPrefix(e.Location, "body.") + ": " + e.Message
	}
	return s
}

func (f *fault) Unwrap() error {
	switch f.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return holdfast.ErrForbidden
	case http.StatusNotFound:
		return holdfast.ErrNotFound
	case http.StatusConflict:
		return holdfast.ErrConflict
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		return holdfast.ErrInvalid
	}
	return nil
}

func (a *app) contact() (contact, error) {
	c := contact{URL: a.server, Token: a.token}
	if c.Token == "" {
		c.Token = os.Getenv("HOLDFAST_TOKEN")
	}
	b, err := os.ReadFile(filepath.Join(a.data, contactFile))
	if err == nil {
		var local contact
		if err := json.Unmarshal(b, &local); err != nil {
			return c, fmt.Errorf("%s: %w", filepath.Join(a.data, contactFile), err)
		}
		if c.URL == "" {
			c.URL = local.URL
		}
		if c.URL == local.URL {
			c.CA = local.CA
			if c.Token == "" {
				c.Token = local.Token
			}
		}
	}
	if c.URL == "" {
		return c, errAway{fmt.Errorf("no server is known: start one with `holdfast up --data %s`, or name it with --server", a.data)}
	}
	if c.Token == "" {
		return c, fmt.Errorf("no token for %s: set HOLDFAST_TOKEN (make one in the console, or with `holdfast users token NAME` on the server): %w", c.URL, holdfast.ErrForbidden)
	}
	return c, nil
}

// call sends one request and reads the answer into out.
func (a *app) call(ctx context.Context, method, path string, in, out any) error {
	return a.callFor(ctx, 2*time.Minute, method, path, in, out)
}

// callFor is call for what may take longer.
func (a *app) callFor(ctx context.Context, most time.Duration, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	c, err := a.contact()
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return errAway{err}
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw = b
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // a number that is shown is shown as it came
	if err := d.Decode(out); err != nil {
		return fmt.Errorf("the answer of %s is not understood: %w; are server and command line of the same version?", c.URL, err)
	}
	return nil
}

// stream gets something that may be long and hands it on as it comes.
func (a *app) stream(ctx context.Context, path string, take func(io.Reader) error) error {
	c, err := a.contact()
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return take(resp.Body)
}

// send sends one request; an answer that is an error is a *fault.
func (c contact) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+"/api/v1"+path, body)
	if err != nil {
		return nil, errUsage{err}
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: true}
	if c.CA != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(c.CA))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, errAway{fmt.Errorf("%s cannot be reached: %w; is `holdfast up` running?", c.URL, err)}
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	defer resp.Body.Close()
	f := &fault{Status: resp.StatusCode, Title: resp.Status}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(b, f) != nil {
		f.Detail = resp.Status
	}
	return nil, f
}

type list[T any] struct {
	Items []T `json:"items"`
	Total int `json:"total"`
}

const (
	// pageMost is the most rows of a list that the server gives at a time.
	pageMost = 1000
	// shownMost is how many rows of a list that may be long are shown unless more
	// are asked for.
	shownMost = 200
)

// listed gets the rows of a list, up to a limit; 0 is all. If there are more, that is
// said after the answer and beside it.
func listed[T any](ctx context.Context, a *app, limit int, path string, kv ...string) ([]T, error) {
	if limit < 0 {
		return nil, errUsage{fmt.Errorf("--limit %d: give a number of rows, or 0 for all", limit)}
	}
	rows := []T{}
	for {
		page := pageMost
		if limit > 0 {
			page = min(page, limit-len(rows))
		}
		var l list[T]
		if err := a.call(ctx, "GET", path+params(append(kv[:len(kv):len(kv)], "limit", strconv.Itoa(page), "offset", strconv.Itoa(len(rows)))...), nil, &l); err != nil {
			return nil, err
		}
		rows = append(rows, l.Items...)
		switch {
		case len(l.Items) < page:
			return rows, nil
		case len(rows) == limit:
			if l.Total > limit {
				a.more = fmt.Sprintf("%d of %d; --limit 0 shows all", limit, l.Total)
			}
			return rows, nil
		}
	}
}

// limited adds the limit of a list that may be long.
func limited(c *cobra.Command, limit *int) {
	c.Flags().IntVar(limit, "limit", shownMost, "rows at most, 0 for all")
}

// params makes a query string of the values that are set.
func params(kv ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] != "" {
			v.Set(kv[i], kv[i+1])
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}
