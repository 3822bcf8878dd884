"""The http verifier against a real HTTP server: logins, TLS, hostile names, bad days, many at once."""
import concurrent.futures
import hashlib
import hmac
import json
import os
import socket
import time

import paramiko
import pytest

from authority import ACCEPT, REJECT, Authority, Certificates, basic, public_key_of
from clients import ClientError, Paramiko, Sftp
from gateway import PASSWORD, POSTERN, ROOT, SANITIZED, run
from raw import Login, connected, session

CONFIG, UNAVAILABLE = 78, 69
SFTPGO = {"dialect": "sftpgo", "home_base": "/srv", "backend": "disk"}
TEMPLATE = {"dialect": "template", "accept_when": {"status": 200}}


@pytest.fixture
def authority():
    """A factory of verifiers; all end with the test."""
    made = []

    def factory(decide, **more):
        made.append(Authority(decide, **more))
        return made[-1]

    yield factory
    for one in made:
        one.close()


@pytest.fixture
def disk(tmp_path):
    root = tmp_path / "disk"
    root.mkdir()
    return root


@pytest.fixture
def asking(postern, disk):
    """asking(url, ...): a gateway whose only verifier is there."""
    def factory(url, start=True, login=None, **keys):
        return postern({"disk": {"type": "local", "root": str(disk)}}, start=start,
                       mounts=[{"path": "/", "backend": "disk", "prefix": "${user}"}],
                       auth=dict({"failure_delay_ms": 50, "verifiers": [dict({"type": "http", "url": url}, **keys)]},
                                 **(login or {})))
    return factory


def outcome(gateway, user="alice", password=PASSWORD):
    """How a login by password ends for the client: the words, and the seconds."""
    transport = paramiko.Transport(("127.0.0.1", gateway.port))
    try:
        transport.start_client(timeout=60)
        began = time.monotonic()
        try:
            transport.auth_password(user, password)
            words = "in"
        except paramiko.SSHException as problem:
            words = repr(problem)
        return words, time.monotonic() - began
    finally:
        transport.close()


def test_logins_by_password_and_by_key(asking, authority, disk, keys, tmp_path):
    mine = keys.public(keys.user).rsplit(" ", 1)[0]

    def decide(asked):
        identity = {"mounts": [{"path": "/", "backend": "disk", "prefix": "drops"},
                               {"path": "/look", "backend": "disk", "prefix": "shared", "read_only": True}]}
        if asked["method"] == "password":
            return {"decision": "accept", "identity": identity} if asked["password"] == PASSWORD else REJECT
        return {"decision": "accept", "identity": identity} if public_key_of(asked) == mine else REJECT

    (disk / "drops").mkdir()
    (disk / "shared").mkdir()
    (disk / "shared/notice").write_bytes(b"read me")
    one = authority(decide)
    gateway = asking(one.url)
    local = tmp_path / "local"
    local.write_bytes(b"payload")
    for i, who in enumerate(({"password": PASSWORD}, {"key": keys.user})):
        with Sftp(gateway, "alice", folder=tmp_path, **who) as client:
            client.put(local, f"/by-{i}")
            client.get("/look/notice", tmp_path / "notice")
            with pytest.raises(ClientError):
                client.put(local, "/look/no")
        assert (disk / f"drops/by-{i}").read_bytes() == b"payload"
        assert (tmp_path / "notice").read_bytes() == b"read me"
    with pytest.raises(ClientError):
        Paramiko(gateway, "alice", password="wrong", folder=tmp_path)
    with pytest.raises(ClientError):
        Paramiko(gateway, "alice", key=keys.other, folder=tmp_path)
    assert gateway.wait_event("login_failed", verifier="http[0]", reason="the authority says no")
    asked = one.asked[0]
    assert asked["client"]["address"] == "127.0.0.1" and asked["server"]["port"] == gateway.port
    assert PASSWORD not in gateway.log()


