// Package journald follows systemd's journal by way of journalctl. It hands on
// records as journalctl writes them; reading them is left to the parsers.
package journald

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/input"
)

const (
	defaultBackfill = 1000
	// maxLine is the longest record that is read whole to find its cursor.
	maxLine = 8 << 20
	maxPut  = 1000
	// settled is how long journalctl must live to count as well.
	settled = time.Second
)

// Input describes the input.
func Input() input.Input {
	return input.Input{
		Name:        "journald",
		Title:       "systemd journal",
		Description: "Follows the journal with journalctl and goes on after the last record's cursor.",
		References:  []string{"journalctl(1)", "https://systemd.io/JOURNAL_EXPORT_FORMATS/ (Journal JSON Format)"},
		Options: map[string]string{
			"dir":      "a folder with journal files, instead of this host's own",
			"backfill": "how many of the newest records to begin with in a journal never seen before, 1000 unless told otherwise",
		},
		Example: input.Config{Kind: "journald"},
		Check:   func(cfg input.Config) error { _, err := read(cfg); return err },
		Run:     run,
	}
}

type options struct {
	dir      string
	backfill int
}

func read(cfg input.Config) (options, error) {
	o := options{backfill: defaultBackfill}
	if cfg.Where != "" {
		return o, fmt.Errorf("journald: where is not used, remove %q; a folder is given by the option dir: %w", cfg.Where, holdfast.ErrInvalid)
	}
	for name, value := range cfg.Options {
		switch name {
		case "dir":
			if !filepath.IsAbs(value) {
				return o, fmt.Errorf("journald: option dir is an absolute path, not %q: %w", value, holdfast.ErrInvalid)
			}
			o.dir = value
		case "backfill":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 || n > 1_000_000 {
				return o, fmt.Errorf("journald: option backfill is 0 to 1000000, not %q: %w", value, holdfast.ErrInvalid)
			}
			o.backfill = n
		default:
			return o, fmt.Errorf("journald: there is no option %q, only dir and backfill: %w", name, holdfast.ErrInvalid)
		}
	}
	return o, nil
}

// fields are asked for by name: a core dump is a field too.
func fields() string {
	return "MESSAGE,MESSAGE_ID,PRIORITY,SYSLOG_FACILITY,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_UID,_COMM,_EXE,_CMDLINE," +
		"_HOSTNAME,_SYSTEMD_UNIT,_TRANSPORT,_SOURCE_REALTIME_TIMESTAMP"
}

type follower struct {
	cfg    input.Config
	opt    options
	env    input.Env
	source string
	said   string // the last note
	lasts  string // trouble that lasts as long as the process
	cursor string
}

