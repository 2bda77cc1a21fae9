package health

import (
	"fmt"
	"time"
)

const (
	parseEvery = 5 * time.Minute
	parseLeast = 10 // dead letters
	parseTimes = 3  // as many as usual
	parseOver  = 24 * time.Hour
)

// parsing compares a source's share of dead letters with what is usual.
type parsing struct {
	Usual float64   `json:"usual,omitempty"`
	Bad   bool      `json:"bad,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Last  time.Time `json:"last,omitzero"` // when dead letters came
	Share float64   `json:"share,omitempty"`

	events, dead         int // since begun
	wasEvents, wasDead   int // in the span before
	begun                time.Time
	seenEvents, seenDead int // at the last look
}

func (p *parsing) judge(now time.Time, l *Limits) (Trouble, bool) {
	if p.begun.IsZero() {
		p.begun = now
	}
	if p.dead > p.seenDead {
		p.Last = now
	}
	events, dead := p.events+p.wasEvents, p.dead+p.wasDead
	share := float64(dead) / float64(max(events, 1))
	most := max(l.Parse, parseTimes*p.Usual)
	switch {
	case dead >= parseLeast && share > most:
		if !p.Bad {
			p.Bad, p.Since = true, now
		}
		p.Share = share
	case p.Bad && (p.events > p.seenEvents && dead == 0 || events >= parseLeast && share < most/2 || now.Sub(p.Last) > parseOver):
		p.Bad = false
	}
	p.seenEvents, p.seenDead = p.events, p.dead
	if now.Sub(p.begun) >= parseEvery {
		if !p.Bad && p.events > 0 {
			p.Usual += (float64(p.dead)/float64(p.events) - p.Usual) * 0.05
		}
		p.wasEvents, p.wasDead = p.events, p.dead
		p.events, p.dead, p.seenEvents, p.seenDead, p.begun = 0, 0, 0, 0, now
	}
	if !p.Bad {
		return Trouble{}, false
	}
	return Trouble{
		Kind: Parse, Since: p.Since,
		What: fmt.Sprintf("%.0f%% of what this source sends cannot be read, where %.0f%% is usual", 100*p.Share, 100*p.Usual),
		Do:   "look at the dead letters (holdfast query 'dataset:deadletter | summarize count() by error'); once a parser is mended, holdfast ingest reparse reads them again",
	}, true
}
