package query

import (
	"math"
	"strconv"
	"time"
)

// constant works out times and durations that are written as sums and products,
// so that ago(2 * day) is one and now() - 7d bounds the range.
func constant(e Binary) Expr {
	switch left := e.Left.(type) {
	case Instant:
		switch right := e.Right.(type) {
		case Span:
			if e.Op == "+" {
				return Instant{e.span, left.Value.Add(right.Value)}
			}
			if e.Op == "-" {
				return Instant{e.span, left.Value.Add(-right.Value)}
			}
		case Instant:
			if d := left.Value.Sub(right.Value); e.Op == "-" && d < math.MaxInt64/2 && d > math.MinInt64/2 {
				return Span{e.span, d}
			}
		}
	case Span:
		switch right := e.Right.(type) {
		case Instant:
			if e.Op == "+" {
				return Instant{e.span, right.Value.Add(left.Value)}
			}
		case Span:
			if e.Op == "-" {
				right.Value = -right.Value
			}
			if e.Op == "+" || e.Op == "-" {
				return spanOf(e, float64(left.Value)+float64(right.Value), left.Value+right.Value)
			}
		case Number:
			if n, err := strconv.ParseFloat(right.Value, 64); err == nil && e.Op == "*" {
				return scaled(e, left.Value, n)
			} else if err == nil && e.Op == "/" && n != 0 {
				return scaled(e, left.Value, 1/n)
			}
		}
	case Number:
		if right, ok := e.Right.(Span); ok && e.Op == "*" {
			if n, err := strconv.ParseFloat(left.Value, 64); err == nil {
				return scaled(e, right.Value, n)
			}
		}
	}
	return e
}

func scaled(e Binary, d time.Duration, by float64) Expr {
	f := float64(d) * by
	return spanOf(e, f, time.Duration(math.Round(min(max(f, math.MinInt64/2), math.MaxInt64/2))))
}

// spanOf is a duration, or what was written where it is too long to be one.
func spanOf(e Binary, about float64, d time.Duration) Expr {
	if math.Abs(about) > 1<<62 {
		return e
	}
	return Span{e.span, d}
}

// constantCall works out the beginning of a span of time that is written out.
func constantCall(c Call) Expr {
	switch x := c.Args[0].(type) {
	case Text:
		if c.Name == "todatetime" {
			if t, err := (&parser{}).instant(x.Value, c.span); err == nil {
				return t
			}
		}
	case Instant:
		day := time.Date(x.Value.Year(), x.Value.Month(), x.Value.Day(), 0, 0, 0, 0, time.UTC)
		switch c.Name {
		case "todatetime":
			return Instant{c.span, x.Value}
		case "startofday":
			return Instant{c.span, day}
		case "startofweek":
			return Instant{c.span, day.AddDate(0, 0, -int(day.Weekday()))}
		case "startofmonth":
			return Instant{c.span, day.AddDate(0, 0, 1-day.Day())}
		case "bin":
			if step, ok := c.Args[1].(Span); ok {
				us, at := step.Value.Microseconds(), x.Value.UnixMicro()
				return Instant{c.span, time.UnixMicro(at - ((at%us)+us)%us).UTC()}
			}
		}
	}
	return c
}
