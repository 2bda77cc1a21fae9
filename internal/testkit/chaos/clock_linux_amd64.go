package chaos

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Clock is the time of day of one process, which can be set without touching
// the machine's. Programs ask the time of the vDSO, a piece of code that the
// kernel lays into each of them; Clock writes another one over it, in that
// process only, which asks the kernel and adds a number of seconds. So all of an
// unchanged program, the libraries in it included, sees the jump; its monotonic
// clock and its timers go on as they do when a real clock is set.
type Clock struct {
	mem *os.File
	at  int64 // where the seconds stand
}

// Start starts a program with a clock of its own, which differs by d from the
// machine's.
func Start(cmd *exec.Cmd, d time.Duration) (*Clock, error) {
	runtime.LockOSThread() // who traces is a thread
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return nil, err
	}
	if !ws.Stopped() {
		return nil, errors.New("the program ended before it began")
	}
	c, err := patch(pid, d) // before its first instruction
	if derr := syscall.PtraceDetach(pid); err == nil {
		err = derr
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	return c, nil
}

// Set makes the time of day differ by d from the machine's.
func (c *Clock) Set(d time.Duration) error {
	_, err := c.mem.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(int64(d/time.Second))), c.at)
	return err
}

// Close lets go of the process, whose clock stays as it is.
func (c *Clock) Close() error { return c.mem.Close() }

// The functions that stand in for the vDSO's. Each asks the kernel and adds what
// stands at the place that is filled in, relative to the next instruction.
var (
	gettime = []byte{
		0xb8, 0xe4, 0, 0, 0, 0x0f, 0x05, // eax = clock_gettime; syscall
		0x85, 0xc0, 0x75, 0x13, // if it failed: end
		0x85, 0xff, 0x74, 0x05, // if the clock is CLOCK_REALTIME: add
		0x83, 0xff, 0x05, 0x75, 0x0a, // if it is not CLOCK_REALTIME_COARSE: end
		0x48, 0x8b, 0x0d, 0, 0, 0, 0, // add: rcx = seconds
		0x48, 0x01, 0x0e, // *rsi += rcx
		0xc3, // end
	}
	gettimeofday = []byte{
		0xb8, 0x60, 0, 0, 0, 0x0f, 0x05, // eax = gettimeofday; syscall
		0x48, 0x85, 0xff, 0x74, 0x0a, // without a place for it: end
		0x48, 0x8b, 0x0d, 0, 0, 0, 0, // rcx = seconds
		0x48, 0x01, 0x0f, // *rdi += rcx
		0xc3,
	}
	unixtime = []byte{
		0x57, 0x31, 0xff, // push rdi; rdi = 0
		0xb8, 0xc9, 0, 0, 0, 0x0f, 0x05, // eax = time; syscall
		0x5f,                         // pop rdi
		0x48, 0x03, 0x05, 0, 0, 0, 0, // rax += seconds
		0x48, 0x85, 0xff, 0x74, 0x03, // without a place for it: end
		0x48, 0x89, 0x07, // *rdi = rax
		0xc3,
	}
)

// holes are where in each the distance to the seconds is filled in.
var holes = map[string]struct {
	code []byte
	hole int
}{
	"__vdso_clock_gettime": {gettime, 23},
	"__vdso_gettimeofday":  {gettimeofday, 15},
	"__vdso_time":          {unixtime, 14},
}

// patch writes the functions into a process that stands still.
func patch(pid int, d time.Duration) (*Clock, error) {
	base, size, err := vdso(pid)
	if err != nil {
		return nil, err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	image := make([]byte, size)
	if _, err := mem.ReadAt(image, base); err != nil {
		return nil, errors.Join(err, mem.Close())
	}
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, errors.Join(err, mem.Close())
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, errors.Join(err, mem.Close())
	}
	// The table of sections is for those who read files; nobody needs it now.
	free := int64(binary.LittleEndian.Uint64(image[40:]))
	c := &Clock{mem: mem, at: base + free}
	free += 8
	if int(free)+200 > len(image) {
		return nil, errors.Join(errors.New("there is no room in the vDSO"), mem.Close())
	}
	if err := c.Set(d); err != nil {
		return nil, errors.Join(err, mem.Close())
	}
	done := 0
	for _, s := range symbols {
		h, ok := holes[s.Name]
		if !ok {
			continue
		}
		code := bytes.Clone(h.code)
		binary.LittleEndian.PutUint32(code[h.hole:], uint32(int32(c.at-(base+free+int64(h.hole)+4))))
		jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(int32(free-int64(s.Value)-5)))
		_, err1 := mem.WriteAt(code, base+free)
		_, err2 := mem.WriteAt(jump, base+int64(s.Value))
		if err := errors.Join(err1, err2); err != nil {
			return nil, errors.Join(err, mem.Close())
		}
		free += int64(len(code)+15) &^ 15
		done++
	}
	if done != len(holes) {
		return nil, errors.Join(fmt.Errorf("the vDSO has %d of %d functions", done, len(holes)), mem.Close())
	}
	return c, nil
}

// vdso is where the vDSO lies in a process.
func vdso(pid int) (base, size int64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(line, "[vdso]\n") {
			continue
		}
		from, rest, _ := strings.Cut(line, "-")
		to, _, _ := strings.Cut(rest, " ")
		a, err1 := strconv.ParseInt(from, 16, 64)
		b, err2 := strconv.ParseInt(to, 16, 64)
		return a, b - a, errors.Join(err1, err2)
	}
	return 0, 0, errors.New("the process has no vDSO")
}
