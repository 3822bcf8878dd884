"""What stands between two ends and misbehaves on command: a TCP proxy, and an S3 fault proxy."""
import http.client
import http.server
import socket
import struct
import threading
import time
import urllib.parse


class TcpProxy:
    """Passes bytes on until freeze() (a half-open connection) or reset() (RST to both ends)."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.frozen = threading.Event()
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            self.sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        try:
            while not self.frozen.is_set():
                data = source.recv(65536)
                if self.frozen.is_set():
                    return
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
        except OSError:
            pass

    def freeze(self):
        self.frozen.set()

    def reset(self):
        for s in self.sockets:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()

    def close(self):
        self.frozen.set()
        self.listener.close()
        for s in self.sockets:
            s.close()


class Fault:
    """What happens to a request that matches, at most `times` times (None = always).

    kind: status (answer `status` and `code`), ok_error (200 with an error body), cut_request (closed
    after the headers are read), lost_answer (passed on, closed before the answer), held_answer (passed
    on, no answer until the proxy closes), truncate (closed
    after `after` bytes of the answer's body), hang (no answer until the proxy closes), delay (`after`
    seconds, then passed on).
    """

    def __init__(self, kind, method, where=lambda query: True, times=1, status=503, code="SlowDown", after=0):
        self.kind, self.method, self.where, self.times = kind, method, where, times
        self.status, self.code, self.after = status, code, after
        self.seen = 0

    def takes(self, method, query):
        if method != self.method or not self.where(query) or self.times == self.seen:
            return False
        self.seen += 1
        return True


def part(query):
    return "partNumber" in query


def complete(query):
    return "uploadId" in query and "partNumber" not in query


def whole(query):
    return not query or set(query) <= {"x-id"}


class FaultProxy:
    """An HTTP proxy in front of a store; `faults` may be changed while it runs."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.faults = []
        self.requests = []
        self.closing = threading.Event()
        self.held = threading.Event()  # the store has done what a held answer is of
        self.lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = lambda self: proxy.handle(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the peer hangs up when it likes

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def count(self, method, where=lambda query: True):
        return sum(1 for m, q in list(self.requests) if m == method and where(q))

    def handle(self, request):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query, keep_blank_values=True)
        with self.lock:
            self.requests.append((request.command, query))
            fault = next((f for f in self.faults if f.takes(request.command, query)), None)
        kind = fault and fault.kind
        if kind == "cut_request":
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        if kind == "hang":
            self.closing.wait(120)
            request.close_connection = True
            return
        if kind in ("status", "ok_error"):
            error = f"<?xml version=\"1.0\"?><Error><Code>{fault.code}</Code><Message>by the test</Message></Error>"
            self.answer(request, 200 if kind == "ok_error" else fault.status, [("Content-Type", "application/xml")],
                        error.encode())
            return
        if kind == "delay":
            time.sleep(fault.after)
        upstream = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            upstream.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
            if kind == "lost_answer":
                request.close_connection = True
                request.connection.shutdown(socket.SHUT_RDWR)
                return
            if kind == "held_answer":
                self.held.set()
                self.closing.wait(120)
                request.close_connection = True
                return
            self.answer(request, answer.status, answer.getheaders(), content, fault.after if kind == "truncate" else None)
        finally:
            upstream.close()

    def answer(self, request, status, headers, content, keep=None):
        request.send_response_only(status)
        length = len(content)
        for name, value in headers:
            if name.lower() == "content-length" and request.command == "HEAD":
                length = int(value)
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                request.send_header(name, value)
        if status != 204:
            request.send_header("Content-Length", str(length))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content if keep is None else content[:keep])
        if keep is not None and keep < len(content):
            request.wfile.flush()
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
