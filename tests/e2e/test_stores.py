"""What each store adds to a day's work: attributes and links on a disk, keys and pages of a bucket."""
import concurrent.futures
import os
import stat
import time

import pytest
from paramiko.sftp import CMD_EXTENDED

from clients import ClientError, Sftp
from gateway import SANITIZED, run, wait_for
from raw import close, read_all, session, status_of, write_all

BUCKETS = pytest.mark.parametrize("store_kind", ["radosgw", "swift"])
EVERYWHERE = pytest.mark.parametrize("store_kind", ["memory", "local", "radosgw", "swift", "apache", "nginx", "rclone",
                                                       "httpfs"])
ODD = ["a b", "a+b", "a%2Fb", "a&b=c?d#e", "~tilde", "ünï-çødé", "日本語", "quote'\"q", "back\\slash", "trailing.", "*",
       "new\nline", "-dash", ";semi:colon,", "<angle>", "%", "%41", "x" * 200]


@EVERYWHERE
def test_odd_names(store, postern):
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        for number, name in enumerate(ODD):
            write_all(sftp, f"/{name}", str(number).encode())
        assert sorted(sftp.listdir("/")) == sorted(ODD)
        for number, name in enumerate(ODD):
            assert read_all(sftp, f"/{name}") == str(number).encode()
            if store.read:
                assert store.read(name) == str(number).encode()
        sftp.mkdir("/d e+f")
        for name in ODD:
            sftp.rename(f"/{name}", f"/d e+f/{name}")
        assert sorted(sftp.listdir("/d e+f")) == sorted(ODD)
        for name in ODD:
            sftp.remove(f"/d e+f/{name}")
        sftp.rmdir("/d e+f")
        assert sftp.listdir("/") == []


@EVERYWHERE
def test_answers_of_everyday(store, postern):
    """The statuses that clients decide by."""
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        assert status_of(lambda: sftp.stat("/none")) == "NO_SUCH_FILE"
        assert status_of(lambda: sftp.open("/none")) == "NO_SUCH_FILE"
        assert status_of(lambda: sftp.remove("/none")) == "NO_SUCH_FILE"
        assert status_of(lambda: sftp.listdir("/none")) == "NO_SUCH_FILE"
        assert status_of(lambda: sftp.rename("/none", "/other")) == "NO_SUCH_FILE"
        sftp.mkdir("/dir")
        assert status_of(lambda: sftp.mkdir("/dir")) != "OK"
        assert stat.S_ISDIR(sftp.stat("/dir").st_mode) and stat.S_ISDIR(sftp.stat("/").st_mode)
        assert sftp.listdir("/dir") == []
        write_all(sftp, "/dir/file", b"1234567")
        assert stat.S_ISREG(sftp.stat("/dir/file").st_mode)
        assert sftp.stat("/dir/file").st_size == 7
        assert abs(sftp.stat("/dir/file").st_mtime - time.time()) < 60
        (entry,) = sftp.listdir_attr("/dir")
        assert (entry.filename, entry.st_size) == ("file", 7)
        assert status_of(lambda: sftp.rmdir("/dir")) not in ("OK", "NO_SUCH_FILE")
        assert status_of(lambda: sftp.remove("/dir")) not in ("OK", "NO_SUCH_FILE")
        assert status_of(lambda: sftp.open("/dir/file", "wx")) not in ("OK", "NO_SUCH_FILE")
        write_all(sftp, "/other", b"other")
        assert status_of(lambda: sftp.rename("/other", "/dir/file")) != "OK"  # plain RENAME never replaces
        assert read_all(sftp, "/dir/file") == b"1234567"
        sftp.posix_rename("/other", "/dir/file")
        assert read_all(sftp, "/dir/file") == b"other"
        assert status_of(lambda: sftp.rename("/dir", "/dir/inside")) not in ("OK", "NO_SUCH_FILE")
        assert sftp.normalize(".") == "/" and sftp.normalize("dir/../none") == "/none"


