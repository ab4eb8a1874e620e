// A gRPC service, in clear or over TLS, and its client, for the tests: what the client did is a line of JSON a call.
//
//	grpc-go serve ADDRESS [CERT KEY]
//	grpc-go call ADDRESS [CA]     each kind of call, an error, a deadline, a cancellation, compressed messages
//	grpc-go repeat ADDRESS N      N unary calls on one connection, one every ten milliseconds
//	grpc-go hasty ADDRESS CA N    N unary calls over TLS, each on a connection of its own that closes as soon as it is answered
//	grpc-go load ADDRESS CA CONNECTIONS SECONDS    over TLS, as fast as it goes: `N calls in S s, p99 P ms`
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func text(s string) *wrapperspb.StringValue { return wrapperspb.String(s) }

// call is what the client knows of one call.
type call struct {
	Method   string   `json:"method"`
	Status   uint32   `json:"status"`
	Message  string   `json:"message"`
	Sent     []string `json:"sent"`
	Received []string `json:"received"`
}

var out = json.NewEncoder(os.Stdout)

func tell(method string, err error, sent, received []string) {
	s := status.Convert(err)
	if err := out.Encode(call{method, uint32(s.Code()), s.Message(), sent, received}); err != nil {
		log.Fatal(err)
	}
}

func unary(client *grpc.ClientConn, method, word string, limit time.Duration, options ...grpc.CallOption) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	answer, received := new(wrapperspb.StringValue), []string{}
	err := client.Invoke(ctx, service+method, text(word), answer, options...)
	if err == nil {
		received = append(received, answer.Value)
	}
	tell(method, err, []string{word}, received)
}

// stream sends the words, then reads until the end, or cancels after so many answers.
func stream(client *grpc.ClientConn, method string, words []string, cancelAfter int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	desc := grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	s, err := client.NewStream(ctx, &desc, service+method)
	if err != nil {
		log.Fatal(err)
	}
	for _, word := range words {
		if err := s.SendMsg(text(word)); err != nil {
			log.Fatal(err)
		}
	}
	if err := s.CloseSend(); err != nil {
		log.Fatal(err)
	}
	received := []string{}
	for {
		answer := new(wrapperspb.StringValue)
		if err = s.RecvMsg(answer); err != nil {
			break
		}
		received = append(received, answer.Value)
		if len(received) == cancelAfter {
			cancel()
		}
	}
	if err.Error() == "EOF" {
		err = nil
	}
	tell(method, err, words, received)
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("grpc-go serve|call|repeat|hasty|load ADDRESS")
	}
	if os.Args[1] == "serve" {
		log.Fatal(serve(os.Args[2], os.Args[3:]))
	}
	if os.Args[1] == "load" && len(os.Args) == 6 {
		load(os.Args[2], os.Args[3], number(os.Args[4]), number(os.Args[5]))
		return
	}
	if os.Args[1] == "hasty" && len(os.Args) == 5 {
		hasty(os.Args[2], os.Args[3], number(os.Args[4]))
		return
	}
	transport := insecure.NewCredentials()
	if os.Args[1] == "call" && len(os.Args) > 3 {
		var err error
		if transport, err = credentials.NewClientTLSFromFile(os.Args[3], "localhost"); err != nil {
			log.Fatal(err)
		}
	}
	client, err := grpc.NewClient("passthrough:///"+os.Args[2], grpc.WithTransportCredentials(transport))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	const long = 10 * time.Second
	if os.Args[1] == "repeat" {
		for i := range number(os.Args[3]) {
			// no two timeouts are equal, so that each fills the header table
			unary(client, "Unary", strconv.Itoa(i), long+time.Duration(i)*time.Millisecond)
			time.Sleep(10 * time.Millisecond)
		}
		return
	}
	unary(client, "Unary", "one", long)
	unary(client, "Packed", longText, long, grpc.UseCompressor(gzip.Name))
	unary(client, "Fail", "no", long)
	unary(client, "Slow", "late", 200*time.Millisecond)
	stream(client, "Many", []string{"3"}, 0)
	stream(client, "Collect", []string{"a", "b", "c", "d"}, 0)
	stream(client, "Chat", []string{"x", "y", "z"}, 0)
	stream(client, "Forever", []string{"go"}, 2)
	unary(client, "Missing", "who", long)
}
