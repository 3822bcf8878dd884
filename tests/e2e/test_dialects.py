"""Programs and services that were written for others decide about logins, unchanged."""
import base64
import http.server
import json
import threading
import urllib.parse

import paramiko
import pytest

from gateway import PASSWORD, POSTERN, run
from raw import connected, key_of

ALL = ["publickey", "password", "keyboard-interactive"]
HOME = {"home_base": "/srv/data", "backend": "disk"}

SFTPGO_USER = r"""#!/usr/bin/python3
import json, os
name, word = os.environ["SFTPGO_AUTHD_USERNAME"], os.environ["SFTPGO_AUTHD_PASSWORD"]
known = name == "alice" and word != "wrong" and os.environ["SFTPGO_AUTHD_PROTOCOL"] == "SSH"
print(json.dumps({"username": name, "status": 1, "home_dir": "/srv/data/" + name, "expiration_date": 0,
                  "permissions": {"/": ["*"], "/out": ["list", "download"]}, "quota_size": 0, "public_keys": None,
                  "filters": {"allowed_ip": ["127.0.0.0/8"], "web_client": ["shares-disabled"]},
                  "filesystem": {"provider": 0}} if known else {"username": ""}))
"""
SFTPGO_DIALOG = r"""#!/bin/sh
printf '%s\n' '{"instruction": "Two steps", "questions": ["Password: "], "echos": [false], "check_password": 1}'
IFS= read -r checked && [ "$checked" = OK ] || exit 1
printf '%s\n' '{"questions": ["One time token: ", "Colour: "], "echos": [false, true]}'
IFS= read -r token
IFS= read -r colour
result=-1
[ "$token/$colour" = "token/sky blue" ] && result=1
printf '{"auth_result": %d}\n' "$result"
"""
RCLONE = r"""#!/usr/bin/python3
import json, sys
i = json.load(sys.stdin)
if i.get("pass") == "wrong":
    sys.exit("not this one")
json.dump({"type": "local", "_root": "/srv/data/" + i["user"], "_obscure": ""}, sys.stdout, indent="\t")
"""


@pytest.fixture
def asking(postern, tmp_path):
    """asking({key: script}, ...): a gateway whose verifier is these programs."""
    disk = tmp_path / "disk"
    (disk / "alice" / "out").mkdir(parents=True)
    (disk / "alice" / "out" / "report").write_text("hello")

    def factory(programs, **keys):
        for key, script in programs.items():
            path = tmp_path / key
            path.write_text(script)
            path.chmod(0o700)
            keys[key] = [str(path)]
        return postern({"disk": {"type": "local", "root": str(disk)}}, auth={
            "methods": ALL, "failure_delay_ms": 50,
            "verifiers": [dict({"type": "program"}, **keys)]})
    return factory


def check_words(gateway, probed):
    """`check` takes the configuration, and `try` says of it what a login would."""
    checked = run([POSTERN, "check", "--probe", "--config", gateway.config])
    assert checked.returncode == 0 and f"auth.verifiers[0]: {probed}\n" in checked.stdout, checked.stderr
    for word, code, verdict in ((PASSWORD, 0, "accept"), ("wrong", 77, "reject")):
        tried = run([POSTERN, "try", "--config", gateway.config, "--user", "alice", "--password-stdin"], input=word)
        said = json.loads(tried.stdout)
        assert (tried.returncode, said["verdict"]) == (code, verdict), tried.stdout
    assert said["verifier"].endswith("[0]") and said["why"]


def is_in_home(transport):
    with paramiko.SFTPClient.from_transport(transport) as sftp:
        assert sftp.listdir("/") == ["out"]
        with sftp.open("/out/report") as report:
            assert report.read() == b"hello"
        with sftp.open("/mine", "w") as mine:
            mine.write("x")


