"""Only sftp: everything else that SSH can do is refused, cleanly and at once."""
import os
import signal
import subprocess

import paramiko
import pytest

from clients import NO_KNOWN_HOSTS
from gateway import PASSWORD, PATIENCE, POSTERN, run
from raw import session


@pytest.fixture
def gateway(postern):
    return postern({"memory": {"type": "memory"}})


def ssh(gateway, *more, **options):
    return run(["ssh", "-o", "LogLevel=INFO", *NO_KNOWN_HOSTS, "-F", "none", "-i", gateway.keys.user, "-p", gateway.port,
                *more], timeout=PATIENCE, **options)


@pytest.mark.parametrize("words", [
    ["alice@127.0.0.1", "id"], ["-T", "alice@127.0.0.1"], ["-tt", "alice@127.0.0.1"],
    ["-W", "127.0.0.1:22", "alice@127.0.0.1"], ["-s", "alice@127.0.0.1", "netconf"],
    ["alice@127.0.0.1", "scp -t /x"], ["alice@127.0.0.1", ""],
], ids=["exec", "shell", "pty", "forward", "subsystem", "scp-exec", "empty"])
def test_refused(words, gateway):
    done = ssh(gateway, *words)
    assert done.returncode != 0
    assert "uid=" not in done.stdout
    with session(gateway) as sftp:  # and it serves on
        assert sftp.listdir("/") == []


def test_env_agent_and_x11_do_not_stop_sftp(gateway):
    """A client that asks for more still gets its sftp."""
    done = run(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-i", gateway.keys.user, "-o", "SendEnv=LANG", "-o",
                "SetEnv=A=b", "-o", "ForwardAgent=yes", "-P", gateway.port, "-b", "-", "alice@127.0.0.1"],
               input="pwd\n", env=dict(os.environ, LANG="C"))
    assert done.returncode == 0, done.stderr
    assert "/" in done.stdout


def test_remote_forward(gateway):
    done = ssh(gateway, "-o", "ExitOnForwardFailure=yes", "-N", "-R", "0:127.0.0.1:1", "alice@127.0.0.1")
    assert done.returncode != 0


def test_several_channels(gateway):
    """Two sftp channels over one connection; on libssh 0.10, where only one can be checked, a clean refusal."""
    guarded = "libssh    0.10" in run([POSTERN, "version"]).stdout
    with session(gateway) as sftp:
        if guarded:
            with pytest.raises(paramiko.SSHException):
                paramiko.SFTPClient.from_transport(sftp.transport)
        else:
            second = paramiko.SFTPClient.from_transport(sftp.transport)
            with second.open("/x", "wb") as file:
                file.write(b"x")
            second.close()
        assert sftp.listdir("/") == ([] if guarded else ["x"])


def test_attempts_are_counted(gateway):
    transport = paramiko.Transport(("127.0.0.1", gateway.port))
    transport.start_client(timeout=PATIENCE)
    tries = 0
    try:
        while transport.is_active() and tries < 50:
            try:
                transport.auth_password("bob", f"guess {tries}", fallback=False)
            except paramiko.AuthenticationException:
                pass
            tries += 1
    except (paramiko.SSHException, EOFError):
        pass
    finally:
        transport.close()
    assert tries <= 8  # max_attempts is 6
    with session(gateway, user="bob", password=PASSWORD) as sftp:
        assert sftp.listdir("/") == []


def test_bytes_that_are_not_ssh(gateway):
    """A load balancer's probe, a browser, noise: the gateway serves on and calls nobody an attacker."""
    import socket
    for greeting in (b"", b"GET / HTTP/1.0\r\n\r\n", os.urandom(4096), b"SSH-2.0-x\r\n" + os.urandom(4096),
                     b"SSH-1.5-old\r\n", b"SSH-2.0-" + b"A" * 100000):
        with socket.create_connection(("127.0.0.1", gateway.port)) as s:
            s.settimeout(PATIENCE)
            try:
                s.sendall(greeting)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError:
                pass
    with session(gateway) as sftp:
        assert sftp.listdir("/") == []


@pytest.mark.parametrize("options", [
    ["KexAlgorithms=diffie-hellman-group1-sha1"], ["KexAlgorithms=diffie-hellman-group14-sha1"],
    ["Ciphers=aes128-cbc"], ["Ciphers=3des-cbc"], ["MACs=hmac-sha1", "Ciphers=aes128-ctr"],
    ["HostKeyAlgorithms=ssh-rsa"],
], ids=lambda o: o[0])
def test_weak_algorithms_are_not_offered(options, gateway):
    done = ssh(gateway, *(word for o in options for word in ("-o", o)), "-s", "alice@127.0.0.1", "sftp")
    assert done.returncode == 255
    assert "Unable to negotiate" in done.stderr, done.stderr


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr",
                                    "chacha20-poly1305@openssh.com"])
@pytest.mark.parametrize("kex", ["curve25519-sha256", "ecdh-sha2-nistp256"])
def test_good_algorithms(cipher, kex, gateway):
    done = run(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-i", gateway.keys.user, "-c", cipher, "-o",
                f"KexAlgorithms={kex}", "-P", gateway.port, "-b", "-", "alice@127.0.0.1"], input="pwd\n")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("key", ["user", "rsa"])
def test_client_keys(key, gateway, keys):
    done = run(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-i", getattr(keys, key), "-o", "IdentitiesOnly=yes", "-P",
                gateway.port, "-b", "-", "alice@127.0.0.1"], input="pwd\n")
    assert done.returncode == 0, done.stderr


def test_rekey_in_the_middle(postern, keys, tmp_path):
    """Both sides ask for new keys every few megabytes, in both directions."""
    gateway = postern({"disk": {"type": "local", "root": str(tmp_path)}}, ssh={"rekey_bytes": 8 << 20})
    data = os.urandom(1 << 20) * 40
    (tmp_path / "in").write_bytes(data)
    for limit in ("4M", "1G"):
        done = run(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-i", keys.user, "-o", f"RekeyLimit={limit}", "-P",
                    gateway.port, "-b", "-", "alice@127.0.0.1"],
                   input=f"put {tmp_path}/in /up\nget /up {tmp_path}/out\n", timeout=300)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out").read_bytes() == data
        (tmp_path / "out").unlink()


def test_reader_that_stops(postern, tmp_path):
    """A client that asks for much and reads nothing costs a bounded buffer, and others nothing."""
    (tmp_path / "big").write_bytes(b"x" * (64 << 20))
    gateway = postern({"disk": {"type": "local", "root": str(tmp_path)}})
    before = gateway.memory_kib()
    stalled = subprocess.Popen(["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-i", str(gateway.keys.user), "-P",
                                str(gateway.port), "-b", "-", "alice@127.0.0.1"], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
                               start_new_session=True)
    try:
        stalled.stdin.write(f"get /big {tmp_path / 'out'}\n")
        stalled.stdin.flush()
        gateway.wait_event("open")
        os.killpg(stalled.pid, signal.SIGSTOP)  # its ssh as well
        for _ in range(20):
            with session(gateway) as sftp:
                assert sftp.stat("/big").st_size == 64 << 20
        assert gateway.memory_kib() - before < 40 << 10
    finally:
        os.killpg(stalled.pid, signal.SIGKILL)
        stalled.wait()
