"""A registry that takes blobs as Ollama's does: the chunks of an upload are sent on to a storage at another origin, the end names the md5 of their
md5s. It checks what it is told, and fails as it is told."""
import hashlib
import http.server
import re
import threading
import urllib.parse


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.seen, self.lock = [], threading.Lock()  # (method, path, headers, bytes of the body)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass  # clients leave


class Storage(Server):
    def __init__(self):
        super().__init__(StorageHandler)
        self.parts = {}      # path: bytes
        self.busy = 0        # so many parts are told 503 first
        self.cut = 0         # so many connections are closed instead of an answer

    @property
    def url(self):
        return f"http://localhost:{self.port}"


class Registry(Server):
    def __init__(self, storage, redirects=True):
        super().__init__(RegistryHandler)
        self.storage, self.redirects = storage, redirects
        self.blobs, self.manifests, self.uploads = {}, {}, {}  # uploads: id -> list of parts' paths, or bytes
        self.token = None      # asked for on every request
        self.forgets_next = False  # a 307 without Docker-Upload-Location
        self.plain_at = set()      # numbers of chunks that it takes itself

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"


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

    def handle_expect_100(self):
        return True  # read() says it: who sends a chunk on does not want it

    def read(self):
        if self.headers.get("Expect") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def note(self, n):
        with self.server.lock:
            self.server.seen.append((self.command, self.path, dict(self.headers), n))


class StorageHandler(Handler):
    def do_PUT(self):
        s, data = self.server, self.read()
        self.note(len(data))
        if s.cut:
            s.cut -= 1
            self.close_connection = True
            return
        if s.busy:
            s.busy -= 1
            return self.say(503)
        s.parts[self.path] = data
        self.say(200, {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})


class RegistryHandler(Handler):
    def allowed(self):
        s = self.server
        if not s.token or self.headers.get("Authorization") == f"Bearer {s.token}":
            return True
        self.say(401, {"WWW-Authenticate": f'Bearer realm="http://{s.host}/token",service="x",scope="repository:x:push"'})
        return False

    def do_GET(self):
        if self.path.startswith("/token"):
            return self.say(200, {}, b'{"token":"%s"}' % self.server.token.encode())
        return self.say(404, {}, b"{}")  # knows of no upload how far it is

    def do_HEAD(self):
        self.note(0)
        if self.allowed():
            self.say(200 if self.path.rsplit("/", 1)[1] in self.server.blobs else 404)

    def do_POST(self):
        s = self.server
        self.note(len(self.read()))
        if not self.allowed():
            return
        with s.lock:
            name = f"u{len(s.uploads)}"
            s.uploads[name] = []
        self.say(202, {"Location": f"/v2/x/uploads/{name}?state=0"})

    def upload(self):
        m = re.fullmatch(r"/v2/x/uploads/(\w+)\?(.*)", self.path)
        q = urllib.parse.parse_qs(m[2])
        return m[1], int(q["state"][0]), q

    def do_PATCH(self):
        s = self.server
        name, state, _ = self.upload()
        parts = s.uploads[name]
        if state != len(parts) or not re.fullmatch(r"\d+-\d+", self.headers.get("Content-Range", "")):
            self.read()
            return self.say(416)
        following = f"/v2/x/uploads/{name}?state={state + 1}"
        if s.redirects and self.headers.get("X-Redirect-Uploads") == "1" and state not in s.plain_at:
            self.note(0)
            path = f"/part/{name}/{state}?signature=s3cr3t"
            parts.append(("storage", path))
            self.close_connection = True  # what comes is not wanted here
            return self.say(307, {"Location": s.storage.url + path, **({} if s.forgets_next else {"Docker-Upload-Location": following})})
        data = self.read()
        self.note(len(data))
        parts.append(("here", data))
        self.say(202, {"Location": following})

    def do_PUT(self):
        s = self.server
        if "/manifests/" in self.path:
            data = self.read()
            self.note(len(data))
            if self.allowed():
                s.manifests[self.path.split("/v2/")[1]] = data
                self.say(201)
            return
        name, state, q = self.upload()
        self.note(len(self.read()))
        sums, data = [], b""
        for where, what in s.uploads[name]:
            part = s.storage.parts.get(what, b"") if where == "storage" else what
            data += part
            if where == "storage":
                sums.append(hashlib.md5(part).digest())
        etag = f"{hashlib.md5(b''.join(sums)).hexdigest()}-{len(sums)}" if sums else None
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if state != len(s.uploads[name]) or q["digest"][0] != digest or q.get("etag", [None])[0] != etag:
            return self.say(400, {}, b'{"errors":[{"message":"what came is not what was said: %s"}]}' % str((digest, etag, q)).encode())
        s.blobs[digest] = data
        self.say(201)
