#!/usr/bin/python3
"""An external auth hook as it is written for SFTPGo, which runs it (external_auth_hook = its path) or posts to it
(`sftpgo.py PORT` serves http://127.0.0.1:PORT/auth). Nothing in it knows postern.

sftpgo_users.json stands beside it: {"alice": {"password": "...", "keys": ["ssh-ed25519 AAAA..."], "quota": 0}}.
"""
import hmac
import http.server
import json
import os
import sys

DATA = "/srv/sftpgo/data"
USERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sftpgo_users.json")


def is_right(user, password, public_key):
    if password:
        return hmac.compare_digest(password.encode(), user["password"].encode())
    return bool(public_key) and public_key.split()[:2] in [key.split()[:2] for key in user["keys"]]


def user_object(name, password, public_key):
    """SFTPGo's user; one without a name refuses."""
    with open(USERS, encoding="utf-8") as file:
        user = json.load(file).get(name)
    if user is None or not is_right(user, password, public_key):
        return {"username": ""}
    return {"status": 1, "username": name, "expiration_date": 0, "home_dir": f"{DATA}/{name}", "uid": 0, "gid": 0,
            "max_sessions": 4, "quota_size": user["quota"], "quota_files": 0,
            "permissions": {"/": ["*"], "/out": ["list", "download"]},
            "upload_bandwidth": 0, "download_bandwidth": 0,
            "filters": {"allowed_ip": [], "denied_ip": ["192.0.2.0/24"], "denied_protocols": ["FTP", "DAV"]},
            "filesystem": {"provider": 0}}


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(user_object(asked["username"], asked["password"], asked["public_key"])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if "SFTPGO_AUTHD_USERNAME" in os.environ:
    print(json.dumps(user_object(os.environ["SFTPGO_AUTHD_USERNAME"], os.environ["SFTPGO_AUTHD_PASSWORD"],
                                 os.environ["SFTPGO_AUTHD_PUBLIC_KEY"])))
else:
    with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook) as server:
        print(f"http://127.0.0.1:{server.server_port}/auth", flush=True)
        server.serve_forever()
