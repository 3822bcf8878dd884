#!/usr/bin/python3
"""An httpfs server: a folder of this machine as a store of postern's kind `http`, dialect `httpfs`.

Run:  python3 httpfs_server.py FOLDER [--port 8080] [--user NAME --password WORD | --key WORD] [--plain]

The contract is docs/httpfs.yaml. To hook up something else than a folder, replace the class Folder: each
of its methods is one call. --plain leaves out what postern adds to the contract (ranges, pages).
Standard library only; for production put a real server in front of it, with TLS.
"""
import argparse
import base64
import email.utils
import hmac
import http.server
import json
import os
import pathlib
import re
import stat
import sys
import urllib.parse
from datetime import datetime, timezone

PAGE = 10000
PIECE = 1 << 20
MODE_DIR, MODE_SYMLINK = 1 << 31, 1 << 27  # of Go's FileMode


class Refused(Exception):
    """Ends a call with a status, and words that the SFTP client will see."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


def words(error):
    """What an OSError means."""
    known = {FileNotFoundError: (404, "no such file"), PermissionError: (403, "not allowed"),
             FileExistsError: (409, "it exists already"), NotADirectoryError: (404, "not a folder"),
             IsADirectoryError: (400, "it is a folder")}
    return known.get(type(error), (500, error.strerror or "it failed"))


class Folder:
    """The store: names are absolute, '/' is its root."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()

    def path(self, name):
        parts = [p for p in name.split("/") if p]
        if any(p in (".", "..") or "\0" in p for p in parts):
            raise Refused(400, "such a name is not possible")
        path = self.root.joinpath(*parts)
        if not path.resolve().is_relative_to(self.root):  # a link that leads out
            raise Refused(403, "not allowed")
        return path

    @staticmethod
    def info(name, status):
        mode = stat.S_IMODE(status.st_mode) & 0o777
        mode |= MODE_DIR if stat.S_ISDIR(status.st_mode) else 0
        mode |= MODE_SYMLINK if stat.S_ISLNK(status.st_mode) else 0
        when = datetime.fromtimestamp(status.st_mtime, timezone.utc)
        return {"name": name, "size": status.st_size, "mode": mode,
                "last_modified": when.isoformat().replace("+00:00", "Z")}

    def stat(self, name):
        path = self.path(name)
        return self.info(path.name, path.stat())

    def open(self, name):
        path = self.path(name)
        if path.is_dir():
            raise Refused(400, "it is a folder")
        return path.open("rb")

    # What came of a body that is cut off stays. Postern removes it: it has a reserved name. With its
    # "atomic_uploads": false, store it aside, and give it its name at the end.
    def create(self, name, flags):
        path = self.path(name)
        if not path.parent.is_dir():
            raise Refused(404, "there is no folder for it")
        return os.fdopen(os.open(path, flags, 0o666), "wb")

    def readdir(self, name, after, limit):
        """Entries in the order of their names, those behind `after`; and whether there are more."""
        names = sorted(n for n in os.listdir(self.path(name)) if after is None or n > after)
        entries = []
        for n in names[:limit]:
            try:
                entries.append(self.info(n, (self.path(name) / n).lstat()))
            except FileNotFoundError:  # went meanwhile
                pass
        return entries, names[limit - 1] if len(names) > limit else None

    def mkdir(self, name):
        self.path(name).mkdir()

    def remove(self, name):
        path = self.path(name)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def rename(self, name, target):
        os.replace(self.path(name), self.path(target))

    def chmod(self, name, mode):
        self.path(name).chmod(mode & 0o777)

    def chtimes(self, name, accessed, modified):
        os.utime(self.path(name), (accessed, modified))

    def truncate(self, name, size):
        os.truncate(self.path(name), size)

    def statvfs(self, name):
        s = os.statvfs(self.path(name))
        return {"bsize": s.f_bsize, "frsize": s.f_frsize, "blocks": s.f_blocks, "bfree": s.f_bfree,
                "bavail": s.f_bavail, "files": s.f_files, "ffree": s.f_ffree, "favail": s.f_favail,
                "flag": s.f_flag, "namemax": s.f_namemax}

    def dirsize(self, name):
        files = [p for p in self.path(name).rglob("*") if p.is_file()]
        return {"files": len(files), "size": sum(p.stat().st_size for p in files)}


