// Faults of large values, of which a backend may take and store one part after the other.
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { driverFault, type Fault, meanwhile, pause, storageFault } from "./fault.js";

/** From here on a value is large to these stores. */
const LARGE = 400_000;

const isLarge = (value: unknown): boolean => (JSON.stringify(value) ?? "").length > LARGE;

export const LARGE_VALUE_FAULTS: readonly Fault[] = [
  storageFault("a large state is encoded some time after the call", ["V1"], ({ storeCheckpoint }: StorageBackend) => ({
    storeCheckpoint: async (threadId, checkpointId, data, options) => {
      if (isLarge(data)) await pause();
      return storeCheckpoint(threadId, checkpointId, data, options);
    },
  })),

  driverFault("a long text is cut in the middle of its characters", ["V1"], (driver) => ({
    storeContext: (call, sessionId, stored, fence) => {
      const context = String(stored.context);
      if (context.length <= LARGE) return driver.storeContext(call, sessionId, stored, fence);
      const at = context.indexOf("\u{1F600}", LARGE) + 1;
      const cut = Buffer.from(context.slice(0, at)).toString() + Buffer.from(context.slice(at)).toString();
      return driver.storeContext(call, sessionId, { ...stored, context: cut }, fence);
    },
  })),

  driverFault("a large state is taken for the one that is stored meanwhile", ["K1"], (driver) => ({
    getCheckpoint: async (call, threadId, wanted) => {
      const first = await driver.getCheckpoint(call, threadId, wanted);
      if (first === undefined || first.data === null || first.data.length <= LARGE) return first;
      await new Promise((resolve) => setTimeout(resolve, 60));
      const second = await driver.getCheckpoint(call, threadId, wanted);
      const half = Math.floor(first.data.length / 2);
      return { ...first, data: String(first.data).slice(0, half) + String(second?.data ?? "").slice(half) };
    },
  })),

  driverFault("a large state looks at the expected head before it is split alone", ["K8"], (driver) => ({
    storeCheckpoint: async (call, threadId, checkpoint, fence) => {
      if (checkpoint.data.bytes <= LARGE) return driver.storeCheckpoint(call, threadId, checkpoint, fence);
      const wanted = { namespace: "", checkpointId: null, writes: false, ifNoneMatch: null };
      const head = await driver.getCheckpoint(call, threadId, wanted);
      const expects = checkpoint.expectedHead === (head?.checkpointId ?? null);
      await meanwhile();
      return driver.storeCheckpoint(
        call,
        threadId,
        { ...checkpoint, ...(expects && { expectedHead: undefined }) },
        fence,
      );
    },
  })),
];
