"""The command's words and exit codes (sysexits.h)."""
import http.server
import json
import os
import re
import socket
import threading

import pytest

from clients import Paramiko
from gateway import NOBODY, PASSWORD, POSTERN, run, unprivileged
from raw import session

OK, USAGE, UNAVAILABLE, CANNOT_CREATE, CONFIG = 0, 64, 69, 73, 78


@pytest.fixture
def idle(postern):
    """A gateway that is not started: its files are what the row is about."""
    return postern({"memory": {"type": "memory"}}, start=False)


def command(gateway, *words, **more):
    return run([POSTERN, words[0], "--config", gateway.config, *words[1:]], **more)


def rewrite(gateway, change):
    settings = json.loads(gateway.config.read_text())
    change(settings)
    gateway.config.write_text(json.dumps(settings))


def test_version():
    done = run([POSTERN, "version"])
    assert done.returncode == OK
    for library in ("libssh", "libuv", "curl", "OpenSSL", "jansson"):
        assert library.lower() in done.stdout.lower(), done.stdout


@pytest.mark.parametrize("words,said", [([], "postern serve"), (["nonsense"], "nonsense"),
                                        (["serve", "--nonsense"], "--nonsense")], ids=["none", "word", "option"])
def test_usage(words, said):
    done = run([POSTERN, *words])
    assert done.returncode == USAGE
    assert said in done.stderr


def test_check_good(idle):
    done = command(idle, "check")
    assert done.returncode == OK, done.stdout + done.stderr


def test_check_names_all_at_once(idle):
    def spoil(settings):
        settings["lisssten"] = []
        settings["ssh"]["cipher"] = ["aes128-ctr"]
        settings["limits"] = {"connections": -1, "memory_mb": "many"}
        settings["backends"]["memory"]["type"] = "locall"
    rewrite(idle, spoil)
    for word in ("check", "serve"):
        done = command(idle, word)
        said = done.stdout + done.stderr
        assert done.returncode == CONFIG, said
        for piece in ("lisssten", "listen", "ssh.cipher", "ciphers", "limits.connections",
                      "limits.memory_mb", "locall", "local"):
            assert piece in said, f"{piece} is not in:\n{said}"
        assert len(said.strip().splitlines()) >= 5


def test_what_cannot_be_made_is_named_all_at_once(postern, tmp_path):
    """A start says everything that `check` says, not only what it met first."""
    gateway = postern({name: {"type": "local", "root": str(tmp_path / name)} for name in ("one", "two")}, start=False)
    rewrite(gateway, lambda s: s["auth"]["verifiers"][0].update(path="/nonexistent/users"))
    for word in ("check", "serve"):
        done = command(gateway, word)
        assert done.returncode == CONFIG
        for piece in ("backends.one.root: ", "backends.two.root: ", "auth.verifiers[0].path: /nonexistent/users"):
            assert piece in done.stderr, f"{word} does not name {piece}:\n{done.stderr}"


