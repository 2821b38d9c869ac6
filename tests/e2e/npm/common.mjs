// SPDX-License-Identifier: MIT
// common.mjs - what each suite gets: the server, what its models say, and steps that name themselves.
export const url = process.env.HL_URL;
export const [model, other] = ["smollm2:135m", "gemma3:270m"];
export const hello = [{role: "user", content: "Name the capital of France."}];
export const answer = "The capital of France is Paris.";
export const endless = [{role: "user", content: "Count from 1 to 1000, each number on its own line."}];

export async function step(name, fn) {
  console.log(name);
  await fn();
}

// What a promise is rejected with.
export async function failure(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  throw new Error("it did not fail");
}

// A number of the server's metrics.
export async function metric(name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(text.match(new RegExp(`^hyperlama_${name} (\\d+)$`, "m"))[1]);
}

// The server sees that a client has left a moment later. The suite's limit ends what hangs.
export async function untilCancelled(n) {
  while ((await metric("cancelled_total")) < n) await new Promise((go) => setTimeout(go, 10));
}
