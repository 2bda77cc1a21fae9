package query

import (
	"strings"
	"unicode/utf8"
)

// Describe says what the word at a byte of the text is, and where it stands: a
// function, a step of a pipe, a keyword or a field. What is "" where there is
// nothing to say.
func Describe(s string, at int) (from, to int, what string) {
	if len(s) > MaxText {
		return 0, 0, ""
	}
	at = min(max(at, 0), len(s))
	for at > 0 && at < len(s) && !utf8.RuneStart(s[at]) {
		at--
	}
	toks, _ := scanAll(s)
	for i, t := range toks {
		if t.kind != tokWord || at < t.pos {
			continue
		}
		word, end := t.text, t.end
		if strings.HasPrefix(s[end:], "-") && i+2 < len(toks) { // project-away
			if whole := word + "-" + toks[i+2].text; words[whole] != "" {
				word, end = whole, toks[i+2].end
			}
		}
		if at > end {
			continue
		}
		return t.pos, end, describeWord(word, strings.HasPrefix(s[end:], "("))
	}
	return 0, 0, ""
}

func describeWord(word string, called bool) string {
	if _, ok := functions[word]; ok && called {
		return detail("function", word)
	}
	if what := detail("keyword", word); what != "" {
		return what
	}
	return detail("field", word)
}
