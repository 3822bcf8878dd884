"""Methods of a login: keyboard-interactive, several steps, and clients that do not play by the rules."""
import contextlib
import os
import time

import paramiko
import pytest

from authority import Authority
from clients import CLIENTS, NO_KNOWN_HOSTS, missing
from gateway import PASSWORD, PATIENCE, POSTERN, run
from raw import Login, connected, key_of, session
from test_try import ASKING

MEMORY = {"memory": {"type": "memory"}}
KEY, WORD, TALK = "publickey", "password", "keyboard-interactive"
ALL = [KEY, WORD, TALK]


@pytest.fixture
def gateway(postern):
    return postern(MEMORY, auth={"methods": ALL}, limits={"loops": 1})


def users(keys, methods):
    return [{"user": "alice", "password": keys.password_hash, "methods": methods,
             "public_keys": [keys.public(keys.user), keys.public(keys.rsa)]}]


@pytest.fixture
def openssh(tmp_path):
    """sftp whose questions are answered by a program: {words of the prompt: answer}."""
    def log_in(gateway, *identities, answers=(), prefer=ALL, user="alice"):
        asked = tmp_path / "asked"
        program = tmp_path / "askpass"
        cases = "".join(f"*{word}*) printf '%s\\n' '{answer}';;\n" for word, answer in dict(answers).items())
        program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$1\" >>'{asked}'\ncase \"$1\" in\n{cases}*) exit 1;;\nesac\n")
        program.chmod(0o700)
        argv = ["sftp", *NO_KNOWN_HOSTS, "-F", "none", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=no", "-o",
                "NumberOfPasswordPrompts=2", "-o", f"PreferredAuthentications={','.join(prefer)}", "-P", gateway.port]
        for identity in identities:
            argv += ["-i", identity]
        if not identities:
            argv += ["-o", "PubkeyAuthentication=no"]
        done = run([*argv, "-b", "-", f"{user}@127.0.0.1"], input="pwd\n", timeout=PATIENCE * 2,
                   env=dict(os.environ, SSH_ASKPASS=str(program), SSH_ASKPASS_REQUIRE="force"))
        done.asked = asked.read_text() if asked.exists() else ""
        return done
    return log_in


def test_none_lists_the_methods(postern, keys):
    for methods in (ALL, [TALK], [KEY, TALK]):
        gateway = postern(MEMORY, auth={"methods": methods}, users=users(keys, ["publickey,password"]))
        with connected(gateway) as transport:
            with pytest.raises(paramiko.BadAuthenticationType) as refused:
                transport.auth_none("alice")
            assert sorted(refused.value.allowed_types) == sorted(methods)
            assert gateway.events("login_failed") == []


# --- keyboard-interactive ---------------------------------------------------------------------------

@pytest.mark.parametrize("name", sorted(set(CLIENTS) - {"sshfs", "scp", "pscp"}))
def test_password_by_questions_only(name, postern, tmp_path):
    """What old servers offer in place of a password: clients answer it with the password."""
    if missing(name):
        pytest.skip(missing(name))
    gateway = postern(MEMORY, auth={"methods": [TALK]})
    with CLIENTS[name](gateway, "bob", PASSWORD, None, tmp_path) as client:
        assert list(client.names("/")) == []
    assert gateway.wait_event("login")["method"] == TALK


def test_question_of_the_file(gateway, openssh):
    right = openssh(gateway, answers={"assword": PASSWORD.replace("'", "'\\''")}, prefer=[TALK], user="bob")
    assert right.returncode == 0, right.stderr
    for user in ("bob", "nobody"):
        wrong = openssh(gateway, answers={"assword": "wrong"}, prefer=[TALK], user=user)
        assert wrong.returncode == 255 and "Permission denied" in wrong.stderr
    assert right.asked and len(set(wrong.asked.replace("nobody", "bob").splitlines())) == 1, "asked in other words"
    gateway.wait_event("login_failed", reason="unknown user")


def test_prompts_of_the_configuration(postern, openssh):
    gateway = postern(MEMORY, auth={"methods": [TALK], "keyboard_interactive": {
        "instruction": "Call 5 if it fails.", "prompts": [{"text": "Magic word: ", "echo": True}]}})
    done = openssh(gateway, answers={"Magic": PASSWORD.replace("'", "'\\''")}, user="bob")
    assert done.returncode == 0, done.stderr
    assert "Magic word: " in done.asked
    with connected(gateway) as transport:
        said = []

        def answer(title, instruction, prompts):
            said.append((instruction, prompts))
            return [PASSWORD]
        transport.auth_interactive("bob", answer)
    assert said == [("Call 5 if it fails.", [("Magic word: ", True)])]


