"""The examples of docs/examples/ as they stand: `check` takes each, and those that decide about logins do."""
import base64
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse

import paramiko
import pytest

import slapd
from authority import Certificates
from gateway import PASSWORD, POSTERN, ROOT, run
from raw import Login, connected, key_of
from terminal import on_terminal
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
        for name in ("ca", "our-ca"):
            Certificates(self.etc, name)
        self.write("users.json", {"users": []})

    def write(self, name, value):
        path = self.etc / name
        path.write_text(json.dumps(value))
        return path

    def settings(self, name):
        text = (FOLDER / f"{name}.json").read_text()
        for place in ("/etc/postern", "/srv/sftp", "/usr/local/lib/postern", "/var/lib/postern", "/var/log"):
            text = re.sub(f'"{place}(?=[/"])', f'"{self.folder}{place}', text)
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


def enter_by_key(gateway, user, key):
    with connected(gateway) as transport:
        try:
            transport.auth_publickey(user, key_of(key))
        except paramiko.AuthenticationException:
            pass
        return transport.is_authenticated()


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
def directory(tmp_path, keys):
    if not os.path.exists(slapd.SLAPD):
        pytest.skip("slapd is not installed: scripts/deps test")
    one = slapd.Slapd(tmp_path / "slapd", {"alice": PASSWORD, "bob": "b", "carol": "c", "eve": "e"},
                      {"partners": ["alice", "bob"], "staff": ["bob"], "guests": ["carol"]},
                      {"alice": [b"\xff", b"no key at all", f"{keys.public(keys.user)} alice@laptop\n".encode()],
                       "carol": [keys.public(keys.user).encode()]})
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


def test_ldap_keys(ldap, installed, keys):
    with connected(ldap) as transport:
        transport.auth_publickey("ALICE", key_of(keys.user))
        with paramiko.SFTPClient.from_transport(transport) as sftp:
            sftp.open("/drop", "w").close()
    assert (installed.disk / "partners/alice/drop").exists()
    code, said = try_it(ldap, "alice", "--key", f"{keys.user}.pub")
    assert (code, said["verdict"], said["identity"]["user"]) == (0, "accept", "alice")


@pytest.mark.parametrize("user, which, why", [
    ("alice", "other", "not a key of the user"), ("bob", "user", "not a key of the user"),  # bob has none
    ("carol", "user", "in none of the groups"), ("eve", "user", "in none of the groups"),
    ("nobody", "user", "unknown user"), ("*", "user", "unknown user")])
def test_ldap_refuses_keys(user, which, why, ldap, keys):
    assert not enter_by_key(ldap, user, getattr(keys, which))
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


def test_totp_try_on_a_terminal(totp):
    """What is missing is asked for, and neither answer shows."""
    code = totp.code()
    ended, shown = on_terminal([str(POSTERN), "try", "--config", str(totp.config), "--user", "alice"], [PASSWORD, code])
    asked, _, said = shown.partition("\r\n{")
    assert ended == 0, shown
    assert json.loads("{" + said)["methods_done"] == ["password", TALK]
    assert asked.index("Password: ") < asked.index("Code: ")
    assert PASSWORD not in shown and code not in shown


def test_totp_try(totp):
    code, said = try_it(totp, "alice", "--password-stdin", "--keyboard-interactive", lines=[PASSWORD, totp.code()])
    assert (code, said["methods_done"], said["identity"]["home"]) == (0, ["password", TALK], "/in")
    assert [s["verdict"] for s in said["steps"]] == ["accept", "ask", "accept"]
    code, said = try_it(totp, "alice", "--password-stdin", "--keyboard-interactive", lines=[PASSWORD, "000000"])
    assert (code, said["methods_done"], said["verdict"]) == (77, ["password"], "reject")
    code, said = try_it(totp, "alice", "--password-stdin", lines=[PASSWORD])
    assert (code, said["verdict"]) == (77, "partial")


# --- hooks and handlers that were written for others --------------------------------------------------

SFTPGO_USERS = {"alice": {"password": PASSWORD, "keys": [], "pin": "1234", "quota": 0},
                "bob": {"password": "b", "keys": [], "pin": "5678", "quota": 100000}}


