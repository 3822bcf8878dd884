# Sourced by the scripts beside it. Each takes `up DIR` or `down DIR`; `up` prints what it started as
# KEY=value lines (ENDPOINT first) and leaves the pids in DIR/run, `down` ends exactly those.

die() { echo "$0: $*" >&2; exit 1; }

# N ports of loopback that the kernel holds to be free.
free_ports() {
    /usr/bin/python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PY
}

# until SECONDS COMMAND...: polls; fails when the time is over.
until_ok() {
    local end=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# Or a zombie, which has no command line any more: an init may take its time to reap.
gone() { ! grep -qs . "/proc/$1/cmdline"; }

# Ends what DIR/run/*.pid names, the later started first; a process of another name is not touched.
end_pids() {
    local file pid
    for file in $(ls -t "$1"/run/*.pid 2>/dev/null); do
        pid=$(cat "$file" 2>/dev/null) || continue
        [ -n "$pid" ] && grep -qsF "$1" "/proc/$pid/cmdline" || continue
        kill "$pid" 2>/dev/null
        until_ok 5 gone "$pid" || kill -9 "$pid" 2>/dev/null
    done
    return 0
}
