"""paramiko as a tool of the tests: sessions that do exactly what a row says."""
import contextlib
import errno
import queue
import socket

import paramiko
from paramiko.message import Message

from gateway import PATIENCE


@contextlib.contextmanager
def session(gateway, user="alice", password=None, key=None, port=None):
    """An SFTP client whose .transport ends with the block, however the block leaves it."""
    transport = paramiko.Transport(("127.0.0.1", port or gateway.port))
    transport.daemon = True
    try:
        transport.start_client(timeout=PATIENCE)
        if password is not None:
            transport.auth_password(user, password)
        else:
            transport.auth_publickey(user, paramiko.Ed25519Key.from_private_key_file(str(key or gateway.keys.user)))
        sftp = paramiko.SFTPClient.from_transport(transport)
        sftp.transport = transport
        sftp.get_channel().settimeout(PATIENCE * 4)
        yield sftp
    finally:
        transport.close()


@contextlib.contextmanager
def connected(gateway, host="127.0.0.1", buffers=0, **more):
    """A transport after the key exchange, before the login. buffers: of the client's socket, in bytes."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if buffers:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
    sock.settimeout(PATIENCE)
    sock.connect((host, gateway.port))
    transport = paramiko.Transport(sock, **more)
    transport.daemon = True
    try:
        transport.start_client(timeout=PATIENCE)
        transport.auth_timeout = PATIENCE
        yield transport
    finally:
        transport.close()


def key_of(path):
    return paramiko.Ed25519Key.from_private_key_file(str(path))


def message(number, *parts):
    m = Message()
    m.add_byte(bytes([number]))
    for part in parts:
        if isinstance(part, bool):
            m.add_boolean(part)
        elif isinstance(part, int):
            m.add_int(part)
        else:
            m.add_string(part)
    return m


class Login:
    """A login message by message: request() and answer() give (type, message) of what comes back."""
    SERVICE_ACCEPT, FAILURE, SUCCESS, BANNER, INFO_REQUEST = 6, 51, 52, 53, 60

    def __init__(self, transport):
        self.transport, self.got = transport, queue.Queue()
        # paramiko 2 calls an entry with the handler and the message, paramiko 3 with the message only.
        self._handler_table = {kind: lambda *given, kind=kind: self.got.put((kind, given[-1]))
                               for kind in (6, 51, 52, 53, 60)}
        transport.auth_handler = self
        self.send(5, b"ssh-userauth")
        assert self.receive()[0] == self.SERVICE_ACCEPT

    def is_authenticated(self):
        return False

    def abort(self):
        self.got.put((None, None))

    def send(self, number, *parts):
        self.transport._send_message(message(number, *parts))

    def receive(self):
        """(None, None): the gateway has hung up."""
        return self.got.get(timeout=PATIENCE)

    def request(self, user, method, *parts):
        self.send(50, user, b"ssh-connection", method, *parts)
        return self.receive()

    def password(self, user, text):
        return self.request(user, b"password", False, text)

    def ask(self, user):
        """The prompts of keyboard-interactive as [(text, echo)], or None: refused."""
        return self.prompts(self.request(user, b"keyboard-interactive", b"", b""))

    def prompts(self, received):
        kind, m = received
        if kind != self.INFO_REQUEST:
            return None
        m.get_text(), m.get_text(), m.get_text()
        return [(m.get_text(), m.get_boolean()) for _ in range(m.get_int())]

    def answer(self, *texts):
        self.send(61, len(texts), *texts)
        return self.receive()


def close(file):
    """paramiko's own close() keeps to itself what CLOSE was answered."""
    file.flush()
    try:
        file.sftp._request(paramiko.sftp.CMD_CLOSE, file.handle)
    finally:
        file._closed = True


def write_all(sftp, path, data):
    file = sftp.open(path, "wb")
    try:
        file.set_pipelined(True)
        for at in range(0, len(data), 32768):
            file.write(data[at:at + 32768])
    finally:
        close(file)


def read_all(sftp, path):
    with sftp.open(path, "rb") as file:
        file.prefetch()
        return file.read()


def status_of(work):
    """The name of the status that work() ended with: OK, NO_SUCH_FILE, PERMISSION_DENIED or the text."""
    try:
        work()
    except OSError as problem:
        return {errno.ENOENT: "NO_SUCH_FILE", errno.EACCES: "PERMISSION_DENIED"}.get(problem.errno, str(problem))
    return "OK"
