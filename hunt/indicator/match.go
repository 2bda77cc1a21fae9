package indicator

import (
	"net/netip"
	"path"
	"slices"
	"strings"
)

// Matcher says which indicators of a list a text is or has. It does not change
// and may be used from many goroutines.
type Matcher struct {
	items     []Indicator
	addresses map[netip.Addr]int32
	networks  map[netip.Prefix]int32
	bits      [2][]int // the lengths of networks: of IPv4 and IPv6
	domains   map[string]int32
	hashes    map[string]int32
	names     map[string][]int32 // by the last part of a path
	within    finder
}

// NewMatcher prepares a list. Raw says that records will be searched, too.
func NewMatcher(items []Indicator, raw bool) *Matcher {
	m := &Matcher{
		items: items, addresses: map[netip.Addr]int32{}, networks: map[netip.Prefix]int32{}, domains: map[string]int32{}, hashes: map[string]int32{}, names: map[string][]int32{},
	}
	for i := range items {
		n, v := int32(i), items[i].Value
		switch items[i].Type {
		case Address:
			if a, err := netip.ParseAddr(v); err == nil {
				m.addresses[a] = n
			}
		case Network:
			if p, err := netip.ParsePrefix(v); err == nil {
				m.networks[p] = n
				lengths := &m.bits[0]
				if p.Addr().Is6() {
					lengths = &m.bits[1]
				}
				if !slices.Contains(*lengths, p.Bits()) {
					*lengths = append(*lengths, p.Bits())
				}
			}
		case Domain:
			m.domains[v] = n
		case SHA256, SHA1, MD5:
			m.hashes[v] = n
		case File:
			m.names[path.Base(v)] = append(m.names[path.Base(v)], n)
		}
	}
	if raw {
		m.within = newFinder(items)
	}
	return m
}

// Kind is what a text is that a matcher is asked about.
type Kind uint8

// The kinds.
const (
	AnAddress Kind = iota
	ADomain
	AHash
	AFile
)

// Has reports whether the list has anything that a kind of text can be.
func (m *Matcher) Has(k Kind) bool {
	switch k {
	case AnAddress:
		return len(m.addresses)+len(m.networks) > 0
	case ADomain:
		return len(m.domains) > 0
	case AHash:
		return len(m.hashes) > 0
	case AFile:
		return len(m.names) > 0
	}
	return false
}

