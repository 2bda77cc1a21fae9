package parser

import (
	"bytes"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/logline"
)

// Product is a product that speaks CEF or LEEF and has datasets of its own.
type Product struct {
	Vendor, Product string // as the product names itself, in small letters; Product may be the beginning only
	Name            string // "paloalto.panos"
	Title           string
	Category        string // Sigma's
}

// Products lists them. Others go to the dataset of the format.
func Products() []Product {
	return []Product{
		{"palo alto networks", "pan-os", "paloalto.panos", "Palo Alto Networks PAN-OS", "firewall"},
		{"palo alto networks", "cortex xdr", "paloalto.cortex", "Palo Alto Networks Cortex XDR", ""},
		{"fortinet", "forti", "fortinet.fortigate", "Fortinet FortiGate", "firewall"},
		{"check point", "", "checkpoint", "Check Point", "firewall"},
		{"cisco", "", "cisco", "Cisco appliances", "firewall"},
		{"juniper", "", "juniper", "Juniper", "firewall"},
		{"sophos", "", "sophos", "Sophos", "firewall"},
		{"sonicwall", "", "sonicwall", "SonicWall", "firewall"},
		{"f5", "", "f5", "F5", ""},
		{"citrix", "netscaler", "citrix.netscaler", "Citrix NetScaler", ""},
		{"imperva", "", "imperva", "Imperva", ""},
		{"incapsula", "", "imperva", "Imperva", ""},
		{"zscaler", "", "zscaler", "Zscaler", "proxy"},
		{"trend micro", "", "trendmicro", "Trend Micro", "antivirus"},
		{"mcafee", "", "trellix", "Trellix (McAfee, FireEye)", "antivirus"},
		{"fireeye", "", "trellix", "Trellix (McAfee, FireEye)", "antivirus"},
		{"trellix", "", "trellix", "Trellix (McAfee, FireEye)", "antivirus"},
		{"symantec", "", "symantec", "Symantec", "antivirus"},
		{"kaspersky", "", "kaspersky", "Kaspersky", "antivirus"},
		{"eset", "", "eset", "ESET", "antivirus"},
		{"crowdstrike", "", "crowdstrike", "CrowdStrike Falcon", ""},
		{"carbon black", "", "carbonblack", "Carbon Black", ""},
		{"vmware carbon", "", "carbonblack", "Carbon Black", ""},
		{"sentinelone", "", "sentinelone", "SentinelOne", ""},
		{"cyberark", "", "cyberark", "CyberArk", ""},
		{"darktrace", "", "darktrace", "Darktrace", ""},
		{"microsoft", "", "microsoft", "Microsoft", ""},
		{"vectra", "", "vectra", "Vectra", ""},
	}
}

// ProductDatasets returns the dataset of a format and those of the products.
func ProductDatasets(format, title string, ecs, alias map[string]string) []holdfast.Dataset {
	dataset := func(name, title, product, category string) holdfast.Dataset {
		return holdfast.Dataset{Name: name, Title: title, Logsource: holdfast.Logsource{Product: product, Category: category}, ECS: ecs, Alias: alias}
	}
	out := []holdfast.Dataset{dataset(format, title, format, "")}
	for _, p := range Products() {
		product, _, _ := strings.Cut(p.Name, ".")
		d := dataset(format+"."+p.Name, title+": "+p.Title, product, p.Category)
		if !slices.ContainsFunc(out, func(o holdfast.Dataset) bool { return o.Name == d.Name }) {
			out = append(out, d)
		}
	}
	return out
}

// ProductIndex finds the dataset of a vendor's product.
type ProductIndex struct {
	format   string
	products []Product
}

// NewProductIndex returns the index of a format.
func NewProductIndex(format string) ProductIndex { return ProductIndex{format, Products()} }

// Dataset is "format.name" for a known product, else the format's own.
func (x ProductIndex) Dataset(vendor, product string) string {
	vendor, product = strings.ToLower(vendor), strings.ToLower(product)
	for i := range x.products {
		if p := &x.products[i]; strings.HasPrefix(vendor, p.Vendor) && strings.HasPrefix(product, p.Product) {
			return x.format + "." + p.Name
		}
	}
	return x.format
}

