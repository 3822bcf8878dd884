"""The verifier `program`: real logins through a script, and what becomes of the script."""
import json
import os
import pathlib
import sys

import paramiko
import pytest

from gateway import PASSWORD, POSTERN, ROOT, run, wait_for
from raw import Login, connected, key_of, read_all, session, write_all

EXAMPLE = ROOT / "docs/examples/program.py"
MEMORY = {"memory": {"type": "memory"}}
ALL = ["publickey", "password", "keyboard-interactive"]


def children_of(pid):
    """The processes that it started."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.fixture
def users(tmp_path, keys):
    path = tmp_path / "authority.json"
    path.write_text(json.dumps({
        "alice": {"password": PASSWORD, "code": "123456", "keys": [keys.public(keys.user).split()[1]],
                  "identity": {"home": "/in", "permissions": {"/": ["*"]}}}}))
    return path


@pytest.fixture
def program(postern, tmp_path):
    """A gateway whose verifier is this command, or this text of a script."""
    def start(command, **more):
        if isinstance(command, str):
            path = tmp_path / "hook"
            path.write_text(command)
            path.chmod(0o700)
            command = [path]
        loops = more.pop("loops", 2)
        verifier = dict({"type": "program", "command": [str(word) for word in command]}, **more)
        return postern(MEMORY, auth={"methods": ALL, "verifiers": [verifier]}, limits={"loops": loops})
    return start


@pytest.mark.parametrize("persistent", [False, True], ids=["one-shot", "persistent"])
def test_logins(persistent, program, users, keys):
    gateway = program([EXAMPLE], env={"USERS": str(users)}, persistent=persistent)
    for how in ({"password": PASSWORD}, {"key": keys.user}):
        with session(gateway, **how) as sftp:
            write_all(sftp, "/file", b"content")
            assert read_all(sftp, "/file") == b"content"
            assert sftp.normalize(".") == "/in"
    with connected(gateway) as transport:
        transport.auth_interactive("alice", lambda *_: [PASSWORD, "123456"])
        assert transport.is_authenticated()
    for refused in (lambda t: t.auth_password("alice", "wrong"), lambda t: t.auth_password("nobody", PASSWORD),
                    lambda t: t.auth_publickey("alice", key_of(keys.other)),
                    lambda t: t.auth_interactive("alice", lambda *_: [PASSWORD, "654321"])):
        with connected(gateway) as transport, pytest.raises(paramiko.AuthenticationException):
            refused(transport)
    gateway.wait_event("login_failed", reason="wrong keyboard-interactive", verifier="program[0]")
    kept = children_of(gateway.process.pid)
    assert 1 <= len(kept) <= 2 if persistent else kept == []
    gateway.stop()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in kept), "the programs to end")


def test_try_and_check(program, users, keys):
    gateway = program([EXAMPLE], env={"USERS": str(users)}, persistent=True)
    done = run([POSTERN, "try", "--user", "alice", "--password-stdin", "--config", gateway.config], input=PASSWORD)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["identity"]["home"] == "/in"
    done = run([POSTERN, "try", "--user", "alice", "--password-stdin", "--config", gateway.config], input="wrong")
    assert done.returncode == 77, done.stderr
    probed = run([POSTERN, "check", "--probe", "--config", gateway.config])
    assert probed.returncode == 0 and "auth.verifiers[0]: can be started, and was asked nothing" in probed.stdout
    gateway.settings["auth"]["verifiers"][0]["command"] = ["/nonexistent/hook"]
    gateway.write_settings()
    done = run([POSTERN, "check", "--config", gateway.config])
    assert done.returncode == 78
    assert "auth.verifiers[0].command: there is no /nonexistent/hook" in done.stderr


def test_secrets_are_masked(program, users):
    gateway = program([EXAMPLE], env={"USERS": str(users), "TOKEN": "hush-hush"})
    done = run([POSTERN, "config", "--print", "--config", gateway.config])
    assert done.returncode == 0 and "hush-hush" not in done.stdout and "TOKEN" in done.stdout


def test_inherits_nothing(program, tmp_path, keys):
    """While other sessions are there: no socket of theirs, no variable, no secret among the arguments."""
    seen = tmp_path / "seen"
    gateway = program(f"""#!{sys.executable}
