// Command apigate stands between a learner's operator and the API server.
//
// It swaps the learner's token for the real one, so that going round it is of no use, keeps a budget of
// writes, records each request and injects the faults that the grader asks for.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

// config is read from a file, so that no token shows in the process list.
type config struct {
	Listen        string `json:"listen"`
	Control       string `json:"control"`
	Upstream      string `json:"upstream"`
	CAFile        string `json:"ca_file"`
	CertFile      string `json:"cert_file"`
	KeyFile       string `json:"key_file"`
	LearnerToken  string `json:"learner_token"`
	UpstreamToken string `json:"upstream_token"`
	ControlToken  string `json:"control_token"`
	MaxWrites     int    `json:"max_writes"`
	MaxWriteBytes int64  `json:"max_write_bytes"`
	MaxPerSecond  int    `json:"max_per_second"`
	MaxReadRate   int64  `json:"max_read_rate"` // bytes of answers in a second
	ReadBurst     int64  `json:"read_burst"`    // bytes that may come at once after a pause
}

func readConfig(path string) (config, error) {
	var c config
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func serve(c config) error {
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(c.CAFile)
	if err != nil {
		return err
	}
	if !pool.AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s holds no certificate", c.CAFile)
	}
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return err
	}
	g := newGate(c, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	ours := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	failed := make(chan error, 2)
	// TLS here too, though it is loopback: whoever took this port after us could not show our certificate
	go func() { failed <- listen(c.Control, controlServer(g.controlHandler(), ours), mostControllers) }()
	go func() { failed <- listen(c.Listen, frontServer(g, ours), mostConnections) }()
	return <-failed
}

func listen(address string, server *http.Server, most int) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return server.ServeTLS(limit(listener, most), "", "")
}

// controlServer keeps what stays open for the grader and drops soon what only holds a place.
func controlServer(h http.Handler, t *tls.Config) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 3 * time.Second,
		MaxHeaderBytes:    4 << 10,
		TLSConfig:         t,
		ErrorLog:          log.New(io.Discard, "", 0),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
}

// frontServer bounds what a client can have apigate hold: a stream costs a goroutine and its headers for as
// long as the client likes, also one whose answer is not read.
func frontServer(h http.Handler, t *tls.Config) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    8 << 10,
		TLSConfig:         t,
		ErrorLog:          log.New(io.Discard, "", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          64,
			MaxReceiveBufferPerConnection: 256 << 10,
			MaxReceiveBufferPerStream:     256 << 10,
			WriteByteTimeout:              15 * time.Second,
		},
	}
}

func main() {
	path := flag.String("config", "", "JSON file")
	flag.Parse()
	c, err := readConfig(*path)
	if err == nil {
		err = serve(c)
	}
	log.Fatal(err)
}
