#!/bin/bash
# A one-node Ceph (one mon, one osd, no mgr) with radosgw on loopback, from Debian's packages
# ceph-mon ceph-osd ceph-common radosgw. As any user; nothing outside DIR is written.
#
#   tests/lab/radosgw.sh up DIR      DIR is wiped; prints ENDPOINT=, TLS_ENDPOINT=, CA=, CONF=
#   tests/lab/radosgw.sh down DIR    ends it and removes DIR
#
# Environment: AK, SK (the user's keys), STORE memstore|bluestore, SIZE (bytes of the store).
set -u
. "$(dirname "$0")/lib.sh"
ACTION=${1:?up or down}; DIR=$(realpath -m "${2:?a scratch folder}")
STORE=${STORE:-memstore}; SIZE=${SIZE:-8589934592}
cd /  # Ceph 18 of trixie looks for its object classes relative to the working folder
AK=${AK:-testaccesskey}; SK=${SK:-testsecretkey0123456789}

down() { end_pids "$DIR"; rm -rf "$DIR"; }

# The times and limits that make a start take a second instead of ten stand in [global].
write_conf() {
    cat > "$DIR/ceph.conf" <<C
[global]
fsid = $FSID
run dir = $DIR/run
admin socket = $DIR/run/\$name.asok
pid file = $DIR/run/\$name.pid
log file = $DIR/log/\$name.log
mon cluster log file = $DIR/log/cluster.log
crash dir = $DIR/log
heartbeat file = $DIR/run/\$name.hb
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = false
ms bind msgr2 = false
ms bind ipv6 = false
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
mon host = [v1:127.0.0.1:$MON_PORT]
mon initial members = a
mon data = $DIR/mon
mon max pg per osd = 1000
mon data avail crit = 1
mon allow pool size one = true
mon pg warn on pool no redundancy = false
paxos propose interval = 0.02
paxos min wait = 0.01
osd data = $DIR/osd
osd objectstore = $STORE
osd memory target = 939524096
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
memstore device bytes = $SIZE
bluestore block size = $SIZE
bluestore fsck on mount = false
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1 ssl_endpoint=127.0.0.1:$TLS_PORT ssl_certificate=$DIR/tls.pem ssl_private_key=$DIR/tls.key
rgw dns name = s3.localhost
rgw thread pool size = 64
rgw gc obj min wait = 5
rgw gc processor period = 10
rgw gc processor max time = 10
rgw enable lc threads = false
rgw override bucket index max shards = 1
C
}

certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost,DNS:s3.localhost,DNS:*.s3.localhost,IP:127.0.0.1' \
        -keyout "$DIR/tls.key" -out "$DIR/tls.pem" 2>/dev/null
}

ceph_cmd() { timeout 60 ceph -c "$DIR/ceph.conf" --name client.admin "$@"; }
osd_is_up() { ceph_cmd osd stat | grep -q '1 up'; }
answers() { curl -s -o "$DIR/log/answer" "http://127.0.0.1:$PORT/"; }

# Chatter of the daemons goes to DIR/log: stdout is for the caller.
up_once() {
    local uuid
    read -r PORT TLS_PORT MON_PORT <<<"$(free_ports 3)"
    FSID=$(cat /proc/sys/kernel/random/uuid); uuid=$(cat /proc/sys/kernel/random/uuid)
    mkdir -p "$DIR"/{mon,osd,run,log} && certificate && write_conf || return 1
    export CEPH_CONF=$DIR/ceph.conf
    {
        monmaptool --create --clobber --fsid "$FSID" --addv a "[v1:127.0.0.1:$MON_PORT]" "$DIR/monmap" &&
        ceph-mon -c "$CEPH_CONF" --mkfs -i a --monmap "$DIR/monmap" &&
        ceph-mon -c "$CEPH_CONF" -i a &&
        ceph_cmd osd new "$uuid" 0 &&
        ceph-osd -c "$CEPH_CONF" -i 0 --mkfs --osd-uuid "$uuid" &&
        ceph-osd -c "$CEPH_CONF" -i 0 &&
        ceph_cmd osd crush add osd.0 1.0 root=default host=localhost &&
        until_ok 20 osd_is_up &&
        radosgw-admin -c "$CEPH_CONF" --name client.rgw user create --uid=test --display-name=test \
            --access-key="$AK" --secret-key="$SK" &&
        radosgw -c "$CEPH_CONF" --name client.rgw &&
        until_ok 30 answers
    } >"$DIR/log/up.log" 2>&1 </dev/null
}

case $ACTION in
up)
    for try in 1 2 3; do  # a port that was free may be taken by now
        down
        if up_once; then
            printf 'ENDPOINT=http://127.0.0.1:%s\nTLS_ENDPOINT=https://127.0.0.1:%s\nCA=%s\nCONF=%s\n' \
                "$PORT" "$TLS_PORT" "$DIR/tls.pem" "$DIR/ceph.conf"
            exit 0
        fi
        end_pids "$DIR"
    done
    tail -n 20 "$DIR/log/up.log" >&2
    die "radosgw did not start; its logs are in $DIR/log" ;;
down) down ;;
*) die "up or down, not $ACTION" ;;
esac
