package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	// stateFolder is where other programs of the mesh find keys and settings.
	stateFolder = "/run/mesh"
	serverName  = "pods.mesh.internal"
	// lifetime is long because a machine's clock may be set while it runs.
	lifetime = 30 * 365 * 24 * time.Hour
)

// keys are of an authority that was made for this run, and certificates by it.
type keys struct {
	pool           *x509.CertPool
	server, client tls.Certificate
	folder         string
}

// file is the path of one that nginx and openssl read: authority, certificate or key.
func (k *keys) file(name string) string { return filepath.Join(k.folder, name+".pem") }

// newKeys makes them and writes those down that other programs read.
func newKeys(folder string) (*keys, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate(1, "mesh authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	k := &keys{pool: x509.NewCertPool(), folder: folder}
	k.pool.AddCert(authority)
	if k.server, err = signed(2, serverName, authority, key); err != nil {
		return nil, err
	}
	if k.client, err = signed(3, "client.mesh.internal", authority, key); err != nil {
		return nil, err
	}
	return k, k.write(der)
}

func certificate(number int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(number),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Now().Add(lifetime),
	}
}

func signed(number int64, name string, authority *x509.Certificate, by *ecdsa.PrivateKey) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := certificate(number, name)
	template.DNSNames = []string{name}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), by)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (k *keys) write(authority []byte) error {
	if err := os.MkdirAll(k.folder, 0o700); err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(k.server.PrivateKey)
	if err != nil {
		return err
	}
	files := map[string]*pem.Block{
		k.file("authority"):   {Type: "CERTIFICATE", Bytes: authority},
		k.file("certificate"): {Type: "CERTIFICATE", Bytes: k.server.Certificate[0]},
		k.file("key"):         {Type: "PRIVATE KEY", Bytes: key},
	}
	for name, block := range files {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// versions are the only ones that a server or a client of that name speaks.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// serverConfig is of a server that speaks one version, HTTP/2 above it, and of 1.2 one cipher.
func (k *keys) serverConfig(s serverPlan) *tls.Config {
	config := &tls.Config{
		Certificates: []tls.Certificate{k.server},
		NextProtos:   []string{"h2"},
		MinVersion:   versions[s.TLS],
		MaxVersion:   versions[s.TLS],
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
	if s.Mutual {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, k.pool
	}
	return config
}

// clientConfig is of a client with which a handshake with that server ends as `fate` says.
func (k *keys) clientConfig(s serverPlan, fate string) *tls.Config {
	config := &tls.Config{
		RootCAs:      k.pool,
		ServerName:   serverName,
		NextProtos:   []string{"h2"},
		Certificates: []tls.Certificate{k.client},
		MinVersion:   tls.VersionTLS12,
	}
	switch fate {
	case "distrust":
		config.RootCAs = x509.NewCertPool()
	case "no_alpn":
		config.NextProtos = []string{"amqp"}
	case "no_certificate":
		config.Certificates = nil
	case "no_cipher":
		config.MaxVersion = tls.VersionTLS12
		config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
	case "no_version":
		other := uint16(tls.VersionTLS12)
		if s.TLS == "1.2" {
			other = tls.VersionTLS13
		}
		config.MinVersion, config.MaxVersion = other, other
	}
	return config
}
