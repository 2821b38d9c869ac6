"""Loaded by schemathesis: half of the bodies are to reach what stands behind the model's name; and what is no fault."""
import schemathesis

KNOWN = {"model": "tiny", "max_tokens": 5, "max_completion_tokens": 5, "max_output_tokens": 5, "n": 1, "best_of": 1, "keep_alive": 60, "num_ctx": 512,
         "messages": [{"role": "user", "content": "hi"}], "prompt": "hi", "input": "hi", "content": "hi", "system": "hi", "stop": ["x"], "stop_sequences": ["x"], "tokens": [1, 2], "options": {"num_predict": 5}}
MUST_FIT = ("think", "format", "response_format", "text", "tools", "tool_choice", "logit_bias", "suffix", "modalities", "audio", "functions", "conversation", "background", "template", "images",
            "context", "prediction", "reasoning", "thinking", "previous_response_id", "logprobs", "top_logprobs", "include", "store", "metadata", "raw", "stream_options", "output_config")


@schemathesis.hook
def map_body(context, body):
    path = context.operation.path
    if not isinstance(body, dict) or "destination" in body or path == "/api/delete":
        return body
    body = {**body, **{k: KNOWN[k] for k in ("model", "max_tokens", "num_ctx", "options") if k in body}}
    if len(repr(body)) % 2:
        return body
    body = {k: KNOWN.get(k, v) for k, v in body.items() if k not in MUST_FIT and not (k == "prompt" and path == "/v1/responses")}
    return {**body, **({"options": KNOWN["options"]} if path.startswith("/api/") else {"max_tokens": 5} if path.startswith("/v1/") else {})}


@schemathesis.check
def no_failure_of_the_server(ctx, response, case):
    assert response.status_code < 500 or response.status_code in (501, 503), response.text
