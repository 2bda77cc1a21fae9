package agent

import (
	"os"
	"path/filepath"
)

// asideMax is how many set-aside files a heartbeat names.
const asideMax = 20

const asideEnd = ".corrupt"

// setAside renames a damaged file, so that it stalls nothing and can be looked
// at; heartbeats name it until somebody removes it.
func (a *runtimeAgent) setAside(path string, why error) {
	a.o.Log.Error("a damaged file was set aside", "file", path+asideEnd, "error", why)
	if err := os.Rename(path, path+asideEnd); err != nil {
		a.note(filepath.Base(path), "is damaged and cannot be set aside: "+err.Error())
		return
	}
	select {
	case a.beat <- struct{}{}:
	default:
	}
}

// aside reports whether a file of this name was set aside.
func aside(path string) bool {
	_, err := os.Lstat(path + asideEnd)
	return err == nil
}

// noteAside adds the files that were set aside to a heartbeat's notes.
func (a *runtimeAgent) noteAside(notes map[string]string) {
	n := 0
	for _, dir := range []string{"tasks", "results"} {
		names, err := filepath.Glob(filepath.Join(a.o.Dir, dir, "*"+asideEnd))
		if err != nil {
			continue
		}
		for _, name := range names {
			if n++; n > asideMax {
				return
			}
			notes[dir+"/"+filepath.Base(name)] = "was damaged and set aside; look at it, then remove it"
		}
	}
}
