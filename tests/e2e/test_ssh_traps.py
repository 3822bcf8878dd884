"""What libssh does to a server that is not careful, and what hostile clients do to both.

Each row fails without its cure in gateway/ssh; docs/architecture.md names the traps.
"""
import asyncio
import contextlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

import paramiko
import pytest
from paramiko.common import MSG_DISCONNECT, MSG_IGNORE, MSG_SERVICE_REQUEST, MSG_USERAUTH_REQUEST

from clients import NO_KNOWN_HOSTS
from gateway import BUILD, PASSWORD, PATIENCE, SANITIZED, run, wait_for
from raw import Login, connected, key_of, message, read_all, session, write_all

SOON = 5 if SANITIZED else 2  # seconds: what is not delayed takes far less
MEMORY = {"memory": {"type": "memory"}}
INIT = struct.pack(">IBI", 5, 1, 3)


@pytest.fixture
def gateway(postern):
    return postern(MEMORY, limits={"loops": 1})


@contextlib.contextmanager
def logged_in(gateway, **more):
    with connected(gateway, **more) as transport:
        transport.auth_publickey("alice", key_of(gateway.keys.user))
        # paramiko would mend what the rows ask for
        transport._sanitize_packet_size = lambda size: 1 << 15 if size is None else size
        transport._sanitize_window_size = lambda size: 1 << 21 if size is None else size
        yield transport


def send_until_blocked(transport, m, count, seconds):
    """Sends copies of a message until the peer takes no more for so long. False: it took all of them."""
    sent = 0

    def work():
        nonlocal sent
        with contextlib.suppress(EOFError):  # when the test ends the connection
            while sent < count:
                transport._send_message(m)
                sent += 1

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    last = -1
    while thread.is_alive() and sent != last:
        last = sent
        thread.join(seconds)
    return thread.is_alive()


