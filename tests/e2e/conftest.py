"""Fixtures of the end-to-end rows. Run by /usr/bin/python3 -m pytest; POSTERN_BUILD names the build tree."""
import os
import pathlib
import subprocess
import tempfile
import warnings

import pytest

warnings.filterwarnings("ignore")  # old ciphers that paramiko and asyncssh still name

from gateway import POSTERN, ROOT, SANITIZED, Gateway, Keys, run  # noqa: E402
from s3 import S3  # noqa: E402

TALLY = {"passed": 0, "failed": 0, "skipped": 0}


def pytest_configure(config):
    config.addinivalue_line("markers", "s3: needs a real S3 server")
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    os.environ.pop("SSH_AUTH_SOCK", None)  # a developer's agent must not answer for a test


def pytest_collection_modifyitems(items):
    for item in items:
        store = getattr(item, "callspec", None) and item.callspec.params.get("store_kind")
        if store in ("radosgw", "swift") or {"radosgw", "swift"} & set(item.fixturenames):
            item.add_marker(pytest.mark.s3)


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        TALLY[report.outcome] += 1


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        print(f"\n{TALLY['passed']} passed, {TALLY['failed']} failed, {TALLY['skipped']} skipped")


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    assert POSTERN.exists(), f"{POSTERN} is not built"
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """Clients write their histories and caches here, not into the developer's home."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["HOME"] = str(folder)
    for name in ("AWS_CA_BUNDLE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
    return folder


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for gateway in item.funcargs.get("postern_made", []):
            report.sections.append((f"log of {gateway.folder.name}", gateway.log()[-8000:]))


@pytest.fixture
def postern_made():
    return []


@pytest.fixture
def postern(tmp_path, keys, postern_made):
    """A factory: postern(backends, ...) gives a started Gateway; each is ended and checked at the end."""
    made = postern_made

    def factory(backends, start=True, **more):
        gateway = Gateway(tmp_path / f"gateway{len(made)}", keys, backends, **more)
        made.append(gateway)
        return gateway.start() if start else gateway

    yield factory
    problems = []
    for gateway in made:
        try:
            gateway.stop()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


class Server:
    """A store's server as tests/lab started it: a bucket a test keeps the tests apart."""

    def __init__(self, name, values, access_key, secret_key):
        self.name, self.values = name, values
        self.access_key, self.secret_key = access_key, secret_key
        self.client = S3(values["ENDPOINT"], access_key, secret_key)
        self.buckets = 0

    def bucket(self):
        self.buckets += 1
        name = f"e2e-{self.buckets}"
        self.client.make_bucket(name)
        return name

    def backend(self, bucket, **more):
        return dict({"type": "s3", "bucket": bucket, "region": "us-east-1", "endpoint": self.values["ENDPOINT"],
                     "path_style": True, "credentials": {"access_key_id": self.access_key,
                                                         "secret_access_key": self.secret_key}}, **more)


def lab(script, folder, *arguments, **environment):
    """Runs `tests/lab/SCRIPT up FOLDER ...` and gives its KEY=value lines."""
    up = run([ROOT / "tests/lab" / script, "up", folder, *arguments], env=dict(os.environ, **environment))
    assert up.returncode == 0, up.stderr
    return dict(line.split("=", 1) for line in up.stdout.splitlines())


def lab_down(script, folder):
    subprocess.run([str(ROOT / "tests/lab" / script), "down", str(folder)], check=False)


@pytest.fixture(scope="session")
def radosgw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("radosgw") / "run"
    yield Server("radosgw", lab("radosgw.sh", folder, AK="accesskey", SK="secretkey0123456789"), "accesskey",
                 "secretkey0123456789")
    lab_down("radosgw.sh", folder)


@pytest.fixture(scope="session")
def swift(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swift") / "run"
    yield Server("swift", lab("swift.sh", folder, AK="test:tester", SK="secretkey0123456789"), "test:tester",
                 "secretkey0123456789")
    lab_down("swift.sh", folder)


@pytest.fixture
def faulty(radosgw, tmp_path):
    """nginx in front of radosgw; its KEY=value lines (PLAIN, SLOWDOWN, SLOW)."""
    folder = tmp_path / "nginx"
    yield lab("nginx.sh", folder, "faulty", radosgw.client.host)
    lab_down("nginx.sh", folder)


class WebDAV:
    """A WebDAV server as tests/lab started it: a folder a test keeps the tests apart."""

    def __init__(self, values):
        self.url, self.root = values["ENDPOINT"], pathlib.Path(values["ROOT"])
        self.tls_url, self.socket = values.get("TLS_ENDPOINT"), values.get("SOCKET")
        self.folders = 0

    def backend(self, folder, **more):
        return dict({"type": "http", "url": f"{self.tls_url or self.url}/{folder}",
                     "auth": {"type": "basic", "user": "dav", "password": "secret"}}, **more)

    def folder(self):
        """Made by the server itself: rclone keeps in mind what it has seen."""
        self.folders += 1
        name = f"e2e {self.folders}"
        made = run(["curl", "-sf", "-u", "dav:secret", "-X", "MKCOL", f"{self.url}/{name.replace(' ', '%20')}/"])
        assert made.returncode == 0, made.stderr
        return self.root / name

    def store(self, kind):
        folder = self.folder()
        names = lambda: sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if ".DAV" not in p.parts)
        uploads = lambda: [n for n in names() if ".gateway-upload" in n]

        def age():
            for name in uploads():  # which tells when it was begun
                head, _, digits = name.rpartition(".")
                (folder / name).rename(folder / f"{head}.{1_500_000_000:08x}{digits[8:]}")
            for name in uploads():
                os.utime(folder / name, (1_500_000_000, 1_500_000_000))
        return Store(kind, self.backend(folder.name.replace(" ", "%20")),
                     lambda name: (folder / name).read_bytes() if (folder / name).is_file() else None,
                     lambda: [n for n in names() if ".gateway-upload" not in n], uploads, age)


