package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"holdfast/api"
	"holdfast/store/evidence"
)

func (a *app) evidence() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "evidence", Short: "Who did and saw what: the signed, chained log",
		Example: "  holdfast evidence\n  holdfast evidence verify                        the whole chain, offline\n  holdfast evidence export copy/evidence          for an auditor, or to keep elsewhere\n  holdfast evidence verify --dir copy/evidence --key copy/evidence.pub --known checkpoint.txt",
		Args:    exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			var l list[api.EvidenceEntry]
			if err := a.call(c.Context(), "GET", "/evidence"+params("limit", fmt.Sprint(limit)), nil, &l); err != nil {
				return err
			}
			if a.json {
				return a.print(l.Items)
			}
			rows := make([][]string, 0, len(l.Items))
			for _, x := range l.Items {
				e := x.Evidence
				rows = append(rows, []string{fmt.Sprint(x.Index), e.At.Local().Format("2006-01-02 15:04:05"), e.Who, e.Did, e.On, cut(e.Outcome, 80)})
			}
			return a.table("INDEX AT WHO DID ON OUTCOME", rows)
		},
	}
	c.Flags().IntVar(&limit, "limit", 100, "entries at most")
	c.AddCommand(a.verifyEvidence(), a.checkpoint(), a.exportEvidence())
	return c
}

func (a *app) checkpoint() *cobra.Command {
	return &cobra.Command{
		Use: "checkpoint", Short: "Print the newest signed checkpoint, to be kept elsewhere", Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			var v api.CheckpointView
			if err := a.call(c.Context(), "GET", "/evidence/checkpoint", nil, &v); err != nil {
				return err
			}
			if a.json {
				return a.print(v)
			}
			fmt.Fprint(a.out, v.Text)
			return nil
		},
	}
}

func (a *app) verifyEvidence() *cobra.Command {
	var dir, key, known string
	c := &cobra.Command{
		Use: "verify", Short: "Check the whole chain offline; finds a single changed byte",
		Long: `Reads the log's folder and nothing else: every entry against its hash, every hash
against the tree, every checkpoint against the log's key. With --known, a
checkpoint kept elsewhere, it also finds a log that was cut short or rewritten.
Ends with 3 if anything is wrong, and names the first wrong entry; or if an entry
says that the log before it was lost, which the server notices at its start.`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if dir == "" {
				dir = filepath.Join(a.data, "evidence")
			}
			if key == "" {
				key = filepath.Join(a.data, evidencePublic)
			}
			pub, err := os.ReadFile(key)
			if err != nil {
				return fmt.Errorf("the log's public key: %w; name it with --key", err)
			}
			var checkpoint []byte
			if known != "" {
				if checkpoint, err = os.ReadFile(known); err != nil {
					return err
				}
			}
			report, err := evidence.Verify(dir, string(pub), checkpoint)
			if a.json {
				out := map[string]any{"report": report, "ok": err == nil && len(report.Lost) == 0}
				if err != nil {
					out["error"] = err.Error()
				}
				if perr := a.print(out); perr != nil {
					return perr
				}
			}
			if err != nil {
				fmt.Fprintln(a.err, "holdfast:", err)
				return errBroken
			}
			if !a.json {
				fmt.Fprintf(a.out, "%d entries, unbroken\n", report.Entries)
			}
			for _, x := range report.Lost {
				fmt.Fprintf(a.err, "! entry %d says that some are lost: %s\n", x.Index, clean(x.What))
			}
			if len(report.Lost) > 0 {
				return errBroken
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "dir", "", "the log's folder; default: the one in --data")
	f.StringVar(&key, "key", "", "the log's public key; default: the one in --data")
	f.StringVar(&known, "known", "", "a checkpoint kept elsewhere")
	return c
}

// evidencePublic is where the log's public key stands in the data folder.
const evidencePublic = "evidence.pub"

func (a *app) exportEvidence() *cobra.Command {
	return &cobra.Command{
		Use: "export FOLDER", Short: "Copy the whole log into a new folder, to be verified offline",
		Long: `Copies the log as it stands between two entries, which copying the files of a
running Holdfast does not. Give the public key (evidence.pub in the data folder)
and a checkpoint to whoever verifies it by another way than the copy.`,
		Example: "  holdfast evidence export audit-2026\n  holdfast evidence verify --dir audit-2026 --key evidence.pub",
		Args:    exactly(1, "one folder"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.Mkdir(args[0], 0o700); err != nil {
				return fmt.Errorf("%w; name a folder that is not there yet", err)
			}
			root, err := os.OpenRoot(args[0])
			if err != nil {
				return err
			}
			defer root.Close()
			n, err := int64(0), error(nil)
			if cerr := a.stream(c.Context(), "/evidence/export", func(r io.Reader) error {
				n, err = unpack(root, r)
				return err
			}); cerr != nil {
				return errors.Join(fmt.Errorf("the export broke off: %w", cerr), os.RemoveAll(args[0]))
			}
			if a.json {
				return a.print(map[string]any{"folder": args[0], "bytes": n})
			}
			fmt.Fprintf(a.out, "%d bytes in %s\n", n, args[0])
			return nil
		},
	}
}

// unpack writes the plain files of an archive to a folder, and counts bytes.
func unpack(root *os.Root, r io.Reader) (int64, error) {
	var total int64
	for t := tar.NewReader(r); ; {
		head, err := t.Next()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		f, err := root.OpenFile(head.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return total, err
		}
		n, err := io.CopyN(f, t, head.Size)
		total += n
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return total, err
		}
	}
}
