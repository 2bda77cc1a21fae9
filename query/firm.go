package query

import "strings"

// firmly puts before each search for a text whatever its case one for a part of
// it that has none, or few letters, as it stands: making a text small costs more than
// looking through it a few times. It returns how many it put.
func firmly(x *scalar, depth int) (*scalar, int) {
	if depth > MaxDepth {
		return x, 0
	}
	switch x.op {
	case "and", "or":
		a, n := firmly(x.args[0], depth+1)
		b, m := firmly(x.args[1], depth+1)
		if n+m == 0 {
			return x, 0
		}
		return apply(x.op, truth, a, b), n + m
	case "icontains":
		of, what := x.args[0], x.args[1]
		if of.op != "column" || what.op != "text" {
			return x, 0
		}
		var any *scalar
		for _, part := range forms(firm(what.text)) {
			one := apply("contains", truth, of, textOf(part))
			if any == nil {
				any = one
			} else {
				any = apply("or", truth, any, one)
			}
		}
		if any != nil {
			return apply("and", truth, any, x), 1
		}
	}
	return x, 0
}

const (
	// rareEnough is how long a part without letters is looked for alone.
	rareEnough = 4
	// mostLetters is how many letters a part has at most; it is looked for in both
	// cases of each.
	mostLetters = 2
	// leastFirm is the least of a part: a shorter one is in nearly every text and not
	// worth a look.
	leastFirm = 2
)

// firm is a part of a text that another one has in few forms, if its small letters
// have it: the longest run of digits and signs, which stand there as they do here,
// as no letter becomes one of them; and where that is short, with a letter or two
// beside it.
func firm(s string) string {
	best := longestRun(s, 0)
	if len(best) < rareEnough {
		if with := longestRun(s, mostLetters); strings.ContainsFunc(with, func(r rune) bool { return !letter(byte(r)) }) {
			best = with
		}
	}
	if len(best) < leastFirm {
		return ""
	}
	return best
}

// longestRun is the longest part of a text that is of digits and signs and has so
// many letters at most, the first of those that are as long.
func longestRun(s string, letters int) string {
	best, from, have := "", 0, 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] <= ' ' || s[i] >= 0x7f || letter(s[i]) && (letters == 0 || unsteady(s[i])) {
			from, have = i+1, 0
			continue
		}
		if letter(s[i]) {
			have++
		}
		for ; have > letters; from++ {
			if letter(s[from]) {
				have--
			}
		}
		if i+1-from > len(best) {
			best = s[from : i+1]
		}
	}
	return best
}

// unsteady tells whether a letter outside of ASCII becomes this one.
func unsteady(c byte) bool { return c|0x20 == 'i' || c|0x20 == 'k' }

// forms are the ways to write a part with its letters small or large.
func forms(s string) []string {
	if s == "" {
		return nil
	}
	out := []string{s}
	for i := range len(s) {
		if letter(s[i]) {
			for _, f := range out {
				out = append(out, f[:i]+string(f[i]^0x20)+f[i+1:])
			}
		}
	}
	return out
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
