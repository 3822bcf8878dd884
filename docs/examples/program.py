#!/usr/bin/python3
"""A verifier of one's own: a question a line on stdin, its answer a line on stdout.

Answers one question or many, so it serves with "persistent": true and without. USERS names a JSON file:
{"alice": {"password": "...", "keys": ["AAAA..."], "code": "123456", "identity": {}}}; ask an authority instead.
"""
import hmac
import json
import os
import sys

with open(os.environ["USERS"], encoding="utf-8") as file:
    USERS = json.load(file)


def same(given, right):
    return right is not None and hmac.compare_digest(given.encode(), right.encode())


def is_right(question, user):
    if question["method"] == "password":
        return same(question["password"], user.get("password"))
    if question["method"] == "publickey":  # postern has checked the signature, or will
        return question["public_key"]["blob"] in user.get("keys", [])
    return [*map(same, question["keyboard_interactive"]["answers"], [user.get("password"), user.get("code")])] == [
        True, True]


def decide(question):
    user = USERS.get(question["user"])
    if user is None:
        return {"decision": "next"}
    if question["method"] == "keyboard-interactive" and question["keyboard_interactive"]["step"] == 1:
        return {"decision": "ask", "instruction": "Two things, please.",
                "prompts": [{"text": "Password: ", "echo": False}, {"text": "Code: ", "echo": True}]}
    if is_right(question, user):
        return {"decision": "accept", "identity": user.get("identity", {})}
    return {"decision": "reject", "reason": "wrong " + question["method"]}


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(dict(decide(asked), id=asked["id"])), flush=True)