@contextlib.contextmanager
def frozen(gateway, transport):
    """What is sent meanwhile, the gateway reads in one go."""
    transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    gateway.signal(signal.SIGSTOP)
    threads = list(pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir())
    wait_for(lambda: all((t / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T" for t in threads),
             "the gateway to stand still")
    try:
        yield
    finally:
        gateway.signal(signal.SIGCONT)


def packet(kind, *parts):
    """An SFTP packet: ints are uint32, ("q", n) is a uint64, the rest strings."""
    body = bytes([kind])
    for part in parts:
        if isinstance(part, tuple):
            body += struct.pack(">Q", part[1])
        elif isinstance(part, int):
            body += struct.pack(">I", part)
        else:
            body += struct.pack(">I", len(part)) + part
    return struct.pack(">I", len(body)) + body


def receive(channel, count):
    """Exactly count bytes of a channel."""
    channel.settimeout(PATIENCE)
    data = b""
    while len(data) < count:
        more = channel.recv(count - len(data))
        assert more, "the channel ended"
        data += more
    return data


def receive_packet(channel):
    (length,) = struct.unpack(">I", receive(channel, 4))
    return receive(channel, length)


def sftp_channel(transport, **more):
    channel = transport.open_session(timeout=PATIENCE, **more)
    channel.invoke_subsystem("sftp")
    return channel


def serves_others(gateway, path="/x", size=4096):
    """Another session's 4 KiB read is not held up."""
    begin = time.monotonic()
    with session(gateway) as sftp:
        write_all(sftp, path, b"y" * size)
        assert read_all(sftp, path) == b"y" * size
    assert time.monotonic() - begin < SOON


def grown_mib(gateway, before_kib):
    """0 under the sanitizers: what is freed stays resident there for a long while."""
    return 0 if SANITIZED else (gateway.memory_kib() - before_kib) / 1024


def cpu_seconds(gateway):
    fields = pathlib.Path(f"/proc/{gateway.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- requests of the login that libssh swallows ---------------------------------------------------

class Forged(paramiko.Ed25519Key):
    """Right key, wrong signature."""

    def sign_ssh_data(self, data, algorithm=None):
        return super().sign_ssh_data(data + b"!")


def test_bad_signatures_are_answered_and_counted(gateway):
    tries = 0
    with connected(gateway) as transport:
        with pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_none("alice")
        forged = Forged.from_private_key_file(str(gateway.keys.user))
        while tries < 20 and transport.is_active():
            begin = time.monotonic()
            try:
                transport.auth_publickey("alice", forged)
            except paramiko.SSHException:
                pass
            assert time.monotonic() - begin < SOON, "a swallowed request was not answered"
            tries += 1
    assert tries <= 7
    gateway.wait_event("disconnect", reason="too many failed logins")
    failures = gateway.events("login_failed")
    assert len(failures) == 6
    assert [e["attempt"] for e in failures] == [1, 2, 3, 4, 5, 6]


def test_good_login_after_a_swallowed_one(gateway):
    with connected(gateway) as transport:
        with pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_none("alice")
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_publickey("alice", Forged.from_private_key_file(str(gateway.keys.user)))
        transport.auth_publickey("alice", key_of(gateway.keys.user))
        assert transport.is_authenticated()


def test_swallowed_first_request_ends(gateway):
    """Nothing can be answered before a first request was understood: it ends, and does not hang."""
    with connected(gateway) as transport:
        with pytest.raises(paramiko.SSHException):
            transport.auth_publickey("alice", Forged.from_private_key_file(str(gateway.keys.user)))
    gateway.wait_event("disconnect", reason="first request of the login not understood")


def test_sha1_signature_is_refused(gateway):
    key = paramiko.RSAKey.from_private_key_file(str(gateway.keys.rsa))
    with connected(gateway, disabled_algorithms={"pubkeys": ["rsa-sha2-512", "rsa-sha2-256"]}) as transport:
        with pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_none("alice")
        transport.server_extensions = {}  # what it says about its algorithms
        with pytest.raises(paramiko.SSHException):
            transport.auth_publickey("alice", key)
        assert not transport.is_authenticated()
    gateway.wait_event("login_failed")
    with connected(gateway) as transport:  # the same key signs with SHA-2
        transport.auth_publickey("alice", key)
        assert transport.is_authenticated()


def test_ignored_packets_are_no_failures(gateway):
    """PuTTY pads passwords with SSH_MSG_IGNORE."""
    with connected(gateway) as transport:
        with pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_none("alice")
        for _ in range(5):
            transport._send_message(message(MSG_IGNORE, b"x" * 32))
        transport.auth_publickey("alice", key_of(gateway.keys.user))
        assert transport.is_authenticated()
    gateway.wait_event("disconnect")
    assert gateway.events("login_failed") == []


def test_pipelined_guesses_wait_in_the_socket(postern):
    """While an answer is held nothing is read: the messages behind it would pile up in libssh."""
    gateway = postern(MEMORY, auth={"failure_delay_ms": 3000, "max_attempts": 2},
                      tcp={"send_buffer_bytes": 8192, "receive_buffer_bytes": 8192})
    request = message(MSG_USERAUTH_REQUEST, b"bob", b"ssh-connection", b"password", False, b"w" * 1000)
    with connected(gateway, buffers=8192) as transport:
        transport._send_message(message(MSG_SERVICE_REQUEST, b"ssh-userauth"))
        transport._send_message(request)
        gateway.wait_event("login_failed")
        before = gateway.memory_kib()
        assert send_until_blocked(transport, request, 40000, 1), "it reads on"
        assert grown_mib(gateway, before) < 16
        gateway.wait_event("disconnect", reason="too many failed logins")
    assert len(gateway.events("login_failed")) == 2


def test_user_may_not_change_between_steps(gateway):
    with connected(gateway) as transport:
        assert transport.auth_publickey("carol", key_of(gateway.keys.user)) == ["password"]
        with pytest.raises(paramiko.SSHException):
            transport.auth_password("bob", PASSWORD)
        assert not transport.is_authenticated()
    gateway.wait_event("disconnect")
    assert gateway.events("login") == []


def test_second_step_counts(gateway):
    with connected(gateway) as transport:
        assert transport.auth_publickey("carol", key_of(gateway.keys.user)) == ["password"]
        assert transport.auth_password("carol", PASSWORD) == []
        assert transport.is_authenticated()


def test_long_password_and_name(gateway):
    with connected(gateway) as transport:
        for user, password in (("bob", "x" * 100000), ("b" * 5000, "x")):
            with pytest.raises(paramiko.AuthenticationException):
                transport.auth_password(user, password, fallback=False)
    serves_others(gateway)


def test_certificate_is_no_key(gateway, tmp_path):
    """libssh checks a certificate's signature, but not who signed it, for whom, until when."""
    authority = tmp_path / "authority"
    mine = tmp_path / "mine"
    for path in (authority, mine):
        assert run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", path]).returncode == 0
    gateway.write_users([{"user": "alice", "public_keys": [gateway.keys.public(mine),
                                                           gateway.keys.public(authority)]}])
    made = run(["ssh-keygen", "-q", "-s", authority, "-I", "x", "-n", "alice", f"{mine}.pub"])
    assert made.returncode == 0, made.stderr
    key = key_of(mine)
    key.load_certificate(f"{mine}-cert.pub")
    with connected(gateway) as transport:
        with pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_none("alice")
        with pytest.raises(paramiko.SSHException):
            transport.auth_publickey("alice", key)
        assert not transport.is_authenticated()
    gateway.wait_event("login_failed", reason="type of key not accepted")


def test_answers_that_nobody_asked_for(postern):
    """libssh ends a login that begins with them. After any question it takes them, as often as they come."""
    gateway = postern(MEMORY, auth={"methods": ["publickey", "password", "keyboard-interactive"]},
                      limits={"loops": 1})
    with connected(gateway) as transport:
        login = Login(transport)
        assert login.request("bob", b"none")[0] == Login.FAILURE
        login.send(61, 1, PASSWORD)  # SSH_MSG_USERAUTH_INFO_RESPONSE
        gateway.wait_event("disconnect", reason="Packet filter: rejected packet (type 61)")
    with connected(gateway) as transport:
        login = Login(transport)
        assert login.ask("bob") == [("Password: ", False)]
        assert login.answer("wrong")[0] == Login.FAILURE
        assert login.answer(PASSWORD)[0] == Login.FAILURE
        gateway.wait_event("login_failed", reason="answers that were not asked for")
    assert gateway.events("login") == []
    serves_others(gateway)


def test_requests_behind_the_one_that_succeeds(gateway):
    """They are ignored (RFC 4252 section 5.3): a refusal after the success would belong to nothing."""
    with connected(gateway) as transport:
        login = Login(transport)
        with frozen(gateway, transport):
            login.send(50, b"bob", b"ssh-connection", b"password", False, PASSWORD)
            login.send(50, b"bob", b"ssh-connection", b"password", False, b"another")
        assert login.receive()[0] == Login.SUCCESS
        channel = sftp_channel(transport)
        channel.sendall(INIT)
        assert receive_packet(channel)[0] == 2  # VERSION
        assert login.got.empty()
    gateway.wait_event("disconnect")
    assert gateway.events("login_failed") == []


# --- connections that say nothing, too much, or byte by byte --------------------------------------

def test_silent_connections_end(postern):
    gateway = postern(MEMORY, timeouts={"handshake_s": 1, "login_s": 1})
    with socket.create_connection(("127.0.0.1", gateway.port)) as silent:
        silent.settimeout(PATIENCE)
        while silent.recv(4096):
            pass
    gateway.wait_event("disconnect", reason="handshake took too long")
    with connected(gateway) as transport:
        wait_for(lambda: not transport.is_active(), "the end of a connection that does not log in")
    gateway.wait_event("disconnect", reason="login took too long")


@pytest.mark.parametrize("line", [b"SSH-2.0-" + b"x" * 4096 + b"\r\n", b"x" * 100000, b"GET / HTTP/1.1\r\n\r\n",
                                  b"\0" * 300, b"SSH-1.5-old\r\n", b"\r\n" * 2000])
def test_version_lines(gateway, line):
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionError):
            raw.sendall(line)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    gateway.wait_event("disconnect")
    serves_others(gateway)


class Dribble:
    """A proxy that hands on a few bytes at a time from the client, and can stop altogether."""

    def __init__(self, port, size=7):
        self.size, self.stopped = size, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target = port
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pair in ((client, server, self.size), (server, client, 65536)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source, sink, size):
        with contextlib.suppress(OSError):
            while data := source.recv(size):
                if self.stopped.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


def test_key_exchange_in_crumbs(gateway):
    """Packets that arrive in pieces end the key exchange, and each step of the login, inside a poll."""
    proxy = Dribble(gateway.port)
    try:
        with session(gateway, port=proxy.port) as sftp:
            write_all(sftp, "/crumbs", b"z" * 100000)
            assert read_all(sftp, "/crumbs") == b"z" * 100000
    finally:
        proxy.close()


def test_idle_session_ends(postern):
    gateway = postern(MEMORY, timeouts={"idle_s": 1})
    with session(gateway) as sftp:
        for _ in range(15):  # not while it works
            sftp.listdir("/")
            time.sleep(0.1)
        wait_for(lambda: not sftp.transport.is_active(), "the end of an idle session")
    gateway.wait_event("disconnect", reason="idle")


def guess(transport):
    for _ in range(10):
        with contextlib.suppress(paramiko.AuthenticationException):
            transport.auth_password("bob", "wrong", fallback=False)


def rekey(transport):
    transport.auth_publickey("alice", key_of(transport.gateway.keys.user))
    for _ in range(100):
        transport.renegotiate_keys()


def enter_and_wait(transport):
    transport.auth_publickey("alice", key_of(transport.gateway.keys.user))
    wait_for(lambda: not transport.is_active(), "the end")


@pytest.mark.parametrize("over,deed,reason", [
    ({"timeouts": {"idle_s": 1}}, enter_and_wait, "idle"),
    ({"timeouts": {"login_s": 1}}, lambda t: wait_for(lambda: not t.is_active(), "the end"), "login took too long"),
    ({}, guess, "too many failed logins"), ({}, rekey, "too many key exchanges"),
], ids=lambda v: v.replace(" ", "-") if isinstance(v, str) else "")
def test_the_peer_is_told_why(over, deed, reason, postern, caplog):
    """libssh drops what a DISCONNECT says where it does not know the socket to be writable."""
    caplog.set_level("INFO", logger="paramiko.transport")
    gateway = postern(MEMORY, **over)
    with connected(gateway) as transport:
        transport.gateway = gateway
        with contextlib.suppress(paramiko.SSHException, EOFError):
            deed(transport)
        transport.join(PATIENCE)
        assert f"Disconnect (code 11): {reason}" in caplog.text
    gateway.wait_event("disconnect", reason=reason)


@pytest.mark.parametrize("refused", [0, 1, 2, 3])
def test_the_peer_is_told_why_behind_answers(refused, gateway, caplog):
    """One poll sends what is unsent, another tells libssh that the socket takes the goodbye."""
    caplog.set_level("INFO", logger="paramiko.transport")
    with connected(gateway) as transport:
        login = Login(transport)
        with frozen(gateway, transport):
            for _ in range(refused):
                login.send(50, b"bob", b"ssh-connection", b"none")
            login.send(5, b"ssh-nonsense")
        transport.join(PATIENCE)
        assert "Disconnect (code 11): unknown service" in caplog.text
        assert [login.got.get_nowait()[0] for _ in range(refused)] == [Login.FAILURE] * refused
    gateway.wait_event("disconnect", reason="unknown service")


def test_dead_peer_is_noticed(postern):
    """The call after one that sent a keepalive sends none: with one allowed miss, a living peer would be ended."""
    gateway = postern(MEMORY, ssh={"keepalive_interval_s": 1, "keepalive_count_max": 1})
    proxy = Dribble(gateway.port, 65536)
    try:
        with session(gateway, port=proxy.port) as sftp:
            time.sleep(5.5)  # longer than a dead one may be silent
            assert sftp.listdir("/") == [], "a peer that answers is kept"
            proxy.stopped.set()
            gateway.wait_event("disconnect", reason="no answer to keepalives")
    finally:
        proxy.close()


# --- channels ------------------------------------------------------------------------------------

def test_init_before_its_subsystem_is_accepted(gateway):
    with logged_in(gateway) as transport:
        channel = transport.open_session(timeout=PATIENCE)
        request = message(98, channel.remote_chanid, b"subsystem", True, b"sftp")
        data = message(94, channel.remote_chanid, INIT + packet(16, 7, b"."))
        transport._send_message(request)
        transport._send_message(data)
        assert receive_packet(channel)[0] == 2  # VERSION
        assert receive_packet(channel)[0] == 104  # NAME


def test_data_before_the_subsystem_request(gateway):
    with logged_in(gateway) as transport:
        channel = transport.open_session(timeout=PATIENCE)
        transport._send_message(message(94, channel.remote_chanid, INIT))
        transport._send_message(message(98, channel.remote_chanid, b"subsystem", True, b"sftp"))
        assert receive_packet(channel)[0] == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 1023])
