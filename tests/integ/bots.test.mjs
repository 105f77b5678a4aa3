// Two hundred people on two workers, one of which is killed; afterwards everybody and the database tell the same.
import { test, before, after } from "node:test";
import { Server } from "../support/server.mjs";
import { OPTS, bots } from "../support/bots.mjs";

const env = (name, otherwise) => Number(process.env[name] ?? otherwise);

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: OPTS })));
after(() => server?.stop());

test("two hundred people do everything at once while a worker dies: nobody is left with something else", async (t) => {
  t.diagnostic(
    await bots(server, {
      count: env("BOTS", 200),
      seconds: env("BOTS_SECONDS", 24),
      seed: env("BOTS_SEED", 1),
      pause: env("BOTS_PAUSE_MS", 700),
    }),
  );
});
