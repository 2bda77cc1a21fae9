package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"holdfast/ingest/evtx"
)

// count walks over the paths, so that what was done can be held against it.
func (s *scan) count(ctx context.Context, paths []string) (files int, total int64, err error) {
	err = s.walk(ctx, paths, func(_ string, info fs.FileInfo, _ error) {
		if info != nil {
			files, total = files+1, total+info.Size()
		}
	})
	return files, total, err
}

// walk calls each for every file below the paths, links not followed; or with
// what is wrong with it. No list of them is kept.
func (s *scan) walk(ctx context.Context, paths []string, each func(path string, info fs.FileInfo, err error)) error {
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && path == root:
				return err
			case err != nil:
				each(path, nil, err)
				return nil
			case d.IsDir():
				return nil
			}
			named := path == root
			if !named && !d.Type().IsRegular() {
				return nil
			}
			info, err := os.Stat(path)
			switch {
			case err != nil:
				each(path, nil, err)
			case info.Mode().IsRegular():
				each(path, info, nil)
			case named && !info.IsDir():
				each(path, nil, errors.New("it is no regular file; copy what it says to one"))
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", root, err)
		}
	}
	return nil
}

// all hands the files, the chunks of event logs and the batches of large files
// to the workers.
func (s *scan) all(ctx context.Context) error {
	n := s.o.Workers
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	jobs := make(chan func(*worker))
	s.shared = make(chan *batch, n)
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			w := &worker{s: s}
			for jobs, shared := jobs, s.shared; jobs != nil || shared != nil; {
				select {
				case job, ok := <-jobs:
					if !ok {
						jobs = nil
						continue
					}
					job(w)
					s.pending.Done()
				case b, ok := <-shared:
					if !ok {
						shared = nil
						continue
					}
					w.match(ctx, b)
					s.pending.Done()
				}
			}
		})
	}
	give := func(job func(*worker)) {
		s.pending.Add(1)
		jobs <- job
	}
	err := s.walk(ctx, s.o.Paths, func(path string, info fs.FileInfo, err error) {
		if err != nil {
			s.left(path, "%v", err)
			return
		}
		s.open(ctx, path, give)
	})
	close(jobs)
	s.pending.Wait()
	close(s.shared)
	wait.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// chunksPerJob is how much of an event log a worker takes at once: 2 MiB.
const chunksPerJob = 32

// open looks what a file is and makes jobs of it.
func (s *scan) open(ctx context.Context, path string, give func(func(*worker))) {
	h, err := os.Open(path)
	if err != nil {
		s.left(path, "%v", err)
		return
	}
	info, err := h.Stat()
	if err != nil || !info.Mode().IsRegular() {
		s.left(path, "it is no regular file any more (%v)", err)
		h.Close()
		return
	}
	head := make([]byte, tells)
	n, err := io.ReadFull(h, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		s.left(path, "%v", err)
		h.Close()
		return
	}
	if !evtx.Is(head[:n]) {
		give(func(w *worker) {
			defer h.Close()
			w.file(ctx, path, h, info.Size())
		})
		return
	}
	log, err := evtx.Open(h, info.Size())
	if err != nil {
		s.left(path, "%v", err)
		h.Close()
		return
	}
	s.faults(path, log.Faults)
	var parts sync.WaitGroup
	for from := 0; from < log.Chunks(); from += chunksPerJob {
		to := min(from+chunksPerJob, log.Chunks())
		parts.Add(1)
		give(func(w *worker) {
			defer parts.Done()
			w.chunks(ctx, path, log, from, to)
			s.bytes.Add(int64(to-from) * evtx.ChunkSize)
		})
	}
	go func() { parts.Wait(); h.Close() }()
}
