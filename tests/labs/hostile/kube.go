package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// What every hostile program here shares: a client of apigate, of the standard library alone, so that it builds fast.
const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/databases.database.example.com"

var (
	gateURL, gateToken string
	roots              = x509.NewCertPool()
	web                = &http.Client{Timeout: 30 * time.Second}
)

func connect() {
	text, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		panic(err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     string `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Token string `json:"token"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		panic(err)
	}
	ca, err := base64.StdEncoding.DecodeString(config.Clusters[0].Cluster.CA)
	if err != nil {
		panic(err)
	}
	roots.AppendCertsFromPEM(ca)
	gateURL, gateToken = config.Clusters[0].Cluster.Server, config.Users[0].User.Token
	web.Transport = &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
	}
}

// call gives the status and the first MiB of the answer; 0 when there was none.
func call(method, url, token string, body any) (int, []byte) {
	var content io.Reader
	if body != nil {
		text, _ := json.Marshal(body)
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, url, content)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := web.Do(request)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, said
}

func gate(method, path string, body any) (int, []byte) {
	return call(method, gateURL+path, gateToken, body)
}

type object = map[string]any

// touch writes something on every Database that is there: all that the check "connects" asks for.
func touch() {
	for {
		_, text := gate("GET", "/apis/database.example.com/v1/databases", nil)
		var found struct {
			Items []struct {
				Metadata struct{ Name, Namespace string }
			}
		}
		_ = json.Unmarshal(text, &found)
		for _, one := range found.Items {
			path := fmt.Sprintf("/apis/database.example.com/v1/namespaces/%s/databases/%s", one.Metadata.Namespace, one.Metadata.Name)
			gate("PATCH", path, object{"metadata": object{"annotations": object{"seen": "yes"}}})
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func record(name string, data object) object {
	return object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": name}, "data": data}
}

const records = "/api/v1/namespaces/database-registry/configmaps"
