package evidence

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"holdfast"
)

// Report is what Verify saw.
type Report struct {
	Entries     uint64 `json:"entries"`
	Checkpoints int    `json:"checkpoints"`
	Root        string `json:"root"`
	// Lost are the entries that say what of the log was lost before them. The log is
	// whole from there on.
	Lost []LostEntry `json:"lost,omitempty"`
}

// LostEntry is an entry that says that some are lost.
type LostEntry struct {
	Index uint64 `json:"index"`
	What  string `json:"what"`
}

// Damage is the first thing wrong in a log.
type Damage struct {
	File   string
	Index  uint64
	Offset int64
	What   string
	atEnd  bool // nothing follows it
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
//
// A log that Holdfast writes to meanwhile may be read just between a record and
// its checkpoint; so a damage at the very end is looked at again for a second
// before it is believed.
func Verify(dir, public string, known []byte) (Report, error) {
	r, err := verify(dir, public, known)
	for range 10 {
		var d *Damage
		if !errors.As(err, &d) || !d.atEnd {
			break
		}
		time.Sleep(100 * time.Millisecond)
		r, err = verify(dir, public, known)
	}
	return r, err
}

func verify(dir, public string, known []byte) (Report, error) {
	var r Report
	v, err := note.NewVerifier(string(bytes.TrimSpace([]byte(public))))
	if err != nil {
		return r, fmt.Errorf("evidence: the public key: %w", err)
	}
	verifiers := note.VerifierList(v)
	// Checkpoints first: the records that they cover are there before them.
	b, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if err != nil {
		return r, fmt.Errorf("evidence: %w", err)
	}
	tree, err := readTree(filepath.Join(dir, recordsFile))
	r.Entries, r.Lost = uint64(len(tree.starts)), tree.lost
	if err != nil {
		return r, err
	}
	var offset int64
	var last uint64
	covered := func(list []piece, most uint64) error {
		for _, p := range list {
			d := &Damage{File: checkpointsFile, Index: uint64(r.Checkpoints), Offset: offset}
			if !p.whole {
				d.What, d.atEnd = "is no whole checkpoint", true
				return d
			}
			if size, err := sizeOf(p.text); err == nil && size > most {
				return nil
			}
			if last, err = tree.check(p.text, verifiers, d); err != nil {
				return err
			}
			offset += int64(len(p.text))
			r.Checkpoints++
		}
		return nil
	}
	if err := covered(splitNotes(b), math.MaxUint64); err != nil {
		return r, err
	}
	if last != r.Entries { // written since the checkpoints were read?
		now, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
		if err != nil {
			return r, fmt.Errorf("evidence: %w", err)
		}
		if err := covered(splitNotes(now[min(len(b), len(now)):]), r.Entries); err != nil {
			return r, err
		}
	}
	if last != r.Entries {
		return r, &Damage{File: checkpointsFile, Index: uint64(r.Checkpoints), Offset: offset, atEnd: true, What: fmt.Sprintf(
			"is missing: %d records are there and the newest checkpoint covers %d; a copy made while Holdfast was writing looks like this: make it with `holdfast evidence export FOLDER`", r.Entries, last)}
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
	lost   []LostEntry
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
		if e.Did == Lost {
			t.lost = append(t.lost, LostEntry{n, e.Outcome})
		}
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
		err = &Damage{Index: uint64(len(t.starts)), Offset: end, atEnd: true, What: "is not whole, or does not match its checksum"}
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
	for _, sig := range n.Sigs { // the last character's spare bits count as well
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			d.What = "has a signature that was changed: " + err.Error()
			return 0, d
		}
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
