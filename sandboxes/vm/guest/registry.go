package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Operation serves one request. What it returns is the answer's "ok", encoded as JSON; an error goes back as text.
// The context ends with the request's own deadline and with the session. Operations run side by side.
type Operation func(ctx context.Context, call *Call) (any, error)

// Call is a request as an operation sees it.
type Call struct {
	// Args is the request's own object; see Bind.
	Args json.RawMessage
	// Body is what was sent with the request, already bounded by MaxBody. Operations registered with
	// registerStream get it as it comes.
	Body io.Reader
	// Part sends a piece of the answer's body ahead of the answer.
	Part func([]byte) error
	// Emit sends an event that belongs to no request, such as a program's output.
	Emit func(header any, payload []byte) error
}

// Bind decodes the arguments into target and refuses fields that it does not have.
func (c *Call) Bind(target any) error {
	if len(c.Args) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(c.Args))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	return nil
}

type entry struct {
	run      Operation
	streamed bool
}

// operations holds every operation by its name. Each file registers its own in an init function; a file with
// operations of another kind (traffic…) needs no change here.
var operations = map[string]entry{}

func register(name string, run Operation) { add(name, entry{run: run}) }

// registerStream is for operations that read a body larger than memory should hold.
func registerStream(name string, run Operation) { add(name, entry{run: run, streamed: true}) }

func add(name string, e entry) {
	if _, twice := operations[name]; twice {
		panic("operation registered twice: " + name)
	}
	operations[name] = e
}
