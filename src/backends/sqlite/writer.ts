/**
 * The one writer of this process: short steps that wait at the same moment share a transaction, so that they share its sync to
 * disk (group commit). A step decides all its refusals before it writes; one that throws after it has written is run again in
 * a transaction of its own, so that it undoes nothing of the others.
 */
import { performance } from "node:perf_hooks";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { isStorageError, StorageConnectionError } from "../../contract/errors.js";
import type { Call } from "../../domain/driver/call.js";
import { assertWanted, backOffMs, untilFree } from "./connection/back-off.js";
import type { Connection } from "./connection/connection.js";
import type { Turns } from "./connection/turns.js";
import { isBusy, isInputOutputError, mapSqliteError, sqliteCode } from "./errors.js";

/** What the writer needs to know of a call, and tells it. */
export type WritingCall = Pick<Call, "cancelled" | "cancellation" | "remainingMs" | "sent">;

/** A short synchronous piece of a transaction; it may be run again after a rollback. */
export type WriteStep<T> = (tx: Connection) => T;

/** A long transaction in short pieces: it lets go of the event loop where it yields. It may be run again after a rollback. */
export type WriteSlices<T> = (tx: Connection) => Generator<void, T, void>;

/**
 * What a transaction is for. `short`: steps that callers wait for. `large`: one long piece of work. `lazy`: sweeping, which may
 * be lost with the power because it is done again.
 */
export type TransactionKind = "short" | "large" | "lazy";

/** Thrown where a write takes longer than it may: it has been undone, and may be begun elsewhere. */
export const TOO_LONG: unique symbol = Symbol("too long");

/** How often a write of another thread is told that nobody wants it any more, in milliseconds. */
const LOOK_MS = 25;

/** A write of another thread. */
export interface WriteOfThread<T> {
  /** Resolves when all is written but COMMIT; a write that failed, or was given up, rejects and has no effect. */
  written(): Promise<T>;
  /** May be called again where others were in the way. */
  commit(): Promise<void>;
  giveUp(): void;
  /** What is not committed has no effect. */
  end(): Promise<void>;
}

/** How long the steps of one transaction may take together, in milliseconds. */
const GROUP_MS = 5;

/** Most steps of one transaction. */
const GROUP_STEPS = 1_000;

