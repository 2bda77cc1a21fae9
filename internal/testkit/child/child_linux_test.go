package child

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStart holds that a program outlives the thread whose goroutine started it,
// and does not outlive the process.
func TestStart(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	started := make(chan int)
	var ends func()
	ends = func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		if syscall.Gettid() == os.Getpid() {
			go ends() // the first thread is kept for good
			return
		}
		if err := Start(cmd, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		started <- syscall.Gettid()
	}
	go ends()
	tid := <-started
	wait(t, "the thread ends", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
		return os.IsNotExist(err)
	})
	time.Sleep(50 * time.Millisecond)
	if !runs(cmd.Process.Pid) {
		t.Error("the program ended with the thread of who started it")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	if os.Getenv("HOLDFAST_CHILD") != "" {
		left := exec.Command("sleep", "60")
		if err := Start(left, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		fmt.Println("pid", left.Process.Pid)
		os.Exit(0)
	}
	again := exec.Command(os.Args[0], "-test.run", "^TestStart$")
	again.Env = append(os.Environ(), "HOLDFAST_CHILD=1")
	out, err := again.Output()
	var pid int
	if _, scanned := fmt.Sscanf(string(out), "pid %d\n", &pid); err != nil || scanned != nil {
		t.Fatalf("%q: %v, %v", out, err, scanned)
	}
	wait(t, "the program ends with the process", func() bool { return !runs(pid) })
}

// runs says whether a process is there and is not a zombie.
func runs(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z")
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain until " + what)
		}
	}
}
