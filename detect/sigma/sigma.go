// Package sigma is the rule language: Sigma, specification 2.1, read into a
// typed tree. It knows detections, correlations and filters, resolves every
// modifier, wildcard and escape, and names each fault with file, line, column
// and what to do. It leaves field lookup and matching to detect/engine, and
// windows over time to detect/correlate.
package sigma

import (
	"net/netip"
	"time"

	"holdfast"
)

// Pos is a place in a rule file; lines and columns count from 1.
type Pos struct{ Line, Column int }

// Set is what one file, or many, hold. Rules are in the order of the file.
type Set struct {
	Rules        []*Rule
	Correlations []*Correlation
	Filters      []*Filter
}

// Add appends what another set holds.
func (s *Set) Add(o Set) {
	s.Rules = append(s.Rules, o.Rules...)
	s.Correlations = append(s.Correlations, o.Correlations...)
	s.Filters = append(s.Filters, o.Filters...)
}

// Meta is what all three kinds of document say about themselves.
type Meta struct {
	ID, Name, Title string
	Description     string
	Status          string
	Level           holdfast.Level // Medium if the rule names none
	Tags            []string
	FalsePositives  []string
	File            string
	Pos             Pos
	// Hash changes when anything but layout and comments of the document does.
	Hash string
}

// Key is how alerts and other rules name the rule: its name, else its id, else
// its title.
func (m *Meta) Key() string {
	switch {
	case m.Name != "":
		return m.Name
	case m.ID != "":
		return m.ID
	}
	return m.Title
}

// Rule is a detection.
type Rule struct {
	Meta
	Logsource  holdfast.Logsource
	Selections []Selection
	Condition  Expr
}

// Filter narrows rules: an event that a filter's condition holds for is kept
// from the rules it names. See Parser.Parse for the reading of conditions.
type Filter struct {
	Meta
	Logsource  holdfast.Logsource
	Any        bool     // it applies to every rule of its logsource
	Rules      []string // ids or names
	Selections []Selection
	Condition  Expr
}

// Selection is a named search. It holds if any of its clauses does.
type Selection struct {
	Name    string
	Pos     Pos
	Clauses []Clause
}

// Clause holds if all its items do.
type Clause []Item

// Op is how an item compares.
type Op uint8

// The comparisons that modifiers lead to.
const (
	Equals Op = iota
	Contains
	StartsWith
	EndsWith
	Regex
	CIDR
	Exists
	Less
	LessEqual
	Greater
	GreaterEqual
)

var opNames = [...]string{"equals", "contains", "startswith", "endswith", "re", "cidr", "exists", "lt", "lte", "gt", "gte"}

func (o Op) String() string { return opNames[o] }

// TimePart is the part of a timestamp that an item looks at.
type TimePart uint8

// The parts; Whole is the value itself.
const (
	Whole TimePart = iota
	Minute
	Hour
	Day
	Week
	Month
	Year
)

// Item is one field with its modifiers and values. It holds if any value does,
// or each of them if All. Field is empty for keywords, which look at every
// field and the raw record. Negated items (neq) hold if the rest does not; a
// missing field is thus unequal to everything.
type Item struct {
	Field    string
	Pos      Pos
	Op       Op
	All      bool
	Cased    bool
	Negated  bool
	FieldRef bool // values name fields to compare with
	Part     TimePart
	Values   []Value
}

// ValueKind is the type of a rule's value.
type ValueKind uint8

// The kinds. Null holds for a missing field and for JSON null, and only for
// those; an empty Text only for a field that is there and empty.
const (
	Text ValueKind = iota
	Number
	Bool
	Null
)

// Value is one value of an item, ready to compare. Which of the last fields is
// set depends on the item's Op.
type Value struct {
	Kind     ValueKind
	Text     string // as written
	Pos      Pos
	Patterns []Pattern    // Equals, Contains, StartsWith, EndsWith: any of them
	Regex    string       // Regex: with its flags, in RE2 syntax
	Net      netip.Prefix // CIDR
	Number   float64      // Less and so on, and time parts
	True     bool         // Exists
}

// Expr is a condition: And, Or, Not, Ref or Of.
type Expr interface{ over(holds []bool) bool }

// And holds if both sides do.
type And struct{ Left, Right Expr }

// Or holds if one side does.
type Or struct{ Left, Right Expr }

// Not holds if X does not.
type Not struct{ X Expr }

// Ref holds if the selection of that index does.
type Ref struct{ Selection int }

// Of holds if at least Least of the selections do.
type Of struct {
	Least      int
	Selections []int
}

// CorrelationType says what a correlation counts.
type CorrelationType string

// The types of specification 2.1, and value_median as pySigma has it.
const (
	EventCount      CorrelationType = "event_count"
	ValueCount      CorrelationType = "value_count"
	Temporal        CorrelationType = "temporal"
	TemporalOrdered CorrelationType = "temporal_ordered"
	ValueSum        CorrelationType = "value_sum"
	ValueAvg        CorrelationType = "value_avg"
	ValuePercentile CorrelationType = "value_percentile"
	ValueMedian     CorrelationType = "value_median"
)

// Correlation joins hits of other rules, detections or correlations.
type Correlation struct {
	Meta
	Type     CorrelationType
	Rules    []string // ids or names
	GroupBy  []string
	Timespan time.Duration
	// Aliases give a group-by name a field per rule: alias → rule → field.
	Aliases map[string]map[string]string
	Bounds  []Bound // all must hold; empty for "all rules" of the temporal types
	// Condition is over Rules by their index, for temporal; nil for all of them.
	Condition Expr
	Field     string   // what the value types look at
	Fields    []string // if value_count counts combinations of several
	Percent   float64  // value_percentile
	Generate  bool     // the rules it refers to alert for themselves too
}

// Bound is one comparison of a correlation's condition.
type Bound struct {
	Op    string // gte, gt, lte, lt, eq, neq
	Value float64
}

// Holds compares n.
func (b Bound) Holds(n float64) bool {
	switch b.Op {
	case "gte":
		return n >= b.Value
	case "gt":
		return n > b.Value
	case "lte":
		return n <= b.Value
	case "lt":
		return n < b.Value
	case "eq":
		return n == b.Value
	case "neq":
		return n != b.Value
	}
	return false
}
