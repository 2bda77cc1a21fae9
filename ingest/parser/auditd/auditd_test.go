package auditd_test

import (
	"testing"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/auditd"
)

// more are the records of events.
var more = []string{
	`type=SYSCALL msg=audit(1795399746.123:456): arch=c000003e syscall=59 success=yes exit=0 items=2 ppid=100 pid=101 auid=1000 uid=33 ses=3 comm="sh" exe="/usr/bin/dash" key="exec"` + "\n" +
		`type=EXECVE msg=audit(1795399746.123:456): argc=3 a0="sh" a1="-c" a2=6563686F206869` + "\n" +
		`type=CWD msg=audit(1795399746.123:456): cwd="/var/www"` + "\n" +
		`type=PARENT msg=audit(1795399740.123:400): exe="/usr/sbin/apache2" proctitle=61706163686532002D6B`,
	`type=SYSCALL msg=audit(1795399746.123:459): arch=c000003e syscall=42 success=yes exit=0 pid=101 uid=33 comm="nc" exe="/usr/bin/nc"` + "\n" +
		`type=SOCKADDR msg=audit(1795399746.123:459): saddr=0200115CC00002070000000000000000`,
	`type=SYSCALL msg=audit(1795399746.123:460): arch=c000003e syscall=257 success=yes exit=3 pid=101 uid=0 comm="cp" exe="/usr/bin/cp"` + "\n" +
		`type=CWD msg=audit(1795399746.123:460): cwd="/etc/cron.d"` + "\n" +
		`type=PATH msg=audit(1795399746.123:460): item=1 name="./x" nametype=CREATE`,
	// The kernel parts long arguments over several records.
	`type=SYSCALL msg=audit(1795399746.123:461): arch=c000003e syscall=59 success=yes pid=101 uid=33 comm="x" exe="/bin/x"` + "\n" +
		`type=EXECVE msg=audit(1795399746.123:461): argc=4 a0="x" a1_len=8 a1[0]=6120` + "\n" +
		`type=EXECVE msg=audit(1795399746.123:461): a1[1]=6263 a2="two"` + "\n" +
		`type=EXECVE msg=audit(1795399746.123:461): a3="three"`,
}

func TestTogether(t *testing.T) {
	for i, want := range []map[string]string{
		{
			"": "linux.process_creation", "Image": "/usr/bin/dash", "CommandLine": "sh -c echo hi", "CurrentDirectory": "/var/www", "User": "33", "LogonId": "3",
			"ParentImage": "/usr/sbin/apache2", "ParentCommandLine": "apache2 -k", "ProcessId": "101", "key": "exec",
		},
		{"": "linux.network_connection", "Image": "/usr/bin/nc", "DestinationIp": "192.0.2.7", "DestinationPort": "4444", "Initiated": "true"},
		{"": "linux.file_event", "Image": "/usr/bin/cp", "TargetFilename": "/etc/cron.d/x"},
		{"": "linux.process_creation", "CommandLine": "x a bc two three"},
	} {
		got, err := auditd.Parser().Parse([]byte(more[i]), parser.Hint{})
		if err != nil {
			t.Fatal(err)
		}
		e := holdfast.Event{Fields: got.Fields}
		for name, w := range want {
			have := e.Text(name)
			if name == "" {
				have = got.Dataset
			}
			if have != w {
				t.Errorf("%s of event %d: %q, want %q", name, i, have, w)
			}
		}
	}
}
