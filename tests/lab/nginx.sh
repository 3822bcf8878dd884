#!/bin/bash
# nginx on loopback in front of a store, or in place of one (package nginx-light).
#
#   tests/lab/nginx.sh up DIR faulty UPSTREAM   UPSTREAM is host:port of a real S3 server; prints
#       PLAIN=      passes everything on
#       SLOWDOWN=   2 requests a second, the rest 503 SlowDown
#       SLOW=       answers at 1 MiB/s; a DELETE is closed without an answer
#   tests/lab/nginx.sh up DIR null              prints ENDPOINT=: PUT bodies are read and dropped, GET and
#       HEAD are served from DIR/data/bench, a listing from DIR/list.xml, the rest is fixed XML. No
#       signature is looked at: for measuring what a gateway itself costs.
#   tests/lab/nginx.sh down DIR
set -u
. "$(dirname "$0")/lib.sh"
ACTION=${1:?up or down}; DIR=$(realpath -m "${2:?a scratch folder}"); KIND=${3:-}; UPSTREAM=${4:-}
PATH=$PATH:/usr/sbin

down() { end_pids "$DIR"; rm -rf "$DIR"; }

head_conf() {
    [ "$(id -u)" != 0 ] || echo "user root;"
    cat <<C
worker_processes 1; daemon on; pid $DIR/run/nginx.pid; error_log $DIR/log/error.log warn;
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 0; default_type application/octet-stream;
  client_body_temp_path $DIR/tmp; proxy_temp_path $DIR/tmp; fastcgi_temp_path $DIR/tmp;
  uwsgi_temp_path $DIR/tmp; scgi_temp_path $DIR/tmp;
C
}

faulty_conf() {
    local pass="proxy_pass http://store; proxy_http_version 1.1; proxy_set_header Host \$http_host;
      proxy_set_header Connection ''; proxy_request_buffering off;"
    head_conf
    cat <<C
  limit_req_zone \$server_port zone=all:1m rate=2r/s;
  upstream store { server $UPSTREAM; keepalive 8; }
  server { listen 127.0.0.1:$1; location / { $pass proxy_buffering off; } }
  server { listen 127.0.0.1:$2; error_page 503 @busy; limit_req zone=all; limit_req_status 503;
    location / { $pass }
    location @busy { default_type application/xml; add_header Retry-After 1 always;
      return 503 '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'; } }
  server { listen 127.0.0.1:$3;
    location / { if (\$request_method = DELETE) { return 444; } limit_rate 1m; $pass } }
}
C
}

null_conf() {
    local upload='<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>bench</Bucket><Key>k</Key><UploadId>$request_id</UploadId></InitiateMultipartUploadResult>'
    local done='<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>bench</Bucket><Key>k</Key><ETag>"00000000000000000000000000000000-1"</ETag></CompleteMultipartUploadResult>'
    local copy='<CopyObjectResult><LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag></CopyObjectResult>'
    head_conf
    cat <<C
  sendfile on; keepalive_requests 100000000; client_body_buffer_size 256k;
  map \$request_method:\$args \$op {
    default                         000;
    "~^(GET|HEAD):(.*&)?list-type=2" 475;
    "~^PUT:"                        470;
    "~^POST:(.*&)?uploads(=|&|\$)"  471;
    "~^POST:(.*&)?uploadId="        472;
    "~^POST:(.*&)?delete(=|&|\$)"   473;
    "~^DELETE:"                     474;
  }
  map \$http_x_amz_copy_source \$answer { default \$op; "~." 476; }
  server {
    listen 127.0.0.1:$1 backlog=512; root $DIR/data;
    add_header x-amz-request-id \$request_id always;
    location / {
      error_page 470 = @put; error_page 471 = @begin; error_page 472 = @complete; error_page 473 = @many;
      error_page 474 = @delete; error_page 475 = @list; error_page 476 = @copy;
      if (\$answer = 470) { return 470; } if (\$answer = 471) { return 471; } if (\$answer = 472) { return 472; }
      if (\$answer = 473) { return 473; } if (\$answer = 474) { return 474; } if (\$answer = 475) { return 475; }
      if (\$answer = 476) { return 476; }
    }
    location @put { add_header ETag '"d41d8cd98f00b204e9800998ecf8427e"'; return 200; }
    location @begin { default_type application/xml; return 200 '$upload'; }
    location @complete { default_type application/xml; return 200 '$done'; }
    location @many { default_type application/xml; return 200 '<DeleteResult/>'; }
    location @delete { return 204; }
    location @copy { default_type application/xml; return 200 '$copy'; }
    location @list { default_type application/xml; root $DIR; rewrite ^ /list.xml break; }
  }
}
C
}

answers() { curl -s -o /dev/null "http://127.0.0.1:$1/"; }

up_once() {
    local ports
    mkdir -p "$DIR"/{run,log,tmp,data/bench}
    [ "$(id -u)" != 0 ] || chmod 755 "$DIR"
    ports=$(free_ports 3); read -r P1 P2 P3 <<<"$ports"
    case $KIND in
    faulty) faulty_conf "$P1" "$P2" "$P3" > "$DIR/nginx.conf" ;;
    null) null_conf "$P1" > "$DIR/nginx.conf"
        echo '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>' > "$DIR/list.xml" ;;
    esac
    nginx -c "$DIR/nginx.conf" -e "$DIR/log/error.log" </dev/null >"$DIR/log/up.log" 2>&1 && until_ok 10 answers "$P1"
}

case $ACTION in
up)
    case $KIND in
    faulty) [ -n "$UPSTREAM" ] || die "faulty needs the store's host:port" ;;
    null) ;;
    *) die "faulty or null, not '$KIND'" ;;
    esac
    for try in 1 2 3; do  # a port that was free may be taken by now
        down
        if up_once; then
            [ "$KIND" = null ] && printf 'ENDPOINT=http://127.0.0.1:%s\n' "$P1" ||
                printf 'PLAIN=http://127.0.0.1:%s\nSLOWDOWN=http://127.0.0.1:%s\nSLOW=http://127.0.0.1:%s\n' "$P1" "$P2" "$P3"
            exit 0
        fi
        end_pids "$DIR"
    done
    cat "$DIR"/log/* >&2
    die "nginx did not start" ;;
down) down ;;
*) die "up or down, not $ACTION" ;;
esac
