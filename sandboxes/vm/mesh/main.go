// Command mesh makes the traffic of a service mesh in a grading machine: real HTTP/2, gRPC, TLS and TCP, to a plan that
// the host keeps the meaning of. The guest's agent starts it and hands orders on, one line each. See labs/harness/mesh.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
)

// memoryLimit is where garbage is collected instead of growing: the learner's program shares the machine.
const memoryLimit = 64 << 20

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, "mesh: "+format+"\n", args...) }

// order is one line from the agent. Plan is of "plan", Answer of "webhook", From of "received".
type order struct {
	Do      string  `json:"do"`
	Seconds float64 `json:"seconds"`
	Plan    *plan   `json:"plan"`
	Answer  string  `json:"answer"`
	From    int     `json:"from"`
}

// reply is the line that answers it.
type reply struct {
	OK    any    `json:"ok,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	debug.SetMemoryLimit(memoryLimit)
	if err := run(os.Stdin, os.Stdout); err != nil {
		logf("%v", err)
		os.Exit(1)
	}
}

// run answers one line for each order, the first for the start itself, until there are no more orders.
func run(orders io.Reader, answers io.Writer) error {
	encoder := json.NewEncoder(answers)
	m, err := newMesh()
	if err != nil {
		return encoder.Encode(reply{Error: err.Error()})
	}
	defer m.close()
	if err := encoder.Encode(reply{OK: m.facts()}); err != nil {
		return err
	}
	decoder := json.NewDecoder(bufio.NewReader(orders))
	decoder.DisallowUnknownFields()
	for {
		var o order
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			// what follows cannot be told from the rest of this order
			return errors.Join(err, encoder.Encode(reply{Error: err.Error()}))
		}
		if err := encoder.Encode(m.answer(o)); err != nil {
			return err
		}
	}
}

func (m *mesh) answer(o order) reply {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.Seconds*float64(time.Second)))
	defer cancel()
	var result any
	var err error
	switch o.Do {
	case "plan":
		result, err = m.carryOut(ctx, o.Plan)
	case "webhook":
		err = m.hook.be(o.Answer)
	case "received":
		result = m.hook.since(o.From)
	default:
		err = fmt.Errorf("nothing is done by %q", o.Do)
	}
	if err != nil {
		return reply{Error: err.Error()}
	}
	if result == nil {
		result = struct{}{}
	}
	return reply{OK: result}
}
