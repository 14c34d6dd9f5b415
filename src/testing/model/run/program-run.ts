/** One program on one store, command by command beside the reference model. */
import { setTimeout as wait } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Lease, LeaseSubject, Page } from "../../../contract/call.js";
import type { Checkpoint, CheckpointInfo } from "../../../contract/checkpoint-storage.js";
import type { Message } from "../../../contract/conversation-storage.js";
import type { StorageRecord } from "../../../contract/records.js";
import type { Count, StorageBackend, StorageMetrics } from "../../../contract/storage-backend.js";
import type { ManualClock } from "../../manual-clock.js";
import { manualClock } from "../../manual-clock.js";
import type { StorageFactory, StorageHarness } from "../../storage-factory.js";
import type { CallCommand, Command } from "../programs/command.js";
import { EarlierLease, ROOT_TENANT, show } from "../programs/command.js";
import type { Cast } from "../programs/names.js";
import { EVERYBODY } from "../programs/names.js";
import { ReferenceModel } from "../reference/reference-model.js";
import type { ReadableStore, Verb, VerbArgs } from "../verbs.js";
import { KnownStates } from "./known-states.js";
import type { Comparison, Outcome } from "./outcome.js";
import { comparable, firstDifference, outcomeOfModel, outcomeOfStore, scribbleOn } from "./outcome.js";
import type { Readable } from "./read-everything.js";
import { countsOf, readEverything } from "./read-everything.js";

/** The store and the model do not agree. */
export class Difference extends Error {
  override readonly name = "Difference";
}

/** A lease as the store gave it, and as the model did. */
interface LeasePair {
  readonly tenant: string;
  readonly subject: LeaseSubject;
  readonly ofStore: Lease;
  readonly ofModel: Lease;
}

/** A listing that has more pages. */
interface Paging {
  readonly command: CallCommand;
  readonly ofStore: string;
  readonly ofModel: string;
}

/** How long to wait between commands where time cannot be set, so that no two of them share a millisecond. */
const TICK_MS = 2;

export class ProgramRun {
  readonly #factory: StorageFactory;
  readonly #cast: Cast;
  readonly #comparison: Comparison;
  readonly #clock: ManualClock = manualClock();
  readonly #model: ReferenceModel = new ReferenceModel(() => this.#clock.now());
  #opened: { readonly harness: StorageHarness; readonly handles: readonly StorageBackend[] } | undefined;
  #leases: LeasePair[] = [];
  #pagings: Paging[] = [];
  readonly #states: KnownStates = new KnownStates();
  /** The latest expiry that has passed: the clock does not go back behind it. */
  #expired = Number.NEGATIVE_INFINITY;

  constructor(factory: StorageFactory, cast: Cast) {
    this.#factory = factory;
    this.#cast = cast;
    this.#comparison = { times: factory.supports.clock };
  }

  async start(): Promise<void> {
    const harness = await this.#factory.create();
    this.#opened = { harness, handles: [] };
    await this.#open();
  }

  /** Carries a command out on both sides. @throws Difference */
  async execute(command: Command): Promise<void> {
    if (!this.#factory.supports.clock) {
      await wait(TICK_MS);
      this.#clock.advance(TICK_MS);
    }
    this.#expire();
    switch (command.kind) {
      case "call":
        for (let i = 0; i < command.times; i++) await this.#call(command);
        return;
      case "nextPage":
        return this.#nextPage(command.paging);
      case "advance":
        this.#clock.set(Math.max(this.#clock.now() + command.ms, this.#expired));
        return;
      case "reopen":
        return this.#reopen();
      case "move":
        return this.#move();
    }
  }

