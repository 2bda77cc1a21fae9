// Package check is the contract of a check: YAML with CEL expressions over fact
// tables, and the verdict it gives. Collecting facts is left to package
// collect, keeping verdicts and findings to package assess.
//
// Expressions are CEL (github.com/google/cel-spec): no I/O, bounded cost. Over
// a table, "where" keeps rows, and "expect" must hold for each; "row" is the
// row. Without "over", "expect" is asked once. "facts" holds all tables by
// name, each a list of rows.
package check

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/internal/yamldoc"
)

// MaxFile is the largest check file: 64 KiB.
const MaxFile = 64 << 10

// MaxAge is how old a table may be for a check that says nothing else.
const MaxAge = 24 * time.Hour

// costLimit bounds one evaluation, in CEL's cost units.
const costLimit = 2_000_000

// checkCost bounds a whole check over all its rows, in the same units, and
// checkTime is the end where the units were cheap and the machine is slow.
const (
	checkCost = 40_000_000
	checkTime = 3 * time.Second
)

// Check is one check.
type Check struct {
	ID          string // its path: linux.sshd_root_login
	File        string
	Title       string
	Severity    holdfast.Level
	Description string
	References  []string
	Maps        map[string][]string
	Fix         string
	Source      string // as written
	Code        string // hash of the source

	tables  []string
	over    string
	empty   string // why an empty population passes; "" makes it unknown
	say     string
	maxAge  time.Duration
	applies cel.Program
	where   cel.Program
	expect  cel.Program
	text    written
}

// written is the file's form.
type written struct {
	Title       string              `yaml:"title"`
	Severity    holdfast.Level      `yaml:"severity"`
	Description string              `yaml:"description"`
	References  []string            `yaml:"references"`
	Maps        map[string][]string `yaml:"maps"`
	Fix         string              `yaml:"fix"`
	Tables      []string            `yaml:"tables"`
	Applies     string              `yaml:"applies"`
	Over        string              `yaml:"over"`
	Where       string              `yaml:"where"`
	Expect      string              `yaml:"expect"`
	Say         string              `yaml:"say"`
	Empty       string              `yaml:"empty"`
	MaxAge      string              `yaml:"max_age"`
}

// Expression is the check's logic on one line, for people.
func (c *Check) Expression() string {
	s := c.text.Expect
	if c.over != "" {
		s = "every row of " + c.over
		if c.text.Where != "" {
			s += " where " + c.text.Where
		}
		s += ": " + c.text.Expect
	}
	return strings.Join(strings.Fields(s), " ")
}

// Tables lists the tables that the check reads.
func (c *Check) Tables() []string { return slices.Clone(c.tables) }

// Over is the table whose rows it judges one by one, or "".
func (c *Check) Over() string { return c.over }

// Load reads all *.yaml files of a source; the file's path is the check's id.
// What has a fault is left out.
func Load(name string, fsys fs.FS) ([]*Check, holdfast.Faults) {
	env, err := environment()
	if err != nil {
		return nil, holdfast.Faults{{File: name, What: err.Error()}}
	}
	var out []*Check
	var faults holdfast.Faults
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if p == "." {
				return fs.SkipAll
			}
			faults = append(faults, holdfast.Fault{File: path.Join(name, p), What: err.Error(), Do: "make it readable"})
			return nil
		}
		if d.IsDir() || path.Ext(p) != ".yaml" {
			return nil
		}
		c, f := read(env, fsys, name, p)
		if f != nil {
			faults = append(faults, *f)
			return nil
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		faults = append(faults, holdfast.Fault{File: name, What: err.Error()})
	}
	return out, faults
}

func environment() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("facts", cel.MapType(cel.StringType, cel.ListType(cel.MapType(cel.StringType, cel.DynType)))),
		cel.Variable("row", cel.MapType(cel.StringType, cel.DynType)),
		cel.HomogeneousAggregateLiterals(),
	)
}

func read(env *cel.Env, fsys fs.FS, name, p string) (*Check, *holdfast.Fault) {
	file := path.Join(name, p)
	wrong := func(line, col int, do, format string, args ...any) *holdfast.Fault {
		return &holdfast.Fault{File: file, Line: line, Column: col, What: fmt.Sprintf(format, args...), Do: do}
	}
	info, err := fs.Stat(fsys, p)
	if err != nil {
		return nil, wrong(0, 0, "make it readable", "%s", err)
	}
	if info.Size() > MaxFile {
		return nil, wrong(0, 0, "split it", "a check has at most %d bytes, this has %d", MaxFile, info.Size())
	}
	b, err := fs.ReadFile(fsys, p)
	if err != nil {
		return nil, wrong(0, 0, "make it readable", "%s", err)
	}
	root, fault := yamldoc.Parse(file, string(b))
	if fault != nil {
		return nil, fault
	}
	if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nil, wrong(1, 1, "begin with title:", "a check is a map of keys")
	}
	m := root.Content[0]
	at := map[string]*yaml.Node{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k := m.Content[i]
		if !slices.Contains(keys, k.Value) {
			return nil, wrong(k.Line, k.Column, "the keys are "+strings.Join(keys, ", "), "there is no key %q", k.Value)
		}
		if at[k.Value] != nil {
			return nil, wrong(k.Line, k.Column, "remove one", "the key %q stands twice", k.Value)
		}
		if m.Content[i+1].Kind == yaml.AliasNode {
			return nil, wrong(k.Line, k.Column, "write the value out", "aliases are not used here")
		}
		at[k.Value] = m.Content[i+1]
	}
	c := &Check{File: file, Source: string(b), ID: strings.ReplaceAll(strings.TrimSuffix(p, ".yaml"), "/", ".")}
	if err := m.Decode(&c.text); err != nil {
		line := m.Line
		_, _ = fmt.Sscanf(err.Error(), "yaml: unmarshal errors:\n  line %d:", &line)
		return nil, wrong(line, 1, "correct the value", "%s", strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:")), " "))
	}
	if f := c.fill(wrong, at); f != nil {
		return nil, f
	}
	return c, c.compile(env, wrong, at)
}

