// SPDX-License-Identifier: MIT
// ollama.mjs - the official JavaScript client of Ollama's API.
import assert from "node:assert/strict";
import {Ollama} from "ollama";
import {answer, endless, failure, hello, model, other, step, untilCancelled, url} from "./common.mjs";

const c = new Ollama({host: url});
const options = {temperature: 0};

await step("list", async () => {
  const {models} = await c.list();
  assert.deepEqual(models.map((m) => m.name).sort(), [other, model]);
  assert.equal(models[0].details.format, "gguf");
  assert.ok(models[0].modified_at && new Date(models[0].modified_at).getTime() > 0);
});

await step("show", async () => {
  const shown = await c.show({model});
  assert.deepEqual(shown.capabilities, ["completion"]);
  assert.equal(shown.model_info["llama.context_length"], 8192);
});

await step("chat", async () => {
  const got = await c.chat({model, messages: hello, options});
  assert.equal(got.message.content, answer);
  assert.equal(got.message.role, "assistant");
  assert.equal(got.done_reason, "stop");
  assert.equal(got.eval_count, 7);
});

await step("chat, streamed", async () => {
  const parts = [];
  for await (const part of await c.chat({model, messages: hello, options, stream: true})) parts.push(part);
  assert.equal(parts.map((p) => p.message.content).join(""), answer);
  assert.ok(parts.length > 3 && parts.slice(0, -1).every((p) => !p.done) && parts.at(-1).done);
  assert.ok(parts.at(-1).total_duration > 0);
});

await step("generate", async () => {
  const got = await c.generate({model, prompt: hello[0].content, options: {...options, num_predict: 3}});
  assert.equal(got.response, "The capital of");
  assert.equal(got.done_reason, "length");
});

await step("generate, streamed", async () => {
  let said = "";
  for await (const part of await c.generate({model, prompt: hello[0].content, options, stream: true})) said += part.response;
  assert.equal(said, answer);
});

await step("ps", async () => {
  const {models} = await c.ps();
  assert.deepEqual(models.map((m) => m.name), [model]);
  assert.ok(new Date(models[0].expires_at) > new Date());
});

await step("version", async () => assert.match((await c.version()).version, /^\d+\.\d+\.\d+$/));

await step("copy and delete", async () => {
  await c.copy({source: model, destination: "copied"});
  assert.ok((await c.list()).models.some((m) => m.name === "copied:latest"));
  assert.equal((await c.delete({model: "copied"})).status, "success");
  assert.ok(!(await c.list()).models.some((m) => m.name === "copied:latest"));
});

await step("errors", async () => {
  const absent = await failure(c.chat({model: "nothing", messages: hello}));
  assert.equal(absent.status_code, 404);
  assert.match(absent.message, /nothing/);
  const streamed = await failure(c.chat({model: "nothing", messages: hello, stream: true}));
  assert.equal(streamed.status_code, 404);
  assert.match((await failure(c.chat({model, messages: hello, options: {top_p: 7}}))).message, /0\.\.1/);
});

await step("abort", async () => {
  const stream = await c.chat({model, messages: endless, options, stream: true});
  const e = await failure((async () => {
    let n = 0;
    for await (const part of stream) if (part.message.content && ++n === 3) stream.abort();
  })());
  assert.equal(e.name, "AbortError");
  await untilCancelled(1);
});

console.log("all is well");
