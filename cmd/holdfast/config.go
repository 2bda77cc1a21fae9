package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/host"
	"holdfast/internal/yamldoc"
	"holdfast/store/bus"
)

// config is what `up` can be told.
type config struct {
	Data        string         `koanf:"data"`
	Listen      string         `koanf:"listen"`
	Agents      string         `koanf:"agents"`
	Syslog      []string       `koanf:"syslog"`
	SyslogTLS   []string       `koanf:"syslog-tls"`
	SyslogZone  []string       `koanf:"syslog-zone"`
	SyslogCert  string         `koanf:"syslog-cert"`
	SyslogKey   string         `koanf:"syslog-key"`
	SyslogCA    string         `koanf:"syslog-ca"`
	Files       []string       `koanf:"file"`
	AutoApprove []string       `koanf:"auto-approve"`
	Management  []string       `koanf:"management"`
	Inputs      []input.Config `koanf:"inputs"`
	NoAgent     bool           `koanf:"no-agent"`
	OwnRules    bool           `koanf:"own-rules"`
	LogLevel    string         `koanf:"log-level"`
	Reserve     uint64         `koanf:"reserve"`
	State       string         `koanf:"state"`
	Bus         string         `koanf:"bus"`
	Events      string         `koanf:"events"`
	Role        []string       `koanf:"role"`
	TLSCert     string         `koanf:"tls-cert"`
	TLSKey      string         `koanf:"tls-key"`
	Retention   []string       `koanf:"retention"`
	GeoIP       []string       `koanf:"geoip"`
	Health      []string       `koanf:"health"`

	file, text string // the configuration file, and what it said at the start
}

func defaultConfig() config {
	return config{Listen: "127.0.0.1:8440", Agents: "127.0.0.1:8444", LogLevel: "info", Reserve: bus.DefaultReserve}
}

func (c config) flags(f *pflag.FlagSet) {
	f.String("config", "", "a YAML file of settings; default: holdfast.yaml in the data folder, if it is there")
	f.String("listen", c.Listen, "address of console and API; TLS unless it is loopback")
	f.String("agents", c.Agents, "address for agents (mutual TLS)")
	f.StringSlice("syslog", nil, "address to take syslog on, UDP and TCP; may stand several times")
	f.StringSlice("syslog-tls", nil, "address to take syslog over TLS on; may stand several times")
	f.StringSlice("syslog-zone", nil, "time zone of syslog senders whose clocks have none, such as Europe/Berlin, or of some: 192.0.2.0/24=+02:00; may stand several times")
	f.String("syslog-cert", "", "certificate file (PEM) of --syslog-tls; default: one of its own making, syslog.crt in the data folder")
	f.String("syslog-key", "", "key file (PEM) of --syslog-cert")
	f.String("syslog-ca", "", "certificates (PEM) that syslog senders' must be signed by; without it they need none")
	f.StringSlice("file", nil, "log file, folder or pattern (/srv/logs/**/*.log) to read on this host, beside its own logs; may stand several times")
	f.StringSlice("auto-approve", nil, "part that needs no person's approval, such as action/block-address; may stand several times")
	f.StringSlice("management", nil, "address or prefix that never loses access; may stand several times")
	f.Bool("no-agent", false, "do not run an agent for this host")
	f.Bool("own-rules", false, "load only the rules of the data folder, not the shipped ones")
	f.String("log-level", c.LogLevel, "debug, info, warn or error")
	f.Uint64("reserve", c.Reserve, "bytes of disk that stay free; below it events are refused")
	f.String("state", "", "a PostgreSQL database for the state, postgres://user@host/db; default: a file in the data folder")
	f.String("bus", "", "a NATS JetStream cluster for the bus, nats://a:4222,b:4222,c:4222; default: embedded; needs --state and --events")
	f.String("events", "", "the folder of events; one that all nodes share if there are several; default: in the data folder")
	f.StringSlice("role", nil, "what this node does of ingest, detect and serve; may stand several times; default: all")
	f.StringSlice("retention", nil, "how long a dataset is kept, such as linux.sshd=90d or '*=365d+200GB'; may stand several times")
	f.StringSlice("geoip", nil, "file of the MaxMind format (.mmdb) that says where public addresses lie, or whose network they are in; may stand several times")
	f.StringSlice("health", nil, "from when on something is wrong with the pipeline: quiet=10m, quiet:syslog:*=5m, agent:laptop*=never, clock=2m, lag=1m, parse=5%, fields=500, disk=7d+5%; may stand several times")
	f.String("tls-cert", "", "certificate file (PEM); default: one of its own making")
	f.String("tls-key", "", "key file (PEM) of --tls-cert")
}

