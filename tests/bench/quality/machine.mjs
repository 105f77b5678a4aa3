// How busy the machine and single processes are.
import { cpus, release, totalmem } from "node:os";
import { readFileSync } from "node:fs";

const TICKS = 100; // sysconf(_SC_CLK_TCK) of every Linux that Debian builds

/** User and system time of processes, in seconds; one that has ended counts no more. */
export function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // it has ended
    }
  }
  return ticks / TICKS;
}

function times() {
  const [user, nice, system, idle, iowait, irq, softirq, steal] = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1).map(Number);
  return { idle: idle + iowait, all: user + nice + system + idle + iowait + irq + softirq + steal };
}

/** From now to stop(): { mean, peak } share of all cores that was busy, peak over five seconds. */
export class Busy {
  constructor() {
    this.first = times();
    this.marks = [this.first];
    this.timer = setInterval(() => this.marks.push(times()), 1000);
  }

  stop() {
    clearInterval(this.timer);
    const last = times();
    const share = (a, b) => (b.all > a.all ? 1 - (b.idle - a.idle) / (b.all - a.all) : 0);
    const windows = this.marks.slice(5).map((mark, i) => share(this.marks[i], mark));
    const mean = share(this.first, last);
    return { mean, peak: Math.max(mean, ...windows) };
  }
}

export const machine = () => ({ cores: cpus().length, model: cpus()[0]?.model ?? "", memoryGiB: Math.round(totalmem() / 2 ** 30), kernel: release() });
