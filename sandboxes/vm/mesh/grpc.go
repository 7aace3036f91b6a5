package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
)

const (
	grpcMethod = "/mesh.v1.Pods/Call"
	// asOrdered is in every status that the server gives. One without it is the client's own: a deadline, a connection
	// that is gone.
	asOrdered = "as ordered"
)

// plainCodec passes messages on as they are: the calls of the mesh need no schema.
type plainCodec struct{}

func (plainCodec) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (plainCodec) Unmarshal(b []byte, v any) error { *v.(*[]byte) = b; return nil }
func (plainCodec) Name() string                    { return "proto" }

var _ encoding.Codec = plainCodec{}

type grpcServer struct{ *grpc.Server }

func (s grpcServer) close() { s.Stop() }

func (m *mesh) serveGRPC(listener net.Listener) server {
	one := grpc.NewServer(grpc.ForceServerCodec(plainCodec{}), grpc.UnknownServiceHandler(m.answerCall))
	go func() {
		if err := one.Serve(listener); err != nil {
			logf("grpc: %v", err)
		}
	}()
	return grpcServer{one}
}

// answerCall ends a call as the order whose token is its message says.
func (m *mesh) answerCall(_ any, stream grpc.ServerStream) error {
	var token []byte
	if err := stream.RecvMsg(&token); err != nil {
		return err
	}
	want := m.orders.take(string(token))
	if want == nil {
		return status.Error(codes.Unimplemented, "nobody asked for this")
	}
	answer := make([]byte, want.Body)
	if want.Ask == "call_cancel" {
		if err := stream.SendMsg(&answer); err != nil {
			return err
		}
		<-stream.Context().Done()
		close(want.gone)
		return stream.Context().Err()
	}
	if code := codes.Code(want.Status); code != codes.OK {
		return status.Error(code, asOrdered)
	}
	return stream.SendMsg(&answer)
}

// beginGRPC opens a connection of grpc-go's client, and waits until it stands.
func (m *mesh) beginGRPC(ctx context.Context, p sessionPlan) (*session, error) {
	s := &session{}
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		if s.local != "" {
			return nil, errors.New("the session's connection is gone")
		}
		conn, err := p.dial(ctx)
		if err != nil {
			return nil, err
		}
		s.local = conn.LocalAddr().String()
		return conn, nil
	}
	conn, err := grpc.NewClient(
		"passthrough:///"+p.Server.String(),
		grpc.WithContextDialer(dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(plainCodec{})),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
	)
	if err != nil {
		return nil, err
	}
	conn.Connect()
	for state := conn.GetState(); state.String() != "READY"; state = conn.GetState() {
		if !conn.WaitForStateChange(ctx, state) {
			_ = conn.Close()
			return nil, ctx.Err()
		}
	}
	s.end = func() { _ = conn.Close() }
	s.do = func(ctx context.Context, e exchangePlan) (string, error) {
		if e.Ask == "call_cancel" {
			return m.cancelCall(ctx, conn, e)
		}
		token, _ := m.orders.add(e)
		out, in := []byte(token), []byte{}
		return grpcFate(conn.Invoke(ctx, grpcMethod, &out, &in))
	}
	return s, nil
}

// grpcFate is how the server ended a call. An error is one of the client's own, of which no response tells.
func grpcFate(err error) (string, error) {
	told, _ := status.FromError(err)
	if err != nil && told.Message() != asOrdered {
		return "", err
	}
	return fmt.Sprintf("grpc %d", told.Code()), nil
}

// cancelCall takes one message of a stream that would go on, and leaves.
func (m *mesh) cancelCall(ctx context.Context, conn *grpc.ClientConn, e exchangePlan) (string, error) {
	token, want := m.orders.add(e)
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(limited, &grpc.StreamDesc{ServerStreams: true}, grpcMethod)
	if err != nil {
		return "", err
	}
	out, in := []byte(token), []byte{}
	if err := stream.SendMsg(&out); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if err := errors.Join(stream.CloseSend(), stream.RecvMsg(&in)); err != nil {
		return "", err
	}
	cancel()
	return "grpc canceled", want.isGone(ctx)
}
