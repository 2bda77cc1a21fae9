package parser

import (
	"bytes"
	"strings"
)

// Mark is a text that stands in each record of a kind. Whether it does is found
// by the one of its bytes that records have least often: most others need be looked
// at for that one alone.
type Mark struct {
	text   string
	seldom int // where it stands in the text
}

// seldom are letters as they come in records of JSON, the rarest first.
const seldom = "ZQXJKWVYHGUFLMPBDOCNRTISAzqxjkwEvybgfhmpucdlsnoirtae"

// NewMark makes a mark of a text that is not empty.
func NewMark(text string) Mark {
	m, rank := Mark{text: text}, len(seldom)
	for i := range len(text) {
		if r := strings.IndexByte(seldom, text[i]); r >= 0 && r < rank {
			m.seldom, rank = i, r
		}
	}
	return m
}

// In reports whether a record has the text.
func (m *Mark) In(raw []byte) bool {
	for {
		if len(raw) < len(m.text) {
			return false
		}
		i := bytes.IndexByte(raw[m.seldom:], m.text[m.seldom])
		if i < 0 || len(raw)-i < len(m.text) {
			return false
		}
		if string(raw[i:i+len(m.text)]) == m.text {
			return true
		}
		raw = raw[i+1:]
	}
}

// Marks are texts that all stand in each record of a kind.
type Marks []Mark

// NewMarks makes marks of texts, which are looked for in this order: the rarest
// should stand first.
func NewMarks(texts ...string) Marks {
	var out Marks
	for _, t := range texts {
		out = append(out, NewMark(t))
	}
	return out
}

// In reports whether a record has all of them.
func (m Marks) In(raw []byte) bool {
	for i := range m {
		if !m[i].In(raw) {
			return false
		}
	}
	return true
}
