"""What coding agents, editors and other programs send, as they send it: every one gets the shape that it reads.

The requests are written from the programs' sources and documentation of 2026 (Claude Code, Copilot Chat, Zed, Continue,
Cline, Goose, Home Assistant, AnythingLLM, LiteLLM, aider, Open WebUI, OpenCode, JetBrains); fields that a program sends
and no answer depends on are there, too.
"""
import json
import re
import threading

from tiny_model import CHATML_TOOLS
from test_serve import ANSWER, serve, wait_for  # noqa: F401 - a fixture

TOOL = {"name": "Bash", "description": "Run a command.\nNever more than one.", "input_schema": {
    "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": False,
    "properties": {"command": {"type": "string"}, "timeout": {"type": "number", "maximum": 600000}}, "required": ["command"]}}
FUNCTION = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "strict": False, "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["Paris", "Oslo"]}}, "required": ["city"]}}}


def claude(**more):
    """Claude Code's main call."""
    return dict({
        "model": "tiny", "max_tokens": 32000, "temperature": 1, "stream": True,
        "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.170; cc_entrypoint=cli; cch=5f3a1;"},
                   {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
                   {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}}],
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "<system-reminder>\nNo todo list.\n</system-reminder>"},
            {"type": "text", "text": "List the files.", "cache_control": {"type": "ephemeral"}}]}],
        "tools": [dict(TOOL, cache_control={"type": "ephemeral"}, eager_input_streaming=True)],
        "thinking": {"type": "adaptive"}, "context_management": {"edits": []}, "output_config": {"effort": "medium"},
        "metadata": {"user_id": "user_0f3a_account__session_6c1b"}}, **more)


CLAUDE_HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-app": "cli", "authorization": "Bearer none",
                  "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
                  "user-agent": "claude-cli/2.1.170 (external, cli)", "x-claude-code-session-id": "6c1b", "x-stainless-lang": "js"}


def test_claude_code(serve):
    s = serve(template=CHATML_TOOLS)
    assert s.ask("HEAD", "/")[0] == 200
    status, data, headers = s.ask("POST", "/v1/messages?beta=true", claude(), CLAUDE_HEADERS)
    assert status == 200 and headers["request-id"].startswith("req_")
    events = [json.loads(block.split("data: ", 1)[1]) for block in data.decode().split("\n\n") if block]
    assert [e["type"] for e in events if e["type"] not in ("ping", "content_block_delta")] == [
        "message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    begun = events[0]["message"]["usage"]
    assert begun["input_tokens"] + begun.get("cache_read_input_tokens", 0) > 0
    assert "".join(e["delta"]["text"] for e in events if e["type"] == "content_block_delta") == ANSWER
    assert events[-2]["delta"]["stop_reason"] == "end_turn" and events[-2]["usage"]["output_tokens"] > 0
    # its other calls: a quota check, a title by the small model, the meter of the context
    quota = s.json("POST", "/v1/messages?beta=true", {"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": "quota"}],
                                                      "metadata": {"user_id": "{\"device_id\":\"x\"}"}}, CLAUDE_HEADERS)
    assert quota["stop_reason"] == "max_tokens" and quota["usage"]["output_tokens"] == 1
    count = {k: v for k, v in claude().items() if k in ("model", "messages", "system", "tools", "thinking")}
    n = s.json("POST", "/v1/messages/count_tokens?beta=true", count, CLAUDE_HEADERS)["input_tokens"]
    assert n == begun["input_tokens"] + begun.get("cache_read_input_tokens", 0) + begun.get("cache_creation_input_tokens", 0)


