#!/usr/bin/python3
"""An LDAP directory decides: a password by a bind as the user, a key by sshPublicKey, what the user may touch by a group.

Needs python3-ldap3. LDAP_URL, LDAP_BASE, LDAP_BIND_DN and LDAP_PASSWORD are the directory and the account that
searches it; LDAP_CA is a file of certificates, the system's by default. GROUPS is a JSON file, {"cn of a group":
identity}: the first group that the user is a member of counts, and who is in none of them stays outside. KEYS is the
attribute with the user's lines of authorized_keys, as of the schema openssh-lpk.
A question a line on stdin, its answer a line on stdout; an answer without a decision is a fault.
"""
import json
import os
import ssl
import sys

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPInvalidCredentialsResult
from ldap3.utils.conv import escape_filter_chars

BASE = os.environ["LDAP_BASE"]
PERSON, GROUP = "(&(objectClass=person)(uid=%s))", "(&(objectClass=groupOfNames)(member=%s))"
KEYS = os.environ.get("KEYS", "sshPublicKey")
TLS = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=os.environ.get("LDAP_CA"))  # ldap3 trusts anybody by default
SERVER = ldap3.Server(os.environ["LDAP_URL"], connect_timeout=2, get_info=ldap3.NONE, tls=TLS)
with open(os.environ["GROUPS"], encoding="utf-8") as file:
    GROUPS = json.load(file)


def bound(dn, password):
    return ldap3.Connection(SERVER, dn, password, auto_bind=True, read_only=True, raise_exceptions=True,
                            auto_referrals=False, receive_timeout=2)


def find(directory, template, value, *attributes):
    """What a user typed is a value in the filter, never a part of it."""
    directory.search(BASE, template % escape_filter_chars(value), attributes=attributes)
    return [entry for entry in directory.response if entry["type"] == "searchResEntry"]


def look_up(name):
    """The user's entry, or None, and the names of the groups that it is in."""
    with bound(os.environ["LDAP_BIND_DN"], os.environ["LDAP_PASSWORD"]) as directory:
        users = find(directory, PERSON, name, "uid", KEYS)
        if len(users) != 1:
            return None, []
        groups = find(directory, GROUP, users[0]["dn"], "cn")
        return users[0], [g["attributes"]["cn"][0] for g in groups]


def is_right(dn, password):
    if not password:  # a bind without a password succeeds, as nobody (RFC 4513 section 5.1.2)
        return False
    try:
        bound(dn, password).unbind()
        return True
    except LDAPInvalidCredentialsResult:
        return False


def keys_of(user):
    """Lines of authorized_keys; what is no text is no line."""
    lines = [value.decode(errors="replace") for value in user["raw_attributes"].get(KEYS, [])]
    return [line.strip() for line in lines if line.strip() and "\n" not in line.strip()]


def decide(question):
    user, member_of = look_up(question["user"])
    if user is None:
        return {"decision": "next"}
    if question["method"] == "password" and not is_right(user["dn"], question["password"]):
        return {"decision": "reject", "reason": "wrong password"}
    for group, identity in GROUPS.items():
        if group in member_of:  # the name as the directory writes it: Alice and ALICE are one
            identity = dict(identity, user=user["attributes"]["uid"][0])
            if question["method"] == "password":
                return {"decision": "accept", "identity": identity}
            return {"identity": dict(identity, public_keys=keys_of(user))}  # no decision: postern compares
    return {"decision": "reject", "reason": "in none of the groups"}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = decide(asked)
    except LDAPException as problem:
        print(f"LDAP: {problem}", file=sys.stderr, flush=True)
        answer = {}
    print(json.dumps(dict(answer, id=asked["id"])), flush=True)