@EVERYWHERE
def test_modification_time(store, postern, tmp_path):
    """Kept where the store can (docs/backends.md); elsewhere accepted, and it is that of the upload."""
    gateway = postern({"store": store.backend})
    source = tmp_path / "in"
    source.write_bytes(b"x" * 100000)
    os.utime(source, (1_500_000_000, 1_500_000_000))
    client = Sftp(gateway, "alice", None, gateway.keys.user, tmp_path)
    client.batch(f"put -p {source} /kept", f"get -p /kept {tmp_path / 'out'}")
    got = int((tmp_path / "out").stat().st_mtime)
    if store.kind in ("apache", "rclone"):
        assert abs(got - time.time()) < 60
    else:
        assert got == 1_500_000_000
    with session(gateway) as sftp:
        sftp.utime("/kept", (1_400_000_000, 1_400_000_000))
        assert sftp.stat("/kept").st_mtime == (got if store.kind in ("apache", "nginx", "rclone") else 1_400_000_000)
        with sftp.open("/kept") as file:  # what FSTAT says from then on is what the store has kept
            file.utime((1_300_000_000, 1_300_000_000))
            assert file.stat().st_mtime == sftp.stat("/kept").st_mtime
        assert read_all(sftp, "/kept") == b"x" * 100000
        sftp.chmod("/kept", 0o640)  # stored on a disk, accepted by a bucket


@pytest.mark.parametrize("copy_part_mb", [5120, 6], ids=["whole", "in-parts"])
@BUCKETS
def test_a_time_of_a_file_that_is_read(store, postern, request, copy_part_mb):
    """The store copies the object onto itself. A copy in other parts has another ETag: the open file reads on."""
    gateway = postern({"store": dict(store.backend, part_mb=5, copy_part_mb=copy_part_mb)})
    client, bucket = request.getfixturevalue(store.kind).client, store.backend["bucket"]
    data = os.urandom(14 << 20)
    with session(gateway) as sftp:
        write_all(sftp, "/f", data)
        with sftp.open("/f") as file:
            assert file.read(1000) == data[:1000]
            before = client.head(bucket, "f").headers["etag"]
            file.utime((1_300_000_000, 1_300_000_000))
            if store.kind == "radosgw" and copy_part_mb == 6:
                assert client.head(bucket, "f").headers["etag"] != before
            assert file.stat().st_mtime == sftp.stat("/f").st_mtime == 1_300_000_000
            file.seek(len(data) - 1000)
            assert file.read(1000) == data[-1000:]
            file.seek(0)
            file.prefetch()
            assert file.read() == data
            client.put(bucket, "f", data[::-1])  # of somebody else: not followed
            file.seek(7 << 20)
            assert status_of(lambda: file.read(1000)) != "OK"
            assert status_of(lambda: file.utime((1_200_000_000, 1_200_000_000))) != "OK"
        assert sftp.stat("/f").st_mtime != 1_200_000_000


@pytest.mark.parametrize("store_kind", ["radosgw"])
@pytest.mark.parametrize("by", ["handle", "name"])
def test_a_time_of_a_file_that_others_read(store, postern, request, by):
    """The copy has another ETag and the same bytes: whoever has it open, on whatever loop, reads on."""
    gateway = postern({"store": dict(store.backend, part_mb=5, copy_part_mb=6)}, limits={"loops": 2})
    client, bucket = request.getfixturevalue(store.kind).client, store.backend["bucket"]
    data = os.urandom(14 << 20)
    with session(gateway) as sftp, session(gateway) as second:
        write_all(sftp, "/f", data)
        with sftp.open("/f") as one, sftp.open("/f") as two, second.open("/f") as three:  # nothing is read ahead yet
            before = client.head(bucket, "f").headers["etag"]
            if by == "handle":
                one.utime((1_300_000_000, 1_300_000_000))
            else:
                sftp.utime("/f", (1_300_000_000, 1_300_000_000))
            assert client.head(bucket, "f").headers["etag"] != before
            for file in (one, two, three):
                file.seek(len(data) - 1000)
                assert file.read(1000) == data[-1000:]
            three.utime((1_200_000_000, 1_200_000_000))
            two.utime((1_100_000_000, 1_100_000_000))
            assert sftp.stat("/f").st_mtime == 1_100_000_000
            for file in (three, two, one):
                file.seek(0)
                file.prefetch()
                assert file.read() == data
            client.put(bucket, "f", data[::-1])  # of somebody else: not followed
            for file in (one, two, three):
                file.seek(7 << 20)
                assert status_of(lambda file=file: file.read(1000)) != "OK"


