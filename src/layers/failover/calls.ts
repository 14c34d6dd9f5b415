/** Calls of one tenant: which store answers, and when a write is acknowledged. */
import { isStorageError, StorageConnectionError, type StorageError } from "../../contract/errors.js";
import { OPERATIONS } from "../../contract/operations.js";
import type { ExportFilter, StorageRecord } from "../../contract/records.js";
import type { Session, SessionUpdate } from "../../contract/session-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { InterceptedCall, isHarmlessTwice } from "../layer-call.js";
import { additionOf } from "./additions.js";
import type { Change } from "./growth.js";
import { inwardLease, outwardLease } from "./lease-tokens.js";
import type { Mark } from "./marks.js";
import {
  begins,
  CONTEXT_OPERATIONS,
  OPERATION_UNITS,
  onlyReads,
  refreshes,
  type ServedOperation,
} from "./operation-units.js";
import { nobodyServes, type Pair } from "./pair.js";
import { Patience } from "./patience.js";
import { contextOf } from "./relations.js";
import { type Both, otherSide, type Side } from "./side.js";
import { type Unit, unitName, WHOLE_TENANT } from "./unit.js";

type Verb = (...args: readonly unknown[]) => Promise<unknown>;

/** Operations on leases change no record. */
const LEASES: ReadonlySet<ServedOperation> = new Set(["acquireLease", "renewLease", "releaseLease"]);

export class Calls {
  readonly #pair: Pair;
  readonly #tenant: string;
  readonly #views: Both<StorageBackend>;
  readonly #stale: WeakSet<object>;

  /** @param stale results that came from a store which may miss acknowledged writes */
  constructor(pair: Pair, tenant: string, stale: WeakSet<object>) {
    this.#pair = pair;
    this.#tenant = tenant;
    this.#views = pair.view(tenant);
    this.#stale = stale;
  }

