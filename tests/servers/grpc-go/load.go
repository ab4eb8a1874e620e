package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// callersEach is how many calls are under way on a connection at any time.
const callersEach = 4

// caller makes one call after the other until the time is over; how long each took.
func caller(client *grpc.ClientConn, until time.Time) []time.Duration {
	took := []time.Duration{}
	for time.Now().Before(until) {
		began := time.Now()
		if err := client.Invoke(context.Background(), service+"Unary", text("one"), new(wrapperspb.StringValue)); err != nil {
			log.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	return took
}

func overTLS(address, ca string) *grpc.ClientConn {
	transport, err := credentials.NewClientTLSFromFile(ca, "localhost")
	if err != nil {
		log.Fatal(err)
	}
	client, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(transport))
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// hasty leaves each connection as soon as its only call is answered.
func hasty(address, ca string, calls int) {
	for i := range calls {
		client := overTLS(address, ca)
		unary(client, "Unary", strconv.Itoa(i), 10*time.Second)
		client.Close()
	}
}

// load calls as fast as it goes, over TLS, on several connections.
func load(address, ca string, connections, seconds int) {
	var all []time.Duration
	var lock sync.Mutex
	var group sync.WaitGroup
	began := time.Now()
	until := began.Add(time.Duration(seconds) * time.Second)
	for range connections {
		client := overTLS(address, ca)
		defer client.Close()
		for range callersEach {
			group.Add(1)
			go func() {
				defer group.Done()
				took := caller(client, until)
				lock.Lock()
				all = append(all, took...)
				lock.Unlock()
			}()
		}
	}
	group.Wait()
	passed := time.Since(began)
	slices.Sort(all)
	fmt.Printf("%d calls in %.3f s, p99 %.3f ms\n", len(all), passed.Seconds(), all[len(all)*99/100].Seconds()*1e3)
}
