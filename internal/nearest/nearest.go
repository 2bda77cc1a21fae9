// Package nearest finds the word that somebody probably meant. What words there
// are is left to its callers.
package nearest

import "fmt"

// longest is how long a word may be, in bytes, to be compared at all.
const longest = 64

// Word returns the known word that is the fewest changed, added or left out
// letters away from word, but fewer than limit; "" if there is none. Of several
// as near it returns the first.
func Word(word string, known []string, limit int) string {
	best := ""
	for _, k := range known {
		if d := distance(word, k, limit); d < limit {
			best, limit = k, d
		}
	}
	return best
}

// Say asks whether Word was meant, or says otherwise.
func Say(word string, known []string, limit int, otherwise string) string {
	if best := Word(word, known, limit); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return otherwise
}

// distance is the Levenshtein distance of a and b, or limit if it is not less.
func distance(a, b string, limit int) int {
	if len(a) > longest || len(b) > longest || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := prev[0]
		prev[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = prev[j]
			prev[j] = min(cost, prev[j]+1, prev[j-1]+1)
		}
	}
	return min(prev[len(b)], limit)
}
