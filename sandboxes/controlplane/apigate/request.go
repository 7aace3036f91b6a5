package main

import (
	"net/http"
	"strings"
)

// request says what a call asks of the Kubernetes API, in the words of an audit event.
type request struct {
	Verb        string `json:"verb"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	Group       string `json:"group,omitempty"`
}

func (r request) write() bool {
	switch r.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// path is the resource as rules name it: "databases" or "databases/status".
func (r request) path() string {
	if r.Subresource == "" {
		return r.Resource
	}
	return r.Resource + "/" + r.Subresource
}

// parse reads /api/v1/… and /apis/GROUP/VERSION/…; anything else has an empty resource.
// Source: k8s.io/apiserver/pkg/endpoints/request, RequestInfoFactory.
func parse(h *http.Request) request {
	parts := strings.Split(strings.Trim(h.URL.Path, "/"), "/")
	var r request
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		r.Group = parts[1]
		parts = parts[3:]
	default:
		r.Verb = strings.ToLower(h.Method)
		return r
	}
	if len(parts) >= 3 && parts[0] == "namespaces" {
		r.Namespace = parts[1]
		parts = parts[2:]
	}
	r.Resource = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Subresource = parts[2]
	}
	r.Verb = verb(h, r.Name)
	return r
}

func verb(h *http.Request, name string) string {
	switch h.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if name == "" {
			return "deletecollection"
		}
		return "delete"
	}
	if w := h.URL.Query().Get("watch"); w == "true" || w == "1" {
		return "watch"
	}
	if name == "" {
		return "list"
	}
	return "get"
}
