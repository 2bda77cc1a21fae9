package detect

import (
	"io/fs"
	"testing"

	"holdfast"
	"holdfast/content"
)

// datasets are those of the Linux parsers, by the names and maps they promise.
func datasets() map[string]holdfast.Dataset {
	ecs := map[string]string{
		"src_ip": "source.ip", "user": "user.name", "hostname": "host.name",
		"command": "process.command_line", "src_port": "source.port", "program": "process.name",
	}
	out := map[string]holdfast.Dataset{}
	for name, service := range map[string]string{
		"linux.sshd": "sshd", "linux.sudo": "sudo", "linux.su": "su", "linux.useradd": "auth", "syslog": "syslog",
	} {
		out[name] = holdfast.Dataset{Name: name, Logsource: holdfast.Logsource{Product: "linux", Service: service}, ECS: ecs}
	}
	return out
}

func ours(t testing.TB) Source {
	t.Helper()
	sub, err := fs.Sub(content.FS, "rules")
	if err != nil {
		t.Fatal(err)
	}
	return Source{"content/rules", sub}
}
