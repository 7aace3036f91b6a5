package main

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// config is what the environment says.
type config struct {
	device    string
	networks  map[netip.Prefix]bool // true: watched, false: an exception
	window    time.Duration
	webhook   string
	tlsBinary string
}

func readConfig() (config, error) {
	c := config{
		device:    os.Getenv("PROBE_INTERFACE"),
		window:    30 * time.Second,
		webhook:   os.Getenv("PROBE_WEBHOOK"),
		tlsBinary: os.Getenv("PROBE_TLS_BINARY"),
	}
	if c.device == "" {
		c.device = "lo"
	}
	if text := os.Getenv("PROBE_WINDOW"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 || seconds > 1_000_000 {
			return c, fmt.Errorf("PROBE_WINDOW: %q is no number of seconds", text)
		}
		c.window = time.Duration(seconds) * time.Second
	}
	var err error
	c.networks, err = parseNetworks(os.Getenv("PROBE_CIDRS"))
	return c, err
}

// parseNetworks reads a list such as 10.244.0.0/16,!10.244.9.0/24.
func parseNetworks(list string) (map[netip.Prefix]bool, error) {
	networks := map[netip.Prefix]bool{}
	for _, item := range strings.Split(list, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		text, exception := strings.CutPrefix(item, "!")
		network, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("PROBE_CIDRS: %w", err)
		}
		if !network.Addr().Is4() {
			return nil, fmt.Errorf("PROBE_CIDRS: %s is not IPv4", network)
		}
		networks[network.Masked()] = !exception
	}
	return networks, nil
}
