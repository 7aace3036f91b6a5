package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/cilium/ebpf"
)

// maxLog bounds the verifier's log that is sent: its end says why.
const maxLog = 256 << 10

func init() { register("verify", verify) }

// verify loads the object in the request's body as cilium/ebpf would for a program, and lets go of it again. The
// answer's body is the verifier's log when the kernel refused it.
func verify(_ context.Context, call *Call) (any, error) {
	object, err := io.ReadAll(call.Body)
	if err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	collection, err := ebpf.NewCollection(spec)
	if err == nil {
		collection.Close()
		return map[string]any{"accepted": true}, nil
	}
	var refused *ebpf.VerifierError
	if !errors.As(err, &refused) {
		return map[string]any{"accepted": false, "error": err.Error()}, nil
	}
	log := strings.Join(refused.Log, "\n")
	log = log[max(0, len(log)-maxLog):]
	return map[string]any{"accepted": false, "error": err.Error()}, call.Part([]byte(log))
}
