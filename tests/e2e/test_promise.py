"""Promise 1: a CLOSE that says OK means stored, and nothing else makes a file appear."""
import os
import signal
import subprocess

import pytest

from clients import NO_KNOWN_HOSTS
from gateway import wait_for
from proxies import TcpProxy
from raw import close, read_all, session, write_all

OLD = b"the old object" * 1000
NEW = os.urandom(1 << 20) * 24  # more than one part of a multipart upload

pytestmark = pytest.mark.parametrize("store_kind", ["local", "radosgw", "swift", "apache", "nginx", "rclone", "httpfs"])
QUICK = {"ssh": {"keepalive_interval_s": 1, "keepalive_count_max": 2}}


def assert_untouched(store):
    """The old object as it was, beside it nothing: no half file, no temporary one, no part."""
    assert store.read("file") == OLD
    wait_for(lambda: store.uploads() == [], f"the parts to go: {store.uploads()}")
    wait_for(lambda: store.names() == ["file"], f"what is left over to go: {store.names()}")


def begin(gateway, sftp, path="/file"):
    """An upload that has moved past its first part and is not closed."""
    file = sftp.open(path, "wb")
    sftp.held = file  # paramiko closes a file that nobody holds
    file.set_pipelined(True)
    for at in range(0, len(NEW), 32768):
        file.write(NEW[at:at + 32768])
    file.set_pipelined(False)
    file.write(b"x")  # answered: all before it has been taken
    return file


@pytest.fixture
def gateway(store, postern, tmp_path):
    """With a state folder: what a killed gateway left in a bucket that others use too is known from there."""
    state = tmp_path / "state"
    state.mkdir()
    running = postern({"disk": store.backend}, state_dir=str(state), **QUICK)
    with session(running) as sftp:
        write_all(sftp, "/file", OLD)
    assert store.read("file") == OLD
    return running


def test_client_killed(gateway, store, keys, tmp_path):
    source = tmp_path / "new"
    source.write_bytes(NEW)
    client = subprocess.Popen(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-i", str(keys.user), "-l", "80000", "-P",
                               str(gateway.port), "-b", "-", "alice@127.0.0.1"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
                              start_new_session=True)
    client.stdin.write(f"put {source} /file\n")
    client.stdin.flush()
    gateway.wait_event("open", path="/file", count=2)
    os.killpg(client.pid, signal.SIGKILL)  # its ssh as well
    client.wait()
    gateway.wait_event("disconnect", count=2)
    assert_untouched(store)


@pytest.mark.parametrize("how", ["reset", "closed", "half-open"])
def test_connection_lost(how, gateway, store):
    proxy = TcpProxy(gateway.port)
    try:
        with session(gateway, port=proxy.port) as sftp:
            begin(gateway, sftp)
            if how == "reset":
                proxy.reset()
            elif how == "half-open":
                proxy.freeze()
            else:
                sftp.transport.close()
            gateway.wait_event("disconnect", count=2)
    finally:
        proxy.close()
    assert_untouched(store)
    with session(gateway) as sftp:
        assert read_all(sftp, "/file") == OLD


def test_idle_end_completes_nothing(store, postern):
    gateway = postern({"disk": store.backend}, timeouts={"idle_s": 2})
    with session(gateway) as sftp:
        write_all(sftp, "/file", OLD)
    with session(gateway) as sftp:
        begin(gateway, sftp)
        gateway.wait_event("disconnect", count=2)
    assert_untouched(store)


def test_channel_end_completes_nothing(gateway, store):
    with session(gateway) as sftp:
        begin(gateway, sftp)
        sftp.get_channel().close()
        gateway.wait_event("disconnect", count=1)
    assert_untouched(store)


def start_again(gateway, store):
    """Who is told of no process's end removes what it left when a listing shows it, old enough."""
    gateway.start()
    if store.age is not None and store.uploads() != []:
        with session(gateway) as sftp:
            assert sftp.listdir("/") == ["file"]
            assert store.uploads() != []  # it might be an upload of another gateway
        store.age()
        with session(gateway) as sftp:
            wait_for(lambda: sftp.listdir("/") and store.uploads() == [], "the listing to remove it")


def test_gateway_killed(gateway, store):
    with session(gateway) as sftp:
        begin(gateway, sftp)
        gateway.kill()
    assert store.read("file") == OLD
    start_again(gateway, store)
    assert_untouched(store)


def test_killed_between_writes_and_close(gateway, store):
    """All bytes are there and only CLOSE is missing: still not a file."""
    with session(gateway) as sftp:
        begin(gateway, sftp, "/fresh")
        gateway.kill()
    start_again(gateway, store)
    assert_untouched(store)


def test_close_means_stored(gateway, store):
    with session(gateway) as sftp:
        close(begin(gateway, sftp))
        gateway.kill()
    assert store.read("file") == NEW + b"x"
    gateway.start()
    with session(gateway) as sftp:
        assert sftp.stat("/file").st_size == len(NEW) + 1


def test_replaced_only_at_close(gateway, store):
    with session(gateway) as writer, session(gateway) as reader:
        file = begin(gateway, writer)
        assert read_all(reader, "/file") == OLD
        close(file)
        assert read_all(reader, "/file") == NEW + b"x"


def test_two_writers(gateway, store):
    """The last CLOSE wins, whole."""
    with session(gateway) as one, session(gateway) as two:
        first, second = one.open("/file", "wb"), two.open("/file", "wb")
        first.write(b"1" * 100000)
        second.write(b"2" * 70000)
        close(first)
        assert store.read("file") == b"1" * 100000
        close(second)
    assert store.read("file") == b"2" * 70000