def test_keys_in_the_identity(asking, authority, keys, tmp_path):
    gateway = asking(authority(lambda asked: {"identity": {"public_keys": [keys.public(keys.user)]}}).url)
    with Sftp(gateway, "alice", key=keys.user, folder=tmp_path) as client:
        client.names("/")
    with pytest.raises(ClientError):
        Paramiko(gateway, "alice", key=keys.other, folder=tmp_path)
    with pytest.raises(ClientError):  # keys are no answer to a password
        Paramiko(gateway, "alice", password=PASSWORD, folder=tmp_path)


def test_who_we_are(asking, authority):
    secret = "a secret of sixteen bytes"
    rows = [({"headers": {"X-Tenant": "a b"}}, "X-Tenant", "a b"),
            ({"auth": {"type": "bearer", "token": "tok"}}, "Authorization", "Bearer tok"),
            ({"auth": {"type": "basic", "user": "p", "password": "q:r"}}, "Authorization", basic("p", "q:r")),
            ({"auth": {"type": "header", "name": "X-Key", "value": "v"}}, "X-Key", "v"),
            ({"hmac": secret}, "X-Postern-Signature", None)]
    for more, header, value in rows:
        one = authority(lambda asked: ACCEPT)
        gateway = asking(one.url, **more)
        assert outcome(gateway)[0] == "in"
        request = one.requests[0]
        if value is None:
            stamp = request["headers"]["X-Postern-Timestamp"]
            assert abs(int(stamp) - time.time()) < 60
            signed = stamp.encode() + b"." + request["body"]
            value = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        assert request["headers"][header] == value


def test_unix_socket_and_kept_connections(asking, authority, tmp_path):
    one = authority(lambda asked: ACCEPT, unix=str(tmp_path / "id.sock"))
    gateway = asking(one.url, start=False)
    gateway.settings["limits"] = {"loops": 1}
    gateway.write_settings()
    gateway.start()
    for _ in range(5):
        assert outcome(gateway)[0] == "in"
    assert len(one.requests) == 5 and {r["path"] for r in one.requests} == {"/login"}
    assert one.connections == 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return Certificates(folder), Certificates(folder, "other-ca")


@pytest.mark.parametrize("names,age,demand,tls,let_in", [
    (["127.0.0.1"], (-2, 2), False, ["ca"], True),
    (["127.0.0.1"], (-2, 2), False, ["other"], False),
    (["127.0.0.1"], (-2, 2), False, [], False),
    (["localhost"], (-2, 2), False, ["ca"], False),
    (["id.example.net"], (-2, 2), False, ["ca", "name"], True),
    (["127.0.0.1"], (-2, 2), False, ["ca", "name"], False),
    (["127.0.0.1"], (-4, -2), False, ["ca"], False),
    (["127.0.0.1"], (2, 4), False, ["ca"], False),
    (["127.0.0.1"], (-2, 2), True, ["ca"], False),
    (["127.0.0.1"], (-2, 2), True, ["ca", "client"], True),
    (["127.0.0.1"], (-2, 2), True, ["ca", "foreign client"], False),
], ids=["good", "another CA", "the system's CAs", "wrong name", "pinned name", "not the pinned name", "expired",
        "not yet valid", "no client certificate", "client certificate", "another CA's client certificate"])
def test_tls(names, age, demand, tls, let_in, asking, authority, certificates, tmp_path):
    ca, other = certificates
    server = ca.make("server", names, *age)
    one = authority(lambda asked: ACCEPT, context=ca.context(server, ca.ca if demand else None))
    conf = {"ca_file": str(other.ca if "other" in tls else ca.ca)} if {"ca", "other"} & set(tls) else {}
    if "name" in tls:
        conf["server_name"] = "id.example.net"
    for word, signer in (("client", ca), ("foreign client", other)):
        if word in tls:
            conf["cert_file"], conf["key_file"] = map(str, signer.make(word.replace(" ", "-")))
    gateway = asking(one.url, tls=conf, retries=0)
    assert (outcome(gateway)[0] == "in") == let_in, gateway.log()
    assert len(one.requests) == let_in
    probed = run([POSTERN, "check", "--probe", "--config", gateway.config])
    assert (probed.returncode == 0) == let_in, probed.stdout + probed.stderr
    if let_in:
        assert [r["method"] for r in one.requests[1:]] == ["OPTIONS"]


