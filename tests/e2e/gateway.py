"""A postern process of the test's own: configuration, keys and users in a folder, its log as events."""
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("POSTERN_BUILD", "build/release")
POSTERN = BUILD / "postern"
SANITIZED = "POSTERN_SANITIZE:STRING=\n" not in (
    (BUILD / "CMakeCache.txt").read_text() if (BUILD / "CMakeCache.txt").exists() else "POSTERN_SANITIZE:STRING=\n")
PATIENCE = 60 if SANITIZED else 30  # seconds: a deadline for what should take far less
NOBODY = 65534  # a user that owns nothing
PASSWORD = "Pa55 w0rd:/?#[]@!$&'()*+,;="
REPORTS = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|Assertion .* failed|LeakSanitizer")


def wait_for(condition, what, seconds=PATIENCE):
    """Polls until condition() is true and returns what it gave."""
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def run(argv, **more):
    """subprocess.run with text, captured output and a deadline."""
    more.setdefault("timeout", 120)
    more.setdefault("capture_output", True)
    more.setdefault("text", True)
    if "input" not in more:
        more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(a) for a in argv], **more)


def merge(base, over):
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


class Keys:
    """Made once a run: a host key by `postern keygen`, client keys by ssh-keygen."""

    def __init__(self, folder):
        self.folder = folder
        self.host = folder / "host_key"
        made = run([POSTERN, "keygen", self.host])
        assert made.returncode == 0, made.stderr
        assert self.host.stat().st_mode & 0o077 == 0, "others can read the host key"
        public = run(["ssh-keygen", "-y", "-f", self.host])
        assert public.returncode == 0, f"OpenSSH cannot read the key that keygen made: {public.stderr}"
        self.host_public = public.stdout.strip()
        self.user = self._make("ed25519", "-t", "ed25519")
        self.other = self._make("other", "-t", "ed25519")
        self.rsa = self._make("rsa", "-t", "rsa", "-b", "2048", "-m", "PEM")
        hashed = run([POSTERN, "passwd"], input=PASSWORD)
        assert hashed.returncode == 0, hashed.stderr
        self.password_hash = hashed.stdout.strip()
        assert self.password_hash.startswith("$") and PASSWORD not in self.password_hash

    def _make(self, name, *kind):
        path = self.folder / name
        made = run(["ssh-keygen", "-q", "-N", "", "-C", name, "-f", path, *kind])
        assert made.returncode == 0, made.stderr
        return path

    @staticmethod
    def public(path):
        return pathlib.Path(f"{path}.pub").read_text().strip()

    def standard_users(self):
        """alice: key or password; bob: password; carol: key, then password."""
        keys = [self.public(self.user), self.public(self.rsa)]
        return [
            {"user": "alice", "password": self.password_hash, "public_keys": keys},
            {"user": "bob", "password": self.password_hash},
            {"user": "carol", "password": self.password_hash, "public_keys": keys,
             "methods": ["publickey,password"]},
        ]


class Gateway:
    """One `postern serve`. stop() checks that it ended well and that no sanitizer spoke."""

    def __init__(self, folder, keys, backends, users=None, mounts=None, **over):
        self.folder, self.keys = folder, keys
        folder.mkdir(exist_ok=True)
        self.users_path = folder / "users.json"
        self.write_users(keys.standard_users() if users is None else users)
        first = next(iter(backends))
        self.settings = merge({
            "listen": [{"address": "127.0.0.1", "port": 0}],
            "ssh": {"host_keys": [{"file": str(keys.host)}]},
            "auth": {"failure_delay_ms": 50, "verifiers": [{"type": "file", "path": str(self.users_path)}]},
            "backends": backends,
            "users": {"mounts": mounts or [{"path": "/", "backend": first, "prefix": ""}]},
            "log": {"format": "json", "level": "info"},
        }, over)
        self.config = folder / "postern.json"
        self.write_settings()
        self.process, self.port, self.lines = None, 0, []
        self.expected_reports = False

    def write_settings(self):
        self.config.write_text(json.dumps(self.settings, indent=1))

    def write_users(self, users):
        self.users_path.write_text(json.dumps({"users": users}))

    def start(self, environment=None, binary=POSTERN, **more):
        env = dict(os.environ, ASAN_OPTIONS="abort_on_error=0:detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1",
                   TSAN_OPTIONS="halt_on_error=0", **(environment or {}))
        self.process = subprocess.Popen([str(binary), "serve", "--config", str(self.config)], cwd=self.folder,
                                        env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, **more)
        self.lines = []
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr, self.lines), daemon=True)
        self.reader.start()
        try:
            self.port = int(self.wait_event("listening")["port"])
        except AssertionError:
            self.process.kill()
            self.process = None  # reported once, here
            raise
        return self

    @staticmethod
    def _read(pipe, lines):
        for line in pipe:
            lines.append(line.decode("utf-8", "surrogateescape").rstrip("\n"))

    def events(self, name=None):
        """The log's events so far; lines that are not JSON (a sanitizer's report) are left out."""
        found = []
        for line in list(self.lines):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if name is None or event.get("event") == name:
                found.append(event)
        return found

    def wait_event(self, name, count=1, **fields):
        def matching():
            assert self.process.poll() is None or self.events(name), "postern ended:\n" + self.log()
            found = [e for e in self.events(name) if all(str(e.get(k)) == str(v) for k, v in fields.items())]
            return len(found) >= count and found[-1]
        return wait_for(matching, f"{count} × event {name} {fields}; the log:\n{self.log()[-4000:]}")

    def log(self):
        return "\n".join(list(self.lines))

    def signal(self, number):
        self.process.send_signal(number)

    def wait_end(self, seconds=PATIENCE):
        code = self.process.wait(seconds)
        self.reader.join(seconds)
        return code

    def kill(self):
        """As a crash or the kernel's memory killer would end it."""
        self.process.kill()
        self.wait_end()

    def stop(self, code=0):
        """TERM, and all that a good end asks for."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.wait_end()
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGABRT)
                self.wait_end()
                raise AssertionError(f"postern did not end after TERM; its log:\n{self.log()[-6000:]}") from None
        else:
            self.reader.join(PATIENCE)
        ended, self.process = self.process.returncode, None
        self.check_reports()
        assert ended in (code, -signal.SIGKILL), f"postern ended with {ended}:\n{self.log()[-6000:]}"

    def check_reports(self):
        log = self.log()
        assert not REPORTS.search(log), f"a report of a sanitizer:\n{log[-12000:]}"

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


def quoted(*words):
    return " ".join(shlex.quote(str(w)) for w in words)


@contextlib.contextmanager
def unprivileged(keys, **more):
    """A gateway that runs as nobody, in a folder that belongs to nobody, and the folder that its backend shows; as root."""
    folder = pathlib.Path(tempfile.mkdtemp())
    files = folder / "files"
    try:
        own = Gateway(folder, keys, {"disk": {"type": "local", "root": str(files)}}, **more)
        files.mkdir()
        shutil.copy(POSTERN, folder / "postern")
        shutil.copy(keys.host, folder / "host_key")
        own.settings["ssh"]["host_keys"] = [{"file": str(folder / "host_key")}]
        own.write_settings()
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        own.start(binary=folder / "postern", user=NOBODY, group=NOBODY, extra_groups=[])
        try:
            yield own, files
        finally:
            own.stop()
    finally:
        shutil.rmtree(folder)