export interface WriterOptions {
  readonly path: string;
  readonly connection: Connection;
  readonly turns: Turns;
  /** Runs at the start of every transaction; throws when this process must not write. */
  readonly guard: (tx: Connection) => void;
  /** Called before a transaction begins. */
  readonly prepare: (kind: TransactionKind) => void;
  /** Runs COMMIT; what it returns is waited for before a transaction that wrote is acknowledged. */
  readonly commit: (hasWritten: boolean) => Promise<void> | undefined;
  /**
   * Called after each transaction that wrote, outside of it; the next one waits for what it returns. It must not fail.
   * `elsewhere`: on another connection.
   */
  readonly afterCommit: (elsewhere?: boolean) => Promise<void> | undefined;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #db: Connection;
  readonly #queue: Job[] = [];
  #running = false;
  #attempt = 0;
  #lastGroup = 0;
  /** Why nothing may be written any more through this handle. */
  #broken: Error | undefined;
  #onIdle: (() => void) | undefined;
  readonly #begun = (): void => this.#turn();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#db = options.connection;
  }

  /** Why this handle refuses writes; `undefined` while it takes them. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  /**
   * Runs a step in a transaction that others of its kind may share; settles after COMMIT. `awaitsOthers`: the caller goes on without
   * waiting, and what it writes next shall come along.
   */
  write<T>(call: WritingCall, step: WriteStep<T>, kind: "short" | "lazy" = "short", awaitsOthers = false): Promise<T> {
    return this.#enqueue<T>(
      (resolve, reject) => new Job(call, { step, kind }, resolve as (value: unknown) => void, reject),
      awaitsOthers,
    );
  }

  /**
   * Runs a long piece of work in a transaction of its own; other writers wait, readers and the event loop do not.
   * @param mostMs how long its pieces may take together; else it is undone, and rejects with `TOO_LONG`
   */
  writeInSlices<T>(call: WritingCall, slices: WriteSlices<T>, mostMs: number = Number.POSITIVE_INFINITY): Promise<T> {
    return this.#enqueue<T>(
      (resolve, reject) => new Job(call, { slices, mostMs }, resolve as (value: unknown) => void, reject),
    );
  }

  /**
   * Has a write done by another thread; other writers wait.
   * @param start gives none where no thread can be started: resolves to `undefined` then
   */
  writeElsewhere<T>(
    call: WritingCall,
    start: () => WriteOfThread<T> | undefined,
  ): Promise<{ readonly value: T } | undefined> {
    return this.#enqueue<{ readonly value: T } | undefined>(
      (resolve, reject) => new Job(call, { start }, resolve as (value: unknown) => void, reject),
    );
  }

  /** Resolves when nothing is waiting or running. */
  async drained(): Promise<void> {
    if (this.#running) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #enqueue<T>(
    job: (resolve: (value: T) => void, reject: (reason: unknown) => void) => Job,
    awaitsOthers = false,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push(job(resolve, reject));
      if (this.#running) return;
      this.#running = true;
      // A caller who was alone will be: going the shorter way to the transaction is felt beside a quick sync.
      this.#options.turns.soon(this.#begun, awaitsOthers || this.#lastGroup !== 1);
    });
  }

  #turn(): void {
    const [first] = this.#queue;
    if (first === undefined) {
      this.#running = false;
      this.#onIdle?.();
    } else if (this.#broken !== undefined) {
      for (const job of this.#queue.splice(0)) job.reject(this.#broken);
      this.#turn();
    } else if ("slices" in first.work) {
      this.#queue.shift();
      void this.#runSlices(first, first.work).then(() => this.#turn());
    } else if ("start" in first.work) {
      this.#queue.shift();
      void this.#runElsewhere(first, first.work.start).then(() => this.#turn());
    } else {
      this.#runGroup(first.work.kind);
    }
  }

  #nextTurn(waitMs = 0): void {
    if (waitMs > 0) setTimeout(() => this.#turn(), waitMs);
    else setImmediate(() => this.#turn());
  }

  /** Runs the steps at the head of the queue; they leave it when they are settled. */
  #runGroup(kind: "short" | "lazy"): void {
    try {
      this.#begin(kind);
    } catch (error) {
      if (isBusy(error)) this.#waitForLock();
      else this.#failAll(error);
      return;
    }
    const written = this.#db.writes;
    const group = this.#runSteps(kind);
    if (group === undefined) {
      this.#undo();
      this.#nextTurn();
      return;
    }
    this.#lastGroup = group.length;
    const hasWritten = this.#db.writes !== written;
    try {
      const synced = this.#commit(group, hasWritten);
      if (synced !== undefined) {
        // Callers who wait for this commit go on with the next one: what has queued up meanwhile waits for them and shares its sync.
        void this.#finish(group, synced).then(() => this.#options.turns.soon(this.#begun, true));
        return;
      }
    } catch (error) {
      void this.#commitFailed(group, hasWritten, error).then(() => this.#turn());
      return;
    }
    this.#settle(group);
    const pause = hasWritten ? this.#options.afterCommit() : undefined;
    if (pause !== undefined) void pause.then(() => this.#turn());
    else if (this.#queue.length > 0) this.#nextTurn();
    else this.#turn();
  }

  #begin(kind: TransactionKind): void {
    this.#options.prepare(kind);
    this.#db.control("BEGIN IMMEDIATE");
    this.#attempt = 0;
    try {
      this.#options.guard(this.#db);
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  /** The jobs that are ready to commit; `undefined` when the transaction must be undone, with those that are to run again still waiting. */
  #runSteps(kind: "short" | "lazy"): Job[] | undefined {
    const group: Job[] = [];
    const end = performance.now() + GROUP_MS;
    for (const job of this.#queue) {
      if (!("step" in job.work) || job.work.kind !== kind || (job.alone && group.length > 0)) break;
      if (!this.#runStep(job, job.work.step)) {
        // With nobody to spoil it for, the error is the job's own.
        if (group.length === 0) this.#settle([job]);
        else job.alone = true;
        return undefined;
      }
      group.push(job);
      if (job.alone || group.length >= GROUP_STEPS || performance.now() >= end) break;
    }
    return group;
  }

  /** Whether the transaction may be committed after the step: it is done, or has refused without a write. */
  #runStep(job: Job, step: WriteStep<unknown>): boolean {
    if (job.call.cancelled) {
      job.outcome = { error: job.call.cancellation() };
      return true;
    }
    const written = this.#db.writes;
    try {
      job.outcome = { value: step(this.#db) };
      return true;
    } catch (error) {
      job.outcome = { error };
      return isStorageError(error) && this.#db.writes === written;
    }
  }

  #commit(group: readonly Job[], hasWritten: boolean): Promise<void> | undefined {
    for (const { call } of group) call.sent = true;
    return this.#options.commit(hasWritten);
  }

  /** Settles the group once its commit is on the disk. */
  async #finish(group: readonly Job[], synced: Promise<void> | undefined): Promise<void> {
    try {
      await synced;
    } catch (error) {
      this.#failUnknown(group, error);
      return;
    }
    this.#settle(group);
    await this.#options.afterCommit();
  }

  /** Settles the group if what became of it is certain, or never will be; else leaves it in the queue to run again. */
  async #commitFailed(group: readonly Job[], hasWritten: boolean, reason: unknown): Promise<void> {
    let error = reason;
    // With a rollback journal COMMIT waits for readers; until then it has had no effect.
    for (let attempt = 0; isBusy(error); attempt++) {
      for (const { call } of group) call.sent = false;
      await sleep(backOffMs(attempt));
      // What was given up meanwhile must not take effect: the others run again without it.
      if (group.some(({ call }) => call.cancelled)) {
        this.#undo();
        return;
      }
      try {
        const synced = this.#commit(group, hasWritten);
        await this.#finish(group, synced);
        return;
      } catch (next) {
        error = next;
      }
    }
    this.#undo();
    if (isInputOutputError(error)) {
      this.#failUnknown(group, error);
      return;
    }
    for (const job of group) {
      job.call.sent = false;
      job.outcome = { error };
      // Somebody's share was too much for the disk: alone, each succeeds or fails for itself.
      job.alone = true;
    }
    if (group.length === 1) this.#settle(group);
  }

  /** What a disk that failed has kept of a commit, nobody knows. */
  #failUnknown(group: readonly Job[], error: unknown): void {
    this.#breakDown(error);
    for (const job of group) job.outcome = { error: unknownOutcome(error, this.#options.path) };
    this.#settle(group);
  }

  #settle(group: readonly Job[]): void {
    this.#queue.splice(0, group.length);
    for (const job of group) job.settle();
  }

  /** Another process writes: waits, and lets go of those whose deadline passes meanwhile. */
  #waitForLock(): void {
    const waiting = this.#queue.splice(0);
    for (const job of waiting) {
      if (job.call.cancelled) job.reject(job.call.cancellation());
      else this.#queue.push(job);
    }
    this.#nextTurn(backOffMs(this.#attempt++));
  }

  #failAll(error: unknown): void {
    for (const job of this.#queue.splice(0)) job.reject(error);
    this.#nextTurn();
  }

  async #runSlices(job: Job, { slices, mostMs }: SlicedWork): Promise<void> {
    const { call } = job;
    try {
      assertWanted(call);
      await untilFree(call, () => this.#begin("large"));
      job.outcome = { value: await this.#runPieces(call, slices, mostMs) };
    } catch (error) {
      this.#undo();
      job.outcome = { error };
      job.settle();
      return;
    }
    try {
      const synced = await untilFree(call, () => {
        try {
          return { done: this.#commit([job], true) };
        } catch (error) {
          // Not yet: what waits for readers has had no effect.
          call.sent = !isBusy(error);
          throw error;
        }
      });
      await synced.done;
    } catch (error) {
      this.#undo();
      this.#uncommitted(job, error);
    }
    job.settle();
    await this.#options.afterCommit();
  }

  /** A COMMIT that has failed, or was not waited for. */
  #uncommitted(job: Job, error: unknown): void {
    // Only SQLite's other errors, and giving up the wait, say that nothing was committed.
    const isUnknown = isInputOutputError(error) || (sqliteCode(error) === undefined && !isStorageError(error));
    if (isUnknown) this.#breakDown(error);
    else job.call.sent = false;
    job.outcome = { error: isUnknown ? unknownOutcome(error, this.#options.path) : error };
  }

  async #runPieces(call: WritingCall, slices: WriteSlices<unknown>, mostMs: number): Promise<unknown> {
    const pieces = slices(this.#db);
    let tookMs = 0;
    for (let start = performance.now(); ; ) {
      const piece = pieces.next();
      const sliceMs = performance.now() - start;
      if (tookMs + sliceMs > mostMs) throw TOO_LONG;
      // Also after the last piece: the commit of what took long takes long itself.
      if (sliceMs >= GROUP_MS) {
        tookMs += sliceMs;
        await nextTurn();
        start = performance.now();
      }
      if (call.cancelled) throw call.cancellation();
      if (piece.done) return piece.value;
    }
  }

  async #runElsewhere(job: Job, start: () => WriteOfThread<unknown> | undefined): Promise<void> {
    const { call } = job;
    let write: WriteOfThread<unknown> | undefined;
    try {
      assertWanted(call);
      write = start();
      job.outcome = { value: write && { value: await wantedStill(call, write) } };
    } catch (error) {
      // Of one that ended because nobody wants it any more, the call knows why.
      job.outcome = { error: call.cancelled ? call.cancellation() : error };
      await write?.end();
      job.settle();
      return;
    }
    try {
      if (write !== undefined) await this.#commitElsewhere(call, write);
    } catch (error) {
      this.#uncommitted(job, error);
    }
    await write?.end();
    job.settle();
    await this.#options.afterCommit(true);
  }

  async #commitElsewhere(call: WritingCall, write: WriteOfThread<unknown>): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      assertWanted(call);
      call.sent = true;
      try {
        return await write.commit();
      } catch (error) {
        if (!isBusy(error)) throw error;
        // Not yet: what waits for readers has had no effect.
        call.sent = false;
      }
      await sleep(backOffMs(attempt));
    }
  }

  #undo(): void {
    try {
      this.#db.rollback();
    } catch (error) {
      this.#breakDown(error);
    }
  }

  /** After a sync that failed, what a later sync says proves nothing about the earlier one. */
  #breakDown(cause: unknown): void {
    this.#broken = new StorageConnectionError(
      `the disk of ${this.#options.path} failed in the middle of a write; this storage takes no more writes: close it and open it again`,
      { retryable: false, cause },
    );
  }
}

