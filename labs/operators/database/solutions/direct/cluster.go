package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/gentype"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	databasev1 "example.com/database-operator/api/v1"
)

// registryNamespace holds the records.
const registryNamespace = "database-registry"

// answerTimeout is how long an answer may take to begin. A watch's answer begins at once and goes on for
// minutes, so a limit on the whole exchange (rest.Config.Timeout) would cut every watch.
const answerTimeout = 5 * time.Second

type (
	databaseClient    = gentype.ClientWithList[*databasev1.Database, *databasev1.DatabaseList]
	statefulSetClient = appsclient.StatefulSetInterface
	serviceClient     = coreclient.ServiceInterface
	recordClient      = coreclient.ConfigMapInterface
)

// cluster is the API server, one typed client for each kind that we touch.
type cluster struct {
	database rest.Interface
	apps     *appsclient.AppsV1Client
	core     *coreclient.CoreV1Client
}

// connect makes the clients. It asks nothing of the API server yet: there is no discovery that could fail.
func connect(config *rest.Config) (*cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the queue's back-off and the server's own fairness limit us; 5 a second would delay us
	config.UserAgent = "database-operator"
	client, err := newHTTPClient(config)
	if err != nil {
		return nil, err
	}
	apps, err := appsclient.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	core, err := coreclient.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := databasev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	config.APIPath = "/apis"
	config.GroupVersion = &databasev1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	database, err := rest.RESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return &cluster{database: database, apps: apps, core: core}, nil
}

// newHTTPClient is what client-go makes of a config, with a limit on silence added.
func newHTTPClient(config *rest.Config) (*http.Client, error) {
	tls, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	transport, err := rest.HTTPWrappersForConfig(config, &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       tls,
		TLSHandshakeTimeout:   answerTimeout,
		ResponseHeaderTimeout: answerTimeout,
		ForceAttemptHTTP2:     true,
		// a connection that is dead without being closed is found out by a ping
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	})
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport}, nil
}

func (c *cluster) databases(namespace string) *databaseClient {
	return gentype.NewClientWithList("databases", c.database, metav1.ParameterCodec, namespace,
		func() *databasev1.Database { return &databasev1.Database{} },
		func() *databasev1.DatabaseList { return &databasev1.DatabaseList{} })
}

func (c *cluster) statefulSets(namespace string) statefulSetClient {
	return c.apps.StatefulSets(namespace)
}

func (c *cluster) services(namespace string) serviceClient {
	return c.core.Services(namespace)
}

func (c *cluster) records() recordClient {
	return c.core.ConfigMaps(registryNamespace)
}

// look reads a Database and all that belongs to it, the Database first: what is read after generation N was
// seen is never older than generation N, and the status relies on it.
func (c *cluster) look(ctx context.Context, key types.NamespacedName) (world, error) {
	var w world
	var err error
	if w.database, err = get(ctx, c.databases(key.Namespace), key.Name); err != nil || w.database == nil {
		return world{}, err
	}
	if w.statefulSet, err = get(ctx, c.statefulSets(key.Namespace), key.Name); err != nil {
		return world{}, err
	}
	if w.service, err = get(ctx, c.services(key.Namespace), key.Name); err != nil {
		return world{}, err
	}
	w.record, err = get(ctx, c.records(), recordName(key))
	return w, err
}

// A getter is the part of a typed client that reads one object.
type getter[T any] interface {
	Get(ctx context.Context, name string, options metav1.GetOptions) (T, error)
}

// get returns nil for an object that does not exist.
func get[T any](ctx context.Context, client getter[*T], name string) (*T, error) {
	found, err := client.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get %T %s: %w", found, name, err)
	}
	return found, nil
}

// The kinds that are read must fit their clients.
var (
	_ getter[*databasev1.Database] = (*databaseClient)(nil)
	_ getter[*appsv1.StatefulSet]  = statefulSetClient(nil)
	_ getter[*corev1.Service]      = serviceClient(nil)
	_ getter[*corev1.ConfigMap]    = recordClient(nil)
)
