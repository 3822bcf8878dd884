"""Many at once, and the end of the day: no session waits for another, TERM lets transfers finish."""
import asyncio
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import struct
import time

import pytest

from gateway import PASSWORD, SANITIZED, wait_for
from proxies import Fault, FaultProxy, part, whole
from raw import close, connected, key_of, read_all, session, status_of, write_all
from test_ssh_traps import Dribble, frozen, packet

DATA = os.urandom(1 << 20)


def connect(gateway, **more):
    import asyncssh
    options = dict(username="alice", client_keys=[str(gateway.keys.user)], known_hosts=None, agent_path=None,
                   config=None, login_timeout=120)
    options.update(more)
    return asyncssh.connect("127.0.0.1", gateway.port, **options)


def test_fifty_logins_at_once(postern):
    """Passwords: each costs the pool a deliberate while; none may be lost or starve another."""
    gateway = postern({"memory": {"type": "memory"}}, start=False, timeouts={"login_s": 120})
    gateway.settings["auth"]["verifiers"][0]["timeout_ms"] = 60000  # on a slow machine each waits for the others
    gateway.config.write_text(json.dumps(gateway.settings))
    gateway.start()

    async def one(number):
        async with connect(gateway, username="bob", password=PASSWORD, client_keys=None) as connection:
            async with connection.start_sftp_client() as sftp:
                async with sftp.open(f"/{number}", "wb") as file:
                    await file.write(str(number).encode())
                async with sftp.open(f"/{number}", "rb") as file:
                    assert await file.read() == str(number).encode()

    async def everybody():
        await asyncio.gather(*(one(n) for n in range(50)))

    asyncio.run(everybody())
    gateway.wait_event("disconnect", count=50)
    assert len(gateway.events("login")) == 50


def test_the_table_of_descriptors_does_not_grow_later(postern):
    """While Linux makes it larger, whoever accepts waits for 10 to 20 ms, and so do all sessions of that loop."""
    gateway = postern({"memory": {"type": "memory"}}, limits={"connections": 300})
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as status:
        assert int(re.search(r"FDSize:\s+(\d+)", status.read()).group(1)) >= 900


def test_idle_sessions_beside_a_transfer(postern, tmp_path):
    count = 60 if SANITIZED else 200
    gateway = postern({"disk": {"type": "local", "root": str(tmp_path)}}, limits={"connections_per_source": count + 1})

    async def crowd():
        idle = []
        for at in range(0, count, 20):
            idle += await asyncio.gather(*(connect(gateway) for _ in range(at, min(at + 20, count))))
        clients = await asyncio.gather(*(c.start_sftp_client() for c in idle))
        await asyncio.to_thread(transfer)
        names = await asyncio.gather(*(c.listdir("/") for c in clients))
        assert all("data" in n for n in names)
        for connection in idle:
            connection.close()
        await asyncio.gather(*(c.wait_closed() for c in idle))

    def transfer():
        with session(gateway) as sftp:
            write_all(sftp, "/data", DATA * 16)
            assert read_all(sftp, "/data") == DATA * 16

    asyncio.run(crowd())
    gateway.wait_event("disconnect", count=count + 1)


def test_a_stat_does_not_wait_for_a_transfer(postern, tmp_path):
    gateway = postern({"disk": {"type": "local", "root": str(tmp_path)}}, limits={"loops": 1})
    (tmp_path / "bulk").write_bytes(DATA * 200)
    with session(gateway) as bulk, session(gateway) as other:
        file = bulk.open("/bulk", "rb")
        file.prefetch()
        slowest = 0.0
        for _ in range(30):
            began = time.monotonic()
            other.stat("/bulk")
            slowest = max(slowest, time.monotonic() - began)
            file.read(1 << 20)
        assert slowest < 2


def test_silent_connections_do_not_stop_logins(postern):
    gateway = postern({"memory": {"type": "memory"}}, timeouts={"handshake_s": 2})
    silent = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(40)]
    with session(gateway) as sftp:
        assert sftp.listdir("/") == []
    for s in silent:  # the grace time ends them
        s.settimeout(30)
        while s.recv(4096):
            pass
        s.close()


