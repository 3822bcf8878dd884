"""HTTP stores on a server of the test's own: a listing whose end is held back, pages, redirects, a server in trouble."""
import contextlib
import http.server
import re
import socket
import threading
import time
import urllib.parse

import pytest
from paramiko.sftp import CMD_CLOSE, CMD_NAME, CMD_OPENDIR, CMD_READDIR

from authority import Certificates
from gateway import PATIENCE, SANITIZED
from raw import session, status_of

ENTRIES, EARLY, WARM_UP, DOTS = 100_000, 1000, 5000, 2
NAME = "a name that is long enough to show in a listing that is kept in memory, whole or parsed: %06d"


def propfind(count):
    response = ("<D:response><D:href>/dav/{}</D:href><D:propstat><D:prop><D:resourcetype>{}</D:resourcetype>"
                "<D:getcontentlength>1</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
                "</D:response>")
    yield '<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">' + response.format("", "<D:collection/>")
    for number in range(count):
        yield response.format(urllib.parse.quote(NAME % number), "")
    yield "</D:multistatus>"


def readdir(count):
    for number in range(count):
        yield "[" if number == 0 else ","
        yield '{"name":"%s","size":1,"mode":420}' % (NAME % number)
    yield "]"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, pieces, mark=None):
        self.send_response(status)
        if mark is not None:
            self.send_header("Next", mark)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        block = ""
        for number, piece in enumerate(pieces):
            block += piece
            if len(block) > 65536 or number == self.server.hold:
                self.chunk(block)
                block = ""
            if number == self.server.hold:
                assert self.server.seen.wait(PATIENCE * 4), "nothing has come through"
        self.chunk(block)
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, text):
        if text:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text.encode()))

    def do_PROPFIND(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(207, propfind(self.server.entries if self.headers["Depth"] == "1" else 0))

    def say_goodbye(self):
        self.close_connection = True
        if self.server.context:
            self.connection.settimeout(0.01)  # nobody answers
            with contextlib.suppress(OSError):
                self.connection.unwrap()
        self.connection.shutdown(socket.SHUT_WR)

    def do_GET(self):
        asked = urllib.parse.urlsplit(self.path)
        self.server.asked.append((asked.query, self.headers["Authorization"]))
        if self.server.elsewhere:
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.server.in_trouble:
            self.answer(503, [])
        elif self.server.surplus:
            said = b'{"name":"/","size":7,"mode":420}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()  # each write is a segment and, over TLS, a record of its own
            surplus = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" * 3
            if self.server.surplus == "with the answer":
                self.wfile.write(said + surplus)
            else:
                self.wfile.write(said)
                time.sleep(0.05)
                if self.server.surplus == "an end":
                    self.say_goodbye()
                else:
                    self.wfile.write(surplus)
            self.server.seen.set()
        elif "/readdir/" in self.path and self.server.pages:
            names, mark = self.server.pages[urllib.parse.parse_qs(asked.query).get("after", [""])[0]]
            self.answer(200, ["[%s]" % ",".join('{"name":"%s","size":1,"mode":420}' % name for name in names)], mark)
        elif "/readdir/" in self.path:
            self.answer(200, readdir(self.server.entries))
        else:
            self.answer(200, ['{"name":"/","size":0,"mode":2147484141}'])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.context, self.connections = context, 0
        self.seen, self.hold, self.entries, self.pages = threading.Event(), None, 0, {}
        self.asked, self.elsewhere, self.in_trouble, self.surplus = [], None, False, None
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    def finish_request(self, request, client_address):
        self.connections += 1
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def end(self):
        self.seen.set()
        self.shutdown()
        self.server_close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.end()


@pytest.fixture
def tls_server(tmp_path):
    signer = Certificates(tmp_path)
    made = Server(signer.context(signer.make("server", ["127.0.0.1"])))
    made.ca_file = str(signer.ca)
    yield made
    made.end()


@pytest.fixture
def other_server():
    made = Server()
    yield made
    made.end()


def most_memory_kib(gateway):
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))


def batches(sftp):
    """How many entries each READDIR gives; not what paramiko makes of them."""
    _, said = sftp._request(CMD_OPENDIR, "/")
    handle = said.get_binary()
    while True:
        try:
            kind, said = sftp._request(CMD_READDIR, handle)
        except EOFError:
            break
        assert kind == CMD_NAME
        yield said.get_int()
    sftp._request(CMD_CLOSE, handle)


