"""Bans for who fails often, and answers that are remembered."""
import signal
import socket

import paramiko
import pytest

from clients import ClientError, Paramiko
from gateway import PASSWORD, wait_for
from raw import Login, connected, key_of, session

MEMORY = {"memory": {"type": "memory"}}


def banning(postern, **throttle):
    return postern(MEMORY, auth={"max_attempts": 100, "failure_delay_ms": 0, "throttle": throttle},
                   listen=[{"address": "::", "port": 0}])


def fail(gateway, user="bob", times=1, password="wrong", host="127.0.0.1"):
    """How many of so many attempts were answered before the gateway hung up."""
    with connected(gateway, host=host) as transport:
        login = Login(transport)
        for done in range(times):
            if login.password(user, password)[0] is None:
                return done
    return times


def enters(gateway, user="bob", password=PASSWORD):
    try:
        with session(gateway, user=user, password=password) as sftp:
            return sftp.listdir("/") == []
    except (paramiko.SSHException, EOFError, OSError):
        return False


def test_source_is_banned_and_comes_back(postern):
    gateway = banning(postern, source_failures=5, ban_s=3)
    assert fail(gateway, times=10) == 4  # the fifth is the end
    ban = gateway.wait_event("ban")
    assert (ban["whom"], ban["peer"], ban["user"], ban["seconds"]) == ("source", "127.0.0.1", "bob", 3)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", gateway.port)) as s:
            assert s.recv(100) == b""  # not even a version line
    assert gateway.wait_event("refused")["limit"] == "auth.throttle"
    with connected(gateway, host="::1"):  # another source
        pass
    end = gateway.wait_event("ban_end")  # by itself, whoever comes back or not
    assert len(gateway.events("refused")) == 1
    assert (end["whom"], end["peer"], end["refused"]) == ("source", "127.0.0.1", 3)
    assert enters(gateway)


def test_user_is_banned_and_others_are_not(postern):
    gateway = banning(postern, failures=3, source_failures=50)
    with connected(gateway) as transport:
        login = Login(transport)
        answers = [login.password("bob", word)[1].get_text() for word in ("wrong", "wrong", "wrong", PASSWORD)]
        assert len(set(answers)) == 1, "a ban looks like a wrong password"
    assert not enters(gateway)
    assert enters(gateway, user="alice")
    assert gateway.wait_event("login_failed", reason="banned")["user"] == "********"
    gateway.wait_event("login", user="alice")
    assert [(e["whom"], e["user"]) for e in gateway.events("ban")] == [("user", "bob")]
    assert gateway.events("refused") == []


def test_what_is_no_failure(postern, keys):
    gateway = banning(postern, failures=3, source_failures=3)
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", gateway.port)) as s:  # connects and closes
            s.recv(10)
        with connected(gateway) as transport:
            login = Login(transport)
            login.request("bob", b"none")
            for path in (keys.other, keys.user):  # an agent shows what it has
                login.request("bob", b"publickey", False, b"ssh-ed25519", key_of(path).asbytes())
    assert enters(gateway)
    gateway.wait_event("login")
    assert gateway.events("ban") == []


def test_success_forgives(postern):
    gateway = banning(postern, failures=3, source_failures=5)
    for _ in range(5):
        assert fail(gateway, times=2) == 2
        assert enters(gateway)
    gateway.wait_event("login", count=5)
    assert gateway.events("ban") == []


def test_exempt(postern):
    gateway = banning(postern, failures=1, exempt=["127.0.0.0/8"])
    assert fail(gateway, times=20) == 20
    assert enters(gateway)


def test_ban_ends_every_login_of_the_source(postern):
    """Who connected before the ban is not heard after it; who is in stays in."""
    gateway = banning(postern, source_failures=3)
    with session(gateway, user="alice") as inside, connected(gateway) as waiting:
        login = Login(waiting)
        assert fail(gateway, times=9) == 2
        assert login.password("bob", PASSWORD) == (None, None)
        assert inside.listdir("/") == []
    gateway.wait_event("disconnect", reason="banned")


def test_ban_outlives_a_reload_that_keeps_it(postern):
    gateway = banning(postern, source_failures=1)
    fail(gateway)
    gateway.wait_event("ban")
    for throttle, free in (({"source_failures": 7}, False), ({}, True)):
        gateway.settings["auth"]["throttle"] = throttle
        gateway.write_settings()
        gateway.signal(signal.SIGHUP)
        gateway.wait_event("reload", count=1 + free)
        assert enters(gateway) == free


def test_cache(postern, keys, tmp_path):
    gateway = postern(MEMORY)
    gateway.settings["auth"]["verifiers"][0]["cache_s"] = 3600
    gateway.settings["limits"] = {"loops": 1}
    gateway.stop()
    gateway.write_settings()
    gateway.start()
    Paramiko(gateway, "bob", PASSWORD, None, tmp_path).close()
    gateway.write_users([{"user": "bob", "public_keys": [keys.public(keys.user)]}])  # no password any more
    Paramiko(gateway, "bob", PASSWORD, None, tmp_path).close()
    gateway.wait_event("login", count=2)
    assert [e["cached"] for e in gateway.events("login")] == [False, True]
    with pytest.raises(ClientError):
        Paramiko(gateway, "bob", "wrong", None, tmp_path).close()
    gateway.signal(signal.SIGHUP)
    gateway.wait_event("reload")
    wait_for(lambda: not enters(gateway), "a reload to empty the cache")
