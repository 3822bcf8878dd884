#!/usr/bin/python3
"""A password, then a code of an authenticator app (TOTP, RFC 6238), which is good once.

USERS is a JSON file, {"alice": {"password": "...", "secret": "...", "identity": {}}}, and STATE an SQLite file for
the codes that were used. `totp.py NAME` reads a password and writes an entry of USERS, and the URL for the app.
A question a line on stdin, its answer a line on stdout.
"""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time

STEP_S, DIGITS = 30, 6
NOBODY = {"password": "00$00", "secret": ""}  # a name that is not known takes as long as one that is


def hashed(password, salt):
    return salt + "$" + hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=16384, r=8, p=1).hex()


def code_at(secret, counter):
    """RFC 4226 section 5.3, with a time step as the counter."""
    mac = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), "sha1")
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7fffffff) % 10 ** DIGITS:0{DIGITS}}"


def is_first_use(name, counter):
    """Of this code and all later ones; what another process notes meanwhile counts as well."""
    with contextlib.closing(sqlite3.connect(os.environ["STATE"], timeout=3)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS used (name TEXT PRIMARY KEY, counter INTEGER NOT NULL)")
        return db.execute("INSERT INTO used VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET counter = excluded.counter "
                          "WHERE excluded.counter > used.counter", (name, counter)).rowcount == 1


def is_right(name, secret, code):
    now = int(time.time()) // STEP_S
    return any(hmac.compare_digest(code_at(secret, counter).encode(), code.encode()) and is_first_use(name, counter)
               for counter in (now - 1, now, now + 1))  # clocks differ


def decide(question):
    with open(os.environ["USERS"], encoding="utf-8") as file:
        known = json.load(file)
    name, method = question["user"], question["method"]
    user = known.get(name, NOBODY)
    identity = user.get("identity", {})
    if method == "password":
        right = hashed(question["password"], user["password"].split("$")[0])
        if hmac.compare_digest(right, user["password"]):
            return {"decision": "accept", "identity": dict(identity, next_methods=["keyboard-interactive"])}
        return {"decision": "reject" if name in known else "next"}
    if method != "keyboard-interactive" or question["methods_done"] != ["password"]:
        return {"decision": "reject", "reason": "the password comes first"}
    talk = question["keyboard_interactive"]
    if talk["step"] == 1:
        return {"decision": "ask", "prompts": [{"text": "Code: ", "echo": False}]}
    if is_right(name, user["secret"], talk["answers"][0]):
        return {"decision": "accept", "identity": identity}
    return {"decision": "reject", "reason": "wrong code, or one that was used"}


def enroll(name):
    salt, secret = os.urandom(16).hex(), base64.b32encode(os.urandom(20)).decode()
    password = sys.stdin.readline().rstrip("\n")
    print(json.dumps({name: {"password": hashed(password, salt), "secret": secret, "identity": {}}}, indent=2))
    print(f"otpauth://totp/{name}?secret={secret}", file=sys.stderr)


if len(sys.argv) > 1:
    enroll(sys.argv[1])
    sys.exit()
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(dict(decide(asked), id=asked["id"])), flush=True)
