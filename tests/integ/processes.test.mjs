// What a sysadmin sees: processes, restarts, reload, stop.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ROOT, Server, eventually, freePorts, sleep } from "../support/server.mjs";
import { Person, befriend, request } from "../support/api.mjs";

async function withServer(options, fn) {
  const server = await Server.start(options);
  try {
    await fn(server);
  } finally {
    await server.stop();
  }
}

test("one master, W workers and M pinned mediads, as ps shows them", () =>
  withServer({ workers: 2, mediads: 2 }, async (server) => {
    const all = server.processes();
    const count = (role) => all.filter((p) => p.role === role).length;
    assert.deepEqual([count("master"), count("worker"), count("mediad")], [1, 2, 2]);
    const affinity = (pid) => /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1];
    const cores = all.filter((p) => p.role === "mediad").map((p) => affinity(p.pid));
    for (const core of cores) assert.match(core, /^\d+$/, "each mediad is pinned to one core");
    if (os.availableParallelism() > 1) assert.notEqual(cores[0], cores[1]);
    if (process.getuid() === 0) {
      for (const p of all) {
        const uid = /Uid:\s*(\d+)/.exec(readFileSync(`/proc/${p.pid}/status`, "utf8"))[1];
        assert.notEqual(uid, "0", `${p.role} ${p.index} does not run as root`);
      }
    }
  }));

test("workers hold no media, mediads no database: their descriptors show it", () =>
  withServer({ workers: 2, mediads: 2 }, async (server) => {
    const maps = (pid) => readFileSync(`/proc/${pid}/maps`, "utf8");
    for (const p of server.processes()) {
      if (p.role === "worker") assert.doesNotMatch(maps(p.pid), /memfd:\S*(ring|table)/, "a worker maps no media memory");
      if (p.role === "mediad") assert.doesNotMatch(maps(p.pid), /libpq|memfd:\S*dir/, "a mediad has neither database nor directory");
    }
    const fds = (pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return "";
      }
    });
    for (const p of server.processes().filter((x) => x.role === "mediad"))
      assert.ok(!fds(p.pid).some((f) => /tls_key|tls_cert/.test(f)), "a mediad has no TLS key");
  }));

test("a killed worker is started again, its people reconnect elsewhere, nothing is lost", () =>
  withServer({ workers: 2, mediads: 1 }, async (server) => {
    const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
    await befriend(ana, bela);
    for (const index of [0, 1]) {
      const before = server.pid("worker", index);
      server.kill("worker", index);
      await eventually("a new worker", () => server.pid("worker", index) !== before, 3000);
      await eventually("it is ready", async () => (await server.admin("/readyz")).status === 200, 5000);
    }
    assert.ok((await server.metric("parley_process_restarts_total")) >= 2);
    await ana.connect();
    await bela.connect();
    const call = (await ana.must("POST", "/calls", { invite: [bela.id], video: true })).json.call;
    await bela.event("call.ringing", (e) => e.call_id === call.id);
    await ana.must("POST", `/calls/${call.id}/leave`);
  }));

test("events cross from worker to worker also after a worker was killed", () =>
  withServer({ workers: 2, mediads: 1 }, async (server) => {
    const people = [];
    for (let i = 0; i < 8; i++) people.push(await Person.create(server, `P${i}`));
    for (const p of people.slice(1)) await befriend(people[0], p);
    server.kill("worker", 1);
    await eventually("ready again", async () => (await server.admin("/readyz")).status === 200 && server.pid("worker", 1), 5000);
    await sleep(300);
    for (const p of people) await p.connect();
    await people[0].must("PATCH", "/me", { display_name: "Zero" });
    const call = (await people[0].must("POST", "/calls", { invite: people.slice(1).map((p) => p.id), video: false })).json.call;
    for (const p of people.slice(1)) await p.event("call.ringing", (e) => e.call_id === call.id);
    await people[0].must("POST", `/calls/${call.id}/leave`);
    for (const p of people.slice(1)) await p.event("call.cancelled", (e) => e.call_id === call.id);
    for (const p of people) p.disconnect();
  }));

