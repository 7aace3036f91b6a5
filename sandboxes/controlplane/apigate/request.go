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

// longestName is what Kubernetes allows; what is longer names nothing, and is kept short in the journal.
const longestName = 253

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
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

// writes says whether a call may change something, by its method alone: what parse does not understand counts too.
func writes(h *http.Request) bool {
	switch h.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

// canonical refuses paths that the API server could read in another way than parse does.
func canonical(path string) bool {
	if path == "/" {
		return true
	}
	if !strings.HasPrefix(path, "/") {
		return false
	}
	for _, part := range strings.Split(strings.TrimSuffix(path[1:], "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
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
		r.Group = clip(parts[1], longestName)
		parts = parts[3:]
	default:
		r.Verb = clip(strings.ToLower(h.Method), 16)
		return r
	}
	watched := len(parts) >= 2 && parts[0] == "watch" // the old form: /api/v1/watch/pods
	if watched {
		parts = parts[1:]
	}
	// a namespace's own subresources are the exception to /namespaces/NAME/RESOURCE
	if len(parts) >= 3 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		r.Namespace = clip(parts[1], longestName)
		parts = parts[2:]
	}
	r.Resource = clip(parts[0], longestName)
	if len(parts) > 1 {
		r.Name = clip(parts[1], longestName)
	}
	if len(parts) > 2 {
		r.Subresource = clip(parts[2], longestName)
	}
	r.Verb = verb(h, r.Name)
	if watched && !writes(h) {
		r.Verb = "watch"
	}
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
	if writes(h) {
		return clip(strings.ToLower(h.Method), 16)
	}
	if w := h.URL.Query().Get("watch"); w == "true" || w == "1" {
		return "watch"
	}
	if name == "" {
		return "list"
	}
	return "get"
}
