"""What is measured. Each function yields rows: ours, theirs, their ratio, and the target of the design."""
import math
import os
import re
import statistics
import struct
import subprocess
import threading
import time

import peers

GCM = "aes128-gcm@openssh.com"
CHACHA = "chacha20-poly1305@openssh.com"


def row(name, ours, theirs, ratio, target=None, op="<=", unit=""):
    ok = None if target is None else (ratio <= target if op == "<=" else ratio >= target)
    def text(x):
        return f"{x:.3g} {unit}".strip() if isinstance(x, float) else str(x)
    return {"name": name, "ours": text(ours), "theirs": text(theirs), "ratio": ratio, "target": target, "op": op,
            "ok": ok}


def ssh_options(lab, server, cipher=GCM):
    return ["-q", "-F", "none", "-i", str(lab.key), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o",
            "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", f"Port={server.port}", "-c", cipher]


def sftp(lab, server, batch, cipher=GCM):
    done = subprocess.run(["sftp", *ssh_options(lab, server, cipher), "-b", "-", f"{server.user}@127.0.0.1"],
                          input=batch, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"sftp to {server.name}: {done.stderr[-400:]}")


def measured(server, work):
    """Server CPU seconds and wall seconds of work()."""
    cpu, wall = peers.cpu_seconds(server.pid), time.monotonic()
    work()
    wall = time.monotonic() - wall
    end = time.monotonic() + 2  # a session process of sshd is reaped a moment after its client left
    while server.name == "internal-sftp" and len(peers.tree(server.pid)) > 1 and time.monotonic() < end:
        time.sleep(0.02)
    return peers.cpu_seconds(server.pid) - cpu, wall


def pairs(n, ours, theirs):
    """n times ours() and theirs() in turn; gives the medians of each figure and of their ratios."""
    a, b = [], []
    for i in range(n):
        for f, to in ((ours, a), (theirs, b)) if i % 2 == 0 else ((theirs, b), (ours, a)):
            to.append(f())
    ratios = [tuple(x / y if y else math.inf for x, y in zip(p, q)) for p, q in zip(a, b)]
    med = [[statistics.median(col) for col in zip(*rows)] for rows in (a, b, ratios)]
    return med


def local_files(lab):
    """CPU a GiB and MiB/s on local files, against internal-sftp."""
    mib = 64 if lab.quick else 1024
    n = 1 if lab.quick else 3
    big = lab.store / "big"
    source = lab.home / "big"
    random_file(big, mib)
    source.hardlink_to(big)
    ours, theirs = lab.postern_local(), lab.sshd()
    gib = mib / 1024
    for cipher, label in ((GCM, "aes128-gcm"), (CHACHA, "chacha20")):
        for way, target in (("download", 0.6), ("upload", 0.7)):
            def one(server):
                if way == "download":
                    batch = "get big /dev/null\n"
                else:
                    # internal-sftp starts in the store's folder, postern's root is that folder
                    batch = f"put {source} up-{server.name}\n"
                cpu, wall = measured(server, lambda: sftp(lab, server, batch, cipher))
                (lab.store / f"up-{server.name}").unlink(missing_ok=True)
                return cpu / gib, mib / wall
            mine, other, ratio = pairs(n, lambda: one(ours), lambda: one(theirs))
            yield row(f"local {way}, {label}: CPU s/GiB vs internal-sftp", mine[0], other[0], ratio[0],
                      target if cipher == GCM else None)
            yield row(f"local {way}, {label}: MiB/s vs internal-sftp", mine[1], other[1], ratio[1])
    lab.stop(ours)
    lab.stop(theirs)


def random_file(path, mib):
    with open(path, "wb") as f:
        for _ in range(mib):
            f.write(os.urandom(1 << 20))


