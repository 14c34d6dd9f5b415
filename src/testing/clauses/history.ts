/** Windows of a conversation, and readers that follow it (C2). */
import type { HistoryOptions, Message } from "../../contract/conversation-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, refused, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const historyClauses: ClauseGroup = clauseGroup("history", (clause) => {
  clause("C2 history has the newest 50 messages, oldest first", async ({ storage }) => {
    await conversation(storage, 60);
    equal(await seqs(storage), range(11, 60));
  });

  clause("C2 limit, before and after choose a window", async ({ storage }) => {
    await conversation(storage, 10);
    const windows: (readonly [HistoryOptions, number[]])[] = [
      [{ limit: 3 }, [8, 9, 10]],
      [{ limit: 1 }, [10]],
      [{ limit: 10 }, range(1, 10)],
      [{ limit: 10_000 }, range(1, 10)],
      [{ before: 5 }, [1, 2, 3, 4]],
      [{ before: 5, limit: 2 }, [3, 4]],
      [{ before: 1 }, []],
      [{ before: 0 }, []],
      [{ before: 11 }, range(1, 10)],
      [{ before: 1_000_000, limit: 2 }, [9, 10]],
      [{ after: 7 }, [8, 9, 10]],
      [{ after: 7, limit: 2 }, [8, 9]],
      [{ after: 0, limit: 3 }, [1, 2, 3]],
      [{ after: 9 }, [10]],
      [{ after: 10 }, []],
      [{ after: 1_000_000 }, []],
      [{ after: 2, before: 6 }, [3, 4, 5]],
      [{ after: 2, before: 9, limit: 2 }, [3, 4]],
      [{ after: 4, before: 5 }, []],
      [{ after: 8, before: 3 }, []],
    ];
    for (const [window, expected] of windows) equal(await seqs(storage, window), expected, label(window));
  });

  clause("C2 limit 0 returns none", async ({ storage }) => {
    await conversation(storage, 3);
    for (const window of [
      { limit: 0 },
      { limit: 0, after: 0 },
      { limit: 0, before: 3 },
      { limit: 0, roles: ["user"] },
    ]) {
      equal(await seqs(storage, window), [], label(window));
    }
  });

  clause("C2 roles choose before limit counts", async ({ storage }) => {
    await storage.createSession("s", "u");
    const roles = ["system", "user", "assistant", "tool", "user", "assistant", "user"];
    await storage.addConversationMessages(
      "s",
      roles.map((role) => ({ role, content: role })),
    );
    const windows: (readonly [HistoryOptions, number[]])[] = [
      [{ roles: ["user"] }, [2, 5, 7]],
      [{ roles: ["user"], limit: 2 }, [5, 7]],
      [{ roles: ["user"], limit: 2, after: 0 }, [2, 5]],
      [{ roles: ["user", "tool"], limit: 3 }, [4, 5, 7]],
      [{ roles: ["user", "user"] }, [2, 5, 7]],
      [{ roles: ["system"], limit: 1 }, [1]],
      [{ roles: ["user"], before: 7, limit: 1 }, [5]],
      [{ roles: ["assistant"], after: 3, before: 7 }, [6]],
      [{ roles: ["User"] }, []],
      [{ roles: ["%"] }, []],
    ];
    for (const [window, expected] of windows) equal(await seqs(storage, window), expected, label(window));
  });

  clause("C2 windows count messages and not seqs where some were deleted", async ({ storage }) => {
    await conversation(storage, 10);
    await storage.deleteConversationMessages("s", { after: 3, before: 8 });
    equal(await seqs(storage, { limit: 4 }), [3, 8, 9, 10]);
    equal(await seqs(storage, { after: 1, limit: 3 }), [2, 3, 8]);
    equal(await seqs(storage, { before: 8, limit: 2 }), [2, 3]);
    equal(await seqs(storage, { after: 5, limit: 1 }), [8]);
  });

  clause("C2 limit outside 0 to 10,000, and bounds that are no seq, are refused", async ({ storage }) => {
    await conversation(storage, 1);
    for (const limit of [-1, 10_001, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "5", null]) {
      await refused(storage.getConversationHistory("s", { limit: limit as number }), `limit ${String(limit)}`);
    }
    for (const bound of [-1, 1.5, Number.NaN, "5", null, new Date(0)]) {
      await refused(storage.getConversationHistory("s", { before: bound as number }), `before ${String(bound)}`);
      await refused(storage.getConversationHistory("s", { after: bound as number }), `after ${String(bound)}`);
    }
    for (const roles of ["user", null, [1], {}]) {
      await refused(storage.getConversationHistory("s", { roles: roles as string[] }), `roles ${String(roles)}`);
    }
  });

  clause("C2 pages by before go back through the whole conversation, each message once", async ({ storage }) => {
    await conversation(storage, 23);
    for (const limit of [1, 4, 23, 24]) {
      const seen: number[] = [];
      for (let before: number | undefined, page = 0; page < 50; page++) {
        const found = await seqs(storage, { limit, before });
        if (found.length === 0) break;
        seen.unshift(...found);
        before = found[0];
      }
      equal(seen, range(1, 23), `limit ${limit}`);
    }
  });

  clause(
    "C2 a reader that follows after sees every message exactly once while others write",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      await followedByReaders([storage], [storage, storage.tenant(storage.tenantName)], scale.racers);
    },
  );

  clause(
    "C2 readers of another handle that follow after see every message exactly once while others write",
    { needs: ["secondHandle"] },
    async ({ storage, open, scale }) => {
      const other = await open();
      await storage.createSession("s", "u");
      await followedByReaders([storage, other], [storage, other], scale.racers);
    },
  );
});

