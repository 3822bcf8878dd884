"""`postern try`: a login without a client, by every method and in several steps."""
import json
import socket

import pytest

from gateway import PASSWORD, POSTERN, run
from raw import Login, connected
from terminal import on_terminal

KEY, WORD, TALK = "publickey", "password", "keyboard-interactive"
OK, NOINPUT, UNAVAILABLE, NOPERM, CONFIG = 0, 66, 69, 77, 78

# Asks for a code and, if it is 1, for another one; knows "eve" only. As a program, or as decide(r) of a service.
ASKING = '''import json, sys
def ask(state, *prompts):
    return {"decision": "ask", "instruction": "Look at your device.", "state": state,
            "prompts": [{"text": t, "echo": e} for t, e in prompts]}
def decide(r):
    k = r.get("keyboard_interactive") or {}
    answers = k.get("answers")
    if r["user"] == "endless":
        return ask("again")
    if r["user"] == "broken":
        return "no object"
    if r["user"] != "eve":
        return {"decision": "next"}
    if r["method"] == "publickey" or (r["method"] == "password" and r["password"] == "pw"):
        return {"decision": "accept", "identity": {"next_methods": ["keyboard-interactive"]}}
    if r["method"] != "keyboard-interactive":
        return {"decision": "reject", "reason": "not that"}
    if not answers:
        return ask("one", ("Code: ", False), ("Colour\\x1b[2J: ", True))
    if k["state"] == "one":
        right = answers == ["1", "red"]
        return ask("two", ("Next code: ", False)) if right else {"decision": "reject", "reason": "bad code"}
    right = answers == ["2"] and k["state"] == "two" and k["step"] == 3
    return {"decision": "accept"} if right else {"decision": "reject", "reason": "bad second code"}
if __name__ == "__main__":
    print(json.dumps(decide(json.load(sys.stdin))))
'''


@pytest.fixture
def gateway(postern, keys, tmp_path):
    script = tmp_path / "asking.py"
    script.write_text(ASKING)
    users = keys.standard_users() + [
        {"user": "dave", "public_keys": [keys.public(keys.user), keys.public(keys.rsa)],
         "methods": ["publickey,publickey"]},
        {"user": "fay", "password": keys.password_hash, "methods": ["password,keyboard-interactive"]}]
    gateway = postern({"memory": {"type": "memory"}}, start=False, users=users, auth={"methods": [KEY, WORD, TALK]})
    gateway.settings["auth"]["verifiers"].append({"type": "program", "command": ["/usr/bin/python3", str(script)]})
    gateway.write_settings()
    return gateway


def attempt(gateway, user, *words, lines=()):
    done = run([POSTERN, "try", "--config", gateway.config, "--user", user, *words],
               input="".join(f"{line}\n" for line in lines))
    assert PASSWORD not in done.stdout + done.stderr
    return done, json.loads(done.stdout) if done.stdout else None


