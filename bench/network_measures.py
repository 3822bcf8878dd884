"""Stores behind a network of 1 Gbit/s, as they mostly are: does a session fill the link as well as curl does?

On loopback a store is as near as the CPU that it shares with gateway and client; what the other rows show of throughput
is which of them needs the CPU first. Here the store's port, and nothing else, passes a token bucket each way, in a network
namespace of the measure's own. Needs root (the namespace, tc).
"""
import ctypes
import multiprocessing
import os
import subprocess
import urllib.parse

import measures
import peers
import webdav_measures
from measures import measured, pairs, row, sftp

RATE = "1gbit"
CLONE_NEWNET = 0x40000000


def network():
    """From here on this process has a network namespace to itself."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace: this measure needs root")
    run("ip link set lo up")
    run("tc qdisc add dev lo root handle 1: htb default 10")
    run("tc class add dev lo parent 1: classid 1:10 htb rate 100gbit quantum 200000")
    for way in ("20", "30"):
        run(f"tc class add dev lo parent 1: classid 1:{way} htb rate {RATE} burst 256k quantum 200000")


def run(command):
    subprocess.run(command.split(), check=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})


def behind(endpoint):
    """What comes from that port and what goes there is limited from now on, each way by itself."""
    port = urllib.parse.urlsplit(endpoint).port
    for field, way in (("sport", "20"), ("dport", "30")):
        run(f"tc filter add dev lo parent 1: protocol ip u32 match ip {field} {port} 0xffff flowid 1:{way}")
    return endpoint


def in_a_child(work):
    """The rows of work(), which runs in a process of its own: namespaces are for life."""
    fork = multiprocessing.get_context("fork")
    mine, theirs = fork.Pipe(duplex=False)

    def child():
        try:
            for each in work():
                theirs.send(each)
            theirs.send(None)
        except Exception as e:
            theirs.send(e)
    process = fork.Process(target=child)
    process.start()
    theirs.close()
    try:
        while (each := mine.recv()) is not None:
            if isinstance(each, Exception):
                raise each
            yield each
    finally:
        process.join()


def transfers(lab, name, server, curl, target):
    mib, n = (64, 1) if lab.quick else (512, 3)
    source = lab.home / "netbig"
    measures.random_file(source, mib)
    sftp(lab, server, f"put {source} big\n")
    for way in ("download", "upload"):
        batch = "get big /dev/null\n" if way == "download" else f"put {source} up\n"
        mine, other, ratio = pairs(n, lambda: (mib / measured(server, lambda: sftp(lab, server, batch))[1],),
                                   lambda: (curl(way, mib, source),))
        yield row(f"{name} {way}: MiB/s", mine[0], other[0], ratio[0], target, ">=")
    lab.stop(server)


def behind_network(lab):
    """One session's throughput, against curl to the same store over the same link."""
    def work():
        network()
        home = lab.scratch / "network"
        home.mkdir()
        with peers.Lab(home, lab.quick) as own:
            endpoint = behind(own.webdav("nginx"))
            yield from transfers(own, f"WebDAV over {RATE}, vs curl,",
                                 own.postern({"dav": webdav_measures.backend(endpoint)},
                                             [{"path": "/", "backend": "dav"}]),
                                 lambda *how: webdav_measures.curl(endpoint, *how), 0.9)
            s3 = own.radosgw()
            behind(s3.endpoint)

            def curls(way, mib, source):
                measures.split_file(source, mib, 4)
                return measures.parallel_curl(s3, way, mib, source)
            yield from transfers(own, f"S3 over {RATE}, vs 4 curls,", own.postern_s3(s3.endpoint, s3.bucket), curls, 0.7)
    yield from in_a_child(work)


ALL = [behind_network]
