// Bad settings: one clear line, a status other than 0.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawnSync, spawn, execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, writeFileSync, rmSync, readFileSync, existsSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { ROOT, freePorts, eventually } from "../support/server.mjs";

const build = path.resolve(ROOT, process.env.BUILD ?? "build");
let dir, parleyd;
before(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "parley-conf-"));
  chmodSync(dir, 0o755);
  // Copies: the user that a master started as root becomes cannot reach a clone below /root.
  for (const name of ["parleyd", "parley-worker", "parley-mediad"]) copyFileSync(path.join(build, name), path.join(dir, name));
  parleyd = path.join(dir, "parleyd");
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-keyout", `${dir}/key.pem`, "-out", `${dir}/cert.pem`], { stdio: "ignore" });
  execFileSync("openssl", ["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", `${dir}/other.pem`], { stdio: "ignore" });
});
after(() => rmSync(dir, { recursive: true, force: true }));

const good = (extra = "") => `[server]
listen = 127.0.0.1:28443
admin = 127.0.0.1:29464
public_url = https://localhost:28443
tls_cert = ${dir}/cert.pem
tls_key = ${dir}/key.pem
[media]
port = 42000
${extra}`;

function check(text, ...args) {
  const file = path.join(dir, "parley.conf");
  writeFileSync(file, text);
  const run = spawnSync(parleyd, ["--config", file, "--check", ...args], { encoding: "utf8", timeout: 20_000 });
  return { status: run.status, text: run.stderr + run.stdout };
}

test("a good file passes --check", () => {
  const { status, text } = check(good());
  assert.equal(status, 0, text);
});

const bad = {
  "an unknown key names file and line": [good("prot = 1\n"), /parley\.conf:9.*prot/],
  "an unknown section": [good("[nonsense]\nx = 1\n"), /parley\.conf:9.*nonsense/],
  "a key twice": [good("port = 42001\n"), /parley\.conf:9.*port/],
  "a number that is none": [good("processes = many\n"), /parley\.conf:9.*processes/],
  "a port out of range": [good("[turn]\n").replace("port = 42000", "port = 70000"), /parley\.conf:8.*port/],
  "a line that is no setting": [good("what is this\n"), /parley\.conf:9/],
  "an address that is none": [good().replace("127.0.0.1:28443", "nowhere:port"), /parley\.conf:2.*listen/],
};
for (const [what, [text, expected]] of Object.entries(bad)) {
  test(`refused: ${what}`, () => {
    const got = check(text);
    assert.notEqual(got.status, 0);
    assert.match(got.text, expected);
    assert.equal(got.text.trim().split("\n").length, 1, `one line: ${got.text}`);
  });
}

test("refused: an unknown key in -o", () => {
  const got = check(good(), "-o", "media.prot=1");
  assert.notEqual(got.status, 0);
  assert.match(got.text, /media\.prot|prot/);
});

test("refused: a certificate and a key that do not belong together, or are missing", () => {
  let got = check(good().replace("key.pem", "other.pem"));
  assert.notEqual(got.status, 0);
  assert.match(got.text, /other\.pem|cert\.pem/);
  got = check(good().replace("cert.pem", "missing.pem"));
  assert.notEqual(got.status, 0);
  assert.match(got.text, /missing\.pem/);
});

test("a port in use is one clear line and a status other than 0", async () => {
  const ports = await freePorts();
  const holder = createServer().listen(ports.https, "127.0.0.1");
  await new Promise((resolve) => holder.once("listening", resolve));
  const file = path.join(dir, "busy.conf");
  writeFileSync(file, good().replace("28443", String(ports.https)).replace("29464", String(ports.admin)).replace("42000", String(ports.media)));
  const run = spawnSync(parleyd, ["--config", file], { encoding: "utf8", timeout: 20_000 });
  holder.close();
  assert.notEqual(run.status, 0);
  assert.match(run.stderr, new RegExp(String(ports.https)));
  assert.match(run.stderr, /in use/i);
});

test("units, sysusers and tmpfiles are there and systemd-analyze accepts the units", () => {
  const units = [path.join(ROOT, "systemd/parley.service"), path.join(ROOT, "systemd/parley.socket"), path.join(ROOT, "systemd/parley-turn.service")];
  for (const u of units) assert.ok(existsSync(u));
  // The unit names installed programs; verify against copies that name the built ones.
  const tmp = mkdtempSync(path.join(os.tmpdir(), "parley-units-"));
  for (const u of units) {
    const text = readFileSync(u, "utf8").replace(/^(Exec\w+=[-+!@:]*)\S*\/(parleyd|turnserver)/gm, (_, exec, program) => exec + (program === "parleyd" ? parleyd : "/bin/true"));
    writeFileSync(path.join(tmp, path.basename(u)), text);
  }
  const run = spawnSync("systemd-analyze", ["verify", "--man=no", ...units.map((u) => path.join(tmp, path.basename(u)))], { encoding: "utf8" });
  rmSync(tmp, { recursive: true, force: true });
  const complaints = (run.stderr + run.stdout).split("\n").filter((l) => /parley(-turn)?\.(service|socket)/.test(l));
  assert.deepEqual(complaints, []);
});

test("socket activation: the master serves sockets that it was handed", async () => {
  const ports = await freePorts();
  const file = path.join(dir, "activated.conf");
  writeFileSync(file, good("[database]\nurl = postgresql:///nowhere?host=/nonexistent\n").replace("29464", String(ports.admin)).replace("42000", String(ports.media)));
  const child = spawn(
    "systemd-socket-activate",
    ["-l", `127.0.0.1:${ports.https}`, "--fdname=https", parleyd, "--config", file, "-o", "server.workers=1", "-o", "media.processes=1"],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let log = "";
  child.stderr.on("data", (d) => (log += d));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  try {
    const { request } = await import("../support/api.mjs");
    const answer = await eventually("an answer over the activated socket", () => request(`https://127.0.0.1:${ports.https}`, "GET", "/me"), 15_000, 200);
    assert.ok([401, 503].includes(answer.status), `${answer.status}: the database is away, the server answers all the same`);
    assert.doesNotMatch(log, /28443.*in use/);
  } catch (error) {
    error.message += `\n${log}`;
    throw error;
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
});
