"""A server of files and manifests that misbehaves as it is told: cuts, wrong ranges, redirects, tokens, busy, slow."""
import base64
import collections
import hashlib
import http.server
import json
import re
import threading
import time
import urllib.parse


class Hollow:
    """The bytes of a file of any length: a head, and zeros behind it."""

    def __init__(self, head, length):
        self.head, self.length = head, length

    def __len__(self):
        return self.length

    def __getitem__(self, part):
        a, b, _ = part.indices(self.length)
        if b - a > 256 << 20:
            return Hollow(self.head[a:b], b - a)
        got = self.head[a:b]
        return got + bytes(b - a - len(got))


class Bad(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.manifests, self.answers = {}, {}, {}  # path: bytes; "ns/model/tag": bytes; path: (code, headers, body)
        self.seen, self.lock = [], threading.Lock()  # (method, path, headers)
        self.count = collections.Counter()
        self.cut = 0           # bytes of a blob after which the connection is closed, every time
        self.cut_times = 0     # so often; 0: always
        self.no_ranges = self.wrong_range = self.needs_token = self.needs_key = False
        self.busy = 0          # so many requests of blobs are told busy_code first
        self.busy_code = 503
        self.retry_after = None
        self.rate = 0          # bytes a second of each request
        self.redirect = None   # of blobs: prefix of the place where they are
        self.etag = None       # a function: request number -> ETag
        self.corrupt = False
        self.token = "the-token"
        self.gate = None       # an Event that blobs wait for after `gate_at` bytes
        self.gate_at = 0
        self.no_length = False # answers do not say how long they are
        self.sent = 0          # bytes of blobs
        self.scheme = "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.server_close()

    @property
    def host(self):
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self):
        return f"{self.scheme}://{self.host}"

    def add_blob(self, repository, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.files[f"/v2/{repository}/blobs/{digest}"] = data
        return digest

    def add_model(self, repository, layers, tag="latest", config=b'{"model_format":"gguf","model_family":"llama"}'):
        """layers: (kind, bytes)."""
        def layer(media_type, data):
            return {"mediaType": media_type, "digest": self.add_blob(repository, data), "size": len(data)}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                    "config": layer("application/vnd.docker.container.image.v1+json", config),
                    "layers": [layer("application/vnd.ollama.image." + kind, data) for kind, data in layers]}
        self.manifests[f"{repository}/{tag}"] = json.dumps(manifest).encode()
        return manifest

    def requests(self, part):
        return [s for s in self.seen if part in s[1]]

    def handle_error(self, *_):
        pass  # clients leave


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, code, headers=(), body=b""):
        self.send_response(code)
        for k, v in dict(headers).items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        s, path = self.server, self.path
        with s.lock:
            s.seen.append((self.command, path, dict(self.headers)))
            s.count[path.split("?")[0]] += 1
        if path.startswith("/token"):
            return self.token()
        if path in s.answers:
            return self.say(*s.answers[path])
        if path.startswith("/v2/") and (s.needs_token or s.needs_key) and self.headers.get("Authorization") != f"Bearer {s.token}":
            realm = f'Bearer realm="{s.url}/token",service="test",scope="repository:x:pull"'
            return self.say(401, {"WWW-Authenticate": realm}, b'{"errors":[{"message":"who are you"}]}')
        m = re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", path)
        if m:
            data = s.manifests.get(f"{m[1]}/{m[2]}") or next((d for d in s.manifests.values() if m[2] == "sha256:" + hashlib.sha256(d).hexdigest()), None)
            if data is None:
                return self.say(404, {}, b'{"errors":[{"message":"manifest unknown"}]}')
            return self.say(200, {"Content-Type": "application/vnd.docker.distribution.manifest.v2+json"}, data)
        if path.split("?")[0] in s.files or path.split("?")[0].removeprefix("/cdn") in s.files:
            return self.blob(path)
        self.say(404, {}, b"{}")

    do_HEAD = do_GET

    def token(self):
        s, q = self.server, urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        if s.needs_key and not self.is_signed(q):
            return self.say(401, {}, b'{"error":"unauthorized"}')
        self.say(200, {}, json.dumps({"token": s.token}).encode())

    def is_signed(self, q):
        """As Ollama's registry checks it: the key, and its signature of method, URL and the sum of nothing."""
        shown = self.headers.get("Authorization", "")
        if ":" not in shown or not q.get("ts") or not q.get("nonce"):
            return False
        public, signature = (base64.b64decode(x) for x in shown.split(":"))
        words = f"GET,{self.server.url}{self.path}," + base64.b64encode(hashlib.sha256(b"").hexdigest().encode()).decode()
        return self.server.verify(public, signature, words.encode())

    def blob(self, path):
        s = self.server
        if s.redirect and not path.startswith("/cdn"):
            return self.say(307, {"Location": s.redirect + path})
        with s.lock:
            if s.busy > 0:
                s.busy -= 1
                return self.say(s.busy_code, {"Retry-After": s.retry_after} if s.retry_after else {})
        data = s.files[path.split("?")[0].removeprefix("/cdn")]
        if s.corrupt:
            data = bytes([data[0] ^ 1]) + data[1:]
        n = s.count[path.split("?")[0]]
        etag = {"ETag": s.etag(n)} if s.etag else {}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and not s.no_ranges:
            a, b = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
            if s.wrong_range:
                a = a + 1 if a + 1 < len(data) else 0
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {a}-{b}/{len(data)}")
            data = data[a:b + 1]
        else:
            self.send_response(200)
        for k, v in etag.items():
            self.send_header(k, v)
        if s.no_length:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.pour(data)

    def pour(self, data):
        s = self.server
        cut = s.cut if s.cut and s.cut < len(data) else 0
        if cut and s.cut_times:
            with s.lock:
                s.cut_times -= 1
                if s.cut_times == 0:
                    s.cut = 0
        sent = 0
        while sent < len(data):
            n = min(65536, len(data) - sent, *([cut - sent] if cut else []))
            if s.gate and sent >= s.gate_at:
                s.gate.wait(60)
            self.wfile.write(data[sent:sent + n])
            sent += n
            s.sent += n
            if s.rate:
                time.sleep(n / s.rate)
            if cut and sent >= cut:
                self.close_connection = True
                self.connection.close()
                return
