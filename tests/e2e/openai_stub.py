"""A server of OpenAI's protocol that does what the model's name says: what a remote model's tests ask."""
import http.server
import json
import select
import threading
import time


def chunk(delta=None, finish=None, usage=None):
    choices = [] if usage else [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **({"usage": usage} if usage else {})}


USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 4},
         "completion_tokens_details": {"accepted_prediction_tokens": 2, "rejected_prediction_tokens": 1}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def head(self, code, kind, *more):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        for name, value in more:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def error(self, code, message, *more):
        self.head(code, "application/json", *more)
        self.wfile.write(json.dumps({"error": {"message": message, "type": "x", "code": None}}).encode())

    def event(self, data, end="\n\n"):
        self.wfile.write(("data: " + (data if isinstance(data, str) else json.dumps(data)) + end).encode())
        self.wfile.flush()

    def say(self, *words, finish="stop", done=True, usage=True):
        self.event(chunk({"role": "assistant", "content": ""}))
        for word in words:
            self.event(chunk({"content": word}))
        self.event(chunk({}, finish))
        if usage:
            self.event(chunk(usage=USAGE))
        if done:
            self.event("[DONE]")

    def do_GET(self):
        stub = self.server.stub
        data = [{"id": m, "object": "model", "owned_by": stub.owner} for m in ("x", "good")]
        code, answer, *more = stub.lists.pop(0) if stub.lists else (200, {"object": "list", "data": data})
        self.close_connection = True
        if answer is None:
            stub.n_lists += 1
            return self.wait_for_hangup()
        self.head(code, "application/json", *more)
        self.wfile.write(json.dumps(answer).encode() if not isinstance(answer, bytes) else answer)
        stub.n_lists += 1

    def do_POST(self):
        stub = self.server.stub
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(raw)
        with stub.lock:
            stub.asked.append({"path": self.path, "headers": dict(self.headers), "body": body})
            n = len(stub.asked)
        self.close_connection = True
        try:
            getattr(self, "do_" + body["model"].replace("-", "_"))(body, n)
        except (BrokenPipeError, ConnectionResetError):
            stub.n_left += 1

    def stream(self):
        self.head(200, "text/event-stream; charset=utf-8")

    def do_good(self, body, n):
        if self.path.endswith("/embeddings"):
            self.head(200, "application/json")
            rows = [{"object": "embedding", "index": i, "embedding": [3.0, 4.0, float(i)]} for i in range(len(body["input"]))]
            self.wfile.write(json.dumps({"object": "list", "data": rows[::-1], "usage": {"prompt_tokens": 7, "total_tokens": 7}}).encode())
        elif self.path.endswith("/chat/completions"):
            self.stream()
            self.wfile.write(b": a comment\n\nevent: x\nid: 1\n")
            self.say("Hel", "lo", " wörld")
        else:
            self.stream()
            self.event({"choices": [{"index": 0, "text": "raw " + body["prompt"], "finish_reason": "length"}]})
            self.event("[DONE]")

    def do_logprobs(self, body, n):
        self.stream()
        if not self.path.endswith("/chat/completions"):
            self.event({"choices": [{"index": 0, "text": "Hi", "logprobs": {"tokens": ["H", "i"], "token_logprobs": [-0.5, -0.25], "text_offset": [0, 1],
                                                                            "top_logprobs": [{"H": -0.5, "J": -1.0}, {"i": -0.25, "o": -2.0}]}, "finish_reason": "stop"}]})
            return self.event("[DONE]")
        first = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105]},
                                                                                      {"token": "\ufffd", "logprob": -1.5, "bytes": [195]}]}
        rest = [{"token": t, "logprob": -0.25, "bytes": None, "top_logprobs": []} for t in (" the", "re")]
        for text, tokens in (("", None), ("Hi", [first]), (" there", rest)):
            data = chunk({"content": text})
            data["choices"][0]["logprobs"] = tokens and {"content": tokens}
            self.event(data)
        self.event(chunk({}, "stop"))
        self.event("[DONE]")

    def do_thinks(self, body, n):
        self.stream()
        self.event(chunk({"reasoning_content": "Hm."}))
        self.say("Yes.")

    def do_calls(self, body, n):
        self.stream()
        for call in ({"index": 0, "id": "call_7", "type": "function", "function": {"name": "add", "arguments": ""}},
                     {"index": 0, "function": {"arguments": '{"a": 1'}}, {"index": 0, "function": {"arguments": ', "b": 2}'}},
                     {"index": 1, "id": "call_8", "type": "function", "function": {"name": "stop", "arguments": "{}"}}):
            self.event(chunk({"tool_calls": [call]}))
        self.event(chunk({}, "tool_calls"))
        self.event("[DONE]")

    def do_whole(self, body, n):  # no stream, though one was asked for
        self.head(200, "application/json")
        self.wfile.write(json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "all at once"}, "finish_reason": "stop"}],
                                     "usage": USAGE}).encode())

    def do_no_done(self, body, n):
        self.stream()
        self.say("ends without it", done=False)

    def do_crlf(self, body, n):
        self.stream()
        self.event(chunk({"content": "lines"}), "\r\n\r\n")
        self.event(chunk({}, "stop"), "\r\n\r\n")
        self.wfile.write(b"data:[DONE]")

    def do_cut(self, body, n):
        self.stream()
        self.event(chunk({"content": "half an ans"}))

    def do_cut_before(self, body, n):
        self.stream()

    def do_broken_json(self, body, n):
        self.stream()
        self.event('{"choices": [')

    def do_error_in_stream(self, body, n):
        self.stream()
        self.event(chunk({"content": "so far"}))
        self.event({"error": {"message": "the cat ate it", "type": "server_error"}})

    def do_html(self, body, n):
        self.head(200, "text/html")
        self.wfile.write(b"<html>a login page</html>")

    def do_elsewhere(self, body, n):
        self.head(302, "text/plain", ("Location", f"http://127.0.0.1:{self.server.server_port}/v1/stolen"))

    def do_endless_headers(self, body, n):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for i in range(100000):
            self.wfile.write(b"X-%d: %s\r\n" % (i, b"y" * 100))

    def do_refuses(self, body, n):
        self.error(401, "no such key: " + self.headers.get("Authorization", "none"))

    def do_refuses_late(self, body, n):  # the key stands where words are cut
        self.error(400, "p" * 470 + self.headers.get("Authorization", "none") + self.headers.get("X-Team", ""))

    def do_too_long(self, body, n):
        self.error(400, "This model's maximum context length is 10 tokens")

    def do_unknown(self, body, n):
        self.error(404, "no such model")

    def do_turns_to_json(self, body, n):
        self.stream()
        text = '{"a": 1}' if n == 4 else '["a"]' if n == 3 else '{"a":'
        data = chunk({"content": text})
        data["choices"][0]["logprobs"] = {"content": [{"token": text, "logprob": -1.0 * n, "bytes": list(text.encode()), "top_logprobs": []}]}
        self.event(data)
        self.say()

    def do_busy_once(self, body, n):
        if n == 1:
            return self.error(429, "later", ("Retry-After", "0"))
        if self.path.endswith("/embeddings"):
            return self.do_good(body, n)
        self.stream()
        self.say("second try")

    def do_busy_long(self, body, n):
        self.error(503, "come back tomorrow", ("Retry-After", "3600"))

    def do_broken(self, body, n):
        self.error(500, "out of order")

    def do_keeps_stop(self, body, n):  # as MAX does: the token in which a stop string ends is there, and nothing behind it
        self.stream()
        self.say("The capital", " of Fr", "ance")

    def do_names_stop(self, body, n):  # as vLLM does
        self.stream()
        self.event(chunk({"content": "The capital of "}))
        data = chunk({}, "stop")
        data["choices"][0]["stop_reason"] = "France"
        self.event(data)
        self.event(chunk(usage=USAGE))
        self.event("[DONE]")

    def do_ignores_stop(self, body, n):
        self.stream()
        for word in ("The capital", " of Fr", "ance is"):
            self.event(chunk({"content": word}))
        for _ in range(600):
            time.sleep(0.05)
            self.event(chunk({"content": " Paris"}))

    def do_whole_stop(self, body, n):  # all at once, with a call behind it
        self.head(200, "application/json")
        call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
        message = {"role": "assistant", "content": "The capital of France is Paris", "tool_calls": [call]}
        self.wfile.write(json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "length"}], "usage": USAGE}).encode())

    def do_declines(self, body, n):  # OpenAI's field for what a model says instead of an answer
        self.stream()
        self.event(chunk({"role": "assistant", "content": "", "refusal": None}))
        self.event(chunk({"refusal": "I will not."}))
        self.event(chunk({}, "stop"))
        self.event("[DONE]")

    def do_declines_surely(self, body, n):
        self.stream()
        data = chunk({"refusal": "No."})
        data["choices"][0]["logprobs"] = {"content": None, "refusal": [{"token": "No.", "logprob": -0.5, "bytes": None, "top_logprobs": []}]}
        self.event(data)
        self.event(chunk({}, "stop"))
        self.event("[DONE]")

    def do_no_logprobs(self, body, n):
        self.error(400, "logprobs are not supported with this model")

    def do_slow(self, body, n):
        self.stream()
        self.event(chunk({"content": "wait"}))
        for _ in range(600):
            time.sleep(0.05)
            self.event(chunk({"content": "."}))

    def do_late(self, body, n):
        self.stream()
        self.server.stub.release.wait(12)
        self.say("late word")

    def do_forbidden(self, body, n):
        self.error(403, "not for you: " + self.headers.get("Authorization", "none"))

    def do_limited(self, body, n):
        self.error(429, "slow down", ("Retry-After", "30"))

    def do_limited_until(self, body, n):
        self.error(429, "slow down", ("Retry-After", "Wed, 21 Oct 2099 07:28:00 GMT"))

    def do_limited_before(self, body, n):
        self.error(429, "slow down", ("Retry-After", "Thu, 21 Oct 1999 07:28:00 GMT"))

    def do_limited_oddly(self, body, n):
        self.error(429, "slow down", ("Retry-After", "60;x"))

    def do_done_only(self, body, n):
        self.stream()
        self.event("[DONE]")

    def do_no_choices(self, body, n):
        self.stream()
        for choices in (None, [None], [{"index": 0, "delta": None}], [{"index": 0, "delta": {"content": 5}}]):
            self.event({"choices": choices})
        self.event("[DONE]")

    def do_empty(self, body, n):
        self.stream()
        self.say()

    def do_call_below_0(self, body, n):
        self.stream()
        self.event(chunk({"tool_calls": [{"index": -1, "id": "a", "function": {"name": "add", "arguments": "{}"}}]}))
        self.event(chunk({}, "tool_calls"))
        self.event("[DONE]")

    def do_gateway(self, body, n):
        self.error(504, "nobody behind me")

    def do_too_large(self, body, n):
        self.error(413, "too many bytes")

    def do_long_words(self, body, n):  # an error of more words than anybody reads
        self.error(400, "w" * (2 << 20))

    def do_endless_line(self, body, n):
        self.stream()
        self.wfile.write(b'data: {"choices": [{"delta": {"content": "')
        for _ in range(66):
            self.wfile.write(b"x" * (1 << 20))

    def do_plain(self, body, n):
        self.head(200, "text/plain")
        self.wfile.write(b"hello")

    def do_busy_in_stream(self, body, n):  # as vLLM does: the status has gone out already
        self.stream()
        self.event({"error": {"message": "no room", "type": "x", "code": 503}})

    def say_call(self, *pieces, finish="tool_calls"):
        self.stream()
        self.event(chunk({"tool_calls": [{"index": 0, "id": "call_7", "type": "function", "function": {"name": "add", "arguments": ""}}]}))
        for piece in pieces:
            self.event(chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))
        self.event(chunk({}, finish))
        self.event("[DONE]")

    def do_calls_broken(self, body, n):
        self.say_call('{"a": 1', ', "b": ')

    def do_calls_list(self, body, n):
        self.say_call("[1, 2]")

    def do_calls_nothing(self, body, n):
        self.say_call()

    def do_calls_object(self, body, n):  # not a text, as some do
        self.say_call({"a": 1, "b": 2})

    def do_silent(self, body, n):
        self.stream()
        self.event(chunk({"content": "one"}))
        self.wait_for_hangup()

    def do_mute(self, body, n):
        self.wait_for_hangup()

    def wait_for_hangup(self):  # without a byte of ours that could fail
        while not self.server.stub.release.is_set():
            if select.select([self.connection], [], [], 0.05)[0] and not self.connection.recv(1):
                self.server.stub.n_left += 1
                return


class Stub:
    def __init__(self):
        self.asked, self.n_left, self.lock, self.release = [], 0, threading.Lock(), threading.Event()
        self.owner, self.n_lists = "nobody", 0
        self.lists = []  # (status, JSON, headers ...) of the next requests for a list; without JSON: none comes
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.stub = self
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def name(self, model):
        return f"remote:{self.url}#{model}"

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
