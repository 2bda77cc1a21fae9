// Package evidence is the log of who did and saw what: a Merkle tree over
// records, with signed checkpoints, that anybody can verify offline from its
// folder and the log's public key. What is worth recording is left to others.
//
// References: RFC 6962, section 2.1 (the tree); golang.org/x/mod/sumdb/tlog
// (record and tree hashes); C2SP signed-note and tlog-checkpoint (checkpoints).
//
// The folder holds "records": each record as its length, the CRC-32C of that
// length and body, and its JSON; and "checkpoints": one signed note after
// another, each over the tree as it stood after an append.
package evidence

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"holdfast"
)

const (
	recordsFile     = "records"
	checkpointsFile = "checkpoints"
	origin          = "holdfast/evidence"
	headLen         = 8
	maxRecord       = 4 << 20
)

// Entry is one record with its place.
type Entry struct {
	Index    uint64
	Evidence holdfast.Evidence
}

// Log is the log, open for appending. It may be used from many goroutines.
type Log struct {
	dir    string
	signer note.Signer

	mu          sync.RWMutex
	records     *os.File
	checkpoints *os.File
	hashes      hashes
	ends        []int64 // offset after each record
	keys        map[string]bool
	newest      []byte
}

// hashes are the stored hashes of the tree, in tlog's order.
type hashes []tlog.Hash

// ReadHashes implements tlog.HashReader.
func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(h)) {
			return nil, fmt.Errorf("evidence: no hash %d", x)
		}
		out[i] = h[x]
	}
	return out, nil
}

// NewKey makes the log's key pair: the private one in note's signer form, the
// public one in its verifier form.
func NewKey() (private, public string, err error) { return note.GenerateKey(nil, origin) }

