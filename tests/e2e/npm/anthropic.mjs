// SPDX-License-Identifier: MIT
// anthropic.mjs - Anthropic's official JavaScript client.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import {answer, endless, failure, hello, model, step, untilCancelled, url} from "./common.mjs";

const c = new Anthropic({baseURL: url, apiKey: "-", maxRetries: 0});
const ask = {model, messages: hello, max_tokens: 50, temperature: 0};

await step("message", async () => {
  const got = await c.messages.create(ask);
  assert.deepEqual(got.content.map((b) => [b.type, b.text]), [["text", answer]]);
  assert.equal(got.stop_reason, "end_turn");
  assert.equal(got.usage.output_tokens, 7);
  assert.match(got._request_id, /^req_/);
});

await step("message, streamed", async () => {
  const types = [];
  let said = "";
  for await (const event of await c.messages.create({...ask, stream: true})) {
    types.push(event.type);
    if (event.type === "content_block_delta") said += event.delta.text;
  }
  assert.equal(said, answer);
  assert.equal(types[0], "message_start");
  assert.deepEqual(types.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
});

await step("message, with the client's own runner of streams", async () => {
  let said = "";
  const stream = c.messages.stream(ask).on("text", (delta) => (said += delta));
  const got = await stream.finalMessage();
  assert.equal(got.content[0].text, answer);
  assert.equal(said, answer);
});

await step("a limit and a stop", async () => {
  assert.equal((await c.messages.create({...ask, max_tokens: 3})).stop_reason, "max_tokens");
  const got = await c.messages.create({...ask, stop_sequences: [" of"]});
  assert.deepEqual([got.stop_reason, got.stop_sequence, got.content[0].text], ["stop_sequence", " of", "The capital"]);
});

await step("tokens counted", async () => {
  const {usage} = await c.messages.create(ask);
  const counted = await c.messages.countTokens({model, messages: hello});
  assert.equal(counted.input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
});

await step("models", async () => {
  const ids = [];
  for await (const m of c.models.list()) ids.push(m.id);
  assert.ok(ids.includes(model));
});

await step("errors", async () => {
  assert.ok((await failure(c.messages.create({...ask, model: "nothing"}))) instanceof Anthropic.NotFoundError);
  const full = await failure(c.messages.create({...ask, messages: [{role: "user", content: "hi ".repeat(10000)}]}));
  assert.ok(full instanceof Anthropic.BadRequestError);
  assert.match(full.message, /prompt is too long/);
});

await step("abort", async () => {
  const stream = c.messages.stream({...ask, messages: endless, max_tokens: 4000});
  let n = 0;
  stream.on("text", () => ++n === 3 && stream.abort());
  assert.ok((await failure(stream.finalMessage())) instanceof Anthropic.APIUserAbortError);
  await untilCancelled(1);
});

console.log("all is well");
