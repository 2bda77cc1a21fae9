package sigma

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"holdfast"
)

// ParsePlaceholders reads the values of placeholders: a mapping of each name,
// without its percent signs, to a text or a list of texts. Values may hold
// wildcards.
func ParsePlaceholders(file string, data []byte) (map[string][]string, holdfast.Faults) {
	docs, fault := documents(file, data)
	r := &reader{file: file}
	if fault != nil {
		r.faults = append(r.faults, *fault)
	}
	out := map[string][]string{}
	for _, doc := range docs {
		if doc.Kind != yaml.MappingNode {
			r.fault(doc, "write name: [value, value]", "placeholders are a mapping of names to values, this is not one")
			continue
		}
		r.unique(doc, "the placeholders")
		for i := 0; i+1 < len(doc.Content); i += 2 {
			k := doc.Content[i]
			values := r.texts(doc, k.Value)
			if len(values) == 0 || len(values) > maxExpanded {
				r.fault(k, "give it a value, or leave it out", "the placeholder %q has %d values; 1 to %d are read", k.Value, len(values), maxExpanded)
				continue
			}
			for j := range len(k.Value) {
				if c := k.Value[j]; !isNameByte(c) || c == '*' {
					r.fault(k, "use letters, digits, _, - and .", "%q is no name of a placeholder", k.Value)
					values = nil
					break
				}
			}
			if values != nil {
				out[k.Value] = values
			}
		}
	}
	return out, r.faults
}

// missing says what to do about a placeholder without values.
func missing(name string) error {
	return fmt.Errorf("the placeholder %%%s%% has no values here, so the rule could never fire: set them in placeholders.yml beside the rules (%s: [value, value]), or write the values into the rule", name, name)
}
