/** Conversations: order, content, repeated ids, all or nothing, deletion (C1, C4, C5). */
import type { MessageContent, MessageRange, NewMessage } from "../../contract/conversation-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, ok, present, refused, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const conversationClauses: ClauseGroup = clauseGroup("conversations", (clause) => {
  clause("C1 addConversationMessage returns the stored message, and history the same", async ({ storage }) => {
    await storage.createSession("s", "u");
    const timestamp = new Date(1_700_000_000_123);
    const message = await storage.addConversationMessage("s", "assistant", "hello", {
      metadata: { a: 1 },
      messageId: "m",
      timestamp,
    });
    equal(message, {
      sessionId: "s",
      seq: 1,
      messageId: "m",
      role: "assistant",
      content: "hello",
      metadata: { a: 1 },
      timestamp,
    });
    equal(await storage.getConversationHistory("s"), [message]);
  });

  clause("C1 seq counts from 1 without gaps, over single messages and batches", async ({ storage }) => {
    await storage.createSession("s", "u");
    const first = await storage.addConversationMessage("s", "user", "1");
    const batch = await storage.addConversationMessages(
      "s",
      times(3, (i) => ({ role: "user", content: `${i + 2}` })),
    );
    const last = await storage.addConversationMessage("s", "user", "5");
    equal(
      [first, ...batch, last].map((message) => [message.seq, message.content]),
      times(5, (i) => [i + 1, `${i + 1}`]),
    );
    equal(await storage.getConversationHistory("s"), [first, ...batch, last]);
    const session = present(await storage.getSession("s"), "the session");
    equal([session.messageCount, session.lastSeq], [5, 5]);
  });

  clause("C1 concurrent writers get every seq exactly once, without gaps", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    const added = await Promise.all(times(scale.racers, (i) => storage.addConversationMessage("s", "user", `${i}`)));
    equal(
      added.map((message) => message.seq).sort((a, b) => a - b),
      times(scale.racers, (i) => i + 1),
    );
    const history = await storage.getConversationHistory("s", { limit: 1_000 });
    equal(
      history,
      [...added].sort((a, b) => a.seq - b.seq),
    );
  });

  clause(
    "C1 the messages of a batch follow each other, also while other batches are added",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      await Promise.all(
        times(scale.racers, (writer) =>
          storage.addConversationMessages(
            "s",
            times(5, (i) => ({ role: "user", content: `${writer}.${i}` })),
          ),
        ),
      );
      const history = await storage.getConversationHistory("s", { limit: 1_000 });
      equal(
        history.map((message) => message.seq),
        times(scale.racers * 5, (i) => i + 1),
      );
      for (let start = 0; start < history.length; start += 5) {
        const writer = String(history[start]?.content).split(".")[0];
        equal(
          history.slice(start, start + 5).map((message) => message.content),
          times(5, (i) => `${writer}.${i}`),
        );
      }
    },
  );

  clause("C1 each session has a seq of its own", async ({ storage }) => {
    for (const id of ["a", "b"]) await storage.createSession(id, "u");
    for (const id of ["a", "b", "a"]) await storage.addConversationMessage(id, "user", id);
    equal((await storage.addConversationMessage("b", "user", "b")).seq, 2);
    equal(
      (await storage.getConversationHistory("a")).map((message) => message.content),
      ["a", "a"],
    );
  });

  clause("C1 timestamps of the caller are kept and order nothing", async ({ storage }) => {
    await storage.createSession("s", "u");
    const instants = [5_000, -1, 8.64e15, 1, 5_000];
    for (const instant of instants)
      await storage.addConversationMessage("s", "user", "a", { timestamp: new Date(instant) });
    const history = await storage.getConversationHistory("s");
    equal(
      history.map((message) => message.timestamp.getTime()),
      instants,
    );
    equal(
      history.map((message) => message.seq),
      [1, 2, 3, 4, 5],
    );
  });

  clause("C1 a message without timestamp has the store's time", { needs: ["clock"] }, async ({ storage, clock }) => {
    await storage.createSession("s", "u");
    clock.advance(1_234);
    equal((await storage.addConversationMessage("s", "user", "a")).timestamp, new Date(clock.now()));
    equal((await storage.getConversationHistory("s"))[0]?.timestamp, new Date(clock.now()));
  });

  clause("C1 a timestamp that is no valid Date is refused", async ({ storage }) => {
    await storage.createSession("s", "u");
    await unchanged(storage, async () => {
      for (const timestamp of [new Date(Number.NaN), "2020-01-01", 5, null]) {
        await refused(
          storage.addConversationMessage("s", "user", "a", { timestamp: timestamp as Date }),
          String(timestamp),
        );
      }
    });
  });

  clause("C4 a message without messageId gets one of its own", async ({ storage }) => {
    await storage.createSession("s", "u");
    const added = await storage.addConversationMessages(
      "s",
      times(20, () => ({ role: "user", content: "same" })),
    );
    equal(new Set(added.map((message) => message.messageId)).size, 20);
  });

  clause(
    "C4 a repeated messageId returns the stored message and adds nothing, whatever else is said",
    async ({ storage, pass }) => {
      await storage.createSession("s", "u");
      const stored = await storage.addConversationMessage("s", "user", "first", { messageId: "m", metadata: { a: 1 } });
      await storage.addConversationMessage("s", "user", "second");
      await pass(5);
      const options = { messageId: "m", metadata: { b: 2 }, timestamp: new Date(0) };
      equal(await storage.addConversationMessage("s", "assistant", "other", options), stored);
      equal(await storage.addConversationMessages("s", [{ role: "tool", content: "other", ...options }]), [stored]);
      equal(
        (await storage.getConversationHistory("s")).map((message) => message.content),
        ["first", "second"],
      );
      equal((await storage.getSession("s"))?.messageCount, 2);
    },
  );

  clause("C4 a messageId that stands twice in a batch is added once", async ({ storage }) => {
    await storage.createSession("s", "u");
    const added = await storage.addConversationMessages("s", [
      { role: "user", content: "first", messageId: "m" },
      { role: "user", content: "between" },
      { role: "user", content: "again", messageId: "m" },
    ]);
    equal(
      added.map((message) => [message.seq, message.content]),
      [
        [1, "first"],
        [2, "between"],
        [1, "first"],
      ],
    );
    equal(
      (await storage.getConversationHistory("s")).map((message) => message.content),
      ["first", "between"],
    );
    equal((await storage.getSession("s"))?.messageCount, 2);
  });

  clause("C4 a batch of old and new messages adds the new ones without a gap", async ({ storage }) => {
    await storage.createSession("s", "u");
    const batch: NewMessage[] = times(3, (i) => ({ role: "user", content: `${i}`, messageId: `m${i}` }));
    await storage.addConversationMessages("s", batch);
    const repeated = await storage.addConversationMessages("s", [
      ...batch.slice(1),
      { role: "user", content: "3", messageId: "m3" },
      ...batch.slice(0, 1),
      { role: "user", content: "4", messageId: "m4" },
    ]);
    equal(
      repeated.map((message) => message.seq),
      [2, 3, 4, 1, 5],
    );
    equal(
      (await storage.getConversationHistory("s")).map((message) => message.content),
      ["0", "1", "2", "3", "4"],
    );
  });

  clause(
    "C4 of many racing calls with one messageId exactly one adds, and all get its message",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      const { values } = await settle(
        times(scale.racers, (i) => storage.addConversationMessage("s", "user", `${i}`, { messageId: "m" })),
      );
      equal(values.length, scale.racers);
      for (const message of values) equal(message, values[0]);
      equal((await storage.getConversationHistory("s")).length, 1);
    },
  );

  clause("C4 a messageId belongs to one session and to one tenant", async ({ storage }) => {
    const views = [storage, storage.tenant("other")];
    for (const [index, view] of views.entries()) {
      for (const id of ["a", "b"]) {
        await view.createSession(id, "u");
        const message = await view.addConversationMessage(id, "user", `${index}${id}`, { messageId: "m" });
        equal([message.seq, message.content], [1, `${index}${id}`]);
      }
    }
  });

  clause("C4 the id of a message that was deleted can be used again", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "user", "first", { messageId: "m" });
    await storage.deleteConversationMessages("s", "all");
    const again = await storage.addConversationMessage("s", "user", "second", { messageId: "m" });
    equal([again.seq, again.content], [2, "second"]);
  });

  clause("C5 content is a string or parts, kept as given", async ({ storage }) => {
    await storage.createSession("s", "u");
    const contents: MessageContent[] = [
      "",
      'text\nwith "quotes" and \u{1f600}',
      [],
      [{ type: "text", text: "a" }],
      [{ type: "" }, { type: "text", text: "" }],
      [
        { type: "text", text: "let me look" },
        { type: "tool_call", id: "call_1", name: "search", arguments: { q: "weather", filters: [{ day: 1 }] } },
        { type: "image", mediaType: "image/png", data: new Uint8Array([137, 80, 78, 71]) },
        { type: "tool_result", id: "call_1", result: { rows: [[1, null]], at: new Date(0) }, isError: false },
      ],
    ];
    for (const content of contents)
      equal((await storage.addConversationMessage("s", "user", content)).content, content);
    equal(
      (await storage.getConversationHistory("s")).map((message) => message.content),
      contents,
    );
  });

  clause(
    "C5 content that is neither a string nor parts with a type is refused, and nothing is stored",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      const contents: unknown[] = [
        null,
        undefined,
        1,
        true,
        {},
        { type: "text" },
        ["a"],
        [null],
        [{}],
        [{ type: 1 }],
        [{ type: "text" }, { text: "a" }],
        new Map(),
        () => "a",
      ];
      await unchanged(storage, async () => {
        for (const content of contents) {
          await refused(storage.addConversationMessage("s", "user", content as string), label(content));
          await refused(
            storage.addConversationMessages("s", [
              { role: "user", content: "fine" },
              { role: "user", content: content as string },
            ]),
          );
        }
      });
    },
  );

  clause("C6 addConversationMessages adds all or nothing", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "user", "kept");
    const fine: NewMessage = { role: "user", content: "fine" };
    const faults: object[] = [
      { role: "", content: "a" },
      { role: "user" },
      { content: "a" },
      { role: "user", content: "a", messageId: "" },
      { role: "user", content: "a", timestamp: "now" },
      { role: "user", content: "a", metadata: { a: Number.NaN } },
      { role: "user", content: "a", seq: 9 },
    ];
    await unchanged(storage, async () => {
      for (const fault of faults) {
        for (const batch of [
          [fault, fine],
          [fine, fault],
          [fine, fault, fine],
        ]) {
          await refused(storage.addConversationMessages("s", batch as NewMessage[]), label(fault));
        }
      }
      await refused(storage.addConversationMessages("s", fine as unknown as NewMessage[]), "no list");
      await refused(storage.addConversationMessages("s", [null as unknown as NewMessage]), "null");
    });
    equal((await storage.addConversationMessage("s", "user", "next")).seq, 2);
  });

  clause("C1 an empty list of messages gives an empty list and changes nothing", async ({ storage }) => {
    await storage.createSession("s", "u");
    equal(await unchanged(storage, () => storage.addConversationMessages("s", [])), []);
  });

  clause("C1 a thousand messages in one batch keep their order", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessages(
      "s",
      times(1_000, (i) => ({ role: "user", content: `${i}` })),
    );
    const history = await storage.getConversationHistory("s", { limit: 10_000 });
    equal(
      history.map((message) => message.content),
      times(1_000, (i) => `${i}`),
    );
  });

  clause(
    "C1 deleteConversationMessages takes exclusive bounds and returns how many it deleted",
    async ({ storage }) => {
      const ranges: (readonly [MessageRange, left: number[]])[] = [
        [{ before: 3 }, [3, 4, 5, 6]],
        [{ after: 3 }, [1, 2, 3]],
        [{ after: 2, before: 5 }, [1, 2, 5, 6]],
        [{ after: 0, before: 7 }, []],
        [{ after: 3, before: 4 }, [1, 2, 3, 4, 5, 6]],
        [{ after: 5, before: 2 }, [1, 2, 3, 4, 5, 6]],
        [{ before: 1 }, [1, 2, 3, 4, 5, 6]],
        [{ after: 6 }, [1, 2, 3, 4, 5, 6]],
        [{ before: 1_000 }, []],
        ["all", []],
      ];
      for (const [index, [range, left]] of ranges.entries()) {
        const id = `s${index}`;
        await storage.createSession(id, "u");
        await storage.addConversationMessages(
          id,
          times(6, (i) => ({ role: "user", content: `${i + 1}` })),
        );
        equal(await storage.deleteConversationMessages(id, range), 6 - left.length, label(range));
        equal(await seqsOf(storage, id), left, label(range));
        const session = present(await storage.getSession(id), "the session");
        equal([session.messageCount, session.lastSeq], [left.length, 6], label(range));
        equal(await storage.deleteConversationMessages(id, range), 0, "a second time");
      }
    },
  );

  clause("C1 seq is never used twice, also when the newest or all messages were deleted", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessages(
      "s",
      times(3, () => ({ role: "user", content: "old" })),
    );
    await storage.deleteConversationMessages("s", { after: 1 });
    equal((await storage.addConversationMessage("s", "user", "a")).seq, 4);
    await storage.deleteConversationMessages("s", "all");
    equal((await storage.addConversationMessage("s", "user", "b")).seq, 5);
    equal(await seqsOf(storage, "s"), [5]);
  });

  clause("C1 deleting messages leaves those of other sessions", async ({ storage }) => {
    for (const id of ["s", "s1"]) {
      await storage.createSession(id, "u");
      await storage.addConversationMessages(
        id,
        times(3, () => ({ role: "user", content: id })),
      );
    }
    equal(await storage.deleteConversationMessages("s", "all"), 3);
    equal(await seqsOf(storage, "s1"), [1, 2, 3]);
  });

  clause(
    "C1 deleteConversationMessages refuses a range without bounds, unknown words, fields and numbers",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      await storage.addConversationMessage("s", "user", "kept");
      const ranges: unknown[] = [
        {},
        "",
        "ALL",
        "none",
        null,
        undefined,
        3,
        [],
        { before: undefined },
        { until: 1 },
        { before: 1, until: 2 },
        { before: "2" },
        { before: -1 },
        { after: 1.5 },
        { after: Number.NaN },
        { before: null },
      ];
      await unchanged(storage, async () => {
        for (const range of ranges) {
          await refused(storage.deleteConversationMessages("s", range as MessageRange), label(range));
        }
      });
    },
  );

  clause("C1 session counters stay right while messages come and go", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    const adding = times(scale.racers, () =>
      storage.addConversationMessages(
        "s",
        times(2, () => ({ role: "user", content: "a" })),
      ),
    );
    const deleting = times(4, () => storage.deleteConversationMessages("s", "all"));
    await Promise.all(adding);
    const deleted = (await Promise.all(deleting)).reduce((sum, count) => sum + count, 0);
    const session = present(await storage.getSession("s"), "the session");
    const history = await storage.getConversationHistory("s", { limit: 10_000 });
    equal([session.lastSeq, session.messageCount], [scale.racers * 2, history.length]);
    equal(deleted + history.length, scale.racers * 2);
    ok(
      history.every((message, index) => index === 0 || message.seq > (history[index - 1]?.seq ?? 0)),
      "seq increases",
    );
  });
});

async function seqsOf(storage: StorageBackend, sessionId: string): Promise<number[]> {
  return (await storage.getConversationHistory(sessionId, { limit: 10_000 })).map((message) => message.seq);
}