def test_small_maximum_packet(postern, size, host):
    """10 makes libssh 0.10 spin for ever inside a write."""
    gateway = postern(MEMORY, listen=[{"address": "::", "port": 0}], limits={"loops": 1})
    with session(gateway) as other:
        with logged_in(gateway, host=host) as transport:
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                channel = transport.open_session(timeout=SOON, max_packet_size=size)
                channel.settimeout(SOON)
                channel.invoke_subsystem("sftp")
                channel.sendall(INIT)
                channel.recv(64)
            begin = time.monotonic()
            write_all(other, "/4k", b"a" * 4096)
            assert read_all(other, "/4k") == b"a" * 4096
            assert time.monotonic() - begin < 1
    gateway.wait_event("disconnect", count=2)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("cipher,mac", [("aes128-gcm@openssh.com", ""), ("chacha20-poly1305@openssh.com", ""),
                                        ("aes128-ctr", "hmac-sha2-256-etm@openssh.com"),
                                        ("aes256-ctr", "hmac-sha2-512")])
def test_channel_opens_under_every_kind_of_cipher(postern, host, cipher, mac):
    """What reads the maximum packet on 0.10 meets the length field in three shapes."""
    gateway = postern(MEMORY, listen=[{"address": "::", "port": 0}])
    done = run(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-i", gateway.keys.user, "-c", cipher,
                *(["-o", f"MACs={mac}"] if mac else []), "-P", gateway.port, "-b", "-", f"alice@[{host}]"],
               input="pwd\n")
    assert done.returncode == 0, done.stderr