// InSyslog finds a record of another form that a program sent as its message:
// it begins with the marker ("CEF:"), alone or behind a head. A text inside a
// message is none, whoever put it there.
func InSyslog(raw []byte, marker string, received time.Time) (l logline.Line, body string, ok bool) {
	if !bytes.Contains(raw[:min(len(raw), 1024)], []byte(marker)) {
		return l, "", false
	}
	s := strings.TrimPrefix(strings.TrimRight(string(raw), "\r\n\x00"), "\ufeff")
	if body, ok := strings.CutPrefix(s, marker); ok {
		return l, body, true
	}
	l, err := logline.Read(s, received)
	if err != nil {
		return l, "", false
	}
	if l.Program+":" == marker && l.PID == "" {
		return l, l.Message, true
	}
	if body, ok := strings.CutPrefix(strings.TrimLeft(l.Message, " "), marker); ok {
		return l, body, true
	}
	// A priority and a host, no clock.
	if host, body, ok := strings.Cut(l.Message, " "+marker); ok && l.Program == "" && l.Time.IsZero() && !strings.ContainsAny(host, " :|=") {
		l.Host = host
		return l, body, true
	}
	return l, "", false
}

// DeviceTime reads the time in a field of CEF or LEEF: milliseconds or seconds
// since 1970, or any clock that syslog knows. Format is Java's pattern for it,
// where the record gives one.
func DeviceTime(s, format string, received time.Time) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) >= 9 {
		if len(s) >= 12 {
			return time.UnixMilli(n).UTC(), n < 1e14
		}
		return time.Unix(n, 0).UTC(), true
	}
	if layout, ok := javaLayout(format); ok {
		if t, err := time.ParseInLocation(layout, s, received.Location()); err == nil {
			return t, true
		}
	}
	t, _, rest, ok := logline.Clock(s, received)
	return t, ok && rest == ""
}

// javaLayout turns a pattern of Java's SimpleDateFormat into Go's layout. One
// with a zone's name is left to the clocks that syslog knows.
func javaLayout(p string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(p) && len(p) < 64; {
		if p[i] == '\'' {
			end := strings.IndexByte(p[i+1:], '\'')
			if end < 0 {
				return "", false
			}
			b.WriteString(p[i+1 : i+1+end])
			i += end + 2
			continue
		}
		n := 1
		for i+n < len(p) && p[i+n] == p[i] {
			n++
		}
		part, ok := javaParts[p[i:i+n]]
		switch {
		case ok:
			b.WriteString(part)
		case p[i] >= 'a' && p[i] <= 'z' || p[i] >= 'A' && p[i] <= 'Z' || p[i] >= '0' && p[i] <= '9':
			return "", false
		default:
			b.WriteString(p[i : i+n])
		}
		i += n
	}
	return b.String(), b.Len() > 0
}

var javaParts = map[string]string{
	"yyyy": "2006", "yy": "06", "MMMM": "January", "MMM": "Jan", "MM": "01", "M": "1", "dd": "02", "d": "2",
	"HH": "15", "H": "15", "hh": "03", "h": "3", "mm": "04", "ss": "05", "SSS": "000", "SSSSSS": "000000", "a": "PM",
	"Z": "-0700", "X": "Z07", "XX": "Z0700", "XXX": "Z07:00", "EEE": "Mon", "EEEE": "Monday",
}

// Derived appends what is an entity under its ECS name: a SHA-256 among hashes,
// the host of an address on the web.
func Derived(fields []holdfast.Field, hashes []string, address string) []holdfast.Field {
	for _, h := range hashes {
		if len(h) == 64 {
			if _, err := hex.DecodeString(h); err == nil {
				fields = append(fields, holdfast.Field{Name: holdfast.EntityHash, Text: strings.ToLower(h)})
				break
			}
		}
	}
	if len(address) < 8<<10 && strings.Contains(address, "://") {
		if u, err := url.Parse(address); err == nil {
			fields = Add(fields, holdfast.EntityDomain, strings.ToLower(u.Hostname()))
		}
	}
	return fields
}

// Decimal reports whether s is a whole number as JSON writes it.
func Decimal(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 18 || len(digits) > 1 && digits[0] == '0' {
		return false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