# --- several steps ----------------------------------------------------------------------------------

@pytest.mark.parametrize("way", [[KEY, WORD], [WORD, KEY], [WORD, TALK], [KEY, TALK], [KEY, WORD, TALK],
                                 [WORD, TALK, KEY]], ids="+".join)
def test_steps(way, postern, keys, openssh):
    gateway = postern(MEMORY, auth={"methods": ALL}, users=users(keys, [",".join(way)]))
    answers = {"assword": PASSWORD.replace("'", "'\\''")}
    done = openssh(gateway, keys.user, answers=answers)
    assert done.returncode == 0, done.stderr + gateway.log()
    gateway.wait_event("disconnect")
    assert [e["method"] for e in gateway.events("login_step") + gateway.events("login")] == way
    assert openssh(gateway, keys.user, answers={"assword": "wrong"}).returncode == 255
    if KEY in way:
        assert openssh(gateway, keys.other, answers=answers).returncode == 255
    gateway.wait_event("disconnect", count=3 if KEY in way else 2)
    assert len(gateway.events("login")) == 1


def test_right_password_at_the_wrong_step_does_not_look_right(postern, keys):
    gateway = postern(MEMORY, auth={"methods": ALL}, users=users(keys, ["publickey,password"]))
    with connected(gateway) as transport:
        login = Login(transport)
        lists = {login.password(user, word)[1].get_text() for user, word in
                 (("alice", PASSWORD), ("alice", "wrong"), ("nobody", PASSWORD))}
        assert len(lists) == 1


def test_two_keys(postern, keys, openssh):
    gateway = postern(MEMORY, users=users(keys, ["publickey,publickey"]))
    done = openssh(gateway, keys.user, keys.rsa)
    assert done.returncode == 0, done.stderr + gateway.log()
    for pair in ([keys.user], [keys.user, keys.other]):
        assert openssh(gateway, *pair).returncode == 255
    with connected(gateway) as transport:
        assert transport.auth_publickey("alice", key_of(keys.user)) == [KEY]
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_publickey("alice", key_of(keys.user))
        assert not transport.is_authenticated()
        assert transport.auth_publickey("alice", paramiko.RSAKey.from_private_key_file(str(keys.rsa))) == []
    gateway.wait_event("login_failed", reason="the key of an earlier step")


def test_only_the_next_step_is_offered(postern, keys):
    gateway = postern(MEMORY, auth={"methods": ALL}, users=users(keys, ["publickey,keyboard-interactive"]))
    with connected(gateway) as transport:
        assert transport.auth_publickey("alice", key_of(keys.user)) == [TALK]
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            transport.auth_password("alice", PASSWORD, fallback=False)
        assert refused.value.allowed_types == [TALK]
        assert transport.auth_interactive("alice", lambda *_: [PASSWORD]) == []


def test_step_that_is_not_offered_is_named_by_check(postern, keys):
    """A way in that nobody can go is found before anybody tries."""
    gateway = postern(MEMORY, start=False, users=[])
    gateway.settings["users"]["methods"] = ["publickey,keyboard-interactive"]
    gateway.write_settings()
    done = run([POSTERN, "check", "--config", gateway.config])
    assert done.returncode == 78
    assert "users.methods[0]: keyboard-interactive is not in auth.methods" in done.stderr


# --- clients that do not play by the rules ------------------------------------------------------------

def test_user_may_not_change_in_a_login(postern, keys):
    """What one user has done counts for nobody else (RFC 4252 section 5); OpenSSH hangs up as well."""
    gateway = postern(MEMORY, auth={"methods": ALL}, users=users(keys, ["password,keyboard-interactive"]) + [
        {"user": "bob", "password": keys.password_hash, "methods": ["password,keyboard-interactive"]}])
    with connected(gateway) as transport:
        login = Login(transport)
        assert login.password("alice", PASSWORD)[0] == Login.FAILURE  # a partial success
        login.send(50, b"bob", b"ssh-connection", b"keyboard-interactive", b"", b"")
        gateway.wait_event("disconnect", reason="the user changed between the steps of a login")
    assert gateway.events("login") == []


