"""Nobody gets further than the verifier said: mounts, permissions, fences, who may log in."""
import os
import time

import pytest

from clients import ClientError, Paramiko
from gateway import PASSWORD
from raw import read_all, session, status_of, write_all


@pytest.fixture
def disk(tmp_path):
    root = tmp_path / "disk"
    root.mkdir()
    return root


def user_with(keys, **identity):
    return [dict({"user": "alice", "public_keys": [keys.public(keys.user)]}, **identity)]


def local(root):
    return {"type": "local", "root": str(root)}


@pytest.mark.parametrize("words,allowed", [
    (["list", "download"], {"list", "download"}),
    (["list", "upload"], {"list", "upload"}),
    (["list", "upload", "overwrite"], {"list", "upload", "overwrite"}),
    (["list", "delete"], {"list", "delete_file", "delete_dir"}),
    (["list", "delete_files"], {"list", "delete_file"}),
    (["list", "delete_dirs"], {"list", "delete_dir"}),
    (["list", "rename"], {"list", "rename_file", "rename_dir"}),
    (["list", "rename_files"], {"list", "rename_file"}),
    (["list", "rename_dirs"], {"list", "rename_dir"}),
    (["list", "create_dirs"], {"list", "mkdir"}),
    (["list", "create_symlinks"], {"list", "symlink"}),
    (["list", "chmod"], {"list", "chmod"}),
    (["list", "chtimes"], {"list", "chtimes"}),
    (["download"], {"download"}),
    (["*"], {"list", "download", "upload", "overwrite", "delete_file", "delete_dir", "rename_file", "rename_dir",
             "mkdir", "symlink", "chmod", "chtimes"}),
], ids=lambda w: "+".join(w) if isinstance(w, list) else "")
def test_permissions(words, allowed, postern, keys, disk):
    (disk / "file").write_bytes(b"content")
    (disk / "gone").write_bytes(b"")
    (disk / "old").write_bytes(b"")
    (disk / "dir").mkdir()
    (disk / "olddir").mkdir()
    gateway = postern({"disk": local(disk)}, users=user_with(keys, permissions={"/": words}))
    with session(gateway) as sftp:
        deeds = {
            "list": lambda: sftp.listdir("/"), "download": lambda: read_all(sftp, "/file"),
            "upload": lambda: write_all(sftp, "/new", b"x"), "overwrite": lambda: write_all(sftp, "/file", b"over"),
            "chmod": lambda: sftp.chmod("/file", 0o600), "chtimes": lambda: sftp.utime("/file", (1e9, 1e9)),
            "mkdir": lambda: sftp.mkdir("/made"), "symlink": lambda: sftp.symlink("file", "/link"),
            "rename_file": lambda: sftp.rename("/old", "/newname"),
            "rename_dir": lambda: sftp.rename("/olddir", "/newdir"),
            "delete_file": lambda: sftp.remove("/gone"), "delete_dir": lambda: sftp.rmdir("/dir"),
        }
        got = {name: status_of(deed) for name, deed in deeds.items()}
    expected = {name: "OK" if name in allowed else "PERMISSION_DENIED" for name in deeds}
    assert got == expected
    assert (disk / "file").read_bytes() == (b"over" if "overwrite" in allowed else b"content")


def test_longest_prefix_counts(postern, keys, disk):
    for name in ("in", "out"):
        (disk / name).mkdir()
        (disk / name / "file").write_bytes(b"content")
    gateway = postern({"disk": local(disk)}, users=user_with(
        keys, permissions={"/": ["list"], "/in": ["list", "upload"], "/out": ["list", "download", "delete"]}))
    with session(gateway) as sftp:
        assert status_of(lambda: write_all(sftp, "/in/new", b"x")) == "OK"
        assert status_of(lambda: read_all(sftp, "/in/file")) == "PERMISSION_DENIED"
        assert status_of(lambda: read_all(sftp, "/in/../out/file")) == "OK"
        assert status_of(lambda: write_all(sftp, "/out/new", b"x")) == "PERMISSION_DENIED"
        assert status_of(lambda: sftp.remove("/out/file")) == "OK"
        assert status_of(lambda: write_all(sftp, "/new", b"x")) == "PERMISSION_DENIED"
        assert status_of(lambda: write_all(sftp, "/inn", b"x")) == "PERMISSION_DENIED"


