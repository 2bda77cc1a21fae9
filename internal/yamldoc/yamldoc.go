// Package yamldoc reads YAML that people wrote, so that what is wrong with it
// has a place and a next step. What the values mean is left to the callers.
package yamldoc

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"holdfast"
)

var place = regexp.MustCompile(`^(?:unmarshal errors:\s*)?line (\d+): `)

// Next reads the next document of a file; io.EOF says that there is none.
func Next(file string, dec *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		// The YAML reader is known to panic on some malformed input.
		if r := recover(); r != nil {
			doc, err = nil, Fault(file, fmt.Errorf("%v", r))
		}
	}()
	doc = &yaml.Node{}
	if err := dec.Decode(doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, Fault(file, err)
	}
	return doc, nil
}

// Parse reads the first document of a text; a text without any gives an empty
// one.
func Parse(file, text string) (*yaml.Node, *holdfast.Fault) {
	doc, err := Next(file, yaml.NewDecoder(strings.NewReader(text)))
	var fault holdfast.Fault
	switch {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.DocumentNode}, nil
	case errors.As(err, &fault):
		return nil, &fault
	}
	return doc, nil
}

// Fault gives an error of the YAML reader its place. The reader tells no
// column, and no line for bytes that are no text.
func Fault(file string, err error) holdfast.Fault {
	f := holdfast.Fault{File: file, Line: 1, Column: 1, Do: "check quotes, brackets and indentation there"}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := place.FindStringSubmatch(text); m != nil {
		f.Line, _ = strconv.Atoi(m[1]) // the pattern holds digits only
		text = text[len(m[0]):]
	}
	f.What = "the YAML cannot be read: " + strings.Join(strings.Fields(text), " ")
	return f
}
