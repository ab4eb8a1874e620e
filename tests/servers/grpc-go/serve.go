package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "/earshot.test.Echo/"

// longText is worth compressing.
var longText = strings.Repeat("words again and again, ", 100)

type message = wrapperspb.StringValue

func one(name string, answer func(context.Context, string) (string, error)) grpc.MethodDesc {
	handler := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		asked := new(message)
		if err := decode(asked); err != nil {
			return nil, err
		}
		said, err := answer(ctx, asked.Value)
		if err != nil {
			return nil, err
		}
		return text(said), nil
	}
	return grpc.MethodDesc{MethodName: name, Handler: handler}
}

func streaming(name string, handler func(grpc.ServerStream) error) grpc.StreamDesc {
	return grpc.StreamDesc{
		StreamName:    name,
		Handler:       func(_ any, stream grpc.ServerStream) error { return handler(stream) },
		ServerStreams: true,
		ClientStreams: true,
	}
}

func receive(stream grpc.ServerStream) (string, error) {
	asked := new(message)
	err := stream.RecvMsg(asked)
	return asked.Value, err
}

func many(stream grpc.ServerStream) error {
	asked, err := receive(stream)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(asked)
	for i := 0; err == nil && i < n; i++ {
		err = stream.SendMsg(text(fmt.Sprintf("answer %d", i)))
	}
	if err != nil {
		return err
	}
	// the call ends after the client has said that it is done
	if _, err = receive(stream); err == io.EOF {
		err = nil
	}
	return err
}

func collect(stream grpc.ServerStream) error {
	words := []string{}
	for {
		asked, err := receive(stream)
		if err == io.EOF {
			return stream.SendMsg(text(strings.Join(words, "+")))
		}
		if err != nil {
			return err
		}
		words = append(words, asked)
	}
}

func chat(stream grpc.ServerStream) error {
	for {
		asked, err := receive(stream)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.SendMsg(text("you said " + asked)); err != nil {
			return err
		}
	}
}

// forever answers twice, then never again.
func forever(stream grpc.ServerStream) error {
	for _, word := range []string{"first", "second"} {
		if err := stream.SendMsg(text(word)); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

func echo(_ context.Context, word string) (string, error) { return word, nil }

func packed(ctx context.Context, word string) (string, error) {
	return word, grpc.SetSendCompressor(ctx, gzip.Name)
}

func fail(context.Context, string) (string, error) {
	return "", status.Error(codes.FailedPrecondition, "not today: 100 % grüße")
}

func slow(ctx context.Context, _ string) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// serve takes TLS when it is given files: a certificate and its key.
func serve(address string, files []string) error {
	options := []grpc.ServerOption{}
	if len(files) == 2 {
		transport, err := credentials.NewServerTLSFromFile(files[0], files[1])
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(transport))
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: strings.Trim(service, "/"),
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{one("Unary", echo), one("Packed", packed), one("Fail", fail), one("Slow", slow)},
		Streams: []grpc.StreamDesc{
			streaming("Many", many), streaming("Collect", collect), streaming("Chat", chat), streaming("Forever", forever),
		},
	}, nil)
	return server.Serve(listener)
}
