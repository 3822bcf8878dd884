"""Random and appended writes onto a store that takes whole files: by the spool in state_dir."""
import os
import shutil
import stat
import threading

import pytest
from paramiko import sftp_client
from paramiko.sftp import CMD_CLOSE, CMD_EXTENDED

from clients import Sftp, Sshfs, missing
from gateway import POSTERN, run, wait_for
from raw import close, read_all, session, status_of, write_all

OLD = b"0123456789" * 1000
int64 = getattr(sftp_client, "int64", None) or sftp_client.long  # what paramiko sends as uint64, by its version
BUCKET = pytest.mark.parametrize("store_kind", ["radosgw"])
EVERYWHERE = pytest.mark.parametrize("store_kind", ["radosgw", "apache", "nginx", "rclone", "httpfs", "httpfs_plain"])


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def gateway(store, postern, state):
    running = postern({"store": store.backend}, state_dir=str(state), limits={"spool_mb": 64})
    with session(running) as sftp:
        write_all(sftp, "/file", OLD)
    return running


def spooled(gateway):
    """The files of the spool that the gateway holds: (what the descriptor's name is, its attributes)."""
    found = []
    for link in os.scandir(f"/proc/{gateway.process.pid}/fd"):
        try:
            name = os.readlink(link.path)
            if "/spool/" in name:
                found.append((name, os.stat(link.path)))
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def assert_nothing_left(gateway, store, state, names=("file",)):
    assert list((state / "spool").iterdir()) == []
    wait_for(lambda: spooled(gateway) == [], "the files of the spool to go")
    wait_for(lambda: store.uploads() == [], "the parts to go")
    assert store.names() == sorted(names)


@EVERYWHERE
def test_writes_anywhere(gateway, store, state):
    with session(gateway) as sftp:
        with sftp.open("/file", "r+b") as file:
            file.seek(4)
            file.write(b"XY")
            file.seek(0)
            assert file.read(10) == b"0123XY6789"
            assert store.read("file") == OLD  # until the CLOSE
        expected = b"0123XY" + OLD[6:]
        assert store.read("file") == expected
        with sftp.open("/file", "ab") as file:
            file.write(b"one")
            file.write(b"two")
        expected += b"onetwo"
        assert store.read("file") == expected
        sftp.truncate("/file", 3)
        assert store.read("file") == b"012"
        sftp.truncate("/file", 5)
        assert store.read("file") == b"012\0\0"
        sftp.truncate("/file", 0)
        assert store.read("file") == b""
        with sftp.open("/new", "w+b") as file:
            file.seek(1 << 20)
            file.write(b"after a hole")
            assert file.stat().st_size == (1 << 20) + 12
            file.truncate((1 << 20) + 5)
            assert sftp.stat("/new").st_size == (1 << 20) + 5
            file.seek(0)
            assert file.read(4) == b"\0\0\0\0"
        assert store.read("new") == bytes(1 << 20) + b"after"
        with sftp.open("/fresh", "ab") as file:
            file.write(b"appended to nothing")
        assert store.read("fresh") == b"appended to nothing"
    assert_nothing_left(gateway, store, state, ["file", "fresh", "new"])


@BUCKET
def test_answers(gateway, store, state):
    with session(gateway) as sftp:
        sftp.mkdir("/dir")
        assert status_of(lambda: sftp.open("/none", "r+b")) == "NO_SUCH_FILE"
        for mode in ("r+b", "ab", "w+b"):
            assert status_of(lambda mode=mode: sftp.open("/dir", mode)) not in ("OK", "NO_SUCH_FILE")
        assert status_of(lambda: sftp.open("/file", "w+xb")) not in ("OK", "NO_SUCH_FILE")
        assert status_of(lambda: sftp.truncate("/none", 4)) == "NO_SUCH_FILE"
        with sftp.open("/file", "r+b") as file:
            file.utime((1_400_000_000, 1_400_000_000))
        assert sftp.stat("/file").st_mtime == 1_400_000_000
        with sftp.open("/file", "r+b") as file:
            file.write(b"!")
            file.utime((1_300_000_000, 1_300_000_000))
            assert file.stat().st_mtime == 1_300_000_000
        assert sftp.stat("/file").st_mtime == 1_300_000_000
        sftp.rmdir("/dir")
    assert_nothing_left(gateway, store, state)


