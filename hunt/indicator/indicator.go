// Package indicator reads lists of indicators as people share them: lines of
// text, CSV and STIX 2.1 bundles of addresses, networks, domains, URLs, hashes
// and file names, also written so that nobody clicks on them ("hxxp", "[.]").
// Looking for them is left to package hunt.
//
// References: STIX 2.1 (OASIS), sections 3.2 (bundle), 4.7 (indicator) and 9
// (patterns); RFC 4180 (CSV).
package indicator

import (
	"bytes"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"holdfast"
)

// Bounds on a list.
const (
	MaxBytes  = 16 << 20
	Max       = 100_000
	MaxValue  = 2048
	maxNote   = 200
	maxFaults = 100
)

// Type is what an indicator is.
type Type string

// The types.
const (
	Address Type = "address"
	Network Type = "network"
	Domain  Type = "domain"
	URL     Type = "url"
	SHA256  Type = "sha256"
	SHA1    Type = "sha1"
	MD5     Type = "md5"
	File    Type = "file" // a name or a path
)

// Indicator is one of a list, as it is compared: in lower case, without what
// keeps people from clicking.
type Indicator struct {
	Type  Type
	Value string
	Note  string // what the list says of it
	Line  int
}

// List is what was read.
type List struct {
	Items   []Indicator
	Doubled int // that stood there before
	Revoked int // that the list itself takes back
	Notes   []string
}

// reader puts a list together.
type reader struct {
	file   string
	list   List
	seen   map[string]bool
	faults holdfast.Faults
	more   int
}

// Read reads a list, whichever form it has. What has no fault is in the list all
// the same. It does not keep b.
func Read(file string, b []byte) (List, holdfast.Faults) {
	r := &reader{file: file, seen: map[string]bool{}}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	switch start := bytes.TrimLeft(b, " \t\r\n"); {
	case len(b) > MaxBytes:
		r.fault(0, fmt.Sprintf("the list has %d bytes, and %d are taken", len(b), MaxBytes), "cut it in several")
	case bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")):
		r.fault(1, "the list is written in UTF-16", "save it as UTF-8")
	case len(start) == 0:
		r.fault(0, "the list is empty", "put one indicator on each line")
	case start[0] == '{':
		r.stix(b)
	case start[0] == '[' && bytes.IndexByte(start[:min(len(start), 2000)], '{') >= 0:
		r.fault(1, "this JSON is no STIX bundle", "a bundle is an object with \"type\": \"bundle\" and \"objects\"")
	default:
		r.lines(b)
	}
	if r.more > 0 {
		r.faults = append(r.faults, holdfast.Fault{File: file, What: fmt.Sprintf("and %d faults more", r.more)})
	}
	return r.list, r.faults
}

func (r *reader) fault(line int, what, do string) {
	if len(r.faults) == maxFaults {
		r.more++
		return
	}
	r.faults = append(r.faults, holdfast.Fault{File: r.file, Line: line, What: what, Do: do})
}

// full reports whether no more indicators are taken.
func (r *reader) full() bool { return len(r.list.Items) >= Max }

// take adds an indicator; typ is "" where it has to be recognised.
func (r *reader) take(line int, typ Type, text, note string) {
	if r.full() {
		r.fault(line, fmt.Sprintf("the list has more than %d indicators", Max), "cut it in several")
		return
	}
	x, err := Parse(typ, text)
	if err != nil {
		r.fault(line, err.Error(), "correct the line, or take it out")
		return
	}
	x.Line, x.Note = line, plain(note)
	key := string(x.Type) + " " + x.Value
	if r.seen[key] {
		r.list.Doubled++
		return
	}
	r.seen[key] = true
	r.list.Items = append(r.list.Items, x)
}

func plain(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	if len(s) > maxNote {
		s = strings.ToValidUTF8(s[:maxNote], "")
	}
	return s
}

// typeNames are what lists call the types.
var typeNames = map[string]Type{
	"address": Address, "ip": Address, "ipv4": Address, "ipv6": Address, "ip-src": Address, "ip-dst": Address, "ipv4-addr": Address, "ipv6-addr": Address, "ip address": Address,
	"network": Network, "cidr": Network, "subnet": Network, "netblock": Network,
	"domain": Domain, "hostname": Domain, "fqdn": Domain, "host": Domain, "domain-name": Domain,
	"url": URL, "uri": URL, "link": URL, "sha256": SHA256, "sha-256": SHA256, "sha256_hash": SHA256, "filehash-sha256": SHA256, "sha1": SHA1, "sha-1": SHA1, "sha1_hash": SHA1, "filehash-sha1": SHA1,
	"md5": MD5, "md5_hash": MD5, "filehash-md5": MD5, "file": File, "filename": File, "file name": File, "filepath": File, "path": File,
}

var (
	hexText = regexp.MustCompile(`^[0-9a-f]+$`)
	scheme  = regexp.MustCompile(`^[a-z][a-z0-9+.-]{1,20}://`)
	drive   = regexp.MustCompile(`^[a-z]:[\\/]`)
	label   = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	topmost = regexp.MustCompile(`^([a-z]{2,24}|xn--[a-z0-9-]{1,59})$`)
	// files are endings of names that no domain has.
	files = regexp.MustCompile(`\.(exe|dll|sys|bat|cmd|ps1|psm1|vbs|vbe|js|jse|wsf|hta|jar|scr|pif|lnk|cpl|msi|msp|doc|docx|docm|xls|xlsx|xlsm|xlsb|ppt|pptx|pptm|pdf|rtf|rar|7z|gz|tgz|bz2|xz|iso|img|vhd|cab|bin|dat|tmp|log|elf|ko|php|asp|aspx|jsp|jspx|txt|xml|json|ini|conf|cfg|reg|dmp|bak|jpg|png|gif|apk|dmg|deb|rpm)$`)
)

