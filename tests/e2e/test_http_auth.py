"""How an HTTP store knows that it is postern that asks, and for whom; and a store on a Unix socket."""
import pytest

from gateway import POSTERN, run
from raw import read_all, session, status_of, write_all

UNAVAILABLE = 69
RIGHT = {"type": "basic", "user": "dav", "password": "secret"}
WRONG = {"type": "basic", "user": "dav", "password": "wrong password"}
KEY = {"type": "header", "name": "X-API-KEY", "value": "the key"}


@pytest.mark.parametrize("kind,auth,works", [
    ("apache", RIGHT, True), ("apache", WRONG, False), ("apache", {}, False), ("httpfs", RIGHT, True),
    ("httpfs", {"type": "bearer", "token": "a token"}, False), ("httpfs_keyed", KEY, True),
    ("httpfs_keyed", dict(KEY, value="a foreign key"), False),
], ids=lambda v: v.get("password", v.get("value", v.get("token", "none"))) if isinstance(v, dict) else None)
def test_auth(kind, auth, works, request, postern):
    store = request.getfixturevalue(kind).store(kind)
    gateway = postern({"store": dict(store.backend, auth=auth)})
    with session(gateway) as sftp:
        for deed in (lambda: write_all(sftp, "/f", b"x"), lambda: sftp.listdir("/"), lambda: sftp.stat("/f")):
            assert status_of(deed) == ("OK" if works else "PERMISSION_DENIED")
    assert store.read("f") == (b"x" if works else None)
    probed = run([POSTERN, "check", "--probe", "--config", gateway.config])
    assert probed.returncode == (0 if works else UNAVAILABLE), probed.stderr
    for secret in ("wrong password", "a token", "the key", "a foreign key"):
        assert secret not in gateway.log() + probed.stdout + probed.stderr


@pytest.mark.parametrize("kind", ["apache", "httpfs"])
def test_credentials_of_a_user(kind, request, postern, keys):
    """The set that the identity names is used instead of the store's own, and for that user only."""
    store = request.getfixturevalue(kind).store(kind)
    users = keys.standard_users()
    users[0]["credentials"] = "partner"
    users[1]["public_keys"] = users[0]["public_keys"]
    gateway = postern({"store": dict(store.backend, auth=WRONG, credential_sets={"partner": RIGHT})}, users=users)
    with session(gateway, user="alice") as sftp:
        write_all(sftp, "/f", b"x")
    with session(gateway, user="bob") as sftp:
        assert status_of(lambda: sftp.stat("/f")) == "PERMISSION_DENIED"
    with session(gateway, user="alice") as sftp:
        assert sftp.listdir("/") == ["f"]
    assert store.read("f") == b"x"


def test_unix_socket(nginx, postern):
    folder = nginx.folder()
    backend = nginx.backend("", url=f"http+unix://{nginx.socket}:/dav/{folder.name.replace(' ', '%20')}")
    gateway = postern({"store": backend})
    data = b"over a socket " * 50_000
    with session(gateway) as sftp:
        write_all(sftp, "/a", data)
        sftp.rename("/a", "/b")
        assert read_all(sftp, "/b") == data and sftp.listdir("/") == ["b"]
    assert (folder / "b").read_bytes() == data
