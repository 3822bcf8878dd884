"""The SFTP clients that people use, behind one set of words: put get names rename remove mkdir rmdir.

Each takes the gateway, a user, and a password, a key, or both. What a client cannot do it lacks; a
failure raises ClientError with what the client said.
"""
import asyncio
import os
import pathlib
import shutil
import subprocess

from gateway import PATIENCE, quoted, run, wait_for

HOST = "127.0.0.1"
NO_KNOWN_HOSTS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]


class ClientError(Exception):
    pass


class Client:
    works_with_tree = True  # more than put and get

    def __init__(self, gateway, user, password=None, key=None, folder=None):
        self.gateway, self.user, self.password, self.key = gateway, user, password, key
        self.folder = pathlib.Path(folder)
        self.open()

    def open(self):
        pass

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, argv, **more):
        more.setdefault("timeout", 300)
        done = run(argv, **more)
        if done.returncode != 0:
            raise ClientError(f"{argv[0]} exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def openssh_options(self):
        options = NO_KNOWN_HOSTS + ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "NumberOfPasswordPrompts=1"]
        if self.key:
            options += ["-i", str(self.key)]
        else:
            options += ["-o", "PubkeyAuthentication=no"]
        return options

    def with_password(self, argv):
        """argv under sshpass, which types the password where ssh asks for it."""
        if self.password is None:
            return argv, dict(os.environ)
        return ["sshpass", "-e", *argv], dict(os.environ, SSHPASS=self.password)


class Sftp(Client):
    def batch(self, *lines):
        argv, env = self.with_password(["sftp", *self.openssh_options(), "-o", "BatchMode=no", "-P",
                                        str(self.gateway.port), "-b", "-", f"{self.user}@{HOST}"])
        return self.call(argv, env=env, input="\n".join(lines) + "\n")

    def put(self, local, remote):
        self.batch(f'put "{local}" "{remote}"')

    def get(self, remote, local):
        self.batch(f'get "{remote}" "{local}"')

    def names(self, folder):
        out = self.batch(f'ls -1 "{folder}"')
        return {line.rsplit("/", 1)[-1] for line in out.splitlines() if line and not line.startswith("sftp>")}

    def rename(self, old, new):
        self.batch(f'rename "{old}" "{new}"')

    def remove(self, path):
        self.batch(f'rm "{path}"')

    def mkdir(self, path):
        self.batch(f'mkdir "{path}"')

    def rmdir(self, path):
        self.batch(f'rmdir "{path}"')


class Scp(Client):
    works_with_tree = False

    def copy(self, source, target):
        argv, env = self.with_password(["scp", *self.openssh_options(), "-s", "-q", "-P", str(self.gateway.port),
                                        source, target])
        self.call(argv, env=env)

    def put(self, local, remote):
        self.copy(str(local), f"{self.user}@{HOST}:{remote}")

    def get(self, remote, local):
        self.copy(f"{self.user}@{HOST}:{remote}", str(local))


class Lftp(Client):
    def commands(self, *lines):
        ssh = "ssh -a -x " + " ".join(self.openssh_options())
        script = [f'set sftp:connect-program "{ssh}"', "set cmd:fail-exit yes", "set net:max-retries 1",
                  f"set net:timeout {PATIENCE}", "set xfer:clobber yes", "set sftp:auto-confirm yes",
                  f"open -u {quoted(self.user)},{quoted(self.password or '')} -p {self.gateway.port} sftp://{HOST}",
                  *lines]
        path = self.folder / "lftp.script"
        path.write_text("\n".join(script) + "\n")
        return self.call(["lftp", "--norc", "-f", path])

    def put(self, local, remote):
        self.commands(f'put "{local}" -o "{remote}"')

    def get(self, remote, local):
        self.commands(f'get "{remote}" -o "{local}"')

    def names(self, folder):
        return {line.rstrip("/").rsplit("/", 1)[-1] for line in self.commands(f'cls -1 "{folder}"').splitlines()}

    def rename(self, old, new):
        self.commands(f'mv "{old}" "{new}"')

    def remove(self, path):
        self.commands(f'rm "{path}"')

    def mkdir(self, path):
        self.commands(f'mkdir "{path}"')

    def rmdir(self, path):
        self.commands(f'rmdir "{path}"')


