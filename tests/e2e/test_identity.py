"""What a verifier said of a user takes effect, row by row; here the users of a file carry it."""
import datetime
import os
import threading
import time

import pytest

from clients import ClientError, Paramiko, Sftp
from gateway import PASSWORD, POSTERN, run, unprivileged, wait_for


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


def limited(**limits):
    return {"limits": limits}


STORES = pytest.mark.parametrize("store_kind", ["local", "radosgw"])


def test_sessions_of_a_user(postern, keys, tmp_path):
    """Over all loops; another user is not concerned, and who leaves makes room."""
    gateway = postern({"memory": {"type": "memory"}}, limits={"loops": 2},
                      users=users(keys, alice=limited(sessions=2), bob=limited(sessions=2)))
    with enter(gateway, "alice", tmp_path):
        with enter(gateway, "alice", tmp_path):
            with pytest.raises(ClientError):
                enter(gateway, "alice", tmp_path)
            gateway.wait_event("disconnect", user="alice", reason="too many sessions of this user")
            enter(gateway, "bob", tmp_path).close()
        gateway.wait_event("disconnect", 2, user="alice")
        enter(gateway, "alice", tmp_path).close()


@STORES
def test_largest_file(store, postern, keys, tmp_path):
    """Refused at the WRITE that crosses it, and nothing is stored."""
    gateway = postern({"store": store.backend}, users=users(keys, alice=limited(max_file_bytes=50_000)))
    with enter(gateway, "alice", tmp_path) as alice:
        write(alice, "/fits", b"x" * 50_000)
        with pytest.raises(OSError, match="larger than the 50000 bytes"):
            write(alice, "/over", b"x" * 50_001)
        with pytest.raises(OSError):
            write(alice, "/fits", b"y" * 50_001)
        assert store.names() == ["fits"] and store.read("fits") == b"x" * 50_000
        if store.kind == "local":
            with pytest.raises(OSError, match="larger than"):
                alice.sftp.truncate("/fits", 50_001)
            with pytest.raises(OSError, match="larger than"), alice.sftp.open("/fits", "ab") as more:
                more.write(b"z")
            assert store.read("fits") == b"x" * 50_000


@STORES
def test_quota(store, postern, keys, tmp_path, request):
    """What was there counts; what is removed or overwritten is credited; sessions share it."""
    if store.kind == "local":
        (tmp_path / "store" / "deep").mkdir()
        (tmp_path / "store" / "deep" / "old").write_bytes(b"o" * 40_000)
    else:
        request.getfixturevalue("radosgw").client.put(store.backend["bucket"], "deep/old", b"o" * 40_000)
    gateway = postern({"store": store.backend}, limits={"loops": 2},
                      users=users(keys, alice=limited(quota_bytes=100_000, quota_files=3)))
    with enter(gateway, "alice", tmp_path) as one, enter(gateway, "alice", tmp_path) as two:
        write(one, "/a", b"a" * 50_000)
        with pytest.raises(OSError, match="quota: .* of 100000 bytes"):
            write(two, "/b", b"b" * 10_001)
        write(two, "/b", b"b" * 10_000)
        with pytest.raises(OSError, match="quota: .* 3 of 3 files"):
            write(one, "/c", b"")
        assert "c" not in store.names()
        write(one, "/a", b"A" * 50_000)  # in place of itself
        with pytest.raises(OSError, match="quota"):
            write(one, "/a", b"A" * 50_001)
        assert store.read("a") == b"A" * 50_000
        two.remove("/deep/old")
        write(one, "/c", b"c" * 40_000)
        one.sftp.posix_rename("/c", "/b")  # takes the place of 10,000 bytes
        write(two, "/d", b"d" * 10_000)
        assert store.read("d") == b"d" * 10_000
    assert len(gateway.events("quota_counted")) == 1
    assert len(gateway.events("quota_recounted")) >= 1  # before the first refusal


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to run the gateway as somebody else")
@pytest.mark.parametrize("mode", [0o300, 0o400, 0o000], ids=oct)
def test_quota_is_not_hidden_from(mode, keys, tmp_path):
    """What the user made unreadable is not forgotten: nothing more is stored until it can be counted."""
    with unprivileged(keys, users=users(keys, alice=limited(quota_bytes=100_000))) as (gateway, files):
        (files / "lost+found").mkdir(mode=0o700)  # root's: nothing of the user's can be in it
        with enter(gateway, "alice", tmp_path) as alice:
            alice.sftp.mkdir("/mine")
            write(alice, "/mine/big", b"x" * 60_000)
            alice.sftp.chmod("/mine", mode)
        gateway.wait_event("disconnect")
        with enter(gateway, "alice", tmp_path) as alice:
            with pytest.raises(OSError, match=r"the folder /mine must be readable \(chmod 700\)"):
                write(alice, "/more", b"x" * 60_000)
            assert gateway.wait_event("quota_unknown")["path"] == "/mine"
            alice.sftp.chmod("/mine", 0o700)
            with pytest.raises(OSError, match="quota: .* of 100000 bytes"):
                write(alice, "/more", b"x" * 60_000)
            write(alice, "/more", b"x" * 40_000)
        left_out = gateway.events("quota_not_counted")
        assert {(e["folders"], e["first"]) for e in left_out} == {(1, "/lost+found")}


@STORES
def test_df_shows_the_quota(store, postern, keys, tmp_path):
    gateway = postern({"store": store.backend}, users=users(keys, alice=limited(quota_bytes=8 << 20, quota_files=10)))
    with enter(gateway, "alice", tmp_path) as alice:
        write(alice, "/a", b"a" * (2 << 20))
    client = Sftp(gateway, "alice", PASSWORD, None, tmp_path)
    size, used, available = client.batch("df /").splitlines()[-1].split()[:3]
    assert (int(size), int(used), int(available)) == (8192, 2048, 6144)
    inodes, used, available = client.batch("df -i /").splitlines()[-1].split()[:3]
    assert (int(inodes), int(used), int(available)) == (10, 1, 9)