/** What a write of another thread gives, as long as somebody wants it. */
async function wantedStill<T>(call: WritingCall, write: WriteOfThread<T>): Promise<T> {
  const look = setInterval(() => {
    if (call.cancelled) write.giveUp();
  }, LOOK_MS);
  try {
    return await write.written();
  } finally {
    clearInterval(look);
  }
}

/** An error of SQLite, or of the sync of the log. */
function unknownOutcome(error: unknown, path: string): unknown {
  const mapped = mapSqliteError(error, path, "unknown");
  if (isStorageError(mapped)) return mapped;
  return new StorageConnectionError(`the disk of ${path} reported an error`, {
    outcome: "unknown",
    retryable: false,
    cause: error,
  });
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

interface SlicedWork {
  readonly slices: WriteSlices<unknown>;
  readonly mostMs: number;
}

/** One write on its way. */
class Job {
  readonly call: WritingCall;
  readonly work:
    | { readonly step: WriteStep<unknown>; readonly kind: "short" | "lazy" }
    | SlicedWork
    | { readonly start: () => WriteOfThread<unknown> | undefined };
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  /** It spoiled a shared transaction. */
  alone = false;
  /** What its step gave; told when the transaction has taken effect. */
  outcome: Outcome | undefined;

  constructor(
    call: WritingCall,
    work: Job["work"],
    resolve: (value: unknown) => void,
    reject: (reason: unknown) => void,
  ) {
    this.call = call;
    this.work = work;
    this.resolve = resolve;
    this.reject = reject;
  }

  settle(): void {
    const { outcome } = this;
    if (outcome === undefined) this.reject(new Error("a write was settled before it was run"));
    else if ("value" in outcome) this.resolve(outcome.value);
    else this.reject(outcome.error);
  }
}
