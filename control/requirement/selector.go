// Package requirement is the language in which people write what must hold.
// What is derived from a requirement, and how it stands on an asset, is left to
// package control.
package requirement

import (
	"fmt"
	"slices"
	"strings"

	"holdfast"
)

// MaxSelector bounds a selector's bytes.
const MaxSelector = 4096

// Selector picks assets: space-separated terms that must all hold. The zero
// Selector picks none.
type Selector struct {
	all   bool
	terms []term
}

type term struct {
	key    string
	not    bool
	values []string
}

// ParseSelector reads `key=value`, `key=a,b` (any of), `key!=value` (none of)
// and `*` (everything). An error wraps holdfast.ErrInvalid and names the column,
// counted in bytes from 1.
func ParseSelector(s string) (Selector, error) {
	if len(s) > MaxSelector {
		return Selector{}, fault(1, "is longer than %d bytes; use a tag instead", MaxSelector)
	}
	var sel Selector
	for at := 0; at < len(s); {
		if s[at] == ' ' || s[at] == '\t' {
			at++
			continue
		}
		end := at + strings.IndexAny(s[at:]+" ", " \t")
		if s[at:end] == "*" {
			sel.all = true
		} else {
			t, err := parseTerm(s[at:end], at+1)
			if err != nil {
				return Selector{}, err
			}
			sel.terms = append(sel.terms, t)
		}
		at = end
	}
	if sel.all && len(sel.terms) > 0 {
		return Selector{}, fault(1, "* picks everything and stands alone; remove it or the other terms")
	}
	if !sel.all && len(sel.terms) == 0 {
		return Selector{}, fault(1, "is empty; write * for every asset")
	}
	return sel, nil
}

// String writes the selector as ParseSelector reads it.
func (s Selector) String() string {
	if s.all {
		return "*"
	}
	parts := make([]string, len(s.terms))
	for i, t := range s.terms {
		op := "="
		if t.not {
			op = "!="
		}
		parts[i] = t.key + op + strings.Join(t.values, ",")
	}
	return strings.Join(parts, " ")
}

func parseTerm(s string, column int) (term, error) {
	key, list, ok := strings.Cut(s, "=")
	if !ok {
		return term{}, fault(column, "%q has no =; write key=value", s)
	}
	key, not := strings.CutSuffix(key, "!")
	if key == "" || strings.ContainsAny(key, "!,*") {
		return term{}, fault(column, "%q does not start with a key; write key=value or key!=value", s)
	}
	values := strings.Split(list, ",")
	if slices.Contains(values, "") || strings.ContainsAny(list, "=*") {
		return term{}, fault(column, "%q has an empty value, or a = or * in one; write %s=a,b", s, key)
	}
	return term{key, not, values}, nil
}

func fault(column int, format string, args ...any) error {
	return fmt.Errorf("selector, column %d: %s: %w", column, fmt.Sprintf(format, args...), holdfast.ErrInvalid)
}

// Match reports whether the selector picks the asset. An asset without the
// label is not picked by = and is picked by !=.
func (s Selector) Match(a holdfast.Asset) bool {
	for _, t := range s.terms {
		v, ok := a.Label(t.key)
		if (ok && slices.Contains(t.values, v)) == t.not {
			return false
		}
	}
	return s.all || len(s.terms) > 0
}
