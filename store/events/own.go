package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"holdfast"
)

// check reads a SELECT that somebody wrote as the engine's own parser does, and
// refuses what reads anything but the events: files, settings, other tables.
// The engine is limited as well; this says so in words.
func (s *Store) check(ctx context.Context, own string) error {
	if err := s.onlySelect(ctx, own); err != nil {
		return err
	}
	var out string
	if err := s.db.QueryRowContext(ctx, "SELECT json_serialize_sql($1::VARCHAR)::VARCHAR", own).Scan(&out); err != nil {
		return queryError(ctx, err)
	}
	var tree any
	if err := json.Unmarshal([]byte(out), &tree); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	w := ownSQL{tables: map[string]bool{"events": true}}
	w.names(tree, 0)
	return w.walk(tree, 0)
}

// ownSQL walks the tree of a SELECT.
type ownSQL struct{ tables map[string]bool }

const deepest = 2000

// names collects the tables that the SELECT makes for itself.
func (w *ownSQL) names(v any, depth int) {
	if depth > deepest {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			w.names(x, depth+1)
		}
	case map[string]any:
		if ctes, ok := v["cte_map"].(map[string]any); ok {
			list, _ := ctes["map"].([]any)
			for _, c := range list {
				if c, ok := c.(map[string]any); ok {
					if name, ok := c["key"].(string); ok {
						w.tables[strings.ToLower(name)] = true
					}
				}
			}
		}
		for _, x := range v {
			w.names(x, depth+1)
		}
	}
}

// harmless are the functions that may stand where a table does.
var harmless = map[string]bool{"unnest": true, "range": true, "generate_series": true}

// revealing are functions of one row that say something of this machine.
var revealing = map[string]bool{
	"current_setting": true, "getenv": true, "getvariable": true, "set_config": true, "current_database": true, "current_user": true, "user": true,
	"session_user": true, "current_schemas": true, "current_schema": true, "version": true, "pg_table_is_visible": true, "nextval": true, "currval": true,
	"read_text": true, "read_blob": true, "glob": true, "query": true, "query_table": true, "sleep_ms": true, "write_log": true, "current_connection_id": true,
	"current_query": true, "txid_current": true, "in_search_path": true, "add_parquet_key": true,
}

func (w *ownSQL) walk(v any, depth int) error {
	if depth > deepest {
		return fmt.Errorf("search: this SELECT nests too deep: %w", holdfast.ErrInvalid)
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := w.walk(x, depth+1); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := w.node(v); err != nil {
			return err
		}
		for _, x := range v {
			if err := w.walk(x, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *ownSQL) node(v map[string]any) error {
	kind, _ := v["type"].(string)
	word := func(key string) string {
		s, _ := v[key].(string)
		return strings.ToLower(s)
	}
	switch kind {
	case "BASE_TABLE":
		if name := word("table_name"); !w.tables[name] || word("schema_name") != "" || word("catalog_name") != "" {
			return fmt.Errorf("search: there is no table %q; the one table is events: %w", cutText(name), holdfast.ErrInvalid)
		}
	case "TABLE_FUNCTION":
		f, _ := v["function"].(map[string]any)
		name, _ := f["function_name"].(string)
		if !harmless[strings.ToLower(name)] {
			return fmt.Errorf("search: %q may not stand where a table does; the one table is events: %w", cutText(name), holdfast.ErrInvalid)
		}
	case "SHOW_REF", "SHOW":
		return fmt.Errorf("search: describe and show are not taken; the columns of events are in docs/query.md: %w", holdfast.ErrInvalid)
	}
	if name := word("function_name"); name != "" && (revealing[name] || strings.HasPrefix(name, "pg_") || strings.HasPrefix(name, "duckdb_")) {
		return fmt.Errorf("search: the function %q is not taken: %w", cutText(name), holdfast.ErrInvalid)
	}
	return nil
}

func cutText(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
