#!/usr/bin/env node
/** The command's entry: refuses a Node.js that is too old, then loads the program. */
import { nodeVersionProblem } from "../node-version.js";

const problem = nodeVersionProblem(process.versions.node);
if (problem === undefined) {
  const { main } = await import("./program.js");
  process.exitCode = await main(process.argv);
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}