var keys = []string{"title", "severity", "description", "references", "maps", "fix", "tables", "applies", "over", "where", "expect", "say", "empty", "max_age"}

type wrongFunc func(line, col int, do, format string, args ...any) *holdfast.Fault

func (c *Check) fill(wrong wrongFunc, at map[string]*yaml.Node) *holdfast.Fault {
	t := &c.text
	for _, x := range [][2]string{{"title", t.Title}, {"description", t.Description}, {"expect", t.Expect}, {"fix", t.Fix}, {"say", t.Say}} {
		if strings.TrimSpace(x[1]) == "" {
			return wrong(1, 1, "add "+x[0]+":", "a check needs %s", x[0])
		}
	}
	if t.Severity.Rank() == 0 {
		line, col := 1, 1
		if n := at["severity"]; n != nil {
			line, col = n.Line, n.Column
		}
		return wrong(line, col, "use informational, low, medium, high or critical", "%q is no severity", t.Severity)
	}
	c.maxAge = MaxAge
	if t.MaxAge != "" {
		var d holdfast.Duration
		if err := d.UnmarshalText([]byte(t.MaxAge)); err != nil || d <= 0 {
			return wrong(at["max_age"].Line, at["max_age"].Column, "write 12h", "%q is no age", t.MaxAge)
		}
		c.maxAge = d.Std()
	}
	c.Title, c.Severity, c.Description, c.References, c.Maps, c.Fix = t.Title, t.Severity, t.Description, t.References, t.Maps, t.Fix
	c.over, c.empty, c.say = t.Over, t.Empty, t.Say
	c.tables = slices.Clone(t.Tables)
	if c.over != "" && !slices.Contains(c.tables, c.over) {
		c.tables = append(c.tables, c.over)
	}
	if len(c.tables) == 0 {
		return wrong(1, 1, "name the tables it reads: tables: [sshd], or over: listeners", "a check over no table says nothing")
	}
	if c.over == "" && t.Where != "" {
		return wrong(at["where"].Line, at["where"].Column, "add over:, or say it in expect", "where without over keeps no rows")
	}
	sum := sha256.Sum256([]byte(c.Source))
	c.Code = hex.EncodeToString(sum[:8])
	return nil
}

func (c *Check) compile(env *cel.Env, wrong wrongFunc, at map[string]*yaml.Node) *holdfast.Fault {
	for _, x := range []struct {
		key, text string
		into      *cel.Program
	}{{"applies", c.text.Applies, &c.applies}, {"where", c.text.Where, &c.where}, {"expect", c.text.Expect, &c.expect}} {
		if strings.TrimSpace(x.text) == "" {
			continue
		}
		n := at[x.key]
		ast, issues := env.Compile(x.text)
		if issues.Err() != nil {
			e := issues.Errors()[0]
			line, col := c.place(n, e.Location.Line(), e.Location.Column())
			return wrong(line, col, "correct the expression; it is CEL", "%s: %s", x.key, e.Message)
		}
		if t := ast.OutputType(); t != cel.BoolType && t != cel.DynType {
			return wrong(n.Line, n.Column, "compare it with something", "%s gives %s, not true or false", x.key, t)
		}
		if name := c.undeclared(x.text); name != "" {
			return wrong(n.Line, n.Column, "add it to tables:, so that its age counts", "%s reads facts.%s, which tables: does not name", x.key, name)
		}
		p, err := env.Program(ast, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(100), cel.EvalOptions(cel.OptOptimize))
		if err != nil {
			return wrong(n.Line, n.Column, "correct the expression", "%s: %s", x.key, err)
		}
		*x.into = p
	}
	return nil
}

// place turns a place in an expression into one in the file.
func (c *Check) place(n *yaml.Node, line, col int) (int, int) {
	switch n.Style {
	case yaml.LiteralStyle, yaml.FoldedStyle:
		if n.Style == yaml.FoldedStyle {
			line = 1 // its lines were joined; the first is where to look
		}
		all := strings.Split(c.Source, "\n")
		if at := n.Line + line; at-1 < len(all) {
			first := all[min(n.Line, len(all)-1)]
			return at, len(first) - len(strings.TrimLeft(first, " ")) + col + 1
		}
		return n.Line, n.Column
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		col++
	}
	return n.Line + line - 1, n.Column + col
}

var reads = regexp.MustCompile(`\bfacts\.([a-z_]+)`)

// undeclared returns a table that the expression reads and the check does not
// name, or "".
func (c *Check) undeclared(text string) string {
	for _, m := range reads.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(c.tables, m[1]) {
			return m[1]
		}
	}
	return ""
}
