"""What a login costs where an HTTP verifier decides. Clients and verifier are here, and not counted."""
import asyncio
import multiprocessing
import os
import pathlib
import re
import statistics
import time
import warnings

import peers
from measures import RawSftp, p99, row

warnings.filterwarnings("ignore", module="asyncssh")  # old ciphers that it still names

BODY = b'{"decision": "accept", "identity": {}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def cpu_ms(server):
    """Of all its threads: nanoseconds in the kernel's books, where peers.cpu_seconds() has ticks."""
    tasks = pathlib.Path(f"/proc/{server.pid}/task").glob("*/schedstat")
    return sum(int(p.read_text().split()[0]) for p in tasks) / 1e6


class Verifier:
    """Accepts everybody, `delay_s` after the question or when `go` is set."""

    def __init__(self, delay_s=0.0, go=None):
        self.delay_s, self.go, self.asked = delay_s, go, 0

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                self.asked += 1
                if self.go is not None:
                    await self.go.wait()
                elif self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        return {"type": "http", "url": f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/",
                "timeout_ms": 600000}


async def login(lab, server, **credential):
    import asyncssh
    async with asyncssh.connect("127.0.0.1", server.port, username=server.user, known_hosts=None, config=None,
                                agent_path=None, encryption_algs=["aes128-gcm@openssh.com"], login_timeout=600,
                                **credential):
        pass


async def logins(lab, server, count, at_once, **credential):
    """CPU ms a login, of `count`, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one():
        async with gate:
            await login(lab, server, **credential)
    await one()  # what is loaded once is no login's
    before = cpu_ms(server)
    await asyncio.gather(*[one() for _ in range(count)])
    return (cpu_ms(server) - before) / count


def verifier_cpu(lab):
    """CPU that an HTTP verifier adds to a login by key: two questions, for the client asks before it signs."""
    count, rounds = (10, 1) if lab.quick else (100, 5)

    async def run():
        ours = lab.postern_local(auth={"verifiers": [await Verifier().start()]}, limits={"loops": 1})
        plain = lab.postern_local(limits={"loops": 1})
        key = {"client_keys": [str(lab.key)], "password": None}
        pairs = [(await logins(lab, ours, count, 4, **key), await logins(lab, plain, count, 4, **key))
                 for _ in range(rounds)]
        lab.stop(ours)
        lab.stop(plain)
        return pairs
    pairs = asyncio.run(run())
    http, file = (statistics.median(side) for side in zip(*pairs))
    added = statistics.median(a - b for a, b in pairs)
    yield row("login by key, HTTP verifier: CPU ms vs file verifier", http, file, http / file)
    yield row("HTTP verifier: CPU ms added to a login, against 1", added, 1.0, added, 1.0)


def verifier_rate(lab):
    """Logins by password that a core's time is enough for, with a verifier that takes 1 ms."""
    count, rounds = (20, 1) if lab.quick else (200, 3)

    async def run():
        ours = lab.postern_local(auth={"verifiers": [await Verifier(0.001).start()]}, limits={"loops": 1})
        each = [await logins(lab, ours, count, 16, client_keys=None, password="x") for _ in range(rounds)]
        lab.stop(ours)
        return statistics.median(each)
    rate = 1000 / asyncio.run(run())
    yield row("logins a second of CPU, 1 ms verifier, against 200", rate, 200.0, rate / 200, 1.0, ">=")


class Watch:
    """A session beside, in a process of its own, that does one thing again and again until it is told to stop."""

    def __init__(self, lab, server, what):
        fork = multiprocessing.get_context("fork")
        self.stop, (self.mine, theirs) = fork.Event(), fork.Pipe()
        self.process = fork.Process(target=self.run, args=(lab, server, what, theirs), daemon=True)
        self.process.start()

    async def __aenter__(self):
        await asyncio.to_thread(self.mine.recv)
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        self.times = await asyncio.to_thread(self.mine.recv)
        self.process.join()

    def run(self, lab, server, what, result):
        """Sends how long it took each time, in ms."""
        client, times = RawSftp(lab, server), []
        result.send("ready")
        while not self.stop.is_set() or not times:
            began = time.monotonic()
            what(client)
            times.append((time.monotonic() - began) * 1000)
            time.sleep(0.002)
        client.close()
        result.send(times)


def longest_turn_ms(server):
    """Of a server that has ended."""
    return max(int(us) for us in re.findall(r"longest_turn_us=(\d+)", server.log.read_text())) / 1000


