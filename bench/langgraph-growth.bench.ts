// How do the checkpointers of LangGraph grow: the time of a turn and of `getState`, and the bytes stored, over a long conversation of the default graph.
// Options: --savers NAME,…  --turns N  --peer-turns N (turns of the others' savers)  --full (as many as ours)  --directory FOLDER
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measure } from "./langgraph-growth/measure.ts";
import { reportAims, reportTable } from "./langgraph-growth/report.ts";
import { openSubjects, SAVER_NAMES, type SaverName } from "./langgraph-growth/savers.ts";

const { values: options } = parseArgs({
  options: {
    savers: { type: "string", default: SAVER_NAMES.join(",") },
    turns: { type: "string", default: "1020" },
    "peer-turns": { type: "string", default: "320" },
    full: { type: "boolean", default: false },
    directory: { type: "string", default: tmpdir() },
  },
});
const turns = Number(options.turns);
const peerTurns = options.full ? turns : Math.min(turns, Number(options["peer-turns"]));
const names = options.savers.split(",").map((name): SaverName => {
  const known = SAVER_NAMES.find((each) => each === name);
  if (known === undefined) throw new Error(`no saver ${JSON.stringify(name)}: there are ${SAVER_NAMES.join(", ")}`);
  return known;
});

const directory = mkdtempSync(join(options.directory, "waystone-bench-"));
try {
  console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${options.directory}`);
  const { subjects, absent, close } = await openSubjects(names, directory);
  for (const line of absent) console.log(line);
  if (subjects.some(({ isPeer }) => isPeer) && peerTurns < turns) {
    console.log(`MemorySaver, SqliteSaver and PostgresSaver stop after turn ${peerTurns} (--full lets them go on)`);
  }
  try {
    const all = await measure(
      subjects,
      ({ isPeer }) => (isPeer ? peerTurns : turns),
      (line) => console.error(line),
    );
    console.log(["", ...reportTable(all), "", ...reportAims(all)].join("\n"));
  } finally {
    await close();
  }
} finally {
  rmSync(directory, { recursive: true });
}