@BUCKET
def test_the_spool_is_ours_alone(gateway, store, state):
    with session(gateway) as sftp:
        file = sftp.open("/file", "r+b")
        ((name, attributes),) = spooled(gateway)
        assert "(deleted)" in name and stat.S_IMODE(attributes.st_mode) == 0o600
        assert stat.S_IMODE((state / "spool").stat().st_mode) == 0o700
        assert list((state / "spool").iterdir()) == []
        close(file)
    assert_nothing_left(gateway, store, state)


@BUCKET
def test_a_stream_stays_a_stream(gateway, store, state):
    """Nothing of an ordinary upload touches the disk; one that seeks is refused with words."""
    with session(gateway) as sftp:
        file = sftp.open("/file", "wb")
        file.write(b"x" * 100_000)
        assert spooled(gateway) == []

        def seek():
            file.seek(500 << 20)
            file.write(b"far")
            close(file)
        status = status_of(seek)
        assert "read" in status and "write" in status, status
    assert store.read("file") == OLD


@BUCKET
def test_two_handles_and_a_rename(gateway, store, state):
    with session(gateway) as sftp:
        one, two = sftp.open("/file", "r+b"), sftp.open("/file", "r+b")
        one.write(b"one")
        two.write(b"two2")
        close(two)
        assert store.read("file") == b"two2" + OLD[4:]
        close(one)  # each had a file of its own: the last CLOSE wins
        assert store.read("file") == b"one" + OLD[3:]
        three = sftp.open("/file", "r+b")
        three.write(b"three")
        sftp.rename("/file", "/moved")
        close(three)  # stored under the name that it was opened by
        assert store.read("moved") == b"one" + OLD[3:]
        assert store.read("file") == b"three" + OLD[5:]
    assert_nothing_left(gateway, store, state, ["file", "moved"])


@BUCKET
def test_many_at_once(gateway, store, state):
    errors = []

    def work(number):
        try:
            with session(gateway) as sftp:
                write_all(sftp, f"/{number}", OLD)
                for _ in range(3):
                    with sftp.open(f"/{number}", "r+b") as file:
                        file.seek(number)
                        file.write(b"%d" % number)
                    with sftp.open(f"/{number}", "ab") as file:
                        file.write(b"end")
        except Exception as problem:  # pylint: disable=broad-except
            errors.append(problem)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for number in range(8):
        digit = b"%d" % number
        assert store.read(str(number)) == OLD[:number] + digit + OLD[number + 1:] + b"endendend"
    assert_nothing_left(gateway, store, state, ["file", *map(str, range(8))])


@BUCKET
@pytest.mark.parametrize("how", ["client", "gateway"])
def test_killed(how, gateway, store, state, keys):
    """What was changed and not closed never appears, and the disk is clean."""
    with session(gateway) as sftp:
        file = sftp.open("/file", "r+b")
        file.write(b"lost")
        assert spooled(gateway)
        if how == "client":
            sftp.transport.close()
            gateway.wait_event("disconnect", count=2)
        else:
            (state / "spool" / (".gateway-upload." + "0" * 24)).write_bytes(b"of a file system without O_TMPFILE")
            gateway.kill()
            gateway.start()
            gateway.wait_event("sweep", backend="spool")
    assert_nothing_left(gateway, store, state)
    assert store.read("file") == OLD


@BUCKET
def test_no_room(store, postern, state):
    """limits.spool_mb bounds the process: who does not fit is told so, and room comes back."""
    gateway = postern({"store": store.backend}, state_dir=str(state), limits={"spool_mb": 1})
    with session(gateway) as one, session(gateway) as two:
        write_all(one, "/large", b"x" * (1 << 20) + b"y")
        write_all(one, "/small", OLD)
        assert "spool_mb" in status_of(lambda: one.open("/large", "r+b"))
        held = one.open("/a", "w+b")
        held.write(b"x" * 32768)
        held.truncate(3 << 18)
        assert "spool_mb" in status_of(lambda: one.open("/small", "r+b"))
        assert "spool_mb" in status_of(lambda: held.truncate((3 << 18) + 1))
        with two.open("/small", "r+b") as file:  # the last quarter is for others
            file.write(b"?")
        assert status_of(lambda: close(held)) != "OK"
        with two.open("/small", "r+b") as file:
            file.write(b"!")
    assert store.read("small") == b"!" + OLD[1:] and store.read("a") is None


