"""An HTTP/1.1 server whose system calls and processes the tests choose.

    answer.py --port N [--host H] | --unix PATH   [--read CALL] [--write CALL] [--serving HOW]

It echoes each request's body and says who served it (Served-By: pid). The path tells more: /wait/MS/… answers late, /silent/…
closes without an answer, /chunks/… answers in chunks, /bytes/N/… answers N bytes, /to-the-end/N/… ends the body by closing.
"""
import argparse
import array
import os
import socket
import sys
import tempfile
import threading
import time

PIECES = 40


def pieces(data):
    step = max(1, len(data) // PIECES)
    return [data[i:i + step] for i in range(0, len(data), step)]


def read_parts(sock, call):
    """One read into several buffers."""
    parts = [bytearray(n) for n in (3, 50, 7, 1 << 17)]
    n = os.readv(sock.fileno(), parts) if call == "readv" else sock.recvmsg_into(parts)[0]
    return b"".join(parts)[:n]


READS = {
    "recv": lambda sock: sock.recv(1 << 17),
    "read": lambda sock: os.read(sock.fileno(), 1 << 17),
    "readv": lambda sock: read_parts(sock, "readv"),
    "recvmsg": lambda sock: read_parts(sock, "recvmsg"),
    "peek": lambda sock: (sock.recv(1 << 17, socket.MSG_PEEK), sock.recv(1 << 17))[1],
}


def send_file(sock, data):
    """The head by a write, the rest from a file."""
    head, body = data.split(b"\r\n\r\n", 1)
    sock.sendall(head + b"\r\n\r\n")
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        sent = 0
        while sent < len(body):
            sent += os.sendfile(sock.fileno(), file.fileno(), sent, len(body) - sent)
    return len(data)


WRITES = {
    "send": lambda sock, data: sock.send(data),
    "write": lambda sock, data: os.write(sock.fileno(), data),
    "writev": lambda sock, data: os.writev(sock.fileno(), pieces(data)),
    "sendmsg": lambda sock, data: sock.sendmsg(pieces(data)),
    "sendfile": send_file,
}


class Closed(Exception):
    pass


class Talk:
    """One connection; with two descriptors they take turns."""

    def __init__(self, calls, *socks):
        self.read_call, self.write_call = READS[calls[0]], WRITES[calls[1]]
        self.socks, self.turn, self.unread = socks, 0, b""

    def sock(self):
        return self.socks[self.turn % len(self.socks)]

    def fill(self):
        data = self.read_call(self.sock())
        if not data:
            raise Closed
        self.unread += data

    def until(self, mark):
        while mark not in self.unread:
            self.fill()
        head, self.unread = self.unread.split(mark, 1)
        return head

    def exactly(self, n):
        while len(self.unread) < n:
            self.fill()
        data, self.unread = self.unread[:n], self.unread[n:]
        return data

    def write(self, data):
        while data:
            data = data[self.write_call(self.sock(), data):]

    def serve_one(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, path = lines[0].split(" ")[:2]
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        body = self.exactly(int(headers.get("content-length", 0)))
        words = path.split("/")
        if words[1] == "wait":
            time.sleep(int(words[2]) / 1000)
        elif words[1] == "silent":
            raise Closed
        elif words[1] in ("bytes", "to-the-end"):
            body = (b"0123456789abcdef" * (int(words[2]) // 16 + 1))[:int(words[2])]
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nServed-By: {os.getpid()}\r\n"
        if words[1] == "chunks":
            head += "Transfer-Encoding: chunked\r\n"
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces(body)) + b"0\r\n\r\n"
        elif words[1] != "to-the-end":
            head += f"Content-Length: {len(body)}\r\n"
        self.write(head.encode() + b"\r\n" + (b"" if method == "HEAD" else body))
        if words[1] == "to-the-end":
            raise Closed
        self.turn += 1

    def serve(self):
        try:
            while True:
                self.serve_one()
        except (Closed, ConnectionError):
            for sock in self.socks:
                sock.close()


def in_thread(talk):
    threading.Thread(target=talk.serve, daemon=True).start()


def ends_with(pipe):
    """This process ends when the one that holds the pipe's other end does."""
    def wait():
        os.read(pipe, 1)
        os._exit(0)
    threading.Thread(target=wait, daemon=True).start()


def child(pipe):
    """Forks; true in the child, which ends with its parent."""
    if os.fork():
        return False
    os.close(pipe[1])
    ends_with(pipe[0])
    return True


def here(listener, calls, pipe):
    while True:
        in_thread(Talk(calls, listener.accept()[0]))


def prefork(listener, calls, pipe):
    """The parent listens, its children accept and serve."""
    for _ in range(3):
        if child(pipe):
            here(listener, calls, pipe)
    threading.Event().wait()


def passed(listener, calls, pipe):
    """One process accepts and hands the descriptor to another, which serves."""
    giver, taker = socket.socketpair()
    if child(pipe):
        listener.close()
        while True:
            _, control, _, _ = taker.recvmsg(1, socket.CMSG_SPACE(4))
            number = array.array("i", control[0][2][:4])[0]
            in_thread(Talk(calls, socket.socket(fileno=number)))
    while True:
        sock = listener.accept()[0]
        giver.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))])
        sock.close()


def duplicated(listener, calls, pipe):
    """Each connection has two descriptors that take turns."""
    while True:
        sock = listener.accept()[0]
        in_thread(Talk(calls, sock, socket.socket(fileno=os.dup2(sock.fileno(), sock.fileno() + 50))))


def executed(listener, calls, pipe):
    """A child a connection: serves one request, then becomes another program that serves the rest."""
    while True:
        sock = listener.accept()[0]
        if child(pipe):
            listener.close()
            talk = Talk(calls, sock)
            talk.serve_one()
            for number in (sock.fileno(), pipe[0]):
                os.set_inheritable(number, True)
            os.execv(sys.executable, [sys.executable, __file__, "--go-on", f"{sock.fileno()},{pipe[0]}", "--read", calls[0], "--write", calls[1]])
        sock.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--unix")
    parser.add_argument("--go-on")
    parser.add_argument("--read", default="recv", choices=READS)
    parser.add_argument("--write", default="send", choices=WRITES)
    parser.add_argument("--serving", default="here", choices=("here", "prefork", "passed", "duplicated", "executed"))
    args = parser.parse_args()
    calls = (args.read, args.write)
    if args.go_on:
        number, pipe = map(int, args.go_on.split(","))
        ends_with(pipe)
        return Talk(calls, socket.socket(fileno=number)).serve()
    if args.unix:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(args.unix)
    else:
        listener = socket.socket(socket.AF_INET6 if ":" in args.host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((args.host, args.port))
    listener.listen(128)
    print("listening", flush=True)
    globals()[args.serving](listener, calls, os.pipe())


main()