@pytest.mark.parametrize("backend", [
    {"type": "http", "dialect": "webdav", "url": "http://127.0.0.1:PORT/", "max_retries": 0},
    {"type": "http", "dialect": "httpfs", "url": "http://127.0.0.1:PORT/", "max_retries": 0},
    {"type": "s3", "bucket": "b", "endpoint": "http://127.0.0.1:PORT", "max_retries": 0,
     "credentials": {"access_key_id": "a", "secret_access_key": "b"}},
], ids=["webdav", "httpfs", "s3"])
def test_probe_says_it_once(backend, postern):
    """A store that is not there is one line, which says why."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = str(closed.getsockname()[1])
    backend = json.loads(json.dumps(backend).replace("PORT", port))
    done = command(postern({"store": backend}, start=False), "check", "--probe")
    assert done.returncode == UNAVAILABLE
    [_, line] = done.stderr.splitlines()
    assert line.startswith("  backends.store: ") and port in line


@pytest.mark.parametrize("change,said", [
    (lambda s: s.pop("backends"), "backends"),
    (lambda s: s["auth"].pop("verifiers"), "auth.verifiers"),
    (lambda s: s["ssh"].pop("host_keys"), "ssh.host_keys"),
    (lambda s: s["users"]["mounts"][0].update(backend="memry"), "memry"),
    (lambda s: s["ssh"].update(ciphers=["aes128-ctr", "no-such-cipher"]), "no-such-cipher"),
    (lambda s: s["ssh"].update(kex=["diffie-hellman-group0"]), "diffie-hellman-group0"),
    (lambda s: s["ssh"]["host_keys"][0].update(file="/nonexistent"), "  ssh.host_keys[0]: /nonexistent: No such"),
    (lambda s: s["ssh"]["host_keys"][0].update(file="/dev/null"), "  ssh.host_keys[0]: /dev/null: not a private key"),
    (lambda s: s["listen"][0].update(port=70000), "listen[0].port"),
], ids=["no backends", "no verifiers", "no host keys", "unknown backend", "cipher", "kex", "no such key", "no key", "port"])
def test_check_bad(change, said, idle):
    rewrite(idle, change)
    done = command(idle, "check")
    assert done.returncode == CONFIG
    assert said in done.stdout + done.stderr
    done = command(idle, "serve")  # what check refuses never starts
    assert done.returncode == CONFIG
    assert said.strip() in done.stdout + done.stderr


@pytest.mark.parametrize("change,lines", [
    (lambda s: s["log"].update(output="file", path="/nonexistent/log"),
     ["log.path: cannot open /nonexistent/log for append: No such file or directory"]),
    (lambda s: s["ssh"].update(host_key_algorithms=["rsa-sha2-512"]),
     ["ssh.host_key_algorithms: none of them goes with one of ssh.host_keys"]),
    (lambda s: s["ssh"]["host_keys"].append(s["ssh"]["host_keys"][0]),
     ["ssh.host_keys[1]: a second key of type ssh-ed25519: one of each type is possible"]),
    (lambda s: s["auth"]["verifiers"][0].update(path="/nonexistent/users"),
     ["auth.verifiers[0].path: /nonexistent/users: No such file or directory"]),
    (lambda s: (s["ssh"]["host_keys"].insert(0, {"file": "/nonexistent/key"}),
                s["ssh"]["host_keys"].append({"file": "/dev/null"}),
                s["auth"].update(methods=["publickey"]), s["users"].update(methods=["password"]),
                s["auth"]["verifiers"].extend({"type": "file", "path": f"/nonexistent/{i}"} for i in range(2))),
     ["ssh.host_keys[0]: /nonexistent/key: No such file or directory",
      "ssh.host_keys[2]: /dev/null: not a private key in PEM or OpenSSH format, or it needs a passphrase",
      "users.methods[0]: password is not in auth.methods, so nobody can do it",
      "auth.verifiers[1].path: /nonexistent/0: No such file or directory",
      "auth.verifiers[2].path: /nonexistent/1: No such file or directory"]),
    (lambda s: s["users"].update(permissions={"/": ["lst"]}),
     ['users.permissions["/"][0]: "lst" is no permission; did you mean "list"?']),
    (lambda s: s["users"].update(permissions={"/": ["everything"]}),
     ['users.permissions["/"][0]: "everything" is no permission; there are: * list download upload overwrite delete '
      'delete_files delete_dirs rename rename_files rename_dirs create_dirs create_symlinks chmod chown chtimes copy']),
], ids=["log path", "host key algorithms", "second key", "no user file", "all", "slip", "no word"])
def test_check_says_it_once(change, lines, idle):
    """Each problem a line that begins with the path of what is to be mended."""
    rewrite(idle, change)
    done = command(idle, "check")
    assert done.returncode == CONFIG
    assert [line.strip() for line in done.stderr.splitlines()[1:]] == lines


def test_check_names_what_is_passed_over(postern, keys):
    """A key that no login will ever match is no reason not to start, but somebody waits for it."""
    gateway = postern({"memory": {"type": "memory"}}, start=False,
                      users=[{"user": "alice", "public_keys": [keys.public(keys.user), "ssh-ed25519 AAAA"]}])
    done = command(gateway, "check")
    assert done.returncode == OK
    assert re.search(r" warn public_key_refused user=alice index=1 reason=", done.stderr), done.stderr


@pytest.mark.parametrize("mode,said", [(0o600, False), (0o640, False), (0o644, True), (0o602, True)], ids=oct)
def test_check_names_a_host_key_that_everybody_may_touch(mode, said, postern, keys, tmp_path):
    """OpenSSH's server refuses it; a container is given its keys that way."""
    copy = tmp_path / "copy"
    copy.write_bytes(keys.host.read_bytes())
    copy.chmod(mode)
    gateway = postern({"memory": {"type": "memory"}}, start=False, ssh={"host_keys": [{"file": str(copy)}]})
    done = command(gateway, "check")
    assert done.returncode == OK
    assert (f" warn host_key_exposed file={copy} msg=" in done.stderr) == said, done.stderr