def seconds(text):
    """RFC 3339, with more digits than datetime takes."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00"))
    return datetime.fromisoformat(text).timestamp()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store = proof = None
    plain = False

    CALLS = {("GET", "stat"), ("GET", "open"), ("GET", "readdir"), ("GET", "statvfs"), ("GET", "dirsize"),
             ("POST", "create"), ("POST", "mkdir"), ("PATCH", "rename"), ("PATCH", "chmod"),
             ("PATCH", "chtimes"), ("PATCH", "truncate"), ("DELETE", "remove")}

    def handle_call(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = {k: v[-1] for k, v in urllib.parse.parse_qs(url.query, keep_blank_values=True).items()}
        self.began = False
        try:
            if not self.known():
                raise Refused(401, "who are you?")
            word, _, name = url.path.lstrip("/").partition("/")
            if (self.command, word) not in self.CALLS:
                raise Refused(501, "this server does not do that")
            getattr(self, "do_" + word)(urllib.parse.unquote(name, errors="surrogateescape"))
        except Refused as e:
            self.refuse(e.status, e.message)
        except OSError as e:
            self.refuse(*words(e))
        except (KeyError, ValueError):
            self.refuse(400, "the request makes no sense")

    do_GET = do_POST = do_PATCH = do_DELETE = handle_call

    def known(self):
        kind, wanted = self.proof
        return wanted is None or hmac.compare_digest(self.headers.get(kind, ""), wanted)

    def refuse(self, status, message):
        if self.began:  # too late for a status: the client sees that the body is short
            self.close_connection = True
            return
        if self.command == "POST":  # what is left of a body nobody reads
            self.close_connection = True
        self.answer(status, {"message": message})

    def answer(self, status, body=None, **headers):
        self.began = True
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def pieces(self):
        """The body of the request, sent with a length or in chunks."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while (left := int(self.rfile.readline().split(b";")[0], 16)) > 0:
                while left > 0:
                    piece = self.rfile.read(min(left, PIECE))
                    if not piece:
                        raise OSError(None, "the body was cut off")
                    left -= len(piece)
                    yield piece
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass  # trailers
            return
        left = int(self.headers.get("Content-Length", "0"))
        while left > 0:
            piece = self.rfile.read(min(left, PIECE))
            if not piece:
                raise OSError(None, "the body was cut off")
            left -= len(piece)
            yield piece

    def do_stat(self, name):
        self.answer(200, self.store.stat(name))

    def do_statvfs(self, name):
        self.answer(200, self.store.statvfs(name))

    def do_dirsize(self, name):
        self.answer(200, self.store.dirsize(name))

    def do_open(self, name):
        with self.store.open(name) as file:
            status = os.fstat(file.fileno())
            size, tag = status.st_size, f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
            first, end = int(self.query.get("offset", "0")), size
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            ranged = asked is not None and not self.plain
            if ranged:
                first, end = int(asked[1]), min(int(asked[2] or size) + 1, size)
                if first >= size:
                    raise Refused(416, "the file is shorter")
            self.began = True
            self.send_response(206 if ranged else 200)
            if ranged:
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(max(end - first, 0)))
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", email.utils.formatdate(status.st_mtime, usegmt=True))
            self.end_headers()
            file.seek(first)
            while first < end:
                piece = file.read(min(end - first, PIECE))
                if not piece:
                    self.close_connection = True
                    return
                self.wfile.write(piece)
                first += len(piece)

    def do_create(self, name):
        flags = int(self.query.get("flags", str(os.O_WRONLY | os.O_CREAT | os.O_TRUNC)))
        with self.store.create(name, flags) as file:
            for piece in self.pieces():
                file.write(piece)
        self.answer(201)

    def do_readdir(self, name):
        if self.plain:
            self.answer(200, self.store.readdir(name, None, 1 << 30)[0])
            return
        limit = min(max(int(self.query.get("limit", str(PAGE))), 1), PAGE)
        entries, last = self.store.readdir(name, self.query.get("after"), limit)
        more = {} if last is None else {"Next": urllib.parse.quote(last, safe="", errors="surrogateescape")}
        self.answer(200, entries, **more)

    def do_mkdir(self, name):
        self.store.mkdir(name)
        self.answer(201)

    def do_remove(self, name):
        self.store.remove(name)
        self.answer(200)

    def do_rename(self, name):
        self.store.rename(name, self.query["target"])
        self.answer(200)

    def do_chmod(self, name):
        self.store.chmod(name, int(self.query["mode"]))
        self.answer(200)

    def do_chtimes(self, name):
        self.store.chtimes(name, seconds(self.query["access_time"]), seconds(self.query["modification_time"]))
        self.answer(200)

    def do_truncate(self, name):
        self.store.truncate(name, int(self.query["size"]))
        self.answer(200)

    def log_message(self, form, *values):
        pass  # standard error stays for what is wrong


def main(argv):
    words_of = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words_of.add_argument("folder")
    words_of.add_argument("--address", default="127.0.0.1")
    words_of.add_argument("--port", type=int, default=8080, help="0 = any; the one that is taken is printed")
    words_of.add_argument("--user")
    words_of.add_argument("--password")
    words_of.add_argument("--key", help="expected in X-API-KEY")
    words_of.add_argument("--plain", action="store_true")
    given = words_of.parse_args(argv)
    Handler.store, Handler.plain = Folder(given.folder), given.plain
    Handler.proof = ("X-API-KEY", given.key)
    if given.user is not None:
        pair = base64.b64encode(f"{given.user}:{given.password or ''}".encode()).decode()
        Handler.proof = ("Authorization", f"Basic {pair}")
    server = http.server.ThreadingHTTPServer((given.address, given.port), Handler)
    print(f"http://{given.address}:{server.server_address[1]}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
