#!/bin/bash
# A WebDAV server on loopback: Apache's mod_dav, nginx with dav-ext, rclone, or chezdav (phodav), which tells its space
# and lets in everybody.
#
#   tests/lab/webdav.sh up DIR apache|nginx|rclone|chezdav   prints ENDPOINT= (the folder) and ROOT= (it on disk)
#   tests/lab/webdav.sh down DIR
#
# nginx listens on the socket DIR/run/dav.sock as well, SOCKET=.
# With TLS_CERT and TLS_KEY in the environment apache and nginx serve it over TLS as well, TLS_ENDPOINT=; with
# TLS_CLIENT_CA only to clients with a certificate of that. DIR/log/access.log then has a line a request.
set -u
. "$(dirname "$0")/lib.sh"
ACTION=${1:?up or down}; DIR=$(realpath -m "${2:?a scratch folder}"); KIND=${3:-}
PATH=$PATH:/usr/sbin

down() { end_pids "$DIR"; rm -rf "$DIR"; }

apache_conf() {
    local modules=/usr/lib/apache2/modules
    cat <<C
ServerName localhost
Listen 127.0.0.1:$1
PidFile $DIR/run/apache.pid
ErrorLog $DIR/log/error.log
DocumentRoot $DIR/data
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule authn_core_module $modules/mod_authn_core.so
LoadModule auth_basic_module $modules/mod_auth_basic.so
LoadModule authn_file_module $modules/mod_authn_file.so
LoadModule authz_user_module $modules/mod_authz_user.so
LoadModule dav_module $modules/mod_dav.so
LoadModule dav_fs_module $modules/mod_dav_fs.so
LoadModule dir_module $modules/mod_dir.so
LoadModule mime_module $modules/mod_mime.so
TypesConfig /etc/mime.types
DavLockDB $DIR/tmp/locks
LimitRequestBody 0
$([ -z "${TLS_CERT:-}" ] || apache_tls "$2")
$([ "$(id -u)" != 0 ] || printf 'User www-data\nGroup www-data\n')
<Directory $DIR/data>
  Dav On
  AllowOverride None
  AuthType Basic
  AuthName dav
  AuthUserFile $DIR/users
  Require valid-user
</Directory>
C
}

apache_tls() {
    cat <<C
LoadModule ssl_module $modules/mod_ssl.so
LoadModule http2_module $modules/mod_http2.so
Protocols h2 http/1.1
Listen 127.0.0.1:$1 https
CustomLog $DIR/log/access.log "%r"
<VirtualHost 127.0.0.1:$1>
  SSLEngine on
  SSLCertificateFile $TLS_CERT
  SSLCertificateKeyFile $TLS_KEY
$([ -z "${TLS_CLIENT_CA:-}" ] || printf '  SSLCACertificateFile %s\n  SSLVerifyClient require\n' "$TLS_CLIENT_CA")
</VirtualHost>
C
}

nginx_tls() {
    cat <<C
    listen 127.0.0.1:$1 ssl http2; access_log $DIR/log/access.log combined;
    ssl_certificate $TLS_CERT; ssl_certificate_key $TLS_KEY;
$([ -z "${TLS_CLIENT_CA:-}" ] || echo "    ssl_client_certificate $TLS_CLIENT_CA; ssl_verify_client on;")
C
}

nginx_conf() {
    local module=/usr/lib/nginx/modules/ngx_http_dav_ext_module.so
    [ "$(id -u)" != 0 ] || echo "user root;"
    cat <<C
load_module $module;
worker_processes 1; daemon on; pid $DIR/run/nginx.pid; error_log $DIR/log/error.log warn;
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 0; default_type application/octet-stream;
  client_body_temp_path $DIR/tmp; proxy_temp_path $DIR/tmp; fastcgi_temp_path $DIR/tmp;
  uwsgi_temp_path $DIR/tmp; scgi_temp_path $DIR/tmp;
  dav_ext_lock_zone zone=locks:1m;
  server {
    listen 127.0.0.1:$1; listen unix:$DIR/run/dav.sock; root $DIR/data; keepalive_requests 100000;
$([ -z "${TLS_CERT:-}" ] || nginx_tls "$2")
    auth_basic dav; auth_basic_user_file $DIR/users;
    location / {
      dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
      dav_ext_lock zone=locks; create_full_put_path off;
    }
  }
}
C
}

answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' -u dav:secret -X PROPFIND -H 'Depth: 0' "http://127.0.0.1:$1/dav/")" = 207 ]; }

up_once() {
    local port tls_port
    mkdir -p "$DIR"/{run,log,tmp,data/dav}
    printf 'dav:%s\n' "$(openssl passwd -apr1 secret)" > "$DIR/users"
    if [ "$(id -u)" = 0 ]; then
        chmod 755 "$DIR"
        [ "$KIND" != apache ] || chown -R www-data "$DIR/data" "$DIR/tmp"
    fi
    read -r port tls_port <<<"$(free_ports 2)"
    case $KIND in
    apache) apache_conf "$port" "$tls_port" > "$DIR/apache.conf"
        apache2 -f "$DIR/apache.conf" </dev/null >"$DIR/log/up.log" 2>&1 ;;
    nginx) nginx_conf "$port" "$tls_port" > "$DIR/nginx.conf"
        nginx -c "$DIR/nginx.conf" -e "$DIR/log/error.log" </dev/null >"$DIR/log/up.log" 2>&1 ;;
    rclone) RCLONE_CONFIG=$DIR/rclone.conf setsid rclone serve webdav --addr "127.0.0.1:$port" --user dav --pass secret \
            --dir-cache-time 1s "$DIR/data" </dev/null >"$DIR/log/up.log" 2>&1 &
        echo $! > "$DIR/run/rclone.pid" ;;
    chezdav) setsid chezdav --local --no-mdns -p "$port" -P "$DIR/data" </dev/null >"$DIR/log/up.log" 2>&1 &
        echo $! > "$DIR/run/chezdav.pid" ;;
    esac
    until_ok 10 answers "$port" || return 1
    printf 'ENDPOINT=http://127.0.0.1:%s/dav\nROOT=%s\n' "$port" "$DIR/data/dav"
    [ "$KIND" != nginx ] || printf 'SOCKET=%s\n' "$DIR/run/dav.sock"
    [ -z "${TLS_CERT:-}" ] || printf 'TLS_ENDPOINT=https://127.0.0.1:%s/dav\n' "$tls_port"
}

case $ACTION in
up)
    case $KIND in apache | nginx | rclone | chezdav) ;; *) die "apache, nginx, rclone or chezdav, not '$KIND'" ;; esac
    for try in 1 2 3; do  # a port that was free may be taken by now
        down
        up_once && exit 0
        end_pids "$DIR"
    done
    cat "$DIR"/log/* >&2
    die "$KIND did not start" ;;
down) down ;;
*) die "up or down, not $ACTION" ;;
esac
