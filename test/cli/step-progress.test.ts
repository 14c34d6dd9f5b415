// How far a command is whose steps are known, for those who see no bar.
import { expect, it, vi } from "vitest";
import type { Printer } from "../../src/cli/output/printer.js";
import { startStepProgress } from "../../src/cli/output/step-progress.js";

it("is told every few seconds: a line for people, an event for programs", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const said: unknown[] = [];
    const printer = {
      form: "text",
      attended: false,
      quiet: false,
      note: (line: string) => said.push(line),
      event: (event: object) => said.push(event),
    } as unknown as Printer;
    const progress = await startStepProgress(printer, "checkpoints");
    progress.at("import", 1, 2000);
    vi.advanceTimersByTime(5000);
    progress.at("import", 1200, 2000);
    progress.at("import", 1300, 2000);
    vi.advanceTimersByTime(4999);
    progress.at("verify", 10, 2000);
    progress.end();
    expect(said).toEqual([
      "import: 1,200 of 2,000 checkpoints",
      { progress: { phase: "import", done: 1200, total: 2000, elapsedMs: 5000 } },
    ]);
  } finally {
    vi.useRealTimers();
  }
});
