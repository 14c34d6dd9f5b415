/** Importing this module throws one clear sentence on a Node.js that is too old. Public entries import it first. */
import { UnsupportedError } from "./contract/errors.js";
import { nodeVersionProblem } from "./node-version.js";

const problem: string | undefined = nodeVersionProblem(globalThis.process?.versions?.node);
if (problem !== undefined) throw new UnsupportedError(problem);
