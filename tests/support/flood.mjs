// Work for mediads that costs nobody's call anything: datagrams of no known kind, to their UDP ports.
import dgram from "node:dgram";
import { eventually } from "./server.mjs";

const EVERY_MS = 5;
const AT_A_TIME = 50;

/** Sends to all mediads of the server until the function that it resolves with is called. */
async function flood(server) {
  const socket = dgram.createSocket("udp4");
  const datagram = Buffer.alloc(400, 0xff);
  const ports = server
    .processes()
    .filter(({ role }) => role === "mediad")
    .map(({ index }) => server.ports.media + index);
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
  socket.on("error", () => {});
  const timer = setInterval(() => {
    for (const port of ports) for (let i = 0; i < AT_A_TIME; i++) socket.send(datagram, port, "127.0.0.1");
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    socket.close();
  };
}

const overBudget = async (server) =>
  Object.entries(await server.metrics())
    .filter(([name]) => name.startsWith("parley_mediad_over_budget{"))
    .map(([, value]) => value);

/** fn runs while all mediads of the server, which has a media.budget_percent of 1, are over it. */
export async function whileOverBudget(server, fn) {
  const end = await flood(server);
  try {
    await eventually("all mediads are over their budget", async () => (await overBudget(server)).every((over) => over === 1), 120_000, 200);
    return await fn();
  } finally {
    end();
  }
}