def test_check_broken_json_and_missing_file(idle, tmp_path):
    idle.config.write_text('{"listen": [}')
    done = command(idle, "check")
    assert done.returncode == CONFIG and "1" in done.stdout + done.stderr
    done = run([POSTERN, "check", "--config", tmp_path / "none"])
    assert done.returncode == CONFIG and str(tmp_path / "none") in done.stderr


def test_environment_in_strings(postern, tmp_path, keys):
    gateway = postern({"disk": {"type": "local", "root": "${STORE_ROOT}"}}, start=False)
    done = command(gateway, "check")
    assert done.returncode == CONFIG and "STORE_ROOT" in done.stdout + done.stderr
    gateway.start({"STORE_ROOT": str(tmp_path)})
    with session(gateway) as sftp:
        sftp.mkdir("/made")
    assert (tmp_path / "made").is_dir()


def test_port_taken(idle):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        rewrite(idle, lambda s: s["listen"][0].update(port=taken.getsockname()[1]))
        done = command(idle, "serve")
    assert done.returncode == UNAVAILABLE, done.stderr


def test_probe(postern, tmp_path):
    good = postern({"disk": {"type": "local", "root": str(tmp_path)}}, start=False)
    done = command(good, "check", "--probe")
    assert done.returncode == OK and "backends.disk: root is writable" in done.stdout
    bad = postern({"disk": {"type": "local", "root": str(tmp_path / "none")}}, start=False)
    done = command(bad, "check", "--probe")
    assert done.returncode == CONFIG and "backends.disk.root: " in done.stderr, done.stderr


def test_probe_s3(radosgw, postern):
    bucket = radosgw.bucket()
    good = postern({"drops": radosgw.backend(bucket)}, start=False)
    done = command(good, "check", "--probe")
    assert done.returncode == OK, done.stdout + done.stderr
    for change in (lambda s: s["backends"]["drops"].update(bucket="no-such-bucket"),
                   lambda s: s["backends"]["drops"]["credentials"].update(secret_access_key="wrong")):
        bad = postern({"drops": radosgw.backend(bucket)}, start=False)
        rewrite(bad, change)
        done = command(bad, "check", "--probe")
        assert done.returncode == UNAVAILABLE, done.stdout + done.stderr
        assert "drops" in done.stdout + done.stderr
    # A bucket has no host name of its own at most stores: the message says what to try.
    bad = postern({"drops": radosgw.backend(bucket)}, start=False)
    rewrite(bad, lambda s: s["backends"]["drops"].update(endpoint="http://store.invalid:1", path_style=False,
                                                         max_retries=0))
    done = command(bad, "check", "--probe")
    assert done.returncode == UNAVAILABLE and '"path_style": true?' in done.stderr, done.stderr


