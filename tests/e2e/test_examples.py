"""The examples of docs/examples/ as they stand: `check` takes each, and those that decide about logins do."""
import json
import os
import shutil
import time

import paramiko
import pytest

import slapd
from gateway import PASSWORD, POSTERN, ROOT, run
from raw import Login, connected
from test_docs import ENVIRONMENT, EXAMPLES

FOLDER = ROOT / "docs/examples"
TALK = "keyboard-interactive"


class Installed:
    """A machine's folders for the examples: what they name is below `folder`."""

    def __init__(self, folder, keys):
        self.folder = folder
        self.etc, self.disk, self.lib = folder / "etc/postern", folder / "srv/sftp", folder / "usr/local/lib/postern"
        self.state, self.logs = folder / "var/lib/postern", folder / "var/log"
        for one in (self.etc, self.disk, self.lib, self.state, self.logs):
            one.mkdir(parents=True)
        for program in FOLDER.glob("*.py"):
            shutil.copy(program, self.lib)
        for name, key in (("host_ed25519", keys.host), ("host_rsa", keys.rsa)):
            shutil.copy(key, self.etc / name)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", self.etc / "ca.pem")
        self.write("users.json", {"users": []})

    def write(self, name, value):
        path = self.etc / name
        path.write_text(json.dumps(value))
        return path

    def settings(self, name):
        text = (FOLDER / f"{name}.json").read_text()
        for place in ("/etc/postern", "/srv/sftp", "/usr/local/lib/postern", "/var/lib/postern", "/var/log"):
            text = text.replace(f'"{place}', f'"{self.folder}{place}')
        return json.loads(text)


@pytest.fixture
def installed(tmp_path, keys):
    return Installed(tmp_path / "machine", keys)


@pytest.fixture
def example(postern, installed, monkeypatch):
    """example(name, change): a gateway that runs the example; change(settings) for what only a test has."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def start(name, change=lambda settings: None):
        gateway = postern({"none": {"type": "memory"}}, start=False)
        settings = installed.settings(name)
        settings.update(listen=gateway.settings["listen"], log={"format": "json"})
        settings["auth"]["failure_delay_ms"] = 50
        change(settings)
        gateway.settings = settings
        gateway.write_settings()
        return gateway.start()
    return start


def enter(gateway, user, password):
    """The SFTP session of a login by password, or None."""
    transport = paramiko.Transport(("127.0.0.1", gateway.port))
    transport.daemon = True
    transport.start_client(timeout=30)
    try:
        transport.auth_password(user, password)
        return paramiko.SFTPClient.from_transport(transport)
    except paramiko.AuthenticationException:
        transport.close()
        return None


def try_it(gateway, user, *words, lines=()):
    done = run([POSTERN, "try", "--config", gateway.config, "--user", user, *words],
               input="".join(f"{line}\n" for line in lines))
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_check(path, installed, tmp_path, keys):
    installed.write("groups.json", {})
    config = tmp_path / "postern.json"
    config.write_text(json.dumps(installed.settings(path.stem)))
    done = run([POSTERN, "check", "--config", config],
               env={**os.environ, **ENVIRONMENT, "HOST_KEY": keys.host.read_text()})
    assert done.returncode == 0, done.stderr


# --- LDAP -------------------------------------------------------------------------------------------

GROUPS = {"staff": {"mounts": [{"path": "/", "backend": "disk", "prefix": ""}]},
          "partners": {"mounts": [{"path": "/", "backend": "disk", "prefix": "partners/${user}"}],
                       "permissions": {"/": ["list", "upload"]}}}


@pytest.fixture
def directory(tmp_path):
    one = slapd.Slapd(tmp_path / "slapd", {"alice": PASSWORD, "bob": "b", "carol": "c", "eve": "e"},
                      {"partners": ["alice", "bob"], "staff": ["bob"], "guests": ["carol"]})
    yield one.start()
    one.stop()


@pytest.fixture
def ldap(example, installed, directory):
    installed.write("groups.json", GROUPS)

    def here(settings):
        settings["auth"]["verifiers"][0]["env"]["LDAP_URL"] = directory.url
    return example("ldap", here)


def test_ldap(ldap, installed):
    with enter(ldap, "alice", PASSWORD) as sftp:
        sftp.open("/drop", "w").close()
        with pytest.raises(PermissionError):
            sftp.open("/drop")
    assert (installed.disk / "partners/alice/drop").exists()
    with enter(ldap, "bob", "b") as sftp:  # the first group of the file
        assert sftp.listdir("/partners/alice") == ["drop"]
    with enter(ldap, "ALICE", PASSWORD) as sftp:  # one user for the directory, one folder here
        assert sftp.listdir("/") == ["drop"]


@pytest.mark.parametrize("user, password, why", [
    ("alice", "wrong", "wrong password"), ("alice", "", "wrong password"), ("alice", "*", "wrong password"),
    ("carol", "c", "in none of the groups"), ("eve", "e", "in none of the groups"),
    ("nobody", PASSWORD, "unknown user"), ("*", PASSWORD, "unknown user"), ("*)(uid=*", PASSWORD, "unknown user"),
    ("alice)(|(uid=*", PASSWORD, "unknown user"), ("ali*", PASSWORD, "unknown user"), ("a\\2a", PASSWORD, "unknown user"),
    (slapd.ADMIN, slapd.ADMIN_PASSWORD, "unknown user"), ("ä😀", "x", "unknown user")])
def test_ldap_refuses(user, password, why, ldap):
    assert enter(ldap, user, password) is None
    assert ldap.wait_event("login_failed")["reason"] == why
    assert ldap.events("program_stderr") == []


def test_ldap_is_down(ldap, directory):
    enter(ldap, "alice", PASSWORD).close()
    directory.stop()
    assert enter(ldap, "alice", PASSWORD) is None
    ldap.wait_event("program_stderr")
    code, said = try_it(ldap, "alice", "--password-stdin", lines=[PASSWORD])
    assert (code, said["verdict"]) == (69, "fault")
    directory.start()
    enter(ldap, "alice", PASSWORD).close()


# --- TOTP -------------------------------------------------------------------------------------------

# RFC 6238 appendix B: the secret, and (time, last six digits of the code).
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_ROWS = [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"),
            (2000000000, "279037"), (20000000000, "353130")]


def totp_module():
    """The example's functions, without its loop."""
    text = (FOLDER / "totp.py").read_text().split("\nif len(sys.argv)")[0]
    found = {}
    exec(compile(text, "totp.py", "exec"), found)
    return found


