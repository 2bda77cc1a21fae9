package chaos

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Injection is strace(1) holding on to a process: it delays system calls of the
// real program, has them fail, or kills the program at one of them.
type Injection struct {
	cmd  *exec.Cmd
	done chan struct{}
	once sync.Once
	said lockedBuffer
}

// Inject begins to change the given system calls of a process and of all its
// threads. How is what strace's --inject takes behind the calls' names:
// delay_enter=100ms, error=EIO:when=3, signal=KILL:when=7. If paths are given, only
// calls that concern these files are meant.
func Inject(pid int, calls, how string, paths ...string) (*Injection, error) {
	i := &Injection{done: make(chan struct{})}
	i.cmd = exec.Command("strace", "-f", "-o", os.DevNull, "-p", strconv.Itoa(pid), "-e", "trace="+calls, "-e", "inject="+calls+":"+how)
	for _, p := range paths {
		i.cmd.Args = append(i.cmd.Args, "-P", p)
	}
	i.cmd.Stderr = &i.said
	if err := i.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = i.cmd.Wait()
		close(i.done)
	}()
	for range 500 {
		select {
		case <-i.done: // the process is gone, or strace may not
			return i, nil
		case <-time.After(10 * time.Millisecond):
		}
		if strings.Contains(i.said.String(), "attached") {
			return i, nil
		}
	}
	i.Stop()
	return nil, fmt.Errorf("strace does not get hold of process %d: %s", pid, i.said.String())
}

// Ended is closed when the process has ended.
func (i *Injection) Ended() <-chan struct{} { return i.done }

// Said is what strace had to say.
func (i *Injection) Said() string { return i.said.String() }

// Stop lets the process go, which then runs on as before. Strace sometimes waits
// forever for a thread that died as it was made; the kernel lets go of all that
// is left when strace is killed.
func (i *Injection) Stop() {
	i.once.Do(func() { _ = i.cmd.Process.Signal(os.Interrupt) })
	select {
	case <-i.done:
	case <-time.After(2 * time.Second):
		_ = i.cmd.Process.Kill()
		<-i.done
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
