package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		method, path string
		want         request
	}{
		{"GET", "/api/v1/pods", request{Verb: "list", Resource: "pods"}},
		{"GET", "/api/v1/namespaces", request{Verb: "list", Resource: "namespaces"}},
		{"GET", "/api/v1/namespaces/a", request{Verb: "get", Resource: "namespaces", Name: "a"}},
		{"PUT", "/api/v1/namespaces/a/finalize", request{Verb: "update", Resource: "namespaces", Name: "a", Subresource: "finalize"}},
		{"PATCH", "/api/v1/namespaces/a/status", request{Verb: "patch", Resource: "namespaces", Name: "a", Subresource: "status"}},
		{"GET", "/api/v1/namespaces/a/pods", request{Verb: "list", Resource: "pods", Namespace: "a"}},
		{"GET", "/api/v1/namespaces/a/pods?watch=true", request{Verb: "watch", Resource: "pods", Namespace: "a"}},
		{"GET", "/api/v1/namespaces/a/pods?watch=1", request{Verb: "watch", Resource: "pods", Namespace: "a"}},
		{"GET", "/api/v1/namespaces/a/pods?watch=false", request{Verb: "list", Resource: "pods", Namespace: "a"}},
		{"GET", "/api/v1/watch/namespaces/a/pods", request{Verb: "watch", Resource: "pods", Namespace: "a"}},
		{"POST", "/api/v1/namespaces/a/pods?watch=true", request{Verb: "create", Resource: "pods", Namespace: "a"}},
		{"GET", "/api/v1/namespaces/a/pods/b/log", request{Verb: "get", Resource: "pods", Namespace: "a", Name: "b", Subresource: "log"}},
		{"PUT", "/apis/g.io/v1/namespaces/a/dbs/b/status", request{Verb: "update", Group: "g.io", Resource: "dbs", Namespace: "a", Name: "b", Subresource: "status"}},
		{"DELETE", "/apis/g.io/v1/namespaces/a/dbs/b", request{Verb: "delete", Group: "g.io", Resource: "dbs", Namespace: "a", Name: "b"}},
		{"DELETE", "/apis/g.io/v1/namespaces/a/dbs", request{Verb: "deletecollection", Group: "g.io", Resource: "dbs", Namespace: "a"}},
		{"HEAD", "/api/v1/nodes/n", request{Verb: "get", Resource: "nodes", Name: "n"}},
		{"GET", "/apis/g.io/v1", request{Verb: "get"}},
		{"GET", "/api", request{Verb: "get"}},
		{"GET", "/", request{Verb: "get"}},
		{"POST", "/version", request{Verb: "post"}},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			if got := parse(httptest.NewRequest(c.method, c.path, nil)); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestNamesAreKeptShort(t *testing.T) {
	long := strings.Repeat("é", 4000)
	got := parse(&http.Request{Method: "GET", URL: &url.URL{Path: "/apis/" + long + "/v1/namespaces/" + long + "/" + long + "/" + long + "/" + long}})
	for _, part := range []string{got.Group, got.Namespace, got.Resource, got.Name, got.Subresource} {
		if len(part) > longestName || !strings.HasPrefix(long, part) {
			t.Errorf("%d bytes: %.20q…", len(part), part)
		}
	}
}

func TestCanonical(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/api/v1/pods": true, "/api/v1/pods/": true, "/a..b/.c/...": true,
		"": false, "*": false, "api": false, "//api/v1": false, "/api//v1": false, "/api/v1//": false,
		"/api/../x": false, "/./api": false, "/api/..": false,
	} {
		if canonical(path) != want {
			t.Errorf("%q: want %v", path, want)
		}
	}
}

func TestEveryMethodThatMayWriteCounts(t *testing.T) {
	for method, want := range map[string]bool{
		"GET": false, "HEAD": false, "OPTIONS": false,
		"POST": true, "PUT": true, "PATCH": true, "DELETE": true, "CONNECT": true, "TRACE": true, "get": true, "X": true,
	} {
		if writes(&http.Request{Method: method}) != want {
			t.Errorf("%s: want %v", method, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("GET", "/api/v1/namespaces/a/pods/b/log", "watch=true")
	f.Add("DELETE", "/apis/g/v1/watch/namespaces/a/status", "")
	f.Add("PATCH", "//../..//", "watch")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		h := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}}
		r := parse(h)
		if r.write() && !writes(h) {
			t.Errorf("%q %q is a %s that is not counted", method, path, r.Verb)
		}
		if r.Verb == "watch" && writes(h) {
			t.Errorf("%q %q is a watch that writes", method, path)
		}
		switch method {
		case "POST", "PUT", "PATCH", "DELETE":
			if r.Resource != "" && !r.write() {
				t.Errorf("%q %q is read as %s", method, path, r.Verb)
			}
		}
		for _, part := range []string{r.Group, r.Namespace, r.Resource, r.Name, r.Subresource} {
			if len(part) > longestName {
				t.Errorf("%d bytes of %q", len(part), path)
			}
			if strings.Contains(part, "/") {
				t.Errorf("%q in %q", part, path)
			}
		}
		if canonical(path) && r.Resource == "" && strings.Count(strings.Trim(path, "/"), "/") >= 3 && strings.HasPrefix(path, "/api/") {
			t.Errorf("%q names no resource", path)
		}
	})
}
