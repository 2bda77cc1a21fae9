package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/api"
)

func (a *app) assets() *cobra.Command {
	c := &cobra.Command{
		Use: "assets [ASSET]", Short: "The hosts Holdfast knows",
		Example: "  holdfast assets\n  holdfast assets enrol --name web-01\n  holdfast assets tag web-01 env=prod tier=app",
		Args:    atMost(1, "at most one asset"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				asset, err := a.asset(c.Context(), args[0])
				if err != nil {
					return err
				}
				return a.print(asset)
			}
			items, err := listed[holdfast.Asset](c.Context(), a, 0, "/assets")
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, x := range items {
				rows = append(rows, []string{x.ID, x.Name, x.OS, strings.Join(x.Addresses, " "), tagText(x.Tags), ago(x.Seen), strings.Join(x.Lacks, "; ")})
			}
			return a.table("ID NAME OS ADDRESSES TAGS SEEN LACKS", rows)
		},
	}
	var name string
	enrol := &cobra.Command{
		Use: "enrol", Short: "Make a one-use token for a new agent", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			var out struct{ Token, Command string }
			if err := a.call(c.Context(), "POST", "/assets/tokens", map[string]string{"name": name, "ttl": "1h"}, &out); err != nil {
				return err
			}
			if a.json {
				return a.print(out)
			}
			fmt.Fprintf(a.out, "On the host, within the hour:\n  %s\n", out.Command)
			return nil
		},
	}
	enrol.Flags().StringVar(&name, "name", "", "what to call it")
	tag := &cobra.Command{
		Use: "tag ASSET KEY=VALUE…", Short: "Set an asset's tags; KEY= removes one",
		Args: atLeast(2, "an asset and KEY=VALUE"),
		RunE: func(c *cobra.Command, args []string) error {
			asset, err := a.asset(c.Context(), args[0])
			if err != nil {
				return err
			}
			tags := map[string]string{}
			for k, v := range asset.Tags {
				tags[k] = v
			}
			for _, kv := range args[1:] {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return errUsage{fmt.Errorf("%q is no KEY=VALUE", kv)}
				}
				if tags[k] = v; v == "" {
					delete(tags, k)
				}
			}
			return a.call(c.Context(), "PUT", "/assets/"+asset.ID+"/tags", map[string]any{"tags": tags}, nil)
		},
	}
	c.AddCommand(enrol, tag)
	return c
}

func tagText(tags map[string]string) string {
	var out []string
	for k, v := range tags {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// asset finds one by id or name; "" is the host Holdfast runs on, or the only
// one there is.
func (a *app) asset(ctx context.Context, name string) (holdfast.Asset, error) {
	all, err := listed[holdfast.Asset](ctx, a, 0, "/assets")
	if err != nil {
		return holdfast.Asset{}, err
	}
	for _, x := range all {
		if x.ID == name || x.Name == name || name == "" && (x.Local || len(all) == 1) {
			return x, nil
		}
	}
	return holdfast.Asset{}, fmt.Errorf("there is no asset %q; `holdfast assets` lists them: %w", name, holdfast.ErrNotFound)
}

func (a *app) facts() *cobra.Command {
	var on string
	c := &cobra.Command{
		Use: "facts [TABLE]", Short: "What is known about a host",
		Example: "  holdfast facts\n  holdfast facts listeners --json\n  holdfast facts sshd --asset web-01",
		Args:    atMost(1, "at most one table"),
		RunE: func(c *cobra.Command, args []string) error {
			asset, err := a.asset(c.Context(), on)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.factTables(c.Context(), asset)
			}
			var t holdfast.Table
			if err := a.call(c.Context(), "GET", "/assets/"+asset.ID+"/facts/"+args[0], nil, &t); err != nil {
				return err
			}
			if a.json {
				return a.print(t)
			}
			return a.showTable(t)
		},
	}
	c.Flags().StringVar(&on, "asset", "", "the host, by id or name; default: this one")
	return c
}

func (a *app) factTables(ctx context.Context, asset holdfast.Asset) error {
	var l list[api.TableInfo]
	if err := a.call(ctx, "GET", "/assets/"+asset.ID+"/facts", nil, &l); err != nil {
		return err
	}
	if a.json {
		return a.print(l.Items)
	}
	rows := make([][]string, 0, len(l.Items))
	for _, t := range l.Items {
		rows = append(rows, []string{t.Name, fmt.Sprint(t.Rows), ago(t.Collected), t.Error + t.Partial})
	}
	return a.table("TABLE ROWS AGE TROUBLE", rows)
}

func (a *app) showTable(t holdfast.Table) error {
	if t.Error != "" {
		fmt.Fprintf(a.err, "%s could not be read: %s\n", t.Name, clean(t.Error))
	}
	columns := map[string]bool{}
	for _, r := range t.Rows {
		for k := range r {
			columns[k] = true
		}
	}
	head := make([]string, 0, len(columns))
	for k := range columns {
		head = append(head, k)
	}
	slices.Sort(head)
	rows := make([][]string, 0, len(t.Rows))
	for _, r := range t.Rows {
		row := make([]string, len(head))
		for i, k := range head {
			if r[k] != nil {
				row[i] = cut(plainText(r[k]), 60)
			}
		}
		rows = append(rows, row)
	}
	return a.table(strings.ToUpper(strings.Join(head, " ")), rows)
}

func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any, map[string]any:
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(b)
	}
	return fmt.Sprint(v)
}
