// Prints `N passed, N failed, N skipped` from vitest's JSON report, given as the argument.
// Plain JavaScript: it has to answer also when the pinned Node could not be installed.
import { existsSync, readFileSync } from "node:fs";

const [file = ""] = process.argv.slice(2);
const { passed, failed, skipped } = count(file);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);

/** Without a report the run itself failed; a file that could not be loaded counts as one failed test. */
function count(file) {
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(file, "utf8"));
  const unloaded = report.testResults.filter(
    (suite) => suite.status === "failed" && suite.assertionResults.length === 0,
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
