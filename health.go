package holdfast

import "time"

// Blind is what nobody sees while something is wrong with the pipeline.
type Blind struct {
	Rules int `json:"rules"` // that look at what is missing
	// Everywhere counts those of them that get it from nowhere else.
	Everywhere   int      `json:"everywhere"`
	First        []string `json:"first"` // of the rules, the gravest, MaxBlind at most
	Requirements []string `json:"requirements"`
}

// MaxBlind bounds the rules and the requirements that an alert names.
const MaxBlind = 20

// Mute keeps a trouble of the pipeline from raising an alert, until it ends. The
// trouble is shown, and what is blind for it stays so.
type Mute struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`    // "" for any
	Subject string    `json:"subject"` // what the trouble is about; * stands for any text
	Reason  string    `json:"reason"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}
