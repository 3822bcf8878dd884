"""paramiko as a tool of the tests: sessions that do exactly what a row says."""
import contextlib
import errno

import paramiko

from gateway import PATIENCE


@contextlib.contextmanager
def session(gateway, user="alice", password=None, key=None, port=None):
    """An SFTP client whose .transport ends with the block, however the block leaves it."""
    transport = paramiko.Transport(("127.0.0.1", port or gateway.port))
    transport.daemon = True
    try:
        transport.start_client(timeout=PATIENCE)
        if password is not None:
            transport.auth_password(user, password)
        else:
            transport.auth_publickey(user, paramiko.Ed25519Key.from_private_key_file(str(key or gateway.keys.user)))
        sftp = paramiko.SFTPClient.from_transport(transport)
        sftp.transport = transport
        sftp.get_channel().settimeout(PATIENCE * 4)
        yield sftp
    finally:
        transport.close()


def close(file):
    """paramiko's own close() keeps to itself what CLOSE was answered."""
    file.flush()
    try:
        file.sftp._request(paramiko.sftp.CMD_CLOSE, file.handle)
    finally:
        file._closed = True


def write_all(sftp, path, data):
    file = sftp.open(path, "wb")
    try:
        file.set_pipelined(True)
        for at in range(0, len(data), 32768):
            file.write(data[at:at + 32768])
    finally:
        close(file)


def read_all(sftp, path):
    with sftp.open(path, "rb") as file:
        file.prefetch()
        return file.read()


def status_of(work):
    """The name of the status that work() ended with: OK, NO_SUCH_FILE, PERMISSION_DENIED or the text."""
    try:
        work()
    except OSError as problem:
        return {errno.ENOENT: "NO_SUCH_FILE", errno.EACCES: "PERMISSION_DENIED"}.get(problem.errno, str(problem))
    return "OK"
