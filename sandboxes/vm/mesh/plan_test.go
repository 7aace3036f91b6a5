package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAPlanIsReadAsTheHostWritesIt(t *testing.T) {
	text := `{"do": "plan", "seconds": 3, "from": 0, "plan": {"servers": [{"address": "10.244.3.7", "port": 8080,
		"kind": "h2c", "tls": "1.3", "mutual": false, "slow": true, "chunk": 7}], "sessions": [{"id": 1, "kind": "h2",
		"source": "10.244.0.1", "server": ["10.244.3.7", 8080], "exchanges": [{"ask": "status", "status": 503,
		"count": 5, "headers": 0, "body": 0, "pause_ms": 0, "think_ms": 0, "early": false}], "concurrent": 1,
		"keep": false, "resumed": false, "table_size": 4096, "fate": "good", "patience_ms": 3000}],
		"parallel": 4, "delay_ms": null, "loss": 0, "reorder": 0}}`
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var o order
	if err := decoder.Decode(&o); err != nil {
		t.Fatal(err)
	}
	if err := o.Plan.check(); err != nil {
		t.Fatal(err)
	}
	if got := o.Plan.Sessions[0].Server; got != o.Plan.Servers[0].place() {
		t.Errorf("%v", got)
	}
}

func TestAPlanWithoutBoundsIsRefused(t *testing.T) {
	fine := func() *plan {
		return &plan{
			Servers: []serverPlan{{Address: "10.244.3.7", Port: 8080}},
			Sessions: []sessionPlan{{
				Source: "10.244.0.1", Concurrent: 1, Exchanges: []exchangePlan{{Count: 1}},
			}},
			Parallel: 1,
		}
	}
	if err := fine().check(); err != nil {
		t.Fatal(err)
	}
	late := maxDelayMS + 1
	tests := map[string]func(*plan){
		"nobody at once":     func(p *plan) { p.Parallel = 0 },
		"too many at once":   func(p *plan) { p.Parallel = maxParallel + 1 },
		"too late":           func(p *plan) { p.DelayMS = &late },
		"too much lost":      func(p *plan) { p.Loss = maxDisorder + 1 },
		"too much reordered": func(p *plan) { p.Reorder = -1 },
		"servers":            func(p *plan) { p.Servers = make([]serverPlan, maxServers+1) },
		"sessions":           func(p *plan) { p.Sessions = make([]sessionPlan, maxSessions+1) },
		"a privileged port":  func(p *plan) { p.Servers[0].Port = 443 },
		"the agent's net":    func(p *plan) { p.Servers[0].Address = "10.99.0.1" },
		"somebody else's":    func(p *plan) { p.Sessions[0].Source = "8.8.8.8" },
		"no address":         func(p *plan) { p.Sessions[0].Source = "pod" },
		"streams":            func(p *plan) { p.Sessions[0].Concurrent = 65 },
		"no stream":          func(p *plan) { p.Sessions[0].Concurrent = 0 },
		"table":              func(p *plan) { p.Sessions[0].TableSize = 1<<16 + 1 },
		"patience":           func(p *plan) { p.Sessions[0].PatienceMS = maxPauseMS + 1 },
		"exchanges":          func(p *plan) { p.Sessions[0].Exchanges[0].Count = maxExchanges + 1 },
		"no exchange":        func(p *plan) { p.Sessions[0].Exchanges[0].Count = 0 },
		"headers":            func(p *plan) { p.Sessions[0].Exchanges[0].Headers = maxHeaders + 1 },
		"body":               func(p *plan) { p.Sessions[0].Exchanges[0].Body = -1 },
		"pause":              func(p *plan) { p.Sessions[0].Exchanges[0].PauseMS = maxPauseMS + 1 },
		"thought":            func(p *plan) { p.Sessions[0].Exchanges[0].ThinkMS = maxPauseMS + 1 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			p := fine()
			change(p)
			if p.check() == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestWhatOpenSSLPrintsIsUnderstood(t *testing.T) {
	tests := map[string]struct {
		printed string
		late    bool
		want    string
	}{
		"alert":    {"tlsv1 alert protocol version:../ssl/record/rec_layer_s3.c:1592:SSL alert number 70", false, "alert 70"},
		"good":     {"CONNECTION ESTABLISHED\nProtocol version: TLSv1.3\n", false, "good 1.3"},
		"distrust": {"verify error:num=20:unable to get local issuer certificate", false, "distrust"},
		"plain":    {"error:0A00010B:SSL routines:ssl3_get_record:wrong version number", false, "plain"},
		"late":     {"", true, "silent"},
		"closing":  {"error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading", false, "closing"},
		"reset":    {"write:errno=104\n", false, "closing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if said, err := opensslFate(test.printed, test.late, nil); err != nil || said != test.want {
				t.Errorf("%q, %v", said, err)
			}
		})
	}
	failed := errors.New("exit status 1")
	for _, printed := range []string{"nothing known", "connect:errno=111\n", "connect:errno=98\n", ""} {
		if said, err := opensslFate(printed, false, failed); err == nil {
			t.Errorf("%q of %q", said, printed)
		}
	}
}

func TestOnlyTheServersWordIsAResponse(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "grpc 0"},
		{status.Error(codes.Unavailable, asOrdered), "grpc 14"},
		{status.Error(codes.Unavailable, "connection error"), ""},
		{status.FromContextError(context.DeadlineExceeded).Err(), ""},
		{errors.New("no status"), ""},
	} {
		if said, err := grpcFate(test.err); said != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%v: %q, %v", test.err, said, err)
		}
	}
}

func TestAnOrderThatIsNoneEndsTheMeshWithAWord(t *testing.T) {
	m := &mesh{hook: &webhook{answer: "ok", changed: make(chan struct{})}}
	for _, o := range []order{{Do: "dance"}, {Do: "plan"}, {Do: "webhook", Answer: "deaf"}} {
		if got := m.answer(o); got.Error == "" {
			t.Errorf("%+v: %+v", o, got)
		}
	}
	text, err := json.Marshal(m.answer(order{Do: "received", From: 7}))
	if err != nil || !bytes.Contains(text, []byte(`"received":[]`)) {
		t.Errorf("%s, %v", text, err)
	}
}
