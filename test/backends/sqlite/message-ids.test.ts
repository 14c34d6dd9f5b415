// Ids that say where their message stands, and ids that do not (C4).
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import { locatedSeq, locatingId } from "../../../src/backends/sqlite/message-ids.js";
import { firstValue, newPath } from "./folder.js";

describe("an id of a message that came without one", () => {
  it.each([1, 2, 65_535, 65_536, 2 ** 32 + 7, 2 ** 48 - 1])("is a UUID that says its seq: %d", (seq) => {
    const id = locatingId(seq, randomUUID());
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(locatedSeq(id)).toBe(seq);
  });

  it("differs from that of another message of the same seq", () => {
    expect(locatingId(1, randomUUID())).not.toBe(locatingId(1, randomUUID()));
  });

  it("stays as it is when it is no UUID", () => {
    expect(locatingId(5, "mine")).toBe("mine");
    expect(locatedSeq("mine")).toBeUndefined();
    expect(locatedSeq(randomUUID())).toBeUndefined();
  });
});

describe("a message is found by its id", () => {
  it("when the store gave it, without an entry in the index of ids", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    const added = await storage.addConversationMessage("s", "user", "one");
    await storage.addConversationMessage("s", "user", "two");
    expect(await storage.addConversationMessage("s", "user", "again", { messageId: added.messageId })).toEqual(added);
    expect(firstValue(path, "SELECT count(*) FROM messages WHERE id_indexed = 1")).toBe(0);
    expect(firstValue(path, "SELECT count(*) FROM messages")).toBe(2);
  });

  it("when the id names the seq of another message", async () => {
    await using storage = sqliteStorage(newPath());
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "user", "one");
    const messageId = locatingId(1, randomUUID());
    const added = await storage.addConversationMessage("s", "user", "two", { messageId });
    expect(added).toMatchObject({ seq: 2, messageId });
    expect(await storage.addConversationMessage("s", "user", "again", { messageId })).toEqual(added);
  });

  it("when the id names its own seq", async () => {
    await using storage = sqliteStorage(newPath());
    await storage.createSession("s", "u");
    const messageId = locatingId(1, randomUUID());
    const added = await storage.addConversationMessage("s", "user", "one", { messageId });
    expect(await storage.addConversationMessage("s", "user", "again", { messageId })).toEqual(added);
    expect(await storage.getConversationHistory("s")).toHaveLength(1);
  });
});
