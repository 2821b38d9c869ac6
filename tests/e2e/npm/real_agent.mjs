// SPDX-License-Identifier: MIT
// real_agent.mjs - the AI SDK's loop with a real model: calls that must be made, objects of a schema. test_real_agents.py runs it.
import assert from "node:assert/strict";
import {createOpenAICompatible} from "@ai-sdk/openai-compatible";
import {generateObject, generateText, jsonSchema, stepCountIs, streamText, tool} from "ai";
import {step, url} from "./common.mjs";

const words = (...list) => ({type: "string", enum: list});
const schema = {type: "object", required: ["city", "days", "stops"], additionalProperties: false, properties: {
  city: words("Rome", "Oslo"), days: {type: "integer", minimum: 1, maximum: 14}, stops: {type: "array", items: words("a", "b"), maxItems: 3}}};
const prompt = "Book a train to Rome for two people, 3 days.";
const provider = createOpenAICompatible({name: "hyperlama", baseURL: `${url}/v1`, includeUsage: true, supportsStructuredOutputs: true});
let called = 0;

function check(v) {
  assert.deepEqual(Object.keys(v), ["city", "days", "stops"]);
  assert.ok(["Rome", "Oslo"].includes(v.city) && Number.isInteger(v.days) && v.days >= 1 && v.days <= 14);
  assert.ok(v.stops.length <= 3 && v.stops.every(s => s === "a" || s === "b"));
}
const book = args => (check(args), called++, "booked");

for (const name of process.env.HL_MODELS.split(" ")) {
  const model = provider(name);
  const tools = {book: tool({description: "Book a trip", inputSchema: jsonSchema(schema), execute: book}), wait: tool({inputSchema: jsonSchema({type: "object", properties: {}}), execute: () => "waited"})};
  const ask = {model, prompt, tools, stopWhen: stepCountIs(2), temperature: 1, maxRetries: 0, maxOutputTokens: 300, providerOptions: {hyperlama: {parallel_tool_calls: false}}};
  await step(`${name}: required`, async () => {
    const got = await generateText({...ask, toolChoice: "required"});
    assert.equal(got.steps.length, 2);
    for (const s of got.steps) assert.equal(s.finishReason, "tool-calls");
  });
  await step(`${name}: by name, streamed`, async () => {
    const before = called, got = streamText({...ask, toolChoice: {type: "tool", toolName: "book"}});
    for await (const part of got.fullStream) assert.notEqual(part.type, "error", String(part.error));
    assert.equal((await got.steps).length, 2);
    assert.equal(called, before + 2);
  });
  await step(`${name}: an object`, async () => check((await generateObject({model, prompt, schema: jsonSchema(schema), temperature: 1.5, maxRetries: 0, maxOutputTokens: 300})).object));
}
console.log("all is well");