@pytest.mark.parametrize("dialect", ["webdav", "httpfs"])
def test_early_and_in_constant_memory(dialect, server, postern):
    gateway = postern({"store": {"type": "http", "dialect": dialect, "url": f"{server.url}/dav/"}})
    with session(gateway) as sftp:
        server.entries, server.hold = WARM_UP, None
        assert sum(batches(sftp)) == WARM_UP + DOTS
        before = most_memory_kib(gateway)
        server.entries, server.hold = ENTRIES, EARLY
        listing = batches(sftp)
        count = next(listing)
        assert 0 < count <= EARLY
        server.seen.set()  # only now does the server go on behind its first entries
        assert count + sum(listing) == ENTRIES + DOTS
        grown = most_memory_kib(gateway) - before
    assert SANITIZED or grown < 16 << 10, f"{grown} KiB more for {ENTRIES} entries"


def httpfs_at(server, **more):
    return dict({"type": "http", "dialect": "httpfs", "url": f"{server.url}/fs/"}, **more)


A, B, C = (["a1", "a2"], "a%20mark"), (["b1"], "last"), (["c1"], None)


@pytest.mark.parametrize("pages,names", [
    ({"": A, "a mark": B, "last": C}, ["a1", "a2", "b1", "c1"]), ({"": C}, ["c1"]), ({"": ([], None)}, []),
    ({"": (["a1"], "x"), "x": (["a2"], "x")}, None), ({"": ([], "x"), "x": ([], "y"), "y": ([], "x")}, None),
    ({"": (["a1"], "x&limit=9")}, None), ({"": (["a1"], "a b")}, None),
], ids=["three", "one", "empty", "in a circle", "in a circle of two", "a parameter", "a blank"])
def test_pages(pages, names, server, postern):
    """The mark of `Next` goes back as it came; one that leads nowhere ends the listing with an error."""
    server.pages = pages
    gateway = postern({"store": httpfs_at(server, auth={"type": "bearer", "token": "a token"})})
    with session(gateway) as sftp:
        if names is None:
            assert "leads nowhere" in status_of(lambda: sftp.listdir("/"))
        else:
            assert sftp.listdir("/") == names
    queries, proofs = zip(*server.asked)
    assert set(proofs) == {"Bearer a token"}
    assert names is None or [q for q in queries if "limit" in q] == ["limit=1000", "limit=1000&after=a%20mark",
                                                                       "limit=1000&after=last"][:len(pages)]


def test_redirect_to_another_server(server, other_server, postern):
    """Not followed: nobody else is asked, and no credentials go there."""
    server.elsewhere = other_server.url
    gateway = postern({"store": httpfs_at(server, auth={"type": "bearer", "token": "a token"})})
    with session(gateway) as sftp:
        for deed in (lambda: sftp.listdir("/"), lambda: sftp.open("/f"), lambda: sftp.stat("/f")):
            assert "redirects to another one" in status_of(deed)
    assert server.asked and not other_server.asked


@pytest.mark.parametrize("when", ["with the answer", "later", "an end"])
@pytest.mark.parametrize("over", ["plain", "TLS"])
def test_more_than_was_announced(over, when, server, tls_server, postern):
    """What stands behind the announced length is the answer to nothing, and least of all to the next request."""
    if over == "TLS":
        server = tls_server
    gateway = postern({"store": httpfs_at(server, **({"tls": {"ca_file": server.ca_file}} if over == "TLS" else {}))})
    server.surplus = when
    with session(gateway) as sftp:
        for number in range(5):
            assert sftp.stat(f"/{number}").st_size == 7
            assert server.seen.wait(PATIENCE)
            server.seen.clear()
    assert len(server.asked) == 5
    told = {event["port"] for event in gateway.events("http_surplus")}
    assert told <= ({server.server_address[1]} if when != "an end" else set())  # newer libcurls say nothing


def test_kept_over_tls(tls_server, postern):
    """What TLS itself sends, its tickets for one, makes no connection unfit."""
    gateway = postern({"store": httpfs_at(tls_server, tls={"ca_file": tls_server.ca_file})})
    with session(gateway) as sftp:
        for number in range(20):
            sftp.stat(f"/{number}")
    assert len(tls_server.asked) >= 20 and tls_server.connections == 1


def test_deadline_of_repetitions(server, postern):
    """A server in trouble is asked again, and given up in time: long before `max_retries` here."""
    server.in_trouble = True
    gateway = postern({"store": httpfs_at(server, timeout_s=1, max_retries=20)})
    with session(gateway) as sftp:
        assert "not available" in status_of(lambda: sftp.stat("/f"))
    assert 1 < len(server.asked) < 20
