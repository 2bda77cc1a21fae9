// Package child starts programs that end with the test that started them, however
// it ends.
package child

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

type start struct {
	cmd *exec.Cmd
	err chan error
}

// starts is read by the one thread that starts programs.
var starts = sync.OnceValue(func() chan<- start {
	c := make(chan start)
	go func() {
		runtime.LockOSThread()
		for s := range c {
			s.err <- s.cmd.Start()
		}
	}()
	return c
})

// Start starts cmd and has the kernel send it sig when this process ends. What
// prctl(2) calls the parent of a program, and whose death it signals, is the thread
// that started it: one that enters another network and ends with it would take along
// all it ever started. So one thread starts them all, and stays.
func Start(cmd *exec.Cmd, sig syscall.Signal) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = sig
	s := start{cmd, make(chan error, 1)}
	starts() <- s
	return <-s.err
}
