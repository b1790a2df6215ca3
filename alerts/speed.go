package alerts

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	defaultLookback = 5 * time.Minute
	// minLookback and minRange are what series of samples every few seconds need.
	minLookback = 30 * time.Second
	minRange    = 30 * time.Second
	// minAge is more than how old samples are that are not late.
	minAge      = 5 * time.Second
	minStep     = time.Second
	minInterval = time.Second
)

// faster are groups whose durations are divided: for, intervals, and in
// expressions ranges, offsets and what is compared with spans of time, when it is
// written as a duration: "time() - x > 5m", not "> 300".
func faster(groups []rulefmt.RuleGroup, by int) []rulefmt.RuleGroup {
	divide := func(d model.Duration) model.Duration { return d / model.Duration(by) }
	out := slices.Clone(groups)
	for i := range out {
		if out[i].Interval > 0 { // 0 is the evaluator's own
			out[i].Interval = max(divide(out[i].Interval), model.Duration(minInterval))
		}
		out[i].Rules = slices.Clone(out[i].Rules)
		for j := range out[i].Rules {
			r := &out[i].Rules[j]
			r.For, r.KeepFiringFor, r.Expr = divide(r.For), divide(r.KeepFiringFor), fasterExpr(r.Expr, by)
		}
	}
	return out
}

func fasterExpr(text string, by int) string {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return text // it was checked before
	}
	divide := func(d, least time.Duration) time.Duration {
		if d == 0 {
			return 0
		}
		return max(min(d, least), d/time.Duration(by)).Round(time.Millisecond)
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch v := n.(type) {
		case *parser.MatrixSelector:
			v.Range = divide(v.Range, minRange)
		case *parser.VectorSelector:
			v.OriginalOffset = divide(v.OriginalOffset, 0)
		case *parser.SubqueryExpr:
			v.Range, v.Step = divide(v.Range, minRange), divide(v.Step, minStep)
			v.OriginalOffset = divide(v.OriginalOffset, 0)
		case *parser.NumberLiteral:
			if v.Duration {
				v.Val = divide(time.Duration(v.Val*float64(time.Second)), minAge).Seconds()
			}
		}
		return nil
	})
	return expr.String()
}