@pytest.mark.parametrize("dialect, script", [("sftpgo", SFTPGO_USER), ("rclone", RCLONE)])
def test_program(dialect, script, asking, keys):
    gateway = asking({"command": script}, dialect=dialect, **HOME)
    with connected(gateway) as transport:
        transport.auth_password("alice", PASSWORD)
        is_in_home(transport)
    check_words(gateway, "can be started, and was asked nothing")
    with connected(gateway) as transport:
        transport.auth_publickey("alice", key_of(keys.user))
    with connected(gateway) as transport:
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_password("alice", "wrong")


RCLONE_CASES = """#!/bin/sh
echo asked >>"$ASKED"
read -r question
case $question in
*wrong*) exit 1 ;;
*down*) exit 75 ;;
*killed*) kill -9 $$ ;;
esac
echo '{"type": "local", "_root": "/srv/data/alice"}'
"""


@pytest.mark.parametrize("word, times, banned", [("wrong", 1, True), ("down", 2, False), ("killed", 2, False)])
def test_rclone_says_no_by_its_exit_code(word, times, banned, asking, tmp_path):
    """Once, and it counts; a program that could not find out is asked again, and the client is not to blame."""
    asked = tmp_path / "asked"
    gateway = asking({"command": RCLONE_CASES}, dialect="rclone", env={"ASKED": str(asked)}, **HOME)
    gateway.settings["auth"]["throttle"] = {"failures": 1}
    gateway.stop()
    gateway.write_settings()
    gateway.start()
    with connected(gateway) as transport:
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_password("alice", word)
    assert len(asked.read_text().splitlines()) == times
    gateway.wait_event("disconnect")
    assert [e["whom"] for e in gateway.events("ban")] == (["user"] if banned else [])
    with connected(gateway) as transport:
        if banned:
            with pytest.raises(paramiko.AuthenticationException):
                transport.auth_password("alice", PASSWORD)
        else:
            transport.auth_password("alice", PASSWORD)


def test_sftpgo_permissions(asking):
    gateway = asking({"command": SFTPGO_USER}, dialect="sftpgo", **HOME)
    with connected(gateway) as transport:
        transport.auth_password("alice", PASSWORD)
        with paramiko.SFTPClient.from_transport(transport) as sftp:
            with pytest.raises(PermissionError):
                sftp.remove("/out/report")
    with connected(gateway) as transport:
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_password("bob", PASSWORD)
    assert "refuses" in gateway.wait_event("login_failed", user="bob")["reason"]


@pytest.mark.parametrize("word, token, colour, ok", [
    (PASSWORD, "token", "sky blue", True), ("wrong", "token", "sky blue", False),
    (PASSWORD, "other", "sky blue", False), (PASSWORD, "token", "sky blue\nx", False)])
def test_sftpgo_dialog(word, token, colour, ok, asking):
    gateway = asking({"command": SFTPGO_USER, "keyboard_interactive_command": SFTPGO_DIALOG}, dialect="sftpgo", **HOME)
    answers = {"Password: ": word, "One time token: ": token, "Colour: ": colour}
    asked = []

    def answer(_title, instruction, prompts):
        asked.append((instruction, prompts))
        return [answers[text] for text, _echo in prompts]

    with connected(gateway) as transport:
        if ok:
            transport.auth_interactive("alice", answer)
            is_in_home(transport)
        else:
            with pytest.raises(paramiko.AuthenticationException):
                transport.auth_interactive("alice", answer)
    assert asked[0] == ("Two steps", [("Password: ", False)])
    assert asked[1:] in ([], [("", [("One time token: ", False), ("Colour: ", True)])])
    assert len(asked) == (1 if word == "wrong" else 2)


# --- over HTTP ----------------------------------------------------------------------------------------