def put(transport, channel, path, data):
    """Writes a file by raw packets; the channel has spoken INIT."""
    channel.sendall(packet(3, 1, path, 0x1a, 0))
    handle = receive_packet(channel)[9:]
    for at in range(0, len(data), 32000):
        channel.sendall(packet(6, 2, handle, ("q", at), data[at:at + 32000]))
        receive_packet(channel)
    channel.sendall(packet(4, 3, handle))
    receive_packet(channel)


def test_window_that_stays_shut(gateway):
    """Replies wait for the window; libssh would wait inside the write."""
    data = os.urandom(200000)
    with session(gateway) as sftp:
        write_all(sftp, "/data", data)
    with logged_in(gateway) as transport:
        channel = transport.open_session(timeout=PATIENCE, window_size=0)
        transport._send_message(message(98, channel.remote_chanid, b"subsystem", False, b"sftp"))
        transport._send_message(message(94, channel.remote_chanid, INIT + packet(3, 1, b"/data", 1, 0)))
        before = cpu_seconds(gateway)
        serves_others(gateway)
        time.sleep(1)
        assert cpu_seconds(gateway) - before < 0.8, "it spins"
        grow = message(93, channel.remote_chanid, 1)
        for _ in range(5):  # a byte at a time
            transport._send_message(grow)
        head = receive(channel, 5)
        assert head[4] == 2  # VERSION
        transport._send_message(message(93, channel.remote_chanid, 1 << 20))
        receive(channel, struct.unpack(">I", head[:4])[0] - 1)
        handle = receive_packet(channel)[9:]
        transport._send_message(message(94, channel.remote_chanid, packet(5, 2, handle, ("q", 100), 32768)))
        assert receive_packet(channel)[9:] == data[100:100 + 32768]


