// Signing out at the moment when a page connects: no WebSocket outlives its sign-in.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import https from "node:https";
import WebSocket from "ws";
import { Server, eventually, sleep } from "../support/server.mjs";
import { Person } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: ["limits.logins_per_minute=0"] })));
after(() => server?.stop());

const openEvents = (token) =>
  new WebSocket(server.base.replace("https:", "wss:") + "/api/v1/events", ["parley.v1", `bearer.${token}`], { rejectUnauthorized: false });

/** A kept-alive connection that worker 0 serves: it answers while worker 1 stands still. */
async function agentOfWorker0(person) {
  for (let tries = 0; tries < 20; tries++) {
    const agent = new https.Agent({ rejectUnauthorized: false, keepAlive: true, maxSockets: 1 });
    await person.must("GET", "/me", undefined, { agent });
    server.kill("worker", 1, "SIGSTOP");
    const answer = await Promise.race([person.request("GET", "/me", undefined, { agent }).catch(() => null), sleep(300)]);
    server.kill("worker", 1, "SIGCONT");
    if (answer?.status === 200) return agent;
    await sleep(50);
  }
  throw new Error("worker 0 never served");
}

test("a sign-in that ends while its WebSocket opens takes it along", async () => {
  const ana = await Person.create(server, "Ana");
  const agent = await agentOfWorker0(ana);
  for (let i = 0; i < 12; i++) {
    const other = await ana.device();
    const ws = openEvents(other.token);
    let over = false;
    ws.on("close", () => (over = true));
    ws.on("error", () => {});
    // Where worker 1 has it: stopped somewhere between the question who this is and the answer.
    await sleep(2 + i);
    server.kill("worker", 1, "SIGSTOP");
    try {
      await other.must("DELETE", "/sessions/current", undefined, { agent });
    } finally {
      server.kill("worker", 1, "SIGCONT");
    }
    await eventually(`round ${i}: the WebSocket (state ${ws.readyState}) is closed`, () => over, 3000);
    assert.equal((await other.request("GET", "/me")).status, 401);
  }
});
