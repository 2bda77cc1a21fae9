package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/detect/sigma"
)

// newRule is what `holdfast rules new` is told.
type newRule struct {
	name, title, level string
	tags               []string
	source             holdfast.Logsource
	dataset            holdfast.Dataset
	event              *holdfast.Event // nil: an example
	id                 string
	today              time.Time
}

func (a *app) newRule() *cobra.Command {
	var o newRule
	var dir, from string
	var record uint64
	c := &cobra.Command{
		Use: "new NAME", Short: "Write a new rule and its cases; needs no server",
		Long: `Writes NAME.yml and NAME.test.yml: a rule with an id of its own and today's date,
and one case that fires and one that does not. With --from-event, the selection
and the cases hold the fields of an event of a file; take out what is not
telling. Nothing is overwritten.`,
		Example: "  holdfast rules new odd_shell --product windows --category process_creation --title 'A shell where none belongs'\n  holdfast rules new odd_login --from-event auth.log --record 3 --dir my-rules",
		Args:    exactly(1, "the name of the rule"),
		RunE: func(c *cobra.Command, args []string) error {
			o.name, o.today = args[0], a.clock.Now()
			if err := o.check(c.Context(), from, record); err != nil {
				return err
			}
			rule, cases, err := o.write()
			if err != nil {
				return err
			}
			path := filepath.Join(dir, o.name+".yml")
			for _, f := range []struct{ path, text string }{{path, rule}, {casesBeside(path), cases}} {
				if err := writeNew(f.path, f.text); err != nil {
					return err
				}
			}
			if a.json {
				return a.print(map[string]string{"rule": path, "cases": casesBeside(path), "id": o.id})
			}
			fmt.Fprintf(a.out, "wrote %s and %s\nnext: edit both, then\n  holdfast rules lint %[1]s\n  holdfast rules test %[1]s\n", path, casesBeside(path))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.title, "title", "", "one line that says what it finds")
	f.StringVar(&o.level, "level", "medium", "informational, low, medium, high or critical")
	f.StringSliceVar(&o.tags, "tags", nil, "techniques of ATT&CK, such as t1059.001")
	f.StringVar(&o.source.Product, "product", "", "the logsource's product, such as linux")
	f.StringVar(&o.source.Category, "category", "", "the logsource's category, such as process_creation")
	f.StringVar(&o.source.Service, "service", "", "the logsource's service, such as sshd")
	f.StringVar(&from, "from-event", "", "a file with an event that the rule is to find")
	f.Uint64Var(&record, "record", 0, "which event of the file; default: the first")
	f.StringVar(&dir, "dir", ".", "where to write")
	return c
}

var ruleName = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{1,99}$`)

// check completes what was told.
func (o *newRule) check(ctx context.Context, from string, record uint64) error {
	if !ruleName.MatchString(o.name) {
		return errUsage{fmt.Errorf("%q is no name for a rule: small letters, digits and _", o.name)}
	}
	if holdfast.Level(o.level).Rank() == 0 {
		return errUsage{fmt.Errorf("%q is no level: informational, low, medium, high or critical", o.level)}
	}
	if o.title == "" {
		o.title = strings.ToUpper(o.name[:1]) + strings.ReplaceAll(o.name[1:], "_", " ")
	}
	for i, t := range o.tags {
		if o.tags[i] = strings.ToLower(t); !strings.Contains(t, ".") || strings.HasPrefix(o.tags[i], "t") {
			o.tags[i] = "attack." + strings.TrimPrefix(o.tags[i], "attack.")
		}
	}
	if from != "" {
		e, err := pickEvent(ctx, from, record, sigma.Set{})
		if err != nil {
			return err
		}
		o.event, o.dataset = &e.Event, e.dataset
		if o.source == (holdfast.Logsource{}) {
			o.source = e.dataset.Logsource
			if o.source.Category != "" {
				o.source.Service = "" // rules name the category, whatever service gives it
			}
		}
		if o.source == (holdfast.Logsource{}) {
			return fmt.Errorf("%s: the event is of the kind %s, which no logsource of rules names: %w", from, e.Dataset, holdfast.ErrInvalid)
		}
		if !sigma.Serves(o.source, e.dataset) {
			return errUsage{fmt.Errorf("the event is of the logsource %s; leave the flags out, or choose another event", sourceWords(e.dataset.Logsource))}
		}
	} else {
		if o.source == (holdfast.Logsource{}) {
			return errUsage{errors.New("name the logsource by --product, --category and --service, or an event by --from-event")}
		}
		all := knownDatasets()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if sigma.Serves(o.source, all[name]) {
				o.dataset = all[name]
				break
			}
		}
		if o.dataset.Name == "" {
			return errUsage{fmt.Errorf("no parser makes events of the logsource %s, so the rule would see none; `holdfast rules lint FILE` helps with names", sourceWords(o.source))}
		}
	}
	var err error
	o.id, err = newUUID()
	return err
}

// newUUID is a random UUID, version 4 (RFC 9562, 5.4).
func newUUID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// examples are the field that rules of a category mostly look at, the modifier,
// what is looked for, and a value that has it.
var examples = map[string][4]string{
	"process_creation":   {"Image", "endswith", `\example.exe`, `C:\Users\Public\example.exe`},
	"file_event":         {"TargetFilename", "endswith", ".example", `C:\Users\Public\a.example`},
	"file_delete":        {"TargetFilename", "endswith", ".example", `C:\Users\Public\a.example`},
	"registry_set":       {"TargetObject", "contains", `\Run\`, `HKU\S-1-5-21\Software\Microsoft\Windows\CurrentVersion\Run\Example`},
	"registry_event":     {"TargetObject", "contains", `\Run\`, `HKU\S-1-5-21\Software\Microsoft\Windows\CurrentVersion\Run\Example`},
	"network_connection": {"DestinationIp", "cidr", "192.0.2.0/24", "192.0.2.7"},
	"dns_query":          {"QueryName", "endswith", ".example.org", "a.example.org"},
	"image_load":         {"ImageLoaded", "endswith", `\example.dll`, `C:\Users\Public\example.dll`},
	"ps_script":          {"ScriptBlockText", "contains", "Invoke-Example", "Invoke-Example -Now"},
}

// item is one line of the selection.
type item struct {
	key    string // with modifier
	value  string // as YAML
	fields []holdfast.Field
}

// write makes both files.
func (o *newRule) write() (rule, cases string, err error) {
	var items []item
	var event []holdfast.Field
	raw := ""
	if o.event != nil {
		if items = selectionOf(o.event.Fields); len(items) == 0 {
			return "", "", fmt.Errorf("the event has no field that could tell it from others: %w", holdfast.ErrInvalid)
		}
		event, raw = o.event.Fields, string(o.event.Raw)
	} else {
		x, ok := examples[o.source.Category]
		if !ok || o.source.Product != "windows" && o.source.Category == "process_creation" {
			x = [4]string{"message", "contains", "example", "an example of a message"}
		}
		items = []item{{key: x[0] + "|" + x[1], value: yamlText(sigmaText(x[2])), fields: []holdfast.Field{{Name: x[0]}}}}
		if x[1] == "cidr" {
			items[0].value = x[2]
		}
		event = []holdfast.Field{{Name: x[0], Text: x[3]}}
	}
	tags := "  - attack.t0000 # the technique; see https://attack.mitre.org\n"
	if len(o.tags) > 0 {
		tags = ""
		for _, t := range o.tags {
			tags += "  - " + yamlText(t) + "\n"
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "title: %s\nname: %s\nid: %s\nstatus: experimental\ndescription: >-\n  What it finds, and why that matters.\ndate: %s\ntags:\n%slogsource:\n", yamlText(o.title), o.name, o.id, o.today.Format(time.DateOnly), tags)
	for _, p := range [][2]string{{"product", o.source.Product}, {"category", o.source.Category}, {"service", o.source.Service}} {
		if p[1] != "" {
			fmt.Fprintf(&b, "  %s: %s\n", p[0], yamlText(p[1]))
		}
	}
	b.WriteString("detection:\n  selection:\n")
	for _, i := range items {
		fmt.Fprintf(&b, "    %s: %s\n", yamlText(i.key), i.value)
	}
	fmt.Fprintf(&b, "  condition: selection\nfalsepositives:\n  - Who else does this, and how to tell\nlevel: %s\n", o.level)
	return b.String(), o.cases(event, items[0].fields[0].Name, raw), nil
}

// cases are the event, and the same with another value where the selection
// looks first.
func (o *newRule) cases(event []holdfast.Field, changed, raw string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule: %s\ncases:\n", o.name)
	for _, fires := range []bool{true, false} {
		say := "what the rule is to find"
		if !fires {
			say = "something like it that is harmless"
		}
		fmt.Fprintf(&b, "  - say: %s\n    fires: %t\n    events:\n      - dataset: %s\n", say, fires, o.dataset.Name)
		if fires && raw != "" && len(raw) < 8<<10 {
			fmt.Fprintf(&b, "        raw: %s\n", yamlText(raw))
		}
		b.WriteString("        fields:\n")
		done := map[string]bool{}
		for _, f := range event {
			if done[f.Name] {
				continue
			}
			done[f.Name] = true
			var values []string
			for _, g := range event {
				if g.Name != f.Name {
					continue
				}
				if v := g; !fires && f.Name == changed {
					v.Text, v.Kind = "something else", holdfast.String
					values = append(values, yamlField(v))
				} else {
					values = append(values, yamlField(g))
				}
			}
			text := values[0]
			if len(values) > 1 {
				text = "[" + strings.Join(values, ", ") + "]"
			}
			fmt.Fprintf(&b, "          %s: %s\n", yamlText(f.Name), text)
		}
	}
	return b.String()
}

// passing are names of fields that tell one event from the next and not one
// kind from another.
var passing = regexp.MustCompile(`(?i)^(TimeCreated.*|UtcTime|.*time|EventRecordID|Execution_.*|Correlation_.*|.*Guid|.*ProcessId|pid|.*LogonId|TerminalSessionId|` +
	`Computer|hostname|Version|Keywords|Opcode|Task|Level|Channel|Provider_.*|Security_UserID|.*Hash(es)?|src_port|SourcePort|RuleName|.*Sid|.*\.?id|timestamp|ts|uid|.*_at|message|facility|severity|program)$`)

// selectionOf makes items of the fields that say what happened.
func selectionOf(fields []holdfast.Field) []item {
	const most, longest = 12, 300
	var out []item
	for _, f := range fields {
		if f.Text == "" || f.Kind == holdfast.Null || len(f.Text) > longest || passing.MatchString(f.Name) && f.Name != "EventID" || strings.Contains(f.Name, "|") ||
			slices.ContainsFunc(out, func(i item) bool { return i.fields[0].Name == f.Name }) {
			continue
		}
		i := item{key: f.Name, value: yamlField(holdfast.Field{Text: sigmaText(f.Text), Kind: f.Kind}), fields: []holdfast.Field{f}}
		if at := strings.LastIndexByte(f.Text, '\\'); at > 0 && strings.HasSuffix(f.Name, "Image") { // where a program lies varies
			i.key, i.value = f.Name+"|endswith", yamlText(sigmaText(f.Text[at:]))
		}
		if out = append(out, i); len(out) == most {
			break
		}
	}
	return out
}

// sigmaText escapes what has a meaning in values of rules.
func sigmaText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '*' || c == '?':
			b.WriteByte('\\')
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`\*?`, s[i+1]) >= 0:
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func yamlField(f holdfast.Field) string {
	switch f.Kind {
	case holdfast.Null:
		return "null"
	case holdfast.Number, holdfast.Bool:
		return f.Text
	}
	return yamlText(f.Text)
}

var bare = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.|-]*( [A-Za-z0-9_.-]+)*$`)

// yamlText writes a text as one YAML value on one line.
func yamlText(s string) string {
	n := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ToValidUTF8(s, "\uFFFD")}
	switch {
	case strings.IndexFunc(s, hostile) >= 0:
		n.Style = yaml.DoubleQuotedStyle
	case bare.MatchString(s) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)):
		return s
	default:
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	}
	b, err := yaml.Marshal(&n)
	if err != nil {
		return "''"
	}
	return strings.TrimRight(string(b), "\n")
}

// writeNew writes a file that is not there.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; choose another name, or remove it: %w", path, holdfast.ErrConflict)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
