"""TLS between the gateway and an HTTP store: whose certificates it takes, and what it shows itself."""
import json
import os

import pytest

from authority import Certificates
from gateway import POSTERN, run
from raw import read_all, session, status_of, write_all

CONFIG, UNAVAILABLE = 78, 69
HERE, ELSEWHERE = ("127.0.0.1",), ("files.example.net",)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return Certificates(folder), Certificates(folder, "other-ca")


@pytest.fixture(scope="module")
def server_of(certificates, webdav_over_tls):
    """A server with a certificate for these names and of this age (days), the same for the same."""
    pairs = {}

    def server(kind, names, age, demands):
        wanted = (names, age)
        if wanted not in pairs:
            pairs[wanted] = certificates[0].make(f"server{len(pairs)}", names, *age)
        return webdav_over_tls(kind, pairs[wanted], certificates[0].ca if demands else None)
    return server


@pytest.mark.parametrize("kind,names,age,demands,tls,works", [
    ("nginx", HERE, (-2, 2), False, ["ca"], True),
    ("nginx", HERE, (-2, 2), False, ["other"], False),
    ("nginx", HERE, (-2, 2), False, [], False),
    ("nginx", ELSEWHERE, (-2, 2), False, ["ca"], False),
    ("nginx", ELSEWHERE, (-2, 2), False, ["ca", "name"], True),
    ("nginx", HERE, (-2, 2), False, ["ca", "name"], False),
    ("nginx", HERE, (-4, -2), False, ["ca"], False),
    ("nginx", HERE, (2, 4), False, ["ca"], False),
    ("nginx", HERE, (-2, 2), True, ["ca"], False),
    ("nginx", HERE, (-2, 2), True, ["ca", "client"], True),
    ("nginx", HERE, (-2, 2), True, ["ca", "foreign client"], False),
    ("apache", HERE, (-2, 2), True, ["ca"], False),
    ("apache", HERE, (-2, 2), True, ["ca", "client"], True),
], ids=["good", "another CA", "the system's CAs", "wrong name", "pinned name", "not the pinned name", "expired",
        "not yet valid", "no client certificate", "client certificate", "another CA's client certificate",
        "apache, no client certificate", "apache, client certificate"])
def test_tls(kind, names, age, demands, tls, works, server_of, certificates, postern):
    ca, other = certificates
    server = server_of(kind, names, age, demands)
    conf = {"ca_file": str(other.ca if "other" in tls else ca.ca)} if {"ca", "other"} & set(tls) else {}
    if "name" in tls:
        conf["server_name"] = ELSEWHERE[0]
    for word, signer in (("client", ca), ("foreign client", other)):
        if word in tls:
            conf["cert_file"], conf["key_file"] = map(str, signer.make(word.replace(" ", "-")))
    folder = server.folder() if works else server.root / "none"
    gateway = postern({"store": server.backend(folder.name.replace(" ", "%20"), tls=conf, max_retries=0)})
    seen = server.log.read_text()
    with session(gateway) as sftp:
        status = status_of(lambda: write_all(sftp, "/f", b"over TLS"))
        assert (status == "OK") == works, status
        assert works or status != "NO_SUCH_FILE"
        assert (status_of(lambda: sftp.listdir("/")) == "OK") == works
    if works:
        assert (folder / "f").read_bytes() == b"over TLS"
    elif not demands:  # the handshake ended it: no request, no password
        assert server.log.read_text() == seen
    probed = run([POSTERN, "check", "--probe", "--config", gateway.config])
    assert probed.returncode == (0 if works else UNAVAILABLE), probed.stdout + probed.stderr
    assert works or "backends.store" in probed.stderr


@pytest.mark.parametrize("kind", ["nginx", "apache"])
def test_http2(kind, server_of, certificates, postern):
    """Where the server has it; a large upload too, which comes as it is written."""
    server = server_of(kind, HERE, (-2, 2), False)
    folder = server.folder()
    gateway = postern({"store": server.backend(folder.name.replace(" ", "%20"),
                                               tls={"ca_file": str(certificates[0].ca)})})
    data = os.urandom(3 << 20)
    with session(gateway) as sftp:
        write_all(sftp, "/small", data[:1000])
        write_all(sftp, "/large", data)
        assert read_all(sftp, "/large") == data and read_all(sftp, "/small") == data[:1000]
    assert (folder / "large").read_bytes() == data
    ours = [line for line in server.log.read_text().splitlines() if "/small" in line or "PUT" in line]
    assert len(ours) >= 4 and all("HTTP/2.0" in line for line in ours), ours


KINDS = {"http": {"url": "https://a/"},
         "s3": {"bucket": "b", "endpoint": "https://a",
                "credentials": {"access_key_id": "i", "secret_access_key": "s"}}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tls,path,said", [
    ({"ca_file": "/nowhere.pem"}, "tls.ca_file", "/nowhere.pem: No such file"),
    ({"ca_file": "KEY"}, "tls.ca_file", "holds no certificate"),
    ({"cert_file": "/nowhere.pem", "key_file": "KEY"}, "tls.cert_file", "No such file"),
    ({"cert_file": "CERT", "key_file": "/nowhere.key"}, "tls.key_file", "No such file"),
    ({"cert_file": "CERT", "key_file": "UNREADABLE"}, "tls.key_file", "Permission denied"),
    ({"cert_file": "CERT"}, "tls.cert_file", "holds no private key"),
    ({"cert_file": "CERT", "key_file": "CERT"}, "tls.key_file", "holds no private key"),
    ({"cert_file": "CERT", "key_file": "OTHER"}, "tls.key_file", "is not the key of the certificate"),
    ({"key_file": "KEY"}, "tls.key_file", "needs cert_file"),
    ({"cert_file": "CERT", "key_file": "KEY"}, None, None),
    ({"cert_file": "BOTH", "ca_file": "CA"}, None, None),
    ({"server_name": "b"}, "tls", "is for an https:// URL"),
], ids=lambda v: "-".join(v) if isinstance(v, dict) else v)
def test_check_reads_the_files(kind, tls, path, said, certificates, postern, tmp_path):
    """`check` and the start name the key, the file, and what is wrong with it."""
    cert, key = certificates[0].make("client")
    (tmp_path / "both").write_bytes(cert.read_bytes() + key.read_bytes())
    (tmp_path / "unreadable").write_bytes(key.read_bytes())
    (tmp_path / "unreadable").chmod(0)
    # Root reads everything, but without these capabilities it is like others.
    limits = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    files = {"CERT": cert, "KEY": key, "OTHER": certificates[1].make("other")[1], "CA": certificates[0].ca,
             "BOTH": tmp_path / "both", "UNREADABLE": tmp_path / "unreadable"}
    backend = dict(KINDS[kind], type=kind, tls={k: str(files.get(v, v)) for k, v in tls.items()})
    if path == "tls":
        backend = json.loads(json.dumps(backend).replace("https://", "http://"))
    gateway = postern({"store": backend}, start=False)
    checked = run([*limits, POSTERN, "check", "--config", gateway.config])
    if path is None:
        assert checked.returncode == 0, checked.stderr
        return
    assert checked.returncode == CONFIG
    [line] = [text for text in checked.stderr.splitlines() if f"backends.store.{path}: " in text]
    assert said in line
    started = run([*limits, POSTERN, "serve", "--config", gateway.config])
    assert started.returncode != 0 and f"backends.store.{path}: " in started.stderr and said in started.stderr
