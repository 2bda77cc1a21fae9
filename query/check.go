package query

import (
	"errors"
	"time"
)

// Check says what is wrong with a query, or nil, and which of its fields no event
// has, as far as options say which there are.
func Check(text string, o Options, now time.Time) (fault *Error, hints []Error) {
	q, err := Parse(text, now)
	var st Statement
	if err == nil {
		st, err = CompileWith(q, o)
	}
	if errors.As(err, &fault) {
		return fault, nil
	}
	return nil, st.Hints
}