@pytest.mark.parametrize("user,words,lines,code,done", [
    ("alice", ["--key", "user"], [], OK, [KEY]),
    ("alice", ["--key", "other"], [], NOPERM, []),
    ("alice", ["--key", "both"], [], OK, [KEY]),
    ("bob", [], [PASSWORD], OK, [WORD]),
    ("bob", ["--keyboard-interactive"], [PASSWORD], OK, [TALK]),
    ("bob", ["--keyboard-interactive"], ["wrong"], NOPERM, []),
    ("nobody", ["--keyboard-interactive"], ["wrong"], NOPERM, []),
    ("carol", ["--key", "user", "--password-stdin"], [PASSWORD], OK, [KEY, WORD]),
    ("carol", ["--key", "user"], [], NOPERM, [KEY]),
    ("carol", ["--key", "user", "--password-stdin"], ["wrong"], NOPERM, [KEY]),
    ("dave", ["--key", "user"], [], NOPERM, [KEY]),
    ("dave", ["--key", "both"], [], OK, [KEY, KEY]),
    ("fay", ["--password-stdin", "--keyboard-interactive"], [PASSWORD, PASSWORD], OK, [WORD, TALK]),
    ("eve", ["--keyboard-interactive"], ["1", "red", "2"], OK, [TALK]),
    ("eve", ["--keyboard-interactive"], ["1", "blue"], NOPERM, []),
    ("eve", ["--password-stdin", "--keyboard-interactive"], ["pw", "1", "red", "2"], OK, [WORD, TALK]),
    ("eve", ["--key", "user", "--keyboard-interactive"], ["1", "red", "3"], NOPERM, [KEY]),
], ids=lambda v: "+".join(v) if isinstance(v, list) and PASSWORD not in v else str(v)[:8])
def test_login(user, words, lines, code, done, gateway, keys, tmp_path):
    pair = tmp_path / "both.pub"
    pair.write_text("".join(keys.public(k) + "\n" for k in (keys.other, keys.user, keys.rsa)))
    paths = {"user": f"{keys.user}.pub", "other": f"{keys.other}.pub", "both": pair}
    ended, said = attempt(gateway, user, *[paths.get(w, w) for w in words], lines=lines)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert said["methods_done"] == done
    assert (said["verdict"] == "accept") == (code == OK)
    if code == OK:
        assert said["identity"]["user"] == user and said["mounts"]


def test_who_said_what(gateway):
    _, said = attempt(gateway, "eve", "--keyboard-interactive", lines=["1", "red", "2"])
    assert [(s["round"], s["verdict"], s.get("prompts")) for s in said["steps"]] == [
        (1, "ask", ["Code: ", "Colour\x1b[2J: "]), (2, "ask", ["Next code: "]), (3, "accept", None)]
    assert said["steps"][0]["asked"] == [{"verifier": "file[0]", "verdict": "next", "why": "unknown user"},
                                         {"verifier": "program[1]", "verdict": "ask"}]
    assert [a["verifier"] for a in said["steps"][1]["asked"]] == ["program[1]"]
    _, said = attempt(gateway, "eve", "--keyboard-interactive", lines=["1", "blue"])
    assert (said["verifier"], said["why"]) == ("program[1]", "bad code")


def test_fault(gateway):
    gateway.settings["auth"]["verifiers"][1]["command"] = ["/bin/false"]
    gateway.write_settings()
    ended, said = attempt(gateway, "eve", lines=["pw"])
    assert ended.returncode == UNAVAILABLE and said["verdict"] == "fault"


def test_questions_without_end(gateway):
    """Each without a prompt: nobody has to answer anything."""
    ended, said = attempt(gateway, "endless", "--keyboard-interactive")
    assert (ended.returncode, said["verdict"]) == (UNAVAILABLE, "fault")
    assert "still asks" in said["why"]


def test_answers_that_are_missing(gateway):
    ended, said = attempt(gateway, "eve", "--keyboard-interactive", lines=["1"])
    assert ended.returncode == NOINPUT and said is None
    assert "an answer: nothing to read" in ended.stderr


def test_method_that_is_not_offered(gateway):
    gateway.settings["auth"]["methods"] = [KEY]
    gateway.write_settings()
    ended, _ = attempt(gateway, "eve", "--keyboard-interactive")
    assert ended.returncode == NOPERM and 'auth.methods does not offer "keyboard-interactive"' in ended.stderr


def test_on_a_terminal(gateway):
    """What is typed shows where the verifier says so, and nowhere else; nobody's text moves the cursor."""
    code, shown = on_terminal([str(POSTERN), "try", "--config", str(gateway.config), "--user", "eve"],
                              ["pw", "1", "red", "2"])
    asked, _, said = shown.partition("\r\n{")
    assert code == OK, shown
    assert json.loads("{" + said)["methods_done"] == [WORD, TALK]
    questions = ["Password: ", "Look at your device.", "Code: ", "Colour?[2J: ", "Next code: "]
    assert sorted(map(asked.index, questions)) == list(map(asked.index, questions))
    assert "pw" not in asked and "red" in asked


