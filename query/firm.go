package query

// firmly puts before each search for a text whatever its case one for a part of
// it that has none, as it stands: making a text small costs more than looking
// through it. It returns how many it put.
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
		if part := firm(what.text); part != "" {
			return apply("and", truth, apply("contains", truth, of, textOf(part)), x), 1
		}
	}
	return x, 0
}

// firm is the longest run of digits and signs in a text, which stand in another
// one as they do in the same in small letters: no letter becomes one of them. A
// run of one is in nearly every text and not worth a look.
func firm(s string) string {
	best, from := "", 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] > ' ' && s[i] < 0x7f && !letter(s[i]) {
			continue
		}
		if i-from > len(best) {
			best = s[from:i]
		}
		from = i + 1
	}
	if len(best) < 2 {
		return ""
	}
	return best
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
