#!/usr/bin/python3
"""Who may include whom: the table of docs/architecture.md, held against every #include.

Prints one line a violation and ends with "N passed, M failed"; one test a source file.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

ALLOWED = {
    "gateway/base": [],
    "gateway/io": ["gateway/base"],
    "config": ["gateway/base"],
    "auth": ["gateway/base", "gateway/io", "config"],
    "backends": ["gateway/base", "gateway/io", "config"],
    "gateway/vfs": ["gateway/base", "gateway/io", "auth", "config", "backends"],
    "gateway/events": ["gateway/base", "gateway/io", "config", "backends"],
    "gateway/sftp": ["gateway/base", "gateway/io", "auth", "config", "backends", "gateway/vfs"],
    "gateway/admin": ["gateway/base", "gateway/io", "config"],
    "gateway/ssh": ["gateway/base", "gateway/io", "config", "auth", "backends", "gateway/vfs", "gateway/sftp",
                    "gateway/admin"],
}
# A library that only one folder may name.
ONLY = {"libssh/": "gateway/ssh", "curl/": "gateway/io", "expat.h": "backends", "crypt.h": "auth"}


def row_of(path):
    best = None
    for row in ALLOWED:
        if str(path).startswith(row + "/") and (best is None or len(row) > len(best)):
            best = row
    return best


def check(path):
    row = row_of(path)
    bad = []
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        foreign = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        if own:
            target = row_of(own.group(1))
            if not (ROOT / own.group(1)).exists():
                bad.append(f"{path}:{number}: no such file from the root: {own.group(1)}")
            elif row is not None and target != row and target not in ALLOWED[row]:
                bad.append(f"{path}:{number}: {row} may not include {own.group(1)}")
        if foreign:
            for library, home in ONLY.items():
                if foreign.group(1).startswith(library) and row != home:
                    bad.append(f"{path}:{number}: only {home} may include <{foreign.group(1)}>")
    return bad


def main():
    files = sorted(p.relative_to(ROOT) for top in ("gateway", "config", "auth", "backends")
                   for p in (ROOT / top).rglob("*.[ch]"))
    failed = 0
    for path in files:
        bad = check(path)
        failed += bool(bad)
        print("\n".join(bad), end="\n" if bad else "")
    print(f"{len(files) - failed} passed, {failed} failed")
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main())
