"""What a verifier said of a user takes effect, row by row; here the users of a file carry it."""
import os
import time

import pytest

from clients import ClientError, Paramiko
from gateway import PASSWORD


def users(keys, **each):
    """name=identity: users with the standard password."""
    return [dict({"user": name, "password": keys.password_hash}, **identity) for name, identity in each.items()]


def enter(gateway, user, tmp_path):
    return Paramiko(gateway, user, PASSWORD, None, tmp_path)


def write(client, path, data=b"data"):
    with client.sftp.open(path, "wb") as out:
        out.write(data)


def read(client, path):
    with client.sftp.open(path, "rb") as source:
        return source.read()


def refused(gateway, user, tmp_path, reason):
    """The login fails, and the log says why."""
    with pytest.raises(ClientError):
        enter(gateway, user, tmp_path)
    event = gateway.wait_event("mounts", user=user)
    assert reason in event["error"], event


def test_credentials(radosgw, postern, keys, tmp_path):
    """By name and in the answer itself: the store's own, which are wrong here, are not used then."""
    bucket = radosgw.bucket()
    good = {"access_key_id": radosgw.access_key, "secret_access_key": radosgw.secret_key}
    backend = radosgw.backend(bucket, credential_sets={"partner": good})
    backend["credentials"] = {"access_key_id": "nobody", "secret_access_key": "wrong"}
    gateway = postern({"store": backend}, users=users(
        keys, named={"credentials": "partner"}, inline={"credentials": good}, own={},
        wrong={"credentials": dict(good, secret_access_key="not this one")}, unknown={"credentials": "partners"}))
    for user in ("named", "inline"):
        with enter(gateway, user, tmp_path) as client:
            write(client, f"/{user}")
            assert read(client, f"/{user}") == b"data"
    for user in ("own", "wrong"):
        with enter(gateway, user, tmp_path) as client, pytest.raises(OSError):
            write(client, f"/{user}")
    assert radosgw.client.keys(bucket) == ["inline", "named"]
    refused(gateway, "unknown", tmp_path, '"partners" is none of the credential_sets of store')
    assert "not this one" not in gateway.log() and radosgw.secret_key not in gateway.log()


def test_credentials_that_no_store_takes(postern, keys, tmp_path):
    gateway = postern({"memory": {"type": "memory"}}, users=users(keys, alice={"credentials": "partner"}))
    refused(gateway, "alice", tmp_path, "no mount is on a store that takes them")


@pytest.mark.parametrize("store_kind", ["local", "radosgw"])
def test_a_store_of_its_own(store, postern, keys, tmp_path):
    """Beside a backend of the configuration; wrong ones refuse the login and name the key."""
    broken = dict(store.backend, colour="red")
    own = [{"path": "/", "backend": "memory"}, {"path": "/own", "store": store.backend, "prefix": "p"}]
    gateway = postern({"memory": {"type": "memory"}}, users=users(
        keys, alice={"mounts": own}, bob={"mounts": own},
        broken={"mounts": [{"path": "/", "store": broken}]}))
    if store.kind == "local":
        (tmp_path / "store" / "p").mkdir()
    with enter(gateway, "alice", tmp_path) as alice, enter(gateway, "bob", tmp_path) as bob:
        write(alice, "/own/a")
        write(alice, "/elsewhere")
        assert read(bob, "/own/a") == b"data"
        assert "p/a" in store.names() and store.read("p/a") == b"data"
    with enter(gateway, "bob", tmp_path) as bob:  # made anew: the last session of the first has gone
        assert read(bob, "/own/a") == b"data"
    refused(gateway, "broken", tmp_path, "store.colour: no such key")
