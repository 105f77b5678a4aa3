// parleyctl top and parleyctl capacity against a running server, and without one.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { crowd } from "../support/database.mjs";
import { ROOT, Server, eventually } from "../support/server.mjs";

const BUILD = path.join(ROOT, process.env.BUILD ?? "build");

let server, config, nobody;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2 });
  config = path.join(server.dir, "ctl.conf");
  nobody = path.join(server.dir, "nobody.conf");
  writeFileSync(config, `[server]\nadmin = 127.0.0.1:${server.ports.admin}\n[media]\nprocesses = 2\n`);
  writeFileSync(nobody, `[server]\nadmin = unix:${server.dir}/nobody.sock\nworkers = 3\n[media]\nprocesses = 4\n`);
});
after(() => server?.stop());

/** { code, out, err } */
const ctl = (conf, ...args) =>
  new Promise((resolve) => {
    execFile(path.join(BUILD, "parleyctl"), ["--config", conf, ...args], { timeout: 60_000 }, (error, out, err) => resolve({ code: error ? error.code : 0, out, err }));
  });

/** The lines of a table whose head begins with that word: [{ MEDIAD: "0", PID: "12", … }]. Words of a title are parted
 *  by one blank, its columns end where they end. */
function rows(text, first) {
  const lines = text.split("\n");
  const head = lines.findIndex((line) => line.trimStart().startsWith(first));
  assert.ok(head >= 0, text);
  const ends = [...lines[head].matchAll(/(IN Mb\/s|FWD Mb\/s|RING s|\S+)/g)].map((m) => [m[0], m.index + m[0].length]);
  const out = [];
  for (const line of lines.slice(head + 1)) {
    if (!line.trim()) break;
    out.push(Object.fromEntries(ends.map(([name, end], i) => [name, line.slice(i ? ends[i - 1][1] : 0, end).trim()])));
  }
  return out;
}

/** In a terminal of that size; keys are sent when the first table has come. Resolves with all that was written. */
function inTerminal(columns, lines, keys, then = "") {
  // Ctrl-C reaches the shell, too.
  const command = `trap : INT; stty cols ${columns} rows ${lines}; ${BUILD}/parleyctl --config ${config} top -i 0.3; echo "status $?"; ${then}`;
  const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, TERM: "xterm", SHELL: "/bin/sh" } });
  let out = "";
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => child.kill(), 60_000);
    let sent = false;
    child.stdout.on("data", (data) => {
      out += data;
      // The second picture: rates are there.
      if (!sent && out.split("WORKER").length > 2) {
        sent = true;
        child.stdin.write(keys);
      }
    });
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(late);
      resolve(out);
    });
  });
}

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

test("top: a line for each process, and one for all", async () => {
  const { code, out, err } = await ctl(config, "top", "-n", "2", "--interval", "0.5");
  assert.equal(code, 0, err);
  assert.ok(!out.includes("\x1b"), "no control sequences where no terminal is");
  const tables = out.split("parley top").slice(1);
  assert.equal(tables.length, 2);
  const processes = server.processes();
  for (const table of tables) {
    for (const [role, title] of [["mediad", "MEDIAD"], ["worker", "WORKER"]]) {
      const lines = rows(table, title);
      assert.deepEqual(lines.map((line) => line[title]), ["0", "1", "all"]);
      for (const i of [0, 1]) assert.equal(Number(lines[i].PID), processes.find((p) => p.role === role && p.index === i).pid);
      for (const line of lines) assert.match(line["CPU%"], /^\d+\.\d$/);
    }
    for (const line of rows(table, "MEDIAD")) {
      assert.equal(line.NEW, "yes");
      assert.match(line["FWD/s"], /^\d+$/);
    }
    // The question itself is a request.
    assert.ok(Number(rows(table, "WORKER")[2]["REQ/s"]) > 0, table);
  }
});

test("top in a terminal fills the window, and leaves the terminal as it was: q and Ctrl-C", async () => {
  for (const key of ["q", "\x03"]) {
    const out = await inTerminal(70, 12, key, "stty -a");
    assert.ok(out.includes(ENTER), JSON.stringify(out));
    assert.equal(out.lastIndexOf(ENTER) < out.lastIndexOf(LEAVE), true);
    const [shown, rest] = out.split(LEAVE);
    assert.match(rest, /status 0/);
    assert.match(rest, /[^-]icanon/);
    assert.match(rest, /[^-]echo\b/);
    for (const picture of shown.slice(shown.indexOf(ENTER)).split("\x1b[H").slice(1)) {
      const lines = picture.replaceAll("\x1b[K", "").replaceAll("\x1b[J", "").split("\r\n");
      assert.ok(lines.length <= 12, picture);
      for (const line of lines) assert.ok(line.length <= 70, line);
      assert.ok(!picture.includes("BATCH") && picture.includes("CPU%"), "a narrow window shows what matters most");
    }
  }
});

test("top says when there is no server, and what a wrong command line is", async () => {
  const away = await ctl(nobody, "top");
  assert.equal(away.code, 1);
  assert.match(away.err, /nobody\.sock: No such file/);
  for (const args of [["-n", "0"], ["-n", "x"], ["--interval", "0"], ["--interval", "1x"], ["--what"], ["more"]]) {
    const wrong = await ctl(config, "top", ...args);
    assert.equal(wrong.code, 2, args.join(" "));
    assert.match(wrong.err, /usage: parleyctl/);
  }
});

