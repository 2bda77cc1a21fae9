package host

import (
	"bufio"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Memory is how many bytes of memory this process may take at most: the machine's,
// or what a control group around it leaves of them. 0 is not known.
func Memory() uint64 { return memoryOf(os.DirFS("/")) }

func memoryOf(root fs.FS) uint64 {
	least := uint64(math.MaxUint64)
	if b, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
				if kb, err := strconv.ParseUint(f[1], 10, 54); err == nil && kb > 0 {
					least = kb << 10
				}
			}
		}
	}
	for _, file := range groupLimits(root) {
		b, err := fs.ReadFile(root, file)
		if err != nil {
			continue // of a group above what a container sees, or of none
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 { // else "max"
			least = min(least, n)
		}
	}
	if least == math.MaxUint64 {
		return 0
	}
	return least
}

// groupLimits are the files that may limit the memory of this process: its group's
// and those of all groups above, in either version of cgroups(7). A container may see
// its own group as the root of all, under a name that is the host's.
func groupLimits(root fs.FS) (out []string) {
	f, err := root.Open("proc/self/cgroup")
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		_, rest, _ := strings.Cut(lines.Text(), ":")
		of, group, _ := strings.Cut(rest, ":")
		at, names := "sys/fs/cgroup", []string{"memory.max", "memory.high"}
		switch of {
		case "":
		case "memory":
			at, names = "sys/fs/cgroup/memory", []string{"memory.limit_in_bytes"}
		default:
			continue
		}
		for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
			for _, name := range names {
				out = append(out, path.Join(at, dir, name))
			}
			if dir == "/" {
				break
			}
		}
	}
	return out
}
