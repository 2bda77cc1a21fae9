package host

import (
	"testing"
	"testing/fstest"
)

func TestMemory(t *testing.T) {
	const machine = "MemFree: 1 kB\nMemTotal:        4194304 kB\nMemAvailable: 3 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  uint64
	}{
		{"nothing to read", nil, 0},
		{"a machine", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n"}, 4 << 30},
		{"a group without a limit", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 4 << 30},
		{"its group", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, 1 << 30},
		{"a group above", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max": "536870912\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n",
		}, 512 << 20},
		{"where it is slowed down", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.high": "805306368\n",
		}, 768 << 20},
		{"a container that sees the host's name", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "5:cpu:/\n4:memory:/docker/1f\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
		}, 1 << 30},
		{"the first version's way to say none", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
		}, 4 << 30},
		{"a group of something else", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "5:cpu:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n",
		}, 4 << 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range c.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := memoryOf(root); got != c.want {
				t.Errorf("%d bytes, want %d", got, c.want)
			}
		})
	}
}