NAMES = ["a/b", "..", "../../etc", "a\nb", 'a"},{"b', "a&b=c%2e%2e", "a\\b", "${user}", "%s%n", "ä€😀", "a b", "-rf"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_hostile_names_arrive_as_they_are_and_stay_inside(name, asking, authority, disk):
    one = authority(lambda asked: ACCEPT)
    gateway = asking(one.url)
    with session(gateway, user=name, password=PASSWORD) as sftp:
        with sftp.open("/mine", "wb") as f:
            f.write(b"x")
    assert one.asked[0]["user"] == name
    [folder] = [p.name for p in disk.iterdir()]
    assert (disk / folder / "mine").read_bytes() == b"x"
    assert folder not in (".", "..") and "/" not in folder


@pytest.mark.parametrize("name", ["x" * 1024, "", b"\xff\xfe"], ids=["1 KiB", "empty", "not UTF-8"])
def test_names_that_are_none_are_refused_unasked(name, asking, authority):
    one = authority(lambda asked: ACCEPT)
    gateway = asking(one.url)
    assert outcome(gateway, user=name)[0] != "in"
    assert one.asked == []


def test_a_name_ends_at_a_nul_for_everybody(asking, authority, disk):
    """libssh hands out C strings: the verifier is asked about the user whose folder it then is."""
    one = authority(lambda asked: ACCEPT)
    gateway = asking(one.url)
    with session(gateway, user="a\0/../b", password=PASSWORD) as sftp:
        with sftp.open("/mine", "wb") as f:
            f.write(b"x")
    assert one.asked[0]["user"] == "a"
    assert [p.name for p in disk.iterdir()] == ["a"]


def test_long_passwords(asking, authority):
    longest = "p\n\"\\\x01" * 204
    one = authority(lambda asked: ACCEPT if asked["password"] == longest else REJECT)
    gateway = asking(one.url)
    assert outcome(gateway, password=longest)[0] == "in"
    assert len(one.asked) == 1
    assert outcome(gateway, password="p" * 65536)[0] != "in"
    assert len(one.asked) == 1  # refused unasked
    assert outcome(gateway, password=longest)[0] == "in"


def dead_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_refusals_look_and_take_the_same(asking, authority):
    """Unknown user, wrong password, nonsense, nobody there: one answer, failure_delay_ms after the attempt."""
    answers = {"unknown": {"decision": "next"}, "wrong": REJECT, "html": (200, b"<html>"), "busy": (503, b"")}
    one = authority(lambda asked: answers[asked["user"]])
    delay = {"failure_delay_ms": 400}
    gateway, dead = asking(one.url, login=delay), asking(f"http://127.0.0.1:{dead_port()}/", login=delay)
    ends = [outcome(gateway, user=user) for user in answers] + [outcome(dead)]
    assert len({words for words, _ in ends}) == 1, ends
    times = [seconds for _, seconds in ends]
    assert min(times) >= 0.4 and max(times) - min(times) < (1.0 if SANITIZED else 0.3), times
    assert gateway.wait_event("login_failed", user="busy")["reason"] != gateway.wait_event(
        "login_failed", user="wrong")["reason"]


def test_breaker_says_each_change_once(asking, authority):
    alive = {"now": False}
    one = authority(lambda asked: ACCEPT if alive["now"] else (503, b""))
    gateway = asking(one.url, retries=0, breaker={"faults": 3, "pause_s": 1})
    for _ in range(6):
        assert outcome(gateway)[0] != "in"
    assert len(one.requests) == 3
    alive["now"] = True
    gateway.wait_event("verifier_breaker", state="open")
    end = time.monotonic() + 30
    while outcome(gateway)[0] != "in":
        assert time.monotonic() < end
    gateway.wait_event("verifier_breaker", state="closed")
    states = [e["state"] for e in gateway.events("verifier_breaker")]
    assert states == ["open", "half-open", "closed"]


def try_many(gateway, count):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: outcome(gateway)[0], range(count)))


