// What is measured. Each scenario: a line for people, arguments of parley-load, the systems, and seconds if not those of all.
const camera = (bitrate) => ["--fps", "30", "--height", "720", "--tile-height", "720", "--layers", "1", "--bitrate", String(bitrate), "--payload", "1160"];
const quiet = ["--probes", "0"];
const ALL = ["parley", "janus", "janus-loops"];

const fan = (watchers, burst) => ({
  title: `1 → ${watchers}, 1.5 Mbit/s${burst ? ", frames in bursts" : ""}`,
  args: ["one-to-many", "-n", String(watchers + 1), "--no-audio", ...camera(1_500_000), ...quiet, "--join-rate", "100", ...(burst ? ["--burst"] : [])],
  systems: ALL,
  fan: watchers,
  burst,
});

export const SCENARIOS = {
  "1-50": fan(50, false),
  "1-100": fan(100, false),
  "1-200": fan(200, false),
  "1-50-burst": fan(50, true),
  "1-100-burst": fan(100, true),
  "1-200-burst": fan(200, true),
  "4x4": { title: "4 calls of 4, all send 1 Mbit/s and sound", args: ["many-calls", "-n", "16", "--call-size", "4", ...camera(1_000_000)], systems: ALL },
  "audio-50": {
    title: "a call of 50, sound alone, 3 speak",
    args: ["room", "-n", "50", "--turn", "0", "--speakers", "3", "--no-video", "--layers", "1", ...quiet, "--join-rate", "50"],
    systems: ALL,
  },
  "storm-50": {
    title: "50 join at once, 1.5 Mbit/s",
    args: ["one-to-many", "-n", "51", "--no-audio", ...camera(1_500_000), ...quiet, "--join-rate", "10000"],
    systems: ALL,
    seconds: 2,
    storm: true,
  },
  "one-of-200": {
    title: "one call of 200, on two media processes",
    args: ["one-to-many", "-n", "200", "--no-audio", ...camera(1_500_000), ...quiet, "--join-rate", "100"],
    systems: ["parley-spread"],
    placement: true,
  },
  "two-of-100": {
    title: "two calls of 100, one on each media process",
    args: ["many-calls", "-n", "200", "--call-size", "100", "--publishers", "1", "--tiles", "1", "--no-audio", ...camera(1_500_000), "--join-rate", "100"],
    systems: ["parley"],
    placement: true,
  },
};