class Putty(Client):
    """What psftp and pscp share."""

    def putty(self, program, *more):
        fingerprint = run(["ssh-keygen", "-l", "-f", "-"], input=self.gateway.keys.host_public).stdout.split()[1]
        argv = [program, "-batch", "-P", str(self.gateway.port), "-hostkey", fingerprint]
        if self.key:
            ppk = self.folder / "key.ppk"
            if not ppk.exists():
                self.call(["puttygen", self.key, "-O", "private", "-o", ppk])
            argv += ["-i", str(ppk)]
        if self.password is not None:
            argv += ["-pw", self.password]
        return [*argv, *more]


class Psftp(Putty):
    def batch(self, *lines):
        script = self.folder / "psftp.script"
        script.write_text("\n".join(lines) + "\n")
        return self.call(self.putty("psftp", "-l", self.user, "-b", str(script), HOST))

    def put(self, local, remote):
        self.batch(f'put "{local}" "{remote}"')

    def get(self, remote, local):
        self.batch(f'get "{remote}" "{local}"')

    def names(self, folder):
        out = self.batch(f'ls "{folder}"')
        rows = [line.split(None, 8) for line in out.splitlines() if line[:1] in ("-", "d")]
        return {row[8] for row in rows if len(row) == 9} - {".", ".."}

    def rename(self, old, new):
        self.batch(f'mv "{old}" "{new}"')

    def remove(self, path):
        self.batch(f'del "{path}"')

    def mkdir(self, path):
        self.batch(f'mkdir "{path}"')

    def rmdir(self, path):
        self.batch(f'rmdir "{path}"')


class Pscp(Putty):
    works_with_tree = False

    def put(self, local, remote):
        self.call(self.putty("pscp", "-sftp", "-q", str(local), f"{self.user}@{HOST}:{remote}"))

    def get(self, remote, local):
        self.call(self.putty("pscp", "-sftp", "-q", f"{self.user}@{HOST}:{remote}", str(local)))


class Curl(Client):
    def curl(self, path, *more):
        argv = ["curl", "-sS", "--insecure", "-u", f"{self.user}:{self.password or ''}"]
        if self.key:
            argv += ["--key", str(self.key), "--pubkey", f"{self.key}.pub"]
        return self.call([*argv, *more, f"sftp://{HOST}:{self.gateway.port}{path.replace(' ', '%20')}"])

    def put(self, local, remote):
        self.curl(remote, "-T", str(local))

    def get(self, remote, local):
        self.curl(remote, "-o", str(local))

    def names(self, folder):
        return {n for n in self.curl(folder.rstrip("/") + "/", "-l").splitlines() if n not in (".", "..")}

    def quote(self, command):
        self.curl("/", "-l", "-o", os.devnull, "-Q", command)

    def rename(self, old, new):
        self.quote(f'rename "{old}" "{new}"')

    def remove(self, path):
        self.quote(f'rm "{path}"')

    def mkdir(self, path):
        self.quote(f'mkdir "{path}"')

    def rmdir(self, path):
        self.quote(f'rmdir "{path}"')


class Rclone(Client):
    def rclone(self, command, *arguments):
        argv = ["rclone", "--config", os.devnull, "--retries", "1", "--sftp-host", HOST, "--sftp-user", self.user,
                "--sftp-port", str(self.gateway.port)]
        if self.password is not None:
            argv += ["--sftp-pass", run(["rclone", "obscure", "-"], input=self.password).stdout.strip()]
        if self.key:
            argv += ["--sftp-key-file", str(self.key)]
        return self.call([*argv, command, *arguments])

    def put(self, local, remote):
        self.rclone("copyto", str(local), f":sftp:{remote}")

    def get(self, remote, local):
        self.rclone("copyto", f":sftp:{remote}", str(local))

    def names(self, folder):
        return {n.rstrip("/") for n in self.rclone("lsf", f":sftp:{folder}").splitlines()}

    def rename(self, old, new):
        self.rclone("moveto", f":sftp:{old}", f":sftp:{new}")

    def remove(self, path):
        self.rclone("deletefile", f":sftp:{path}")

    def mkdir(self, path):
        self.rclone("mkdir", f":sftp:{path}")

    def rmdir(self, path):
        self.rclone("rmdir", f":sftp:{path}")