class Services(http.server.BaseHTTPRequestHandler):
    """An API Gateway, a Lambda's URL, an OAuth 2 token endpoint and an SFTPGo hook: alice has PASSWORD."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        path = urllib.parse.urlsplit(self.path).path
        service = {"aws": self.api_gateway, "lambda": self.function, "token": self.token, "sftpgo": self.sftpgo}
        status, said = service[path.split("/")[1]](path, body)
        answer = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def api_gateway(self, path, _body):
        servers, server, users, user, config = path.split("/")[2:]
        assert (self.command, servers, server, users, config) == ("GET", "servers", "s-1", "users", "config")
        assert "protocol=SFTP&sourceIp=127.0.0.1" in self.path
        known = user == "alice" and base64.b64decode(self.headers.get("PasswordBase64", "")) == PASSWORD.encode()
        target = json.dumps([{"Entry": "/", "Target": "/bucket/${transfer:UserName}"}])
        if not known:
            return 200, {}
        return 200, {"Role": "arn:sftp", "HomeDirectoryType": "LOGICAL", "HomeDirectoryDetails": target}

    def function(self, _path, body):
        event = json.loads(body)
        assert (event["protocol"], event["serverId"], event["sourceIp"]) == ("SFTP", "s-1", "127.0.0.1")
        if (event["username"], event["password"]) != ("alice", PASSWORD):
            return 200, {}
        return 200, {"Role": "arn:sftp", "HomeDirectoryType": "LOGICAL",
                     "HomeDirectoryDetails": '[{"Entry": "/", "Target": "/bucket/alice"}]'}

    def token(self, _path, body):
        form = dict(urllib.parse.parse_qsl(body, strict_parsing=True))
        if form != {"grant_type": "password", "username": "alice", "password": PASSWORD}:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "t", "folders": [{"path": "/", "backend": "disk", "prefix": "alice"}]}

    def sftpgo(self, _path, body):
        asked = json.loads(body)
        if (asked["username"], asked["password"]) != ("alice", PASSWORD):
            return 200, {"username": ""}
        return 200, {"username": "alice", "status": 1, "home_dir": "/srv/data/alice", "permissions": {"/": ["*"]}}


AWS = {"dialect": "aws-transfer", "server_id": "s-1", "roles": {"arn:sftp": ""}, "buckets": {"bucket": "disk"}}
TEMPLATE = {"dialect": "template",
            "request": {"headers": {"Content-Type": "application/x-www-form-urlencoded"},
                        "body": "grant_type=password&username=${user}&password=${password}"},
            "accept_when": {"status": 200, "pointer": "/access_token"},
            "reject_when": {"status": 400, "pointer": "/error", "equals": "invalid_grant"},
            "identity": {"mounts": "/folders"}}


@pytest.mark.parametrize("path, keys_of", [
    ("aws", AWS), ("lambda", dict(AWS, form="json")), ("token", TEMPLATE),
    ("sftpgo", dict(HOME, dialect="sftpgo"))])
def test_http(path, keys_of, asking):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Services) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        gateway = asking({}, type="http", url=f"http://127.0.0.1:{server.server_port}/{path}", **keys_of)
        with connected(gateway) as transport:
            transport.auth_password("alice", PASSWORD)
            is_in_home(transport)
        for user, word in (("alice", "wrong"), ("al/ice?&=\n", PASSWORD), ("alice&username=bob", PASSWORD)):
            with connected(gateway) as transport:
                with pytest.raises(paramiko.AuthenticationException):
                    transport.auth_password(user, word)
        check_words(gateway, "answers")
        gateway.stop()
        server.shutdown()


# --- keyboard-interactive by template -----------------------------------------------------------------

FOLDERS = [{"path": "/", "backend": "disk", "prefix": "alice"}]
QUESTIONS = {"Password: ": PASSWORD, "Code: ": "123456", "Colour: ": "sky \"blue\""}


def challenge(transaction, *labels, **more):
    questions = [{"label": label, "visible": label == "Colour: "} for label in labels]
    return dict({"status": "challenge", "transaction": transaction, "message": "Please", "questions": questions}, **more)


class Challenges(Services):
    """A password, then a code and a colour; whoever is named after a bad day has one."""
    granted = {"status": "granted", "folders": FOLDERS}
    bad = {"eager": granted, "html": None, "many": challenge(1, *"abc"), "none": challenge(1),
           "forgetful": challenge(None, "Code: "), "deaf": challenge(1, questions={}),
           "shy": challenge(1, "Code: ", questions=[{"visible": True}])}

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = json.dumps(self.decide(asked)).encode()
        if asked["login"] == "html":
            said = b"<html>granted</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def decide(self, asked):
        assert set(asked) == {"login", "transaction", "step", "answers"}, asked
        if asked["login"] in self.bad:
            return self.bad[asked["login"]]
        expected = {"": ("1", ["", ""]), "17": ("2", [PASSWORD, ""]),
                    "t\"2": ("3", [QUESTIONS["Code: "], QUESTIONS["Colour: "]])}[asked["transaction"]]
        if asked["login"] != "alice" or (asked["step"], asked["answers"]) != expected:
            return {"status": "denied"}
        return {"": challenge(17, "Password: "), "17": challenge("t\"2", "Code: ", "Colour: "),
                "t\"2": self.granted}[asked["transaction"]]


CHALLENGES = {
    "dialect": "template",
    "request": {"body": json.dumps({"login": "${user}", "transaction": "${state}", "step": "${step}",
                                    "answers": ["${answer_1}", "${answer_2}"]})},
    "accept_when": {"pointer": "/status", "equals": "granted"},
    "reject_when": {"pointer": "/status", "equals": "denied"},
    "ask_when": {"pointer": "/status", "equals": "challenge"},
    "ask": {"prompts": "/questions", "text": "/label", "echo": "/visible", "instruction": "/message",
            "state": "/transaction"},
    "identity": {"mounts": "/folders"}}


@pytest.fixture
def challenging(asking):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Challenges) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield asking({}, type="http", url=f"http://127.0.0.1:{server.server_port}/", **CHALLENGES)
        server.shutdown()


def talk(gateway, user, answers):
    """What was asked, and whether it let in."""
    asked = []

    def answer(_title, instruction, prompts):
        asked.append((instruction, prompts))
        return [answers[text] for text, _echo in prompts]

    with connected(gateway) as transport:
        try:
            transport.auth_interactive(user, answer)
            is_in_home(transport)
        except paramiko.AuthenticationException:
            pass
        return asked, transport.is_authenticated()


def test_template_dialog(challenging):
    asked, inside = talk(challenging, "alice", QUESTIONS)
    assert inside
    assert asked == [("Please", [("Password: ", False)]), ("Please", [("Code: ", False), ("Colour: ", True)])]
    tried = run([POSTERN, "try", "--config", challenging.config, "--user", "alice", "--keyboard-interactive"],
                input="".join(f"{answer}\n" for answer in QUESTIONS.values()))
    said = json.loads(tried.stdout)
    assert (tried.returncode, said["verdict"], len(said["steps"])) == (0, "accept", 3), tried.stdout
    for wrong in ({"Password: ": "wrong"}, {"Code: ": "1"}, {"Colour: ": "sky"}, {"Colour: ": ""}, {"Password: ": ""}):
        assert not talk(challenging, "alice", {**QUESTIONS, **wrong})[1], wrong


@pytest.mark.parametrize("user, why", [
    ("eager", "accept_when holds before the user has answered"), ("html", "no JSON"), ("many", "list of 1 to 2"),
    ("none", "list of 1 to 2"), ("forgetful", "ask.state"), ("deaf", "ask.text"), ("shy", "ask.text"),
    ("al\"ice", "reject_when")])
def test_template_dialog_has_a_bad_day(user, why, challenging):
    assert talk(challenging, user, QUESTIONS) == ([], False)
    assert why in challenging.wait_event("login_failed")["reason"]
