"""The servers that are measured, each started on loopback on a port of the kernel's choice."""
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
POSTERN = ROOT / "build" / "release" / "postern"
TICKS = os.sysconf("SC_CLK_TCK")
USER = "bench"
PASSWORD = "bench-password-1"
AK, SK = "testaccesskey", "testsecretkey0123456789"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process=None, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end or (process is not None and process.poll() is not None):
                raise RuntimeError(f"nothing answers on port {port}")
            time.sleep(0.05)


def tree(pid):
    """pid and every process below it."""
    pids, parents = [pid], {}
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                parents[int(p)] = int(pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
    for at in pids:
        pids += [p for p, parent in parents.items() if parent == at]
    return pids


def cpu_seconds(pid):
    """Used by pid, by what runs below it and by what it has reaped."""
    return cpu_seconds_of(tree(pid))


def cpu_seconds_of(pids):
    total = 0
    for p in pids:
        try:
            f = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(x) for x in f[11:15])
    return total / TICKS


def pss_kib(pid):
    """Proportional set size of the tree: shared pages are counted once."""
    total = 0
    for p in tree(pid):
        try:
            text = pathlib.Path(f"/proc/{p}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
    return total


def rss_peak_kib(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


class Server:
    """One SFTP server: where it listens and which process to measure."""

    def __init__(self, name, process, port, user, password=None, log=None):
        self.name, self.process, self.port, self.user, self.password, self.log = (
            name, process, port, user, password, log)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class S3:
    """A signed request at a time over one kept connection: the least that a client can cost."""

    def __init__(self, endpoint, bucket):
        self.host = urllib.parse.urlsplit(endpoint).netloc
        self.endpoint, self.bucket = endpoint, bucket
        self.connection = http.client.HTTPConnection(self.host)

    def _path(self, key):
        return "/" + self.bucket + ("/" + urllib.parse.quote(key, safe="/~") if key else "")

    @staticmethod
    def _signature(method, path, query, signed, now):
        """SigV4 over these headers, the payload unsigned."""
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, path, query, *(f"{k}:{signed[k]}" for k in sorted(signed)), "", names,
                               "UNSIGNED-PAYLOAD"])
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + SK).encode()
        for part in (now[:8], "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return names, scope, hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def presigned(self, method, key):
        """A URL that needs no header: for a client that cannot sign."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        credential = urllib.parse.quote(f"{AK}/{now[:8]}/us-east-1/s3/aws4_request", safe="")
        query = (f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={now}"
                 "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host")
        signature = self._signature(method, self._path(key), query, {"host": self.host}, now)[2]
        return f"{self.endpoint}{self._path(key)}?{query}&X-Amz-Signature={signature}"

    def request(self, method, key="", query="", body=b"", headers=None):
        path = self._path(key)
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        signed = {"host": self.host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
        names, scope, signature = self._signature(method, path, query, signed, now)
        auth = f"AWS4-HMAC-SHA256 Credential={AK}/{scope}, SignedHeaders={names}, Signature={signature}"
        self.connection.request(method, path + ("?" + query if query else ""), body=body,
                                headers={**signed, **(headers or {}), "authorization": auth})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def must(self, *args, **kw):
        status, body = self.request(*args, **kw)
        if status // 100 != 2:
            raise RuntimeError(f"S3 {args[0]} {args[1:2]}: {status} {body[:300]!r}")
        return body


class Lab:
    """A scratch folder, keys, the peers; everything that was started ends with it."""

    def __init__(self, scratch, quick):
        self.scratch, self.quick = scratch, quick
        self.servers, self.downs = [], []

    def __enter__(self):
        self.home = self.scratch / "home"
        self.store = self.scratch / "store"
        self.home.mkdir()
        self.store.mkdir()
        self.key = self.scratch / "id"
        self.host_key = self.scratch / "host"
        for f in (self.key, self.host_key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f], check=True)
        return self

    def __exit__(self, *exc):
        for s in reversed(self.servers):
            s.stop()
        for command in reversed(self.downs):
            subprocess.run(command, capture_output=True)

    @staticmethod
    def service(argv, **kw):
        """Started as a service manager does it, in a session of its own: with autogroup, Linux shares the cores by
        session, and a server that sits in one with the clients that measure it gets what they leave."""
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True, **kw)

    def started(self, server):
        wait_port(server.port, server.process)
        self.servers.append(server)
        return server

    def stop(self, server):
        server.stop()
        self.servers.remove(server)

    def postern(self, backends, mounts, **sections):
        """On `backends`, one user with the bench's key and password."""
        folder = pathlib.Path(self.scratch / f"postern-{len(self.servers)}-{time.monotonic_ns()}")
        folder.mkdir()
        hashed = subprocess.run([POSTERN, "passwd"], input=PASSWORD + "\n", capture_output=True, text=True, check=True)
        (folder / "users.json").write_text(json.dumps({"users": [{
            "user": USER, "password": hashed.stdout.strip().splitlines()[-1],
            "public_keys": [self.key.with_suffix(".pub").read_text().strip()]}]}))
        port = free_port()
        config = {"listen": [{"address": "127.0.0.1", "port": port}],
                  "ssh": {"host_keys": [{"file": str(self.host_key)}]},
                  "auth": {"verifiers": [{"type": "file", "path": str(folder / "users.json")}]},
                  "backends": backends, "users": {"mounts": mounts},
                  "limits": {"connections_per_source": 10000, "unauthenticated": 1000}}
        for name, value in sections.items():
            config.setdefault(name, {}).update(value)
        (folder / "postern.json").write_text(json.dumps(config, indent=1))
        log = open(folder / "log", "wb")
        process = self.service([POSTERN, "serve", "--config", folder / "postern.json"], stderr=log, stdout=log)
        return self.started(Server("postern", process, port, USER, PASSWORD, folder / "log"))

    def postern_local(self, **sections):
        return self.postern({"disk": {"type": "local", "root": str(self.store)}},
                            [{"path": "/", "backend": "disk"}], **sections)

    def postern_s3(self, endpoint, bucket, store=None, **sections):
        """store: more keys of the backend."""
        backend = {"type": "s3", "bucket": bucket, "region": "us-east-1", "endpoint": endpoint, "path_style": True,
                 "credentials": {"access_key_id": AK, "secret_access_key": SK}}
        return self.postern({"s3": {**backend, **(store or {})}}, [{"path": "/", "backend": "s3"}], **sections)

    def sshd(self):
        """OpenSSH's own server with internal-sftp, as the user who runs this."""
        port = free_port()
        me = pwd.getpwuid(os.getuid()).pw_name
        os.makedirs("/run/sshd", exist_ok=True)
        keys = self.scratch / "authorized_keys"
        keys.write_text(self.key.with_suffix(".pub").read_text())
        conf = self.scratch / f"sshd-{port}.conf"
        conf.write_text(f"ListenAddress 127.0.0.1:{port}\nHostKey {self.host_key}\nPidFile none\nUsePAM no\n"
                        f"AuthorizedKeysFile {keys}\nStrictModes no\nSubsystem sftp internal-sftp\n"
                        f"ForceCommand internal-sftp -d {self.store}\nMaxStartups 1000:30:1000\nMaxSessions 1000\n"
                        "PermitRootLogin yes\nLogLevel ERROR\nPrintMotd no\n")
        process = self.service([shutil.which("sshd", path="/usr/sbin:/usr/bin"), "-D", "-e", "-f", conf],
                               stderr=subprocess.DEVNULL)
        return self.started(Server("internal-sftp", process, port, me))

    def _rclone(self, remote, **config):
        """`rclone serve sftp` of a remote named s, which the environment describes."""
        port = free_port()
        env = {k: v for k, v in os.environ.items() if k != "AWS_CA_BUNDLE"}
        env.update({f"RCLONE_CONFIG_S_{k.upper()}": v for k, v in config.items()})
        env.update({"RCLONE_CONFIG": str(self.scratch / "rclone.conf"), "XDG_CACHE_HOME": str(self.scratch / "cache")})
        (self.scratch / "rclone.conf").touch()
        process = self.service(
            ["rclone", "serve", "sftp", remote, "--addr", f"127.0.0.1:{port}", "--user", USER, "--pass", PASSWORD,
             "--authorized-keys", self.key.with_suffix(".pub"), "--key", self.host_key, "--vfs-cache-mode", "off",
             "--dir-cache-time", "1s"],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.started(Server("rclone", process, port, USER, PASSWORD))

    def rclone(self, endpoint, bucket):
        return self._rclone(f"s:{bucket}", type="s3", provider="Ceph", access_key_id=AK, secret_access_key=SK,
                            endpoint=endpoint, force_path_style="true")

    def rclone_webdav(self, endpoint, user, password):
        hidden = subprocess.run(["rclone", "obscure", password], capture_output=True, text=True, check=True)
        return self._rclone("s:", type="webdav", vendor="other", url=endpoint, user=user,
                            **{"pass": hidden.stdout.strip()})

    def _lab(self, script, folder, *more, **env):
        folder = self.scratch / folder
        command = [ROOT / "tests" / "lab" / script, "up", folder, *more]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, start_new_session=True)
        self.downs.append([ROOT / "tests" / "lab" / script, "down", folder])
        if done.returncode != 0:
            raise RuntimeError(f"{script}: {done.stderr[-500:]}")
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def radosgw(self):
        """Started once; a fresh bucket each time."""
        if not hasattr(self, "_radosgw"):
            self._radosgw = self._lab("radosgw.sh", "radosgw", AK=AK, SK=SK, SIZE=str(12 << 30))
        bucket = f"bench{time.monotonic_ns()}"
        s3 = S3(self._radosgw["ENDPOINT"], bucket)
        s3.must("PUT")
        return s3

    def radosgw_pids(self):
        return [int(f.read_text()) for f in (self.scratch / "radosgw" / "run").glob("*.pid")]

    def webdav(self, kind):
        """An empty folder of a server of its own; gives its URL."""
        return self._lab("webdav.sh", f"webdav-{time.monotonic_ns()}", kind)["ENDPOINT"]

    def null_s3(self):
        """Drops what is put: the gateway's own limit."""
        if not hasattr(self, "_null"):
            self._null = self._lab("nginx.sh", "null", "null")
        return S3(self._null["ENDPOINT"], "bench")