def test_mounts(postern, keys, disk, tmp_path):
    other = tmp_path / "other"
    for folder in (disk / "alice", other / "archive", other / "shared"):
        folder.mkdir(parents=True)
    (other / "archive" / "old").write_bytes(b"old")
    gateway = postern({"disk": local(disk), "other": local(other)}, mounts=[
        {"path": "/", "backend": "disk", "prefix": "${user}"},
        {"path": "/archive", "backend": "other", "prefix": "archive", "read_only": True},
        {"path": "/deep/er/shared", "backend": "other", "prefix": "shared"}])
    with session(gateway) as sftp:
        write_all(sftp, "/mine", b"mine")
        assert (disk / "alice" / "mine").read_bytes() == b"mine"
        assert set(sftp.listdir("/")) == {"mine", "archive", "deep"}
        assert sftp.listdir("/deep") == ["er"]
        assert sftp.listdir("/deep/er") == ["shared"]
        assert read_all(sftp, "/archive/old") == b"old"
        for deed in (lambda: write_all(sftp, "/archive/new", b""), lambda: sftp.remove("/archive/old"),
                     lambda: sftp.mkdir("/archive/d"), lambda: write_all(sftp, "/archive/old", b""),
                     lambda: sftp.chmod("/archive/old", 0o600), lambda: sftp.rename("/archive/old", "/archive/new")):
            assert status_of(deed) == "PERMISSION_DENIED"
        write_all(sftp, "/deep/er/shared/s", b"s")
        assert (other / "shared" / "s").read_bytes() == b"s"
        moved = status_of(lambda: sftp.rename("/mine", "/deep/er/shared/mine"))
        assert moved not in ("OK", "NO_SUCH_FILE") and "store" in moved
        for deed in (lambda: sftp.rmdir("/archive"), lambda: sftp.rename("/archive", "/x"), lambda: sftp.rmdir("/deep")):
            assert status_of(deed) != "OK"
    assert (disk / "alice" / "mine").exists() and (other / "archive" / "old").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["..", "../../etc/passwd", "a/../../../etc/passwd", "/../etc/passwd", "....//etc"])
def test_dots_stop_at_the_root(name, postern, disk):
    gateway = postern({"disk": local(disk)})
    with session(gateway) as sftp:
        assert sftp.normalize(name).startswith("/")
        assert ".." not in sftp.normalize(name).split("/")
        assert status_of(lambda: read_all(sftp, name)) != "OK"
        assert "passwd" not in sftp.listdir("/")