import json, os
found = [sorted(os.listdir("/proc/self/fd"), key=int), dict(os.environ), open("/proc/self/cmdline").read()]
open({str(seen)!r}, "w").write(json.dumps(found))
print('{{"decision": "accept"}}')
""")
    with session(gateway, password=PASSWORD), session(gateway, password=PASSWORD):
        descriptors, environment, arguments = json.loads(seen.read_text())
    assert descriptors == ["0", "1", "2", "3"], "3 is the listing's own"
    assert set(environment) <= {"LC_CTYPE"}  # Python's own
    assert PASSWORD not in arguments


@pytest.mark.parametrize("script,reason", [
    ("#!/bin/sh\nexit 3\n", "the program ended with exit code 3"),
    ("#!/bin/sh\nkill -9 $$\n", "the program was killed by signal 9"),
    ("#!/bin/sh\nexec <&-\necho 'Hello!'\n", None),
    ("#!/bin/sh\nsleep 60\n", "no answer within timeout_ms"),
    ("#!/nonexistent/interpreter\n", None),
], ids=["exit", "signal", "garbage", "hangs", "no interpreter"])
def test_faults_let_nobody_in(script, reason, program):
    gateway = program(script, timeout_ms=700, retries=0)
    with connected(gateway) as transport, pytest.raises(paramiko.AuthenticationException):
        transport.auth_password("alice", PASSWORD)
    event = gateway.wait_event("login_failed", verifier="program[0]")
    assert reason is None or event["reason"] == reason
    wait_for(lambda: children_of(gateway.process.pid) == [], "the program to end")


def test_stderr_is_logged(program):
    gateway = program("#!/bin/sh\nprintf 'one\\ntwo \\033[2J\\n' >&2\necho '{\"decision\":\"accept\"}'\n")
    with session(gateway, password=PASSWORD):
        pass
    event = gateway.wait_event("program_stderr", program="hook", line="one")
    assert event["pid"] > 0
    assert "\x1b" not in gateway.log()


def test_client_leaves(program):
    """Whoever leaves while the program thinks ends the program."""
    gateway = program("#!/bin/sh\nsleep 60\n", timeout_ms=60000)
    with connected(gateway) as transport:
        transport.auth_timeout = 0.2
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_password("alice", PASSWORD)
        wait_for(lambda: children_of(gateway.process.pid), "the program to start")
    wait_for(lambda: children_of(gateway.process.pid) == [], "the program to end")


SFTPGO_HOOK = """#!/bin/sh
user='{"status":1,"username":"alice","home_dir":"/srv/sftpgo/alice","permissions":{"/":["*"]}}'
test "$SFTPGO_AUTHD_PROTOCOL" = SSH || exit 1
case "$SFTPGO_AUTHD_PASSWORD|$SFTPGO_AUTHD_PUBLIC_KEY|$SFTPGO_AUTHD_KEYBOARD_INTERACTIVE" in
"right||"|"||1"|"|@KEY@|") echo "$user";;
*) echo '{"username":""}';;
esac
"""
SFTPGO_TALK = """#!/bin/sh
test "$SFTPGO_AUTHD_USERNAME" = alice || exit 1
echo '{"instruction":"Hello","questions":["Password: "],"echos":[false],"check_password":1}'
read -r checked
test "$checked" = OK || exit 1
echo '{"questions":["Code: "],"echos":[true]}'
read -r code
test "$code" = 123456 && echo '{"auth_result":1}' || echo '{"auth_result":-1}'
"""


@pytest.fixture
def sftpgo(postern, tmp_path, keys):
    """The hooks of an SFTPGo, as they are."""
    hooks = {}
    key = " ".join(keys.public(keys.user).split()[:2])
    for name, text in (("auth", SFTPGO_HOOK.replace("@KEY@", key)), ("talk", SFTPGO_TALK)):
        hooks[name] = tmp_path / name
        hooks[name].write_text(text)
        hooks[name].chmod(0o700)
    return postern(MEMORY, auth={"methods": ALL, "verifiers": [
        {"type": "program", "dialect": "sftpgo", "command": [str(hooks["auth"])], "home_base": "/srv/sftpgo",
         "backend": "memory", "keyboard_interactive_command": [str(hooks["talk"])]}]})


def test_sftpgo_hooks(sftpgo, keys):
    for how in ({"password": "right"}, {"key": keys.user}):
        with session(sftpgo, **how) as sftp:
            write_all(sftp, "/file", b"content")
            assert read_all(sftp, "/file") == b"content"
    for refused in (lambda t: t.auth_password("alice", "wrong"), lambda t: t.auth_publickey("alice", key_of(keys.other))):
        with connected(sftpgo) as transport, pytest.raises(paramiko.AuthenticationException):
            refused(transport)


@pytest.mark.parametrize("answers,enters", [
    ({"Password: ": "right", "Code: ": "123456"}, True),
    ({"Password: ": "right", "Code: ": "654321"}, False),
    ({"Password: ": "wrong", "Code: ": "123456"}, False),
], ids=["right", "wrong code", "wrong password"])
def test_sftpgo_dialog(answers, enters, sftpgo):
    asked = []

    def answer(_title, _instruction, prompts):
        asked.extend(prompts)
        return [answers[text] for text, _ in prompts]
    with connected(sftpgo) as transport:
        if enters:
            transport.auth_interactive("alice", answer)
            assert asked == [("Password: ", False), ("Code: ", True)]
        else:
            with pytest.raises(paramiko.AuthenticationException):
                transport.auth_interactive("alice", answer)
    wait_for(lambda: children_of(sftpgo.process.pid) == [], "the program to end")


def test_client_leaves_a_dialog(sftpgo):
    """Between two rounds nothing waits for the client but the program."""
    with connected(sftpgo) as transport:
        login = Login(transport)
        assert login.ask(b"alice") is not None
        assert len(children_of(sftpgo.process.pid)) == 1
    wait_for(lambda: children_of(sftpgo.process.pid) == [], "the program to end", 10)
