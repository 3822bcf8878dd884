#!/usr/bin/python3
"""An LDAP directory decides: the password by a bind as the user, what the user may touch by a group.

Needs python3-ldap3. LDAP_URL, LDAP_BASE, LDAP_BIND_DN and LDAP_PASSWORD are the directory and the account that
searches it; LDAP_CA is a file of certificates, the system's by default. GROUPS is a JSON file, {"cn of a group":
identity}: the first group that the user is a member of counts, and who is in none of them stays outside.
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
TLS = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=os.environ.get("LDAP_CA"))  # ldap3 trusts anybody by default
SERVER = ldap3.Server(os.environ["LDAP_URL"], connect_timeout=2, get_info=ldap3.NONE, tls=TLS)
with open(os.environ["GROUPS"], encoding="utf-8") as file:
    GROUPS = json.load(file)


def bound(dn, password):
    return ldap3.Connection(SERVER, dn, password, auto_bind=True, read_only=True, raise_exceptions=True,
                            auto_referrals=False, receive_timeout=2)


def find(directory, template, value, attribute):
    """What a user typed is a value in the filter, never a part of it."""
    directory.search(BASE, template % escape_filter_chars(value), attributes=[attribute])
    return [entry for entry in directory.response if entry["type"] == "searchResEntry"]


def look_up(name):
    """The user's DN and name as the directory writes it (Alice and ALICE are one), and the names of the groups."""
    with bound(os.environ["LDAP_BIND_DN"], os.environ["LDAP_PASSWORD"]) as directory:
        users = find(directory, "(&(objectClass=person)(uid=%s))", name, "uid")
        if len(users) != 1:
            return None, None, []
        groups = find(directory, "(&(objectClass=groupOfNames)(member=%s))", users[0]["dn"], "cn")
        return users[0]["dn"], users[0]["attributes"]["uid"][0], [g["attributes"]["cn"][0] for g in groups]


def is_right(dn, password):
    if not password:  # a bind without a password succeeds, as nobody (RFC 4513 section 5.1.2)
        return False
    try:
        bound(dn, password).unbind()
        return True
    except LDAPInvalidCredentialsResult:
        return False


def decide(question):
    dn, name, member_of = look_up(question["user"])
    if dn is None:
        return {"decision": "next"}
    if not is_right(dn, question["password"]):
        return {"decision": "reject", "reason": "wrong password"}
    for group, identity in GROUPS.items():
        if group in member_of:
            return {"decision": "accept", "identity": dict(identity, user=name)}
    return {"decision": "reject", "reason": "in none of the groups"}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = decide(asked)
    except LDAPException as problem:
        print(f"LDAP: {problem}", file=sys.stderr, flush=True)
        answer = {}
    print(json.dumps(dict(answer, id=asked["id"])), flush=True)