var refanged = strings.NewReplacer(
	"[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "{dot}", ".", "[.", ".", ".]", ".", `\.`, ".",
	"[:]", ":", "[://]", "://", "[/]", "/",
)

// refang takes out what keeps people from clicking.
func refang(s string) string {
	for _, x := range [][2]string{{"hxxp", "http"}, {"hxxps", "https"}, {"h**p", "http"}, {"fxp", "ftp"}, {"meow", "http"}} {
		if rest, ok := strings.CutPrefix(s, x[0]); ok && (strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "[") || strings.HasPrefix(rest, "s:") || strings.HasPrefix(rest, "s[")) {
			s = x[1] + rest
			break
		}
	}
	if strings.ContainsAny(s, "[({") || strings.Contains(s, `\.`) && !drive.MatchString(s) && !strings.HasPrefix(s, `\\`) {
		s = refanged.Replace(s)
	}
	return s
}

// Parse reads one indicator; typ is "" where it has to be recognised.
func Parse(typ Type, text string) (Indicator, error) {
	text = strings.TrimFunc(text, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("\"'`<>", c) })
	switch {
	case !utf8.ValidString(text):
		return Indicator{}, fmt.Errorf("the text is no UTF-8")
	case strings.IndexFunc(text, unicode.IsControl) >= 0:
		return Indicator{}, fmt.Errorf("%q has control characters", short(text))
	case len(text) > MaxValue:
		return Indicator{}, fmt.Errorf("%q has %d characters, and %d are taken", short(text), len(text), MaxValue)
	case text == "":
		return Indicator{}, fmt.Errorf("there is no indicator")
	}
	low := strings.ToLower(text)
	if typ == "" {
		if name, rest, ok := strings.Cut(low, ":"); ok && !strings.HasPrefix(rest, "//") && len(name) > 1 {
			if t, ok := typeNames[strings.TrimSpace(name)]; ok {
				typ, low = t, strings.TrimSpace(rest)
			}
		}
	}
	if typ == File {
		return file(low)
	}
	low = refang(low)
	x, ok := recognise(low)
	switch {
	case !ok && typ == "":
		return x, fmt.Errorf("%q is no address, network, domain, URL, hash or file that is recognised; name its type, as in file:%s", short(text), short(low))
	case !ok, typ != "" && family(x.Type) != family(typ):
		return x, fmt.Errorf("%q is no %s", short(text), typ)
	case x.Type == Network && strings.HasSuffix(x.Value, "/0"):
		return x, fmt.Errorf("%s is every address there is", x.Value)
	}
	return x, nil
}

// family is a type, with networks among addresses: lists call both the same.
func family(t Type) Type {
	if t == Network {
		return Address
	}
	return t
}

func short(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

func recognise(s string) (Indicator, bool) {
	if a, ok := address(s); ok {
		return Indicator{Type: Address, Value: a.String()}, true
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.IsSingleIP() {
			return Indicator{Type: Address, Value: p.Addr().Unmap().String()}, true
		}
		return Indicator{Type: Network, Value: p.Masked().String()}, true
	}
	if scheme.MatchString(s) {
		return Indicator{Type: URL, Value: s}, !strings.ContainsAny(s, " \t") && len(s) > strings.Index(s, "://")+3
	}
	if hexText.MatchString(s) {
		if t, ok := map[int]Type{32: MD5, 40: SHA1, 64: SHA256}[len(s)]; ok {
			return Indicator{Type: t, Value: s}, true
		}
	}
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, `\`) || drive.MatchString(s) || strings.HasPrefix(s, "%") || files.MatchString(s) && !strings.Contains(s, "/") {
		x, err := file(s)
		return x, err == nil
	}
	if d, ok := domain(s); ok {
		return Indicator{Type: Domain, Value: d}, true
	}
	if host, _, ok := strings.Cut(s, "/"); ok { // a URL without its scheme
		if _, ok := domain(host); ok && !strings.ContainsAny(s, " \t") {
			return Indicator{Type: URL, Value: s}, true
		}
	}
	return Indicator{}, false
}

func address(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Zone() == "" {
		return a.Unmap(), true
	}
	if p, err := netip.ParseAddrPort(s); err == nil && p.Addr().Zone() == "" {
		return p.Addr().Unmap(), true
	}
	return netip.Addr{}, false
}

// domain checks a name (RFC 1035, section 2.3.1, with underscores). "*." before
// it means the names below, which are looked for anyway.
func domain(s string) (string, bool) {
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, "*."), "."), ".")
	if name, port, ok := strings.Cut(s, ":"); ok && port != "" && strings.Trim(port, "0123456789") == "" {
		s = name
	}
	labels := strings.Split(s, ".")
	if len(s) > 253 || len(labels) < 2 || !topmost.MatchString(labels[len(labels)-1]) {
		return "", false
	}
	for _, l := range labels {
		if !label.MatchString(l) {
			return "", false
		}
	}
	return s, true
}

func file(s string) (Indicator, error) {
	s = strings.ReplaceAll(s, `\`, "/")
	if base := path.Base(s); len(base) < 3 || strings.Trim(base, "*?.") == "" {
		return Indicator{}, fmt.Errorf("%q is too short for the name of a file", short(s))
	}
	if strings.ContainsAny(s, "*?") {
		return Indicator{}, fmt.Errorf("%q has wildcards, which file names of a list do not have; hunt with a rule", short(s))
	}
	return Indicator{Type: File, Value: s}, nil
}
