"""An HTTP verifier of a test's own: plain, over TLS or on a Unix socket; every request is kept."""
import base64
import datetime
import http.server
import ipaddress
import json
import socket
import socketserver
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ACCEPT = {"decision": "accept", "identity": {}}
REJECT = {"decision": "reject", "reason": "the authority says no"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(body)

    do_GET = do_OPTIONS = do_POST

    def answer(self, body):
        asked = json.loads(body) if body else {}
        self.server.note({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body,
                          "asked": asked})
        said = self.server.decide(asked) if self.command != "OPTIONS" else (204, b"")
        status, body = said if isinstance(said, tuple) else (200, json.dumps(said).encode())
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address, decide, context=None):
        self.decide, self.context = decide, context
        self.lock, self.requests, self.connections = threading.Lock(), [], 0
        if isinstance(address, str):
            self.address_family = socket.AF_UNIX
        super().__init__(address, Handler)

    def note(self, request):
        with self.lock:
            self.requests.append(request)

    def finish_request(self, request, client_address):
        with self.lock:
            self.connections += 1
        if self.context is not None:  # on the connection's own thread: a handshake may take its time
            request = self.context.wrap_socket(request, server_side=True)
        try:
            super().finish_request(request, client_address)
        finally:
            if self.context is not None:
                request.close()

    def handle_error(self, request, client_address):
        pass


class Authority:
    """decide(asked) gives the answer: an object for 200, or (status, bytes)."""

    def __init__(self, decide, unix=None, context=None):
        self.server = Server(unix or ("127.0.0.1", 0), decide, context)
        self.unix, self.scheme = unix, "https" if context else "http"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        if self.unix:
            return f"http+unix://{self.unix}:/login"
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}/login"

    @property
    def requests(self):
        with self.server.lock:
            return list(self.server.requests)

    @property
    def asked(self):
        return [r["asked"] for r in self.requests]

    @property
    def connections(self):
        with self.server.lock:
            return self.server.connections

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def public_key_of(asked):
    """The key of a request as a line of authorized_keys."""
    key = asked.get("public_key") or {}
    return f"{key.get('algorithm')} {key.get('blob')}"


class Certificates:
    """An authority and what it signs, as PEM files in a folder."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {name}")])
        certificate = self._build(self.name, self.key, []).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(self.key, hashes.SHA256())
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _build(self, subject, key, names, begin=-2, end=2):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(
            key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(
                now + datetime.timedelta(days=begin)).not_valid_after(now + datetime.timedelta(days=end))
        return builder.add_extension(x509.SubjectAlternativeName(names), critical=False) if names else builder

    def make(self, stem, names=(), begin=-2, end=2):
        """(certificate file, key file); names: addresses and host names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
        sans = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        certificate = self._build(subject, key, sans, begin, end).sign(self.key, hashes.SHA256())
        paths = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))
        return paths

    def context(self, certificate, client_ca=None):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*certificate)
        if client_ca is not None:
            made.load_verify_locations(client_ca)
            made.verify_mode = ssl.CERT_REQUIRED
        return made


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