def test_client_that_ignores_the_window(gateway):
    """It answers nothing, takes nothing, and sends on: bounded, then ended."""
    with session(gateway) as sftp:
        write_all(sftp, "/big", b"q" * (1 << 20))
    with logged_in(gateway) as transport:
        channel = sftp_channel(transport, window_size=1 << 15)
        channel.sendall(INIT)
        receive_packet(channel)
        channel.sendall(packet(3, 1, b"/big", 1, 0))
        handle = receive_packet(channel)[9:]
        before = gateway.memory_kib()
        reads = packet(5, 9, handle, ("q", 0), 32768) * 1000
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            for _ in range(400):
                transport._send_message(message(94, channel.remote_chanid, reads[:30000]))
                if not transport.is_active():
                    break
        gateway.wait_event("disconnect", reason="client ignores the window")
        assert grown_mib(gateway, before) < 32
    serves_others(gateway)


def test_disconnect_in_the_middle(gateway):
    """libssh closes its socket inside a callback when the peer says good-bye."""
    with session(gateway) as sftp:
        write_all(sftp, "/old", b"old" * 100000)
    for _ in range(5):
        with logged_in(gateway) as transport:
            channel = sftp_channel(transport)
            channel.sendall(INIT)
            receive_packet(channel)
            channel.sendall(packet(3, 1, b"/old", 0x1a, 0))
            handle = receive_packet(channel)[9:]
            channel.sendall(packet(6, 2, handle, ("q", 0), b"n" * 30000))
            transport._send_message(message(MSG_DISCONNECT, 11, b"bye", b""))
            wait_for(lambda: not transport.is_active(), "the end")
    gateway.wait_event("disconnect", count=6)
    with session(gateway) as sftp:
        assert read_all(sftp, "/old") == b"old" * 100000, "an upload that never closed appeared"


