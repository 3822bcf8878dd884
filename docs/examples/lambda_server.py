#!/usr/bin/python3
"""Serves the handler of lambda_function.py beside it on http://127.0.0.1:PORT, with no AWS in between: by GET as the
API Gateway of AWS's template asks it, by POST with the event itself as the body.
"""
import base64
import http.server
import json
import sys
import urllib.parse

from lambda_function import lambda_handler


class Wrapper(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        """/servers/{serverId}/users/{username}/config?protocol=SFTP&sourceIp=..."""
        url = urllib.parse.urlsplit(self.path)
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")[-5:]]
        if len(parts) != 5 or [parts[0], parts[2], parts[4]] != ["servers", "users", "config"]:
            self.send_error(404)
            return
        query = dict(urllib.parse.parse_qsl(url.query))
        self.answer({"username": parts[3], "serverId": parts[1], "protocol": query["protocol"],
                     "sourceIp": query["sourceIp"],
                     "password": base64.b64decode(self.headers.get("PasswordBase64", "")).decode()})

    def do_POST(self):
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, event):
        body = json.dumps(lambda_handler(event, None)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Wrapper) as server:
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
