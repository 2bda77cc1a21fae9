package detect

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Place is a folder with rules, or one file of them, as a Source.
func Place(path string) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Source{}, fmt.Errorf("there are no rules at %s: %w", path, err)
	}
	if info.IsDir() {
		return Dir(path), nil
	}
	dir, name := filepath.Split(path)
	return Source{Name: filepath.Clean(dir), FS: one{os.DirFS(filepath.Clean(dir)), name}}, nil
}

// one is a folder as if only one file of it were there.
type one struct {
	fs.FS
	name string
}

// ReadDir lists the file.
func (o one) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	info, err := fs.Stat(o.FS, o.name)
	if err != nil {
		return nil, err
	}
	return []fs.DirEntry{fs.FileInfoToDirEntry(info)}, nil
}
