/** Items of the Redis backend (M1-M3, M6). Puts, gets and deletions are one script; other batches are decided here and stored if nothing has changed. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "../../domain/driver/call.js";
import type { ItemStep, ItemStepResult } from "../../domain/driver/items.js";
import type { ItemDriver } from "../../domain/driver/storage-driver.js";
import type { StoredItem } from "../../domain/driver/stored.js";
import { assertItemVersion } from "../../domain/items.js";
import type { Connection } from "./connection/connection.js";
import { ItemBatch } from "./item-batch.js";
import { boundsOf, itemPlace, parseItem } from "./item-rows.js";
import { countItems, listNamespaces, searchItems } from "./item-search.js";
import { isMark, readTexts, storeTexts, whole } from "./long-texts.js";
import { DELETE_ITEMS, PUT_ITEM, RUN_STEPS } from "./lua/items.js";

/** Longest pause before a batch is tried again that somebody else has come between, in milliseconds. */
const LONGEST_PAUSE_MS = 20;

export function itemVerbs(connection: () => Connection): ItemDriver {
  const inTurn = turns();
  return {
    runItemSteps(call, steps) {
      const [only] = steps;
      if (steps.length === 1 && only?.kind === "get" && !only.refreshTtl) return getItem(connection(), call, only);
      if (steps.length === 1 && only?.kind === "put") return putItem(connection(), call, only);
      if (!steps.some(isWrite)) return readSteps(connection(), call, steps);
      if (steps.every(isSimple)) return runSteps(connection(), call, steps);
      // Batches of this process that would only disturb each other wait for their turn.
      return inTurn(call, () => runBatch(connection(), call, steps));
    },

    searchItems: (call, listing) => searchItems(connection(), call, listing),

    countItems: (call, count) => countItems(connection(), call, count),

    listNamespaces: (call, listing) => listNamespaces(connection(), call, listing),

    deleteItems: (call, prefix) => connection().run(call, DELETE_ITEMS, boundsOf(prefix)),
  };
}

/** An item by one plain command; or by a script, which decides by the server's time, where it may have expired, and reads what is long. */
async function getItem(connection: Connection, call: Call, step: Step<"get">): Promise<ItemStepResult[]> {
  if (connection.expiring.items) return readSteps(connection, call, [step]);
  const read = await connection.read(call, [["hget", `${connection.keyOf(call.tenant)}:it`, itemPlace(step)]]);
  if (read === undefined) return readSteps(connection, call, [step]);
  const [text] = read as [string | null];
  if (text === null) return [{ kind: "get", item: undefined }];
  const { item } = parseItem(step, text);
  if (item.expiresAt === null && !isMark(item.value)) return [{ kind: "get", item }];
  if (item.expiresAt !== null) connection.expiring.items = true;
  return readSteps(connection, call, [step]);
}

function readSteps(connection: Connection, call: Call, steps: readonly ItemStep[]): Promise<ItemStepResult[]> {
  return whole(() => new ItemBatch(connection, call, steps).run());
}

/** The most frequent batch that writes. */
async function putItem(connection: Connection, call: Call, step: Step<"put">): Promise<ItemStepResult[]> {
  const { namespace, key, value, ttlMs, expectedVersion } = step;
  const [verdict, ...row] = await storeTexts(connection, call, [value], async ([text]) => {
    const args = [itemPlace(step), ttlMs ?? "", expectedVersion ?? "", text as string];
    return (await connection.run<string>(call, PUT_ITEM, args)).split(" ");
  });
  if (verdict === "C") {
    assertItemVersion(row[0] === "-" ? undefined : { version: Number(row[0]) }, expectedVersion);
  }
  return [{ kind: "put", item: { namespace, key, value, ttlMs, ...timesOf(row) } }];
}

function timesOf(
  row: readonly (string | null)[],
): Pick<StoredItem, "version" | "createdAt" | "updatedAt" | "expiresAt"> {
  const [version, createdAt, updatedAt, expiresAt] = row;
  return {
    version: Number(version),
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
    expiresAt: expiresAt === "-" ? null : Number(expiresAt),
  };
}