test("a mediad that hangs is killed and replaced; one that dies is replaced", () =>
  withServer({ workers: 1, mediads: 2 }, async (server) => {
    let before = server.pid("mediad", 1);
    server.kill("mediad", 1);
    await eventually("a new mediad", () => server.pid("mediad", 1) !== before, 3000);
    await eventually("ready", async () => (await server.admin("/readyz")).status === 200, 10_000);
    before = server.pid("mediad", 0);
    server.kill("mediad", 0, "SIGSTOP");
    await eventually("the hung mediad is replaced", () => server.pid("mediad", 0) !== before, 20_000, 200);
  }));

test("SIGHUP reloads: workers are replaced one by one, WebSockets are told to move, requests go on", () =>
  withServer({ workers: 2, mediads: 1 }, async (server) => {
    const ana = await Person.create(server, "Ana");
    await ana.connect();
    const before = [server.pid("worker", 0), server.pid("worker", 1)];
    const mediad = server.pid("mediad", 0);
    let failures = 0;
    let running = true;
    const load = (async () => {
      while (running) {
        try {
          if ((await ana.request("GET", "/me")).status !== 200) failures++;
        } catch {
          failures++; // a kept-alive connection of a draining worker: a client tries once more
        }
        await sleep(20);
      }
    })();
    server.kill("master", 0, "SIGHUP");
    await ana.event("server.moving", () => true, 15_000);
    await eventually(
      "both workers are new",
      () => server.pid("worker", 0) !== before[0] && server.pid("worker", 1) !== before[1],
      25_000,
      200,
    );
    running = false;
    await load;
    assert.equal(server.pid("mediad", 0), mediad, "the mediad stays");
    assert.ok(failures <= 3, `${failures} requests failed during the reload`);
    await ana.connect();
  }));

test("SIGTERM ends everything with status 0", async () => {
  const server = await Server.start({ workers: 2, mediads: 2 });
  const pids = server.processes().map((p) => p.pid);
  const { code } = await server.stop();
  assert.equal(code, 0);
  await sleep(200);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), `process ${pid} is gone`);
});

test("SIGTERM at any moment of the start ends it, too", async () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), "parley-start-"));
  chmodSync(dir, 0o755);
  const ports = await freePorts();
  const env = {
    ...process.env,
    PARLEY_VAR: path.join(dir, "var"),
    PARLEY_PORT: String(ports.https),
    PARLEY_MEDIA_PORT: String(ports.media),
    PARLEY_ADMIN_PORT: String(ports.admin),
    PARLEY_NO_BUILD: "1",
    PARLEY_PG_OPTS: "-c fsync=off",
  };
  /** Starts, sends SIGTERM after this time or, without one, when it runs; { code, log, ms: until SIGTERM }. */
  const round = async (afterMs) => {
    let log = "";
    const began = Date.now();
    const child = spawn("scripts/run", { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    const exited = new Promise((resolve) => child.once("close", (code) => resolve(code)));
    for (const out of [child.stdout, child.stderr]) out.on("data", (chunk) => (log += chunk));
    if (afterMs === undefined) await eventually("it runs", () => /Parley is running/.test(log), 120_000, 10);
    else await sleep(afterMs);
    const ms = Date.now() - began;
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
    const code = await exited;
    clearTimeout(late);
    return { code, log, ms };
  };
  // The first start makes a database, too, and takes longer than those whose moments are looked at.
  assert.equal((await round()).code, 0);
  const { ms: whole } = await round();
  // 130: asked before there was a server. The signal may also end bash before it has set a trap: null.
  const sound = ({ code, log }, when) => assert.ok(code === 0 || code === 130 || (code === null && log === ""), `${when}: status ${code}\n${log}`);
  for (let i = 0; i < 16; i++) sound(await round((whole * i) / 16 + 50), `round ${i}`);
  // Also while a database is made, which must be whole afterwards.
  rmSync(path.join(dir, "var/pg"), { recursive: true });
  sound(await round(whole / 2), "a first start");
  assert.equal((await round()).code, 0);
  rmSync(dir, { recursive: true, force: true });
});

