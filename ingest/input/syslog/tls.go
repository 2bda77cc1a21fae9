package syslog

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"holdfast"
)

// handshake bounds how long a sender may take to agree on TLS.
const handshake = 10 * time.Second

// tlsFiles are the files of one listener's TLS. They are read again when they
// change, so that a certificate can be renewed without a restart.
type tlsFiles struct {
	cert, key, ca string

	mu  sync.Mutex
	at  [3]time.Time // when the files were changed
	now *tls.Config
}

func readTLS(o map[string]string) (*tlsFiles, error) {
	if o["proto"] != "tls" {
		for _, name := range []string{"cert", "key", "ca"} {
			if o[name] != "" {
				return nil, fmt.Errorf("syslog: option %s is for proto tls; add proto: tls: %w", name, holdfast.ErrInvalid)
			}
		}
		return nil, nil
	}
	f := &tlsFiles{cert: o["cert"], key: o["key"], ca: o["ca"]}
	if f.cert == "" {
		return nil, fmt.Errorf("syslog: proto tls needs the option cert, a PEM file; holdfast up --syslog-tls makes one by itself: %w", holdfast.ErrInvalid)
	}
	if f.key == "" {
		f.key = f.cert
	}
	return f, nil
}

// config is what a listener works with; it looks at the files at each
// connection.
func (f *tlsFiles) config() (*tls.Config, error) {
	first, err := f.load()
	if err != nil {
		return nil, err
	}
	c := first.Clone()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.load() }
	return c, nil
}

func (f *tlsFiles) load() (*tls.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var at [3]time.Time
	for i, name := range []string{f.cert, f.key, f.ca} {
		if info, err := os.Stat(name); err == nil {
			at[i] = info.ModTime()
		}
	}
	if f.now != nil && at == f.at {
		return f.now, nil
	}
	c, err := f.read()
	if err != nil {
		if f.now != nil {
			return f.now, nil // half written; what was valid stays so
		}
		return nil, err
	}
	f.now, f.at = c, at
	return c, nil
}

func (f *tlsFiles) read() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("the certificate %s: %w", f.cert, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if f.ca == "" {
		return c, nil
	}
	b, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("the senders' certificates: %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(b) {
		return nil, errors.New(f.ca + " holds no certificate in PEM")
	}
	return c, nil
}