def test_vanishes_in_the_middle(gateway):
    for _ in range(5):
        with logged_in(gateway) as transport:
            channel = sftp_channel(transport)
            channel.sendall(INIT + packet(3, 1, b"/gone", 0x1a, 0))
            transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.sock.close()
    gateway.wait_event("disconnect", count=5)
    serves_others(gateway)


def test_flood_of_refused_requests(postern):
    """Their refusals are not read: libssh would keep them without a bound."""
    gateway = postern(MEMORY, tcp={"send_buffer_bytes": 8192, "receive_buffer_bytes": 8192})
    with logged_in(gateway, buffers=8192) as transport:
        sftp_channel(transport)
        awake = threading.Event()
        transport.packetizer.read_message = lambda: awake.wait() and (_ for _ in ()).throw(EOFError())
        request = message(80, b"no-such-request@example.com", True)
        before = gateway.memory_kib()
        assert send_until_blocked(transport, request, 100000, 2), "it reads on"
        awake.set()
        assert grown_mib(gateway, before) < 16
    serves_others(gateway)


def test_channels_without_end(gateway):
    with logged_in(gateway) as transport:
        with contextlib.suppress(Exception):
            for number in range(1500):
                transport._send_message(message(90, b"session", number + 10, 32768, 32768))
        gateway.wait_event("disconnect")
    serves_others(gateway)


# --- new keys in the middle of a transfer ----------------------------------------------------------

@pytest.mark.parametrize("limit", ["ours", "theirs"])
def test_rekey_in_both_directions(postern, tmp_path, limit):
    more = {"ssh": {"rekey_bytes": 1 << 20}} if limit == "ours" else {}
    gateway = postern(MEMORY, **more)
    data = os.urandom(24 << 20)
    (tmp_path / "up").write_bytes(data)
    done = run(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-v", "-i", gateway.keys.user, "-P", gateway.port,
                *(["-o", "RekeyLimit=1M"] if limit == "theirs" else []), "-b", "-", "alice@127.0.0.1"],
               input=f"put {tmp_path}/up /x\nget /x {tmp_path}/down\n", timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "down").read_bytes() == data
    assert done.stderr.count("SSH2_MSG_NEWKEYS received") >= 10


def exchange(transport, data, more, block, **channel):
    """Reads /a, which holds data, and writes more to /b, everything pipelined, in blocks."""
    count = len(data) // block
    channel = sftp_channel(transport, **channel)
    channel.sendall(INIT + packet(3, 1, b"/a", 1, 0) + packet(3, 2, b"/b", 0x1a, 0))
    receive_packet(channel)
    source, sink = receive_packet(channel)[9:], receive_packet(channel)[9:]

    def ask():
        for n in range(count):
            channel.sendall(packet(5, n, source, ("q", n * block), block) +
                            packet(6, count + n, sink, ("q", n * block), more[n * block:(n + 1) * block]))

    writer = threading.Thread(target=ask, daemon=True)
    writer.start()
    for _ in range(2 * count):
        answer = receive_packet(channel)
        (n,) = struct.unpack(">I", answer[1:5])
        if n < count:
            assert answer[9:] == data[n * block:(n + 1) * block]
        else:
            assert answer[5:9] == bytes(4)
    writer.join(PATIENCE)
    channel.sendall(packet(4, 1, sink))
    receive_packet(channel)


def test_rekey_while_both_directions_run(postern):
    gateway = postern(MEMORY, ssh={"rekey_bytes": 1 << 20})
    block, count = 32000, 600
    data, more = os.urandom(block * count), os.urandom(block * count)
    with session(gateway) as sftp:
        write_all(sftp, "/a", data)
    with logged_in(gateway) as transport:
        exchange(transport, data, more, block)
    with session(gateway) as sftp:
        assert read_all(sftp, "/b") == more