def verifier_waiting(lab):
    """Memory of logins that wait for a verifier, and what another session of the same loop notices."""
    count = 50 if lab.quick else 1000

    async def run():
        go = asyncio.Event()
        slow, quick = Verifier(go=go), Verifier()
        verifiers = [dict(await quick.start(), methods=["publickey"]), dict(await slow.start(), methods=["password"])]
        ours = lab.postern_local(auth={"verifiers": verifiers}, timeouts={"handshake_s": 600, "login_s": 600},
                                 limits={"loops": 1, "unauthenticated": 4000})
        await logins(lab, ours, 20, 4, client_keys=[str(lab.key)], password=None)
        before = peers.pss_kib(ours.pid)
        waiting = [asyncio.ensure_future(login(lab, ours, client_keys=None, password="x")) for _ in range(count)]
        while slow.asked < count:
            if any(w.done() for w in waiting):
                raise RuntimeError("a login did not wait")
            await asyncio.sleep(0.1)
        each = (peers.pss_kib(ours.pid) - before) / count
        async with Watch(lab, ours, lambda client: client.stat("/")) as waited:
            await asyncio.sleep(3)
        async with Watch(lab, ours, lambda client: client.stat("/")) as released:
            go.set()
            await asyncio.gather(*waiting)
        lab.stop(ours)
        return each, waited.times, max(released.times), longest_turn_ms(ours)
    each, times, released, turn = asyncio.run(run())
    calm, worst = p99(times), max(times)
    yield row(f"{count} logins that wait: KiB each, against 64", each, 64.0, each / 64, 1.0)
    yield row(f"STAT beside {count} logins that wait: p99 ms", calm, 20.0, calm / 20)
    yield row(f"STAT beside {count} logins that wait: worst ms, against 20", worst, 20.0, worst / 20, 1.0)
    yield row(f"STAT while {count} logins are let go: worst ms", released, 20.0, released / 20)
    yield row(f"longest turn, {count} logins from connect to end: ms, against 20", turn, 20.0, turn / 20, 1.0)


def verifier_slow(lab):
    """p99 of 4 KiB reads in one session while logins come all at once and wait 2 s, against the same without them.

    A read is one READ; and OPEN, READ and CLOSE, three answers that the client waits for one by one. The clients of
    the logins want a core for themselves: what they cost a reader who has nothing to do with them is seen when they
    go to another gateway.
    """
    count, calm_s, n = (50, 1, 1) if lab.quick else (500, 5, 5)
    (lab.store / "block").write_bytes(os.urandom(4096))

    async def run():
        slow, quick = Verifier(2.0), Verifier()
        verifiers = [dict(await quick.start(), methods=["publickey"]), dict(await slow.start(), methods=["password"])]
        ours, another = (lab.postern_local(auth={"verifiers": verifiers}, limits={"unauthenticated": 4000},
                                           timeouts={"handshake_s": 600, "login_s": 600}) for _ in range(2))
        took = []

        async def storm(server):
            began = time.monotonic()
            await asyncio.gather(*[login(lab, server, client_keys=None, password="x") for _ in range(count)])
            took.append(time.monotonic() - began)

        async def watched(what, work):
            async with Watch(lab, ours, lambda client: what(client, "/block", 4096)) as watch:
                await work
            return p99(watch.times)
        figures = [[(await watched(what, storm(ours)), await watched(what, asyncio.sleep(calm_s)),
                     await watched(what, storm(another))) for _ in range(n)]
                   for what in (RawSftp.read, RawSftp.read_whole)]
        lab.stop(ours)
        lab.stop(another)
        return figures, statistics.median(took), longest_turn_ms(ours)
    figures, took, turn = asyncio.run(run())
    for name, target, rounds in zip(("4 KiB read", "open, read and close of 4 KiB"), ((3.0,), ()), figures):
        busy, idle, beside = (statistics.median(side) for side in zip(*rounds))
        against = [statistics.median(r[0] / r[i] for r in rounds) for i in (1, 2)]
        yield row(f"{name} beside {count} logins at once, 2 s verifier: p99 ms vs idle", busy, idle, against[0], *target)
        yield row(f"{name} beside {count} logins at once: p99 ms vs logins at another gateway", busy, beside, against[1])
    yield row(f"these {count} logins: s, against 2", took, 2.0, took / 2)
    yield row(f"longest turn beside {count} logins at once: ms", turn, 20.0, turn / 20)


ALL = [verifier_cpu, verifier_rate, verifier_waiting, verifier_slow]