@pytest.mark.parametrize("identity,said", [
    ({"mounts": []}, "problem"), ({"mounts": [{"path": "/", "backend": "gone"}]}, "gone"),
    ({"credentials": "partner"}, "no mount is on a store that takes them"),
    ({"mounts": [{"path": "/", "store": {"type": "memory", "colour": 1}}]}, "store.colour: no such key"),
    ({"home": "/in", "restrict_to_home": True, "mounts": [{"path": "/out", "backend": "memory"}]}, "is on no mount"),
], ids=["none", "no such backend", "credentials", "a store's key", "home"])
def test_in_vain(identity, said, gateway):
    """The verifier says yes, and the client is refused all the same: not what a script may take for success."""
    del gateway.settings["users"]
    users = json.loads(gateway.users_path.read_text())
    for user in users["users"]:
        user.update({"mounts": [{"path": "/", "backend": "memory"}]}, **identity)
    gateway.users_path.write_text(json.dumps(users))
    gateway.write_settings()
    done, answer = attempt(gateway, "bob", lines=[PASSWORD])
    assert done.returncode == NOPERM and answer["verdict"] == "accept", done.stdout + done.stderr
    assert said in done.stdout and '"problem"' in done.stdout


def test_a_store_of_its_own_is_named(gateway):
    users = json.loads(gateway.users_path.read_text())
    users["users"][0]["mounts"] = [{"path": "/", "store": {"type": "memory"}}]
    gateway.users_path.write_text(json.dumps(users))
    done, answer = attempt(gateway, users["users"][0]["user"], "--password-stdin", lines=[PASSWORD])
    assert [m.get("type") for m in answer.get("mounts", [])] == ["memory"], done.stdout


def test_probe_asks_every_verifier(gateway):
    """Who is not there is named, with what to look at; the others are asked all the same."""
    def probe():
        return run([POSTERN, "check", "--probe", "--config", gateway.config])
    done = probe()
    assert done.returncode == OK, done.stdout + done.stderr
    assert "auth.verifiers[0]: answers\n" in done.stdout
    assert "auth.verifiers[1]: can be started, and was asked nothing\n" in done.stdout
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        gateway.settings["auth"]["verifiers"].append({"type": "http", "url": dead})
        gateway.write_settings()
        done = probe()
    assert done.returncode == UNAVAILABLE
    assert "auth.verifiers[1]: can be started, and was asked nothing\n" in done.stdout
    assert "auth.verifiers[2]" not in done.stdout
    [said] = [line for line in done.stderr.splitlines() if "auth.verifiers[2]: " in line]
    assert "connect" in said.lower(), said
    program = gateway.settings["auth"]["verifiers"][1]
    program["command"] = ["/nonexistent/hook"]
    gateway.write_settings()
    done = probe()
    assert done.returncode == CONFIG and "auth.verifiers[1].command: there is no /nonexistent/hook" in done.stderr


@pytest.mark.parametrize("word", ["serve", "try"])
def test_program_that_is_deaf_ends_nobody(word, gateway, tmp_path):
    """Writing to a program that has closed its stdin is a fault of its, and no SIGPIPE of ours."""
    hook = tmp_path / "deaf"
    hook.write_text("#!/bin/sh\nexec <&-\necho '{\"questions\": [\"Code: \"], \"echos\": [false]}'\nexec sleep 1\n")
    hook.chmod(0o700)
    gateway.settings["auth"]["verifiers"] = [
        {"type": "program", "dialect": "sftpgo", "command": [str(hook)], "home_base": "/srv", "backend": "memory",
         "keyboard_interactive_command": [str(hook)]}]
    gateway.write_settings()
    if word == "serve":
        with connected(gateway.start()) as transport:
            login = Login(transport)
            assert login.ask("eve") == [("Code: ", False)]
            assert login.answer(b"1")[0] == Login.FAILURE
    else:
        ended, said = attempt(gateway, "eve", "--keyboard-interactive", lines=["1"])
        assert ended.returncode == UNAVAILABLE and said["verdict"] == "fault", ended.stderr