def busy_ns(gateway):
    """CPU of the first loop's thread, and of all others."""
    times = {int(p.parent.name): int(p.read_text().split()[0])
             for p in pathlib.Path(f"/proc/{gateway.process.pid}/task").glob("*/schedstat")}
    return times.pop(gateway.process.pid), sum(times.values())


def test_key_exchanges_are_not_made_on_the_loop(postern):
    """Whoever can connect can ask for a thousand: open sessions would wait for each."""
    gateway = postern({"memory": {"type": "memory"}}, limits={"loops": 1})
    loop, others = busy_ns(gateway)
    for _ in range(30):
        with connected(gateway):
            pass
    gateway.wait_event("disconnect", count=30)
    loop_after, others_after = busy_ns(gateway)
    assert others_after - others > loop_after - loop


def ssh_packet(kind, *parts):
    payload = bytes([kind]) + b"".join(parts)
    padding = 4 + -(len(payload) + 9) % 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def ssh_string(data):
    return struct.pack(">I", len(data)) + data


LISTS = [b"curve25519-sha256", b"ssh-ed25519", b"aes128-ctr", b"aes128-ctr", b"hmac-sha2-256", b"hmac-sha2-256",
         b"none", b"none", b"", b""]
HELLO = b"SSH-2.0-leaver\r\n"
KEXINIT = ssh_packet(20, bytes(16), *map(ssh_string, LISTS), bytes(5))
KEX_ECDH_INIT = ssh_packet(30, ssh_string(bytes([9]) + bytes(31)))


def test_clients_that_leave_in_the_key_exchange(postern):
    """At each of its steps, politely and not; the last ones are in the middle of it when TERM comes."""
    gateway = postern({"memory": {"type": "memory"}}, limits={"connections_per_source": 100})
    reset = struct.pack("ii", 1, 0)
    said = [b"", HELLO, HELLO + KEXINIT, HELLO + KEXINIT + KEX_ECDH_INIT]
    stayed = []
    for turn in range(3):
        for number in range(20):
            sock = socket.create_connection(("127.0.0.1", gateway.port))
            sock.sendall(said[number % len(said)])
            if turn == 2:
                stayed.append(sock)
                continue
            if turn == 1:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            sock.close()
    with session(gateway) as sftp:
        assert sftp.listdir("/") == []
    gateway.wait_event("disconnect", count=41)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_end() == 0
    assert len(gateway.events("disconnect")) == len(gateway.events("connect")) == 61
    for sock in stayed:
        sock.close()


def test_limit_per_source(postern):
    gateway = postern({"memory": {"type": "memory"}}, limits={"connections_per_source": 3})
    held = []
    try:
        for _ in range(3):
            held.append(session(gateway))
            held[-1].__enter__()
        with pytest.raises(Exception):
            with session(gateway):
                pass
        held.pop().__exit__(None, None, None)
        wait_for(lambda: gateway.events("disconnect"), "room")
        with session(gateway) as sftp:
            assert sftp.listdir("/") == []
    finally:
        for h in held:
            h.__exit__(None, None, None)


def test_many_that_end_at_once(postern, keys):
    """What an end costs is spread over turns: whoever asks for something after a hundred have gone is served before
    they all have been put away."""
    count = 120
    gateway = postern({"memory": {"type": "memory"}},
                      limits={"loops": 1, "connections": 500, "connections_per_source": 500})
    with contextlib.ExitStack() as stack:
        sftp = stack.enter_context(session(gateway))
        crowd = [stack.enter_context(connected(gateway)) for _ in range(count)]
        for transport in crowd:
            transport.auth_publickey("alice", key_of(keys.user))
        with frozen(gateway, sftp.transport):  # the kernel tells of them in the order in which they came
            for transport in crowd:
                transport.sock.shutdown(socket.SHUT_RDWR)
            sftp.get_channel().sendall(packet(3, 1 << 20, b"/late", 0x1a, 0))
        gateway.wait_event("disconnect", count=count)
        gateway.wait_event("open", path="/late")
        names = [e["event"] for e in gateway.events()]
        assert names[:names.index("open")].count("disconnect") < count


