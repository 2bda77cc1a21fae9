package sigma

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/internal/yamldoc"
)

// Limits on a rule file, against YAML bombs.
const (
	MaxFile  = 1 << 20
	maxDocs  = 1000
	maxDepth = 32
	maxNodes = 50_000 // in one document
	maxAll   = 200_000
)

// documents splits data into its YAML documents, with aliases resolved and the
// limits kept. The documents before a fault of syntax are returned with it.
func documents(file string, data []byte) (docs []*yaml.Node, fault *holdfast.Fault) {
	if len(data) > MaxFile {
		return nil, &holdfast.Fault{File: file, What: fmt.Sprintf("the file has %d bytes, the limit is %d", len(data), MaxFile), Do: "split it"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	left := maxAll
	for {
		doc, err := yamldoc.Next(file, dec)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		var bad holdfast.Fault
		if errors.As(err, &bad) {
			return docs, &bad
		}
		if len(docs) == maxDocs {
			return docs, &holdfast.Fault{File: file, Line: doc.Line, What: fmt.Sprintf("more than %d documents in one file", maxDocs), Do: "split it"}
		}
		w := yamlWalk{file: file, budget: min(maxNodes, left)}
		budget := w.budget
		root := w.resolve(doc, 0)
		left -= budget - w.budget
		if w.fault != nil {
			return docs, w.fault
		}
		if root != nil {
			docs = append(docs, root)
		}
	}
}

type yamlWalk struct {
	file   string
	budget int
	fault  *holdfast.Fault
}

// resolve returns n with aliases replaced by copies, or nil for an empty
// document. It stops at the first limit passed.
func (w *yamlWalk) resolve(n *yaml.Node, depth int) *yaml.Node {
	if w.fault != nil {
		return nil
	}
	if w.budget--; w.budget < 0 || depth > maxDepth {
		w.fault = &holdfast.Fault{
			File: w.file, Line: n.Line, Column: n.Column,
			What: fmt.Sprintf("the document is nested deeper than %d or has more than %d values, aliases counted", maxDepth, maxNodes),
			Do:   "split the rule",
		}
		return nil
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 || n.Content[0].Tag == "!!null" {
			return nil
		}
		return w.resolve(n.Content[0], depth+1)
	case yaml.AliasNode:
		// An alias within its own anchor would go on for ever; depth ends it.
		c := w.resolve(n.Alias, depth+1)
		if c == nil {
			return nil
		}
		copied := *c
		copied.Line, copied.Column = n.Line, n.Column
		return &copied
	}
	var c *yaml.Node // n itself, until something in it changes
	for i, child := range n.Content {
		r := w.resolve(child, depth+1)
		switch {
		case r == nil:
			return nil
		case r == child:
			continue
		case c == nil:
			copied := *n
			copied.Content = slices.Clone(n.Content)
			c = &copied
		}
		c.Content[i] = r
	}
	if c == nil {
		return n
	}
	return c
}

// hash is the same for documents that say the same.
func hash(n *yaml.Node) string {
	b := make([]byte, 0, 4096)
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		b = strconv.AppendInt(b, int64(n.Kind), 10)
		b = append(append(append(b, ' '), n.Tag...), ' ')
		b = strconv.AppendInt(b, int64(len(n.Content)), 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(len(n.Value)), 10)
		b = append(append(append(b, ' '), n.Value...), ' ')
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(n)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// reader collects the faults of one document.
type reader struct {
	file   string
	faults holdfast.Faults
}

func (r *reader) fault(n *yaml.Node, do, format string, args ...any) {
	f := holdfast.Fault{File: r.file, What: fmt.Sprintf(format, args...), Do: do}
	if n != nil {
		f.Line, f.Column = n.Line, n.Column
	}
	r.faults = append(r.faults, f)
}

// get returns the value of a key of a mapping, or nil.
func get(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// text returns the scalar under a key; a wrong kind is a fault.
func (r *reader) text(n *yaml.Node, key string) string {
	v := get(n, key)
	if v == nil || v.Tag == "!!null" {
		return ""
	}
	if v.Kind != yaml.ScalarNode {
		r.fault(v, "write one plain value", "%s is not a text", key)
		return ""
	}
	return v.Value
}

// texts returns a list of scalars under a key; a single scalar is a list of one.
func (r *reader) texts(n *yaml.Node, key string) []string {
	v := get(n, key)
	if v == nil || v.Tag == "!!null" {
		return nil
	}
	if v.Kind == yaml.ScalarNode {
		return []string{v.Value}
	}
	if v.Kind != yaml.SequenceNode {
		r.fault(v, "write [a, b]", "%s is not a list", key)
		return nil
	}
	var out []string
	for _, c := range v.Content {
		if c.Kind != yaml.ScalarNode || c.Tag == "!!null" {
			r.fault(c, "write one plain value", "an entry of %s is not a text", key)
			continue
		}
		out = append(out, c.Value)
	}
	return out
}

// unique faults keys that stand twice: YAML would keep only one of them.
func (r *reader) unique(n *yaml.Node, what string) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Tag == "!!merge" {
			r.fault(k, "write out what it stands for", "merging with << is no part of Sigma")
		}
		if seen[k.Value] {
			r.fault(k, "remove or rename one of them", "%q stands twice in %s", k.Value, what)
		}
		seen[k.Value] = true
	}
}

func pos(n *yaml.Node) Pos { return Pos{n.Line, n.Column} }
