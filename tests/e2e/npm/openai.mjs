// SPDX-License-Identifier: MIT
// openai.mjs - OpenAI's official JavaScript client.
import assert from "node:assert/strict";
import OpenAI from "openai";
import {answer, endless, failure, hello, model, other, step, untilCancelled, url} from "./common.mjs";

const c = new OpenAI({baseURL: `${url}/v1`, apiKey: "-", maxRetries: 0});
const ask = {model, messages: hello, temperature: 0};

await step("models", async () => {
  const ids = [];
  for await (const m of c.models.list()) ids.push(m.id);
  assert.deepEqual(ids.sort(), [other, model]);
  assert.equal((await c.models.retrieve(other)).id, other);
});

await step("chat", async () => {
  const got = await c.chat.completions.create({...ask, logprobs: true, top_logprobs: 2});
  assert.equal(got.choices[0].message.content, answer);
  assert.equal(got.choices[0].finish_reason, "stop");
  assert.equal(got.usage.completion_tokens, 7);
  assert.equal(got.usage.total_tokens, got.usage.prompt_tokens + 7);
  assert.equal(got.choices[0].logprobs.content.length, 7);
  assert.match(got._request_id, /^req_/);
});

await step("chat, streamed", async () => {
  const chunks = [];
  for await (const chunk of await c.chat.completions.create({...ask, stream: true, stream_options: {include_usage: true}}))
    chunks.push(chunk);
  assert.equal(chunks.map((k) => k.choices[0]?.delta.content ?? "").join(""), answer);
  assert.equal(chunks.at(-1).usage.completion_tokens, 7);
  assert.equal(chunks.at(-2).choices[0].finish_reason, "stop");
});

await step("chat, with the client's own runner of streams", async () => {
  const stream = c.chat.completions.stream(ask);
  let said = "";
  stream.on("content", (delta) => (said += delta));
  assert.equal((await stream.finalChatCompletion()).choices[0].message.content, answer);
  assert.equal(said, answer);
});

await step("several answers", async () => {
  const got = await c.chat.completions.create({...ask, n: 2});
  assert.deepEqual(got.choices.map((k) => k.message.content), [answer, answer]);
});

await step("completion", async () => {
  const got = await c.completions.create({model, prompt: "1, 2, 3,", temperature: 0, max_tokens: 2});
  assert.equal(got.choices[0].text, " 4");
  assert.equal(got.choices[0].finish_reason, "length");
});

await step("completion, streamed", async () => {
  let said = "";
  for await (const chunk of await c.completions.create({model, prompt: "1, 2, 3,", temperature: 0, max_tokens: 2, stream: true}))
    said += chunk.choices[0]?.text ?? "";
  assert.equal(said, " 4");
});

await step("errors", async () => {
  const absent = await failure(c.chat.completions.create({...ask, model: "nothing"}));
  assert.ok(absent instanceof OpenAI.NotFoundError);
  assert.equal(absent.code, "model_not_found");
  const long = [{role: "user", content: "hi ".repeat(10000)}];
  const full = await failure(c.chat.completions.create({...ask, messages: long, stream: true}));
  assert.ok(full instanceof OpenAI.BadRequestError);
  assert.equal(full.code, "context_length_exceeded");
  assert.ok((await failure(c.chat.completions.create({...ask, temperature: "hot"}))) instanceof OpenAI.BadRequestError);
});

await step("abort", async () => {
  const stream = await c.chat.completions.create({...ask, messages: endless, stream: true});
  let n = 0;
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content && ++n === 3) stream.controller.abort();
  assert.ok(n < 50);
  await untilCancelled(1);
});

console.log("all is well");
