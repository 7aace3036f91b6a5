// Command changes follows a key's changes from a known revision, then from one that was compacted.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := must(clientv3.New(clientv3.Config{
		Endpoints: []string{os.Getenv("ETCD")}, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
	}))
	defer client.Close()

	const key = "lastmile/changes"
	snapshotAt := must(client.Put(ctx, key, "in the snapshot")).Header.Revision
	for _, value := range []string{"a", "b", "c"} {
		must(client.Put(ctx, key, value))
	}

	fmt.Print("after the snapshot: ")
	seen := 0
	for answer := range client.Watch(ctx, key, clientv3.WithRev(snapshotAt+1)) {
		for _, event := range answer.Events {
			fmt.Printf("+%d %s  ", event.Kv.ModRevision-snapshotAt, event.Kv.Value)
			seen++
		}
		if seen == 3 {
			break
		}
	}
	fmt.Println()

	must(client.Compact(ctx, snapshotAt+2))
	answer := <-client.Watch(ctx, key, clientv3.WithRev(snapshotAt+1))
	fmt.Println("after a compaction:", answer.Err())
	must(client.Delete(ctx, key))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