def test_term_lets_a_transfer_finish(postern, tmp_path):
    gateway = postern({"disk": {"type": "local", "root": str(tmp_path)}}, timeouts={"drain_s": 30})
    with session(gateway) as sftp:
        file = sftp.open("/late", "wb")
        file.write(DATA)
        gateway.signal(signal.SIGTERM)
        gateway.wait_event("drain")
        with pytest.raises(Exception):
            with session(gateway):
                pass
        file.write(DATA)
        close(file)
    assert gateway.wait_end() == 0
    assert (tmp_path / "late").read_bytes() == DATA * 2


def test_term_ends_idle_sessions_at_once(postern):
    gateway = postern({"memory": {"type": "memory"}}, timeouts={"drain_s": 60})
    with session(gateway) as sftp:
        sftp.listdir("/")
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait_end() == 0
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("how", ["drain_s is over", "second TERM"])
def test_term_does_not_wait_for_ever(how, postern, tmp_path):
    gateway = postern({"disk": {"type": "local", "root": str(tmp_path)}},
                      timeouts={"drain_s": 2 if how == "drain_s is over" else 600})
    with session(gateway) as sftp:
        file = sftp.open("/never", "wb")  # paramiko closes a file that nobody holds
        file.write(DATA)
        gateway.signal(signal.SIGTERM)
        gateway.wait_event("drain")
        if how == "second TERM":
            gateway.signal(signal.SIGTERM)
        gateway.wait_end()
        gateway.stop(0 if how == "drain_s is over" else 128 + signal.SIGTERM)
    assert [(e["path"], e["result"]) for e in gateway.events("partial")] == [("/never", "session_ended")]
    assert gateway.events("disconnect")[0]["reason"] == (
        "shutdown: timeouts.drain_s is over" if how == "drain_s is over" else "shutdown: at once")
    assert gateway.events("stop")[0]["reason"] == ("drained" if how == "drain_s is over" else "second signal")
    assert [p for p in tmp_path.iterdir() if p.name == "never"] == []


def test_second_term_waits_for_nobody(postern, tmp_path):
    """Neither for a peer that does not hear it."""
    gateway = postern({"disk": {"type": "local", "root": str(tmp_path)}}, timeouts={"drain_s": 600})
    proxy = Dribble(gateway.port, 65536)
    try:
        with session(gateway, port=proxy.port) as sftp:
            file = sftp.open("/never", "wb")
            file.write(DATA)
            sftp.stat("/")  # all of it has arrived
            proxy.stopped.set()
            gateway.signal(signal.SIGTERM)
            gateway.wait_event("drain")
            gateway.signal(signal.SIGTERM)
            gateway.stop(128 + signal.SIGTERM)
    finally:
        proxy.close()
    assert gateway.events("partial")[0]["path"] == "/never"
    assert gateway.events("stop")[0]["reason"] == "second signal"


def kept_users(keys):
    return [{"user": "alice", "public_keys": [keys.public(keys.user)], "partial_uploads": "keep"}]


def test_term_leaves_time_to_keep_an_upload(postern, keys, tmp_path):
    gateway = postern({"disk": {"type": "local", "root": str(tmp_path)}}, users=kept_users(keys), timeouts={"drain_s": 6})
    with session(gateway) as sftp:
        file = sftp.open("/cut", "wb")  # paramiko closes a file that nobody holds
        file.write(DATA)
        gateway.signal(signal.SIGTERM)
        began = time.monotonic()
        assert gateway.wait_end() == 0
        assert time.monotonic() - began > 3.9  # the client had its time
    assert gateway.events("partial")[0]["result"] == "kept"
    assert gateway.events("disconnect")[0]["reason"] == "shutdown: timeouts.drain_s is nearly over"
    assert (tmp_path / "cut").read_bytes() == DATA