def test_questions_are_for_one_user(gateway):
    """alice's question is not answered in bob's name."""
    with connected(gateway) as transport:
        login = Login(transport)
        assert login.ask("alice") == [("Password: ", False)]
        assert login.password("bob", "wrong")[0] == Login.FAILURE
        assert login.answer(PASSWORD)[0] != Login.SUCCESS
    gateway.wait_event("disconnect")
    assert gateway.events("login") == []


@pytest.mark.parametrize("answers", [[], [PASSWORD, PASSWORD], [PASSWORD] * 17, ["x" * 2000]],
                         ids=["none", "two", "seventeen", "too long"])
def test_other_answers_than_asked_for(answers, gateway):
    with connected(gateway) as transport:
        login = Login(transport)
        assert login.ask("bob") == [("Password: ", False)]
        assert login.answer(*answers)[0] == Login.FAILURE
        gateway.wait_event("login_failed", method=TALK)
        assert login.ask("bob") is not None  # and it goes on
        assert login.answer(PASSWORD)[0] == Login.SUCCESS


def test_question_that_is_left_alone(gateway):
    """Each question costs the verifier something: one that is not answered is a failed attempt."""
    with connected(gateway) as transport:
        login = Login(transport)
        assert login.ask("bob") is not None
        assert login.password("bob", PASSWORD)[0] == Login.SUCCESS
    gateway.wait_event("login_failed", reason="the question was not answered")
    with connected(gateway) as transport:
        login = Login(transport)
        asked = 0
        while asked < 20 and login.ask("bob") is not None:
            asked += 1
        assert asked == 6  # max_attempts
    gateway.wait_event("disconnect", reason="too many failed logins")


def test_answers_after_another_method(gateway):
    with connected(gateway) as transport:
        login = Login(transport)
        assert login.ask("bob") is not None
        assert login.password("bob", "wrong")[0] == Login.FAILURE
        assert login.answer(PASSWORD)[0] != Login.SUCCESS
    gateway.wait_event("disconnect")
    assert gateway.events("login") == []
    with session(gateway) as sftp:
        assert sftp.listdir("/") == []


@pytest.mark.parametrize("whose", ["user", "other"])
def test_flood_of_key_queries(whose, postern, keys):
    """A key that is taken is asked about without end, or one that is not."""
    gateway = postern(MEMORY, auth={"max_attempts": 100})
    blob = key_of(getattr(keys, whose)).asbytes()
    with connected(gateway) as transport:
        login = Login(transport)
        asked = 0
        while asked < 200 and login.request("alice", b"publickey", False, b"ssh-ed25519", blob)[0] is not None:
            asked += 1
        assert asked == 64
    gateway.wait_event("disconnect", reason="too many key queries")


# --- questions of a verifier in another process -------------------------------------------------------

@pytest.fixture(params=["program", "http"])
def asking(request, postern, tmp_path):
    """Two questions in round 1, one in round 2; after a password as well."""
    one = None
    if request.param == "program":
        script = tmp_path / "asking.py"
        script.write_text(ASKING)
        verifier = {"type": "program", "command": ["/usr/bin/python3", str(script)]}
    else:
        service = {}
        exec(ASKING, service)
        one = Authority(service["decide"])
        verifier = {"type": "http", "url": one.url}
    yield postern(MEMORY, users=[], auth={"methods": ALL, "verifiers": [verifier]})
    if one is not None:
        one.close()


def test_rounds(asking, openssh):
    answers = {"Next": "2", "Code": "1", "Colour": "red"}
    done = openssh(asking, answers=answers, prefer=[TALK], user="eve")
    assert done.returncode == 0, done.stderr + asking.log()
    wrong = openssh(asking, answers=dict(answers, Next="3"), prefer=[TALK], user="eve")
    assert wrong.returncode == 255
    asking.wait_event("login_failed", reason="bad second code")


def test_second_factor_by_questions(asking, openssh):
    answers = {"Next": "2", "Code": "1", "Colour": "red", "assword": "pw"}
    done = openssh(asking, answers=answers, prefer=[WORD, TALK], user="eve")
    assert done.returncode == 0, done.stderr + asking.log()
    asking.wait_event("disconnect")
    assert [e["method"] for e in asking.events("login_step") + asking.events("login")] == [WORD, TALK]


