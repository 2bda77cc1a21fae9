package example

import (
	"container/heap"
	"encoding/binary"
	"slices"
	"unicode"
)

// outcome says how a search ended.
type outcome uint8

const (
	found   outcome = iota
	never           // there is none
	unknown         // it gave up
)

// Limits on one search for a text.
const (
	maxNodes = 30_000
	maxTries = 300 // texts that other conditions turn down
)

type node struct {
	states []int32
	from   int32
	last   rune
	length int32
	rank   int64
}

type frontier struct {
	nodes []node
	heap  []int32
}

func (f *frontier) Len() int           { return len(f.heap) }
func (f *frontier) Less(i, j int) bool { return f.nodes[f.heap[i]].rank < f.nodes[f.heap[j]].rank }
func (f *frontier) Swap(i, j int)      { f.heap[i], f.heap[j] = f.heap[j], f.heap[i] }
func (f *frontier) Push(x any)         { f.heap = append(f.heap, x.(int32)) }
func (f *frontier) Pop() any {
	last := len(f.heap) - 1
	x := f.heap[last]
	f.heap = f.heap[:last]
	return x
}

// text looks for a text that is in all languages of in, in none of out, and
// that fits. It goes first where the least is missing.
func text(in, out []*language, fits func(string) bool, work *meter) (string, outcome) {
	named, borders := map[rune]int{}, map[rune]bool{}
	for _, l := range in {
		l.letters(named, borders)
	}
	few := make([]rune, 0, len(named)+2)
	for r := range named {
		few = append(few, r)
	}
	slices.SortFunc(few, func(a, b rune) int { return named[a] - named[b] })
	for _, r := range []rune{'x', ' '} {
		if _, ok := named[r]; !ok {
			few = append(few, r)
		}
	}
	s, how := explore(in, out, few, fits, work)
	if how == found {
		return s, found
	}
	for _, l := range out {
		l.letters(map[rune]int{}, borders)
	}
	return explore(in, out, alphabet(few, borders), fits, work)
}

// alphabet has one character of every set that all languages treat alike.
func alphabet(few []rune, borders map[rune]bool) []rune {
	for _, r := range []rune{0, '\n', '\n' + 1, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1, 0xd800, 0xe000, odd} {
		borders[r] = true // what assertions tell apart, and halves of characters
	}
	var at []rune
	for r := range borders {
		if r >= 0 && r < odd {
			at = append(at, r)
		}
	}
	slices.Sort(at)
	out := slices.Clone(few)
	for i, lo := range at {
		hi := rune(unicode.MaxRune)
		if i+1 < len(at) {
			hi = at[i+1] - 1
		}
		if lo >= 0xd800 && lo < 0xe000 {
			continue
		}
		if r := nice(lo, hi); !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

func explore(in, out []*language, letters []rune, fits func(string) bool, work *meter) (string, outcome) {
	all := append(slices.Clone(in), out...)
	f := &frontier{}
	seen := map[string]bool{}
	key := make([]byte, 4*len(all))
	limit := maxNodes
	push := func(states []int32, from int32, r rune, length int32, order int) {
		var left int64
		for i, l := range all {
			st := &l.all[states[i]]
			if i < len(in) {
				if st.left == endless {
					return
				}
				left += int64(st.left)
			} else if st.ever {
				return
			}
			binary.LittleEndian.PutUint32(key[4*i:], uint32(states[i]))
		}
		if seen[string(key)] {
			return
		}
		seen[string(key)] = true
		f.nodes = append(f.nodes, node{slices.Clone(states), from, r, length, (4*left+int64(length))<<10 + int64(min(order, 1023))})
		heap.Push(f, int32(len(f.nodes)-1))
		if length == 0 {
			limit += 200 * int(min(left, 1<<20))
		}
	}
	states := make([]int32, len(all))
	push(states, -1, 0, 0, 0)
	tries := 0
	for f.Len() > 0 {
		at := heap.Pop(f).(int32)
		n := f.nodes[at]
		if accepted(all, len(in), n.states) {
			s := spell(f.nodes, at)
			if fits == nil || fits(s) {
				return s, found
			}
			if tries++; tries > maxTries {
				return "", unknown
			}
		}
		for o, r := range letters {
			if work.spend(len(all) + 1); len(f.nodes) > limit || work.left < 0 {
				return "", unknown
			}
			for i, l := range all {
				states[i] = l.step(n.states[i], r)
			}
			push(states, at, r, n.length+1, o)
		}
	}
	if tries > 0 {
		return "", unknown // texts of one state may fit differently
	}
	return "", never
}

func accepted(all []*language, in int, states []int32) bool {
	for i, l := range all {
		if l.all[states[i]].ends != (i < in) {
			return false
		}
	}
	return true
}

func spell(nodes []node, at int32) string {
	var rs []rune
	for ; nodes[at].from >= 0; at = nodes[at].from {
		rs = append(rs, nodes[at].last)
	}
	slices.Reverse(rs)
	var b []byte
	for _, r := range rs {
		b = appendRune(b, r)
	}
	return string(b)
}