// loadConfig reads defaults, file, environment and flags, each over the one
// before.
func loadConfig(data string, flags *pflag.FlagSet) (config, error) {
	cfg := defaultConfig()
	k := koanf.New(".")
	path, err := flags.GetString("config")
	if err != nil {
		return cfg, err
	}
	named := path != ""
	if !named {
		path = filepath.Join(data, "holdfast.yaml")
	}
	text, err := os.ReadFile(path)
	if err != nil && (named || !errors.Is(err, fs.ErrNotExist)) {
		return cfg, holdfast.Fault{File: path, What: "cannot be read: " + err.Error(), Do: "make it readable, or name another with --config"}
	}
	if faults := checkSettings(path, string(text)); len(faults) > 0 {
		return cfg, faults
	}
	if err == nil {
		err = k.Load(file.Provider(path), yaml.Parser())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cfg, yamldoc.Fault(path, err)
	}
	err = k.Load(env.ProviderWithValue("HOLDFAST_", ".", func(name, value string) (string, any) {
		name = strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "HOLDFAST_")), "_", "-")
		if lists(name) {
			return name, strings.Split(value, ",")
		}
		return name, value
	}), nil)
	if err != nil {
		return cfg, err
	}
	if err := k.Unmarshal("", &cfg); err != nil { // the file is in order by now
		return cfg, errUsage{fmt.Errorf("a HOLDFAST_… variable: %w; see holdfast up --help for the settings", err)}
	}
	cfg.Data, cfg.file, cfg.text = data, path, string(text)
	flags.Visit(func(f *pflag.Flag) { err = errors.Join(err, cfg.set(flags, f.Name)) })
	return cfg, errors.Join(err, cfg.check())
}

func (c *config) set(f *pflag.FlagSet, name string) (err error) {
	switch name {
	case "listen":
		c.Listen, err = f.GetString(name)
	case "agents":
		c.Agents, err = f.GetString(name)
	case "syslog":
		c.Syslog, err = f.GetStringSlice(name)
	case "syslog-tls":
		c.SyslogTLS, err = f.GetStringSlice(name)
	case "syslog-zone":
		c.SyslogZone, err = f.GetStringSlice(name)
	case "syslog-cert":
		c.SyslogCert, err = f.GetString(name)
	case "syslog-key":
		c.SyslogKey, err = f.GetString(name)
	case "syslog-ca":
		c.SyslogCA, err = f.GetString(name)
	case "file":
		c.Files, err = f.GetStringSlice(name)
	case "auto-approve":
		c.AutoApprove, err = f.GetStringSlice(name)
	case "management":
		c.Management, err = f.GetStringSlice(name)
	case "no-agent":
		c.NoAgent, err = f.GetBool(name)
	case "own-rules":
		c.OwnRules, err = f.GetBool(name)
	case "log-level":
		c.LogLevel, err = f.GetString(name)
	case "reserve":
		c.Reserve, err = f.GetUint64(name)
	case "state":
		c.State, err = f.GetString(name)
	case "bus":
		c.Bus, err = f.GetString(name)
	case "events":
		c.Events, err = f.GetString(name)
	case "role":
		c.Role, err = f.GetStringSlice(name)
	case "retention":
		c.Retention, err = f.GetStringSlice(name)
	case "geoip":
		c.GeoIP, err = f.GetStringSlice(name)
	case "health":
		c.Health, err = f.GetStringSlice(name)
	case "tls-cert":
		c.TLSCert, err = f.GetString(name)
	case "tls-key":
		c.TLSKey, err = f.GetString(name)
	}
	return err
}

func (c config) level() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return slog.LevelInfo
	}
	return l
}

// secure reports whether the console must speak TLS: everywhere but on
// loopback.
func (c config) secure() bool {
	h, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return true
	}
	ip := net.ParseIP(h)
	return c.TLSCert != "" || h != "localhost" && (ip == nil || !ip.IsLoopback())
}

// serverTLS reads the certificate, or makes one that the command line of this
// machine trusts.
func serverTLS(c config) (*tls.Config, []byte, error) {
	if c.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil, nil
	}
	path := filepath.Join(c.Data, "console.pem")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = selfSigned("Holdfast console", c.Listen); err == nil {
			err = host.WriteAtomic(path, b, 0o600)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the console's certificate: %w", err)
	}
	cert, err := tls.X509KeyPair(b, b)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w; remove it and start again for a new one", path, err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, public, nil
}

func selfSigned(name, listen string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if name, err := os.Hostname(); err == nil {
		t.DNSNames = append(t.DNSNames, name)
	}
	if h, _, err := net.SplitHostPort(listen); err == nil {
		if ip := net.ParseIP(h); ip != nil && !ip.IsUnspecified() {
			t.IPAddresses = append(t.IPAddresses, ip)
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				t.IPAddresses = append(t.IPAddresses, n.IP)
			}
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})...), nil
}