@pytest.mark.parametrize("store_kind", ["radosgw", "apache", "httpfs"])
def test_disk_full(store, postern, state):
    """The disk itself has no room: a clear failure, and the old file stays."""
    if run(["unshare", "-rm", "true"]).returncode != 0:
        pytest.skip("no user namespaces here")
    wrapper = state.parent / "on-a-small-disk"
    wrapper.write_text(f'#!/bin/sh\nmount -t tmpfs -o size=1m none {state} && exec unshare -m {POSTERN} "$@"\n')
    wrapper.chmod(0o755)
    inside = state.parent / "inside"
    inside.write_text(f'#!/bin/sh\nexec unshare -rm {wrapper} "$@"\n')
    inside.chmod(0o755)
    gateway = postern({"store": store.backend}, start=False, state_dir=str(state))
    gateway.start(binary=inside)
    with session(gateway) as sftp, session(gateway) as other:
        write_all(sftp, "/large", b"x" * (3 << 20))
        write_all(sftp, "/small", OLD)
        assert "disk" in status_of(lambda: sftp.open("/large", "r+b"))
        file = sftp.open("/small", "r+b")

        def grow():
            for at in range(0, 3 << 20, 32768):
                file.seek(at)
                file.write(b"x" * 32768)
        assert "disk" in status_of(grow)  # at the WRITE that has no room
        write_all(other, "/other", OLD)  # nobody else is harmed
        assert read_all(other, "/large") == b"x" * (3 << 20)
        assert "not stored" in status_of(lambda: close(file))
        assert store.read("small") == OLD
        wait_for(lambda: spooled(gateway) == [], "its file to go")
        with sftp.open("/small", "ab") as file:  # and the room is there again
            file.write(b"x" * (900 << 10))
            close(file)
    assert store.read("small") == OLD + b"x" * (900 << 10) and store.read("other") == OLD
    wait_for(lambda: spooled(gateway) == [], "the files of the spool to go")
    assert store.uploads() == []


@pytest.mark.parametrize("store_kind", ["radosgw", "swift", "apache", "httpfs"])
@pytest.mark.parametrize("more", [{}, {"limits": {"spool_mb": 0}}])
def test_without_a_spool(more, store, postern, state):
    gateway = postern({"store": store.backend}, **(dict(more, state_dir=str(state)) if more else {}))
    with session(gateway) as sftp:
        write_all(sftp, "/file", OLD)
        for mode in ("r+b", "ab", "w+ab"):
            assert "state_dir" in status_of(lambda mode=mode: sftp.open("/file", mode))
        assert "state_dir" in status_of(lambda: sftp.truncate("/file", 4))
        write_all(sftp, "/cut", OLD)
        sftp.truncate("/cut", 0)
    assert store.read("file") == OLD and store.read("cut") == b"" and not (state / "spool").exists()


@pytest.mark.parametrize("store_kind", ["radosgw", "apache", "httpfs"])
def test_read_and_write_without_a_spool(store, postern, big_file):
    """Go's Create and others open so what they only write: a stream, until they read or write elsewhere."""
    gateway = postern({"store": store.backend})
    data = big_file.read_bytes()[:9 << 20]
    with session(gateway) as sftp:
        file = sftp.open("/made", "w+b")
        file.set_pipelined(True)
        for at in range(0, len(data), 32768):
            file.write(data[at:at + 32768])
        file.set_pipelined(False)
        assert file.stat().st_size == len(data)
        file.seek(0)
        assert "state_dir" in status_of(lambda: file.read(10))
        assert store.read("made") is None
        close(file)  # it has lost nothing
        assert store.read("made") == data

        def change():
            file = sftp.open("/made", "w+b")
            for at in range(0, len(data), 32768):
                file.write(data[at:at + 32768])
            file.seek(10)
            file.write(b"back")
            close(file)
        assert "begin to end" in status_of(change)
        assert status_of(lambda: sftp.open("/made", "w+xb")) not in ("OK", "NO_SUCH_FILE")
    assert store.read("made") == data
    wait_for(lambda: store.uploads() == [], "what was sent to go")


@BUCKET
def test_resume_and_copy(gateway, store, state, tmp_path):
    """OpenSSH's client: `reput`, and `cp` onto what is there."""
    data = os.urandom(500_000)
    (tmp_path / "in").write_bytes(data)
    with session(gateway) as sftp:
        write_all(sftp, "/part", data[:200_000])
    client = Sftp(gateway, "alice", None, gateway.keys.user, tmp_path)
    client.batch(f"reput {tmp_path / 'in'} /part")
    assert store.read("part") == data
    client.batch("cp /part /file")
    assert store.read("file") == data
    assert_nothing_left(gateway, store, state, ["file", "part"])


