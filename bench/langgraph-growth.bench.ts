// How do the checkpointers of LangGraph grow: the time of a turn and of `getState`, and the bytes stored, over a long conversation of the default graph.
// Options: --savers NAME,…  --turns N  --peer-turns N (turns of the others' savers)  --full (as many as ours)  --directory FOLDER
// --cpu (times are what each saver's process computes, for a machine with other work: not what disks and servers take)
// --conversations N (recorded ones that are replayed, from the file that WAYSTONE_TEST_RECORDING names, or that lies beside the repository)
// --picture FILE.svg  --keep FILE.json (what was measured)  --from FILE.json (report and draw that, measure nothing)
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { recordedConversations } from "../test/support/recorded-graph.ts";
import { type Measured, measure } from "./langgraph-growth/measure.ts";
import { drawGrowth } from "./langgraph-growth/picture.ts";
import { replayRecording } from "./langgraph-growth/recording.ts";
import { reportAims, reportTable } from "./langgraph-growth/report.ts";
import { openSubjects, SAVER_NAMES, type SaverName } from "./langgraph-growth/savers.ts";

const { values: options } = parseArgs({
  options: {
    savers: { type: "string", default: SAVER_NAMES.join(",") },
    turns: { type: "string", default: "1020" },
    "peer-turns": { type: "string", default: "320" },
    full: { type: "boolean", default: false },
    cpu: { type: "boolean", default: false },
    directory: { type: "string", default: tmpdir() },
    conversations: { type: "string", default: "50" },
    picture: { type: "string" },
    keep: { type: "string" },
    from: { type: "string" },
  },
});
const turns = Number(options.turns);
const peerTurns = options.full ? turns : Math.min(turns, Number(options["peer-turns"]));
const names = options.savers.split(",").map((name): SaverName => {
  const known = SAVER_NAMES.find((each) => each === name);
  if (known === undefined) throw new Error(`no saver ${JSON.stringify(name)}: there are ${SAVER_NAMES.join(", ")}`);
  return known;
});

const all = options.from === undefined ? await run() : (JSON.parse(readFileSync(options.from, "utf8")) as Measured[]);
console.log(["", ...reportTable(all), "", ...reportAims(all)].join("\n"));
if (options.keep !== undefined) writeFileSync(options.keep, JSON.stringify(all));
if (options.picture !== undefined) writeFileSync(options.picture, await drawGrowth(all));

async function run(): Promise<Measured[]> {
  console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${options.directory}`);
  const directory = mkdtempSync(join(options.directory, "waystone-bench-"));
  const { subjects, place, absent, close } = await openSubjects(names, directory);
  try {
    for (const line of absent) console.log(line);
    if (options.cpu)
      console.log("times are of each saver's process alone: what it computes, not what disks and servers take");
    if (subjects.some(({ isPeer }) => isPeer) && peerTurns < turns) {
      console.log(`MemorySaver, SqliteSaver and PostgresSaver stop after turn ${peerTurns} (--full lets them go on)`);
    }
    const all = await measure(
      subjects,
      ({ isPeer }) => (isPeer ? peerTurns : turns),
      place,
      options.cpu,
      console.error,
    );
    const conversations = recordedConversations().slice(0, Number(options.conversations));
    if (conversations.length > 0) console.log(["", ...(await replayRecording(subjects, conversations))].join("\n"));
    else console.log("no recorded conversations are replayed: WAYSTONE_TEST_RECORDING names a JSON Lines file of them");
    return all;
  } finally {
    await close();
    rmSync(directory, { recursive: true });
  }
}
