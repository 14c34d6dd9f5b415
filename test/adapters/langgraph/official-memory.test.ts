// The official suite on the memory backend: nothing left out.
import { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import { runOfficialSuite } from "./official-suite.js";

runOfficialSuite({
  checkpointerName: "WaystoneSaver on memory",
  createCheckpointer: () => new WaystoneSaver(memoryStorage()),
});
