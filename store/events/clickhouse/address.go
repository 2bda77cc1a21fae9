package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// scheme begins the address of a database.
const scheme = "clickhouse://"

// IsAddress reports whether a text names a ClickHouse database.
func IsAddress(text string) bool { return strings.HasPrefix(text, scheme) }

// Form is how an address is written.
const Form = "clickhouse://user@host:8123/database, with ?password-file=FILE, ?tls=true and ?ca=FILE where they are needed"

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)

// Check says what is wrong with an address; it asks nobody.
func Check(address string) error {
	_, err := parse(address)
	return err
}

// parse reads an address. Its errors never hold the password.
func parse(address string) (*DB, error) {
	bad := func(what string) error {
		return fmt.Errorf("the address of ClickHouse: %s; write it as %s", what, Form)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme+"://" != scheme {
		return nil, bad("it cannot be read")
	}
	d := &DB{database: strings.Trim(u.Path, "/"), user: u.User.Username(), host: u.Host}
	d.password, _ = u.User.Password()
	switch {
	case u.Hostname() == "":
		return nil, bad("it names no host")
	case !plainName.MatchString(d.database):
		return nil, bad("it names no database, or one whose name is not of letters, digits and _")
	}
	secure, pool := false, (*x509.CertPool)(nil)
	for name, values := range u.Query() {
		v := values[len(values)-1]
		switch name {
		case "tls":
			if v != "true" && v != "false" {
				return nil, bad("tls is true or false")
			}
			secure = secure || v == "true"
		case "ca":
			if pool, err = certificates(v); err != nil {
				return nil, err
			}
			secure = true
		case "password-file":
			b, err := os.ReadFile(v)
			if err != nil {
				return nil, fmt.Errorf("the password of ClickHouse: %w; make the file readable for Holdfast alone", err)
			}
			d.password = strings.TrimRight(string(b), "\r\n")
		default:
			return nil, bad(fmt.Sprintf("there is no option %q", name))
		}
	}
	port, kind := "8123", "http"
	if secure {
		port, kind = "8443", "https"
	}
	if u.Port() == "" {
		d.host = net.JoinHostPort(u.Hostname(), port)
	}
	d.base = kind + "://" + d.host + "/"
	d.http = &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext, MaxIdleConnsPerHost: 8, IdleConnTimeout: 2 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, DisableCompression: true,
	}}
	return d, nil
}

func certificates(path string) (*x509.CertPool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the certificates that ClickHouse's must be signed by: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, errors.New("the certificates that ClickHouse's must be signed by: " + path + " has none in PEM")
	}
	return pool, nil
}