def test_totp_codes():
    code_at = totp_module()["code_at"]
    assert [(at, code_at(RFC_SECRET, at // 30)) for at, _ in RFC_ROWS] == RFC_ROWS


@pytest.fixture
def totp(example, installed):
    """The gateway, and code(steps): the one of that many steps from now, with time left to use it."""
    entries = {}
    for name, password in (("alice", PASSWORD), ("bob", "b")):
        made = run([installed.lib / "totp.py", name], input=password + "\n")
        assert made.returncode == 0, made.stderr
        entries.update(json.loads(made.stdout))
        assert f"secret={entries[name]['secret']}" in made.stderr
    entries["alice"]["identity"] = {"home": "/in"}
    installed.write("totp.json", entries)
    gateway = example("totp")
    gateway.code = lambda steps=0, name="alice": totp_module()["code_at"](
        entries[name]["secret"], int(time.time()) // 30 + steps)
    return gateway


def two_steps(transport, password, code, user="alice"):
    """What is left to do after the password, then after the code."""
    asked = []

    def answer(_title, _instruction, prompts):
        asked.extend(prompts)
        return [code]
    left = transport.auth_password(user, password)
    rest = transport.auth_interactive(user, answer)
    assert asked == [("Code: ", False)]
    return left, rest


def is_in(gateway, *words, **more):
    with connected(gateway) as transport:
        try:
            two_steps(transport, *words, **more)
        except paramiko.AuthenticationException:
            pass
        return transport.is_authenticated()


def test_totp(totp):
    with connected(totp) as transport:
        assert two_steps(transport, PASSWORD, totp.code()) == ([TALK], [])
        with paramiko.SFTPClient.from_transport(transport) as sftp:
            assert sftp.normalize(".") == "/in"
    assert not is_in(totp, PASSWORD, totp.code(-1)), "earlier than one that was used"
    assert is_in(totp, PASSWORD, totp.code(1)), "of a clock that is fast"
    assert is_in(totp, "b", totp.code(0, "bob"), user="bob")


def test_totp_code_is_good_once(totp, installed):
    code = totp.code(1)
    assert is_in(totp, PASSWORD, code)
    assert not is_in(totp, PASSWORD, code)
    totp.wait_event("login_failed", method=TALK, reason="wrong code, or one that was used")
    totp.stop()
    totp.start()  # and the next process knows as well
    assert not is_in(totp, PASSWORD, code)
    shutil.rmtree(installed.state)  # who cannot remember lets nobody in
    assert not is_in(totp, PASSWORD, totp.code(1))


@pytest.mark.parametrize("code", ["", "000000000", "١٢٣٤٥٦", "12345\n", "x" * 500])
def test_totp_wrong_code(code, totp):
    assert not is_in(totp, PASSWORD, code)
    totp.wait_event("login_failed", method=TALK, reason="wrong code, or one that was used")


def test_totp_needs_both(totp):
    for user, password in (("alice", "wrong"), ("nobody", PASSWORD)):
        with connected(totp) as transport, pytest.raises(paramiko.AuthenticationException):
            transport.auth_password(user, password)
    with connected(totp) as transport:
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_interactive("alice", lambda *_: [totp.code()])
        assert not transport.is_authenticated()
    with connected(totp) as transport:
        assert transport.auth_password("alice", PASSWORD) == [TALK]
        assert not transport.is_authenticated()


def test_totp_user_may_not_change(totp):
    """alice's password, then bob's code."""
    with connected(totp) as transport:
        login = Login(transport)
        assert login.password("alice", PASSWORD)[0] == Login.FAILURE  # a partial success
        login.send(50, b"bob", b"ssh-connection", TALK.encode(), b"", b"")
        totp.wait_event("disconnect", reason="the user changed between the steps of a login")
    assert totp.events("login") == []


def test_totp_try(totp):
    code, said = try_it(totp, "alice", "--password-stdin", "--keyboard-interactive", lines=[PASSWORD, totp.code()])
    assert (code, said["methods_done"], said["identity"]["home"]) == (0, ["password", TALK], "/in")
    assert [s["verdict"] for s in said["steps"]] == ["accept", "ask", "accept"]
    code, said = try_it(totp, "alice", "--password-stdin", "--keyboard-interactive", lines=[PASSWORD, "000000"])
    assert (code, said["methods_done"], said["verdict"]) == (77, ["password"], "reject")
    code, said = try_it(totp, "alice", "--password-stdin", lines=[PASSWORD])
    assert (code, said["verdict"]) == (77, "partial")
