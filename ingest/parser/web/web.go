// Package web reads the access logs of web servers and proxies: the common and
// combined formats of Apache and nginx, W3C extended logs as IIS writes them,
// and Squid's native format.
package web

import (
	"bytes"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:  "web",
		Title: "Web access logs",
		Description: "Apache and nginx (common, combined, with the virtual host before it), IIS (a line with its #Fields before it), Squid. " +
			"Fields have the names of the W3C format; uri_decoded is the request without its percent signs.",
		References: []string{
			"https://httpd.apache.org/docs/2.4/logs.html#accesslog", "https://nginx.org/en/docs/http/ngx_http_log_module.html",
			"https://www.w3.org/TR/WD-logfile.html", "https://wiki.squid-cache.org/Features/LogFormat",
		},
		Datasets: Datasets(),
		Parse:    func(raw []byte, _ parser.Hint) (parser.Parsed, error) { return parse(raw) },
	}
}

// Datasets lists web.access and web.proxy.
func Datasets() []holdfast.Dataset {
	alias := map[string]string{
		"c-uri": "cs-uri", "c-uri-query": "cs-uri", "c-useragent": "cs-user-agent", "cs-referrer": "cs-referer", "src_ip": "c-ip",
		"r-dns": "cs-host", "cs-uri-query": "cs-uri", "dst_ip": "s-ip",
	}
	ecs := map[string]string{"c-ip": holdfast.EntitySource, "cs-username": holdfast.EntityUser, "cs-host": holdfast.EntityDomain, "s-computername": holdfast.EntityHost}
	return []holdfast.Dataset{
		{Name: "web.access", Title: "Web server access", Logsource: holdfast.Logsource{Category: "webserver"}, Alias: alias, ECS: ecs},
		{Name: "web.proxy", Title: "Web proxy access", Logsource: holdfast.Logsource{Category: "proxy"}, Alias: alias, ECS: ecs},
	}
}

func parse(raw []byte) (parser.Parsed, error) {
	if len(raw) == 0 {
		return parser.Parsed{}, parser.ErrOther
	}
	if raw[0] == '#' {
		return w3c(string(raw))
	}
	if p, ok := squid(raw); ok {
		return p, nil
	}
	return common(raw)
}

const clock = "02/Jan/2006:15:04:05 -0700"

// common reads "[VHOST ]HOST IDENT USER [TIME] "REQUEST" STATUS BYTES[ "REFERER"
// "AGENT"[ …]]".
func common(raw []byte) (parser.Parsed, error) {
	open := bytes.Index(raw[:min(len(raw), 1024)], []byte(" ["))
	if open < 0 || len(raw) < open+2+len(clock)+3 {
		return parser.Parsed{}, parser.ErrOther
	}
	at, err := time.Parse(clock, string(raw[open+2:open+2+len(clock)]))
	if err != nil || !bytes.HasPrefix(raw[open+2+len(clock):], []byte(`] "`)) {
		return parser.Parsed{}, parser.ErrOther
	}
	head := strings.Fields(string(raw[:open]))
	if len(head) < 3 {
		return parser.Parsed{}, parser.ErrOther
	}
	f := make([]holdfast.Field, 0, 16)
	n := len(head)
	// The user comes last and may hold blanks; before the client there may be a
	// virtual host.
	client := 0
	if n > 3 && parser.Address(head[0]) == "" && parser.Address(head[1]) != "" {
		client = 1
		f = parser.Add(f, "cs-host", strings.TrimSuffix(strings.SplitN(head[0], ":", 2)[0], "."))
	}
	f = parser.Add(f, "c-ip", head[client])
	if user := strings.Join(head[min(client+2, n-1):], " "); user != "-" {
		f = parser.Add(f, "cs-username", user)
	}
	rest := string(raw[open+2+len(clock)+2:])
	request, rest, ok := quoted(rest)
	if !ok {
		return parser.Parsed{}, errors.New("the request has no closing quote")
	}
	f = withRequest(f, request)
	words := strings.Fields(rest[:min(len(rest), 64)])
	if len(words) < 1 {
		return parser.Parsed{}, errors.New("no status stands behind the request")
	}
	if _, err := strconv.ParseUint(words[0], 10, 16); err != nil {
		return parser.Parsed{}, errors.New("the status is no number")
	}
	f = parser.AddNumber(f, "sc-status", words[0])
	if len(words) > 1 && decimal(words[1]) {
		f = parser.AddNumber(f, "sc-bytes", words[1])
	}
	for _, name := range []string{"cs-referer", "cs-user-agent", "x-forwarded-for"} {
		var value string
		i := strings.IndexByte(rest, '"')
		if i < 0 {
			break
		}
		if value, rest, ok = quoted(rest[i:]); !ok {
			break
		}
		if value != "-" {
			f = parser.Add(f, name, value)
		}
	}
	return parser.Parsed{Time: at.UTC(), Dataset: "web.access", Fields: f}, nil
}

