package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/host"
)

// ballast is a file that keeps room in the data folder for one thing: starting
// where the disk has become full. It is thrown off then, so that the stores can
// be opened and searched and people told, while nothing is taken in until there is
// room again; then it is made anew.
type ballast struct {
	dir     string
	size    uint64
	reserve uint64 // what is free besides, when it is made
	log     *slog.Logger
}

const (
	ballastName  = "ballast"
	ballastMost  = 8 << 20
	ballastEvery = 30 * time.Second
)

func newBallast(cfg config, log *slog.Logger) *ballast {
	return &ballast{dir: cfg.Data, size: min(ballastMost, cfg.Reserve/4), reserve: cfg.Reserve, log: log}
}

func (b *ballast) file() string { return filepath.Join(b.dir, ballastName) }

// start makes room for a start if there is hardly any.
func (b *ballast) start() error {
	free, _, err := host.Disk(b.dir)
	if err != nil || free >= b.size {
		return nil // the stores say what is wrong with the folder
	}
	switch err := os.Remove(b.file()); {
	case err == nil:
		b.log.Warn("the disk is full: starting in the room that was kept for this; nothing is taken in until there is more", "folder", b.dir, "free", free)
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the disk of %s is full, and the room kept for a start cannot be used: %w", b.dir, err)
	}
	if least := b.size / 16; free < least {
		return fmt.Errorf("the disk of %s is full (%d KiB are free), and no room was kept for a start; free %d MiB at least and start again", b.dir, free>>10, max(1, b.size>>20))
	}
	return nil
}

// keep makes the file where there is room for it, now and later on.
func (b *ballast) keep(ctx context.Context) {
	t := time.NewTicker(ballastEvery)
	defer t.Stop()
	for {
		if err := b.fill(); err != nil {
			b.log.Debug("room for a start on a full disk could not be kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (b *ballast) fill() error {
	if info, err := os.Stat(b.file()); err == nil && uint64(info.Size()) >= b.size || b.size == 0 {
		return nil
	}
	if free, _, err := host.Disk(b.dir); err != nil || free < b.reserve+2*b.size {
		return err
	}
	// What packs well keeps no room on a file system that packs.
	noise := make([]byte, b.size)
	if _, err := rand.Read(noise); err != nil {
		return err
	}
	return host.WriteAtomic(b.file(), noise, 0o600)
}
