package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"lastmile.invalid/guest/internal/frame"
)

const mostHeaders = frame.MaxHeader / 2

func init() { register("http", fetch) }

// fetch gets a URL of the guest's own loopback. It waits until the connection is closed again, and does not follow
// redirections: the host decides what is asked for.
func fetch(ctx context.Context, call *Call) (any, error) {
	var args struct {
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Limit   int64             `json:"limit"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	if err := onLoopback(args.URL); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range args.Headers {
		request.Header.Set(name, value)
	}
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 8 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if err := headersFit(response.Header); err != nil {
		return nil, err
	}
	if err := sendBody(call, response.Body, args.Limit); err != nil {
		return nil, err
	}
	return map[string]any{"status": response.StatusCode, "headers": response.Header}, nil
}

// headersFit refuses what would not fit into the answer behind the body. In JSON a letter takes up to six bytes.
func headersFit(headers http.Header) error {
	text, err := json.Marshal(headers)
	if err == nil && len(text) > mostHeaders {
		err = fmt.Errorf("response headers of %d bytes as JSON, at most %d are passed on", len(text), mostHeaders)
	}
	return err
}

func onLoopback(address string) error {
	parsed, err := url.Parse(address)
	if err != nil {
		return err
	}
	host := parsed.Hostname()
	if ip := net.ParseIP(host); parsed.Scheme != "http" || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%q is not an http address of loopback", address)
	}
	return nil
}
