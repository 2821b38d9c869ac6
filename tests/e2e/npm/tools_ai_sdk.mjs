// SPDX-License-Identifier: MIT
// tools_ai_sdk.mjs - loops of several steps with tools: the AI SDK with each of its providers that speaks one of our dialects, and
// the loops of the clients of OpenAI and Anthropic. test_tools.py runs it against a model that calls get_weather twice, then answers.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import {createOpenAICompatible} from "@ai-sdk/openai-compatible";
import {generateText, jsonSchema, stepCountIs, streamText, tool} from "ai";
import OpenAI from "openai";
import {step, url} from "./common.mjs";

const schema = {type: "object", properties: {city: {type: "string"}, days: {type: "integer"}}, required: ["city"]};
const wanted = [{city: "Rome", days: 2}, {city: "Oslo", days: 3}];
const answer = "Rain in both.";
const messages = [{role: "user", content: "Weather?"}];
let asked = [];
const weather = args => (asked.push(args), `${args.city}: rain`);

const provider = createOpenAICompatible({name: "hyperlama", baseURL: `${url}/v1`, includeUsage: true});
const tools = {get_weather: tool({description: "Weather of a city", inputSchema: jsonSchema(schema), execute: weather})};
const ask = {model: provider("tiny"), messages, tools, stopWhen: stepCountIs(5), temperature: 0, maxRetries: 0};

await step("steps", async () => {
  asked = [];
  const got = await generateText(ask);
  assert.deepEqual(asked, wanted);
  assert.equal(got.text, answer);
  assert.deepEqual(got.steps.map(s => s.finishReason), ["tool-calls", "stop"]);
});

await step("steps, streamed", async () => {
  asked = [];
  const got = streamText(ask);
  const kinds = new Set();
  let input = "";
  for await (const part of got.fullStream) {
    kinds.add(part.type);
    if (part.type === "tool-input-delta") input += part.delta;
  }
  for (const kind of ["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"]) assert.ok(kinds.has(kind), kind);
  assert.deepEqual(asked, wanted);
  assert.equal(input, wanted.map(w => `{"city": "${w.city}", "days": ${w.days}}`).join(""));
  assert.equal((await got.steps).at(-1).text, answer);
});

await step("OpenAI's runner of tools", async () => {
  asked = [];
  const client = new OpenAI({baseURL: `${url}/v1`, apiKey: "-", maxRetries: 0});
  for (const stream of [false, true]) {
    const runner = client.chat.completions.runTools({model: "tiny", messages, stream, tools: [
      {type: "function", function: {name: "get_weather", parameters: schema, function: weather, parse: JSON.parse}}]});
    assert.equal(await runner.finalContent(), answer);
  }
  assert.deepEqual(asked, [...wanted, ...wanted]);
});

await step("Anthropic's loop", async () => {
  asked = [];
  const client = new Anthropic({baseURL: url, apiKey: "-", maxRetries: 0});
  const said = [...messages];
  let last;
  for (;;) {
    last = await client.messages.stream({model: "tiny", max_tokens: 200, messages: said, tools: [{name: "get_weather", input_schema: schema}]}).finalMessage();
    if (last.stop_reason !== "tool_use") break;
    said.push({role: "assistant", content: last.content});
    said.push({role: "user", content: last.content.filter(b => b.type === "tool_use").map(b => (
      {type: "tool_result", tool_use_id: b.id, content: weather(b.input)}))});
  }
  assert.deepEqual(asked, wanted);
  assert.equal(last.content[0].text, answer);
});

console.log("all is well");
