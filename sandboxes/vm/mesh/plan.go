package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
)

// The bounds are the host's too: labs/harness/mesh/plan.py.
const (
	maxServers   = 64  // of one plan
	maxStanding  = 128 // of all plans together
	maxSessions  = 256
	maxExchanges = 4000
	maxParallel  = 32
	maxHeaders   = 64 << 10
	maxBody      = 256 << 10
	maxDelayMS   = 4000
	maxPauseMS   = 60_000
	maxDisorder  = 50
)

type plan struct {
	Servers  []serverPlan  `json:"servers"`
	Sessions []sessionPlan `json:"sessions"`
	Parallel int           `json:"parallel"`
	DelayMS  *int          `json:"delay_ms"`
	Loss     int           `json:"loss"`
	Reorder  int           `json:"reorder"`
}

type serverPlan struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
	Kind    string `json:"kind"`
	TLS     string `json:"tls"`
	Mutual  bool   `json:"mutual"`
	Slow    bool   `json:"slow"`
	Chunk   int    `json:"chunk"`
}

func (s serverPlan) place() place { return place{s.Address, s.Port} }

type sessionPlan struct {
	ID         int            `json:"id"`
	Kind       string         `json:"kind"`
	Source     string         `json:"source"`
	Server     place          `json:"server"`
	Exchanges  []exchangePlan `json:"exchanges"`
	Concurrent int            `json:"concurrent"`
	Keep       bool           `json:"keep"`
	Resumed    bool           `json:"resumed"`
	TableSize  int            `json:"table_size"`
	Fate       string         `json:"fate"`
	PatienceMS int            `json:"patience_ms"`
}

type exchangePlan struct {
	Ask     string `json:"ask"`
	Status  int    `json:"status"`
	Count   int    `json:"count"`
	Headers int    `json:"headers"`
	Body    int    `json:"body"`
	PauseMS int    `json:"pause_ms"`
	ThinkMS int    `json:"think_ms"`
	Early   bool   `json:"early"`
}

// place is an address and a port, in JSON an array of both.
type place struct {
	Address string
	Port    int
}

func (p place) String() string {
	return netip.AddrPortFrom(netip.MustParseAddr(p.Address), uint16(p.Port)).String()
}

func (p *place) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&p.Address, &p.Port})
}

// check refuses what would not end, or is not the mesh's to do. It need not know what makes sense: the host does.
func (p *plan) check() error {
	exchanges := 0
	for _, s := range p.Sessions {
		for _, e := range s.Exchanges {
			exchanges += max(e.Count, 1)
			if e.outside() {
				return fmt.Errorf("out of bounds: %+v", e)
			}
		}
		if err := checkAddress(s.Source); err != nil {
			return err
		}
		if outside(s.PatienceMS, maxPauseMS) || s.Concurrent < 1 || s.Concurrent > 64 || outside(s.TableSize, 1<<16) {
			return fmt.Errorf("out of bounds: session %d", s.ID)
		}
	}
	switch {
	case len(p.Servers) > maxServers || len(p.Sessions) > maxSessions || exchanges > maxExchanges:
		return fmt.Errorf("%d servers, %d sessions, %d exchanges", len(p.Servers), len(p.Sessions), exchanges)
	case p.Parallel < 1 || p.Parallel > maxParallel:
		return fmt.Errorf("%d sessions at once", p.Parallel)
	case outside(p.Loss, maxDisorder) || outside(p.Reorder, maxDisorder):
		return fmt.Errorf("%d %% lost, %d %% reordered", p.Loss, p.Reorder)
	case p.DelayMS != nil && outside(*p.DelayMS, maxDelayMS):
		return fmt.Errorf("a delay of %d ms", *p.DelayMS)
	}
	for _, s := range p.Servers {
		if err := checkAddress(s.Address); err != nil {
			return err
		}
		if s.Port < 1024 || s.Port > 65535 {
			return fmt.Errorf("port %d", s.Port)
		}
	}
	return nil
}

func (e exchangePlan) outside() bool {
	return e.Count < 1 || outside(e.Headers, maxHeaders) || outside(e.Body, maxBody) ||
		outside(e.PauseMS, maxPauseMS) || outside(e.ThinkMS, maxPauseMS)
}

func outside(value, most int) bool { return value < 0 || value > most }

var (
	networks = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		loopback,
	}
	loopback = netip.MustParsePrefix("127.0.0.0/8")
	// the agent's interface that swallows what it is given
	taken = netip.MustParsePrefix("10.99.0.0/16")
)

func checkAddress(text string) error {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return err
	}
	if taken.Contains(address) || !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) }) {
		return fmt.Errorf("%s is no address of the mesh", text)
	}
	return nil
}

func onLoopback(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && loopback.Contains(address)
}
