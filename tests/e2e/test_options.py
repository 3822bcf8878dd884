"""Keys of the configuration do what their help says: each is changed, and looked at from outside."""
import os
import re
import shutil
import socket
import subprocess

import paramiko
import pytest

from clients import NO_KNOWN_HOSTS
from gateway import PASSWORD, PATIENCE, POSTERN, run, wait_for
from raw import read_all, session, status_of, write_all

MEMORY = {"memory": {"type": "memory"}}


def offers(gateway):
    """What the server's KEXINIT offers, as OpenSSH's client shows it."""
    done = run(["ssh", "-vv", *NO_KNOWN_HOSTS, "-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=DEBUG2", "-p",
                gateway.port, "nobody@127.0.0.1"])
    # OpenSSH 10 shows its own proposal once more, later and without a headline.
    said = done.stderr.split("peer server KEXINIT proposal")[1].split("debug2: reserved")[0]
    found = re.findall(r"debug2: (KEX algorithms|host key algorithms|\w+ stoc): (\S+)", said)
    return {name: value.split(",") for name, value in found}


@pytest.mark.parametrize("key,value,shown", [
    ("kex", ["ecdh-sha2-nistp256"], "KEX algorithms"),
    ("ciphers", ["aes256-gcm@openssh.com", "aes128-ctr"], "ciphers stoc"),
    ("macs", ["hmac-sha2-512-etm@openssh.com"], "MACs stoc"),
    ("host_key_algorithms", ["ssh-ed25519"], "host key algorithms"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_algorithm_lists(key, value, shown, postern):
    gateway = postern(MEMORY, ssh={key: value})
    offered = [a for a in offers(gateway)[shown] if not re.match(r"ext-info|kex-strict", a)]
    assert offered == value
    with session(gateway) as sftp:
        assert sftp.listdir("/") == []


@pytest.mark.parametrize("value,offered", [("none", ["none"]), ("delayed", ["none", "zlib@openssh.com"]),
                                           ("any", ["none", "zlib", "zlib@openssh.com"])])
def test_compression(value, offered, postern, tmp_path):
    gateway = postern(MEMORY, start=False, ssh={"compression": value})
    if value != "none" and "libssh    0.10" in run([POSTERN, "version"]).stdout:
        done = run([POSTERN, "check", "--config", gateway.config])
        assert done.returncode == 78 and "ssh.compression" in done.stderr
        return
    gateway.start()
    assert sorted(offers(gateway)["compression stoc"]) == sorted(offered)
    (tmp_path / "in").write_bytes(b"again and again " * 100000)
    done = run(["sftp", "-C", *NO_KNOWN_HOSTS, "-F", "none", "-i", gateway.keys.user, "-P", gateway.port, "-b", "-",
                "alice@127.0.0.1"], input=f"put {tmp_path}/in /x\nget /x {tmp_path}/out\n")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()
    (end,) = [gateway.wait_event("disconnect", user="alice")]
    squeezed = end["bytes_in"] < 400000 and end["bytes_out"] < 400000
    assert squeezed == (value != "none"), end


def test_version_and_banner(postern):
    gateway = postern(MEMORY, ssh={"version": "gate_7", "banner": "Only for guests.\r\n"})
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.settimeout(PATIENCE)
        assert s.recv(64).startswith(b"SSH-2.0-gate_7\r\n")
    with session(gateway) as sftp:
        assert sftp.transport.get_banner() == b"Only for guests.\r\n"


@pytest.mark.parametrize("options,reason", [
    ({"rsa_min_bits": 3072}, "RSA key too short"),
    ({"public_key_algorithms": ["ssh-ed25519"]}, None),
], ids=["rsa_min_bits", "public_key_algorithms"])
def test_client_keys_that_are_refused(options, reason, postern, keys):
    gateway = postern(MEMORY, ssh=options)
    sftp = ["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-o", "IdentitiesOnly=yes", "-P", gateway.port, "-b", "-"]
    done = run([*sftp, "-i", keys.rsa, "alice@127.0.0.1"], input="pwd\n")
    assert done.returncode != 0 and "Permission denied" in done.stderr
    assert reason is None or gateway.wait_event("login_failed", reason=reason)
    gateway.wait_event("disconnect")
    assert not gateway.events("login")
    assert run([*sftp, "-i", keys.user, "alice@127.0.0.1"], input="pwd\n").returncode == 0


@pytest.mark.parametrize("methods", [["publickey"], ["password"]], ids=lambda m: m[0])
def test_methods(methods, postern, keys):
    gateway = postern(MEMORY, auth={"methods": methods})
    transport = paramiko.Transport(("127.0.0.1", gateway.port))
    try:
        transport.start_client(timeout=PATIENCE)
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            transport.auth_none("alice")
        assert refused.value.allowed_types == methods
        with pytest.raises(paramiko.BadAuthenticationType):
            if methods == ["password"]:
                transport.auth_publickey("alice", paramiko.Ed25519Key.from_private_key_file(str(keys.user)))
            else:
                transport.auth_password("alice", PASSWORD, fallback=False)
        if methods == ["password"]:
            transport.auth_password("alice", PASSWORD, fallback=False)
        else:
            transport.auth_publickey("alice", paramiko.Ed25519Key.from_private_key_file(str(keys.user)))
        assert transport.is_authenticated()
    finally:
        transport.close()


@pytest.mark.parametrize("form", ["env", "pem", "file"])
def test_host_key_by_other_ways(form, postern, keys, monkeypatch):
    """Inline, from the environment, and encrypted: the client sees the same key."""
    text = keys.host.read_text()
    gateway = postern(MEMORY, start=False)
    key = {"env": {"env": "TEST_HOST_KEY"}, "pem": {"pem": text}}.get(form)
    if key is None:
        locked = shutil.copy(keys.host, gateway.folder / "locked")
        done = run(["ssh-keygen", "-q", "-p", "-N", "sesame", "-f", locked])
        assert done.returncode == 0, done.stderr
        key = {"file": str(locked), "passphrase": {"env": "TEST_SESAME"}}
    monkeypatch.setenv("TEST_HOST_KEY", text)
    monkeypatch.setenv("TEST_SESAME", "sesame")
    gateway.settings["ssh"]["host_keys"] = [key]
    gateway.write_settings()
    gateway.start()
    fingerprint = run(["ssh-keygen", "-lf", "-"], input=keys.host_public + "\n").stdout.split()[1]
    assert fingerprint in str(gateway.events("host_key"))
    seen = run(["ssh-keyscan", "-p", gateway.port, "127.0.0.1"]).stdout
    assert keys.host_public.split()[1] in seen


@pytest.mark.parametrize("listen,enters", [
    ({"allow": ["127.0.0.0/8"]}, True), ({"allow": ["localhost"]}, True), ({"allow": ["203.0.113.0/24"]}, False),
    ({"deny": ["127.0.0.1"]}, False), ({"allow": ["127.0.0.1"], "deny": ["localhost"]}, False),
    ({"deny": ["203.0.113.0/24", "2001:db8::/32"]}, True),
], ids=str)
def test_who_may_connect(listen, enters, postern):
    gateway = postern(MEMORY, listen=[dict({"address": "127.0.0.1", "port": 0}, **listen)])
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.settimeout(PATIENCE)
        try:
            got = s.recv(8)
        except ConnectionResetError:
            got = b""
    assert (got == b"SSH-2.0-") == enters
    if not enters:
        assert gateway.wait_event("refused")["peer"].startswith("127.0.0.1")


def test_unauthenticated(postern):
    """Who does not log in may hold so many places, and no more."""
    gateway = postern(MEMORY, limits={"unauthenticated": 2})
    with session(gateway) as inside:  # logged in: it does not count
        silent = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(2)]
        for s in silent:
            s.settimeout(PATIENCE)
            assert s.recv(8) == b"SSH-2.0-"
        with pytest.raises((paramiko.SSHException, EOFError, OSError)):
            with session(gateway):
                pass
        assert inside.listdir("/") == []
        silent.pop().close()
        wait_for(lambda: gateway.events("disconnect"), "the place to be free")
        with session(gateway) as sftp:
            assert sftp.listdir("/") == []
        silent.pop().close()


def test_channels_per_connection(postern):
    gateway = postern(MEMORY, limits={"channels_per_connection": 1})
    with session(gateway) as sftp:
        with pytest.raises(paramiko.SSHException):
            paramiko.SFTPClient.from_transport(sftp.transport)
        write_all(sftp, "/x", b"x")
        assert read_all(sftp, "/x") == b"x"


def test_handles_per_session(postern):
    gateway = postern(MEMORY, limits={"handles_per_session": 2})
    with session(gateway) as sftp:
        write_all(sftp, "/x", b"x")
        first, second = sftp.open("/x", "rb"), sftp.open("/x", "rb")
        assert status_of(lambda: sftp.open("/x", "rb")) not in ("OK", "NO_SUCH_FILE", "PERMISSION_DENIED")
        first.close()
        assert second.read() == b"x" and sftp.open("/x", "rb").read() == b"x"


def test_dir_page_entries(postern):
    gateway = postern(MEMORY, sftp={"dir_page_entries": 3})
    with session(gateway) as sftp:
        for n in range(10):
            write_all(sftp, f"/f{n}", b"")
        _, answer = sftp._request(paramiko.sftp.CMD_OPENDIR, b"/")
        handle, pages = answer.get_binary(), []
        while True:
            try:
                _, answer = sftp._request(paramiko.sftp.CMD_READDIR, handle)
            except EOFError:
                break
            pages.append(answer.get_int())
        assert pages[0] <= 3 + 2 and max(pages[1:]) == 3 and sum(pages) == 10 + 2  # with . and ..
        assert len(sftp.listdir("/")) == 10


def test_shared_port(postern):
    """exclusive: false lets a second gateway in on the port; by default nobody else gets it."""
    one = postern(MEMORY, listen=[{"address": "127.0.0.1", "port": 0, "exclusive": False}])
    two = postern(MEMORY, listen=[{"address": "127.0.0.1", "port": one.port, "exclusive": False}])
    assert two.port == one.port
    alone = postern(MEMORY, start=False, listen=[{"address": "127.0.0.1", "port": one.port}])
    done = run([POSTERN, "serve", "--config", alone.config], timeout=PATIENCE)
    assert done.returncode == 69 and str(one.port) in done.stderr


def in_own_dev(folder):
    """An argv that gives what follows a /dev of its own: a log socket of ours, and what postern reads."""
    nodes = "for n in null urandom random; do mknod -m 666 $0/$n c $(stat -c '0x%t 0x%T' /dev/$n); done"
    return ["unshare", "--mount", "sh", "-c", f'{nodes} && mount --bind "$0" /dev && exec "$@"', str(folder)]


def test_no_channel_without_a_guard(postern):
    """libssh 0.10 only: what cannot be checked is refused, and the log says what is missing."""
    if "libssh    0.10" not in run([POSTERN, "version"]).stdout:
        pytest.skip("this libssh needs no guard")
    gateway = postern(MEMORY, start=False)
    hidden = gateway.folder / "hidden"
    hidden.write_text("#!/bin/sh\n" "exec unshare --mount sh -c 'mount -t tmpfs none /proc && exec \"$@\"' sh "
                      f'"{POSTERN}" "$@"\n')
    hidden.chmod(0o700)
    if os.geteuid() != 0 or run([hidden, "version"]).returncode != 0:
        pytest.skip("needs a mount namespace")
    gateway.start(binary=hidden)
    with pytest.raises(paramiko.SSHException):
        with session(gateway):
            pass
    assert "/proc" in gateway.wait_event("no_channels", user="alice")["reason"]


def test_log_to_syslog(postern, tmp_path, monkeypatch):
    gateway = postern(MEMORY, start=False, log={"output": "syslog", "format": "text"})
    dev = tmp_path / "dev"
    dev.mkdir()
    if os.geteuid() != 0 or run([*in_own_dev(dev), "true"]).returncode != 0:
        pytest.skip("needs a mount namespace")
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind("dev/log")
        log.settimeout(PATIENCE)
        for node in ("null", "urandom", "random"):
            (dev / node).unlink(missing_ok=True)
        server = subprocess.Popen([*in_own_dev(dev), str(POSTERN), "serve", "--config", str(gateway.config)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            lines = []
            while not any(" ready" in line or "ready " in line for line in lines):
                lines.append(log.recv(65536).decode())
            assert any(re.match(r"<\d+>.*postern.*listening .*port=\d+", line) for line in lines), lines
        finally:
            server.terminate()
            assert server.wait(PATIENCE) == 0