@EVERYWHERE
def test_rename_of_a_directory(store, postern):
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        sftp.mkdir("/old")
        sftp.mkdir("/old/sub")
        for name in ("a", "sub/b", "sub/c"):
            write_all(sftp, f"/old/{name}", name.encode())
        sftp.rename("/old", "/new")
        assert status_of(lambda: sftp.stat("/old")) == "NO_SUCH_FILE"
        assert sorted(sftp.listdir("/new")) == ["a", "sub"]
        for name in ("a", "sub/b", "sub/c"):
            assert read_all(sftp, f"/new/{name}") == name.encode()


@EVERYWHERE
def test_copy_on_the_server(store, postern, tmp_path):
    gateway = postern({"store": store.backend})
    data = os.urandom(300_000)
    (tmp_path / "in").write_bytes(data)
    client = Sftp(gateway, "alice", None, gateway.keys.user, tmp_path)
    client.batch(f"put {tmp_path / 'in'} /a", "cp /a /b", f"get /b {tmp_path / 'out'}")
    assert (tmp_path / "out").read_bytes() == data


@pytest.mark.parametrize("store_kind", ["memory", "local"])
def test_writes_anywhere(store, postern):
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        write_all(sftp, "/f", b"0123456789")
        with sftp.open("/f", "r+b") as file:
            file.seek(4)
            file.write(b"XY")
            file.seek(0)
            assert file.read() == b"0123XY6789"
        with sftp.open("/f", "ab") as file:
            file.write(b"end")
        assert read_all(sftp, "/f") == b"0123XY6789end"
        sftp.truncate("/f", 3)
        assert read_all(sftp, "/f") == b"012"


@BUCKETS
def test_writes_anywhere_are_refused(store, postern):
    """With a reason, and what was there stays."""
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        write_all(sftp, "/f", b"0123456789")
        for mode in ("r+b", "ab"):
            def deed(mode=mode):
                file = sftp.open("/f", mode)
                file.seek(4)
                file.write(b"XY")
                close(file)
            status = status_of(deed)
            assert status not in ("OK", "NO_SUCH_FILE", "PERMISSION_DENIED")
            assert len(status) > 12, f"no reason: {status!r}"

        def hole():
            file = sftp.open("/g", "wb")
            file.seek(1 << 20)
            file.write(b"after a hole")
            close(file)
        assert status_of(hole) not in ("OK", "NO_SUCH_FILE")
    assert store.read("f") == b"0123456789" and store.read("g") is None
    assert store.uploads() == []


@BUCKETS
def test_keys_that_are_not_paths(store, postern, request):
    """Others wrote them: never mapped onto another key, never deleted with a directory."""
    client = request.getfixturevalue(store.kind).client
    bucket = store.backend["bucket"]
    odd = ["d//x", "d/", "d/y", "plain"]
    for key in odd:
        client.put(bucket, key, b"" if key.endswith("/") else key.encode())
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        assert sorted(sftp.listdir("/")) == ["d", "plain"]
        assert sftp.listdir("/d") == ["y"]
        assert gateway.wait_event("s3_hidden", names=1)["folder"].endswith("d/")
        sftp.remove("/d/y")
        assert status_of(lambda: sftp.rmdir("/d")) != "OK"
        moved = status_of(lambda: sftp.rename("/d", "/e")) == "OK"
    assert ("e//x" if moved else "d//x") in client.keys(bucket)


@BUCKETS
def test_more_than_a_page(store, postern, request):
    client = request.getfixturevalue(store.kind).client
    for number in range(1100 if store.kind == "radosgw" else 300):
        client.put(store.backend["bucket"], f"many/{number:05}", b"")
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        names = sftp.listdir("/many")
    assert names == sorted(names) and len(names) == len(set(names)) == len(client.keys(store.backend["bucket"]))


def test_tls_with_an_own_ca(radosgw, postern):
    bucket = radosgw.bucket()
    backend = radosgw.backend(bucket, endpoint=radosgw.values["TLS_ENDPOINT"])
    ca = {"ca_file": radosgw.values["CA"]}
    for tls, works in ((ca, True), ({}, False), (dict(ca, server_name="s3.localhost"), True),
                       (dict(ca, server_name="other.example.net"), False)):
        gateway = postern({"store": dict(backend, tls=tls, max_retries=0)})
        with session(gateway) as sftp:
            status = status_of(lambda: write_all(sftp, "/secure", b"over TLS"))
            assert (status == "OK") == works, status
    assert radosgw.client.get(bucket, "secure") == b"over TLS"


