"""Every client onto every store: its logins, a day's work, and big_file there and back."""
import hashlib

import pytest

from clients import CLIENTS, ClientError, missing
from gateway import PASSWORD

STORES = ["memory", "local", "radosgw", "swift", "apache", "nginx", "rclone", "httpfs", "httpfs_plain"]
SMALL = bytes(range(256)) * 300  # crosses two read blocks of every client


def client_or_skip(name):
    reason = missing(name)
    if reason:
        pytest.skip(reason)
    return CLIENTS[name]


def digest(path):
    with open(path, "rb") as file:
        sha = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            sha.update(block)
        return sha.hexdigest()


LOGINS = {
    "key": ("alice", None, "user"),
    "password": ("bob", PASSWORD, None),
    "key-then-password": ("carol", PASSWORD, "user"),
}


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("name", CLIENTS)
def test_login(name, login, postern, keys, tmp_path):
    kind = client_or_skip(name)
    user, password, key = LOGINS[login]
    if login == "key-then-password" and name == "curl":
        pytest.skip("curl stops after the first method that is accepted")
    gateway = postern({"disk": {"type": "memory"}})
    (tmp_path / "in").write_bytes(SMALL)
    with kind(gateway, user, password, key and getattr(keys, key), tmp_path) as client:
        client.put(tmp_path / "in", "/file")
        client.get("/file", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == SMALL
    assert PASSWORD not in gateway.log()


@pytest.mark.parametrize("user,password,key", [
    ("bob", "wrong", None), ("nobody", PASSWORD, None), ("alice", None, "other"), ("bob", None, "user"),
    ("carol", PASSWORD, None), ("carol", None, "user"), ("carol", "wrong", "user"),
], ids=["wrong password", "unknown user", "unknown key", "another's key", "second step only", "first step only",
        "second step wrong"])
@pytest.mark.parametrize("name", ["sftp", "paramiko", "asyncssh"])
def test_no_login(name, user, password, key, postern, keys, tmp_path):
    kind = client_or_skip(name)
    gateway = postern({"disk": {"type": "memory"}})
    with pytest.raises(ClientError):
        with kind(gateway, user, password, key and getattr(keys, key), tmp_path) as client:
            client.names("/")
    gateway.wait_event("disconnect")
    assert not gateway.events("login")


@pytest.mark.parametrize("store_kind", STORES)
@pytest.mark.parametrize("name", CLIENTS)
def test_day(name, store_kind, store, postern, keys, tmp_path):
    kind = client_or_skip(name)
    gateway = postern({"disk": store.backend})
    (tmp_path / "in").write_bytes(SMALL)
    (tmp_path / "empty").write_bytes(b"")
    with kind(gateway, "alice", None, keys.user, tmp_path) as client:
        client.put(tmp_path / "in", "/a file.bin")
        client.put(tmp_path / "empty", "/empty")
        client.get("/a file.bin", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == SMALL
        client.get("/empty", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == b""
        if not client.works_with_tree:
            return
        assert client.names("/") == {"a file.bin", "empty"}
        client.mkdir("/dir")
        client.rename("/a file.bin", "/dir/b.bin")
        assert client.names("/") == {"dir", "empty"}
        assert client.names("/dir") == {"b.bin"}
        if store.read:
            assert store.read("dir/b.bin") == SMALL and store.read("a file.bin") is None
        client.put(tmp_path / "empty", "/dir/b.bin")  # over an older one
        client.get("/dir/b.bin", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == b""
        client.remove("/dir/b.bin")
        client.rmdir("/dir")
        client.remove("/empty")
        assert client.names("/") == set()
    if store.names:
        assert store.names() == []


@pytest.mark.slow
@pytest.mark.parametrize("store_kind", STORES)
@pytest.mark.parametrize("name", CLIENTS)
def test_round_trip(name, store_kind, store, postern, keys, big_file, tmp_path):
    kind = client_or_skip(name)
    gateway = postern({"disk": store.backend})
    with kind(gateway, "alice", None, keys.user, tmp_path) as client:
        client.put(big_file, "/big.bin")
        client.get("/big.bin", tmp_path / "back.bin")
    assert digest(tmp_path / "back.bin") == digest(big_file)
    if store.read:
        assert hashlib.sha256(store.read("big.bin")).hexdigest() == digest(big_file)
    assert store.uploads() == []
    (tmp_path / "back.bin").unlink()