@pytest.mark.s3
@pytest.mark.parametrize("drain_s", [0, 3])
def test_term_waits_for_no_store_that_hangs(drain_s, postern, keys, radosgw):
    """What is to be kept is stored within drain_s or not at all; before, it had 30 s of its own."""
    bucket, proxy = radosgw.bucket(), FaultProxy(radosgw.client.host)
    try:
        hang = Fault("hang", "PUT", whole, times=None)
        proxy.faults.append(hang)
        gateway = postern({"store": radosgw.backend(bucket, endpoint=proxy.endpoint, request_timeout_s=120)},
                          users=kept_users(keys), timeouts={"drain_s": drain_s})
        with session(gateway) as sftp:
            file = sftp.open("/cut", "wb")
            file.write(DATA)
            gateway.signal(signal.SIGTERM)
            began = time.monotonic()
            assert gateway.wait_end() == 0
            assert time.monotonic() - began < drain_s + 10
        assert hang.seen or drain_s == 0
    finally:
        proxy.close()
    assert radosgw.client.keys(bucket) == []


@pytest.mark.s3
@pytest.mark.parametrize("again", [signal.SIGHUP, signal.SIGTERM])
def test_term_waits_for_no_cleanup_that_hangs(again, postern, radosgw, tmp_path):
    """An upload that is cut off is aborted within drain_s and a little; else by the next start."""
    bucket, proxy = radosgw.bucket(), FaultProxy(radosgw.client.host)
    try:
        hang = Fault("hang", "DELETE", lambda query: "uploadId" in query, times=None)
        proxy.faults.append(hang)
        backends = {"store": radosgw.backend(bucket, endpoint=proxy.endpoint, part_mb=5)}
        gateway = postern(backends, timeouts={"drain_s": 1}, state_dir=str(tmp_path))
        with session(gateway) as sftp:
            file = sftp.open("/cut", "wb")
            file.set_pipelined(True)
            file.write(b"x" * (6 << 20))
            wait_for(lambda: proxy.count("PUT", part), "a part")
            gateway.signal(signal.SIGTERM)
            began = time.monotonic()
            wait_for(lambda: hang.seen, "the cleanup")
            if again == signal.SIGHUP:  # of what rotates logs, say: no reason to leave the cleanup
                wait_for(lambda: gateway.signal(again) or gateway.process.poll() is not None, "the end")
                assert gateway.wait_end() == 0
                assert gateway.wait_event("cleanup_left")
            else:
                gateway.signal(again)
                assert gateway.wait_end() == 128 + again
                assert gateway.wait_event("stop", reason="second signal")
            assert time.monotonic() - began < 9
        proxy.faults.clear()
        gateway.start()
        wait_for(lambda: not radosgw.client.uploads(bucket), "the sweep")
    finally:
        proxy.close()
    assert radosgw.client.keys(bucket) == []


def test_reload(postern):
    """HUP: new sessions get the new settings, those under way keep theirs, a broken file changes nothing."""
    gateway = postern({"memory": {"type": "memory"}}, ssh={"banner": "first"}, limits={"loops": 2})

    def banner():
        with session(gateway) as sftp:
            assert sftp.listdir("/") is not None
            return sftp.transport.get_banner()

    def reload(event, count):
        gateway.signal(signal.SIGHUP)
        gateway.wait_event(event, count=count)

    with session(gateway) as old:
        write_all(old, "/kept", DATA)
        gateway.settings["ssh"]["banner"] = "second"
        gateway.settings["users"]["mounts"][0]["read_only"] = True
        gateway.write_settings()
        reload("reload", 1)
        wait_for(lambda: all(banner() == b"second" for _ in range(4)), "both loops to have heard of it")
        with session(gateway) as new:
            assert status_of(lambda: write_all(new, "/x", b"x")) == "PERMISSION_DENIED"
        assert read_all(old, "/kept") == DATA
        write_all(old, "/more", DATA)
        gateway.config.write_text('{"listen": [')
        reload("reload_failed", 1)
        assert all(banner() == b"second" for _ in range(4))
        assert gateway.events("reload_problem")[0]["problem"].startswith(f"{gateway.config}:1:12: ")
        assert gateway.events() == [json.loads(line) for line in gateway.lines]  # the log alone
        gateway.write_settings()
        reload("reload", 2)
        write_all(old, "/again", b"x")