@BUCKET
def test_copy_into_a_spooled_file(gateway, store, state):
    with session(gateway) as sftp:
        source, target = sftp.open("/file", "rb"), sftp.open("/new", "w+b")
        target.write(b"head")
        sftp._request(CMD_EXTENDED, "copy-data", source.handle, int64(10), int64(20), target.handle, int64(4))
        assert target.stat().st_size == 24
        close(target)
        source.close()
    assert store.read("new") == b"head" + OLD[10:30]
    assert_nothing_left(gateway, store, state, ["file", "new"])


@EVERYWHERE
def test_sshfs_with_fio(gateway, store, state, tmp_path):
    """Random writes, each verified when it is read back."""
    why = missing("sshfs") or (None if shutil.which("fio") else "fio is not installed")
    if why:
        pytest.skip(why)
    with Sshfs(gateway, "alice", None, gateway.keys.user, tmp_path) as client:
        done = run(["fio", "--name=random", f"--filename={client.mount}/fio", "--size=4m", "--bs=4k",
                    "--rw=randwrite", "--ioengine=psync", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1",
                    "--verify_state_save=0", "--fallocate=none", "--randrepeat=0"], cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        with (client.mount / "file").open("ab") as file:
            file.write(b"appended")
        with (client.mount / "file").open("r+b") as file:
            file.write(b"begin")
        os.truncate(client.mount / "file", len(OLD) + 3)
    assert len(store.read("fio")) == 4 << 20
    assert store.read("file") == b"begin" + OLD[5:] + b"app"
    assert_nothing_left(gateway, store, state, ["file", "fio"])


def test_check(postern, tmp_path, keys):
    """`check` and the start say what is wrong with the folder, and `check` changes nothing."""
    (tmp_path / "plain").write_bytes(b"")
    (tmp_path / "state").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "spool").symlink_to(tmp_path / "state")
    rows = [("relative", "absolute", True), (tmp_path / "none", "no such folder", True),
            (tmp_path / "plain", "not a folder", True), (tmp_path / "linked", "owns", False),
            (tmp_path / "state", None, False)]
    for folder, words, checked in rows:
        gateway = postern({"m": {"type": "memory"}}, start=False, state_dir=str(folder))
        answer = run([POSTERN, "check", "--config", gateway.config])
        assert (answer.returncode != 0) == checked, answer.stderr
        assert not checked or f"state_dir: {folder}" in answer.stderr and words in answer.stderr
        if words is not None:
            started = run([POSTERN, "serve", "--config", gateway.config])
            assert started.returncode == 78 and words in started.stderr, started.stderr
    assert list((tmp_path / "state").iterdir()) == []


@BUCKET
@pytest.mark.parametrize("how", ["client", "gateway"])
def test_killed_while_it_is_stored(how, gateway, store, state):
    """The CLOSE is under way, parts are at the store: still the old object, and the parts go."""
    with session(gateway) as sftp:
        file = sftp.open("/file", "r+b")
        file.truncate(40 << 20)
        sftp._async_request(type(None), CMD_CLOSE, file.handle)
        file._closed = True
        wait_for(lambda: list(state.glob("s3-uploads/*-*")), "the note of an upload that has begun")
        if how == "client":
            sftp.transport.close()
            gateway.wait_event("partial", path="/file", result="ended_in_close")
        else:
            gateway.kill()
            gateway.start()
    assert_nothing_left(gateway, store, state)
    assert store.read("file") == OLD


@BUCKET
def test_more_than_a_part(gateway, store, state, big_file):
    """Fetched, changed and stored in parts."""
    data = bytearray(big_file.read_bytes()[:30 << 20])
    with session(gateway) as sftp:
        write_all(sftp, "/file", bytes(data))
        with sftp.open("/file", "r+b") as file:
            for at in (0, 5 << 20, (17 << 20) + 1, len(data) - 7):
                file.seek(at)
                file.write(b"changed")
                data[at:at + 7] = b"changed"
            file.seek(12 << 20)
            assert file.read(100) == data[12 << 20:(12 << 20) + 100]
            close(file)
    assert store.read("file") == data
    assert_nothing_left(gateway, store, state)
