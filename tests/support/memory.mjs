import { readFileSync } from "node:fs";

/** KiB of a process, from the kernel's own sums. Shared memory (rings, tables) is in pss and shmem, not in anon. */
export function memoryOf(pid) {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (text, name) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return { pss: kib(rollup, "Pss"), anon: kib(status, "RssAnon"), shmem: kib(status, "RssShmem"), rss: kib(status, "VmRSS") };
}
