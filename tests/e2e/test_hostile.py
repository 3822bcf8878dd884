"""Users who are logged in and want the gateway to work, wait or keep something for ever."""
import os
import struct

import pytest

from raw import read_all, session, write_all
from test_ssh_traps import INIT, grown_mib, logged_in, packet, receive_packet, sftp_channel


class Peer:
    """An SFTP client that sends what a row says."""

    def __init__(self, transport, **more):
        self.channel = sftp_channel(transport, **more)
        self.channel.sendall(INIT)
        receive_packet(self.channel)

    def ask(self, kind, *parts):
        """(type, rest) of the answer."""
        self.channel.sendall(packet(kind, 1, *parts))
        answer = receive_packet(self.channel)
        return answer[0], answer[5:]

    def status(self, kind, *parts):
        got, rest = self.ask(kind, *parts)
        assert got == 101
        return struct.unpack(">I", rest[:4])[0]

    def open(self, path, flags):
        got, rest = self.ask(3, path, flags, 0)
        assert got == 102, rest
        return rest[4:]


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def local(root):
    return {"disk": {"type": "local", "root": str(root)}}


def test_window_that_stays_closed(postern, disk):
    """Answers that are not taken keep no session: SSH's keepalives are answered all the while."""
    (disk / "file").write_bytes(b"x" * (4 << 20))
    gateway = postern(local(disk), timeouts={"idle_s": 2}, ssh={"keepalive_interval_s": 1})
    with logged_in(gateway) as transport:
        peer = Peer(transport, window_size=1 << 15)
        handle = peer.open(b"/file", 1)
        for n in range(64):
            peer.channel.sendall(packet(5, n, handle, ("q", n << 15), 1 << 15))
        gateway.wait_event("disconnect", reason="idle")


def test_slow_transfers_are_not_idle(postern, keys, disk):
    (disk / "file").write_bytes(os.urandom(128 << 10))
    gateway = postern(local(disk), timeouts={"idle_s": 1}, users=[
        {"user": "alice", "public_keys": [keys.public(keys.user)],
         "limits": {"download_kib_s": 32, "upload_kib_s": 32}}])
    with session(gateway) as sftp:
        data = read_all(sftp, "/file")
        assert data == (disk / "file").read_bytes()
        write_all(sftp, "/copy", data)
    assert (disk / "copy").read_bytes() == data
    assert not [e for e in gateway.events("disconnect") if e["reason"] == "idle"]


def test_folders_left_half_read(postern, disk):
    """Each answer is sent whole: what it was made in does not stay with its handle."""
    for n in range(300):
        (disk / f"{n:04}{'n' * 240}").touch()
    gateway = postern(local(disk))
    with logged_in(gateway) as transport:
        peer = Peer(transport)
        handles = [peer.ask(11, b"/")[1][4:] for _ in range(256)]
        before = gateway.memory_kib()
        for handle in handles:
            assert peer.ask(12, handle)[0] == 104
        assert grown_mib(gateway, before) < 8


@pytest.mark.parametrize("length", [0, 1 << 60], ids=["to the end", "more than is there"])
@pytest.mark.parametrize("second", ["link", "mount"])
def test_copy_onto_its_own_end(second, length, postern, disk):
    """The end of one file by two names moves on with what is written."""
    (disk / "file").write_bytes(b"x" * (1 << 16))
    gateway = postern(local(disk), mounts=[{"path": "/", "backend": "disk"}, {"path": "/again", "backend": "disk"}])
    with logged_in(gateway) as transport:
        peer = Peer(transport)
        if second == "link":
            assert peer.status(20, b"file", b"/link") == 0
        source, sink = peer.open(b"/file", 1), peer.open(b"/link" if second == "link" else b"/again/file", 2)
        status = peer.status(200, b"copy-data", source, ("q", 0), ("q", length), sink, ("q", 1 << 16))
        assert status == (0 if length == 0 else 1)
    assert (disk / "file").read_bytes() == b"x" * (1 << 17)
