"""HTTPS in Python, for the tests: the ssl module on sockets and, in asyncio, on memory BIOs.

    peer.py serve PORT CERT KEY            a thread a connection
    peer.py asyncio PORT CERT KEY          asyncio.start_server
    peer.py client URL CA COUNT PAUSE_MS   requests on one connection; what was asked and answered is a line each:
                                           METHOD PATH STATUS SENT RECEIVED, separated by tabs
    peer.py requests URL CA COUNT PAUSE_MS the same by the package requests
    peer.py aiohttp URL CA COUNT PAUSE_MS  the same by aiohttp
    peer.py curl_cffi URL CA COUNT PAUSE_MS  the same by curl_cffi, as Chrome would
"""
import asyncio
import http.client
import http.server
import re
import ssl
import sys
import time
import urllib.parse


def context(cert, key):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(cert, key)
    return c


def answer(path, body):
    status = re.search(r"status=(\d+)", path)
    return int(status[1]) if status else 200, body or f"answer to {path}".encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        status, body = answer(self.path, self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, address):
        with self.tls.wrap_socket(request, server_side=True) as stream:
            self.RequestHandlerClass(stream, address, self)


def serve(port, cert, key):
    server = Server(("127.0.0.1", int(port)), Handler)
    server.tls = context(cert, key)
    print("listening", flush=True)
    server.serve_forever()


async def talk(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"content-length: (\d+)", head, re.I)
            status, body = answer(head.split(" ")[1], await reader.readexactly(int(length[1]) if length else 0))
            writer.write(f"HTTP/1.1 {status} Said\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def serve_asyncio(port, cert, key):
    server = await asyncio.start_server(talk, "127.0.0.1", int(port), ssl=context(cert, key))
    print("listening", flush=True)
    await server.serve_forever()


def questions(count):
    for i in range(int(count)):
        method, sent = ("POST", f"sent {i}") if i % 4 == 3 else ("GET", "")
        yield method, f"/{i}?status={(200, 404, 500)[i % 3]}", sent


def tell(*words):
    print(*words, sep="\t", flush=True)


def client(url, ca, count, pause_ms):
    base = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(base.hostname, base.port, context=ssl.create_default_context(cafile=ca), timeout=30)
    for method, path, sent in questions(count):
        connection.request(method, path, body=sent or None)
        response = connection.getresponse()
        tell(method, path, response.status, sent, response.read().decode())
        time.sleep(int(pause_ms) / 1000)


def by_requests(url, ca, count, pause_ms):
    import requests
    with requests.Session() as session:
        for method, path, sent in questions(count):
            response = session.request(method, url + path, data=sent or None, verify=ca, timeout=30)
            tell(method, path, response.status_code, sent, response.text)
            time.sleep(int(pause_ms) / 1000)


async def by_aiohttp(url, ca, count, pause_ms):
    import aiohttp
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca))) as session:
        for method, path, sent in questions(count):
            async with session.request(method, url + path, data=sent or None) as response:
                tell(method, path, response.status, sent, await response.text())
            await asyncio.sleep(int(pause_ms) / 1000)


def by_curl_cffi(url, ca, count, pause_ms):
    from curl_cffi import requests
    with requests.Session(impersonate="chrome", verify=ca) as session:
        for method, path, sent in questions(count):
            response = session.request(method, url + path, data=sent.encode() if sent else None, timeout=30)
            tell(method, path, response.status_code, sent, response.text)
            time.sleep(int(pause_ms) / 1000)


what, *args = sys.argv[1:]
tasks = {"serve": serve, "asyncio": serve_asyncio, "client": client,
         "requests": by_requests, "aiohttp": by_aiohttp, "curl_cffi": by_curl_cffi}
task = tasks[what](*args)
if task:
    asyncio.run(task)
