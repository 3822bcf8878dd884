"""A store that misbehaves: what the client sees is the truth, and the right bytes or an error."""
import os
import socket

import pytest

from gateway import PATIENCE, wait_for
from proxies import Fault, FaultProxy, complete, part, whole
from raw import read_all, session, status_of, write_all

BIG = os.urandom(1 << 20) * 20
SMALL = b"small" * 999

pytestmark = pytest.mark.s3


@pytest.fixture
def bucket(radosgw):
    return radosgw.bucket()


@pytest.fixture
def proxy(radosgw):
    made = FaultProxy(radosgw.client.host)
    yield made
    made.close()


@pytest.fixture
def gateway(proxy, radosgw, bucket, postern):
    return postern({"store": radosgw.backend(bucket, endpoint=proxy.endpoint, max_retries=4, request_timeout_s=3)})


@pytest.mark.parametrize("fault", [
    Fault("status", "PUT", whole, times=2), Fault("status", "PUT", whole, times=2, status=500, code="InternalError"),
    Fault("cut_request", "PUT", whole, times=2), Fault("lost_answer", "PUT", whole, times=1),
    Fault("hang", "PUT", whole, times=1), Fault("status", "GET", whole, times=2),
    Fault("cut_request", "GET", whole, times=2), Fault("truncate", "GET", whole, times=1, after=1000),
    Fault("lost_answer", "GET", whole, times=1),
], ids=lambda f: f"{f.method}-{f.kind}-{f.status}")
def test_small_survives(fault, gateway, proxy, radosgw, bucket):
    proxy.faults.append(fault)
    with session(gateway) as sftp:
        write_all(sftp, "/small", SMALL)
        assert read_all(sftp, "/small") == SMALL
    assert fault.seen == fault.times
    assert radosgw.client.get(bucket, "small") == SMALL


@pytest.mark.parametrize("fault", [
    Fault("status", "PUT", part, times=3), Fault("cut_request", "PUT", part, times=2),
    Fault("lost_answer", "PUT", part, times=2), Fault("status", "POST", lambda q: "uploads" in q, times=2),
    Fault("status", "POST", complete, times=2), Fault("ok_error", "POST", complete, times=1, code="InternalError"),
    Fault("lost_answer", "POST", complete, times=1), Fault("truncate", "GET", whole, times=3, after=700_000),
    Fault("status", "GET", whole, times=3), Fault("hang", "PUT", part, times=1),
], ids=lambda f: f"{f.method}-{f.kind}-{f.times}")
def test_big_survives(fault, gateway, proxy, radosgw, bucket):
    proxy.faults.append(fault)
    with session(gateway) as sftp:
        write_all(sftp, "/big", BIG)
        assert read_all(sftp, "/big") == BIG
    assert fault.seen >= 1
    assert radosgw.client.get(bucket, "big") == BIG
    assert radosgw.client.uploads(bucket) == []


@pytest.mark.parametrize("fault", [
    Fault("status", "PUT", part, times=None, status=500, code="InternalError"),
    Fault("status", "PUT", part, times=None, status=403, code="AccessDenied"),
    Fault("status", "POST", lambda q: "uploads" in q, times=None, status=403, code="AccessDenied"),
    Fault("status", "POST", complete, times=None, status=500, code="InternalError"),
    Fault("ok_error", "POST", complete, times=None, code="InternalError"),
], ids=lambda f: f"{f.method}-{f.kind}-{f.code}")
def test_failed_upload_leaves_the_old(fault, gateway, proxy, radosgw, bucket):
    radosgw.client.put(bucket, "big", SMALL)
    proxy.faults.append(fault)
    with session(gateway) as sftp:
        status = status_of(lambda: write_all(sftp, "/big", BIG))
        assert status not in ("OK", "NO_SUCH_FILE"), "a failed upload was reported as stored"
    proxy.faults.clear()
    assert radosgw.client.get(bucket, "big") == SMALL
    assert radosgw.client.keys(bucket) == ["big"]
    wait_for(lambda: radosgw.client.uploads(bucket) == [], "the parts to go")


@pytest.mark.parametrize("status,code,seen", [
    (503, "SlowDown", "FAILURE"), (500, "InternalError", "FAILURE"), (403, "AccessDenied", "PERMISSION_DENIED"),
    (403, "SignatureDoesNotMatch", "PERMISSION_DENIED"),
])
def test_trouble_is_never_a_missing_file(status, code, seen, gateway, proxy, radosgw, bucket):
    """A sync client that hears NO_SUCH_FILE would delete its side, or upload again."""
    radosgw.client.put(bucket, "there", SMALL)
    proxy.faults += [Fault("status", m, times=None, status=status, code=code) for m in ("GET", "HEAD", "PUT", "DELETE")]
    with session(gateway) as sftp:
        for work in (lambda: sftp.stat("/there"), lambda: read_all(sftp, "/there"), lambda: sftp.remove("/there"),
                     lambda: sftp.listdir("/"), lambda: write_all(sftp, "/new", SMALL)):
            got = status_of(work)
            assert got not in ("OK", "NO_SUCH_FILE")
            assert seen == "FAILURE" or got == seen
    proxy.faults.clear()
    assert radosgw.client.get(bucket, "there") == SMALL


