package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// errNotStarted is of a program that is not ready in time.
var errNotStarted = errors.New("it did not start")

const (
	programFolder = "/opt/mesh"
	// knock is how often a server that starts is tried: it tells nobody when it is ready.
	knock = 20 * time.Millisecond
	// bigBody takes so long at bigRate that a client can cancel it.
	bigBody, bigRate = 64 << 10, "1k"
)

// nginx is one process, for one place. Its paths have random names: what is asked for does not tell the answer.
type nginx struct {
	command *exec.Cmd
	folder  string
	paths   map[string]string
}

// statuses are those that every server of the mesh can answer.
var statuses = []int{200, 204, 404, 429, 500, 502, 503, 504, 599}

func (m *mesh) startNginx(ctx context.Context, s serverPlan) (server, error) {
	n := &nginx{paths: map[string]string{}, folder: filepath.Join(m.keys.folder, randomName())}
	if err := os.MkdirAll(filepath.Join(n.folder, "logs"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(n.folder, "big"), make([]byte, bigBody), 0o600); err != nil {
		return nil, err
	}
	settings := filepath.Join(n.folder, "nginx.conf")
	if err := os.WriteFile(settings, []byte(n.settings(s, m.keys)), 0o600); err != nil {
		return nil, err
	}
	err := m.network.at(s.Address, func() error {
		// not bound to ctx: it stands longer than the plan that it was started for
		n.command = program(context.Background(), "nginx", "-p", n.folder, "-c", settings, "-e", "stderr")
		n.command.Stderr = os.Stderr
		// of the thread that starts it, which lives as long as this process, whatever ends it
		n.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return n.command.Start()
	})
	if err != nil {
		return nil, err
	}
	if err := m.awaitPort(ctx, s); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// awaitPort connects from beside the server, so that mesh0 sees nothing of it.
func (m *mesh) awaitPort(ctx context.Context, s serverPlan) error {
	for {
		err := m.network.at(s.Address, func() error {
			conn, err := net.DialTimeout("tcp4", s.place().String(), time.Second)
			if err == nil {
				_ = conn.Close()
			}
			return err
		})
		if err == nil {
			return nil
		}
		select {
		case <-time.After(knock):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotStarted, err)
		}
	}
}

func (n *nginx) settings(s serverPlan, k *keys) string {
	var text strings.Builder
	listen := fmt.Sprintf("listen %s http2;", s.place())
	if s.Kind == "nginx_h2" {
		listen = fmt.Sprintf(
			"listen %s ssl http2; ssl_certificate %s; ssl_certificate_key %s; "+
				"ssl_protocols TLSv%s; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;",
			s.place(), k.file("certificate"), k.file("key"), s.TLS)
	}
	fmt.Fprintf(&text, `user root; daemon off; master_process off; pid %[1]s/pid; worker_rlimit_nofile 512;
events { worker_connections 256; }
http {
  access_log off; default_type text/plain; keepalive_timeout 600s; keepalive_requests 100000;
  client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4;
  scgi_temp_path %[1]s/t5;
  server {
    %[2]s
`, n.folder, listen)
	for _, status := range statuses {
		path, long := n.name("status", status), n.name("cancel", status)
		fmt.Fprintf(&text, "    location = %s { return %d; }\n", path, status)
		// the page of an error is a file that takes its time
		fmt.Fprintf(&text, "    location = %s { error_page 418 =%d %s/big; return 418; }\n", long, status, long)
		fmt.Fprintf(&text, "    location = %s/big { internal; alias %s/big; limit_rate %s; }\n", long, n.folder, bigRate)
	}
	text.WriteString("  }\n}\n")
	return text.String()
}

func (n *nginx) name(ask string, status int) string {
	path := "/" + randomName()
	n.paths[fmt.Sprint(ask, status)] = path
	return path
}

func (n *nginx) path(e exchangePlan) string { return n.paths[fmt.Sprint(e.Ask, e.Status)] }

func (n *nginx) close() {
	_ = n.command.Process.Kill()
	_ = n.command.Wait()
	_ = os.RemoveAll(n.folder)
}