// Value appends the indicators that a value of a field is: an address also of
// its networks, a domain also of those above it, a path also by its last part.
func (m *Matcher) Value(k Kind, text string, out []int32) []int32 {
	switch k {
	case AnAddress:
		return m.address(text, out)
	case ADomain:
		d := strings.TrimSuffix(strings.ToLower(text), ".")
		for d != "" {
			if n, ok := m.domains[d]; ok {
				out = append(out, n)
			}
			_, d, _ = strings.Cut(d, ".")
		}
	case AHash:
		if n, ok := m.hashes[strings.ToLower(text)]; ok {
			out = append(out, n)
		}
	case AFile:
		p := strings.ReplaceAll(strings.ToLower(text), `\`, "/")
		for _, n := range m.names[path.Base(p)] {
			v := m.items[n].Value
			if v == p || strings.HasSuffix(p, v) && (strings.HasPrefix(v, "/") || strings.HasSuffix(p[:len(p)-len(v)], "/")) {
				out = append(out, n)
			}
		}
	}
	return out
}

func (m *Matcher) address(text string, out []int32) []int32 {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return out
	}
	a = a.Unmap().WithZone("")
	if n, ok := m.addresses[a]; ok {
		out = append(out, n)
	}
	lengths := m.bits[0]
	if a.Is6() {
		lengths = m.bits[1]
	}
	for _, bits := range lengths {
		if p, err := a.Prefix(bits); err == nil {
			if n, ok := m.networks[p]; ok {
				out = append(out, n)
			}
		}
	}
	return out
}

// Within appends the indicators that stand somewhere in a record, as words of
// their own, each once. Networks are not looked for there.
func (m *Matcher) Within(text string, out []int32) []int32 {
	out = m.within.find(text, out)
	if strings.Contains(text, `\\`) || strings.Contains(text, `\/`) { // as JSON writes paths
		out = m.within.find(unescapedJSON.Replace(text), out)
	}
	return out
}

var unescapedJSON = strings.NewReplacer(`\\`, `\`, `\/`, `/`)

// gram is how many bytes of an indicator it is found by.
const gram = 6

// finder finds many texts in one pass: each by six of its bytes that few others
// have, behind a filter of bits.
type finder struct {
	items  []Indicator
	bits   []uint64
	places map[uint64][]place
}

type place struct{ item, at int32 }

const filterBits = 1 << 20

func slot(g uint64) uint64 { return g * 0x9E3779B97F4A7C15 >> 44 }

func newFinder(items []Indicator) finder {
	f := finder{items: items, bits: make([]uint64, filterBits/64), places: map[uint64][]place{}}
	often := make([]uint32, filterBits)
	grams := func(s string, do func(at int, g uint64)) {
		var g uint64
		for i := range len(s) {
			g = (g<<8 | uint64(s[i])) & (1<<(8*gram) - 1)
			if i >= gram-1 {
				do(i-gram+1, g)
			}
		}
	}
	for i := range items {
		grams(items[i].Value, func(_ int, g uint64) { often[slot(g)]++ })
	}
	for i := range items {
		if items[i].Type == Network {
			continue
		}
		best, key, least := -1, uint64(0), ^uint32(0)
		grams(items[i].Value, func(at int, g uint64) {
			if n := often[slot(g)]; n < least {
				best, key, least = at, g, n
			}
		})
		if best >= 0 {
			f.places[key] = append(f.places[key], place{int32(i), int32(best)})
			f.bits[slot(key)/64] |= 1 << (slot(key) % 64)
		}
	}
	return f
}

// Short reports whether an indicator is too short to be found within records.
func (i *Indicator) Short() bool { return len(i.Value) < gram }

func (f *finder) find(text string, out []int32) []int32 {
	if len(f.places) == 0 {
		return out
	}
	var g uint64
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == '\\':
			c = '/'
		}
		g = (g<<8 | uint64(c)) & (1<<(8*gram) - 1)
		s := slot(g)
		if i < gram-1 || f.bits[s/64]&(1<<(s%64)) == 0 {
			continue
		}
		for _, p := range f.places[g] {
			if f.is(text, i-gram+1-int(p.at), &f.items[p.item]) && !slices.Contains(out, p.item) {
				out = append(out, p.item)
			}
		}
	}
	return out
}

// is reports whether an indicator stands at a place of a text, as a word.
func (f *finder) is(text string, at int, x *Indicator) bool {
	end := at + len(x.Value)
	if at < 0 || end > len(text) {
		return false
	}
	for i := range len(x.Value) {
		c := text[at+i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == '\\' && x.Type == File:
			c = '/'
		}
		if c != x.Value[i] {
			return false
		}
	}
	if x.Type == URL {
		return true
	}
	if at > 0 && joins(text[at-1], x.Value[0], x.Type) {
		return false
	}
	switch {
	case end == len(text):
		return true
	case text[end] == '.' && x.Type != SHA256 && x.Type != SHA1 && x.Type != MD5: // ends a sentence, or goes on with the name or number
		return end+1 == len(text) || !wordByte(text[end+1])
	}
	return !joins(text[end], x.Value[len(x.Value)-1], x.Type)
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// joins reports whether a byte beside an indicator makes it part of something
// longer. Below a domain may be others.
func joins(beside, edge byte, t Type) bool {
	if !wordByte(edge) { // it begins or ends with a sign, as paths do
		return false
	}
	switch t {
	case Domain:
		return wordByte(beside) || beside == '-'
	case Address:
		return wordByte(beside) || beside == '.'
	case File:
		return wordByte(beside) || beside == '.' || beside == '-'
	}
	return wordByte(beside)
}