func run(ctx context.Context, cfg input.Config, env input.Env) error {
	opt, err := read(cfg)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("journald: there is no journal on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	f := &follower{cfg: cfg, opt: opt, env: env, source: "journald"}
	if opt.dir != "" {
		f.source += ":" + opt.dir
	}
	f.cursor, _ = env.Positions.Load(f.source)
	if opt.dir == "" {
		f.lasts = partial("/var/log/journal", "/run/log/journal")
	}
	for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, 30*time.Second) {
		began := time.Now()
		err := f.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		f.note(fmt.Sprintf("journalctl ended and is started again: %v", err))
		if time.Since(began) > 10*settled {
			pause = time.Second
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

func (f *follower) note(trouble string) {
	if trouble == "" {
		trouble = f.lasts
	}
	if f.said == trouble {
		return
	}
	f.said = trouble
	if f.env.Note != nil {
		f.env.Note(f.source, trouble)
	}
}

// partial says that journalctl will show only a part of the journal: without a
// word, it leaves out the files it may not read.
func partial(folders ...string) string {
	for _, dir := range folders {
		names, _ := filepath.Glob(filepath.Join(dir, "*", "system.journal")) // the pattern is ours
		for _, name := range names {
			file, err := os.Open(name)
			if errors.Is(err, fs.ErrPermission) {
				return "cannot read " + name + ": permission denied, so only records of this user are seen; run as root or join group systemd-journal"
			}
			if err == nil {
				file.Close()
			}
		}
	}
	return ""
}

// args are journalctl's. Following shows the running boot only, so what came
// between the last record read and a shutdown is read without it, first.
func (f *follower) args(follow bool) []string {
	args := []string{"--all", "--quiet", "--output=json", "--output-fields=" + fields()}
	if f.opt.dir != "" {
		args = append(args, "--directory="+f.opt.dir)
	}
	if follow {
		args = append(args, "--follow")
	}
	if f.cursor != "" {
		return append(args, "--no-tail", "--after-cursor="+f.cursor)
	}
	return append(args, "--lines="+strconv.Itoa(f.opt.backfill))
}

// line is one record of journalctl's output.
type line struct {
	raw    []byte
	cut    bool
	cursor string
}

// follow reads what is there, of all boots, and then what comes.
func (f *follower) follow(ctx context.Context) error {
	if err := f.read(ctx, false); err != nil {
		return err
	}
	err := f.read(ctx, true)
	if err == nil {
		err = errors.New("it gave no reason")
	}
	return err
}

// read runs journalctl once, to its end.
func (f *follower) read(ctx context.Context, follow bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "journalctl", f.args(follow)...)
	cmd.WaitDelay = 2 * time.Second
	said := &tailBuffer{}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := make(chan line, maxPut)
	go func() {
		defer close(lines)
		readLines(ctx, out, lines)
	}()
	well := time.NewTimer(settled)
	defer well.Stop()
	for open := true; open && err == nil; {
		select {
		case <-well.C:
			f.note("")
		case l, ok := <-lines:
			if open = ok; ok {
				err = f.put(ctx, l, lines)
			}
		}
	}
	cancel()
	for range lines { // until the reader has ended
	}
	ended := cmd.Wait()
	if err != nil {
		return err
	}
	return f.why(ended, said.String())
}

// why makes journalctl's last words fit for a person.
func (f *follower) why(err error, said string) error {
	if err == nil || said == "" {
		return err
	}
	if strings.Contains(said, "insufficient permissions") || strings.Contains(said, "Permission denied") {
		return fmt.Errorf("%s; run as root or join group systemd-journal", said)
	}
	return errors.New(said)
}

// put hands on a record and all that have arrived behind it, until they are
// taken, and then saves the last cursor.
func (f *follower) put(ctx context.Context, first line, lines <-chan line) error {
	batch := []holdfast.Record{f.record(first)}
	held := len(first.raw)
more:
	for len(batch) < maxPut && held < maxLine {
		select {
		case l, ok := <-lines:
			if !ok {
				break more
			}
			batch = append(batch, f.record(l))
			held += len(l.raw)
		default:
			break more
		}
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := f.env.Sink.Put(ctx, batch)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.note("not taken, will be offered again: " + err.Error())
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
	if err := f.env.Positions.Save(f.source, f.cursor); err != nil {
		f.note("the position could not be saved, so records may be read twice after a restart: " + err.Error())
		return nil
	}
	f.note("")
	return nil
}

func (f *follower) record(l line) holdfast.Record {
	position := l.cursor
	if position == "" {
		position = f.cursor + "+" // too long to look for its own
	} else {
		f.cursor = l.cursor
	}
	return holdfast.Record{
		Source: f.source, Position: position, Asset: f.env.Asset, Dataset: f.cfg.Dataset,
		Received: f.env.Clock.Now(), Raw: l.raw, Truncated: l.cut,
	}
}

// readLines reads records to the end of the stream.
func readLines(ctx context.Context, from io.Reader, to chan<- line) {
	r := bufio.NewReaderSize(from, 256<<10)
	var p fastjson.Parser
	for {
		var raw []byte
		var err error
		for {
			var part []byte
			part, err = r.ReadSlice('\n')
			if room := maxLine - len(raw); room > 0 {
				raw = append(raw, part[:min(len(part), room)]...)
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
		}
		whole := bytes.HasSuffix(raw, []byte("\n"))
		raw = bytes.TrimSpace(raw)
		// A last line without an end is half a record; it comes again, after the
		// cursor before it.
		if len(raw) > 0 && (whole || err == nil) {
			l := line{raw: raw, cut: len(raw) > input.MaxRecord}
			if v, err := p.ParseBytes(raw); err == nil {
				l.cursor = string(v.GetStringBytes("__CURSOR"))
			}
			if l.cut {
				l.raw = bytes.Clone(raw[:input.MaxRecord])
			}
			select {
			case to <- l:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// tailBuffer keeps the last line that was written.
type tailBuffer struct{ b []byte }

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 4096 {
		t.b = t.b[len(t.b)-4096:]
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	s := strings.TrimSpace(string(t.b))
	return s[strings.LastIndexByte(s, '\n')+1:]
}
