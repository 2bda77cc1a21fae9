package holdfast

import (
	"cmp"
	"slices"
	"strings"
)

// Entity is something an event names, under its ECS field: a host, user,
// address, process, file hash, domain or cloud principal. Everything that
// joins events, alerts, incidents and actions speaks entities.
type Entity struct {
	Kind  string `json:"kind"` // one of the Entity… constants: an ECS field name
	Value string `json:"value"`
}

// The entity kinds, named by their ECS field (ECS 8).
const (
	EntityHost        = "host.name"
	EntityUser        = "user.name"
	EntitySource      = "source.ip"
	EntityDestination = "destination.ip"
	EntityProcess     = "process.name"
	EntityExecutable  = "process.executable"
	EntityHash        = "file.hash.sha256"
	EntityFile        = "file.path"
	EntityDomain      = "url.domain"
	EntityPrincipal   = "cloud.principal"
)

// EntityKinds lists all kinds; the event store keeps a column for each.
func EntityKinds() []string {
	return []string{
		EntityHost, EntityUser, EntitySource, EntityDestination, EntityProcess,
		EntityExecutable, EntityHash, EntityFile, EntityDomain, EntityPrincipal,
	}
}

// Dataset describes a kind of event: which parser makes it, its Sigma
// logsource, and how its native field names map to ECS.
type Dataset struct {
	Name      string    `json:"name"` // "linux.sshd"
	Title     string    `json:"title"`
	Logsource Logsource `json:"logsource"`
	// Also are further logsources of the same events, whose rules look at them
	// too.
	Also []Logsource `json:"also,omitempty"`
	// ECS maps a native field name to its ECS name, for entities and search.
	ECS map[string]string `json:"ecs"`
	// Whole says that the fields hold all that a record says, so that nobody who
	// looks for a text has to look at the record itself.
	Whole bool `json:"whole,omitempty"`
	// Alias maps a name that Sigma rules use to the native one.
	Alias map[string]string `json:"alias,omitempty"`
}

// Logsource is Sigma's product, category and service (specification 2.1,
// section "logsource"); empty parts match anything.
type Logsource struct {
	Product  string `json:"product,omitempty" yaml:"product"`
	Category string `json:"category,omitempty" yaml:"category"`
	Service  string `json:"service,omitempty" yaml:"service"`
}

// Entities returns the entities of an event by its dataset's map, each once,
// in field order. Fields that already carry an ECS entity name count as well.
// A field that lists several hashes ("SHA1=…,SHA256=…", as Sysmon writes them)
// gives the SHA-256 of them, in small letters as everywhere. Where a program is named by its path alone, the last
// part of it is the process.
func (d *Dataset) Entities(e *Event) []Entity { return entitiesOf(e, d.kind) }

// kind is the entity kind of a field, or "".
func (d *Dataset) kind(name string) string {
	if to, ok := d.ECS[name]; ok {
		name = to
	}
	if !isEntityKind(name) {
		return ""
	}
	return name
}

func entitiesOf(e *Event, kind func(name string) string) []Entity {
	c := collected{out: make([]Entity, 0, 8)}
	for i := range e.Fields {
		if name := kind(e.Fields[i].Name); name != "" {
			c.add(&e.Fields[i], name)
		}
	}
	return c.end()
}

// collected are the entities of one event.
type collected struct {
	out     []Entity
	program string
	process bool
}

// add adds what a field of a kind names.
func (c *collected) add(f *Field, kind string) {
	text := f.Text
	if text == "" || text == "-" || f.Kind == Null {
		return
	}
	switch kind {
	case EntityHash:
		text = lower(sha256In(text))
	case EntityExecutable:
		c.program = cmp.Or(c.program, text)
	case EntityProcess:
		c.process = true
	}
	if text != "" && !hasEntity(c.out, kind, text) {
		c.out = append(c.out, Entity{kind, text})
	}
}

func (c *collected) end() []Entity {
	if c.program != "" && !c.process {
		if name := lastPart(c.program); name != "" {
			c.out = append(c.out, Entity{EntityProcess, name})
		}
	}
	return c.out
}

// lastPart is what follows the last slash of a path, of either kind.
func lastPart(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if c := path[i]; c == '/' || c == '\\' {
			return path[i+1:]
		}
	}
	return path
}

// sha256In is the SHA-256 of a list of hashes, or the text if it is no list.
func sha256In(text string) string {
	if !strings.Contains(text, "=") {
		return text
	}
	for more := true; more; {
		var one string
		one, text, more = strings.Cut(text, ",")
		if kind, hash, ok := strings.Cut(strings.TrimSpace(one), "="); ok && len(kind) == len("SHA256") && strings.EqualFold(kind, "SHA256") {
			return hash
		}
	}
	return ""
}

func isEntityKind(name string) bool {
	switch name {
	case EntityHost, EntityUser, EntitySource, EntityDestination, EntityProcess,
		EntityExecutable, EntityHash, EntityFile, EntityDomain, EntityPrincipal:
		return true
	}
	return false
}

func hasEntity(es []Entity, kind, value string) bool {
	for _, e := range es {
		if e.Kind == kind && e.Value == value {
			return true
		}
	}
	return false
}

// NativeNames are the native fields behind an ECS name or another name that
// rules use, by the datasets' own maps, sorted; 20 at most.
func NativeNames(datasets map[string]Dataset, name string) []string {
	var out []string
	take := func(n string) {
		if n != "" && n != name && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	for _, d := range datasets {
		for native, ecs := range d.ECS {
			if ecs == name {
				take(native)
			}
		}
		take(d.Alias[name])
	}
	slices.Sort(out)
	return out[:min(len(out), 20)]
}
