package syslog

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/testkit/ports"
)

// program finds a sender, or skips the test; in CI all are there.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing", names[0])
	}
	t.Skipf("needs %s", names[0])
	return ""
}

// run keeps a program running until the test ends.
func runs(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, name, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &said, &said, append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, said.String())
		}
	})
}

// certificates are files of an authority, and of two certificates that it signed.
type certificates struct{ ca, server, client string }

func makeCertificates(t *testing.T) certificates {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	sign := func(name string, c *x509.Certificate, pub, by any) string {
		der, err := x509.CreateCertificate(rand.Reader, c, ca, pub, key)
		if err != nil {
			t.Fatal(err)
		}
		out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		if by != nil {
			k, err := x509.MarshalPKCS8PrivateKey(by)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})...)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, out, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	leaf := func(n int64, name string) string {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return sign(name+".pem", &x509.Certificate{
			SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			DNSNames: []string{"localhost", name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, k.Public(), k)
	}
	return certificates{ca: sign("ca.pem", ca, key.Public(), nil), server: leaf(2, "server"), client: leaf(3, "client")}
}

// documented is a line of the page for users that has a text, with the addresses
// and files of the test in it. So what can be copied from there works.
func documented(t *testing.T, text string, with ...string) string {
	t.Helper()
	b, err := os.ReadFile("../../../docs/inputs.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.NewReplacer("\"\n  StreamDriver", "\" StreamDriver").Replace(string(b)) // one over two lines
	for line := range strings.Lines(page) {
		if i := strings.Index(line, text); i >= 0 {
			line, _, _ = strings.Cut(line[i:], "` |")
			return strings.NewReplacer(with...).Replace(strings.TrimSpace(line)) + "\n"
		}
	}
	t.Fatalf("docs/inputs.md has no line with %q", text)
	return ""
}

func (s *sink) with(text string) []string {
	return slices.DeleteFunc(s.lines(), func(l string) bool { return !strings.Contains(l, text) })
}

// TestRsyslogd takes what a real rsyslogd forwards: in three dialects, and over
// TLS with a certificate of its own.
func TestRsyslogd(t *testing.T) {
	t.Parallel()
	rsyslogd := program(t, "rsyslogd", "/usr/sbin/rsyslogd")
	s, where, secure := &sink{}, ports.Address(t), ports.Address(t)
	start(t, s, where, nil)
	c := makeCertificates(t)
	start(t, s, secure, map[string]string{"proto": "tls", "cert": c.server, "ca": c.ca})
	dial(t, where).Close()
	dial(t, secure).Close()
	host, port, _ := net.SplitHostPort(where)
	_, tlsPort, _ := net.SplitHostPort(secure)
	dir := t.TempDir()
	from := filepath.Join(dir, "in.log")
	if err := os.WriteFile(from, []byte("hello from rsyslog\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`module(load="imfile")
global(workDirectory=%q)
input(type="imfile" File=%q Tag="app:")
action(type="omfwd" target=%q port=%q protocol="tcp" template="RSYSLOG_TraditionalForwardFormat")
action(type="omfwd" target=%q port=%q protocol="udp" template="RSYSLOG_ForwardFormat")
`, dir, from, host, port, host, port)
	conf += documented(t, `action(type="omfwd" target="HOLDFAST" port="5514"`, "HOLDFAST", host, "5514", port)
	want := 3
	if modules, _ := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); len(modules) > 0 {
		want = 4
		conf += documented(t, `action(type="omfwd" target="HOLDFAST" port="6514"`, "HOLDFAST", host, "6514", tlsPort,
			"/etc/rsyslog.d/holdfast.crt", c.ca+fmt.Sprintf(`" streamdriver.CertFile=%q streamdriver.KeyFile="%s`, c.client, c.client))
	} else if os.Getenv("CI") != "" {
		t.Error("rsyslog-gnutls is missing")
	}
	file := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	runs(t, nil, rsyslogd, "-n", "-C", "-f", file, "-i", filepath.Join(dir, "pid"))
	waitFor(t, "the line in all dialects", func() bool { return len(s.with("hello from rsyslog")) == want })
	for _, l := range s.with("hello from rsyslog") {
		if !strings.Contains(l, " <133>") {
			t.Errorf("no priority: %q", l)
		}
	}
	if got := len(s.with("syslog:tls:127.0.0.1 ")); got < want-3 {
		t.Errorf("%d lines over TLS", got)
	}
}

// TestSyslogNG takes what a real syslog-ng sends: RFC 5424 over TCP and TLS, and
// the old form over UDP.
func TestSyslogNG(t *testing.T) {
	t.Parallel()
	const at = "/opt/syslog-ng" // where CI unpacks it: as packages, it and rsyslog exclude one another
	daemon := program(t, "syslog-ng", at+"/usr/sbin/syslog-ng")
	s, where, secure := &sink{}, ports.Address(t), ports.Address(t)
	start(t, s, where, nil)
	c := makeCertificates(t)
	start(t, s, secure, map[string]string{"proto": "tls", "cert": c.server})
	dial(t, where).Close()
	dial(t, secure).Close()
	host, port, _ := net.SplitHostPort(where)
	_, tlsPort, _ := net.SplitHostPort(secure)
	dir := t.TempDir()
	from := filepath.Join(dir, "in.log")
	if err := os.WriteFile(from, []byte("<13>Nov 23 02:09:06 web1 app[7]: hello from syslog-ng\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`@version: 3.38
options { keep-hostname(yes); stats-freq(0); };
source s_src { file(%q); };
destination d2 { network(%q port(%s) transport("udp")); };
log { source(s_src); destination(d2); };
`, from, host, port)
	conf += documented(t, `destination d_holdfast { syslog("HOLDFAST" port(5514)`, "HOLDFAST", host, "5514", port)
	conf += documented(t, `destination d_holdfast { syslog("HOLDFAST" port(6514)`, "HOLDFAST", "localhost", "6514", tlsPort, "/etc/syslog-ng/holdfast.crt", c.ca, "d_holdfast", "d3")
	conf += "log { source(s_src); destination(d3); };\n"
	file := filepath.Join(dir, "syslog-ng.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-F", "--no-caps", "-f", file, "-p", dir + "/pid", "-R", dir + "/persist", "-c", dir + "/ctl"}
	var env []string
	if strings.HasPrefix(daemon, at) {
		modules, _ := filepath.Glob(at + "/usr/lib/syslog-ng/3.*")
		args = append(args, "--module-path", strings.Join(modules, ":"))
		env = []string{"LD_LIBRARY_PATH=" + at + "/usr/lib/syslog-ng"}
	}
	runs(t, env, daemon, args...)
	waitFor(t, "the line by three ways", func() bool { return len(s.with("hello from syslog-ng")) == 3 })
	for _, way := range []string{"syslog:tcp:127.0.0.1 <13>1 ", "syslog:udp:127.0.0.1 <13>Nov 23 02:09:06 web1 app[7]: ", "syslog:tls:127.0.0.1 <13>1 "} {
		if len(s.with(way)) != 1 {
			t.Errorf("%q did not come: %q", way, s.lines())
		}
	}
}

// TestLogger takes what logger sends, in each of its forms.
func TestLogger(t *testing.T) {
	t.Parallel()
	logger := program(t, "logger")
	s, where := &sink{}, ports.Address(t)
	start(t, s, where, nil)
	dial(t, where).Close()
	host, port, _ := net.SplitHostPort(where)
	for i, form := range [][]string{
		{"--tcp", "--rfc5424"}, {"--tcp", "--rfc3164"}, {"--tcp", "--octet-count"}, {"--udp", "--rfc3164"}, {"--udp"},
	} {
		args := append([]string{"--server", host, "--port", port, "--tag", "app", "--priority", "auth.notice"}, form...)
		if out, err := exec.Command(logger, append(args, fmt.Sprint("hello ", i, " from logger"))...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	waitFor(t, "five lines", func() bool { return len(s.with("from logger")) == 5 })
	for _, l := range s.with("from logger") {
		if !strings.Contains(l, " <37>") || !strings.Contains(l, "app") {
			t.Errorf("%q", l)
		}
	}
}

// TestTLSRefuses has a sender without a certificate where one is asked for, one
// that speaks no TLS, and a certificate that is renewed.
func TestTLSRefuses(t *testing.T) {
	t.Parallel()
	s, where := &sink{}, ports.Address(t)
	c := makeCertificates(t)
	start(t, s, where, map[string]string{"proto": "tls", "cert": c.server, "ca": c.ca})
	fmt.Fprint(dial(t, where), "<13>this is no TLS\n")
	waitFor(t, "the note", func() bool { return s.trouble("a connection was refused") })
	pool := x509.NewCertPool()
	b, err := os.ReadFile(c.ca)
	if err != nil || !pool.AppendCertsFromPEM(b) {
		t.Fatal(err)
	}
	send := func(cfg *tls.Config) error {
		conn, err := tls.Dial("tcp", where, cfg)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := fmt.Fprint(conn, "9 <13>hello"); err != nil {
			return err
		}
		if err := conn.CloseWrite(); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		if err != nil && strings.Contains(err.Error(), "EOF") {
			return nil
		}
		return err
	}
	if err := send(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}); err == nil {
		t.Error("a sender without a certificate was taken")
	}
	mine, err := tls.LoadX509KeyPair(c.client, c.client)
	if err != nil {
		t.Fatal(err)
	}
	if err := send(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS12}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the line", func() bool { return len(s.with("syslog:tls:127.0.0.1 <13>hello")) == 1 })
	renewed := makeCertificates(t)
	for from, to := range map[string]string{renewed.server: c.server, renewed.ca: c.ca} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err == nil {
			err = os.Chtimes(to, time.Now(), time.Now().Add(time.Minute))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := send(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS12}); err == nil {
		t.Error("the old certificate is still in force")
	}
}