def test_claude_code_goes_on_after_a_tool(serve):
    s = serve(template=CHATML_TOOLS)
    first = claude(stream=False)
    usage = s.json("POST", "/v1/messages?beta=true", first, CLAUDE_HEADERS)["usage"]
    whole = usage["input_tokens"] + usage.get("cache_read_input_tokens", 0)
    following = claude(stream=False)
    following["system"][0]["text"] = following["system"][0]["text"].replace("5f3a1", "99999")  # another number each time
    following["messages"] = first["messages"] + [
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Look.", "signature": "c2ln"}, {"type": "text", "text": "I look."},
                                          {"type": "tool_use", "id": "toolu_01A", "name": "Bash", "input": {"command": "ls"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01A", "is_error": False,
                                      "content": [{"type": "text", "text": "a.c\nb.c"}]},
                                     {"type": "text", "text": "Go on.", "cache_control": {"type": "ephemeral"}}]}]
    got = s.json("POST", "/v1/messages?beta=true", following, CLAUDE_HEADERS)
    assert got["content"] == [{"type": "text", "text": ANSWER}]
    # what came before is not computed again, but for the turn that the first answer was made for
    assert got["usage"]["cache_read_input_tokens"] >= whole - 24


def test_copilot_chat(serve):
    s = serve(template=CHATML_TOOLS)
    assert tuple(int(x) for x in s.json("GET", "/api/version")["version"].split(".")) >= (0, 6, 4)
    name = s.json("GET", "/api/tags")["models"][0]["model"]
    info = s.json("POST", "/api/show", {"model": name})
    assert info["model_info"]["general.basename"] and info["model_info"][info["model_info"]["general.architecture"] + ".context_length"] > 0
    body = {"model": name, "messages": [{"role": "system", "content": "You help."}, {"role": "user", "content": "hi"}], "stream": True,
            "stream_options": {"include_usage": True}, "n": 1, "top_p": 1, "temperature": 0.1, "max_tokens": 4096, "tools": [FUNCTION],
            "tool_choice": "auto"}
    events = s.events("/v1/chat/completions", body)
    chunks = [e for _, e in events if e != "[DONE]"]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == ANSWER
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] > 0 and events[-1][1] == "[DONE]"
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"


def test_zed(serve):
    s = serve()
    for m in s.json("GET", "/api/tags")["models"]:
        assert {"name", "modified_at", "size", "digest", "details"} <= set(m)
        assert {"format", "family", "parameter_size", "quantization_level"} <= set(m["details"])
    assert isinstance(s.json("POST", "/api/show", {"model": "tiny"})["capabilities"], list)
    lines = s.lines("/api/chat", {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True, "keep_alive": -1,
                                  "options": {"num_ctx": 16384, "stop": [], "temperature": 1.0, "top_p": None}, "think": None, "tools": []})
    for line in lines:
        assert line["message"]["role"] == "assistant" and isinstance(line["message"]["content"], str) and line["created_at"]
    assert lines[-1]["done"] and lines[-1]["done_reason"] == "stop"
    assert all(isinstance(lines[-1][k], int) for k in ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration",
                                                       "eval_count", "eval_duration"))
    assert s.json("GET", "/api/ps")["models"][0]["expires_at"] > "2100"  # it stays


def test_continue(serve):
    s = serve()
    info = s.json("POST", "/api/show", {"name": "tiny"})
    for line in info.get("parameters", "").splitlines():
        assert re.fullmatch(r"\S+\s+\S.*", line)
    lines = s.lines("/api/generate", {"model": "tiny", "prompt": "def f(", "raw": True, "keep_alive": 1800, "stream": True,
                                      "options": {"temperature": 0.01, "num_predict": 3, "stop": ["\n\n", "/src/"], "num_ctx": 4096,
                                                  "mirostat": None, "num_thread": None}})
    assert lines[-1]["done_reason"] == "length" and lines[-1]["eval_count"] == 3
    missing = s.json("POST", "/api/chat", {"model": "llama3.1:8b", "messages": []}, status=404)["error"]
    assert "not found" in missing  # by which it offers to pull


def test_cline_and_roo(serve):
    s = serve()
    lines = s.lines("/api/chat", {"model": "tiny", "stream": True, "options": {"num_ctx": 32768}, "messages": [
        {"role": "system", "content": "You are Cline.\n" * 50}, {"role": "user", "content": "<task>\nWrite it\n</task>", "images": []},
        {"role": "assistant", "content": "<read_file><path>a.c</path></read_file>"}, {"role": "user", "content": "[read_file] Result:\nint x;"}]})
    assert "".join(line["message"]["content"] for line in lines) == ANSWER and lines[-1]["done"]
    assert lines[-1]["prompt_eval_count"] > 100