@pytest.mark.skipif(SANITIZED, reason="the runtime of a sanitizer has to be loaded first")
def test_writes_that_handle_packets_inside(postern):
    """libssh's do so during a key exchange, and at window 0, where none is to be made."""
    eager = BUILD / "tests/eager_write.so"
    assert eager.exists()  # the loader only warns
    gateway = postern(MEMORY, start=False)
    gateway.start({"LD_PRELOAD": str(eager)})
    block, count = 32000, 100
    data, more = os.urandom(block * count), os.urandom(block * count)
    with session(gateway) as sftp:
        write_all(sftp, "/a", data)
    with logged_in(gateway) as transport:
        exchange(transport, data, more, block, window_size=100000)
    with session(gateway) as sftp:
        assert read_all(sftp, "/b") == more


def test_client_that_sends_on_through_a_key_exchange(postern):
    """asyncssh does, and libssh would end the session."""
    import asyncssh
    gateway = postern(MEMORY, ssh={"rekey_bytes": 1 << 20})
    data = os.urandom(6 << 20)

    async def both():
        async with asyncssh.connect("127.0.0.1", gateway.port, username="alice", client_keys=[str(gateway.keys.user)],
                                    known_hosts=None, agent_path=None, config=None) as connection:
            async with connection.start_sftp_client() as sftp:
                async with sftp.open("/a", "wb") as file:
                    for at in range(0, len(data), 1 << 20):
                        await file.write(data[at:at + (1 << 20)])
                async with sftp.open("/a", "rb") as file:
                    assert await file.read() == data

    asyncio.run(asyncio.wait_for(both(), PATIENCE * 3))


def test_new_keys_without_end(gateway):
    """Each exchange costs the loop more than a megabyte does: others are served in between, and it ends."""
    with logged_in(gateway) as transport:
        channel = sftp_channel(transport)
        channel.sendall(INIT)
        receive_packet(channel)
        done = []

        def storm():
            with contextlib.suppress(paramiko.SSHException, EOFError):  # when the gateway ends the connection
                while len(done) < 1000:
                    transport.renegotiate_keys()
                    done.append(time.monotonic())

        thread = threading.Thread(target=storm, daemon=True)
        thread.start()
        wait_for(lambda: len(done) >= 5, "the first exchanges")
        serves_others(gateway)
        thread.join(PATIENCE)
        assert not thread.is_alive() and not transport.is_active()
    gateway.wait_event("disconnect", reason="too many key exchanges")
    assert 32 <= len(done) < 300
    serves_others(gateway)


def test_new_keys_before_the_login(gateway):
    """libssh ends what begins anew before it has entered."""
    with connected(gateway) as transport:
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.renegotiate_keys()
        wait_for(lambda: not transport.is_active(), "the end")
    gateway.wait_event("disconnect")
    serves_others(gateway)


def test_new_keys_every_few_packets(gateway, tmp_path):
    """The smallest limit that anybody sets: hundreds of exchanges in a second or two, and all is well."""
    data = os.urandom(4 << 20)
    (tmp_path / "up").write_bytes(data)
    done = run(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-v", "-i", gateway.keys.user, "-P", gateway.port,
                "-o", "RekeyLimit=16K", "-b", "-", "alice@127.0.0.1"],
               input=f"put {tmp_path}/up /x\nget /x {tmp_path}/down\n", timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "down").read_bytes() == data
    assert done.stderr.count("SSH2_MSG_NEWKEYS received") >= 100


@pytest.mark.skipif(SANITIZED, reason="a traced process has no leak check")
def test_no_configuration_of_libssh_is_read(gateway, tmp_path):
    """Without SSH_BIND_OPTIONS_PROCESS_CONFIG off, the first accept reads a file of the whole system."""
    trace = tmp_path / "trace"
    tracer = subprocess.Popen(["strace", "-f", "-e", "trace=open,openat", "-o", trace, "-p", str(gateway.process.pid)],
                              stderr=subprocess.PIPE, text=True)
    try:
        said = tracer.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"tracing is not allowed here: {said.strip()}")
        with logged_in(gateway):
            pass
        gateway.wait_event("disconnect")
    finally:
        tracer.terminate()
        tracer.communicate()
    opened = trace.read_text()
    assert "users.json" in opened  # the tracer saw the login
    assert "libssh" not in opened and "/etc/ssh" not in opened
