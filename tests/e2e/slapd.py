"""A directory of a test's own: slapd on a Unix socket, with everything it has in one folder."""
import base64
import os
import subprocess

from gateway import run, wait_for

SLAPD = "/usr/sbin/slapd"
BASE, ADMIN, ADMIN_PASSWORD = "dc=example,dc=net", "cn=postern,dc=example,dc=net", "hush"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.24552.500.1.1.1.13 NAME 'sshPublicKey' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.24552.500.1.1.2.0 NAME 'ldapPublicKey' SUP top AUXILIARY MAY sshPublicKey )
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw {password}
directory {folder}
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to * by users read
"""
PERSON = "dn: uid={uid},{base}\nobjectClass: inetOrgPerson\nobjectClass: ldapPublicKey\nuid: {uid}\ncn: {uid}\nsn: {uid}\nuserPassword: {word}\n"
GROUP = "dn: cn={cn},{base}\nobjectClass: groupOfNames\ncn: {cn}\n"


class Slapd:
    """people: {uid: password}, groups: {cn: [uid]}, keys: {uid: [line]}."""

    def __init__(self, folder, people, groups, keys):
        folder.mkdir()
        self.socket, self.config = folder / "socket", folder / "slapd.conf"
        self.config.write_text(CONFIG.format(folder=folder, base=BASE, admin=ADMIN, password=ADMIN_PASSWORD))
        entries = [f"dn: {BASE}\nobjectClass: domain\ndc: example\n"]
        entries += [PERSON.format(uid=uid, base=BASE, word=word) +
                    "".join(f"sshPublicKey:: {base64.b64encode(key).decode()}\n" for key in keys.get(uid, []))
                    for uid, word in people.items()]
        entries += [GROUP.format(cn=cn, base=BASE) + "".join(f"member: uid={uid},{BASE}\n" for uid in members)
                    for cn, members in groups.items()]
        added = run([SLAPD, "-T", "add", "-f", self.config], input="\n".join(entries))
        assert added.returncode == 0, added.stderr
        self.process = None

    @property
    def url(self):
        return f"ldapi://{self.socket}"

    def start(self):
        listen = "ldapi://" + str(self.socket).replace("/", "%2F")
        self.process = subprocess.Popen([SLAPD, "-d", "0", "-f", self.config, "-h", listen], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(self.socket) or self.process.poll() is not None, "slapd to listen")
        assert self.process.poll() is None, f"slapd ended with {self.process.returncode}"
        return self

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None
