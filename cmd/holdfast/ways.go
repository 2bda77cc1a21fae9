package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/ingest/input"
	inputs "holdfast/ingest/input/all"
	"holdfast/internal/host"
)

// inputs are the ways in that the server itself opens.
func (c config) inputs() []input.Config {
	zone := strings.Join(c.SyslogZone, ",")
	var out []input.Config
	add := func(addr string, options map[string]string) {
		if zone != "" {
			options["zone"] = zone
		}
		out = append(out, input.Config{Kind: "syslog", Where: addr, Options: options})
	}
	for _, addr := range c.Syslog {
		add(addr, map[string]string{})
	}
	for _, addr := range c.SyslogTLS {
		o := map[string]string{"proto": "tls", "cert": c.SyslogCert, "key": c.SyslogKey, "ca": c.SyslogCA}
		if c.SyslogCert == "" {
			o["cert"], o["key"] = c.syslogPEM(), ""
		}
		add(addr, o)
	}
	return out
}

func (c config) syslogPEM() string { return filepath.Join(c.Data, "syslog.pem") }

// syslogCertificate makes the certificate of --syslog-tls, if none was named and
// none was made before. Senders are given the part that is no secret.
func (c config) syslogCertificate() error {
	if len(c.SyslogTLS) == 0 || c.SyslogCert != "" {
		return nil
	}
	b, err := os.ReadFile(c.syslogPEM())
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = selfSigned("Holdfast syslog", c.SyslogTLS[0]); err == nil {
			err = host.WriteAtomic(c.syslogPEM(), b, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("the certificate of --syslog-tls: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return fmt.Errorf("%s holds no certificate; remove it and start again for a new one", c.syslogPEM())
	}
	return host.WriteAtomic(filepath.Join(c.Data, "syslog.crt"), pem.EncodeToMemory(block), 0o644)
}

// ownInputs are what this host's agent reads.
func (c config) ownInputs(self *host.Host) []input.Config {
	out := slices.Clone(c.Inputs)
	if len(out) == 0 {
		out = inputs.Defaults(self)
	}
	for _, where := range c.Files {
		out = append(out, fileInput(where))
	}
	return out
}

func fileInput(where string) input.Config {
	if abs, err := filepath.Abs(where); err == nil {
		where = abs
	}
	return input.Config{Kind: "file", Where: where}
}

// checkWays looks at what belongs together.
func (c config) checkWays() error {
	switch {
	case len(c.Files) > 0 && c.NoAgent:
		return errors.New("--file is read by this host's agent; leave out --no-agent")
	case c.SyslogCert == "" && c.SyslogKey != "":
		return errors.New("--syslog-key needs --syslog-cert")
	case len(c.SyslogTLS) == 0 && c.SyslogCert+c.SyslogCA != "":
		return errors.New("--syslog-cert and --syslog-ca are for --syslog-tls; name an address with it, such as 0.0.0.0:6514")
	}
	for _, in := range c.inputs() {
		if err := checkInput(in); err != nil {
			return err
		}
	}
	return nil
}
