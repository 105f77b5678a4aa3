// Many people do everything at once for SOAK_BOT_MINUTES, while workers die now and then; `make soak`
// runs it. At the end everybody and the database tell the same. SOAK_BOTS and SOAK_SEED are numbers, too.
import { Server } from "../support/server.mjs";
import { OPTS, bots } from "../support/bots.mjs";

const env = (name, otherwise) => Number(process.env[name] ?? otherwise);
const minutes = env("SOAK_BOT_MINUTES", 10);

const server = await Server.start({ workers: 2, mediads: 2, opts: OPTS });
try {
  const line = await bots(server, {
    count: env("SOAK_BOTS", 1000),
    seconds: minutes * 60,
    seed: env("SOAK_SEED", Date.now() % 1_000_000),
    pause: env("SOAK_PAUSE_MS", 4000),
    kills: Math.max(1, Math.floor(minutes / 2)),
  });
  console.log(line);
} finally {
  await server.stop();
}
