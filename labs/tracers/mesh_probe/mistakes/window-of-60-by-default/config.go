package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

const defaultWindow = time.Minute

// rule is one network of PROBE_CIDRS.
type rule struct {
	prefix  netip.Prefix
	watched bool
}

type config struct {
	device    string
	rules     []rule
	window    time.Duration
	webhook   string
	tlsBinary string
}

func readConfig() (config, error) {
	c := config{
		device: cmp.Or(os.Getenv("PROBE_INTERFACE"), "lo"),
		window: defaultWindow, webhook: os.Getenv("PROBE_WEBHOOK"), tlsBinary: os.Getenv("PROBE_TLS_BINARY"),
	}
	if text := os.Getenv("PROBE_WINDOW"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 {
			return c, fmt.Errorf("PROBE_WINDOW: %q is no number of seconds", text)
		}
		c.window = time.Duration(seconds) * time.Second
	}
	for text := range strings.SplitSeq(os.Getenv("PROBE_CIDRS"), ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		bare, excepted := strings.CutPrefix(text, "!")
		prefix, err := netip.ParsePrefix(bare)
		if err != nil {
			return c, fmt.Errorf("PROBE_CIDRS: %w", err)
		}
		c.rules = append(c.rules, rule{prefix.Masked(), !excepted})
	}
	return c, nil
}

// watches applies the longest rule that contains the address.
func (c *config) watches(address netip.Addr) bool {
	longest, watched := -1, false
	for _, r := range c.rules {
		if r.prefix.Contains(address) && r.prefix.Bits() > longest {
			longest, watched = r.prefix.Bits(), r.watched
		}
	}
	return watched
}
