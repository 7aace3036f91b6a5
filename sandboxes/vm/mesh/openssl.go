package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
)

var (
	alertNumber = regexp.MustCompile(`SSL alert number (\d+)`)
	distrusted  = regexp.MustCompile(`verify error:|certificate verify failed`)
	agreed      = regexp.MustCompile(`Protocol version: TLSv(1\.[23])`)
	wrong       = regexp.MustCompile(`wrong version number`)
	hungUp      = regexp.MustCompile(`unexpected eof|(read|write):errno=(0|32|104)\b`)
	portTaken   = regexp.MustCompile(`connect:errno=98\b`)
)

// somebody may take a port between the look for a free one and openssl's own bind
const mostPorts = 5

// beginOpenSSL is a session whose handshakes are made by the openssl program.
func (m *mesh) beginOpenSSL(p sessionPlan, at serverPlan) *session {
	return &session{do: func(ctx context.Context, _ exchangePlan) (string, error) {
		for tries := 1; ; tries++ {
			local, err := freePort(p.Source)
			if err != nil {
				return "", err
			}
			limited, cancel := context.WithTimeout(ctx, p.patience())
			command := program(limited, "openssl", m.opensslWords(p, at, local)...)
			printed, err := command.CombinedOutput()
			late := limited.Err() != nil
			cancel()
			if tries < mostPorts && portTaken.Match(printed) {
				continue
			}
			said, err := opensslFate(string(printed), late, err)
			return local + " " + said, err
		}
	}}
}

func (m *mesh) opensslWords(p sessionPlan, at serverPlan, local string) []string {
	authority, protocol, version := m.keys.file("authority"), "h2", at.TLS
	switch p.Fate {
	case "distrust":
		authority = "/dev/null"
	case "no_alpn":
		protocol = "amqp"
	case "no_version":
		version = map[string]string{"1.2": "1.3", "1.3": "1.2"}[at.TLS]
	}
	words := []string{
		"s_client", "-connect", p.Server.String(), "-bind", local, "-servername", serverName, "-alpn", protocol,
		"-verify_return_error", "-brief", "-no_ign_eof", "-tls1_" + version[2:],
	}
	if authority != "/dev/null" {
		words = append(words, "-CAfile", authority)
	}
	if p.Fate == "no_cipher" {
		words = append(words, "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305")
	}
	return words
}

func opensslFate(printed string, late bool, err error) (string, error) {
	if match := alertNumber.FindStringSubmatch(printed); match != nil {
		return "alert " + match[1], nil
	}
	if match := agreed.FindStringSubmatch(printed); match != nil && err == nil {
		return "good " + match[1], nil
	}
	switch {
	case distrusted.MatchString(printed):
		return "distrust", nil
	case wrong.MatchString(printed):
		return "plain", nil
	case late:
		return "silent", nil
	case hungUp.MatchString(printed):
		return "closing", nil
	}
	return "", fmt.Errorf("openssl: %v: %s", err, printed)
}

// freePort is one that nobody has at the moment: the report needs to know it before openssl runs.
func freePort(source string) (string, error) {
	listener, err := net.Listen("tcp4", net.JoinHostPort(source, "0"))
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// program is one of those that came from Debian's packages, with the libraries that came with it.
func program(ctx context.Context, name string, words ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, programFolder+"/"+name, words...)
	command.Env = []string{"LD_LIBRARY_PATH=" + programFolder + "/lib", "OPENSSL_CONF=/dev/null"}
	return command
}