  /** Compares everything that readers can see. @throws Difference */
  async compareAll(): Promise<void> {
    this.#expire();
    for (const tenant of this.#tenants()) {
      const expected = await readEverything(this.#model.tenant(tenant), this.#cast);
      const actual = await readEverything(this.#view(tenant), this.#cast);
      for (const [what, value] of expected) this.#compare(`tenant ${tenant}, ${what}`, value, actual.get(what));
      // Whether metrics count what has expired and is not yet removed is the store's own affair.
      if (this.#expired === Number.NEGATIVE_INFINITY)
        this.#compareMetrics(await this.#view(tenant).getMetrics(), expected);
    }
  }

  /** Leaves nothing behind. */
  async end(): Promise<void> {
    if (this.#opened === undefined) return;
    const { harness, handles } = this.#opened;
    this.#opened = undefined;
    try {
      for (const handle of handles) await handle.close();
    } finally {
      await harness.destroy();
    }
  }

  async #call(command: CallCommand, cursors?: Pick<Paging, Side>): Promise<void> {
    const { handle, tenant, verb, refusal } = command;
    const ofStore = this.#argsOf(command, "ofStore", cursors);
    const ofModel = this.#argsOf(command, "ofModel", cursors);
    if (ofStore === undefined || ofModel === undefined) return;
    const view = this.#view(tenant, handle);
    const remains = this.#model.remains(tenant);
    const actual = await outcomeOfStore(verb, view.kind, () => perform(view, verb, ofStore));
    const expected =
      refusal === undefined
        ? outcomeOfModel(() => perform(this.#model.tenant(tenant), verb, withAssignedIds(verb, ofModel, actual)))
        : { refusal };
    if ("value" in expected && "value" in actual) {
      const value =
        verb === "cleanupExpiredSessions"
          ? withoutRemains(actual.value, expected.value, remains)
          : this.#withKnownState(tenant, verb, ofStore, actual.value);
      this.#compare(`result of ${verb}`, expected.value, value);
      this.#remember(command, expected.value, actual.value);
    } else {
      this.#compare(verb, expected, actual);
    }
    if (refusal === undefined) scribbleOn([ofStore, actual]);
  }

  /** Arguments of its own for each side, with that side's leases and cursor; `undefined` if it is about a lease never acquired. */
  #argsOf(command: CallCommand, side: Side, cursors?: Pick<Paging, Side>): unknown[] | undefined {
    // What cannot be cloned is what malformed calls are about.
    if (command.refusal !== undefined) return [...command.args];
    const args = command.args.map((arg) => this.#withLease(command.tenant, side, arg));
    if (command.verb === "getCheckpoint") {
      const [threadId, options = {}] = args as VerbArgs<"getCheckpoint">;
      args[1] = this.#states.withEtag(command.tenant, threadId, options);
    }
    if (args.some((arg) => arg instanceof EarlierLease)) return undefined;
    if (cursors !== undefined) {
      const query = queryIndex(command.verb);
      // What the first page passed over lies before its cursor.
      const { offset: _offset, ...asked } = (args[query] ?? {}) as { readonly offset?: number };
      args[query] = { ...asked, cursor: cursors[side] };
    }
    return structuredClone(args);
  }

  #withLease(tenant: string, side: Side, arg: unknown): unknown {
    if (arg instanceof EarlierLease) return this.#earlier(tenant, arg)?.[side] ?? arg;
    if (arg === null || typeof arg !== "object" || !("lease" in arg)) return arg;
    const { lease, ...others } = arg;
    const held = lease instanceof EarlierLease ? this.#earlier(tenant, lease)?.[side] : undefined;
    return held === undefined ? others : { ...others, lease: held };
  }

  /** Learns etags; a read that found the state that the caller has comes with that state. */
  #withKnownState(tenant: string, verb: Verb, args: readonly unknown[], value: unknown): unknown {
    const wrong = (): never => {
      throw new Difference(`${verb} gives an etag that is not that of one state: ${show(value)}`);
    };
    if (verb === "storeCheckpoint") {
      const [threadId, , data] = args as VerbArgs<"storeCheckpoint">;
      if (!this.#states.learn(tenant, threadId, value as CheckpointInfo, data)) wrong();
    }
    if (verb === "getCheckpoint" && value !== undefined) {
      const [threadId, options] = args as VerbArgs<"getCheckpoint">;
      const found = value as Checkpoint;
      if (found.notModified) return this.#states.completed(tenant, threadId, options, found) ?? wrong();
      if (!this.#states.learn(tenant, threadId, found, found.data)) wrong();
    }
    return value;
  }

  #earlier(tenant: string, { subject, back }: EarlierLease): LeasePair | undefined {
    const pairs = this.#leases.filter((pair) => pair.tenant === tenant && isDeepStrictEqual(pair.subject, subject));
    return pairs.at(Math.max(-1 - back, -pairs.length));
  }

  /** Keeps what later commands refer to: leases, and listings that have more. */
  #remember(command: CallCommand, ofModel: unknown, ofStore: unknown): void {
    const { tenant, verb } = command;
    if (verb === "acquireLease") {
      const pair: LeasePair = structuredClone({
        tenant,
        ofStore: ofStore as Lease,
        ofModel: ofModel as Lease,
        subject: (ofModel as Lease).subject,
      });
      const tokens = this.#leases.filter((each) => each.tenant === tenant).map((each) => each.ofStore.token);
      if (!tokens.every((token) => token < pair.ofStore.token)) {
        throw new Difference(`acquireLease gives token ${pair.ofStore.token} after ${Math.max(...tokens)}`);
      }
      this.#leases.push(pair);
    }
    if (PAGED.has(verb)) {
      const [store, model] = [(ofStore as Page<unknown>).nextCursor, (ofModel as Page<unknown>).nextCursor];
      if (store !== undefined && model !== undefined) this.#pagings.push({ command, ofStore: store, ofModel: model });
    }
  }

  async #nextPage(back: number): Promise<void> {
    if (this.#pagings.length === 0) return;
    const [paging] = this.#pagings.splice(-1 - (back % this.#pagings.length), 1);
    if (paging !== undefined) await this.#call(paging.command, paging);
  }

  async #reopen(): Promise<void> {
    const { harness, handles } = this.#current();
    for (const handle of handles) await handle.close();
    this.#opened = { harness, handles: [] };
    await this.#open();
  }

  /** Leases stay behind, and cursors are those of the store that gave them. */
  async #move(): Promise<void> {
    const exported: [tenant: string, records: string][] = [];
    for (const tenant of this.#cast.tenants)
      exported.push([tenant, await documentOf(this.#view(tenant).exportRecords())]);
    await this.end();
    await this.start();
    for (const [tenant, records] of exported) {
      await this.#view(tenant).importRecords(JSON.parse(records) as StorageRecord[]);
    }
    this.#model.leaveBehind();
    this.#leases = [];
    this.#pagings = [];
    this.#states.forget();
    await this.compareAll();
  }

  /** Those of the cast, and one that has nothing. */
  #tenants(): string[] {
    const { tenants } = this.#cast;
    return [...tenants, ...EVERYBODY.tenants.filter((each) => !tenants.includes(each)).slice(0, 1)];
  }

  #expire(): void {
    this.#expired = Math.max(this.#expired, this.#model.expire() ?? this.#expired);
  }

  /** Opens all the handles of the cast. */
  async #open(): Promise<void> {
    const { harness } = this.#current();
    for (let i = 0; i < this.#cast.handles; i++) {
      const handle = await harness.open(this.#factory.supports.clock ? { clock: this.#clock } : {});
      this.#opened = { harness, handles: [...this.#current().handles, handle] };
    }
  }

  #current(): { readonly harness: StorageHarness; readonly handles: readonly StorageBackend[] } {
    if (this.#opened === undefined) throw new Error("the run has not been started");
    return this.#opened;
  }

  #view(tenant: string, number = 0): StorageBackend {
    const handle = this.#current().handles[number];
    if (handle === undefined) throw new Error(`handle ${number} is not open`);
    return tenant === ROOT_TENANT ? handle : handle.tenant(tenant);
  }

  #compare(what: string, expected: unknown, actual: unknown): void {
    const difference = firstDifference(comparable(expected, this.#comparison), comparable(actual, this.#comparison));
    if (difference !== undefined) throw new Difference(`${what}: ${difference}`);
  }

  #compareMetrics(metrics: StorageMetrics, read: Readable): void {
    for (const [name, count] of Object.entries(countsOf(read))) {
      const told = metrics[name as keyof StorageMetrics] as Count;
      if (told.exact) this.#compare(`getMetrics, ${name}`, count, told.value);
    }
  }
}

type Side = "ofStore" | "ofModel";

const PAGED: ReadonlySet<Verb> = new Set<Verb>(["listSessions", "listThreads", "searchItems", "listNamespaces"]);

/** Where a paged verb takes its query. */
function queryIndex(verb: Verb): number {
  return verb === "searchItems" ? 1 : 0;
}

function perform(store: ReadableStore, verb: Verb, args: readonly unknown[]): unknown {
  const run = store[verb] as (...args: readonly unknown[]) => unknown;
  return run(...args);
}

/** Messages that were given no id have the one that the store made up. */
function withAssignedIds(verb: Verb, args: readonly unknown[], actual: Outcome): readonly unknown[] {
  if (!("value" in actual)) return args;
  if (verb === "addConversationMessage") {
    const [sessionId, role, content, options] = args as VerbArgs<"addConversationMessage">;
    const { messageId } = actual.value as Message;
    return [sessionId, role, content, { ...options, messageId: options?.messageId ?? messageId }];
  }
  if (verb === "addConversationMessages") {
    const [sessionId, messages, options] = args as VerbArgs<"addConversationMessages">;
    const added = actual.value as readonly (Message | undefined)[];
    const told = messages.map((message, i) => ({ ...message, messageId: message.messageId ?? added[i]?.messageId }));
    return [sessionId, told, options];
  }
  return args;
}

/** Sessions that have expired may have gone by themselves, or be counted by the cleanup that removes them. */
function withoutRemains(actual: unknown, expected: unknown, remains: number): unknown {
  const surplus = Number(actual) - Number(expected);
  return surplus > 0 && surplus <= remains ? expected : actual;
}

/** Records are documents: they travel as text. */
async function documentOf(records: AsyncIterable<StorageRecord>): Promise<string> {
  const list: StorageRecord[] = [];
  for await (const record of records) list.push(record);
  return JSON.stringify(list);
}
