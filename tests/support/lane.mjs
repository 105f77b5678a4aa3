// Kept-alive connections whose worker is known, so that two requests can be sent to two workers at one moment.
import https from "node:https";
import { request } from "./api.mjs";
import { Page } from "./page.mjs";

async function perWorker(server, name) {
  const all = await server.metrics();
  const out = [];
  for (const [key, value] of Object.entries(all)) {
    const m = new RegExp(`^${name}\\{worker="(\\d+)"\\}$`).exec(key);
    if (m) out[Number(m[1])] = value;
  }
  return out;
}

const PROBES = 12; // more than the other requests of this moment, those for the metrics

/** The worker whose counter rose by PROBES while act() ran; nothing else may be going on. */
async function who(server, name, by, act) {
  const before = await perWorker(server, name);
  await act();
  const after = await perWorker(server, name);
  return after.findIndex((value, k) => value - (before[k] ?? 0) >= by);
}

export class Lane {
  static async open(server) {
    const lane = new Lane();
    lane.base = server.base;
    lane.agent = new https.Agent({ rejectUnauthorized: false, keepAlive: true, maxSockets: 1 });
    lane.worker = await who(server, "parley_worker_requests_total", PROBES, async () => {
      for (let i = 0; i < PROBES; i++) await request(server.base, "GET", "/server", undefined, { agent: lane.agent });
    });
    lane.local = lane.socket();
    return lane;
  }

  socket() {
    // Just after an answer it may not be back among the free ones.
    return [...Object.values(this.agent.freeSockets), ...Object.values(this.agent.sockets)].flat()[0]?.localPort;
  }

  /** Is it still the connection that was looked at? */
  isWarm() {
    return this.local !== undefined && this.socket() === this.local;
  }

  request(person, method, target, body) {
    return person.request(method, target, body, { agent: this.agent });
  }

  close() {
    this.agent.destroy();
  }
}

/** One of what open() makes for each of the server's two workers. The kernel says who accepts, so it is tried
 * until both have one; the surplus stays open meanwhile, or the same worker would go on accepting. */
async function onEach(open, workers = 2) {
  const found = [];
  const surplus = [];
  for (let tries = 0; tries < 60 && found.filter(Boolean).length < workers; tries++) {
    const one = await open();
    if (one.worker >= 0 && !found[one.worker]) found[one.worker] = one;
    else surplus.push(one);
  }
  for (const one of surplus) await one.close();
  if (found.filter(Boolean).length < workers) throw new Error("all connections went to one worker");
  return found;
}

/** [lane to worker 0, lane to worker 1] */
export const lanes = (server) => onEach(() => Lane.open(server));

/** [page on worker 0, page on worker 1] of this person and sign-in. */
export async function pages(server, person) {
  const found = await onEach(async () => {
    let page;
    const worker = await who(server, "parley_worker_websockets", 1, async () => (page = await Page.open(person)));
    return { worker, page, close: () => page.close() };
  });
  return found.map((f) => f.page);
}
