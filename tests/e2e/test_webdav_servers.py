"""What the WebDAV servers of the tests do of what postern needs, as docs/backends.md says: litmus asks them, not us."""
import re

import pytest

from gateway import SANITIZED, run

pytestmark = pytest.mark.skipif(SANITIZED, reason="nothing of postern runs here")
NEEDED = {"basic", "copymove", "http"}


@pytest.mark.parametrize("kind,cannot", [
    ("apache", set()), ("chezdav", set()), ("rclone", {"mkcol_again"}),
    ("nginx", {"options", "copy_overwrite", "move_coll"}),
])
def test_litmus(kind, cannot, request, tmp_path):
    url = request.getfixturevalue(kind).url
    done = run(["litmus", "-k", f"{url}/", "dav", "secret"], cwd=tmp_path,
               env={"PATH": "/usr/bin:/bin", "TESTS": " ".join(NEEDED)})
    said = done.stdout.replace("\r", "\n")
    assert set(re.findall(r"^<- summary for `(\w+)'", said, re.M)) == NEEDED, said + done.stderr
    assert set(re.findall(r"^ *\d+\. (\w+)\.+ FAIL", said, re.M)) == cannot, said
