"""A WebSocket server that echoes, and its client.

    echo.py serve PORT
    echo.py call PORT deflate|plain TEXT…    each text, some bytes, a text in two pieces, a ping, and a close that says why
"""
import sys

from websockets.sync.client import connect
from websockets.sync.server import serve

BYTES = b"\x00\x01\xfe\xff"


def echo(socket):
    for message in socket:
        socket.send(message)


def ask(socket, message, whole):
    socket.send(message)
    answer = socket.recv()
    assert answer == whole, f"sent {whole!r}, received {answer!r}"


def call(port, compression, *texts):
    with connect(f"ws://127.0.0.1:{port}/chat?room=1", compression=None if compression == "plain" else compression) as socket:
        for message in (*texts, BYTES):
            ask(socket, message, message)
        ask(socket, ["in two ", "pieces"], "in two pieces")
        assert socket.ping("beat").wait(10), "no pong"
        socket.close(4001, "that was all")


if sys.argv[1] == "serve":
    serve(echo, "127.0.0.1", int(sys.argv[2])).serve_forever()
else:
    call(*sys.argv[2:])