/** Writers add their numbered messages while readers follow; each reader must see all of them once, in order. */
async function followedByReaders(
  writers: readonly StorageBackend[],
  readers: readonly StorageBackend[],
  racers: number,
): Promise<void> {
  const each = 25;
  const total = writers.length * each * 2;
  const deadline = Date.now() + 20_000;
  const follow = async (storage: StorageBackend): Promise<Message[]> => {
    const seen: Message[] = [];
    while (seen.length < total && Date.now() < deadline) {
      const found = await storage.getConversationHistory("s", { after: seen.at(-1)?.seq ?? 0, limit: 7 });
      seen.push(...found);
      if (found.length === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return seen;
  };
  const write = async (storage: StorageBackend, writer: number): Promise<void> => {
    const concurrent = Math.max(1, Math.min(each, Math.floor(racers / writers.length)));
    for (let from = 0; from < each; from += concurrent) {
      await Promise.all(
        times(Math.min(concurrent, each - from), (i) =>
          (from + i) % 2 === 0
            ? storage.addConversationMessages(
                "s",
                [0, 1].map((part) => ({ role: "user", content: `${writer}.${from + i}.${part}` })),
              )
            : Promise.all(
                [0, 1].map((part) => storage.addConversationMessage("s", "user", `${writer}.${from + i}.${part}`)),
              ),
        ),
      );
    }
  };
  const [, seen] = await Promise.all([Promise.all(writers.map(write)), Promise.all(readers.map(follow))]);
  for (const messages of seen) {
    equal(
      messages.map((message) => message.seq),
      range(1, total),
    );
    equal(new Set(messages.map((message) => message.content)).size, total, "how many different messages were seen");
  }
}

async function conversation(storage: StorageBackend, length: number, sessionId = "s"): Promise<void> {
  await storage.createSession(sessionId, "u");
  for (let from = 0; from < length; from += 1_000) {
    const count = Math.min(1_000, length - from);
    await storage.addConversationMessages(
      sessionId,
      times(count, (i) => ({ role: "user", content: `${from + i + 1}` })),
    );
  }
}

async function seqs(storage: StorageBackend, options?: HistoryOptions): Promise<number[]> {
  return (await storage.getConversationHistory("s", options)).map((message) => message.seq);
}

function range(from: number, to: number): number[] {
  return times(to - from + 1, (i) => from + i);
}
