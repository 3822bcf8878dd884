"""The command's words, one by one: what they print, and what they say when they cannot."""
import json
import os
import stat

import pytest

from gateway import PASSWORD, POSTERN, ROOT, run
from terminal import on_terminal

USAGE, NOINPUT, DATAERR, CANTCREAT, NOPERM, CONFIG = 64, 66, 65, 73, 77, 78
WORDS = ["serve", "check", "config", "try", "keygen", "passwd", "version", "help"]


@pytest.fixture
def idle(postern):
    return postern({"memory": {"type": "memory"}}, start=False)


@pytest.mark.parametrize("word", WORDS)
def test_help(word):
    asked = run([POSTERN, "help", word])
    assert asked.returncode == 0 and asked.stdout.startswith(f"usage: postern {word}")
    assert run([POSTERN, word, "--help"]).stdout == asked.stdout or word == "help"
    assert f"postern {word} " in run([POSTERN, "help"]).stdout
    assert f".Cm {word}\n" in (ROOT / "docs/postern.1").read_text()


@pytest.mark.parametrize("argv,said", [
    (["chekc"], "`postern check`"),
    (["check", "--confg", "x"], "--config"),
    (["check", "--config"], "--config needs a value"),
    (["check", "--probe=yes"], "--probe takes no value"),
    (["check", "--config", "a", "--config=b"], "--config is given twice"),
    (["check", "file"], "one argument too many: file"),
    (["check", "-x"], "no such option: -x"),
    (["config"], "one of --print, --schema and --markdown"),
    (["config", "--print", "--schema"], "one of --print, --schema and --markdown"),
    (["config", "--schema", "--config", "x"], "--print only"),
    (["try"], "--user is needed"),
    (["keygen"], "which file?"),
    (["keygen", "x", "--type", "dsa"], "ed25519, ecdsa and rsa"),
    (["help", "nonsense"], "no such command"),
], ids=" ".join)
def test_usage(argv, said, tmp_path):
    done = run([POSTERN, *argv], cwd=tmp_path)
    assert done.returncode == USAGE
    assert said in done.stderr and "usage: postern" in done.stderr
    assert done.stdout == "" and not list(tmp_path.iterdir())


