"""The unit programs that take a server from the environment, against the real ones."""
import os
import subprocess

import pytest

from gateway import BUILD, ROOT, SANITIZED


@pytest.mark.s3
@pytest.mark.parametrize("kind, objects", [("radosgw", 10000), pytest.param("swift", 150, marks=pytest.mark.slow)])
@pytest.mark.parametrize("program", ["test_s3_live", "test_s3_io"])
def test_program(request, kind, objects, program):
    server = request.getfixturevalue(kind)
    environment = dict(os.environ, POSTERN_TEST_S3_ENDPOINT=server.values["ENDPOINT"], POSTERN_TEST_S3_BUCKET=server.bucket(),
                       POSTERN_TEST_S3_KEY=server.access_key, POSTERN_TEST_S3_SECRET=server.secret_key,
                       POSTERN_TEST_S3_OBJECTS=str(min(objects, 2500) if SANITIZED else objects),  # three pages
                       POSTERN_TEST_S3_LARGEST_MIB=str(20 if SANITIZED else 100))
    done = subprocess.run([str(BUILD / "tests" / program)], cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
