// A database for each test server, as the scripts of `make run` make it: the first one of a build is made by them and
// kept, the others begin with a copy of it. That takes a tenth of the time.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");
const KEPT = path.resolve(ROOT, process.env.BUILD ?? "build", "test-cluster");

const copy = (from, to) => execFileSync("cp", ["-a", from, to]);

/** Of all that decides what is in it. */
function fingerprint() {
  const hash = createHash("sha256");
  const files = ["scripts/pg", "scripts/env.sh", "scripts/migrate", ...readdirSync(path.join(ROOT, "sql")).sort().map((name) => `sql/${name}`)];
  for (const file of files.filter((name) => !name.startsWith("sql/") || name.endsWith(".sql"))) hash.update(file).update(readFileSync(path.join(ROOT, file)));
  hash.update(readdirSync("/usr/lib/postgresql").join()).update(String(process.getuid()));
  return hash.digest("hex").slice(0, 16);
}

/** Makes it, migrates it, stops it, keeps it. */
function make(kept) {
  const dir = mkdtempSync(path.join(os.tmpdir(), "parley-cluster-"));
  try {
    chmodSync(dir, 0o755);
    const env = { ...process.env, PARLEY_VAR: path.join(dir, "var"), PARLEY_PG_OPTS: "-c fsync=off" };
    const script = (name, ...args) => execFileSync(path.join(ROOT, "scripts", name), args, { cwd: ROOT, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    script("pg", "start");
    try {
      script("migrate", "--url", script("pg", "url").trim(), "--sql", path.join(ROOT, "sql"));
    } finally {
      script("pg", "stop");
    }
    mkdirSync(KEPT, { recursive: true });
    for (const old of readdirSync(KEPT)) if (!old.startsWith(path.basename(kept))) rmSync(path.join(KEPT, old), { recursive: true, force: true });
    copy(path.join(dir, "var/pg/data"), `${kept}.${process.pid}`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  try {
    renameSync(`${kept}.${process.pid}`, kept);
  } catch (error) {
    if (!existsSync(kept)) throw error;
    rmSync(`${kept}.${process.pid}`, { recursive: true }); // somebody else was faster
  }
}

/** Into PARLEY_VAR of a server that was never started. */
export function giveCluster(dir) {
  const kept = path.join(KEPT, fingerprint());
  if (!existsSync(kept)) make(kept);
  mkdirSync(path.join(dir, "pg"), { recursive: true });
  copy(kept, path.join(dir, "pg/data"));
}
