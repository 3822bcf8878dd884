# Sourced by the scripts beside it: what they need from Debian, and how a tree is built.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# One list a purpose; the names are the same in bookworm and trixie.
PACKAGES_build="gcc libc6-dev cmake ninja-build pkg-config libssh-dev libuv1-dev libcurl4-openssl-dev
    libssl-dev libjansson-dev libexpat1-dev libcrypt-dev"
PACKAGES_demo="openssh-client"
PACKAGES_s3="ceph-mon ceph-osd ceph-common radosgw curl openssl python3"
PACKAGES_quick="libcmocka-dev ccache python3 python3-pytest python3-jsonschema python3-yaml python3-paramiko python3-asyncssh
    openssh-client sshpass strace lftp putty-tools curl rclone sshfs fuse3 fio procps util-linux openssl
    apache2-bin nginx-light libnginx-mod-http-dav-ext chezdav litmus media-types"
PACKAGES_test="clang clang-format clang-tidy libclang-rt-dev nginx-light
    swift-proxy swift-account swift-container swift-object memcached slapd python3-ldap3"
PACKAGES_bench="openssh-server openssh-client rclone nginx-light libnginx-mod-http-dav-ext procps iproute2 python3
    python3-asyncssh"

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Installs what is missing of the named lists. As root, or by sudo; says what it installs.
need() {
    local list name missing="" as=""
    for list in "$@"; do
        list=PACKAGES_$list
        for name in ${!list}; do
            [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing="$missing $name"
        done
    done
    [ -n "$missing" ] || return 0
    say "Installing from Debian:$missing"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "not root, and no sudo: ask an administrator for: apt-get install$missing"
        as=sudo
    fi
    # shellcheck disable=SC2086
    $as apt-get update -qq && $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends $missing >/dev/null || die "apt-get could not install:$missing"
}

# build PRESET [TARGET|-DNAME=VALUE...]: configures build/PRESET (or BUILD_DIR) and builds it.
build() {
    local preset=$1 dir="" generator="" word defines=() targets=(); shift
    dir=${BUILD_DIR:-$ROOT/build/$preset}
    for word in "$@"; do
        case $word in -D*) defines+=("$word") ;; *) targets+=(--target "$word") ;; esac
    done
    [ -f "$dir/CMakeCache.txt" ] || generator="-G Ninja"
    ! command -v ccache >/dev/null || defines+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    # shellcheck disable=SC2086
    (cd "$ROOT" && cmake --preset "$preset" -B "$dir" $generator "${defines[@]}" && cmake --build "$dir" "${targets[@]}")
}
