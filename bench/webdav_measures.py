"""What is measured onto a WebDAV server: nginx, as the tests run it. Rows as in measures.py."""
import subprocess
import time

import peers
from measures import measured, pairs, random_file, row, sftp, upload_at_once

DAV_USER, DAV_PASSWORD = "dav", "secret"  # as tests/lab/webdav.sh has them


def backend(endpoint):
    return {"type": "http", "dialect": "webdav", "url": endpoint + "/",
            "auth": {"type": "basic", "user": DAV_USER, "password": DAV_PASSWORD}}


def curl(endpoint, way, mib, source):
    args = ["-T", source, f"{endpoint}/curl"] if way == "upload" else [f"{endpoint}/big"]
    started = time.monotonic()
    subprocess.run(["curl", "-s", "-S", "-f", "-H", "Expect:", "-u", f"{DAV_USER}:{DAV_PASSWORD}", "-o", "/dev/null",
                    *args], check=True)
    return mib / (time.monotonic() - started)


def webdav_files(lab):
    """CPU a GiB against `rclone serve sftp` over the same server; MiB/s against one curl without SFTP between.

    What the same transfer costs where the file is on a disk is what SSH and SFTP cost: no store makes it cheaper.
    """
    mib, n = (64, 1) if lab.quick else (1024, 3)
    endpoint = lab.webdav("nginx")
    source = lab.home / "davbig"
    random_file(source, mib)
    ours = lab.postern({"dav": backend(endpoint)}, [{"path": "/", "backend": "dav"}])
    theirs = lab.rclone_webdav(endpoint, DAV_USER, DAV_PASSWORD)
    disk = lab.postern_local()
    for server in (ours, disk):
        sftp(lab, server, f"put {source} big\n")
    gib = mib / 1024
    for way in ("download", "upload"):
        def one(server):
            batch = "get big /dev/null\n" if way == "download" else f"put {source} up-{server.name}\n"
            cpu, wall = measured(server, lambda: sftp(lab, server, batch))
            return cpu / gib, mib / wall
        mine, other, ratio = pairs(n, lambda: one(ours), lambda: one(theirs))
        yield row(f"WebDAV {way}: CPU s/GiB vs rclone", mine[0], other[0], ratio[0], 0.3)
        yield row(f"WebDAV {way}: MiB/s vs rclone", mine[1], other[1], ratio[1])
        mine, other, ratio = pairs(n, lambda: one(disk)[:1], lambda: one(theirs)[:1])
        yield row(f"the same {way} onto a disk, without HTTP: CPU s/GiB vs that", mine[0], other[0], ratio[0])
        mine, other, ratio = pairs(n, lambda: (one(ours)[1],), lambda: (curl(endpoint, way, mib, source),))
        yield row(f"WebDAV {way}: MiB/s vs curl", mine[0], other[0], ratio[0], 0.9, ">=")
    for server in (ours, theirs, disk):
        lab.stop(server)


def webdav_uploads(lab):
    """Resident memory while 50 clients upload at once."""
    clients, mib, budget = (5, 16, 128) if lab.quick else (50, 64, 128)
    endpoint = lab.webdav("nginx")
    ours = lab.postern({"dav": backend(endpoint)}, [{"path": "/", "backend": "dav"}], limits={"memory_mb": budget})
    upload_at_once(lab, ours, clients, mib)
    peak = peers.rss_peak_kib(ours.pid) / 1024
    yield row(f"WebDAV, {clients} uploads of {mib} MiB at once: peak MiB vs budget + 64", peak, float(budget + 64),
              peak / (budget + 64), 1.0)
    lab.stop(ours)


ALL = [webdav_files, webdav_uploads]
