"""docs/httpfs.yaml and docs/examples/httpfs_server.py say the same."""
import http.client
import json
import urllib.parse

import jsonschema
import pytest
import yaml

from authority import basic
from gateway import ROOT

DOCUMENT = yaml.safe_load((ROOT / "docs/httpfs.yaml").read_text())
TIME = "2026-11-22T13:57:59.5Z"

# method, call, name, query, body, headers, status
CALLS = [
    ("post", "mkdir", "/d", "", None, {}, 201), ("post", "mkdir", "/d", "", None, {}, 409),
    ("post", "mkdir", "/none/d", "", None, {}, 404), ("post", "create", "/d/a ä#%", "flags=577&checks=1", b"text", {}, 201),
    ("post", "create", "/d/a ä#%", "flags=705&checks=1", b"text", {}, 409),
    ("post", "create", "/none/a", "flags=577&checks=1", b"text", {}, 404),
    ("get", "stat", "/d/a ä#%", "", None, {}, 200), ("get", "stat", "/d", "", None, {}, 200),
    ("get", "stat", "/", "", None, {}, 200), ("get", "stat", "/none", "", None, {}, 404),
    ("get", "open", "/d/a ä#%", "", None, {}, 200), ("get", "open", "/d/a ä#%", "offset=2", None, {}, 200),
    ("get", "open", "/d/a ä#%", "offset=1", None, {"Range": "bytes=1-2"}, 206),
    ("get", "open", "/d/a ä#%", "offset=9", None, {"Range": "bytes=9-9"}, 416),
    ("get", "open", "/none", "", None, {}, 404), ("get", "readdir", "/", "", None, {}, 200),
    ("get", "readdir", "/d", "limit=1", None, {}, 200), ("get", "readdir", "/d", "limit=1&after=a", None, {}, 200),
    ("get", "readdir", "/none", "", None, {}, 404), ("patch", "chmod", "/d/a ä#%", "mode=384", None, {}, 200),
    ("patch", "chtimes", "/d/a ä#%", f"access_time={TIME}&modification_time={TIME}", None, {}, 200),
    ("patch", "truncate", "/d/a ä#%", "size=2", None, {}, 200), ("get", "dirsize", "/d", "", None, {}, 200),
    ("get", "statvfs", "/", "", None, {}, 200), ("patch", "rename", "/d/a ä#%", "target=%2Fd%2Fb", None, {}, 200),
    ("patch", "rename", "/none", "target=%2Fd%2Fc", None, {}, 404), ("delete", "remove", "/d/b", "", None, {}, 200),
    ("delete", "remove", "/d", "", None, {}, 200), ("delete", "remove", "/none", "", None, {}, 404),
    ("get", "stat", "/../etc", "", None, {}, 400),
]


def resolved(value):
    return DOCUMENT["components"]["responses"][value["$ref"].rsplit("/", 1)[1]] if "$ref" in value else value


def test_the_document():
    """OpenAPI 3.1: each call has parameters for its path, answers, and references that lead somewhere."""
    assert DOCUMENT["openapi"] == "3.1.0" and DOCUMENT["info"]["version"] and DOCUMENT["info"]["title"]
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = set()
    for path, item in DOCUMENT["paths"].items():
        assert path.count("{name}") == 1 and item["parameters"] == [{"$ref": "#/components/parameters/name"}]
        for call in (value for key, value in item.items() if key != "parameters"):
            assert all(resolved(answer)["description"] for answer in call["responses"].values())
            names.add(call["operationId"])
    assert len(names) == len(DOCUMENT["paths"])


def test_every_call_is_here():
    stated = {(method, path.split("/")[1]) for path, item in DOCUMENT["paths"].items()
              for method in item if method != "parameters"}
    assert stated == {(method, call) for method, call, *_ in CALLS}


@pytest.mark.parametrize("kind", ["httpfs", "httpfs_plain"])
def test_the_example_answers_as_stated(kind, request):
    server = urllib.parse.urlsplit(request.getfixturevalue(kind).url)
    for method, call, name, query, body, headers, expected in CALLS:
        if kind == "httpfs_plain" and expected in (206, 416):
            expected = 200
        target = f"/{call}/{urllib.parse.quote(name, safe='')}" + (f"?{query}" if query else "")
        link = http.client.HTTPConnection(server.hostname, server.port, timeout=30)
        link.request(method.upper(), target, body, dict(headers, Authorization=basic("dav", "secret")))
        answer = link.getresponse()
        content = answer.read()
        assert answer.status == expected, (method, target, content)
        stated = DOCUMENT["paths"][f"/{call}/{{name}}"][method]["responses"]
        stated = resolved(stated.get(str(answer.status)) or stated["default"])
        for header in stated.get("headers", {}):
            assert header == "Next" or answer.headers[header], (target, header)
        schema = stated.get("content", {}).get("application/json", {}).get("schema")
        if schema:
            jsonschema.Draft202012Validator(dict(schema, components=DOCUMENT["components"])).validate(json.loads(content))
        elif call == "open" and answer.status == 200:
            assert content == b"text"[int(urllib.parse.parse_qs(query).get("offset", ["0"])[0]):]
        elif answer.status == 206:
            assert (content, answer.headers["Content-Range"]) == (b"ex", "bytes 1-2/4")
        link.close()