class Paramiko(Client):
    def open(self):
        import paramiko
        self.transport = paramiko.Transport((HOST, self.gateway.port))
        try:
            self.transport.start_client(timeout=PATIENCE)
            rest = None
            if self.key:
                rest = self.transport.auth_publickey(self.user, paramiko.Ed25519Key.from_private_key_file(str(self.key)))
            if self.password is not None and (rest is None or rest):
                rest = self.transport.auth_password(self.user, self.password)
            if not self.transport.is_authenticated():
                self.transport.close()
                raise ClientError(f"partial success only; left: {rest}")
            self.sftp = paramiko.SFTPClient.from_transport(self.transport)
        except (paramiko.SSHException, EOFError, OSError) as problem:
            self.transport.close()
            raise ClientError(repr(problem)) from problem
        self.sftp.get_channel().settimeout(300)

    def close(self):
        self.transport.close()

    def put(self, local, remote):
        self.sftp.put(str(local), remote)

    def get(self, remote, local):
        self.sftp.get(remote, str(local))

    def names(self, folder):
        return set(self.sftp.listdir(folder))

    def rename(self, old, new):
        self.sftp.rename(old, new)

    def remove(self, path):
        self.sftp.remove(path)

    def mkdir(self, path):
        self.sftp.mkdir(path)

    def rmdir(self, path):
        self.sftp.rmdir(path)


class Asyncssh(Client):
    def do(self, work):
        import asyncssh

        async def session():
            async with asyncssh.connect(HOST, self.gateway.port, username=self.user, password=self.password,
                                        client_keys=[str(self.key)] if self.key else None, known_hosts=None,
                                        agent_path=None, config=None) as connection:
                async with connection.start_sftp_client() as sftp:
                    return await asyncio.wait_for(work(sftp), 300)
        try:
            return asyncio.run(session())
        except (asyncssh.Error, OSError) as problem:
            raise ClientError(repr(problem)) from problem

    def put(self, local, remote):
        self.do(lambda sftp: sftp.put(str(local), remote))

    def get(self, remote, local):
        self.do(lambda sftp: sftp.get(remote, str(local)))

    def names(self, folder):
        return {n for n in self.do(lambda sftp: sftp.listdir(folder)) if n not in (".", "..")}

    def rename(self, old, new):
        self.do(lambda sftp: sftp.rename(old, new))

    def remove(self, path):
        self.do(lambda sftp: sftp.remove(path))

    def mkdir(self, path):
        self.do(lambda sftp: sftp.mkdir(path))

    def rmdir(self, path):
        self.do(lambda sftp: sftp.rmdir(path))


class Sshfs(Client):
    def open(self):
        self.mount = self.folder / "mount"
        self.mount.mkdir(exist_ok=True)
        options = ["-o", f"port={self.gateway.port}", "-o", "StrictHostKeyChecking=no", "-o",
                   "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-F", os.devnull]
        options += ["-o", f"IdentityFile={self.key}"] if self.key else ["-o", "PubkeyAuthentication=no"]
        options += ["-o", "password_stdin"] if self.password is not None else []
        argv = ["sshfs", *options, f"{self.user}@{HOST}:/", str(self.mount)]
        self.call(argv, input=(self.password or "") + "\n", timeout=PATIENCE)
        wait_for(lambda: os.path.ismount(self.mount), "the mount of sshfs")

    def close(self):
        if os.path.ismount(self.mount):
            tool = shutil.which("fusermount3") or "fusermount"
            wait_for(lambda: subprocess.run([tool, "-u", self.mount], stderr=subprocess.DEVNULL,
                                            check=False).returncode == 0, "sshfs to let go")

    def at(self, path):
        return self.mount / path.lstrip("/")

    def put(self, local, remote):
        shutil.copyfile(local, self.at(remote))

    def get(self, remote, local):
        shutil.copyfile(self.at(remote), local)

    def names(self, folder):
        return set(os.listdir(self.at(folder)))

    def rename(self, old, new):
        os.rename(self.at(old), self.at(new))

    def remove(self, path):
        self.at(path).unlink()

    def mkdir(self, path):
        self.at(path).mkdir()

    def rmdir(self, path):
        self.at(path).rmdir()


CLIENTS = {c.__name__.lower(): c for c in (Sftp, Scp, Lftp, Psftp, Pscp, Curl, Rclone, Paramiko, Asyncssh, Sshfs)}
PROGRAMS = {"sftp": "sftp", "scp": "scp", "lftp": "lftp", "psftp": "psftp", "pscp": "pscp", "curl": "curl",
            "rclone": "rclone", "sshfs": "sshfs"}


def missing(name):
    """Why this client cannot run here, or None."""
    program = PROGRAMS.get(name)
    if program and not shutil.which(program):
        return f"{program} is not installed"
    if name == "sshfs":
        try:
            os.close(os.open("/dev/fuse", os.O_RDWR))
        except OSError as problem:
            return f"/dev/fuse: {problem.strerror}"
    if name == "curl" and "sftp" not in run(["curl", "--version"]).stdout:
        return "this curl has no sftp"
    return None
