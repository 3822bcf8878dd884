"""A small signed S3 client of the tests' own, so that what postern says is checked by somebody else."""
import datetime
import hashlib
import hmac
import http.client
import re
import urllib.parse
import xml.etree.ElementTree


def quote(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def all(self, name):
        """Texts of every element of that name, whatever its namespace."""
        tree = xml.etree.ElementTree.fromstring(self.body)
        return [e.text or "" for e in tree.iter() if e.tag.rsplit("}", 1)[-1] == name]


class S3:
    def __init__(self, endpoint, access_key, secret_key, region="us-east-1"):
        self.endpoint, self.access_key, self.secret_key, self.region = endpoint, access_key, secret_key, region
        self.host = urllib.parse.urlsplit(endpoint).netloc

    def request(self, method, path, query=None, body=b"", headers=None):
        """Signature version 4 over all that is sent. path is unencoded, /bucket/key."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(body).hexdigest()
        send = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": now}
        send.update({k.lower(): v for k, v in (headers or {}).items()})
        url = quote(path, "-_.~/")
        arguments = "&".join(f"{quote(k)}={quote(v)}" for k, v in sorted((query or {}).items()))
        names = ";".join(sorted(send))
        canonical = "\n".join([method, url, arguments, *(f"{k}:{send[k].strip()}" for k in sorted(send)), "", names,
                               digest])
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        send["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, "
                                 f"Signature={signature}")
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request(method, url + ("?" + arguments if arguments else ""), body, send)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def must(self, *args, **more):
        answer = self.request(*args, **more)
        assert answer.status // 100 == 2, f"{args[:2]}: {answer.status} {answer.body[:300]}"
        return answer

    def make_bucket(self, bucket):
        self.must("PUT", f"/{bucket}")

    def put(self, bucket, key, body, headers=None):
        self.must("PUT", f"/{bucket}/{key}", body=body, headers=headers)

    def get(self, bucket, key):
        """The object's bytes, or None."""
        answer = self.request("GET", f"/{bucket}/{key}")
        assert answer.status in (200, 404), answer.body
        return answer.body if answer.status == 200 else None

    def head(self, bucket, key):
        return self.request("HEAD", f"/{bucket}/{key}")

    def begin(self, bucket, key):
        """The id of a multipart upload."""
        return self.must("POST", f"/{bucket}/{key}", {"uploads": ""}).all("UploadId")[0]

    def put_part(self, bucket, key, upload_id, number, body):
        self.must("PUT", f"/{bucket}/{key}", {"partNumber": str(number), "uploadId": upload_id}, body=body)

    def keys(self, bucket, prefix=""):
        keys, query = [], {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
        while True:
            page = self.must("GET", f"/{bucket}", query)
            keys += [urllib.parse.unquote_plus(k) for k in page.all("Key")]
            more = page.all("NextContinuationToken")
            if not more:
                return keys
            query["continuation-token"] = more[0]

    def uploads(self, bucket, prefix=""):
        """Keys of the multipart uploads that are neither completed nor aborted."""
        page = self.must("GET", f"/{bucket}", {"uploads": "", "prefix": prefix})
        return [k for u in re.findall(rb"<Upload>.*?</Upload>", page.body, re.S)
                for k in re.findall(r"<Key>(.*?)</Key>", u.decode())]
