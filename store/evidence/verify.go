package evidence

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"holdfast"
)

// Report is what Verify saw.
type Report struct {
	Entries     uint64 `json:"entries"`
	Checkpoints int    `json:"checkpoints"`
	Root        string `json:"root"`
}

// Damage is the first thing wrong in a log.
type Damage struct {
	File   string
	Index  uint64
	Offset int64
	What   string
}

func (d *Damage) Error() string {
	file := d.File
	if file == "" {
		file = recordsFile
	}
	return fmt.Sprintf("%s: entry %d at byte %d %s", file, d.Index, d.Offset, d.What)
}

// Unwrap lets errors.Is(d, holdfast.ErrInvalid) hold.
func (d *Damage) Unwrap() error { return holdfast.ErrInvalid }

// Verify checks a log's folder offline: every record against its checksum and
// form, every checkpoint's signature against the public key, and its tree hash
// against the records; the newest checkpoint must cover all of them. With
// known, a checkpoint kept elsewhere, it also proves that nothing the known one
// covered was cut or rewritten. The error is a *Damage that names the first
// place.
func Verify(dir, public string, known []byte) (Report, error) {
	var r Report
	v, err := note.NewVerifier(string(bytes.TrimSpace([]byte(public))))
	if err != nil {
		return r, fmt.Errorf("evidence: the public key: %w", err)
	}
	verifiers := note.VerifierList(v)
	tree, err := readTree(filepath.Join(dir, recordsFile))
	r.Entries = uint64(len(tree.starts))
	if err != nil {
		return r, err
	}
	b, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if err != nil {
		return r, fmt.Errorf("evidence: %w", err)
	}
	var offset int64
	var last uint64
	for i, p := range splitNotes(b) {
		d := &Damage{File: checkpointsFile, Index: uint64(i), Offset: offset}
		if !p.whole {
			d.What = "is no whole checkpoint"
			return r, d
		}
		if last, err = tree.check(p.text, verifiers, d); err != nil {
			return r, err
		}
		offset += int64(len(p.text))
		r.Checkpoints++
	}
	if last != r.Entries {
		return r, &Damage{File: checkpointsFile, Index: uint64(r.Checkpoints), Offset: offset, What: fmt.Sprintf("is missing: %d records are there and the newest checkpoint covers %d", r.Entries, last)}
	}
	if known != nil {
		if _, err := tree.check(known, verifiers, &Damage{File: "the known checkpoint"}); err != nil {
			return r, err
		}
	}
	if root, err := tlog.TreeHash(int64(r.Entries), tree.hashes); err == nil {
		r.Root = root.String()
	}
	return r, nil
}

type readRecords struct {
	hashes hashes
	starts []int64
}

func readTree(path string) (t readRecords, err error) {
	f, err := os.Open(path)
	if err != nil {
		return t, fmt.Errorf("evidence: %w", err)
	}
	defer f.Close()
	seen := map[string]bool{}
	var end int64
	err = scan(bufio.NewReaderSize(f, 1<<16), func(offset int64, body []byte) error {
		n := uint64(len(t.starts))
		var e holdfast.Evidence
		if err := json.Unmarshal(body, &e); err != nil {
			return &Damage{Index: n, Offset: offset, What: "is no evidence: " + err.Error()}
		}
		if seen[e.Key] {
			return &Damage{Index: n, Offset: offset, What: fmt.Sprintf("has the key %q a second time", e.Key)}
		}
		seen[e.Key] = true
		hs, err := tlog.StoredHashes(int64(n), body, t.hashes)
		if err != nil {
			return err
		}
		t.hashes = append(t.hashes, hs...)
		t.starts = append(t.starts, offset)
		end = offset + headLen + int64(len(body))
		return nil
	})
	if errors.Is(err, errTorn) {
		err = &Damage{Index: uint64(len(t.starts)), Offset: end, What: "is not whole, or does not match its checksum"}
	}
	return t, err
}

// check verifies one checkpoint against the tree and returns its size.
func (t *readRecords) check(text []byte, vs note.Verifiers, d *Damage) (uint64, error) {
	n, err := note.Open(text, vs)
	if err != nil {
		d.What = "is not signed with the log's key: " + err.Error()
		return 0, d
	}
	size, err := sizeOf([]byte(n.Text + "\n"))
	if err != nil {
		d.What = "cannot be read: " + err.Error()
		return 0, d
	}
	if size > uint64(len(t.starts)) {
		d.What = fmt.Sprintf("covers %d records, and only %d are there: the log was cut", size, len(t.starts))
		return 0, d
	}
	root, err := tlog.TreeHash(int64(size), t.hashes)
	if err != nil {
		return 0, err
	}
	if n.Text != checkpointText(int64(size), root) || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		d.What = fmt.Sprintf("was signed over other records than the first %d that are there", size)
		return 0, d
	}
	return size, nil
}