test("while the database is away requests get 503 with Retry-After, and it recovers by itself", () =>
  withServer({ workers: 1, mediads: 1 }, async (server) => {
    const ana = await Person.create(server, "Ana");
    await ana.connect();
    const postmaster = readFileSync(`${server.dir}/var/pg/data/postmaster.pid`, "utf8").split("\n")[0];
    process.kill(Number(postmaster), "SIGSTOP");
    const children = readdirSync("/proc")
      .filter((p) => /^\d+$/.test(p))
      .filter((p) => {
        try {
          return new RegExp(`^PPid:\\s*${postmaster}$`, "m").test(readFileSync(`/proc/${p}/status`, "utf8"));
        } catch {
          return false;
        }
      });
    // The backends die, and nobody accepts new ones: away, without losing the cluster.
    for (const pid of children) {
      try {
        if (/postgres: .*parley.*(idle|SELECT|BIND)/i.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"))) process.kill(Number(pid), "SIGKILL");
      } catch {
        // gone already
      }
    }
    const answer = await eventually(
      "503",
      async () => {
        const a = await ana.request("GET", "/me");
        return a.status === 503 ? a : null;
      },
      15_000,
    );
    assert.equal(answer.json.code, "database_unavailable");
    assert.ok(Number(answer.headers["retry-after"]) > 0);
    process.kill(Number(postmaster), "SIGCONT");
    await eventually("it works again", async () => (await ana.request("GET", "/me")).status === 200, 30_000, 300);
  }));

test("a worker without a descriptor left waits for one, and does not burn a core", () =>
  withServer({ workers: 1, mediads: 1 }, async (server) => {
    const pid = server.pid("worker");
    const open = Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number)) + 1;
    // Limits of another are set by who has the same ids; root itself may lack the capability, in a container.
    const [uid, gid] = ["Uid", "Gid"].map((what) => new RegExp(`${what}:\\s*(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
    const as = process.getuid() === 0 ? ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"] : ["env"];
    const limit = (n) => execFileSync(as[0], [...as.slice(1), "prlimit", `--pid=${pid}`, `--nofile=${n}:`]);
    const before = /Max open files\s+(\d+)/.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))[1];
    limit(open);
    // Some connections may find a number that was given back; then there is none.
    const asked = Array.from({ length: 8 }, () => server.admin("/healthz").then((a) => a.status, () => "refused"));
    await eventually("it says so", () => server.log().includes("cannot accept a connection"), 20_000);
    // utime and stime, in ticks of 10 ms.
    const cpu = () => {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
      return Number(fields[11]) + Number(fields[12]);
    };
    const ticks = cpu();
    await sleep(2000);
    assert.ok(cpu() - ticks < 60, `${cpu() - ticks} ticks of 200`);
    limit(before);
    await eventually("it answers again", async () => (await server.admin("/healthz")).status === 200, 20_000);
    await Promise.all(asked);
  }));

test("metrics carry the contract's names", () =>
  withServer({ workers: 1, mediads: 2 }, async (server) => {
    const all = Object.keys(await server.metrics());
    for (const name of [
      'parley_mediad_packets_forwarded_total{mediad="0"}',
      'parley_mediad_bytes_forwarded_total{mediad="1"}',
      'parley_mediad_cpu_seconds_total{mediad="0"}',
      'parley_media_ring_packets_total{from="0",to="1"}',
      'parley_mediad_transports{mediad="0"}',
      'parley_process_restarts_total{role="worker"}',
      'parley_process_restarts_total{role="mediad"}',
      'parley_worker_websockets{worker="0"}',
    ])
      assert.ok(all.includes(name), `${name} is among ${all.length} metrics`);
    assert.equal((await server.admin("/healthz")).status, 200);
    await assert.rejects(request(server.base, "GET", "/metrics", undefined, { raw: true }).then((r) => assert.equal(r.status, 200)));
  }));
