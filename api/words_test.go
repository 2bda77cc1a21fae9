package api

import (
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"holdfast"
)

// TestWordsOfARequest holds that a request may use the words of a type that has a
// fixed list of them, and that another word is refused with the list.
func TestWordsOfARequest(t *testing.T) {
	type body struct {
		Level  holdfast.Level `json:"level"`
		Status holdfast.State `json:"status,omitempty"`
	}
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.Schema(reflect.TypeFor[body](), true, "")
	words(schemas)
	schema := schemas.SchemaFromRef("#/components/schemas/Body")
	for level, fine := range map[string]bool{"high": true, "informational": true, "grave": false, "": false} {
		res := &huma.ValidateResult{}
		huma.Validate(schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, map[string]any{"level": level, "status": "holds"}, res)
		switch {
		case fine && len(res.Errors) > 0:
			t.Errorf("%s: %v", level, res.Errors)
		case !fine && (len(res.Errors) != 1 || !strings.Contains(res.Errors[0].Error(), "medium, high, critical")):
			t.Errorf("%q: %v", level, res.Errors)
		}
	}
}
