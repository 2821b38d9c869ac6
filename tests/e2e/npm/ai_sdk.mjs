// SPDX-License-Identifier: MIT
// ai_sdk.mjs - the AI SDK with its provider for servers that speak as OpenAI does.
import assert from "node:assert/strict";
import {createOpenAICompatible} from "@ai-sdk/openai-compatible";
import {generateText, streamText} from "ai";
import {answer, endless, failure, hello, model, step, untilCancelled, url} from "./common.mjs";

const provider = createOpenAICompatible({name: "hyperlama", baseURL: `${url}/v1`, includeUsage: true});
const ask = {model: provider(model), messages: hello, temperature: 0, maxRetries: 0};

await step("text", async () => {
  const got = await generateText(ask);
  assert.equal(got.text, answer);
  assert.equal(got.finishReason, "stop");
  assert.equal(got.usage.outputTokens, 7);
});

await step("text, streamed", async () => {
  const got = streamText(ask);
  let said = "", n = 0;
  for await (const delta of got.textStream) said += delta, n++;
  assert.equal(said, answer);
  assert.ok(n > 3);
  assert.equal(await got.finishReason, "stop");
  assert.equal((await got.usage).outputTokens, 7);
});

await step("a system text and a limit", async () => {
  const got = await generateText({...ask, messages: undefined, system: "Be brief.", prompt: hello[0].content, maxOutputTokens: 3});
  assert.equal(got.finishReason, "length");
  assert.equal(got.usage.outputTokens, 3);
});

await step("a model for completions", async () => {
  const got = await generateText({...ask, messages: undefined, model: provider.completionModel(model), prompt: "1, 2, 3,", maxOutputTokens: 2});
  assert.ok(got.text.length > 0 && got.finishReason === "length");
});

await step("errors", async () => {
  const absent = await failure(generateText({...ask, model: provider("nothing")}));
  assert.equal(absent.statusCode, 404);
  assert.match(absent.message, /nothing/);
  assert.equal(absent.isRetryable, false);
});

await step("abort", async () => {
  const abort = new AbortController();
  const got = streamText({...ask, messages: endless, abortSignal: abort.signal, onError: () => {}});
  let n = 0, wasAborted = false;
  for await (const part of got.fullStream) {
    if (part.type === "text-delta" && ++n === 3) abort.abort();
    wasAborted ||= part.type === "abort";
  }
  assert.ok(wasAborted);
  await untilCancelled(1);
});

console.log("all is well");
