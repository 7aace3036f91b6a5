package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// It replaces itself, leaves a daemon, and knocks on every door. Each line says OPEN or shut.
func main() {
	if os.Getenv("AGAIN") == "" {
		text, _ := os.ReadFile("/proc/self/exe")
		_ = os.WriteFile("/tmp/other", text, 0o755)
		_ = syscall.Exec("/tmp/other", []string{"kube-apiserver"}, append(os.Environ(), "AGAIN=yes"))
		panic("it could not replace itself")
	}
	if os.Getenv("DAEMON") != "" {
		time.Sleep(time.Hour)
	}
	connect()
	daemon := exec.Command("/tmp/other")
	daemon.Env = append(os.Environ(), "DAEMON=yes")
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	say("daemon started", daemon.Start() == nil)
	files()
	processes()
	network()
	cluster()
	fmt.Println("ENV", os.Environ())
	fmt.Println("DONE")
	disk()
	touch()
}

func say(what string, open bool) {
	word := "shut"
	if open {
		word = "OPEN"
	}
	fmt.Println(word, what)
}

func files() {
	for _, path := range []string{
		"/grader", "/root-of-labs", "/site", "/audit.log", "/etc/passwd", "/etc/shadow", "/root", "/home", "/usr", "/bin",
		"/var", "/run", "/sys", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/proc/kcore", "/proc/1/root/etc",
		"/work/pki", "/work/config.json", "/work/tokens.csv",
	} {
		_, err := os.ReadDir(path)
		file, opened := os.Open(path)
		if opened == nil {
			_, opened = file.Read(make([]byte, 1))
		}
		say("file "+path, err == nil || opened == nil)
	}
	for _, pattern := range []string{"/tmp/*", "/work/*"} {
		found, _ := filepath.Glob(pattern)
		fmt.Println("SEES", found)
	}
}

func processes() {
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range found {
		line, _ := os.ReadFile(process + "/cmdline")
		fmt.Println("RUNS", filepath.Base(process), string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
	}
	say("another pid namespace", syscall.Kill(1000, 0) == nil)
	_ = syscall.Kill(1, syscall.SIGKILL) // the kernel drops it: this line is followed by others
	say("uid 0", syscall.Setuid(0) == nil)
	say("a mount", syscall.Mount("none", "/tmp", "tmpfs", 0, "") == nil)
	say("a namespace of its own", syscall.Unshare(syscall.CLONE_NEWUSER) == nil)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, 16, 1, 0, 0, 0, 0)
	say("ptrace", errno == 0)
	sockets, _ := os.ReadFile("/proc/net/unix")
	say("a Unix socket of somebody else", len(strings.Split(strings.TrimSpace(string(sockets)), "\n")) > 1)
	_, err := syscall.Socket(38, syscall.SOCK_SEQPACKET, 0) // AF_ALG
	say("kernel crypto", err == nil)
	_, err = syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
	say("a look at the packets", err == nil)
	_, err = syscall.Socket(40, syscall.SOCK_STREAM, 0) // AF_VSOCK
	say("the hypervisor", err == nil)
}

func network() {
	for _, address := range []string{"1.1.1.1:443", "8.8.8.8:53", "10.0.0.1:443", "169.254.169.254:80", "[::1]:22", "127.0.0.1:22", "127.0.0.1:8000"} {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		say("network "+address, err == nil)
		if err == nil {
			connection.Close()
		}
	}
	for _, port := range []string{"2379", "2380", "6443", "6444", "6445"} {
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		say("a port of ours "+port, err == nil)
		if err == nil {
			listener.Close()
		}
	}
	web.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	for _, url := range []string{
		"https://127.0.0.1:6443/api/v1/secrets", "https://127.0.0.1:6443/readyz",
		"https://127.0.0.1:6445/requests", "http://127.0.0.1:6445/requests", "https://127.0.0.1:6445/healthz",
		"https://127.0.0.1:2379/health", "https://127.0.0.1:2379/v3/kv/range", "http://127.0.0.1:2379/version",
	} {
		for _, token := range []string{"", gateToken, "grader"} {
			code, _ := call("GET", url, token, nil)
			say(fmt.Sprintf("%s %d", url, code), code/100 == 2)
		}
	}
	code, _ := call("PUT", "https://127.0.0.1:6445/faults", gateToken, []object{})
	say("the faults", code/100 == 2)
}

func cluster() {
	rbac := "/apis/rbac.authorization.k8s.io/v1"
	for _, try := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/api/v1/secrets", nil},
		{"GET", "/api/v1/namespaces", nil},
		{"GET", "/api/v1/namespaces/kube-system/configmaps", nil},
		{"DELETE", "/api/v1/namespaces/kube-system", nil},
		{"DELETE", "/api/v1/namespaces/database-registry", nil},
		{"DELETE", "/api/v1/namespaces/default/services/kubernetes", nil},
		{"DELETE", crds, nil},
		{"PATCH", crds, object{"spec": object{"group": "x"}}},
		{"DELETE", "/apis/database.example.com/v1/databases", nil},
		{"DELETE", rbac + "/clusterrolebindings/database-operator", nil},
		{"DELETE", rbac + "/clusterroles/database-operator", nil},
		{"DELETE", rbac + "/namespaces/database-registry/rolebindings/database-operator", nil},
		{"POST", rbac + "/clusterrolebindings", object{"metadata": object{"name": "me"}}},
		{"POST", "/api/v1/namespaces/default/serviceaccounts/default/token", object{}},
		{"DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/lastmile-bounded", nil},
		{"POST", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", object{}},
		{"GET", "/metrics", nil},
		{"GET", "/debug/pprof/heap", nil},
		{"GET", "/logs/", nil},
	} {
		code, _ := gate(try.method, try.path, try.body)
		say(fmt.Sprintf("%s %s %d", try.method, try.path, code), code < 400 && code > 0)
	}
}

func disk() {
	block := make([]byte, 1<<20)
	for n := range 4096 {
		if err := os.WriteFile(fmt.Sprintf("/tmp/full%d", n), block, 0o644); err != nil {
			fmt.Println("DISK", n, err)
			return
		}
	}
	say("disk without end", true)
}