def test_credentials_from_the_environment(radosgw, postern):
    backend = radosgw.backend(radosgw.bucket())
    del backend["credentials"]
    gateway = postern({"store": backend}, start=False)
    gateway.start({"AWS_ACCESS_KEY_ID": radosgw.access_key, "AWS_SECRET_ACCESS_KEY": radosgw.secret_key})
    with session(gateway) as sftp:
        write_all(sftp, "/f", b"x")
        assert sftp.listdir("/") == ["f"]


def test_prefix_of_a_backend_and_of_a_mount(radosgw, postern):
    bucket = radosgw.bucket()
    gateway = postern({"store": radosgw.backend(bucket, prefix="base/")},
                      mounts=[{"path": "/", "backend": "store", "prefix": "${user}/"}])
    with session(gateway) as sftp:
        write_all(sftp, "/f", b"x")
        assert sftp.listdir("/") == ["f"]
    assert "base/alice/f" in radosgw.client.keys(bucket)


def test_disk_attributes_and_links(postern, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    gateway = postern({"disk": {"type": "local", "root": str(root)}})
    client = Sftp(gateway, "alice", None, gateway.keys.user, tmp_path)
    (tmp_path / "in").write_bytes(b"content")
    said = client.batch(f"put -f {tmp_path / 'in'} /file", "chmod 600 /file", "ln -s file /soft", "ln /file /hard",
                        "df /", "ls -l /soft")
    assert stat.S_IMODE((root / "file").stat().st_mode) == 0o600
    assert os.readlink(root / "soft") == "file" and (root / "hard").samefile(root / "file")
    assert "%" in said  # what df printed
    with session(gateway) as sftp:
        assert sftp.readlink("/soft") == "file"
        assert stat.S_ISLNK(sftp.lstat("/soft").st_mode) and stat.S_ISREG(sftp.stat("/soft").st_mode)
        assert read_all(sftp, "/soft") == b"content"


@pytest.mark.parametrize("store_kind", ["chezdav", "httpfs", "apache"])
def test_space(store, postern, tmp_path):
    """What the server has, as `df` shows it: the quota properties of RFC 4331, `statvfs` of httpfs."""
    gateway = postern({"store": store.backend})
    client = Sftp(gateway, "alice", None, gateway.keys.user, tmp_path)
    (tmp_path / "in").write_bytes(os.urandom(1 << 20))
    client.batch(f"put {tmp_path / 'in'} /file")
    if store.kind == "apache":  # which says nothing of it
        with pytest.raises(ClientError):
            client.batch("df /")
        return
    disk = os.statvfs(tmp_path)
    size, used, available, _, percent = client.batch("df /").splitlines()[-1].split()
    assert abs(int(available) - disk.f_bavail * disk.f_frsize // 1024) < 1 << 20, "not within 1 GiB of what is free"
    assert int(size) >= int(used) + int(available) and int(used) >= 1024 and percent.endswith("%")


def test_disk_resume(postern, tmp_path):
    """`reput` goes on where an earlier upload ended."""
    root = tmp_path / "root"
    root.mkdir()
    data = os.urandom(500_000)
    (tmp_path / "in").write_bytes(data)
    (root / "part").write_bytes(data[:200_000])
    gateway = postern({"disk": {"type": "local", "root": str(root)}})
    client = Sftp(gateway, "alice", None, gateway.keys.user, tmp_path)
    client.batch(f"reput {tmp_path / 'in'} /part")
    assert (root / "part").read_bytes() == data
    (tmp_path / "out").write_bytes(data[:100_000])
    client.batch(f"reget /part {tmp_path / 'out'}")
    assert (tmp_path / "out").read_bytes() == data


def test_big_directory_on_disk(postern, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for number in range(5000):
        (root / f"{number:05}").touch()
    gateway = postern({"disk": {"type": "local", "root": str(root)}})
    with session(gateway) as sftp:
        assert len(set(sftp.listdir("/"))) == 5000


@pytest.mark.parametrize("store_kind", ["radosgw", "apache"])
def test_many_uploads_in_little_memory(store, postern):
    """More transfers than the budget holds parts for: each gets its turn, and nothing grows."""
    count, size = 10, 24 << 20
    gateway = postern({"store": store.backend}, limits={"memory_mb": 32})
    data = os.urandom(1 << 20) * (size >> 20)
    with session(gateway) as sftp:
        write_all(sftp, "/first", data)
    before, most = gateway.memory_kib(), 0

    def upload(number):
        with session(gateway) as sftp:
            write_all(sftp, f"/f{number}", data)
            return read_all(sftp, f"/f{number}") == data

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        work = [pool.submit(upload, n) for n in range(count)]
        while not all(w.done() for w in work):
            most = max(most, gateway.memory_kib())
            concurrent.futures.wait(work, timeout=0.05)
    assert all(w.result() for w in work)
    assert SANITIZED or most - before < (32 + 64) << 10, f"{before} KiB before, {most} KiB at most"
    assert store.uploads() == []


@pytest.mark.parametrize("store_kind", ["apache", "nginx", "rclone"])
def test_a_lock_of_somebody_else(store, postern):
    """What it locks stays as it is, and the client is told why (by nginx: docs/backends.md)."""
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        write_all(sftp, "/file", b"old")
        locked = run(["curl", "-sf", "-u", "dav:secret", "-X", "LOCK", "-H", "Timeout: Second-600", "-H", "Depth: 0",
                      "-H", "Content-Type: application/xml", "-d", '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
                      "<locktype><write/></locktype></lockinfo>", f"{store.backend['url']}/file"])
        assert locked.returncode == 0, locked.stderr
        deeds = [lambda: sftp.remove("/file"), lambda: sftp.rename("/file", "/other")]
        if store.kind != "nginx":  # its lock is not seen by a MOVE onto a name that is written with a %
            deeds.append(lambda: write_all(sftp, "/file", b"new"))
        for deed in deeds:
            assert "locked" in status_of(deed)
        assert read_all(sftp, "/file") == b"old"
    assert store.read("file") == b"old"
    wait_for(lambda: store.uploads() == [], "what was staged to go")


NO_SUCH_FILE, FAILURE, OP_UNSUPPORTED = 2, 4, 8


def code_of(sftp, work):
    """The status code that the last request of work() was answered with."""
    codes = []

    def convert(message):
        codes.append(message.get_int())
        if codes[-1] != 0:
            raise OSError(message.get_text())
    sftp._convert_status = convert
    try:
        work()
    except OSError:
        pass
    finally:
        del sftp._convert_status
    return codes[-1]


@pytest.mark.parametrize("store_kind", ["radosgw", "apache", "httpfs"])
def test_what_a_store_cannot_do(store, postern):
    """The statuses of docs/backends.md."""
    gateway = postern({"store": store.backend})
    with session(gateway) as sftp:
        sftp.mkdir("/folder")
        write_all(sftp, "/file", b"0123456789")

        def extended(name, *words):
            return lambda: sftp._request(CMD_EXTENDED, name, *words)

        rows = [(OP_UNSUPPORTED, lambda: sftp.symlink("/file", "/link")),
                (OP_UNSUPPORTED, extended("hardlink@openssh.com", "/file", "/link")),
                (OP_UNSUPPORTED, lambda: sftp.open("/file", "r+b")), (OP_UNSUPPORTED, lambda: sftp.open("/file", "ab")),
                (OP_UNSUPPORTED, lambda: sftp.truncate("/file", 5)),
                (FAILURE, lambda: sftp.posix_rename("/file", "/folder")),
                (NO_SUCH_FILE, lambda: sftp.posix_rename("/folder", "/file")),  # ENOTDIR, as from a disk
                (FAILURE, lambda: sftp.rename("/folder", "/file"))]
        if store.kind != "httpfs":
            rows.append((OP_UNSUPPORTED, extended("statvfs@openssh.com", "/")))
        for number, (code, work) in enumerate(rows):
            assert code_of(sftp, work) == code, number
        assert sorted(sftp.listdir("/")) == ["file", "folder"] and read_all(sftp, "/file") == b"0123456789"
