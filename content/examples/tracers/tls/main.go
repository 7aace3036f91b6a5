// Tls makes TLS handshakes of four kinds, and shows what is to be seen of each on the wire and by uprobe.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf/link"
)

//go:generate go tool bpf2go -go-package main -target amd64 tls tls.bpf.c -- -O2 -g -mcpu=v3 -I../headers

func certificate() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"pod"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, nil
}

// wire notes the records that pass a connection in one direction.
type wire struct {
	net.Conn
	records *[]string
	rest    []byte
}

func (w *wire) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for len(w.rest) >= 5 {
		length := 5 + int(w.rest[3])<<8 + int(w.rest[4])
		if len(w.rest) < length {
			break
		}
		*w.records = append(*w.records, record(w.rest[:length]))
		w.rest = w.rest[length:]
	}
	return w.Conn.Write(b)
}

// region record
// record names a TLS record by the bytes that are not encrypted.
func record(b []byte) string {
	switch b[0] {
	case 20:
		return "ChangeCipherSpec"
	case 21:
		if len(b) == 7 {
			return fmt.Sprintf("Alert(%d)", b[6])
		}
		return "Alert(encrypted)"
	case 22:
		switch b[5] {
		case 1:
			return "ClientHello"
		case 2:
			return "ServerHello"
		}
		return "Handshake"
	case 23:
		return "ApplicationData"
	}
	return "?"
}

// endregion record

// shake makes one handshake, and returns what each side sent.
func shake(version uint16, server tls.Certificate, trusted *x509.CertPool) (client, answer []string) {
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		config := &tls.Config{
			Certificates: []tls.Certificate{server}, MaxVersion: version, SessionTicketsDisabled: true,
		}
		accepted := tls.Server(&wire{Conn: far, records: &answer}, config)
		if accepted.Handshake() == nil {
			accepted.Read(make([]byte, 1))
		}
	}()
	config := &tls.Config{RootCAs: trusted, ServerName: "pod", MaxVersion: version}
	connection := tls.Client(&wire{Conn: near, records: &client}, config)
	connection.Handshake()
	near.Close()
	<-done
	return client, answer
}

func run() error {
	var objects tlsObjects
	if err := loadTlsObjects(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	self, err := link.OpenExecutable("/proc/self/exe")
	if err != nil {
		return err
	}
	attached, err := self.Uprobe("crypto/tls.(*Conn).sendAlert", objects.OnAlert, nil)
	if err != nil {
		return err
	}
	defer attached.Close()

	server, trusted, err := certificate()
	if err != nil {
		return err
	}
	var before uint64
	for _, story := range []struct {
		name    string
		version uint16
		pool    *x509.CertPool
	}{
		{"1.2, certificate trusted", tls.VersionTLS12, trusted},
		{"1.2, certificate not trusted", tls.VersionTLS12, x509.NewCertPool()},
		{"1.3, certificate trusted", tls.VersionTLS13, trusted},
		{"1.3, certificate not trusted", tls.VersionTLS13, x509.NewCertPool()},
	} {
		client, answer := shake(story.version, server, story.pool)
		const badCertificate = 42
		var count uint64
		if err := objects.Alerts.Lookup(uint32(badCertificate), &count); err != nil {
			return err
		}
		fmt.Printf("%s\n  client  %s\n  server  %s\n  uprobe  bad_certificate: %d\n",
			story.name, strings.Join(client, " "), strings.Join(answer, " "), count-before)
		before = count
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "tls:", err)
		os.Exit(1)
	}
}