def test_which_configuration(idle, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    done = run([POSTERN, "check"], cwd=here)
    if not os.path.exists("/etc/postern/postern.json"):
        assert done.returncode == CONFIG
        assert "./postern.json" in done.stderr and "/etc/postern/postern.json" in done.stderr
    (here / "postern.json").write_text(idle.config.read_text())
    done = run([POSTERN, "check"], cwd=here)
    assert done.returncode == 0, done.stderr
    assert "postern.json: no problems" in done.stdout and "ssh.host_keys[0]: ED25519 SHA256:" in done.stdout


def test_check_says_where_json_ends(idle):
    idle.config.write_text('{\n  "listen": [}\n')
    done = run([POSTERN, "check", "--config", idle.config])
    assert done.returncode == CONFIG and f"{idle.config}:2:14: not valid JSON" in done.stderr


def test_check_reads_the_user_file(idle):
    settings = json.loads(idle.config.read_text())
    settings["auth"]["verifiers"][0]["path"] = "/nonexistent/users.json"
    idle.config.write_text(json.dumps(settings))
    done = run([POSTERN, "check", "--config", idle.config])
    assert done.returncode == CONFIG and "/nonexistent/users.json" in done.stderr


@pytest.mark.parametrize("kind,begins", [("ed25519", "ssh-ed25519"), ("rsa", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp256")])
def test_keygen(kind, begins, tmp_path):
    path = tmp_path / "key"
    done = run([POSTERN, "keygen", path, "--type", kind])
    assert done.returncode == 0, done.stderr
    fingerprint, line = done.stdout.splitlines()
    assert line.startswith(begins + " ") and stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "key.pub").write_text(line + "\n")
    assert fingerprint in run(["ssh-keygen", "-lf", tmp_path / "key.pub"]).stdout
    assert run(["ssh-keygen", "-yf", path]).stdout.split()[:2] == line.split()[:2]
    again = run([POSTERN, "keygen", path])
    assert again.returncode == CANTCREAT and str(path) in again.stderr


def test_passwd_on_a_terminal():
    code, shown = on_terminal([str(POSTERN), "passwd"], ["sesame", "sesame"])
    assert code == 0 and "sesame" not in shown, "the password was shown"
    assert shown.split()[-1].startswith("$y$")
    code, shown = on_terminal([str(POSTERN), "passwd"], ["sesame", "sesamy"])
    assert code == DATAERR and "not the same" in shown


@pytest.mark.parametrize("given,code", [("", NOINPUT), ("\n", DATAERR), ("x" * 5000, NOINPUT), ("a\0b", NOINPUT)],
                         ids=["nothing", "empty", "too long", "NUL"])
def test_passwd_refuses(given, code):
    done = run([POSTERN, "passwd"], input=given)
    assert done.returncode == code and done.stdout == "" and done.stderr.startswith("postern passwd: ")


def try_login(gateway, *argv, **more):
    done = run([POSTERN, "try", "--config", gateway.config, *argv], **more)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_try_password_on_a_terminal(idle):
    code, shown = on_terminal([str(POSTERN), "try", "--config", str(idle.config), "--user", "bob"], [PASSWORD])
    assert code == 0 and PASSWORD not in shown and '"verdict": "accept"' in shown


def test_try(postern, keys):
    public = keys.public(keys.user)
    gateway = postern({"memory": {"type": "memory"}}, start=False, users=[
        {"user": "bob", "password": keys.password_hash, "public_keys": [public]},
        {"user": "both", "password": keys.password_hash, "public_keys": [public], "methods": ["publickey,password"]},
        {"user": "old", "password": keys.password_hash, "expires": "2020-01-01T00:00:00Z"},
        {"user": "inside", "password": keys.password_hash, "allow": ["192.0.2.0/24"]},
        {"user": "lost", "password": keys.password_hash, "mounts": [{"path": "/", "backend": "nowhere"}]}])
    key, other = ["--key", f"{keys.user}.pub"], ["--key", f"{keys.other}.pub"]
    password = {"input": PASSWORD + "\n"}
    code, said = try_login(gateway, "--user", "bob", *key)
    assert code == 0 and said["verdict"] == "accept" and said["methods_done"] == ["publickey"]
    assert said["identity"]["user"] == "bob" and said["verifier"].startswith("file")
    assert said["mounts"][0]["type"] == "memory" and "problem" not in said["mounts"][0]
    code, said = try_login(gateway, "--user", "bob", *other)
    assert code == NOPERM and said["verdict"] == "reject" and said["why"]
    code, said = try_login(gateway, "--user", "bob", *other, "--password-stdin", **password)
    assert code == 0 and said["methods_done"] == ["password"]
    code, said = try_login(gateway, "--user", "both", *key)
    assert code == NOPERM and said["verdict"] == "partial" and said["identity"]["next_methods"] == ["password"]
    code, said = try_login(gateway, "--user", "both", *key, "--password-stdin", **password)
    assert code == 0 and said["methods_done"] == ["publickey", "password"]
    code, said = try_login(gateway, "--user", "old", **password)
    assert code == NOPERM and "expire" in said["why"]
    code, said = try_login(gateway, "--user", "inside", **password)
    assert code == NOPERM
    code, said = try_login(gateway, "--user", "inside", "--address", "192.0.2.7", **password)
    assert code == 0
    code, said = try_login(gateway, "--user", "lost", **password)
    assert "no such backend" in said["mounts"][0]["problem"]
    code, said = try_login(gateway, "--user", "bob", "--key", str(keys.user))
    assert code == DATAERR and ".pub" in said
    code, said = try_login(gateway, "--user", "bob", "--key", "/nonexistent")
    assert code == NOINPUT and "/nonexistent" in said


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = run([POSTERN, "version"], capture_output=False, stdout=full)
    assert done.returncode == 74