@pytest.mark.slow
def test_500_logins_at_once_on_a_slow_verifier(asking, authority, disk, keys, tmp_path):
    """None fails, and a session that is there goes on reading."""
    count = 100 if SANITIZED else 500

    def decide(asked):
        if asked["method"] == "password":
            time.sleep(2)
        return ACCEPT

    one = authority(decide)
    gateway = asking(one.url, start=False, timeout_ms=60000)
    gateway.settings["limits"] = {"unauthenticated": 1000, "connections_per_source": 1000}
    gateway.settings["timeouts"] = {"handshake_s": 300, "login_s": 300}
    gateway.write_settings()
    gateway.start()
    (disk / "reader").mkdir()
    (disk / "reader/small").write_bytes(os.urandom(4096))
    reader = Sftp(gateway, "reader", key=keys.user, folder=tmp_path)
    reads = 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        storm = pool.submit(try_many, gateway, count)
        while not storm.done():
            reader.batch(*[f"get small {tmp_path}/small"] * 20)
            reads += 1
        assert set(storm.result()) == {"in"}
    assert reads > 0 and (tmp_path / "small").read_bytes() == (disk / "reader/small").read_bytes()
    assert len([a for a in one.asked if a["method"] == "password"]) == count


@pytest.mark.parametrize("keys_given,path,said", [
    ({"url": "id.example.net"}, "auth.verifiers[0].url", "must begin with"),
    ({"url": "http://me:pw@id.example.net/"}, "auth.verifiers[0].url", "\"auth\""),
    ({}, "auth.verifiers[0].url", "is missing"),
    ({"url": "https://a/", "ulr": 1}, "auth.verifiers[0].ulr", "did you mean \"url\""),
    ({"url": "https://a/", "tls": {"ca_file": "/nowhere.pem"}}, "auth.verifiers[0].tls.ca_file", "No such file"),
    ({"url": "https://a/", "tls": {"insecure": True}}, "auth.verifiers[0].tls.insecure", "no such key"),
    ({"url": "https://a/", "headers": {"X y": "z"}}, "auth.verifiers[0].headers", "is no name"),
    ({"url": "https://a/", "headers": {"X": "a\r\nY: b"}}, "auth.verifiers[0].headers.X", "control characters"),
    ({"url": "https://a/", "headers": {"Content-Length": "0"}}, "auth.verifiers[0].headers", "by postern itself"),
    ({"url": "https://a/", "auth": {"type": "bearer"}}, "auth.verifiers[0].auth", "\"token\" is needed"),
    ({"url": "https://a/", "auth": {"token": "x"}}, "auth.verifiers[0].auth", "has no meaning"),
    ({"url": "https://a/", "hmac": "short"}, "auth.verifiers[0].hmac", "16"),
    ({"url": "https://a/", "dialect": "postren"}, "auth.verifiers[0].dialect", "postern"),
])
def test_check_finds_mistakes(keys_given, path, said, asking):
    gateway = asking("", start=False)
    gateway.settings["auth"]["verifiers"] = [dict({"type": "http"}, **keys_given)]
    gateway.write_settings()
    done = run([POSTERN, "check", "--config", gateway.config])
    assert done.returncode == CONFIG
    [line] = [text for text in done.stderr.splitlines() if path in text]
    assert said in line


def test_probe_and_print(asking, authority, tmp_path):
    one = authority(lambda asked: ACCEPT)
    gateway = asking(one.url, start=False, hmac="a secret of sixteen bytes",
                     headers={"X-Key": "hidden as well"})
    done = run([POSTERN, "check", "--probe", "--config", gateway.config])
    assert done.returncode == 0, done.stderr
    assert [(r["method"], r["asked"]) for r in one.requests] == [("OPTIONS", {})]
    shown = run([POSTERN, "config", "--print", "--config", gateway.config]).stdout
    assert "sixteen" not in shown and "hidden" not in shown and "X-Key" in shown
    gateway.settings["auth"]["verifiers"][0]["url"] = f"http://127.0.0.1:{dead_port()}/"
    gateway.write_settings()
    done = run([POSTERN, "check", "--probe", "--config", gateway.config])
    assert done.returncode == UNAVAILABLE and "auth.verifiers[0]" in done.stderr


