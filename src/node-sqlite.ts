/** `node:sqlite`, loaded when the first file is opened, so that importing what needs it costs and warns nothing. */
import type * as sqlite from "node:sqlite";
import { UnsupportedError } from "./contract/errors.js";

let loaded: typeof sqlite | undefined;

/** @throws UnsupportedError on a runtime without `node:sqlite` */
export function loadSqlite(): typeof sqlite {
  loaded ??= withoutExperimentalWarning(() => process.getBuiltinModule("node:sqlite"));
  if (loaded === undefined) throw new UnsupportedError("this runtime has no node:sqlite; use Node.js 22.13 or newer");
  return loaded;
}

/** Node 22 says on load that SQLite is experimental. It is tested here; other warnings pass. */
function withoutExperimentalWarning<T>(load: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (rest[0] === "ExperimentalWarning" && String(warning).startsWith("SQLite ")) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}
