#!/usr/bin/python3
"""Writes the seed inputs of fuzz_wire and fuzz_sftpd. Run again after a change of the protocol."""
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, \
    RENAME, READLINK, SYMLINK = range(3, 21)
EXTENDED = 200
R, W, APPEND, CREAT, TRUNC, EXCL = 1, 2, 4, 8, 16, 32


def u32(v):
    return struct.pack(">I", v)


def u64(v):
    return struct.pack(">Q", v)


def s(v):
    v = v.encode() if isinstance(v, str) else v
    return u32(len(v)) + v


def handle(n):
    return s(b"handle--000" + bytes([n]))


def packets(*requests):
    out = b""
    for i, (kind, *body) in enumerate(requests):
        data = bytes([kind]) + u32(i + 1) + b"".join(body)
        out += u32(len(data)) + data
    return out


SESSIONS = {
    "upload": packets((OPEN, s("/a"), u32(W | CREAT | TRUNC), u32(4), u32(0o100644)),
                      (WRITE, handle(0), u64(0), s("hello")), (WRITE, handle(0), u64(5), s(" world")),
                      (FSETSTAT, handle(0), u32(8), u32(1), u32(2)), (CLOSE, handle(0)), (STAT, s("/a"))),
    "download": packets((OPEN, s("/a"), u32(R | W | CREAT), u32(0)), (WRITE, handle(0), u64(0), s("x" * 100)),
                        (READ, handle(0), u64(0), u32(32768)), (READ, handle(0), u64(99), u32(2**32 - 1)),
                        (READ, handle(0), u64(2**63), u32(1)), (FSTAT, handle(0)), (CLOSE, handle(0)),
                        (CLOSE, handle(0))),
    "list": packets((MKDIR, s("/d"), u32(0)), (MKDIR, s("/d/e"), u32(0)), (OPENDIR, s("/d")), (READDIR, handle(0)),
                    (READDIR, handle(0)), (CLOSE, handle(0)), (RMDIR, s("/d/e")), (RMDIR, s("/d"))),
    "paths": packets((REALPATH, s(".")), (REALPATH, s("../x//y/.")), (LSTAT, s("/none")), (MKDIR, s("a"), u32(0)),
                     (RENAME, s("a"), s("b")), (RENAME, s("b"), s("b/c")), (REMOVE, s("b")), (SYMLINK, s("b"), s("l")),
                     (READLINK, s("l")), (SETSTAT, s("b"), u32(12), u32(0o700), u32(1), u32(2))),
    "extended": packets((EXTENDED, s("limits@openssh.com")), (EXTENDED, s("statvfs@openssh.com"), s("/")),
                        (EXTENDED, s("expand-path@openssh.com"), s("~/x")), (EXTENDED, s("home-directory"), s("")),
                        (EXTENDED, s("users-groups-by-id@openssh.com"), s(u32(0)), s(u32(0) + u32(5))),
                        (EXTENDED, s("vendor-id"), s("v"), s("p"), s("1"), u64(1)),
                        (EXTENDED, s("posix-rename@openssh.com"), s("/a"), s("/b")),
                        (EXTENDED, s("hardlink@openssh.com"), s("/a"), s("/b")),
                        (EXTENDED, s("lsetstat@openssh.com"), s("/a"), u32(0)), (EXTENDED, s("no@where"))),
    "copy": packets((OPEN, s("/a"), u32(R | W | CREAT), u32(0)), (OPEN, s("/b"), u32(W | CREAT), u32(0)),
                    (WRITE, handle(0), u64(0), s("0123456789")),
                    (EXTENDED, s("copy-data"), handle(0), u64(2), u64(0), handle(1), u64(3)),
                    (EXTENDED, s("fsync@openssh.com"), handle(1)), (EXTENDED, s("fstatvfs@openssh.com"), handle(1)),
                    (CLOSE, handle(1)), (CLOSE, handle(0))),
    "select": packets((EXTENDED, s("version-select"), s("3")), (STAT, s("/"))),
    "selectlate": packets((STAT, s("/")), (EXTENDED, s("version-select"), s("6")), (STAT, s("/"))),
    "attrpairs": packets((SETSTAT, s("/"), u32(0x80000000), u32(1), s("name@x"), s("value")),
                         (SETSTAT, s("/"), u32(0x80000000), u32(2**32 - 1))),
    "zerolength": u32(0),
    "hugelength": u32(2**32 - 1) + b"\x03",
    "secondinit": u32(5) + b"\x01" + u32(3),
    "midpacket": packets((STAT, s("/a")))[:-1],
}
SHAPES = {
    0: b"", 1: s("/a"), 2: s("/a") + s("/b"), 3: s("t") + s("l"), 4: s("/a") + u32(15) + u64(1) + u32(1) * 5,
    5: s("/a") + u32(R | W | CREAT) + u32(0), 6: handle(0), 7: handle(0) + u32(1) + u64(5),
    8: handle(0) + u64(0) + u32(32768), 9: handle(0) + u64(0) + s("data"),
    10: handle(0) + u64(0) + u64(0) + handle(1) + u64(0), 11: s("text"), 12: s(u32(1)) + s(u32(2)),
}


def main():
    for folder, inputs in (("sftpd", SESSIONS),
                           ("wire", {f"shape{k:02}": bytes([k]) + v for k, v in SHAPES.items()})):
        (CORPUS / folder).mkdir(exist_ok=True)
        for name, data in inputs.items():
            (CORPUS / folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