def split_file(path, mib, n):
    """Into PATH.0 and so on, for parallel_curl()."""
    for i in range(n):
        with open(path, "rb") as f, open(f"{path}.{i}", "wb") as to:
            f.seek(i * (mib // n << 20))
            to.write(f.read(mib // n << 20))


def parallel_curl(s3, way, mib, source, streams=4):
    """The same bytes by `streams` curls at once: ranges of one object down, one object each up."""
    each = mib // streams << 20
    procs = []
    started = time.monotonic()
    for i in range(streams):
        if way == "download":
            args = ["-r", f"{i * each}-{(i + 1) * each - 1}", s3.presigned("GET", "big")]
        else:
            args = ["-H", "Expect:", "-T", f"{source}.{i}", s3.presigned("PUT", f"curl-{i}")]
        procs.append(subprocess.Popen(["curl", "-s", "-S", "-f", "-o", "/dev/null", *args]))
    if any([p.wait() for p in procs]):
        raise RuntimeError("curl failed")
    return mib / (time.monotonic() - started)


def client_seconds():
    """CPU of the clients so far: of this process's children that were waited for."""
    t = os.times()
    return t.children_user + t.children_system


def s3_files(lab):
    """CPU a GiB against rclone, MiB/s against parallel curl, on radosgw.

    The curls decrypt nothing and do not sign what they send; an SFTP client needs most of a core. Where all sides share
    a few cores the throughput is what the CPU of all of them leaves, so that is measured too: with the gateway's share
    and, as what no gateway could better, without it.
    """
    mib = 64 if lab.quick else 512
    n = 1 if lab.quick else 3
    s3 = lab.radosgw()
    source = lab.home / "s3big"
    random_file(source, mib)
    split_file(source, mib, 4)
    ours, theirs = lab.postern_s3(s3.endpoint, s3.bucket), lab.rclone(s3.endpoint, s3.bucket)
    sftp(lab, ours, f"put {source} big\n")
    gib = mib / 1024
    for way in ("download", "upload"):
        def one(server):
            batch = "get big /dev/null\n" if way == "download" else f"put {source} up-{server.name}\n"
            cpu, wall = measured(server, lambda: sftp(lab, server, batch))
            return cpu / gib, mib / wall
        mine, other, ratio = pairs(n, lambda: one(ours), lambda: one(theirs))
        yield row(f"S3 {way}: CPU s/GiB vs rclone", mine[0], other[0], ratio[0], 0.3)
        yield row(f"S3 {way}: MiB/s vs rclone", mine[1], other[1], ratio[1])
        def beside_curl(work):
            """What work() gives (gateway's CPU, MiB/s), and the CPU a GiB of all sides and of all but the gateway."""
            store, client = peers.cpu_seconds_of(lab.radosgw_pids()), client_seconds()
            gateway, rate = work()
            rest = (peers.cpu_seconds_of(lab.radosgw_pids()) - store + client_seconds() - client) / gib
            return rate, gateway + rest, rest
        def curls():
            return 0, parallel_curl(s3, way, mib, source)
        mine, other, ratio = pairs(n, lambda: beside_curl(lambda: one(ours)), lambda: beside_curl(curls))
        yield row(f"S3 {way}: MiB/s vs 4 curls at once", mine[0], other[0], ratio[0], 0.7, ">=")
        yield row(f"S3 {way}: CPU s/GiB, client and store too, vs 4 curls", mine[1], other[1], ratio[1])
        yield row(f"S3 {way}: the same without the gateway's own", mine[2], other[2], ratio[2])
        if way == "upload":
            bare = lab.postern_s3(s3.endpoint, s3.bucket, {"payload_signing": "never"})
            mine, other, ratio = pairs(n, lambda: beside_curl(lambda: one(bare)), lambda: beside_curl(curls))
            yield row("S3 upload, payload unsigned: MiB/s vs 4 curls", mine[0], other[0], ratio[0])
            lab.stop(bare)
    lab.stop(ours)
    lab.stop(theirs)


def s3_small_files(lab):
    """4 KiB files a second in one session."""
    count = 20 if lab.quick else 300
    n = 1 if lab.quick else 3
    s3 = lab.radosgw()
    small = lab.home / "small"
    small.mkdir(exist_ok=True)
    for i in range(count):
        (small / f"f{i:04}").write_bytes(os.urandom(4096))
    back = lab.home / "back"
    back.mkdir(exist_ok=True)
    ours, theirs = lab.postern_s3(s3.endpoint, s3.bucket), lab.rclone(s3.endpoint, s3.bucket)
    for way, target in (("up", 2.5), ("down", 2.0)):
        def one(server):
            batch = f"-mkdir {server.name}\ncd {server.name}\n"
            batch += f"lcd {small}\nmput f*\n" if way == "up" else f"lcd {back}\nmget f*\n"
            _, wall = measured(server, lambda: sftp(lab, server, batch))
            return (count / wall,)
        mine, other, ratio = pairs(n, lambda: one(ours), lambda: one(theirs))
        yield row(f"S3 4 KiB files {way}: files/s vs rclone", mine[0], other[0], ratio[0], target, ">=")
    lab.stop(ours)
    lab.stop(theirs)


def s3_listing(lab):
    """10,000 keys of one folder, against ten ListObjectsV2 pages of a bare client."""
    count = 2000 if lab.quick else 10000
    n = 1 if lab.quick else 3
    s3 = lab.radosgw()
    def fill(first):
        one = peers.S3(s3.endpoint, s3.bucket)
        for i in range(first, count, 4):
            one.must("PUT", f"many/key-{i:06}")
    threads = [threading.Thread(target=fill, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ours = lab.postern_s3(s3.endpoint, s3.bucket)

    def bare():
        started, token, keys = time.monotonic(), "", 0
        while True:
            query = "&".join(([f"continuation-token={token}"] if token else []) +
                             ["delimiter=%2F", "list-type=2", "max-keys=1000", "prefix=many%2F"])
            body = s3.must("GET", "", query).decode()
            keys += body.count("<Key>")
            more = re.search(r"<NextContinuationToken>([^<]*)", body)
            if not more:
                break
            token = peers.urllib.parse.quote(more.group(1), safe="")
        assert keys == count, keys
        return (time.monotonic() - started,)

    client = RawSftp(lab, ours)

    def listed():
        started = time.monotonic()
        names = client.list("/many")
        assert names == count + 2 or names == count, names
        return (time.monotonic() - started,)
    mine, other, ratio = pairs(n, listed, bare)
    yield row(f"S3 {count} keys listed: s vs ListObjectsV2 pages", mine[0], other[0], ratio[0], 1.5)
    client.close()
    lab.stop(ours)


def logins(lab):
    """CPU of a login by key."""
    count = 5 if lab.quick else 40
    n = 1 if lab.quick else 3
    ours, theirs = lab.postern_local(), lab.sshd()
    def one(server):
        def work():
            for _ in range(count):
                sftp(lab, server, "pwd\n")
        cpu, _ = measured(server, work)
        return (max(cpu, 1 / peers.TICKS) / count * 1000,)
    mine, other, ratio = pairs(n, lambda: one(ours), lambda: one(theirs))
    yield row("login by key: CPU ms vs sshd", mine[0], other[0], ratio[0], 0.1)
    lab.stop(ours)
    lab.stop(theirs)


def open_sessions(lab, server, count):
    """count ssh clients with the sftp subsystem open and greeted."""
    procs = [subprocess.Popen(["ssh", *ssh_options(lab, server), "-s", f"{server.user}@127.0.0.1", "sftp"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
             for _ in range(count)]
    for p in procs:
        p.stdin.write(struct.pack(">IBI", 5, 1, 3))
        p.stdin.flush()
    for p in procs:
        head = p.stdout.read(4)
        if len(head) < 4:
            raise RuntimeError(f"a session of {server.name} did not open")
        p.stdout.read(struct.unpack(">I", head)[0])
    return procs


def close_sessions(procs):
    for p in procs:
        p.stdin.close()
    for p in procs:
        p.wait()


def idle_sessions(lab):
    """Memory of an idle session with an open SFTP channel."""
    count = 10 if lab.quick else 100
    figures = []
    for server in (lab.postern_local(), lab.sshd()):
        first = open_sessions(lab, server, 4)  # what is loaded once is not a session's
        before = peers.pss_kib(server.pid)
        procs = open_sessions(lab, server, count)
        figures.append((peers.pss_kib(server.pid) - before) / count)
        close_sessions(procs + first)
        lab.stop(server)
    yield row("idle session: KiB vs sshd", figures[0], figures[1], figures[0] / figures[1])
    yield row("idle session: KiB against 48", figures[0], 48.0, figures[0] / 48, 1.0)


class RawSftp:
    """Just enough SFTP over an `ssh -s` process to time single requests."""

    def __init__(self, lab, server):
        self.p = open_sessions(lab, server, 1)[0]
        self.id = 0
        self.handles = {}

    def ask(self, kind, body):
        self.id += 1
        packet = struct.pack(">BI", kind, self.id) + body
        self.p.stdin.write(struct.pack(">I", len(packet)) + packet)
        self.p.stdin.flush()
        size = struct.unpack(">I", self.p.stdout.read(4))[0]
        answer = self.p.stdout.read(size)
        return answer[0], answer[5:]

    @staticmethod
    def string(s):
        return struct.pack(">I", len(s)) + s

    def stat(self, path):
        kind, body = self.ask(17, self.string(path.encode()))
        if kind != 105:
            raise RuntimeError(f"STAT {path}: {body!r}")

    def open(self, path):
        kind, handle = self.ask(3, self.string(path.encode()) + struct.pack(">II", 1, 0))
        if kind != 102:
            raise RuntimeError(f"OPEN {path}: {handle!r}")
        return handle

    def read(self, path, size):
        """One READ, of a file that stays open."""
        if path not in self.handles:
            self.handles[path] = self.open(path)
        kind, body = self.ask(5, self.handles[path] + struct.pack(">QI", 0, size))
        if kind != 103 or len(body) != 4 + size:
            raise RuntimeError(f"READ {path}: {body[:80]!r}")

    def read_whole(self, path, size):
        """OPEN, READ, CLOSE."""
        self.read(path, size)
        self.ask(4, self.handles.pop(path))

    def list(self, path):
        kind, body = self.ask(11, self.string(path.encode()))
        if kind != 102:
            raise RuntimeError(f"OPENDIR {path}: {body!r}")
        names = 0
        while True:
            kind, more = self.ask(12, body)
            if kind != 104:
                break
            names += struct.unpack(">I", more[:4])[0]
        self.ask(4, body)
        return names

    def close(self):
        close_sessions([self.p])


def p99(xs):
    return sorted(xs)[max(0, math.ceil(len(xs) * 0.99) - 1)]


def stat_latency(lab):
    """p99 of STAT in one session while another transfers in bulk, against the same without it.

    As configured by default, a loop a core, and with both sessions on one loop. internal-sftp, with a process a
    session, shows what the machine's own scheduling makes of it.
    """
    rounds = 100 if lab.quick else 1000
    n = 1 if lab.quick else 3
    with open(lab.store / "bulk", "wb") as f:
        f.truncate((64 if lab.quick else 1024) << 20)

    def stats(client):
        times = []
        for _ in range(rounds):
            started = time.monotonic()
            client.stat("bulk")
            times.append(time.monotonic() - started)
            time.sleep(0.0005)
        return p99(times) * 1000

    def one(server):
        client = RawSftp(lab, server)
        stats(client)
        idle = stats(client)
        bulk = subprocess.Popen(
            ["sftp", *ssh_options(lab, server), "-b", "-", f"{server.user}@127.0.0.1"], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        bulk.stdin.write("get bulk /dev/null\n" * 100)
        bulk.stdin.flush()
        time.sleep(0.5)
        beside = stats(client)
        running = bulk.poll() is None
        bulk.kill()
        bulk.wait()
        client.close()
        if not running:
            raise RuntimeError("the bulk transfer ended before the stats did")
        return beside, idle, beside / idle
    theirs = lab.sshd()
    for where, limits in ("", {}), (" on one loop", {"loops": 1}):
        ours = lab.postern_local(limits=limits)
        mine, other, ratio = pairs(n, lambda: one(ours), lambda: one(theirs))
        target = (3.0,) if not where else ()
        yield row(f"stat p99 beside a bulk download{where}: ms vs idle", mine[0], mine[1], mine[2], *target)
        yield row(f"stat p99 beside a bulk download{where}: ms vs internal-sftp", mine[0], other[0], ratio[0])
        lab.stop(ours)
    yield row("stat p99 beside a bulk download, internal-sftp: ms vs idle", other[0], other[1], other[2])
    lab.stop(theirs)


def upload_at_once(lab, server, clients, mib):
    source = lab.home / "many"
    with open(source, "wb") as f:
        f.truncate(mib << 20)
    procs = []
    for i in range(clients):
        p = subprocess.Popen(["sftp", *ssh_options(lab, server), "-b", "-", f"{server.user}@127.0.0.1"],
                             stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        p.stdin.write(f"put {source} many-{i}\n")
        p.stdin.close()
        procs.append(p)
    if any([p.wait() for p in procs]):
        raise RuntimeError("an upload failed")


def many_uploads(lab):
    """Resident memory while 50 clients upload at once onto a store that takes it as fast as it comes."""
    clients, mib = (5, 16) if lab.quick else (50, 256)
    budget = 128
    s3 = lab.null_s3()
    ours = lab.postern_s3(s3.endpoint, s3.bucket, limits={"memory_mb": budget})
    upload_at_once(lab, ours, clients, mib)
    peak = peers.rss_peak_kib(ours.pid) / 1024
    yield row(f"{clients} uploads of {mib} MiB at once: peak MiB vs budget + 64", peak, float(budget + 64),
              peak / (budget + 64), 1.0)
    lab.stop(ours)


def rates(lab):
    """How near a transfer comes to the rate of its user's identity, each way."""
    limit, seconds = 4096, 3 if lab.quick else 20
    source = lab.home / "rated"
    with open(source, "wb") as f:
        f.truncate(limit * seconds << 10)
    ours = lab.postern_local(users={"limits": {"upload_kib_s": limit, "download_kib_s": limit}})
    for way, batch in (("up", f"put {source} rated"), ("down", f"get rated {source}")):
        begin = time.monotonic()
        sftp(lab, ours, batch + "\n")
        reached = limit * seconds / (time.monotonic() - begin)
        off = max(reached, limit) / min(reached, limit)
        yield row(f"a rate of {limit} KiB/s, {way}: KiB/s reached", reached, float(limit), off, 1.1)
    lab.stop(ours)


ALL = [local_files, s3_files, s3_small_files, s3_listing, logins, idle_sessions, stat_latency, many_uploads,
       rates]
