"""A gRPC service, in clear or over TLS, and its client, for the tests: what the client did is a line of JSON a call.

    echo.py serve ADDRESS [CERT KEY]
    echo.py call ADDRESS [CA]    each kind of call, an error, a deadline, a cancellation, compressed messages
"""
import json
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "earshot.test.Echo"
LONG_TEXT = "words again and again, " * 100
LONG_SECONDS = 10


def encode(text):
    """A message whose field 1 is the text."""
    data = text.encode()
    size, length = len(data), b""
    while size > 0x7f:
        length += bytes([size & 0x7f | 0x80])
        size >>= 7
    return b"\x0a" + length + bytes([size]) + data if data else b""


def decode(message):
    at = 1
    while message[at:at + 1] >= b"\x80":
        at += 1
    return message[at + 1:].decode()


def unary(word, _):
    return word


def packed(word, context):
    context.set_compression(grpc.Compression.Gzip)
    return word


def fail(_, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100 % grüße")


def until_the_end(context):
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait(LONG_SECONDS)


def slow(_, context):
    until_the_end(context)
    return ""


def many(words, _):
    yield from (f"answer {i}" for i in range(int(next(words))))
    # the call ends after the client has said that it is done
    for _ in words:
        pass


def collect(words, _):
    return "+".join(words)


def chat(words, _):
    yield from (f"you said {word}" for word in words)


def forever(_, context):
    """Answers twice, then never again."""
    yield from ("first", "second")
    until_the_end(context)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def serve(address, cert=None, key=None):
    kinds = {
        grpc.unary_unary_rpc_method_handler: {"Unary": unary, "Packed": packed, "Fail": fail, "Slow": slow},
        grpc.stream_unary_rpc_method_handler: {"Collect": collect},
        grpc.stream_stream_rpc_method_handler: {"Many": many, "Chat": chat, "Forever": forever},
    }
    methods = {name: kind(f, decode, encode) for kind, functions in kinds.items() for name, f in functions.items()}
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
    if cert:
        server.add_secure_port(address, grpc.ssl_server_credentials([(content(key), content(cert))]))
    else:
        server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


def tell(method, failed, sent, received):
    status, message = (failed.code().value[0], failed.details()) if failed else (0, "")
    print(json.dumps({"method": method, "status": status, "message": message, "sent": sent, "received": received}))


def ask(channel, method, word, seconds=LONG_SECONDS, **more):
    try:
        answer = channel.unary_unary(f"/{SERVICE}/{method}", encode, decode)(word, timeout=seconds, **more)
        tell(method, None, [word], [answer])
    except grpc.RpcError as error:
        tell(method, error, [word], [])


def stream(channel, method, words, cancel_after=0):
    """Sends the words, then reads until the end, or cancels after so many answers."""
    received = []
    answers = channel.stream_stream(f"/{SERVICE}/{method}", encode, decode)(iter(words))
    try:
        for answer in answers:
            received.append(answer)
            if len(received) == cancel_after:
                answers.cancel()
        tell(method, None, words, received)
    except grpc.RpcError as error:
        tell(method, error, words, received)


def connect(address, ca):
    if not ca:
        return grpc.insecure_channel(address)
    name = [("grpc.ssl_target_name_override", "localhost")]
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(content(ca)), name)


def call(address, ca=None):
    with connect(address, ca) as channel:
        ask(channel, "Unary", "one")
        ask(channel, "Packed", LONG_TEXT, compression=grpc.Compression.Gzip)
        ask(channel, "Fail", "no")
        ask(channel, "Slow", "late", 0.2)
        stream(channel, "Many", ["3"])
        stream(channel, "Collect", ["a", "b", "c", "d"])
        stream(channel, "Chat", ["x", "y", "z"])
        stream(channel, "Forever", ["go"], 2)
        ask(channel, "Missing", "who")


{"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
