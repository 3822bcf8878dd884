#!/bin/bash
# A one-node OpenStack Swift with its S3 API on loopback, from Debian's packages
# swift-proxy swift-account swift-container swift-object memcached. Reads the package's own
# /etc/swift/swift.conf (the hash suffix), writes nothing outside DIR.
#
#   tests/lab/swift.sh up DIR        DIR is wiped; prints ENDPOINT=
#   tests/lab/swift.sh down DIR      ends it and removes DIR
#
# Environment: AK (account:user), SK.
set -u
. "$(dirname "$0")/lib.sh"
ACTION=${1:?up or down}; DIR=$(realpath -m "${2:?a scratch folder}")
AK=${AK:-test:tester}; SK=${SK:-testsecretkey0123456789}

down() { end_pids "$DIR"; rm -rf "$DIR"; }

ring() {  # NAME PORT
    local builder=$DIR/$1.builder
    swift-ring-builder "$builder" create 4 1 0 &&
    swift-ring-builder "$builder" add "r1z1-127.0.0.1:$2/sda" 1 &&
    { swift-ring-builder "$builder" rebalance || [ $? = 1 ]; }  # 1 = done, with a warning
}

defaults() {  # PORT
    cat <<C
[DEFAULT]
swift_dir = $DIR
devices = $DIR/srv
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
bind_ip = 127.0.0.1
bind_port = $1
workers = 0
user = $(id -un)
log_level = WARNING
recon_cache_path = $DIR/cache
C
}

store_conf() {  # NAME PORT
    defaults "$2"
    printf '[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n' "$1" "$1" "$1"
}

proxy_conf() {
    local filter
    defaults "$PORT"
    cat <<C
cors_allow_origin =
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:tempauth]
use = egg:swift#tempauth
user_${AK%%:*}_${AK#*:} = $SK .admin .reseller_admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
storage_domain = s3.localhost
allow_multipart_uploads = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$CACHE_PORT
C
    for filter in catch_errors gatekeeper healthcheck listing_formats bulk copy slo dlo versioned_writes symlink; do
        printf '[filter:%s]\nuse = egg:swift#%s\n' "$filter" "$filter"
    done
}

# The folder stands in each command line, so that `down` can tell its own processes.
daemon() {  # NAME COMMAND...
    local name=$1; shift
    "$@" </dev/null >"$DIR/log/$name.log" 2>&1 &
    echo $! > "$DIR/run/$name.pid"
}

healthy() { curl -sf -o /dev/null "http://127.0.0.1:$PORT/healthcheck"; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

up_once() {
    local name
    read -r PORT ACCOUNT_PORT CONTAINER_PORT OBJECT_PORT CACHE_PORT <<<"$(free_ports 5)"
    mkdir -p "$DIR"/{srv/sda,run,log,cache}
    {
        ring account "$ACCOUNT_PORT" & ring container "$CONTAINER_PORT" & ring object "$OBJECT_PORT" & wait
    } >"$DIR/log/rings.log" 2>&1
    store_conf account "$ACCOUNT_PORT" > "$DIR/account-server.conf"
    store_conf container "$CONTAINER_PORT" > "$DIR/container-server.conf"
    store_conf object "$OBJECT_PORT" > "$DIR/object-server.conf"
    proxy_conf > "$DIR/proxy-server.conf"
    daemon memcached memcached -l 127.0.0.1 -p "$CACHE_PORT" -m 64 -u "$(id -un)" -P "$DIR/run/memcached.own"
    for name in account container object proxy; do
        daemon "$name" "swift-$name-server" "$DIR/$name-server.conf"
    done
    until_ok 60 healthy && until_ok 20 listens "$ACCOUNT_PORT" &&
        until_ok 20 listens "$CONTAINER_PORT" && until_ok 20 listens "$OBJECT_PORT"
}

case $ACTION in
up)
    for try in 1 2 3; do  # a port that was free may be taken by now
        down
        if up_once; then
            printf 'ENDPOINT=http://127.0.0.1:%s\n' "$PORT"
            exit 0
        fi
        end_pids "$DIR"
    done
    tail -n 5 "$DIR"/log/*.log >&2
    die "swift did not start; its logs are in $DIR/log" ;;
down) down ;;
*) die "up or down, not $ACTION" ;;
esac