def test_probe_without_credentials(postern):
    """A server that wants to know who asks, and nobody has told postern: the message names the key."""
    class Strict(http.server.BaseHTTPRequestHandler):
        def do_PROPFIND(self):
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Strict) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = {"type": "http", "url": f"http://127.0.0.1:{server.server_address[1]}/"}
        for auth, said in (({}, "`auth`"),
                           ({"auth": {"type": "bearer", "token": "t"}}, "does not accept postern's credentials")):
            done = command(postern({"files": {**store, **auth}}, start=False), "check", "--probe")
            assert done.returncode == UNAVAILABLE and said in done.stderr, done.stderr
        server.shutdown()


def test_probe_follows_redirects(postern):
    """As Apache does it for a folder without its slash; what is followed is no fault, and no word about it."""
    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_PROPFIND(self):
            there = self.path == "/files/"
            self.send_response(404 if there else 301)
            if not there:
                self.send_header("Location", "/files/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = {"type": "http", "url": f"http://127.0.0.1:{server.server_address[1]}/"}
        done = command(postern({"files": store}, start=False), "check", "--probe")
        assert done.returncode == UNAVAILABLE and "no such folder" in done.stderr, done.stderr
        assert "circle" not in done.stderr, done.stderr
        server.shutdown()


def test_config_print_masks_secrets(postern, tmp_path):
    secret = "the-secret-of-the-store"
    gateway = postern({"s3": {"type": "s3", "bucket": "b", "region": "us-east-1", "endpoint": "http://127.0.0.1:1",
                              "credentials": {"access_key_id": "id", "secret_access_key": secret}}}, start=False)
    done = command(gateway, "config", "--print")
    assert done.returncode == OK, done.stderr
    shown = json.loads(done.stdout)
    assert secret not in done.stdout and shown["listen"][0]["backlog"] == 128
    (tmp_path / "secret").write_text(secret + "\n")
    rewrite(gateway, lambda s: s["backends"]["s3"]["credentials"].update(
        secret_access_key={"file": str(tmp_path / "secret")}))
    done = command(gateway, "config", "--print")
    assert done.returncode == OK and secret not in done.stdout


def test_config_schema():
    done = run([POSTERN, "config", "--schema"])
    assert done.returncode == OK
    schema = json.loads(done.stdout)
    assert schema["properties"]["listen"] and schema["additionalProperties"] is False


@pytest.mark.parametrize("user,password,code", [("bob", PASSWORD, OK), ("bob", "wrong", 77), ("nobody", PASSWORD, 77)])
def test_try(user, password, code, idle):
    done = command(idle, "try", "--user", user, "--password-stdin", input=password + "\n")
    assert done.returncode == code, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    if code == OK:
        assert '"/"' in done.stdout and "bob" in done.stdout


def test_keygen_does_not_overwrite(tmp_path):
    path = tmp_path / "key"
    assert run([POSTERN, "keygen", path]).returncode == OK
    before = path.read_bytes()
    done = run([POSTERN, "keygen", path])
    assert done.returncode == CANNOT_CREATE
    assert f"{path}: is there already" in done.stderr and "another file" in done.stderr
    assert path.read_bytes() == before


def test_passwd(postern, keys, tmp_path):
    hashes = [run([POSTERN, "passwd"], input=p).stdout.strip() for p in ("one", "one", "two\n")]
    assert len(set(hashes)) == 3 and all(h.startswith("$y$") for h in hashes)
    gateway = postern({"memory": {"type": "memory"}}, users=[{"user": "u", "password": hashes[0]},
                                                             {"user": "v", "password": hashes[2]}])
    Paramiko(gateway, "u", "one", None, tmp_path).close()
    Paramiko(gateway, "v", "two", None, tmp_path).close()


@pytest.mark.skipif(os.getuid() != 0, reason="runs unprivileged anyway")
def test_runs_unprivileged(keys):
    with unprivileged(keys) as (own, files):
        with session(own) as sftp:
            sftp.mkdir("/made")
        assert (files / "made").stat().st_uid == NOBODY
