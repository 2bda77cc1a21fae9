//go:build unix

package undo

import (
	"os"
	"os/exec"
	"syscall"
)

func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// underSystemd reports whether systemd runs this machine and we are in its
// namespaces; a unit would not be in ours otherwise.
func underSystemd() bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil || os.Geteuid() != 0 {
		return false
	}
	for _, ns := range []string{"net", "mnt"} {
		own, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			return false
		}
		if its, err := os.Readlink("/proc/1/ns/" + ns); err != nil || own != its {
			return false
		}
	}
	return true
}
