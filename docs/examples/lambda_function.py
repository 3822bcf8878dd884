"""A custom identity provider as it is written for AWS Transfer Family; nothing in it knows postern.

lambda_users.json stands beside it: {"alice": {"password": "...", "keys": ["ssh-ed25519 AAAA..."]}}; on AWS it would
ask Secrets Manager or a directory.
"""
import hmac
import json
import os

ROLE = "arn:aws:iam::123456789012:role/partners"
BUCKET = "partner-drops"
USERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lambda_users.json")


def lambda_handler(event, context):
    """An answer without a Role refuses; without a password the server compares the keys."""
    with open(USERS, encoding="utf-8") as file:
        user = json.load(file).get(event["username"])
    if user is None or event.get("protocol") != "SFTP":
        return {}
    answer = {"Role": ROLE, "HomeDirectoryType": "LOGICAL", "HomeDirectoryDetails": json.dumps(
        [{"Entry": "/", "Target": "/" + BUCKET + "/${transfer:UserName}"},
         {"Entry": "/shared", "Target": "/" + BUCKET + "/shared"}])}
    password = event.get("password", "")
    if password == "":
        return dict(answer, PublicKeys=user["keys"])
    return answer if hmac.compare_digest(password.encode(), user["password"].encode()) else {}