@pytest.mark.parametrize("target", ["/etc", "../outside", "/etc/passwd", "dir/../../outside", "/proc/self/root"])
def test_links_stay_inside(target, postern, disk, tmp_path):
    """A link that was planted on the disk, and one that the client makes."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (disk / "dir").mkdir()
    os.symlink(target, disk / "planted")
    gateway = postern({"disk": local(disk)})
    with session(gateway) as sftp:
        status_of(lambda: sftp.symlink(target, "/made"))
        for link in ("/planted", "/made"):
            for path in (link, f"{link}/secret", f"{link}/passwd", f"{link}/etc/passwd"):
                assert status_of(lambda: read_all(sftp, path)) != "OK"
            assert status_of(lambda: write_all(sftp, f"{link}/new", b"x")) != "OK"
            assert status_of(lambda: sftp.listdir(link)) != "OK"
    assert os.listdir(outside) == ["secret"]


@pytest.mark.parametrize("stores", [1, 2])
def test_links_lead_around_no_read_only_mount(stores, postern, keys, disk):
    (disk / "ro").mkdir()
    (disk / "ro" / "file").write_bytes(b"old")
    os.symlink("ro", disk / "planted")
    gateway = postern({"disk": local(disk), "ro": local(disk / "ro")}, users=user_with(keys), mounts=[
        {"path": "/", "backend": "disk"},
        {"path": "/ro", "backend": ["disk", "ro"][stores - 1], "prefix": ["ro", ""][stores - 1], "read_only": True}])
    with session(gateway) as sftp:
        for target in ("/ro", "/", ".", "ro"):
            assert status_of(lambda: sftp.symlink(target, "/made")) == "PERMISSION_DENIED"
        assert status_of(lambda: write_all(sftp, "/planted/file", b"new")) == "PERMISSION_DENIED"
        assert read_all(sftp, "/ro/file") == b"old"
    assert (disk / "ro" / "file").read_bytes() == b"old"


def test_user_name_never_leaves_its_prefix(postern, keys, disk):
    (disk / "users").mkdir()
    (disk / "secret").write_bytes(b"secret")
    names = ["..", "a/../..", "/", "users/..", "."]
    gateway = postern({"disk": local(disk)}, mounts=[{"path": "/", "backend": "disk", "prefix": "users/${user}"}],
                      users=[{"user": n, "public_keys": [keys.public(keys.user)]} for n in names])
    for name in names:
        try:
            with session(gateway, user=name) as sftp:
                assert status_of(lambda: read_all(sftp, "/secret")) != "OK"
                status_of(lambda: write_all(sftp, "/new", b"x"))
        except Exception:  # refusing the login is as good
            pass
    assert sorted(os.listdir(disk)) == ["secret", "users"]


@pytest.mark.parametrize("identity,enters", [
    ({}, True), ({"expires": "2099-01-01T00:00:00Z"}, True), ({"expires": "2020-01-01T00:00:00Z"}, False),
    ({"allow": ["127.0.0.0/8"]}, True), ({"allow": ["203.0.113.0/24"]}, False), ({"allow": ["::1/128"]}, False),
], ids=["plain", "not yet expired", "expired", "from here", "from elsewhere", "from elsewhere, v6"])
def test_who_may_enter(identity, enters, postern, keys, tmp_path):
    gateway = postern({"memory": {"type": "memory"}}, users=[
        dict({"user": "alice", "public_keys": [keys.public(keys.user)], "password": keys.password_hash}, **identity)])
    for password, key in ((None, keys.user), (PASSWORD, None)):
        if enters:
            Paramiko(gateway, "alice", password, key, tmp_path).close()
        else:
            with pytest.raises(ClientError):
                Paramiko(gateway, "alice", password, key, tmp_path).close()


def test_user_file_is_reread(postern, keys, tmp_path):
    gateway = postern({"memory": {"type": "memory"}}, users=user_with(keys))
    with session(gateway) as sftp:
        sftp.listdir("/")

    def enters(user):
        try:
            Paramiko(gateway, user, None, keys.user, tmp_path).close()
            return True
        except ClientError:
            return False

    gateway.write_users(user_with(keys) + [{"user": "dora", "public_keys": [keys.public(keys.user)]}])
    end = time.monotonic() + 20
    while not enters("dora"):
        assert time.monotonic() < end, "a new user was never seen"
    gateway.users_path.write_text('{"users": [')  # a broken edit keeps the last good one
    assert enters("dora") and enters("alice")


def test_unknown_user_costs_the_same_time(postern, tmp_path):
    gateway = postern({"memory": {"type": "memory"}}, auth={"failure_delay_ms": 0})

    def seconds(user):
        took = []
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(ClientError):
                Paramiko(gateway, user, "wrong", None, tmp_path).close()
            took.append(time.monotonic() - began)
        return sorted(took)[2]

    known, unknown = seconds("bob"), seconds("nobody")
    assert 0.5 < known / unknown < 2, f"known {known:.3f} s, unknown {unknown:.3f} s"