def test_goose_opencode_and_litellm(serve):
    s = serve(template=CHATML_TOOLS)
    goose = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True, "options": {"num_ctx": 8192}, "tools": [FUNCTION]}
    assert s.events("/v1/chat/completions", goose)[-1][1] == "[DONE]"
    opencode = {"model": "tiny", "max_tokens": 32000, "stream": True, "stream_options": {"include_usage": True}, "tool_choice": "auto",
                "tools": [FUNCTION], "messages": [
                    {"role": "system", "content": "You are opencode."}, {"role": "user", "content": [{"type": "text", "text": "hi"}]},
                    {"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}}]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "{\"c\": 3}"}]}
    chunks = [e for _, e in s.events("/v1/chat/completions", opencode) if e != "[DONE]"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant" and all(c["id"] == chunks[0]["id"] for c in chunks)
    before = s.json("GET", "/api/ps")["models"]
    for n in (9216, 10240, 8500):  # aider: the size of each request and 8 k more
        s.json("POST", "/api/chat", {"model": "tiny", "stream": False, "messages": [{"role": "user", "content": "x" * (n // 100)}],
                                     "options": {"num_ctx": n, "num_predict": 1}})
    assert [m["digest"] for m in s.json("GET", "/api/ps")["models"]] == [m["digest"] for m in before]
    assert wait_for(lambda: any("context-capped" in line and "num_ctx=8500" in line for line in s.log))
    assert len([line for line in s.log if " host load" in line]) == 1  # no reload for another num_ctx


def test_home_assistant_and_anythingllm(serve):
    s = serve(template=CHATML_TOOLS)
    body = {"model": "tiny", "keep_alive": "300s", "think": False, "stream": True, "options": {"num_ctx": 8192}, "messages": [
        {"role": "system", "content": "Current time is 12:00."}, {"role": "user", "content": "Turn on the light."},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "HassTurnOn", "arguments": {"name": "light"}}}]},
        {"role": "tool", "content": "{\"success\": true}"}], "tools": [FUNCTION]}
    assert s.lines("/api/chat", body)[-1]["done"]
    odd = {"model": "tiny", "stream": True, "keep_alive": 300, "messages": [{"role": "user", "content": "hi"}],
           "options": {"temperature": 0.7, "num_ctx": 4096, "use_mlock": True, "useMLock": True, "numCtx": 4096, "numGpu": 0}}
    assert "".join(line["message"]["content"] for line in s.lines("/api/chat", odd)) == ANSWER
    assert wait_for(lambda: any("numCtx" in line for line in s.log))  # said in the log, not swallowed


def test_open_webui_asks_for_titles_beside_the_chat(serve):
    s = serve(loop=True)
    chat = {"model": "tiny", "stream": True, "options": {"num_predict": 300, "num_gpu": 0, "use_mmap": True}, "keep_alive": "5m",
            "messages": [{"role": "user", "content": "Tell me all about it. " * 40}]}
    got = []
    threads = [threading.Thread(target=lambda b=b: got.append(s.lines("/api/chat", b)[-1]["done"]))
               for b in [chat] + [dict(chat, messages=[{"role": "user", "content": f"### Task {i}: a title"}], options={"num_predict": 20})
                                  for i in range(3)]]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == [True] * 4
    following = dict(chat, stream=False, options={"num_predict": 1},
                     messages=chat["messages"] + [{"role": "assistant", "content": "Well."}, {"role": "user", "content": "More."}])
    s.json("POST", "/api/chat", following)
    asked = lambda: [int(n) for line in s.log for n in re.findall(r"cached_tokens=(\d+)", line)]
    assert wait_for(lambda: len(asked()) == 5) and asked()[-1] > 200  # the titles did not take the chat's place in the cache


def test_llm_evaluation_reads_logprobs(serve):
    s = serve()
    got = s.json("POST", "/v1/completions", {"model": "tiny", "prompt": "hi\n", "max_tokens": 2, "logprobs": 1, "temperature": 0, "seed": 1234})
    assert got["choices"][0]["finish_reason"] == "length" and got["usage"]["completion_tokens"] == 2
