// The folder in which the test files of a run find each other.
import { mkdirSync } from "node:fs";

/** The variable that names it. */
export const RUN_FOLDER = "WAYSTONE_TEST_RUN_FOLDER";

/** Whether this process is the one that makes the file or folder of a turn; the others see that it is there. */
export function takeTurn(turn: string): boolean {
  try {
    mkdirSync(turn);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}
