package indicator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// object is what is read of a STIX object.
type object struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Pattern     string `json:"pattern"`
	PatternType string `json:"pattern_type"`
	Revoked     bool   `json:"revoked"`
}

// stix reads a bundle, object by object.
func (r *reader) stix(b []byte) {
	d := json.NewDecoder(bytes.NewReader(b))
	line, counted := 1, 0
	at := func() int { // the line of what was just read
		n := min(int(d.InputOffset()), len(b))
		line += bytes.Count(b[counted:n], []byte("\n"))
		counted = n
		return line
	}
	broken := func(err error) {
		var syn *json.SyntaxError
		if errors.As(err, &syn) {
			n := 1 + bytes.Count(b[:min(int(syn.Offset), len(b))], []byte("\n"))
			r.fault(n, "the bundle is no JSON: "+err.Error(), "fetch it again")
			return
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends in the middle")
		}
		r.fault(at(), "the bundle cannot be read: "+err.Error(), "fetch it again")
	}
	if _, err := d.Token(); err != nil {
		broken(err)
		return
	}
	kind, objects := "", false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			broken(err)
			return
		}
		switch key {
		case "type":
			err = d.Decode(&kind)
		case "objects":
			objects = true
			err = r.objects(d, at)
		default:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		}
		if err != nil {
			broken(err)
			return
		}
	}
	if kind != "bundle" || !objects {
		r.fault(1, "this JSON is no STIX bundle", "a bundle is an object with \"type\": \"bundle\" and \"objects\"")
	} else if len(r.list.Items)+len(r.faults)+r.list.Revoked == 0 {
		r.fault(1, "the bundle has no indicators", "")
	}
}

func (r *reader) objects(d *json.Decoder, at func() int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("objects is no list")
	}
	for d.More() {
		var o object
		err := d.Decode(&o)
		line := at()
		var wrong *json.UnmarshalTypeError
		switch {
		case errors.As(err, &wrong):
			r.fault(line, fmt.Sprintf("an object of the bundle has a wrong %s", wrong.Field), "fetch it again")
			continue
		case err != nil:
			return err
		case o.Type != "indicator" || r.over():
			continue
		case o.Revoked:
			r.list.Revoked++
			continue
		case o.PatternType != "" && o.PatternType != "stix":
			r.fault(line, fmt.Sprintf("the indicator %q is a %s rule", short(o.Name), short(o.PatternType)), "hunt with the rule itself; lists have STIX patterns")
			continue
		}
		r.pattern(line, o)
	}
	_, err = d.Token()
	return err
}

// comparison is one of a pattern: a path, an operator and a value or a set.
var comparison = regexp.MustCompile(`([a-z0-9-]+):([A-Za-z0-9_.'\-\[\]*]+)\s+(NOT\s+)?(=|!=|<>|IN|ISSUBSET|ISSUPERSET|LIKE|MATCHES|>=?|<=?)\s*(\(\s*'(?:[^'\\]|\\.)*'(?:\s*,\s*'(?:[^'\\]|\\.)*')*\s*\)|'(?:[^'\\]|\\.)*')`)

var quotedText = regexp.MustCompile(`'((?:[^'\\]|\\.)*)'`)

var unescaped = strings.NewReplacer(`\\`, `\`, `\'`, `'`)

// paths are the STIX object paths that are indicators of a type.
func typeOf(object, path string) (Type, bool) {
	path = strings.ToLower(strings.ReplaceAll(path, "'", ""))
	switch object {
	case "ipv4-addr", "ipv6-addr":
		return Address, path == "value"
	case "network-traffic":
		return Address, path == "src_ref.value" || path == "dst_ref.value"
	case "domain-name":
		return Domain, path == "value"
	case "url":
		return URL, path == "value"
	case "file", "process":
		switch path {
		case "hashes.sha-256", "hashes.sha256", "image_ref.hashes.sha-256":
			return SHA256, true
		case "hashes.sha-1", "hashes.sha1":
			return SHA1, true
		case "hashes.md5":
			return MD5, true
		case "name":
			return File, true
		}
	}
	return "", false
}

// pattern takes the comparisons of a pattern, each as an indicator of its own.
func (r *reader) pattern(line int, o object) {
	if len(o.Pattern) > 64<<10 {
		r.fault(line, fmt.Sprintf("the pattern of %q has %d bytes", short(o.Name), len(o.Pattern)), "hunt with a rule")
		return
	}
	found := false
	for _, m := range comparison.FindAllStringSubmatch(o.Pattern, -1) {
		typ, ok := typeOf(m[1], m[2])
		if !ok {
			continue
		}
		if m[3] != "" || m[4] != "=" && m[4] != "IN" && m[4] != "ISSUBSET" {
			r.fault(line, fmt.Sprintf("the pattern of %q says %s, which a list cannot", short(o.Name), strings.TrimSpace(m[3]+m[4])), "hunt with a rule")
			found = true
			continue
		}
		for _, v := range quotedText.FindAllStringSubmatch(m[5], -1) {
			found = true
			r.take(line, typ, unescaped.Replace(v[1]), o.Name)
		}
	}
	switch {
	case !found:
		r.fault(line, fmt.Sprintf("the pattern of %q has no address, domain, URL, hash or file name: %s", short(o.Name), short(o.Pattern)), "hunt with a rule")
	case strings.Contains(o.Pattern, " AND ") || strings.Contains(o.Pattern, "FOLLOWEDBY"):
		note := "patterns that join several conditions were taken apart: each condition is looked for by itself"
		if len(r.list.Notes) == 0 {
			r.list.Notes = append(r.list.Notes, note)
		}
	}
}