@pytest.mark.parametrize("where,probes", [
    (lambda alive, dead: dict(SFTPGO, url=alive, keyboard_interactive_url=alive), 2),
    (lambda alive, dead: dict(SFTPGO, url=alive, keyboard_interactive_url=dead), None),
    (lambda alive, dead: dict(SFTPGO, url=dead, keyboard_interactive_url=alive), None),
    (lambda alive, dead: dict(TEMPLATE, url=dead, request={"url": alive + "?p=${password}"}), 1),
    (lambda alive, dead: dict(TEMPLATE, url=alive, request={"url": dead + "?p=${password}"}), None)],
    ids=["both hooks", "the second is dead", "the first is dead", "its own URL", "its own URL is dead"])
def test_probe_asks_where_logins_ask(where, probes, asking, authority):
    one = authority(lambda asked: ACCEPT)
    gateway = asking("", start=False)
    verifier = dict({"type": "http"}, **where(one.url, f"http://127.0.0.1:{dead_port()}/"))
    gateway.settings["auth"]["verifiers"] = [verifier]
    gateway.write_settings()
    done = run([POSTERN, "check", "--probe", "--config", gateway.config])
    assert done.returncode == (UNAVAILABLE if probes is None else 0), done.stderr
    assert probes is None or [r["method"] for r in one.requests] == ["OPTIONS"] * probes


def test_the_example_of_the_documentation(postern, authority, certificates, keys, tmp_path, disk, monkeypatch):
    """As it stands, but for the places of things."""
    ca, _ = certificates
    one = authority(lambda asked: ACCEPT, context=ca.context(ca.make("example", ["127.0.0.1"])))
    example = json.loads((ROOT / "docs/examples/verifier.json").read_text())
    verifier = example["auth"]["verifiers"][0]
    assert verifier["tls"].pop("ca_file") and verifier.pop("url") and example["backends"]["disk"].pop("root")
    verifier["tls"]["ca_file"], verifier["url"], example["backends"]["disk"]["root"] = str(ca.ca), one.url, str(disk)
    monkeypatch.setenv("VERIFIER_TOKEN", "a token")
    monkeypatch.setenv("VERIFIER_SECRET", "a secret of sixteen bytes")
    gateway = postern(example["backends"], mounts=example["users"]["mounts"], auth=example["auth"])
    with session(gateway, user="alice", password=PASSWORD) as sftp:
        sftp.mkdir("/in")
    assert (disk / "alice/in").is_dir()
    assert one.requests[0]["headers"]["Authorization"] == "Bearer a token"


def test_user_may_not_change_between_steps(asking, authority):
    """What the verifier said about alice's password counts for nobody else, and it is not asked about bob."""
    def decide(asked):
        return {"decision": "accept", "identity": {"next_methods": ["keyboard-interactive"]}}

    one = authority(decide)
    gateway = asking(one.url, login={"methods": ["password", "keyboard-interactive"]})
    with connected(gateway) as transport:
        login = Login(transport)
        kind, left = login.password("alice", PASSWORD)
        assert (kind, left.get_text(), left.get_boolean()) == (Login.FAILURE, "keyboard-interactive", True)
        login.send(50, b"bob", b"ssh-connection", b"keyboard-interactive", b"", b"")
        gateway.wait_event("disconnect", reason="the user changed between the steps of a login")
    assert [(a["user"], a["method"]) for a in one.asked] == [("alice", "password")]
    assert gateway.events("login") == []


def test_try(asking, authority):
    one = authority(lambda asked: ACCEPT if asked["password"] == PASSWORD else REJECT)
    gateway = asking(one.url, start=False)
    argv = [POSTERN, "try", "--config", gateway.config, "--user", "alice", "--password-stdin"]
    said = json.loads(run(argv, input=PASSWORD + "\n").stdout)
    assert said["verdict"] == "accept" and said["verifier"] == "http[0]"
    said = json.loads(run(argv, input="wrong\n").stdout)
    assert said["verdict"] == "reject" and said["why"] == "the authority says no"
