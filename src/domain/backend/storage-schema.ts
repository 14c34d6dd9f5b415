/** `storageSchema(driver)`: deadlines, refusals and errors of the calls that are about a schema alone. */
import type { CallOptions } from "../../contract/call.js";
import type { SchemaStatus, StorageSchema } from "../../contract/storage-schema.js";
import { integer, knownOptions } from "../arguments.js";
import { DEFAULT_TIMEOUT_MS, timeoutOption } from "../call-options.js";
import type { Call } from "../driver/call.js";
import { withErrorFields } from "./error-fields.js";
import { type LifecycleDriver, runCalls, StoreLifecycle } from "./run-call.js";

/** What a backend does for its schema. */
export interface SchemaDriver extends LifecycleDriver {
  readonly wantedVersion: number;
  script(fromVersion: number): string;
  status(call: Call): Promise<Pick<SchemaStatus, "version" | "pending">>;
  migrate(call: Call): Promise<void>;
}

export function storageSchema(
  driver: SchemaDriver,
  options: { readonly timeoutMs?: number | undefined },
): StorageSchema {
  const store = new StoreLifecycle(driver, timeoutOption(options.timeoutMs) ?? DEFAULT_TIMEOUT_MS);
  const { run } = runCalls(store, "", () => store.closed);
  const { kind: backend, wantedVersion } = driver;
  const status = async (call: Call): Promise<SchemaStatus> => ({
    backend,
    wantedVersion,
    ...(await driver.status(call)),
  });
  const verbs = {
    status: async (call?: CallOptions) => run("initialize", knownOptions(call, []), status),
    migrate: async (call?: CallOptions) =>
      run("initialize", knownOptions(call, []), async (running) => {
        await driver.migrate(running);
        return status(running);
      }),
    script: (fromVersion = 0) => driver.script(integer(fromVersion, "fromVersion", { min: 0, max: wantedVersion })),
  };
  return {
    backend,
    ...withErrorFields(verbs, backend),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}