@pytest.mark.parametrize("second", [[b"2", b"2"], [], [b"1", b"red"]], ids=["two", "none", "the first ones"])
def test_other_answers_in_a_later_round(second, asking):
    with connected(asking) as transport:
        login = Login(transport)
        assert [text for text, _ in login.ask("eve")][0] == "Code: "
        assert login.prompts(login.answer(b"1", b"red")) == [("Next code: ", False)]
        assert login.answer(*second)[0] == Login.FAILURE
        assert login.answer(b"2")[0] != Login.SUCCESS  # the talk is over
    asking.wait_event("disconnect")
    assert asking.events("login") == []


def test_after_a_password_only_questions(asking):
    """next_methods of a verifier: what it leaves is offered, and nothing else is heard."""
    with connected(asking) as transport:
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            transport.auth_none("eve")
        assert sorted(refused.value.allowed_types) == sorted(ALL)
        assert transport.auth_password("eve", "pw") == [TALK]
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            transport.auth_password("eve", "pw", fallback=False)
        assert refused.value.allowed_types == [TALK]


def test_user_may_not_change_after_a_verifiers_step(asking):
    with connected(asking) as transport:
        login = Login(transport)
        assert login.password("eve", "pw")[0] == Login.FAILURE  # a partial success
        login.send(50, b"adam", b"ssh-connection", b"keyboard-interactive", b"", b"")
        asking.wait_event("disconnect", reason="the user changed between the steps of a login")
    assert asking.events("login") == []


def test_questions_of_a_verifier_are_for_one_user(asking):
    with connected(asking) as transport:
        login = Login(transport)
        assert login.ask("eve") is not None
        assert login.ask("adam") is None
        assert login.answer(b"1", b"red")[0] != Login.SUCCESS
    asking.wait_event("disconnect")
    assert asking.events("login") == []


def test_fault_in_a_talk_looks_like_a_refusal(asking):
    seen = set()
    for user in ("adam", "broken"):
        with connected(asking) as transport:
            login = Login(transport)
            kind, m = login.request(user, b"keyboard-interactive", b"", b"")
            seen.add((kind, m.asbytes()))
    assert len(seen) == 1 and seen.pop()[0] == Login.FAILURE


def test_a_fault_looks_like_a_refusal(postern, tmp_path):
    """In words and in time, whoever it is: unknown, known with a wrong password, nobody could find out."""
    script = tmp_path / "verifier.sh"
    script.write_text("#!/bin/sh\nread -r line\ncase $line in *broken*) exit 1;; "
                      "*) echo '{\"decision\": \"next\"}';; esac\n")
    script.chmod(0o700)
    gateway = postern(MEMORY, auth={"failure_delay_ms": 1000, "max_attempts": 100}, limits={"loops": 1})
    gateway.settings["auth"]["verifiers"].append({"type": "program", "command": [str(script)], "retries": 0})
    gateway.stop()
    gateway.write_settings()
    gateway.start()
    seen = set()
    with contextlib.ExitStack() as stack:
        for user in ("bob", "nobody", "broken"):
            login = Login(stack.enter_context(connected(gateway)))
            began = time.monotonic()
            kind, m = login.password(user, "wrong")
            seen.add((kind, m.asbytes()))
            assert 0.9 < time.monotonic() - began < 3
    assert len(seen) == 1
    gateway.wait_event("disconnect", count=3)
    reasons = [e["reason"] for e in gateway.events("login_failed")]
    assert reasons[:2] == ["wrong password", "unknown user"] and len(reasons) == 3


@pytest.mark.parametrize("user,word", [("bob", "wrong"), ("nobody", "wrong"), ("bob", "x" * 2000)],
                         ids=["wrong", "unknown", "too long"])
def test_the_last_refusal_is_late_as_well(user, word, postern):
    """Else it would tell how long the verifier took, and be free of what makes guessing slow."""
    gateway = postern(MEMORY, auth={"failure_delay_ms": 1000, "max_attempts": 1})
    with connected(gateway) as transport:
        login = Login(transport)
        began = time.monotonic()
        assert login.password(user, word) == (None, None)
        assert 0.9 < time.monotonic() - began < 3
    assert gateway.wait_event("disconnect")["reason"] == "too many failed logins"