func decimal(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// quoted reads a text in quotes at the beginning of s, \" and \xHH taken back as
// Apache and nginx write them.
func quoted(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", s, false
	}
	b := make([]byte, 0, 128)
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return string(b), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case 'x':
				if i+2 < len(s) {
					if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
						b = append(b, byte(n))
						i += 2
						continue
					}
				}
				b = append(b, '\\', 'x')
			case 't':
				b = append(b, '\t')
			case 'n':
				b = append(b, '\n')
			case 'r':
				b = append(b, '\r')
			default:
				b = append(b, s[i])
			}
		default:
			b = append(b, s[i])
		}
	}
	return "", s, false
}

// withRequest adds "METHOD URI VERSION"; what is none of that is kept as the URI.
func withRequest(f []holdfast.Field, request string) []holdfast.Field {
	method, rest, ok := strings.Cut(request, " ")
	uri, version := rest, ""
	if i := strings.LastIndexByte(rest, ' '); i >= 0 && strings.HasPrefix(rest[i+1:], "HTTP/") {
		uri, version = rest[:i], rest[i+1:]
	}
	if !ok || len(method) > 32 || strings.ContainsAny(method, `/<>"'`) {
		return withURI(f, request)
	}
	f = withURI(parser.Add(f, "cs-method", method), uri)
	return parser.Add(f, "cs-version", version)
}

func withURI(f []holdfast.Field, uri string) []holdfast.Field {
	if uri == "" || uri == "-" {
		return f
	}
	stem, query, _ := strings.Cut(uri, "?")
	f = parser.Add(f, "cs-uri", uri)
	f = parser.Add(f, "cs-uri-stem", stem)
	f = parser.Add(f, "uri_query", query)
	return parser.Add(f, "uri_decoded", decoded(uri))
}

// decoded takes percent signs back, twice at most, and plus signs of the query.
func decoded(s string) string {
	for range 2 {
		if strings.IndexByte(s, '%') < 0 {
			break
		}
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			if s[i] == '%' && i+2 < len(s) {
				if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
					b = append(b, byte(n))
					i += 2
					continue
				}
			}
			b = append(b, s[i])
		}
		s = string(b)
	}
	if stem, query, ok := strings.Cut(s, "?"); ok {
		s = stem + "?" + strings.ReplaceAll(query, "+", " ")
	}
	return s
}