  async call(operation: ServedOperation, args: readonly unknown[]): Promise<unknown> {
    const call = new InterceptedCall(this.#views.primary, operation, args);
    call.keepArguments();
    const patience = new Patience(call);
    if (!this.#pair.isReady) await patience.for(this.#pair.ready(), "not-applied");
    this.#pair.meet(this.#tenant);
    const units = unitsOf(operation, call.args);
    // Every store refuses such arguments, before anything else.
    if (units === undefined) return this.#send(this.#pair.serving, call, undefined);
    const reads = OPERATIONS[operation].access === "read" || onlyReads(operation, call.args);
    if (reads && !refreshes(operation, call.args)) return this.#read(call, units, patience);
    return this.#write(call, units, patience);
  }

  async *exportRecords(
    filter: ExportFilter | undefined,
    first: AsyncIterable<StorageRecord>,
  ): AsyncGenerator<StorageRecord> {
    const pair = this.#pair;
    if (pair.isClosed) {
      // It says so itself.
      yield* first;
      return;
    }
    await pair.ready();
    pair.meet(this.#tenant);
    const units = unitsOf("exportRecords", [filter]) ?? [WHOLE_TENANT];
    const sides = [pair.serving, otherSide(pair.serving)].filter((side) => pair.mayServe(side, this.#tenant, units));
    let failure: StorageError = nobodyServes(pair.serving);
    for (const side of sides) {
      let isBegun = false;
      try {
        for await (const record of side === "primary" ? first : this.#views[side].exportRecords(filter)) {
          isBegun = true;
          yield record;
        }
        return;
      } catch (error) {
        if (isBegun || !isUnavailable(error)) throw error;
        failure = error;
        await pair.failed(side);
      }
    }
    throw failure;
  }

  async #read(call: InterceptedCall, units: readonly Unit[], patience: Patience): Promise<unknown> {
    const pair = this.#pair;
    const breath = pair.breath();
    if (breath !== undefined) await breath;
    const sides = [pair.serving, otherSide(pair.serving)];
    const able = sides.filter((side) => this.#mayRead(side, call, units));
    let failure: StorageError = nobodyServes(pair.serving);
    const failed = new Set<Side>();
    for (const [i, side] of able.entries()) {
      const isLast = i === able.length - 1;
      try {
        const atMost = isLast && !pair.settings.allowStale ? undefined : pair.settings.attemptTimeoutMs;
        return await this.#send(side, call, patience.changes(atMost));
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        failure = error;
        failed.add(side);
        if (patience.leftMs <= 0) throw error;
        await patience.for(pair.failed(side), "not-applied");
      }
    }
    if (!pair.settings.allowStale) throw failure;
    for (const side of sides) {
      if (failed.has(side)) continue;
      try {
        return this.#told(call, side, await this.#send(side, call, patience.changes()));
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** A context that another session shares may have been changed by that one. */
  #mayRead(side: Side, call: InterceptedCall, units: readonly Unit[]): boolean {
    const isOfContext = CONTEXT_OPERATIONS.has(call.operation as ServedOperation);
    if (isOfContext && this.#pair.marks.missesContexts(side, this.#tenant)) return false;
    return this.#pair.mayServe(side, this.#tenant, units);
  }

  #told(call: InterceptedCall, side: Side, result: unknown): unknown {
    this.#pair.staleReads += 1;
    this.#pair.tell({ type: "stale-read", operation: call.operation, tenant: this.#tenant, from: side });
    if (typeof result === "object" && result !== null) this.#stale.add(result);
    return result;
  }

  async #write(call: InterceptedCall, units: readonly Unit[], patience: Patience): Promise<unknown> {
    const pair = this.#pair;
    if (carriesVectors(call)) await patience.for(pair.tenants.noteVectors(this.#tenant), "not-applied");
    const given = call.args;
    for (;;) {
      while (pair.gate.wait !== undefined) await patience.for(pair.gate.wait, "not-applied");
      const side = pair.serving;
      call.args = inwardArgs(call.operation as ServedOperation, given, pair.epoch);
      pair.gate.enter();
      let change: Change | undefined;
      try {
        const all = await patience.for(this.#related(side, call, units, patience), "not-applied");
        if (!this.#mayWrite(side, call, all)) throw nobodyServes(side);
        const marks = this.#marksOf(side, call, all);
        change = pair.growth.begin(marks, additionOf(call.operation as ServedOperation, call.args));
        await this.#keep(side, marks, patience);
        if (!pair.isInCharge(side)) {
          for (const mark of marks) mark.end(false);
          continue;
        }
        const result = await this.#carryOut(side, call, marks, change, patience);
        const isAcknowledged = await this.#acknowledge(side, marks, patience);
        if (isAcknowledged) return isLease(call) ? outwardLease(result as never, pair.epoch) : result;
        // The store is no longer in charge, and what it has of this will be replaced.
        if (!mayRepeat(call))
          throw new StorageConnectionError("the store in charge has changed", { outcome: "unknown" });
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        if (patience.leftMs <= 0) throw error;
        await patience.for(pair.failed(side), error.outcome);
        const isSafe = error.outcome === "not-applied" ? call.operation !== "importRecords" : mayRepeat(call);
        if (pair.serving === side || !isSafe) throw error;
      } finally {
        change?.end("nothing");
        pair.gate.leave();
      }
    }
  }

  #mayWrite(side: Side, call: InterceptedCall, units: readonly Unit[]): boolean {
    const pair = this.#pair;
    if (pair.mayServe(side, this.#tenant, units)) return true;
    const isHeld = (sessionId: string): boolean => pair.isHeld(this.#tenant, { kind: "session", id: sessionId });
    return pair.spills && side === "fallback" && begins(call.operation as ServedOperation, call.args, isHeld);
  }

  /** All that a write may change, and what is copied together with it. */
  async #related(
    side: Side,
    call: InterceptedCall,
    units: readonly Unit[],
    patience: Patience,
  ): Promise<readonly Unit[]> {
    const pair = this.#pair;
    if (pair.spills || LEASES.has(call.operation as ServedOperation)) return units;
    const view = this.#views[side];
    const all = new Map(units.map((unit) => [unitName(this.#tenant, unit), unit]));
    const add = (unit: Unit): unknown => all.set(unitName(this.#tenant, unit), unit);
    for (const unit of units) {
      if (unit.kind !== "thread") continue;
      const link = await pair.links.of(this.#tenant, unit.id, view, call.signal);
      if (link !== null) add({ kind: "session", id: link });
    }
    const [first] = units;
    if (call.operation === "deleteSession" && first?.kind === "session") {
      // The session's threads go with it.
      const query = { sessionId: first.id, limit: 1_000, ...patience.changes() };
      const { items, nextCursor } = await view.listThreads(query);
      if (nextCursor !== undefined) return [WHOLE_TENANT];
      for (const { threadId } of items) add({ kind: "thread", id: threadId });
    }
    const isOfContext = CONTEXT_OPERATIONS.has(call.operation as ServedOperation);
    if (isOfContext || pair.marks.missesContexts(side, this.#tenant)) {
      for (const unit of [...all.values()]) {
        const context = unit.kind === "session" ? await contextOf(unit.id, view, call.signal) : undefined;
        if (context !== undefined) add(context);
      }
    }
    return [...all.values()];
  }

  #marksOf(side: Side, call: InterceptedCall, units: readonly Unit[]): readonly Mark[] {
    const pair = this.#pair;
    if (LEASES.has(call.operation as ServedOperation) || (pair.spills && side === "primary")) return [];
    const marks = units.map((unit) => pair.marks.at(this.#tenant, unit, otherSide(side)));
    const all = [...new Set(marks)];
    for (const mark of all) mark.begin();
    return all;
  }

  /** Writes down that the other store is about to miss something. */
  async #keep(side: Side, marks: readonly Mark[], patience: Patience): Promise<void> {
    const pair = this.#pair;
    const isWaitedFor = side === "primary" && pair.settings.mode === "sync-both" && !pair.isFallbackAway;
    const writes = marks.flatMap((mark) => pair.marks.keep(mark, mark.acknowledged || !isWaitedFor) ?? []);
    if (writes.length === 0) return;
    try {
      await patience.for(Promise.all(writes), "not-applied");
    } catch (error) {
      for (const mark of marks) mark.end(false);
      throw error;
    }
  }

  async #carryOut(
    side: Side,
    call: InterceptedCall,
    marks: readonly Mark[],
    change: Change,
    patience: Patience,
  ): Promise<unknown> {
    try {
      const result = await this.#sendOnce(side, call, patience);
      change.end("done", result);
      for (const mark of marks) this.#end(mark, true);
      this.#forgetLinks(call, marks);
      return result;
    } catch (error) {
      const changed = !isStorageError(error) || error.outcome !== "not-applied";
      change.end(changed ? "unknown" : "nothing");
      for (const mark of marks) this.#end(mark, changed);
      if (changed) this.#forgetLinks(call, marks);
      if (changed && marks.length > 0) this.#pair.kick();
      throw error;
    }
  }

  #forgetLinks(call: InterceptedCall, marks: readonly Mark[]): void {
    const isStored = call.operation === "storeCheckpoint" || call.operation === "putWrites";
    for (const { unit } of marks) {
      if (unit.kind === "tenant") this.#pair.links.forgetAll();
      if (unit.kind !== "thread") continue;
      const link = this.#pair.links.known(this.#tenant, unit.id);
      const { sessionId } = (call.operation === "storeCheckpoint" ? (call.args[3] ?? {}) : {}) as {
        sessionId?: string;
      };
      // A thread that is there keeps its link unless another one is given.
      if (isStored && link !== undefined && (sessionId === undefined || sessionId === link)) continue;
      this.#pair.links.forget(this.#tenant, unit.id);
    }
  }

  #end(mark: Mark, changed: boolean): void {
    mark.end(changed);
    const isCopied = mark.running === 0 && mark.dirty && mark.copied >= mark.generation;
    if (isCopied && mark.behind === "fallback") this.#pair.marks.settle(mark);
  }

  /** `false` if the store has lost its charge before the other had the write. */
  async #acknowledge(side: Side, marks: readonly Mark[], patience: Patience): Promise<boolean> {
    const pair = this.#pair;
    const ends = marks.map((mark) => [mark, mark.generation] as const);
    if (side === "primary" && pair.settings.mode === "sync-both") {
      for (;;) {
        const open = ends.filter(([mark, generation]) => mark.copied < generation);
        if (open.length === 0) return true;
        if (!pair.isInCharge(side)) return false;
        const { next } = pair.progress;
        if (pair.isFallbackAway || open.every(([mark]) => mark.isRefused)) {
          const kept = open.flatMap(([mark]) => {
            mark.acknowledged = true;
            return pair.marks.keep(mark, true) ?? [];
          });
          if (kept.length > 0) await patience.for(Promise.all(kept), "unknown");
          return true;
        }
        pair.kick();
        await patience.for(next, "unknown");
      }
    }
    if (!pair.isInCharge(side)) return false;
    for (const mark of marks) mark.acknowledged = true;
    pair.kick();
    // As slow as the copies are that bring the primary up to date: they would never be done otherwise.
    if (pair.state === "recovering") await pair.progress.within(patience.leftMs / 2);
    return true;
  }

  /** A write with an idempotency key is one of both stores (S5). */
  #sendOnce(side: Side, call: InterceptedCall, patience: Patience): Promise<unknown> {
    const send = (): Promise<unknown> => this.#send(side, call, patience.changes());
    const [sessionId, update] = call.args as readonly [string, SessionUpdate];
    if (call.operation !== "updateSession" || typeof update?.idempotencyKey !== "string" || this.#pair.spills) {
      return send();
    }
    const place = {
      tenant: this.#tenant,
      sessionId,
      epoch: () => this.#pair.epoch,
      current: () => this.#views[side].getSession(sessionId, patience.changes()),
    };
    return this.#pair.keys.run(place, update, send as () => Promise<Session>);
  }

  async #send(
    side: Side,
    call: InterceptedCall,
    changes: { readonly timeoutMs: number } | undefined,
  ): Promise<unknown> {
    const verb = this.#views[side][call.operation] as unknown as Verb;
    // Whether a store that does not answer is away is found out before its callers have waited for their deadlines.
    const ask = (): void => void this.#pair.failed(side).catch(() => undefined);
    const timer = setTimeout(ask, this.#pair.settings.attemptTimeoutMs);
    try {
      return await verb.apply(this.#views[side], [...call.argsWith(changes)]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function unitsOf(operation: ServedOperation, args: readonly unknown[]): readonly Unit[] | undefined {
  try {
    return (OPERATION_UNITS[operation] as (...args: readonly unknown[]) => readonly Unit[])(...args);
  } catch (error) {
    if (error instanceof TypeError || isStorageError(error)) return undefined;
    throw error;
  }
}

function isUnavailable(error: unknown): error is StorageError {
  return isStorageError(error) && (error.code === "CONNECTION" || error.code === "TIMEOUT");
}

/** A source of records is read once. */
function mayRepeat(call: InterceptedCall): boolean {
  return call.operation !== "importRecords" && isHarmlessTwice(call);
}

function isLease({ operation }: InterceptedCall): boolean {
  return operation === "acquireLease" || operation === "renewLease";
}

function inwardArgs(operation: ServedOperation, args: readonly unknown[], epoch: number): readonly unknown[] {
  if (operation === "renewLease" || operation === "releaseLease")
    return [inwardLease(args[0], epoch), ...args.slice(1)];
  const { optionsAt } = OPERATIONS[operation];
  const options = optionsAt === null ? undefined : args[optionsAt];
  if (typeof options !== "object" || options === null || !("lease" in options)) return args;
  const changed = [...args];
  changed[optionsAt as number] = { ...options, lease: inwardLease(options.lease, epoch) };
  return changed;
}

function carriesVectors({ operation, args }: InterceptedCall): boolean {
  const has = (options: unknown): boolean =>
    typeof options === "object" && options !== null && "vectors" in options && options.vectors !== undefined;
  if (operation === "putItem" || operation === "updateItem") return has(args[3]);
  // Whether records have some is known when they have been read.
  if (operation === "importRecords") return true;
  if (operation !== "batchItems" || !Array.isArray(args[0])) return false;
  return args[0].some((step) => has(step?.put) || has(step?.update));
}