type Step<Kind extends ItemStep["kind"]> = Extract<ItemStep, { readonly kind: Kind }>;

type SimpleStep = Step<"put" | "get" | "delete">;

function isSimple(step: ItemStep): step is SimpleStep {
  return step.kind === "put" || step.kind === "get" || step.kind === "delete";
}

export function isWrite(step: ItemStep): boolean {
  return (
    step.kind === "update" || step.kind === "put" || step.kind === "delete" || (step.kind === "get" && step.refreshTtl)
  );
}

async function runBatch(connection: Connection, call: Call, steps: readonly ItemStep[]): Promise<ItemStepResult[]> {
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const { batch, results } = await whole(async () => {
      const begun = new ItemBatch(connection, call, steps);
      return { batch: begun, results: await begun.run() };
    });
    if (await batch.commit()) return results;
    call.sent = false;
    await sleep(Math.random() * pause);
    if (call.cancelled) throw call.cancellation();
  }
}

type StepReply = readonly (string | null)[] | number | null;

/** One script, which is the batch. */
async function runSteps(connection: Connection, call: Call, steps: readonly SimpleStep[]): Promise<ItemStepResult[]> {
  const values = steps.map((step) => (step.kind === "put" ? step.value : ""));
  const [verdict, ...replies] = await storeTexts(connection, call, values, (texts) =>
    connection.run<[string, ...(StepReply | string)[]]>(
      call,
      RUN_STEPS,
      steps.flatMap((step, i) => argumentsOf(step, texts[i] as string)),
    ),
  );
  if (verdict === "C") {
    const [at, version] = replies as unknown as [number, string | null];
    const { expectedVersion } = steps[at] as Step<"put" | "delete">;
    assertItemVersion(version === null ? undefined : { version: Number(version) }, expectedVersion);
  }
  const results = steps.map((step, i) => resultOf(step, replies[i] as StepReply));
  return readTexts(connection, call, results, foundValue, (result, value) => {
    const { item } = result as Extract<ItemStepResult, { readonly kind: "get" }>;
    return { kind: "get", item: { ...(item as StoredItem), value } };
  });
}

function foundValue(result: ItemStepResult): string | null {
  return result.kind === "get" && result.item !== undefined ? result.item.value : null;
}

function argumentsOf(step: SimpleStep, value: string): (string | number)[] {
  const place = itemPlace(step);
  switch (step.kind) {
    case "put":
      return ["p", place, step.ttlMs ?? "", step.expectedVersion ?? "", value];
    case "get":
      return ["g", place, step.refreshTtl ? "1" : "0", "", ""];
    case "delete":
      return ["d", place, "", step.expectedVersion ?? "", ""];
  }
}

function resultOf(step: SimpleStep, reply: StepReply): ItemStepResult {
  if (step.kind === "delete") return { kind: "delete", deleted: reply === 1 };
  if (reply === null || typeof reply === "number") return { kind: "get", item: undefined };
  const times = timesOf(reply);
  const { namespace, key } = step;
  if (step.kind === "put") {
    return { kind: "put", item: { namespace, key, value: step.value, ttlMs: step.ttlMs, ...times } };
  }
  const [, , , , ttlMs, value] = reply;
  const item = { namespace, key, value: value as string, ttlMs: ttlMs === "-" ? null : Number(ttlMs), ...times };
  return { kind: "get", item };
}

/** Runs work of one tenant one after the other. */
function turns(): <T>(call: Call, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (call, work) => {
    const run = async (): Promise<Awaited<ReturnType<typeof work>>> => {
      if (call.cancelled) throw call.cancellation();
      return await work();
    };
    const turn = (last.get(call.tenant) ?? Promise.resolve()).then(run, run);
    last.set(call.tenant, turn);
    const done = (): void => {
      if (last.get(call.tenant) === turn) last.delete(call.tenant);
    };
    turn.then(done, done);
    return turn;
  };
}