@STORES
def test_rates(store, postern, keys, tmp_path):
    """One way is slowed down, the other way and another session are not."""
    size, limit = 768 << 10, 256
    gateway = postern({"store": store.backend}, limits={"loops": 1}, users=users(
        keys, up=limited(upload_kib_s=limit), down=limited(download_kib_s=limit), free={}))

    def seconds(work, *arguments):
        begin = time.monotonic()
        work(*arguments)
        return time.monotonic() - begin

    data = os.urandom(size)
    # A tenth of a second's worth and one request may go at once.
    least, most = (size / 1024 - limit / 10 - 64) / limit, 3 * size / 1024 / limit + 2
    with enter(gateway, "up", tmp_path) as up, enter(gateway, "down", tmp_path) as down, \
            enter(gateway, "free", tmp_path) as free:
        slow = threading.Thread(target=lambda: slow_times.append(seconds(write, up, "/up", data)))
        slow_times = []
        slow.start()
        free_time = seconds(write, free, "/free", data) + seconds(read, free, "/free")
        slow.join()
        assert least < slow_times[0] < most and free_time < least, (slow_times, free_time)
        assert seconds(read, up, "/up") < least
        assert seconds(write, down, "/down", data) < least
        assert least < seconds(read, down, "/up") < most
        assert read(down, "/up") == data


def test_rate_of_a_file_that_is_one_write(postern, keys, tmp_path):
    """OpenSSH's are of 255 KiB: such a file is not there before its time, and another session is no way around."""
    small = tmp_path / "small"
    small.write_bytes(os.urandom(200 << 10))
    gateway = postern({"memory": {"type": "memory"}}, users=users(keys, alice=limited(upload_kib_s=100)))
    for _ in range(2):
        begin = time.monotonic()
        with Sftp(gateway, "alice", PASSWORD, None, tmp_path) as alice:
            alice.put(small, "/small")
        assert 1.8 < time.monotonic() - begin < 8


def test_idle_and_expiry_end_a_session(postern, keys, tmp_path):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    gateway = postern({"memory": {"type": "memory"}}, users=users(
        keys, idle={"idle_s": 1}, brief={"expires": soon.strftime("%Y-%m-%dT%H:%M:%SZ")}))
    with enter(gateway, "brief", tmp_path) as brief, enter(gateway, "idle", tmp_path) as idle:
        gateway.wait_event("disconnect", user="idle", reason="idle")
        gateway.wait_event("disconnect", user="brief", reason="the user has expired")
        wait_for(lambda: not brief.transport.is_active() and not idle.transport.is_active(), "both to be told")
    with pytest.raises(ClientError):
        enter(gateway, "brief", tmp_path)


def cut_off(client, path, data):
    """An upload that gets this far, and no CLOSE."""
    out = client.sftp.open(path, "wb")
    out.write(data)
    out.flush()
    client.transport.sock.close()


@STORES
@pytest.mark.parametrize("way", ["discard", "keep"])
def test_uploads_that_do_not_end(store, way, postern, keys, tmp_path):
    gateway = postern({"store": store.backend}, users=users(keys, alice={"partial_uploads": way}))
    data = os.urandom(300_000)
    cut_off(enter(gateway, "alice", tmp_path), "/cut", data)
    gateway.wait_event("partial", result="kept" if way == "keep" else "session_ended")
    gateway.wait_event("disconnect")
    assert store.read("cut") == (data if way == "keep" else None)


@STORES
def test_an_upload_is_resumed(store, postern, keys, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    gateway = postern({"store": store.backend}, state_dir=str(state),
                      users=users(keys, alice={"partial_uploads": "resume"}))
    data = os.urandom(300_000)
    cut_off(enter(gateway, "alice", tmp_path), "/cut", data[:200_000])
    gateway.wait_event("partial", result="kept")
    with enter(gateway, "alice", tmp_path) as alice:
        assert alice.sftp.stat("/cut").st_size == 200_000
        with alice.sftp.open("/cut", "r+b") as rest:
            rest.seek(200_000)
            rest.write(data[200_000:])
    assert store.read("cut") == data


def test_check_asks_the_stores(postern, keys):
    """What no login could get through is a problem of the configuration already."""
    s3 = {"type": "s3", "bucket": "b", "credentials": {"access_key_id": "i", "secret_access_key": "s"}}
    for more, problem in (({"partial_uploads": "resume"}, "needs a store that continues a file"),
                          ({"credentials": "partner"}, '"partner" is none of the credential_sets of store'),
                          ({"mounts": [{"path": "/", "store": dict(s3, buckets="b")}]}, "store.buckets: no such key"),
                          ({"partial_uploads": "keep", "limits": {"quota_bytes": 1}}, None)):
        gateway = postern({"store": s3}, start=False)
        gateway.settings["users"].update(more)
        gateway.write_settings()
        checked = run([POSTERN, "check", "--config", gateway.config])
        assert (checked.returncode == 0) == (problem is None), checked.stderr
        assert problem is None or problem in checked.stderr


def test_resume_where_the_store_cannot(radosgw, postern, keys, tmp_path):
    gateway = postern({"store": radosgw.backend(radosgw.bucket())},
                      users=users(keys, alice={"partial_uploads": "resume"}))
    refused(gateway, "alice", tmp_path, '"resume" needs a store that continues a file')