test("the other commands take their options on both sides, as ever", async () => {
  for (const args of [["status"], ["status", "-o", "log.level=warn"]]) {
    const { code, out, err } = await ctl(config, ...args);
    assert.equal(code, 0, err);
    assert.match(out, /mediad\/1 /);
  }
  assert.equal((await ctl(config)).code, 2);
  assert.equal((await ctl(config, "status", "top")).code, 2);
  assert.equal((await ctl(config, "--", "status")).code, 0);
});

test("capacity: from given costs, for a machine of which all is given", async () => {
  const machine = ["--cores", "4", "--nic-mbit", "1000", "--memory-mib", "1024", "--member-kib", "256"];
  const { code, out, err } = await ctl(nobody, "capacity", "--json", "--cost-us", "5", "--cost-in-us", "5", "--people", "2,30", "--cameras", "0", ...machine);
  assert.equal(code, 0, err);
  const { costs, machine: told, plans } = JSON.parse(out);
  assert.deepEqual(costs, { source: "options", out_us: 5, in_us: 5 });
  assert.deepEqual(told, { cores: 4, mediads: 4, workers: 3, budget: 0.85, nic_bps: 1e9, memory_bytes: 2 ** 30, member_bytes: 256 * 1024 });
  assert.deepEqual(plans.map(({ people }) => people), [2, 30]);
  // Two people, 100 packets of sound a second in and out: a thousandth of a core. Memory ends first.
  const [two, thirty] = plans;
  assert.equal(two.each.cores, 0.001);
  assert.deepEqual([two.calls, two.limit, two.allowed.cpu, two.allowed.members], [2048, "memory", 3400, null]);
  assert.equal(thirty.each.out_packets, 30 * 9 * 50);
  assert.equal(thirty.limit, "cpu");

  const text = await ctl(nobody, "capacity", "--cost-us", "5", ...machine);
  assert.equal(text.code, 0);
  assert.match(text.out, /In calls of .* ends first/);
  const many = await ctl(nobody, "capacity", "--cost-us", "5", "--people", "101");
  assert.match(many.out, /more people than limits\.call_members = 100 allows/);
});

test("capacity --measure: a packet costs something here", async () => {
  const { code, out, err } = await ctl(nobody, "capacity", "--json", "--measure", "--people", "4");
  assert.equal(code, 0, err);
  const { costs, plans } = JSON.parse(out);
  assert.equal(costs.source, "measured");
  assert.ok(costs.out_us > 0.1 && costs.in_us > 0.1 && costs.out_us < 1000, out);
  assert.ok(plans[0].calls > 0);
});

test("capacity without costs: from what the server has carried, once that is enough", async () => {
  const wrong = [["--people", "0"], ["--people", "2,"], ["--tiles", "x"], ["--cost-in-us", "2"], ["--measure", "--cost-us", "2"], ["--what"], ["more"]];
  for (const args of wrong) assert.equal((await ctl(config, "capacity", ...args)).code, 2, args.join(" "));
  const away = await ctl(nobody, "capacity");
  assert.equal(away.code, 1);
  assert.match(away.err, /no server answers.*--measure/);
  const early = await ctl(config, "capacity");
  assert.equal(early.code, 1);
  assert.match(early.err, /too little.*--cost-us/);

  const people = await crowd(server, 12, "Load");
  const tokens = path.join(server.dir, "tokens");
  writeFileSync(tokens, people.map(({ token }) => `${token}\n`).join(""));
  const args = ["room", "-n", "12", "-t", "20", "--turn", "0", "--probes", "0", "--bitrate", "200000", "--insecure", "--tokens", tokens, server.base];
  const load = spawn("setpriv", ["--pdeathsig", "TERM", path.join(BUILD, "parley-load"), ...args], { stdio: "ignore" });
  try {
    await eventually("packets flow", async () => (await server.metric("parley_mediad_packets_forwarded_total")) > 5_000, 120_000, 300);
    const { out: live } = await ctl(config, "top");
    const all = rows(live, "MEDIAD").at(-1);
    assert.equal(all.TRANSP, "12");
    assert.ok(Number(all["FWD/s"]) > 0 && Number(all["us/FWD"]) > 0, live);
    await eventually("enough has flowed", async () => (await server.metric("parley_mediad_packets_forwarded_total")) > 50_000, 120_000, 300);
  } finally {
    load.kill();
  }
  const { code, out, err } = await ctl(config, "capacity", "--json");
  assert.equal(code, 0, err);
  const { costs, machine, plans } = JSON.parse(out);
  assert.equal(costs.source, "server");
  assert.ok(costs.out_us > 0.5 && costs.out_us < 1000, out);
  assert.equal(machine.mediads, 2);
  assert.equal(plans.length, 9);
  // More people in a call: fewer calls.
  for (let i = 2; i < plans.length; i++) assert.ok(plans[i].calls <= plans[i - 1].calls);
  // The counters behind it.
  const metrics = await server.metrics();
  for (const k of [0, 1]) {
    assert.ok(metrics[`parley_mediad_busy_seconds_total{mediad="${k}"}`] > 0);
    assert.ok(metrics[`parley_mediad_waiting_seconds_total{mediad="${k}"}`] > 0);
    assert.ok(metrics[`parley_mediad_sleeps_total{mediad="${k}"}`] > 0);
    assert.ok(metrics[`parley_mediad_cipher_samples_total{mediad="${k}"}`] > 0);
    assert.ok(metrics[`parley_mediad_cipher_sampled_seconds_total{mediad="${k}"}`] > 0);
    assert.ok(metrics[`parley_worker_cpu_seconds_total{worker="${k}"}`] > 0);
  }
});
