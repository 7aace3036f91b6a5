package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"golang.org/x/net/http2"
)

// beginHTTP opens one HTTP/2 connection of net/http's client.
func (m *mesh) beginHTTP(ctx context.Context, p sessionPlan, at serverPlan) (*session, error) {
	var local string
	var protocols http.Protocols
	scheme := "http"
	if at.Kind == "h2" || at.Kind == "nginx_h2" {
		scheme = "https"
		protocols.SetHTTP2(true)
	} else {
		protocols.SetUnencryptedHTTP2(true)
	}
	transport := &http.Transport{
		Protocols:          &protocols,
		DisableCompression: true,
		TLSClientConfig:    m.keys.clientConfig(at, "good"),
		HTTP2:              &http.HTTP2Config{MaxDecoderHeaderTableSize: p.TableSize},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := p.dial(ctx)
			if err != nil {
				return nil, err
			}
			local = conn.LocalAddr().String()
			return conn, nil
		},
	}
	conn, err := transport.NewClientConn(ctx, scheme, p.Server.String())
	if err != nil {
		return nil, err
	}
	return &session{
		local: local,
		end:   func() { _ = conn.Close() },
		do: func(ctx context.Context, e exchangePlan) (string, error) {
			return m.request(ctx, conn, scheme+"://"+p.Server.String(), at, e)
		},
	}, nil
}

func (m *mesh) request(
	ctx context.Context, conn http.RoundTripper, base string, at serverPlan, e exchangePlan,
) (string, error) {
	path, want := m.ask(at, e)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("x-request-id", randomName())
	response, err := conn.RoundTrip(request)
	if err != nil {
		return "", err
	}
	said := fmt.Sprint(response.StatusCode)
	if e.Ask == "cancel" {
		// returns when RST_STREAM has been written: the body has not ended
		_ = response.Body.Close()
		return said + " canceled", want.isGone(ctx)
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	var reset http2.StreamError
	if errors.As(err, &reset) {
		return fmt.Sprintf("%s reset %d", said, reset.Code), nil
	}
	return said, err
}

// ask gives the path of a request that will be answered so.
func (m *mesh) ask(at serverPlan, e exchangePlan) (string, *wanted) {
	if one, ok := m.servers[at.place()].(*nginx); ok {
		return one.path(e), nil
	}
	token, want := m.orders.add(e)
	return "/api/" + token, want
}

// isGone waits until the server knows that the client has left.
func (w *wanted) isGone(ctx context.Context) error {
	if w == nil {
		return nil
	}
	select {
	case <-w.gone:
		return nil
	case <-ctx.Done():
		return errors.New("the server does not know of it")
	}
}
