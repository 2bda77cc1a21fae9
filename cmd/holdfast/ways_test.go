package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/ports"
)

// auditOf is what auditd writes of a process that was started: six records, the
// arguments coded where they hold blanks, enriched.
func auditOf(at time.Time, serial, pid, ppid int, exe string, args ...string) string {
	head := func(kind string) string {
		return fmt.Sprintf("type=%s msg=audit(%d.%03d:%d): ", kind, at.Unix(), at.UnixMilli()%1000, serial)
	}
	execve := fmt.Sprintf("argc=%d", len(args))
	for i, a := range args {
		if strings.ContainsAny(a, ` "`) {
			execve += fmt.Sprintf(" a%d=%X", i, a)
		} else {
			execve += fmt.Sprintf(" a%d=%q", i, a)
		}
	}
	return strings.Join([]string{
		head("SYSCALL") + fmt.Sprintf(`arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56 items=2 ppid=%d pid=%d auid=1000 uid=1000 gid=1000 euid=0 tty=pts0 ses=3 comm=%q exe=%q key="exec"`, ppid, pid, filepath.Base(exe), exe) +
			"\x1d" + `ARCH=x86_64 SYSCALL=execve AUID="anna" UID="anna" GID="anna" EUID="root"`,
		head("EXECVE") + execve,
		head("CWD") + `cwd="/home/anna"`,
		head("PATH") + fmt.Sprintf(`item=0 name=%q inode=12 nametype=NORMAL`, exe),
		head("PROCTITLE") + fmt.Sprintf("proctitle=%X", strings.Join(args, "\x00")),
	}, "\n") + "\n"
}

// TestWaysIn drops what people have into a folder that --file names, and sends
// what their devices send to --syslog and --syslog-tls: all of it is found under
// the names that it has, and rules for processes and for audit records fire.
func TestWaysIn(t *testing.T) {
	folder, now := t.TempDir(), time.Now()
	plain, secure := ports.Address(t), ports.Address(t)
	s := newSolo(t, t.TempDir(), "--file", folder, "--syslog", plain, "--syslog-tls", secure, "--syslog-zone", "+05:00")
	want := map[string]string{"run_from_memory_folder": "", "audit_module_loaded": ""}
	if corpus := os.Getenv("HOLDFAST_CORPUS"); corpus != "" { // some of SigmaHQ's own
		for id, name := range map[string]string{
			"e4ffe466-6ff8-48d4-94bd-e32d1a6061e2": "linux/process_creation/proc_creation_lnx_nohup.yml",
			"a5b977d6-8a81-4475-91b9-49dbfcd941f7": "linux/auditd/execve/lnx_auditd_chattr_immutable_removal.yml",
			"d7fb8f0e-bd5f-45c2-b467-19571c490d7e": "network/firewall/net_firewall_cleartext_protocols.yml",
			"ceb407f6-8277-439b-951f-e4210e3ed956": "network/cisco/aaa/cisco_cli_clear_logs.yml",
		} {
			b, err := os.ReadFile(filepath.Join(corpus, "sigma", "rules", name))
			if err != nil {
				t.Fatal(err)
			}
			s.write(filepath.Join("rules", filepath.Base(name)), string(b))
			want[id] = ""
		}
	}
	s.start()
	drop := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	drop("audit.log", auditOf(now, 1, 100, 1, "/usr/bin/bash", "bash")+
		auditOf(now, 2, 101, 100, "/dev/shm/.x", "/dev/shm/.x", "two words", "--fast")+
		auditOf(now, 3, 102, 100, "/usr/bin/nohup", "nohup", "sleep", "1")+
		auditOf(now, 4, 103, 100, "/usr/bin/chattr", "chattr", "-i", "/etc/passwd")+
		fmt.Sprintf("type=SYSCALL msg=audit(%d.001:5): arch=c000003e syscall=313 success=yes exit=0 ppid=100 pid=104 auid=1000 uid=0 exe=\"/usr/bin/kmod\" key=\"modules\"\n", now.Unix())+
		fmt.Sprintf("type=PROCTITLE msg=audit(%d.001:5): proctitle=696E736D6F64\n", now.Unix()))
	drop("conn.log", fmt.Sprintf("#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\n%d.5\tCzeek1\t192.0.2.10\t1234\t198.51.100.4\t443\ttcp\n", now.Unix()))
	drop("u_ex.log", "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status\n"+
		now.UTC().Format("2006-01-02 15:04:05")+" 192.0.2.1 GET /iis-here.aspx - 443 - 192.0.2.11 curl/8 200\n")

	process := func() []map[string]any { return s.rows("dataset:linux.process_creation Image:*shm*") }
	s.wait(time.Minute, "the process", func() bool { return len(process()) == 1 })
	var fields map[string]any
	switch f := process()[0]["fields"].(type) {
	case string:
		if err := json.Unmarshal([]byte(f), &fields); err != nil {
			t.Fatal(err)
		}
	case map[string]any:
		fields = f
	}
	for name, text := range map[string]string{
		"CommandLine": "/dev/shm/.x two words --fast", "ParentImage": "/usr/bin/bash", "CurrentDirectory": "/home/anna", "User": "anna", "EffectiveUser": "root",
	} {
		if fields[name] != text {
			t.Errorf("%s is %v, want %q", name, fields[name], text)
		}
	}
	for _, q := range []string{"dataset:zeek.conn uid:Czeek1", "source:*u_ex.log iis-here.aspx -dataset:deadletter"} {
		s.wait(time.Minute, q, func() bool { return len(s.rows(q)) == 1 })
	}

	// A firewall east of here, over TLS, with the certificate that was made.
	pool := x509.NewCertPool()
	b, err := os.ReadFile(filepath.Join(s.data, "syslog.crt"))
	if err != nil || !pool.AppendCertsFromPEM(b) {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", secure, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	east := now.In(time.FixedZone("", 5*3600)).Add(-10 * time.Minute)
	line := fmt.Sprintf("<134>%s fw1 CEF:0|Fortinet|Fortigate|v7|1|traffic:forward accept|3|src=192.0.2.8 dst=198.51.100.1 dpt=23 act=accept", east.Format(time.Stamp))
	fmt.Fprintf(conn, "%d %s", len(line), line)
	udp, err := net.Dial("udp", plain)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	fmt.Fprintf(udp, "<189>29: *%s: %%PARSER-5-CFGLOG_LOGGEDCMD: User:admin  logged command:clear logging", now.UTC().Format("Jan _2 15:04:05.000 UTC"))
	s.wait(time.Minute, "the firewall's line", func() bool { return len(s.rows("dataset:cef.fortinet.fortigate src:192.0.2.8")) == 1 })
	row := s.rows("dataset:cef.fortinet.fortigate")[0]
	if at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(row["time"])); err != nil || at.Sub(east).Abs() > time.Second || row["trouble"] != nil && row["trouble"] != "" {
		t.Errorf("the firewall's clock was read as %v, not %s: %v", row["time"], east, row["trouble"])
	}
	s.wait(time.Minute, "the router's line", func() bool { return len(s.rows("dataset:cisco.aaa mnemonic:PARSER-5-CFGLOG_LOGGEDCMD")) == 1 })

	s.wait(time.Minute, "the alerts", func() bool {
		var alerts []holdfast.Alert
		s.ask(&alerts, "alerts")
		for _, a := range alerts {
			delete(want, a.Rule)
		}
		return len(want) == 0
	})
}
