/** Changing the metadata of sessions (S9). */
import type { SessionUpdate } from "../../contract/session-storage.js";
import { equal, label, refused, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const sessionMetadataClauses: ClauseGroup = clauseGroup("metadata of sessions", (clause) => {
  clause("S9 updateSession merges metadata by top-level key and replaces each value whole", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: { keep: 1, change: { a: 1, b: 2 }, list: [1, 2] } });
    const updated = await storage.updateSession("s", { metadata: { change: { c: 3 }, list: [], more: null } });
    equal(updated.metadata, { keep: 1, change: { c: 3 }, list: [], more: null });
  });

  clause("S9 unsetMetadata removes keys after the merge, and ignores keys that are not there", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: { a: 1, b: 2, c: 3 } });
    const updated = await storage.updateSession("s", { metadata: { a: 9, d: 4 }, unsetMetadata: ["a", "b", "absent"] });
    equal(updated.metadata, { c: 3, d: 4 });
    equal((await storage.updateSession("s", { unsetMetadata: [] })).metadata, { c: 3, d: 4 });
  });

  clause("S9 a merged key whose value is undefined leaves the stored one as it was", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: { a: 1 } });
    equal((await storage.updateSession("s", { metadata: { a: undefined, b: 2 } })).metadata, { a: 1, b: 2 });
  });

  clause("S9 hostile keys are merged and removed as plain ones", async ({ storage }) => {
    const hostile = ["__proto__", "constructor", "a.b", "$.a", "", 'quo"te', "it's", "%"];
    const metadata = JSON.parse(`{${hostile.map((key) => `${JSON.stringify(key)}:1`).join(",")}}`);
    await storage.createSession("s", "u", { metadata: { a: { b: 1 } } });
    const merged = await storage.updateSession("s", { metadata });
    equal(Object.keys(merged.metadata).sort(), ["a", ...hostile].sort());
    equal((await storage.updateSession("s", { unsetMetadata: hostile })).metadata, { a: { b: 1 } });
  });

  clause("S9 unsetMetadata refuses what is not a list of strings", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: { a: 1 } });
    await unchanged(storage, async () => {
      for (const unsetMetadata of ["a", [1], [null], {}, null, [["a"]]]) {
        await refused(storage.updateSession("s", { unsetMetadata } as SessionUpdate), label(unsetMetadata));
      }
    });
  });

  clause("S9 concurrent merges of different keys are all kept", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    await Promise.all(times(scale.racers, (i) => storage.updateSession("s", { metadata: { [`k${i}`]: i } })));
    equal((await storage.getSession("s"))?.metadata, Object.fromEntries(times(scale.racers, (i) => [`k${i}`, i])));
  });
});
