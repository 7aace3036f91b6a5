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
	failed := make(chan error, 2)
	go func() {
		control := &http.Server{Addr: c.Control, Handler: g.controlHandler(), ReadHeaderTimeout: 5 * time.Second}
		failed <- control.ListenAndServe()
	}()
	go func() {
		front := &http.Server{
			Addr:              c.Listen,
			Handler:           g,
			ReadHeaderTimeout: 10 * time.Second,
			MaxHeaderBytes:    16 << 10,
			TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
			ErrorLog:          log.New(os.Stderr, "front: ", 0),
		}
		listener, err := net.Listen("tcp", c.Listen)
		if err != nil {
			failed <- err
			return
		}
		failed <- front.ServeTLS(limit(listener, mostConnections), "", "")
	}()
	return <-failed
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