def test_truncated_for_ever_is_an_error(gateway, proxy, radosgw, bucket):
    radosgw.client.put(bucket, "big", BIG)
    proxy.faults.append(Fault("truncate", "GET", whole, times=None, after=0))
    with session(gateway) as sftp:
        assert status_of(lambda: read_all(sftp, "/big")) not in ("OK", "NO_SUCH_FILE")


def test_changed_under_the_reader(gateway, radosgw, bucket):
    """Never bytes of two objects in one file."""
    radosgw.client.put(bucket, "big", BIG)
    other = os.urandom(1 << 20) * 20
    with session(gateway) as sftp:
        file = sftp.open("/big", "rb", 32768)
        first = file.read(32768)
        assert first == BIG[:32768]
        radosgw.client.put(bucket, "big", other)
        file.seek(15 << 20)
        got = []
        status = status_of(lambda: got.append(file.read(32768)))
        assert status not in ("OK", "NO_SUCH_FILE") or got[0] == BIG[15 << 20:][:32768]


def test_slow_down_for_all(faulty, radosgw, bucket, postern):
    """Two requests a second are all the store grants: slower, never wrong."""
    gateway = postern({"store": radosgw.backend(bucket, endpoint=faulty["SLOWDOWN"], max_retries=10)})
    with session(gateway) as sftp:
        for n in range(3):
            write_all(sftp, f"/f{n}", SMALL)
        assert sorted(sftp.listdir("/")) == ["f0", "f1", "f2"]
        assert read_all(sftp, "/f1") == SMALL


def test_slow_store(faulty, radosgw, bucket, postern):
    """1 MiB/s: the transfer takes its time, another session does not wait for it."""
    radosgw.client.put(bucket, "big", BIG[:6 << 20])
    gateway = postern({"store": radosgw.backend(bucket, endpoint=faulty["SLOW"])})
    with session(gateway) as sftp, session(gateway) as other:
        file = sftp.open("/big", "rb")
        file.prefetch()
        assert "big" in other.listdir("/")
        assert file.read() == BIG[:6 << 20]
        assert status_of(lambda: sftp.remove("/big")) not in ("OK", "NO_SUCH_FILE")  # DELETE is never answered
    assert radosgw.client.get(bucket, "big") is not None


def test_store_that_is_not_there(radosgw, bucket, postern):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        endpoint = f"http://127.0.0.1:{gone.getsockname()[1]}"
    gateway = postern({"store": radosgw.backend(bucket, endpoint=endpoint, max_retries=1, request_timeout_s=2)})
    with session(gateway) as sftp:
        assert status_of(lambda: sftp.stat("/x")) not in ("OK", "NO_SUCH_FILE")
        assert status_of(lambda: write_all(sftp, "/x", SMALL)) not in ("OK", "NO_SUCH_FILE")


def begins(query):
    return "uploads" in query


@pytest.mark.parametrize("fault", [Fault("held_answer", "POST", begins), Fault("lost_answer", "POST", begins)],
                         ids=lambda f: f.kind)
def test_no_upload_of_a_killed_gateway_stays(fault, proxy, radosgw, bucket, postern, tmp_path):
    """Not even one that S3 has begun and the gateway never heard of; another's of the same key does."""
    (tmp_path / "state").mkdir()
    gateway = postern({"store": radosgw.backend(bucket, endpoint=proxy.endpoint)}, state_dir=str(tmp_path / "state"))
    others = radosgw.client.begin(bucket, "big")
    radosgw.client.put_part(bucket, "big", others, 1, SMALL)
    proxy.faults.append(fault)
    with session(gateway) as sftp:
        file = sftp.open("/big", "wb")
        sftp.held = file  # paramiko closes a file that nobody holds
        file.write(BIG)
        if fault.kind == "held_answer":
            assert proxy.held.wait(PATIENCE)
        else:
            wait_for(lambda: proxy.count("PUT", part) > 0, "a part")
        gateway.kill()
    left = 2 if fault.kind == "held_answer" else 3
    wait_for(lambda: radosgw.client.uploads(bucket) == ["big"] * left, "all that was begun")
    gateway.start()
    wait_for(lambda: radosgw.client.uploads(bucket) == ["big"], "what the killed one began to go")
    radosgw.client.must("DELETE", f"/{bucket}/big", {"uploadId": others})  # is still there
