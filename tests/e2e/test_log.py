"""The log: one line an event, that a program can read and that tells no secret."""
import json
import re

import pytest

from clients import ClientError, Paramiko
from gateway import PASSWORD
from raw import session, status_of, write_all


def a_day(gateway):
    with session(gateway, user="bob", password=PASSWORD) as sftp:
        write_all(sftp, "/file", b"x" * 1000)
        sftp.open("/file", "rb").read()
        sftp.mkdir("/dir")
        sftp.rename("/file", "/dir/new")
        sftp.remove("/dir/new")
        sftp.rmdir("/dir")
    gateway.wait_event("disconnect")


def test_events(postern):
    gateway = postern({"memory": {"type": "memory"}})
    a_day(gateway)
    for line in gateway.lines:
        event = json.loads(line)
        assert isinstance(event, dict) and event["event"] and event["level"] and event["time"]
    names = [e["event"] for e in gateway.events()]
    for name in ("host_key", "listening", "connect", "login", "open", "close", "mkdir", "rename", "remove", "disconnect"):
        assert name in names, f"no event {name} in {names}"
    (login,) = gateway.events("login")
    assert login["user"] == "bob" and login["method"] == "password"
    of_session = [e for e in gateway.events() if e.get("session") == login["session"]]
    assert {"login", "open", "close", "disconnect"} <= {e["event"] for e in of_session}
    closes = gateway.events("close")
    assert any(e["path"] == "/file" and e["written"] == 1000 and e["ms"] >= 0 for e in closes), closes
    assert any(e["path"] == "/file" and e["read"] == 1000 for e in closes), closes
    (end,) = gateway.events("disconnect")
    assert end["reason"]


def test_text_form(postern):
    gateway = postern({"memory": {"type": "memory"}}, start=False, log={"format": "text"})
    gateway.wait_event = lambda name, **_: {"port": wait_for_port(gateway)}
    gateway.start()
    with session(gateway) as sftp:
        sftp.mkdir("/a dir")
    gateway.stop()
    for line in gateway.lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) [a-z_]+( |$)", line), line
    assert any(" mkdir " in line and 'path="/a dir"' in line for line in gateway.lines), gateway.log()


def wait_for_port(gateway):
    from gateway import wait_for
    found = wait_for(lambda: re.search(r" listening .*port=(\d+)", gateway.log()), "the port")
    return found.group(1)


@pytest.mark.parametrize("level", ["info", "debug"])
def test_secrets_stay_out(level, postern, keys, tmp_path):
    gateway = postern({"memory": {"type": "memory"}}, log={"level": level})
    a_day(gateway)
    for password in ("a wrong guess", PASSWORD + "x"):
        with pytest.raises(ClientError):
            Paramiko(gateway, "bob", password, None, tmp_path).close()
    with pytest.raises(ClientError):  # a password typed as the user's name is a classic
        Paramiko(gateway, "bob", "second guess", None, tmp_path).close()
    gateway.stop()
    private = keys.host.read_text().splitlines()[1]
    for secret in (PASSWORD, "a wrong guess", "second guess", keys.password_hash, private):
        assert secret not in gateway.log()


def test_peer_cannot_forge_a_line(postern):
    gateway = postern({"memory": {"type": "memory"}})
    evil = '/a\n{"event": "login", "user": "root"}\r\x1b[2J'
    with session(gateway) as sftp:
        status_of(lambda: write_all(sftp, evil, b"x"))
        status_of(lambda: sftp.mkdir(evil + "dir"))
    gateway.wait_event("disconnect")
    assert not [e for e in gateway.events("login") if e.get("user") == "root"]
    for line in gateway.lines:
        json.loads(line)
        assert "\x1b" not in line and "\r" not in line


def test_log_to_file_and_reopen(postern, tmp_path):
    import signal
    from gateway import wait_for
    path = tmp_path / "postern.log"
    gateway = postern({"memory": {"type": "memory"}}, start=False, log={"output": "file", "path": str(path)})

    def port_in_file(name, **_):
        def found():
            lines = path.read_text().splitlines() if path.exists() else []
            return next((json.loads(l) for l in lines if f'"{name}"' in l), None)
        return wait_for(found, name)
    gateway.wait_event = port_in_file
    gateway.start()
    path.rename(tmp_path / "postern.log.1")
    gateway.signal(signal.SIGHUP)
    wait_for(path.exists, "a new log file")
    with session(gateway) as sftp:
        sftp.mkdir("/x")
    wait_for(lambda: "mkdir" in path.read_text(), "the event in the new file")


@pytest.mark.parametrize("mask", [True, False])
def test_mask_of_unknown_users(mask, postern, tmp_path):
    gateway = postern({"memory": {"type": "memory"}}, log={"mask_secrets": mask})
    with pytest.raises(ClientError):
        Paramiko(gateway, "hunter2", "typed into the wrong field", None, tmp_path).close()
    failed = gateway.wait_event("login_failed")
    gateway.wait_event("disconnect")
    assert failed["user"] == ("********" if mask else "hunter2")
    assert ("hunter2" in gateway.log()) is not mask
    with pytest.raises(ClientError):  # who is known is named
        Paramiko(gateway, "bob", "wrong", None, tmp_path).close()
    assert gateway.wait_event("login_failed", user="bob")


def test_why_a_write_failed(postern):
    """A full disk is in the log, for whoever is asked why nothing arrives."""
    gateway = postern({"memory": {"type": "memory", "max_mb": 1}})
    with session(gateway) as sftp:
        assert status_of(lambda: write_all(sftp, "/large", b"x" * (2 << 20))) != "OK"
    lost = gateway.wait_event("partial")
    assert (lost["result"], lost["reason"]) == ("write_failed", "no_space"), gateway.log()


def test_whose_no_it_was(postern):
    """Permissions that the user does not have are told from those of the disk."""
    gateway = postern({"memory": {"type": "memory"}}, start=False)
    gateway.settings["users"]["permissions"] = {"/": ["list", "download"]}
    gateway.write_settings()
    gateway.start()
    with session(gateway) as sftp:
        assert status_of(lambda: write_all(sftp, "/x", b"x")) == "PERMISSION_DENIED"
    assert "user's permissions" in gateway.wait_event("denied")["reason"]
