// Command snapshot saves a snapshot of etcd, or checks one.
//
//	snapshot save ENDPOINT FILE
//	snapshot check FILE
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "save":
		err = save(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "check":
		err = check(os.Args[2])
	default:
		err = errors.New("usage: snapshot save ENDPOINT FILE | snapshot check FILE")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// save writes beside the target and renames at the end: a file of that name is always a whole one.
func save(endpoint, target string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
	})
	if err != nil {
		return err
	}
	defer client.Close()
	stream, err := client.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	file, err := os.CreateTemp(".", "snapshot-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := io.Copy(file, stream); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := check(file.Name()); err != nil {
		return err
	}
	return os.Rename(file.Name(), target)
}

// check compares the SHA-256 that etcd puts behind the database with that of the database.
func check(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	// The database is made of pages of 512 bytes or a multiple, so a trailing hash shows in the length.
	if len(data)%512 != sha256.Size {
		return fmt.Errorf("no hash at the end: %d bytes over; not a snapshot, or not all of it", len(data)%512)
	}
	body, want := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], want) {
		return errors.New("the hash at the end does not fit the database")
	}
	fmt.Println("the hash at the end fits the database")
	return nil
}
