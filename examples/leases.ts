// Two workers on one file. The one that was thought dead comes back, and can no longer write.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isStorageError, openStorage } from "waystone";

const folder = await mkdtemp(join(tmpdir(), "waystone-example-"));
const url = `sqlite:${join(folder, "agents.db")}`;

// Each worker has a storage of its own, as it would in a process or on a machine of its own.
const first = await openStorage(url);
const second = await openStorage(url);

const lease = await first.acquireLease({ thread: "plan" }, { owner: "first worker", ttlMs: 1_000 });
await first.storeCheckpoint("plan", "step-1", { by: "first" }, { lease });
console.log("first worker: holds the lease and has stored step-1");

try {
  await second.acquireLease({ thread: "plan" }, { owner: "second worker", ttlMs: 60_000 });
} catch (error) {
  if (!isStorageError(error)) throw error;
  console.log(`second worker: ${error.code}, worth another try: ${error.retryable}`);
}

// The first worker hangs for longer than its lease: nobody renews it.
await sleep(lease.expiresAt.getTime() - Date.now() + 50);
const taken = await second.acquireLease({ thread: "plan" }, { owner: "second worker", ttlMs: 60_000 });
console.log("second worker: took over, with a larger token:", taken.token > lease.token);
await second.storeCheckpoint("plan", "step-2", { by: "second" }, { lease: taken });

// The first worker wakes up and goes on as if nothing had happened. The store knows better.
try {
  await first.storeCheckpoint("plan", "step-2", { by: "first" }, { lease });
} catch (error) {
  if (!isStorageError(error)) throw error;
  console.log(`first worker: ${error.code}, so it stops`);
}
const latest = await second.getCheckpoint("plan");
console.log("stored:", latest?.checkpointId, latest?.data);

await first.close();
await second.close();
await rm(folder, { recursive: true });