// Open opens the log in a folder, makes it if it is missing, and cuts off a
// record that a crash left half written. A damaged record before the end is an
// error: it is not for Open to mend.
func Open(dir, private string) (*Log, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("evidence: the key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	l := &Log{dir: dir, signer: signer, keys: map[string]bool{}}
	if l.records, err = os.OpenFile(filepath.Join(dir, recordsFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if l.checkpoints, err = os.OpenFile(filepath.Join(dir, checkpointsFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if err := l.load(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close closes the files; everything appended is on disk already.
func (l *Log) Close() error { return errors.Join(l.records.Close(), l.checkpoints.Close()) }

func (l *Log) load() error {
	var end int64
	err := scan(bufio.NewReaderSize(l.records, 1<<16), func(offset int64, body []byte) error {
		var e holdfast.Evidence
		if err := json.Unmarshal(body, &e); err != nil {
			return &Damage{Index: uint64(len(l.ends)), Offset: offset, What: "is no evidence: " + err.Error()}
		}
		end = offset + headLen + int64(len(body))
		return l.grow(body, e.Key, end)
	})
	if err != nil && !errors.Is(err, errTorn) {
		return fmt.Errorf("evidence in %s: %w; `holdfast evidence verify` tells more", l.dir, err)
	}
	if err := l.records.Truncate(end); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	if _, err := l.records.Seek(end, io.SeekStart); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	whole, err := l.lastWholeCheckpoint()
	if err != nil {
		return err
	}
	if err := l.checkpoints.Truncate(whole); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	if _, err := l.checkpoints.Seek(whole, io.SeekStart); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	size, err := sizeOf(l.newest)
	if err != nil {
		return err
	}
	if size > uint64(len(l.ends)) {
		return fmt.Errorf("evidence in %s: %d records are there and the newest checkpoint is signed over %d: the log was cut: %w", l.dir, len(l.ends), size, holdfast.ErrInvalid)
	}
	if size < uint64(len(l.ends)) { // the crash came between record and checkpoint
		return l.sign()
	}
	return nil
}

// lastWholeCheckpoint finds the end of the last checkpoint that is whole.
func (l *Log) lastWholeCheckpoint() (int64, error) {
	b, err := io.ReadAll(l.checkpoints)
	if err != nil {
		return 0, fmt.Errorf("evidence: %w", err)
	}
	var whole int64
	for _, n := range splitNotes(b) {
		if !n.whole {
			break
		}
		whole += int64(len(n.text))
		l.newest = n.text
	}
	return whole, nil
}

func sizeOf(checkpoint []byte) (uint64, error) {
	if checkpoint == nil {
		return 0, nil
	}
	lines := strings.SplitN(string(checkpoint), "\n", 3)
	if len(lines) < 3 {
		return 0, fmt.Errorf("evidence: a checkpoint is damaged: %w", holdfast.ErrInvalid)
	}
	n, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("evidence: a checkpoint is damaged: %w: %w", err, holdfast.ErrInvalid)
	}
	return n, nil
}

func (l *Log) grow(body []byte, key string, end int64) error {
	hs, err := tlog.StoredHashes(int64(len(l.ends)), body, l.hashes)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	l.hashes = append(l.hashes, hs...)
	l.ends = append(l.ends, end)
	l.keys[key] = true
	return nil
}

// Append records evidence, durably, in order; what has a key that is there
// already is left out.
func (l *Log) Append(_ context.Context, list ...holdfast.Evidence) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := int64(0)
	if n := len(l.ends); n > 0 {
		start = l.ends[n-1]
	}
	type added struct {
		body []byte
		key  string
	}
	var all []added
	var out []byte
	fresh := map[string]bool{}
	for _, e := range list {
		if e.Key == "" {
			return fmt.Errorf("evidence without a key: %w", holdfast.ErrInvalid)
		}
		if l.keys[e.Key] || fresh[e.Key] {
			continue
		}
		fresh[e.Key] = true
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("evidence %s: %w", e.Key, err)
		}
		if len(body) > maxRecord {
			return fmt.Errorf("evidence %s has %d bytes: %w", e.Key, len(body), holdfast.ErrTooLarge)
		}
		out = appendRecord(out, body)
		all = append(all, added{body, e.Key})
	}
	if len(all) == 0 {
		return nil
	}
	_, err := l.records.WriteAt(out, start)
	if err == nil {
		err = l.records.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("evidence: %w", err), l.records.Truncate(start))
	}
	for _, a := range all {
		start += headLen + int64(len(a.body))
		if err := l.grow(a.body, a.key, start); err != nil {
			return err
		}
	}
	return l.sign()
}

// sign writes a checkpoint over the tree as it stands.
func (l *Log) sign() error {
	n := int64(len(l.ends))
	root, err := tlog.TreeHash(n, l.hashes)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	text, err := note.Sign(&note.Note{Text: checkpointText(n, root)}, l.signer)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	if _, err := l.checkpoints.Write(text); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	if err := l.checkpoints.Sync(); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	l.newest = text
	return nil
}

func checkpointText(n int64, root tlog.Hash) string {
	return origin + "\n" + strconv.FormatInt(n, 10) + "\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n"
}

// Checkpoint returns the newest signed checkpoint and the number of records.
func (l *Log) Checkpoint() (text string, size uint64, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return string(l.newest), uint64(len(l.ends)), nil
}

// Lost is the Did of the entry that says that a log was there before this one, or that
// this one was cut or rewritten.
const Lost = "evidence.lost"

// Own reports how the log differs from what a checkpoint of it covered, which was kept
// elsewhere; "" is not at all. The checkpoint is believed: whoever keeps it answers for it.
func (l *Log) Own(known string) (lost string, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	size, err := sizeOf([]byte(known))
	if err != nil {
		return "", err
	}
	if have := uint64(len(l.ends)); size > have {
		return fmt.Sprintf("%d entries were there, and %d are: the log was cut, begun anew, or is an older copy", size, have), nil
	}
	root, err := tlog.TreeHash(int64(size), l.hashes)
	if err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	if !strings.HasPrefix(known, checkpointText(int64(size), root)) {
		return fmt.Sprintf("the first %d entries are not those that were there", size), nil
	}
	return "", nil
}

// List returns up to limit entries before an index, newest first; 0 is the end.
func (l *Log) List(before uint64, limit int) ([]Entry, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	end := uint64(len(l.ends))
	if before == 0 || before > end {
		before = end
	}
	var out []Entry
	for i := before; i > 0 && len(out) < limit; i-- {
		from := int64(0)
		if i > 1 {
			from = l.ends[i-2]
		}
		b := make([]byte, l.ends[i-1]-from)
		if _, err := l.records.ReadAt(b, from); err != nil {
			return nil, fmt.Errorf("evidence: %w", err)
		}
		var e holdfast.Evidence
		if err := json.Unmarshal(b[headLen:], &e); err != nil {
			return nil, fmt.Errorf("evidence %d: %w", i-1, err)
		}
		out = append(out, Entry{i - 1, e})
	}
	return out, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendRecord(out, body []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	sum := crc32.Update(crc32.Checksum(out[len(out)-4:], castagnoli), castagnoli, body)
	out = binary.BigEndian.AppendUint32(out, sum)
	return append(out, body...)
}

// errTorn is a last record that is not whole: a crash in the middle of a write.
var errTorn = errors.New("the last record is not whole")

// scan calls fn for every record. A record that ends before its length is
// errTorn; one whose checksum is wrong is errTorn if nothing follows it, else
// *Damage.
func scan(r *bufio.Reader, fn func(offset int64, body []byte) error) error {
	var offset int64
	for index := uint64(0); ; index++ {
		var head [headLen]byte
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return errTorn
		}
		n := binary.BigEndian.Uint32(head[:4])
		if n > maxRecord {
			return &Damage{Index: index, Offset: offset, What: "has an impossible length"}
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return errTorn
		}
		if crc32.Update(crc32.Checksum(head[:4], castagnoli), castagnoli, body) != binary.BigEndian.Uint32(head[4:]) {
			if _, err := r.Peek(1); err == io.EOF {
				return errTorn
			}
			return &Damage{Index: index, Offset: offset, What: "does not match its checksum"}
		}
		if err := fn(offset, body); err != nil {
			return err
		}
		offset += headLen + int64(n)
	}
}

type piece struct {
	text  []byte
	whole bool
}

// splitNotes takes a run of signed notes apart. A note ends with the signature
// lines after its empty line.
func splitNotes(b []byte) []piece {
	var out []piece
	for len(b) > 0 {
		i := bytes.Index(b, []byte("\n\n"))
		if i < 0 {
			return append(out, piece{b, false})
		}
		end := i + 2
		for bytes.HasPrefix(b[end:], []byte("\u2014 ")) {
			j := bytes.IndexByte(b[end:], '\n')
			if j < 0 {
				return append(out, piece{b, false})
			}
			end += j + 1
		}
		if end == i+2 {
			return append(out, piece{b, false})
		}
		out = append(out, piece{b[:end], true})
		b = b[end:]
	}
	return out
}
