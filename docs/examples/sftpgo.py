#!/usr/bin/python3
"""Hooks as they are written for SFTPGo; nothing in them knows postern.

SFTPGo runs it (external_auth_hook = its path), or posts to it: `sftpgo.py PORT` serves http://127.0.0.1:PORT, with /auth
for external_auth_hook and /keyboard for keyboard_interactive_auth_hook.

sftpgo_users.json stands beside it: {"alice": {"password": "...", "keys": ["ssh-ed25519 AAAA..."], "pin": "1234",
"quota": 0}}.
"""
import hmac
import http.server
import json
import os
import sys

DATA = "/srv/sftpgo/data"
USERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sftpgo_users.json")


def find(name):
    with open(USERS, encoding="utf-8") as file:
        return json.load(file).get(name)


def is_same(given, right):
    return hmac.compare_digest(given.encode(), right.encode())


def is_right(user, password, public_key, dialog):
    if password:
        return is_same(password, user["password"])
    if public_key:
        return public_key.split()[:2] in [key.split()[:2] for key in user["keys"]]
    return dialog == "1"  # the keyboard-interactive hook has let the user in


def user_object(name, password, public_key, dialog):
    """SFTPGo's user; one without a name refuses."""
    user = find(name)
    if user is None or not is_right(user, password, public_key, dialog):
        return {"username": ""}
    return {"status": 1, "username": name, "expiration_date": 0, "home_dir": f"{DATA}/{name}", "uid": 0, "gid": 0,
            "max_sessions": 4, "quota_size": user["quota"], "quota_files": 0,
            "permissions": {"/": ["*"], "/out": ["list", "download"]},
            "upload_bandwidth": 0, "download_bandwidth": 0,
            "filters": {"allowed_ip": [], "denied_ip": ["192.0.2.0/24"], "denied_protocols": ["FTP", "DAV"]},
            "filesystem": {"provider": 0}}


def next_step(asked):
    """The password, which SFTPGo checks, then the pin."""
    if asked["step"] == 1:
        return {"instruction": "Two things, please.", "questions": ["Password: "], "echos": [False], "check_password": 1}
    if asked["step"] == 2:
        return {"questions": ["Pin: "], "echos": [False]} if asked["answers"] == ["OK"] else {"auth_result": -1}
    user = find(asked["username"])
    return {"auth_result": 1 if user is not None and is_same(asked["answers"][0], user["pin"]) else -1}


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/keyboard":
            answer = next_step(asked)
        else:
            answer = user_object(asked["username"], asked["password"], asked["public_key"], asked["keyboard_interactive"])
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if "SFTPGO_AUTHD_USERNAME" in os.environ:
    print(json.dumps(user_object(os.environ["SFTPGO_AUTHD_USERNAME"], os.environ["SFTPGO_AUTHD_PASSWORD"],
                                 os.environ["SFTPGO_AUTHD_PUBLIC_KEY"],
                                 os.environ["SFTPGO_AUTHD_KEYBOARD_INTERACTIVE"])))
else:
    with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()
