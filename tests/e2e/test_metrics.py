"""/metrics: Prometheus' text format, the names that routers and dashboards read, and the right counts."""
import re
import socket
import threading

from test_serve import serve, user, wait_for  # noqa: F401 - fixtures

SAMPLE = re.compile(r'^([a-z_][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (\S+)$')


def read(s):
    """{name: kind}, {name with labels: value}; every line is checked against the format."""
    status, data, headers = s.ask("GET", "/metrics")
    assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    kinds, values = {}, {}
    for line in data.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, "a family comes once, with all its samples behind it"
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            found = SAMPLE.match(line)
            assert found, line
            family = re.sub(r"_(bucket|sum|count)$", "", found.group(1))
            assert found.group(1) in kinds or kinds[family] == "histogram", line
            assert list(kinds)[-1] in (found.group(1), family), line
            key = found.group(1) + (found.group(2) or "")
            assert key not in values
            values[key] = float(found.group(3))
    return kinds, values


def test_counts_of_an_answer(serve):
    s = serve()
    kinds, values = read(s)
    for name, kind in (("vllm:num_requests_waiting", "gauge"), ("vllm:num_requests_running", "gauge"),
                       ("vllm:kv_cache_usage_perc", "gauge"), ("vllm:prompt_tokens_total", "counter"),
                       ("vllm:time_to_first_token_seconds", "histogram")):
        assert kinds[name] == kind
    assert not any("model_name" in k for k in values)  # nothing was asked yet
    answers = [s.json("POST", "/v1/chat/completions", user("hi"))["usage"] for _ in range(2)]
    s.json("POST", "/v1/chat/completions", user("hi", max_tokens=2))
    _, values = read(s)
    label = '{model_name="tiny:latest",engine="0"}'
    prompt = answers[0]["prompt_tokens"]
    assert values["vllm:prompt_tokens_total" + label] == values["vllm:prefix_cache_queries_total" + label] == 3 * prompt
    assert values["vllm:generation_tokens_total" + label] == 2 * answers[0]["completion_tokens"] + 2
    idle = lambda v: v["vllm:num_requests_running" + label] == v["vllm:num_requests_waiting" + label] == 0
    assert wait_for(lambda: idle(read(s)[1]))  # a step may still end when its last token is out
    assert 0 <= values["vllm:kv_cache_usage_perc" + label] < 1
    ended = {r: values[f'vllm:request_success_total{{model_name="tiny:latest",engine="0",finished_reason="{r}"}}']
             for r in ("stop", "length", "abort", "error")}
    assert ended == {"stop": 2, "length": 1, "abort": 0, "error": 0}
    gaps = values["vllm:inter_token_latency_seconds_count" + label]
    assert 0 < gaps <= 2 * answers[0]["completion_tokens"] + 2 - 3  # one less than tokens that came, for each answer


def test_histograms_add_up(serve):
    s = serve()
    for n in (1, 2, 3):
        s.json("POST", "/v1/chat/completions", user("hi", max_tokens=n))
    kinds, values = read(s)
    for name in (n for n, kind in kinds.items() if kind == "histogram"):
        steps = [v for k, v in values.items() if k.startswith(name + "_bucket")]
        assert steps == sorted(steps) and steps[-1] == values[name + '_count{model_name="tiny:latest",engine="0"}'], name
    sizes = {k: v for k, v in values.items() if k.startswith("vllm:request_generation_tokens")}
    at = lambda le: sizes[f'vllm:request_generation_tokens_bucket{{model_name="tiny:latest",engine="0",le="{le}"}}']
    assert (at("1"), at("2"), at("5"), at("+Inf")) == (1, 2, 3, 3)
    assert sizes['vllm:request_generation_tokens_sum{model_name="tiny:latest",engine="0"}'] == 6


def test_a_client_that_leaves_is_an_abort(serve):
    s = serve(loop=True)
    c = s.connect()
    c.request("POST", "/v1/chat/completions", '{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": true}')
    r = c.getresponse()
    assert r.readline().startswith(b"data: ")
    r.fp.raw._sock.shutdown(socket.SHUT_RDWR)
    c.close()
    reason = 'vllm:request_success_total{model_name="tiny:latest",engine="0",finished_reason="abort"}'
    assert wait_for(lambda: read(s)[1].get(reason) == 1)


def test_scraping_beside_answers(serve):
    s = serve(loop=True)
    threads = [threading.Thread(target=s.json, args=("POST", "/v1/chat/completions", user(str(i), max_tokens=200))) for i in range(4)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        read(s)
    for t in threads:
        t.join()
    assert read(s)[1]['vllm:generation_tokens_total{model_name="tiny:latest",engine="0"}'] == 800