// w3c reads "#Fields: …" (and "#Date: …" before it), then one line.
func w3c(raw string) (parser.Parsed, error) {
	head, line, ok := cutLast(strings.TrimRight(raw, "\r\n"))
	at := strings.Index(head, "#Fields:")
	if !ok || at < 0 {
		return parser.Parsed{}, parser.ErrOther
	}
	fieldsLine, _, _ := strings.Cut(head[at+len("#Fields:"):], "\n")
	names := strings.Fields(fieldsLine)
	var values []string
	if strings.Contains(line, "\t") {
		values = strings.Split(line, "\t")
	} else {
		values = strings.Split(line, " ")
	}
	if len(names) != len(values) || len(names) > parser.MaxFields-8 {
		return parser.Parsed{}, errors.New("the line has another number of values than #Fields has names")
	}
	f := make([]holdfast.Field, 0, len(names)+4)
	var date, clock, stem, query string
	proxy := false
	for i, name := range names {
		v := values[i]
		if len(name) > parser.MaxName {
			return parser.Parsed{}, errors.New("a name in #Fields is too long")
		}
		name = strings.NewReplacer("(User-Agent)", "-user-agent", "(Referer)", "-referer", "(Cookie)", "-cookie", "(Host)", "-host", "(Content-Type)", "-content-type").Replace(name)
		if v == "-" || v == "" {
			continue
		}
		switch name {
		case "date":
			date = v
		case "time":
			clock = v
		case "cs-uri-stem":
			stem = v
		case "cs-uri-query":
			query = v
			continue
		case "r-host", "r-ip", "s-action":
			proxy = true
		case "cs-user-agent", "cs-referer", "cs-cookie":
			if !strings.Contains(v, " ") {
				v = strings.ReplaceAll(v, "+", " ") // IIS writes blanks so
			}
		}
		if name == "cs-uri-stem" || name == "cs-uri" {
			continue
		}
		k := holdfast.String
		if (strings.HasSuffix(name, "-bytes") || strings.HasSuffix(name, "-status") || strings.HasSuffix(name, "-port") || name == "time-taken") && decimal(v) {
			k = holdfast.Number
		}
		f = append(f, holdfast.Field{Name: name, Text: v, Kind: k})
	}
	uri := stem
	if query != "" {
		uri += "?" + query
	}
	for i, name := range names {
		if name == "cs-uri" && values[i] != "-" {
			uri = values[i]
		}
	}
	f = withURI(f, uri)
	if date == "" {
		if _, d, ok := strings.Cut(head, "#Date: "); ok && len(d) >= 10 {
			date = d[:10]
		}
	}
	out := parser.Parsed{Dataset: "web.access", Fields: f}
	if proxy {
		out.Dataset = "web.proxy"
	}
	if t, err := time.Parse("2006-01-02 15:04:05.999", date+" "+clock); err == nil {
		out.Time = t
	}
	if len(f) == 0 {
		return parser.Parsed{}, errors.New("the line says nothing")
	}
	return out, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '\n')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// squid reads "TIME.ms ELAPSED CLIENT CODE/STATUS BYTES METHOD URL USER
// HIERARCHY/PEER TYPE".
func squid(raw []byte) (parser.Parsed, bool) {
	if raw[0] < '0' || raw[0] > '9' || len(raw) > 64<<10 {
		return parser.Parsed{}, false
	}
	w := strings.Fields(string(raw))
	if len(w) < 9 || parser.Address(w[2]) == "" {
		return parser.Parsed{}, false
	}
	sec, ms, ok := strings.Cut(w[0], ".")
	s, err := strconv.ParseInt(sec, 10, 64)
	m, err2 := strconv.ParseInt(ms, 10, 64)
	code, status, ok2 := strings.Cut(w[3], "/")
	if !ok || !ok2 || err != nil || err2 != nil || len(ms) != 3 || s > 1e11 || !decimal(w[1]) || !decimal(status) || !decimal(w[4]) {
		return parser.Parsed{}, false
	}
	f := make([]holdfast.Field, 0, 16)
	f = parser.AddNumber(f, "time-taken", w[1])
	f = parser.Add(f, "c-ip", w[2])
	f = parser.Add(f, "s-action", code)
	f = parser.AddNumber(f, "sc-status", status)
	f = parser.AddNumber(f, "sc-bytes", w[4])
	f = parser.Add(f, "cs-method", w[5])
	f = withURI(f, w[6])
	if u, err := url.Parse(w[6]); err == nil && u.Host != "" {
		f = parser.Add(f, "cs-host", u.Hostname())
	} else if host, _, ok := strings.Cut(w[6], ":"); ok && w[5] == "CONNECT" {
		f = parser.Add(f, "cs-host", host)
	}
	if w[7] != "-" {
		f = parser.Add(f, "cs-username", w[7])
	}
	if _, peer, ok := strings.Cut(w[8], "/"); ok && peer != "-" {
		f = parser.Add(f, "s-ip", parser.Address(peer))
	}
	return parser.Parsed{Time: time.Unix(s, m*1e6).UTC(), Dataset: "web.proxy", Fields: f}, true
}
