// The official suite on the memory backend: nothing left out.
import { memoryStorage } from "../../../src/backends/memory/index.js";
import { runOfficialSuite } from "./official-suite.js";

runOfficialSuite("on memory", () => memoryStorage());
