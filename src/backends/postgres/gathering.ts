/**
 * Calls of one kind that come while others of it are on the server go together, in one statement (group commit). Who comes alone is sent
 * at once. A call that cannot be done together with others is done alone: nobody fails for the sake of another.
 */
import type { Call, CallName } from "../../domain/driver/call.js";
import { changesOf, noteChanges } from "../../domain/driver/changes.js";
import { isAnswer } from "./errors.js";

/** Statements of one kind on the server at a time: while it works on one, this process prepares the next. */
const STATEMENTS = 2;

/** When the statements before take longer than this, in milliseconds, those who wait do not wait for them. */
const LONGEST_WAIT_MS = 20;

/** Most that go together, and about how many bytes. */
const CALLS_AT_ONCE = 64;
const BYTES_AT_ONCE = 1024 * 1024;

export interface Gathered<Item, Result> {
  /** The session or thread that an item changes: one at a time, so that no two statements of this process wait for each other. */
  subjectOf(item: Item): string;
  /** About how many bytes it sends. */
  sizeOf(item: Item): number;
  /** Whether an item can go with those that go already and change the same subject. */
  fits(item: Item, others: readonly Item[]): boolean;
  alone(call: Call, item: Item): Promise<Result>;
  /** Does several items of one tenant; `undefined` for those that nothing was done for. */
  together(call: Call, items: readonly Item[]): Promise<readonly (Result | undefined)[]>;
}

interface Waiting<Item, Result> {
  readonly call: Call;
  readonly item: Item;
  readonly subject: string;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class Gathering<Item, Result> {
  readonly #how: Gathered<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  /** Subjects that are being changed. */
  readonly #busy = new Set<string>();
  #onServer = 0;
  #lastSize = 1;
  #soon = false;
  #late: NodeJS.Timeout | undefined;

  constructor(how: Gathered<Item, Result>) {
    this.#how = how;
  }

  run(call: Call, item: Item): Promise<Result> {
    const subject = `${call.tenant}\0${this.#how.subjectOf(item)}`;
    // Who was alone the last time will be alone.
    if (this.#onServer === 0 && this.#lastSize === 1 && !this.#soon && this.#waiting.length === 0) {
      if (!this.#busy.has(subject)) return this.#first(call, item, subject);
    }
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ call, item, subject, resolve, reject });
      this.#sendSoon();
    });
  }

  async #first(call: Call, item: Item, subject: string): Promise<Result> {
    this.#onServer += 1;
    this.#busy.add(subject);
    try {
      return await this.#how.alone(call, item);
    } finally {
      this.#onServer -= 1;
      this.#busy.delete(subject);
      this.#sendSoon();
    }
  }

  /** At the end of this turn of the event loop, in which others may come. */
  #sendSoon(): void {
    if (this.#soon || this.#waiting.length === 0) return;
    if (this.#onServer >= STATEMENTS) {
      this.#late ??= setTimeout(() => {
        this.#late = undefined;
        this.#send(this.#onServer + 1);
      }, LONGEST_WAIT_MS);
      return;
    }
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      this.#send(STATEMENTS);
    });
  }

  #send(most: number): void {
    while (this.#onServer < most && this.#waiting.length > 0) {
      const group = this.#take();
      if (group.length === 0) break;
      this.#lastSize = group.length;
      this.#onServer += 1;
      void this.#carryOut(group);
    }
    if (this.#waiting.length > 0) this.#sendSoon();
    else {
      clearTimeout(this.#late);
      this.#late = undefined;
    }
  }

  /** Those of one tenant that may go now, in the order in which they came. */
  #take(): Waiting<Item, Result>[] {
    const group: Waiting<Item, Result>[] = [];
    const bySubject = new Map<string, Item[]>();
    const left: Waiting<Item, Result>[] = [];
    let bytes = 0;
    for (const each of this.#waiting) {
      if (each.call.cancelled) {
        each.reject(each.call.cancellation());
        continue;
      }
      const others = bySubject.get(each.subject);
      const goes =
        !this.#busy.has(each.subject) &&
        group.length < CALLS_AT_ONCE &&
        bytes < BYTES_AT_ONCE &&
        (group[0] === undefined || group[0].call.tenant === each.call.tenant) &&
        (others === undefined || this.#how.fits(each.item, others));
      if (!goes) {
        left.push(each);
        // What comes later for a subject stays behind what came before.
        if (others !== undefined) bySubject.set(each.subject, [...others, each.item]);
        continue;
      }
      group.push(each);
      bytes += this.#how.sizeOf(each.item);
      if (others === undefined) bySubject.set(each.subject, [each.item]);
      else others.push(each.item);
    }
    this.#waiting = left;
    for (const { subject } of group) this.#busy.add(subject);
    return group;
  }

  async #carryOut(group: readonly Waiting<Item, Result>[]): Promise<void> {
    const [only] = group;
    const alone = group.length === 1 && only !== undefined ? [only] : await this.#together(group);
    if (group.length > 1) this.#landed(group, alone);
    await Promise.all(alone.map((each) => this.#alone(each)));
    if (group.length === 1) this.#landed(group, []);
    else for (const { subject } of alone) this.#busy.delete(subject);
    this.#sendSoon();
  }

  #landed(group: readonly Waiting<Item, Result>[], alone: readonly Waiting<Item, Result>[]): void {
    this.#onServer -= 1;
    for (const { subject } of group) this.#busy.delete(subject);
    for (const { subject } of alone) this.#busy.add(subject);
    this.#sendSoon();
  }

  /** Settles all but those that are left to be done alone. */
  async #together(group: readonly Waiting<Item, Result>[]): Promise<Waiting<Item, Result>[]> {
    const call = new SharedCall(group.map((each) => each.call));
    try {
      const results = await this.#how.together(
        call,
        group.map(({ item }) => item),
      );
      return group.filter(({ resolve }, i) => {
        const result = results[i];
        if (result !== undefined) resolve(result);
        return result === undefined;
      });
    } catch (error) {
      // The server has taken it back, and one of them may be the reason.
      if (isAnswer(error) && !call.cancelled) return [...group];
      for (const { reject } of group) reject(error);
      return [];
    }
  }

  async #alone({ call, item, resolve, reject }: Waiting<Item, Result>): Promise<void> {
    call.sent = false;
    if (call.cancelled) {
      reject(call.cancellation());
      return;
    }
    try {
      resolve(await this.#how.alone(call, item));
    } catch (error) {
      reject(error);
    }
  }
}

/** What several calls have in common: it is given up when all of them are, and what is sent is sent for all. */
class SharedCall implements Call {
  readonly tenant: string;
  readonly operation: CallName;
  readonly #calls: readonly Call[];

  constructor(calls: readonly Call[]) {
    const [first] = calls as readonly [Call, ...Call[]];
    this.tenant = first.tenant;
    this.operation = first.operation;
    this.#calls = calls;
    noteChanges(this, calls.flatMap(changesOf));
  }

  get cancelled(): boolean {
    return this.#calls.every(({ cancelled }) => cancelled);
  }

  get sent(): boolean {
    return this.#calls.some(({ sent }) => sent);
  }

  set sent(sent: boolean) {
    for (const call of this.#calls) call.sent = sent;
  }

  remainingMs(): number {
    return Math.max(...this.#calls.map((call) => call.remainingMs()));
  }

  cancellation(): Error {
    return (this.#calls as readonly [Call, ...Call[]])[0].cancellation();
  }
}