def serve(installed, program):
    """The program with a port of the kernel's choice; it says its URL."""
    process = subprocess.Popen([str(installed.lib / program), "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True)
    return process, process.stdout.readline().strip()


@pytest.fixture
def served(installed):
    """served(program): its URL; it ends with the test."""
    processes = []

    def start(program):
        process, url = serve(installed, program)
        processes.append(process)
        assert url.startswith("http://127.0.0.1:")
        return url
    yield start
    for process in processes:
        process.kill()
        process.wait()


def at(server):
    """The example's URLs, with this server in place of theirs."""
    def change(settings):
        verifier = settings["auth"]["verifiers"][0]
        for key in {"url", "keyboard_interactive_url"} & verifier.keys():
            verifier[key] = server.rstrip("/") + urllib.parse.urlsplit(verifier[key]).path
    return change


def refused_all(gateway, rows):
    return [row for row in rows if enter(gateway, *row) is not None] == []


WRONG = [("alice", "wrong"), ("alice", "*"), ("nobody", PASSWORD), ("ali/ce?&=\n", PASSWORD), ("../alice", PASSWORD),
         ("alice&username=bob", "b"), ('alice"', PASSWORD)]


@pytest.mark.parametrize("name", ["sftpgo", "sftpgohttp"])
def test_sftpgo(name, example, installed, served, keys):
    users = dict(SFTPGO_USERS, alice=dict(SFTPGO_USERS["alice"], keys=[keys.public(keys.user)]))
    (installed.lib / "sftpgo_users.json").write_text(json.dumps(users))
    gateway = example(name, at(served("sftpgo.py")) if name == "sftpgohttp" else lambda settings: None)
    (installed.disk / "alice/out").mkdir(parents=True)
    (installed.disk / "alice/out/report").write_text("hello")
    with enter(gateway, "alice", PASSWORD) as sftp:
        assert sftp.open("/out/report").read() == b"hello"
        sftp.open("/drop", "w").close()
        with pytest.raises(PermissionError):
            sftp.remove("/out/report")
    with enter(gateway, "bob", "b") as sftp:  # below a home of its own, and within its quota
        with pytest.raises(OSError, match="quota"):
            with sftp.open("/big", "wb") as file:
                file.write(b"x" * 200000)
    assert enter_by_key(gateway, "alice", keys.user)
    assert not enter_by_key(gateway, "alice", keys.other) and not enter_by_key(gateway, "bob", keys.user)
    assert refused_all(gateway, WRONG)


@pytest.mark.parametrize("password, pin, asked", [
    (PASSWORD, "1234", ["Password: ", "Pin: "]), (PASSWORD, "5678", ["Password: ", "Pin: "]),
    (PASSWORD, "", ["Password: ", "Pin: "]), ("wrong", "1234", ["Password: "]), ("", "1234", ["Password: "])])
def test_sftpgo_dialog(password, pin, asked, example, installed, served):
    (installed.lib / "sftpgo_users.json").write_text(json.dumps(SFTPGO_USERS))
    gateway = example("sftpgohttp", at(served("sftpgo.py")))
    (installed.disk / "alice").mkdir()
    (installed.disk / "alice/mine").touch()
    questions = []

    def answer(_title, _instruction, prompts):
        questions.extend(text for text, _echo in prompts)
        return [{"Password: ": password, "Pin: ": pin}[text] for text, _echo in prompts]
    with connected(gateway) as transport:
        try:
            transport.auth_interactive("alice", answer)
            with paramiko.SFTPClient.from_transport(transport) as sftp:
                assert sftp.listdir("/") == ["mine"]
        except paramiko.AuthenticationException:
            pass
        assert transport.is_authenticated() == ((password, pin) == (PASSWORD, "1234"))
    assert questions == asked


@pytest.mark.parametrize("name", ["lambda", "apigateway"])
def test_aws(name, example, installed, served, keys):
    (installed.lib / "lambda_users.json").write_text(json.dumps({
        "alice": {"password": PASSWORD, "keys": [keys.public(keys.user)]}, "bob": {"password": "b", "keys": []}}))
    gateway = example(name, at(served("lambda_server.py")))
    (installed.disk / "shared").mkdir()
    (installed.disk / "shared/notice").write_text("hello")
    with enter(gateway, "alice", PASSWORD) as sftp:
        assert sftp.open("/shared/notice").read() == b"hello"
        sftp.open("/drop", "w").close()
    assert (installed.disk / "alice/drop").exists()
    assert enter_by_key(gateway, "alice", keys.user)
    assert not enter_by_key(gateway, "alice", keys.other) and not enter_by_key(gateway, "bob", keys.user)
    assert refused_all(gateway, [*WRONG, ("alice", "")])  # "": to the handler it looks like a key login
    code, said = try_it(gateway, "alice", "--password-stdin", lines=[PASSWORD])
    assert code == 0 and [m["path"] for m in said["mounts"]] == ["/", "/shared"]


# --- OAuth 2 ------------------------------------------------------------------------------------------

class TokenEndpoint(http.server.BaseHTTPRequestHandler):
    """The password grant of RFC 6749 section 4.3, errors as in its section 5.2: alice has PASSWORD."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
        self.answer(*self.decide({name: values[0] for name, values in form.items() if len(values) == 1}))

    def decide(self, form):
        client = base64.b64encode(f"sftp:{self.server.secret}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {client}":
            return 401, {"error": "invalid_client"}
        if not {"grant_type", "username", "password"} <= form.keys():
            return 400, {"error": "invalid_request"}
        if form["grant_type"] != "password":
            return 400, {"error": "unsupported_grant_type"}
        if (form["username"], form["password"]) != ("alice", PASSWORD):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": "Bearer", "expires_in": 3600,
                     "scope": form["scope"]}

    def answer(self, status, said):
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Cache-Control", "no-store"),
                            ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def oauth(example):
    """The gateway, and .endpoint."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), TokenEndpoint) as server:
        server.secret = ENVIRONMENT["OAUTH_CLIENT_SECRET"]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

        def here(settings):
            settings["auth"]["verifiers"][0]["request"]["url"] = f"http://127.0.0.1:{server.server_port}/oauth2/token"
        gateway = example("oauth", here)
        gateway.endpoint = server
        yield gateway
        gateway.stop()  # it keeps connections
        server.shutdown()


def test_oauth(oauth, installed):
    with enter(oauth, "alice", PASSWORD) as sftp:
        sftp.open("/drop", "w").close()
    assert (installed.disk / "alice/drop").exists()
    assert refused_all(oauth, [*WRONG, ("alice&password=x", PASSWORD), ("bob", "x&username=alice&password=" + PASSWORD)])
    assert {e["reason"] for e in oauth.events("login_failed")} == {"reject_when holds (HTTP status 400)"}


def test_oauth_client_is_refused(oauth):
    """That is nothing that the user did: a fault, which the log tells from a wrong password."""
    oauth.endpoint.secret = "another"
    code, said = try_it(oauth, "alice", "--password-stdin", lines=[PASSWORD])
    assert (code, said["verdict"]) == (69, "fault")
    assert enter(oauth, "alice", PASSWORD) is None