def webdav_fixture(kind):
    @pytest.fixture(scope="session", name=kind)
    def server(tmp_path_factory):
        # not in pytest's folder, which only its owner may enter: the server has a user of its own
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"postern-{kind}-"))
        yield WebDAV(lab("webdav.sh", folder, kind))
        lab_down("webdav.sh", folder)
    return server


@pytest.fixture(scope="module")
def webdav_over_tls():
    """webdav_over_tls(kind, (certificate, key), client_ca) gives a started server, the same for the same."""
    made = {}

    def server(kind, pair, client_ca=None):
        wanted = (kind, pair, client_ca)
        if wanted not in made:
            folder = pathlib.Path(tempfile.mkdtemp(prefix=f"postern-{kind}-"))
            more = {"TLS_CLIENT_CA": str(client_ca)} if client_ca else {}
            values = lab("webdav.sh", folder, kind, TLS_CERT=str(pair[0]), TLS_KEY=str(pair[1]), **more)
            made[wanted] = WebDAV(values)
            made[wanted].log = folder / "log/access.log"
        return made[wanted]
    yield server
    for server in made.values():
        lab_down("webdav.sh", server.log.parent.parent)


apache, nginx, rclone, chezdav = (webdav_fixture(kind) for kind in ("apache", "nginx", "rclone", "chezdav"))


class Httpfs(WebDAV):
    """docs/examples/httpfs_server.py over a folder."""

    def __init__(self, folder, *more):
        super().__init__({"ENDPOINT": "", "ROOT": folder})
        proof = [] if "--key" in more else ["--user", "dav", "--password", "secret"]
        self.process = subprocess.Popen([ROOT / "docs/examples/httpfs_server.py", folder, "--port", "0", *proof, *more],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url, "the example server does not start"

    def backend(self, folder, **more):
        return super().backend("", dialect="httpfs", **more)

    def folder(self):
        return self.root


def httpfs_fixture(kind, *more):
    @pytest.fixture(name=kind)
    def server(tmp_path):
        (tmp_path / kind).mkdir()
        made = Httpfs(tmp_path / kind, *more)
        yield made
        made.process.terminate()
        made.process.wait()
    return server


httpfs, httpfs_plain = httpfs_fixture("httpfs"), httpfs_fixture("httpfs_plain", "--plain")
httpfs_keyed = httpfs_fixture("httpfs_keyed", "--key", "the key")


class Store:
    """A backend's configuration, and a way to look behind postern's back."""

    def __init__(self, kind, backend, read, names, uploads=lambda: [], age=None):
        """age: makes what uploads() names older than any sweep_age_h; None = the next start sweeps by itself."""
        self.kind, self.backend, self.read, self.names, self.uploads = kind, backend, read, names, uploads
        self.age = age


def make_store(kind, request, tmp_path):
    if kind == "memory":
        return Store(kind, {"type": "memory"}, None, None)
    if kind == "local":
        root = tmp_path / "store"
        root.mkdir()
        return Store(kind, {"type": "local", "root": str(root)},
                     lambda name: (root / name).read_bytes() if (root / name).is_file() else None,
                     lambda: sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.name != ".gateway-upload"))
    server = request.getfixturevalue(kind)
    if isinstance(server, WebDAV):
        return server.store(kind)
    bucket = server.bucket()
    return Store(kind, server.backend(bucket), lambda name: server.client.get(bucket, name),
                 lambda: server.client.keys(bucket), lambda: server.client.uploads(bucket))


@pytest.fixture
def store(store_kind, request, tmp_path):
    return make_store(store_kind, request, tmp_path)


@pytest.fixture(scope="session")
def big_file(tmp_path_factory):
    """100 MiB that no compression and no repetition hides a mistake in; four parts of a bucket under a sanitizer."""
    path = tmp_path_factory.mktemp("big") / "big.bin"
    with path.open("wb") as out:
        for _ in range(32 if SANITIZED else 100):
            out.write(os.urandom(1 << 20))
    return pathlib.Path(path)
