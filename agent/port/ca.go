package port

import (
	"crypto"
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
	"net/url"
	"time"

	"holdfast"
	"holdfast/agent/wire"
)

// CA is the private authority that signs the agents' certificates and the
// port's own. It signs nothing else.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

const (
	caLife = 10 * 365 * 24 * time.Hour
	// early is how long before it was made a certificate begins. A clock that was
	// ahead when it was made, and is put right, must not shut an agent out, on
	// either side. Nothing is lost by it: the authority's key is its own.
	early = 365 * 24 * time.Hour
)

// NewCA makes an authority (ECDSA, P-256).
func NewCA(now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("authority's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Holdfast agents"},
		NotBefore: now.Add(-early), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	return &CA{cert, key}, nil
}

// LoadCA reads what PEM wrote.
func LoadCA(b []byte) (*CA, error) {
	var ca CA
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		var err error
		switch block.Type {
		case "CERTIFICATE":
			ca.cert, err = x509.ParseCertificate(block.Bytes)
		case "EC PRIVATE KEY":
			ca.key, err = x509.ParseECPrivateKey(block.Bytes)
		}
		if err != nil {
			return nil, fmt.Errorf("authority: %w: %w", err, holdfast.ErrInvalid)
		}
	}
	if ca.cert == nil || ca.key == nil || !ca.key.PublicKey.Equal(ca.cert.PublicKey) {
		return nil, fmt.Errorf("authority: a certificate and its key are needed: %w", holdfast.ErrInvalid)
	}
	return &ca, nil
}

// PEM is the certificate and the secret key, for the caller to keep.
func (c *CA) PEM() ([]byte, error) {
	key, err := x509.MarshalECPrivateKey(c.key)
	if err != nil {
		return nil, fmt.Errorf("authority's key: %w", err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
	return append(b, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})...), nil
}

// Fingerprint is what tokens carry.
func (c *CA) Fingerprint() string { return wire.Fingerprint(c.cert.Raw) }

// NewToken makes an enrolment token. The caller keeps its Hash and gives its
// String to whoever sets up the host.
func (c *CA) NewToken() (wire.Token, error) { return wire.NewToken(c.Fingerprint()) }

func (c *CA) sign(tmpl *x509.Certificate, pub crypto.PublicKey) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	tmpl.SerialNumber = serial
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.BasicConstraintsValid = true
	return x509.CreateCertificate(rand.Reader, tmpl, c.cert, pub, c.key)
}

// server makes the port's own certificate, for wire.ServerName and names.
func (c *CA) server(names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("server key: %w", err)
	}
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: wire.ServerName}, DNSNames: []string{wire.ServerName},
		NotBefore: now.Add(-early), NotAfter: now.Add(serverLife),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else if n != wire.ServerName {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	der, err := c.sign(tmpl, key.Public())
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, c.cert.Raw}, PrivateKey: key}, nil
}

// client signs an agent's key for asset. Nothing of the request but its key
// goes into the certificate.
func (c *CA) client(csr *x509.CertificateRequest, asset string, now time.Time, life time.Duration) ([]byte, error) {
	der, err := c.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: asset}, URIs: []*url.URL{assetURI(asset)},
		NotBefore: now.Add(-early), NotAfter: now.Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, csr.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("certificate for %s: %w", asset, err)
	}
	return der, nil
}

func assetURI(asset string) *url.URL {
	return &url.URL{Scheme: "holdfast", Host: "asset", Path: "/" + asset}
}

// parseCSR reads a signing request and checks that its sender holds the key.
func parseCSR(der []byte) (*x509.CertificateRequest, string, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, "", fmt.Errorf("certificate request: %w: %w", err, holdfast.ErrInvalid)
	}
	if k, ok := csr.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		return nil, "", fmt.Errorf("certificate request: the key must be ECDSA P-256: %w", holdfast.ErrInvalid)
	}
	return csr, wire.Fingerprint(csr.RawSubjectPublicKeyInfo), nil
}

func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}
