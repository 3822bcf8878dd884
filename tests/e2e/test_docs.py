"""What docs/ shows is what the program says and reads."""
import json
import os
import re

import jsonschema
import pytest

from authority import Certificates
from gateway import POSTERN, ROOT, run

ENVIRONMENT = {"VERIFIER_TOKEN": "hush", "VERIFIER_SECRET": "hush hush hush hush",
               "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hush", "MINIO_ACCESS_KEY": "id",
               "MINIO_SECRET_KEY": "hush", "RGW_ACCESS_KEY": "id", "RGW_SECRET_KEY": "hush",
               "LDAP_PASSWORD": "hush", "OAUTH_CLIENT_SECRET": "hush", "DAV_PASSWORD": "hush",
               "HTTPFS_KEY": "hush"}
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.json"))
SCHEMA = ROOT / "docs/postern.schema.json"


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_generated_files_are_current():
    done = run([ROOT / "scripts/gen-docs", "--check", POSTERN])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path, validator):
    validator.validate(json.loads(path.read_text()))
    done = run([POSTERN, "config", "--print", "--config", path], env={**os.environ, **ENVIRONMENT})
    assert done.returncode == 0, done.stderr
    assert "hush" not in done.stdout
    validator.validate(json.loads(done.stdout))  # what is shown can be read again


def test_every_example_is_described():
    text = (ROOT / "docs/configuration.md").read_text()
    assert set(re.findall(r"\(examples/([a-z]+)\.json\)", text)) == {p.stem for p in EXAMPLES}


@pytest.mark.parametrize("change", [
    lambda s: s.update(lisssten=[]),
    lambda s: s.pop("backends"),
    lambda s: s["ssh"].pop("host_keys"),
    lambda s: s.update(listen=[{"port": 70000}]),
    lambda s: s.update(listen=[{"port": "22"}]),
    lambda s: s.update(admin={}),
    lambda s: s["backends"]["disk"].update(type="disc"),
    lambda s: s["backends"].update({"a b": s["backends"]["disk"]}),
    lambda s: s.update(log={"level": "loud"}),
], ids=["unknown key", "no backends", "no host keys", "port", "port as text", "later", "type", "name", "enum"])
def test_schema_and_program_refuse_the_same(change, validator, tmp_path):
    settings = json.loads((ROOT / "docs/examples/disk.json").read_text())
    change(settings)
    path = tmp_path / "postern.json"
    path.write_text(json.dumps(settings))
    assert not validator.is_valid(settings)
    assert run([POSTERN, "config", "--print", "--config", path]).returncode == 78


def headings(path):
    """The anchors that a page has, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))],
                         ids=lambda p: p.stem)
def test_links_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text()):
        there = path.parent / target if target else path
        assert there.exists(), target
        assert not anchor or anchor in headings(there), f"{target}#{anchor}"


VERIFIERS = re.findall(r'^```json\n(\{ "type": "(?:http|program)".*?)^```',
                       (ROOT / "docs/authentication.md").read_text(), re.M | re.S)


@pytest.mark.parametrize("text", VERIFIERS, ids=range(len(VERIFIERS)))
def test_verifier_as_shown(text, postern, tmp_path, monkeypatch):
    """`check` takes it, with the files that it names replaced by some that are here."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    verifier = json.loads(text.replace("/etc/postern/our-ca.pem", str(Certificates(tmp_path).ca)))
    if verifier["type"] == "program":
        verifier["command"][0] = "/bin/true"
    gateway = postern({"drops": {"type": "memory"}}, start=False, auth={"verifiers": [verifier]})
    done = run([POSTERN, "check", "--config", gateway.config])
    assert done.returncode == 0, done.stderr


def test_every_dialect_is_shown_and_asked_by_hand():
    schema = SCHEMA.read_text()
    text = (ROOT / "docs/authentication.md").read_text()
    for dialect in ("postern", "sftpgo", "aws-transfer", "rclone", "template"):
        assert f'"{dialect}"' in schema
        [part] = re.findall(rf"^### `{dialect}`\n(.*?)(?=^##)", text, re.M | re.S)
        assert "```json" in part and re.search(r"^(curl -|echo .*\|)", part, re.M), dialect
