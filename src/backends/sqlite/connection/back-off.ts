/** Waiting for a lock that another connection has: never inside SQLite, which would hold the event loop. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "../../../domain/driver/call.js";
import { isBusy } from "../errors.js";

/** What waiting needs to know of a call. */
export type WaitingCall = Pick<Call, "cancelled" | "cancellation" | "remainingMs">;

/** Longest wait before the next try, in milliseconds. */
const MAX_WAIT_MS = 25;

/** How long to wait before try number `attempt`, counted from 0; random, so that processes do not meet again and again. */
export function backOffMs(attempt: number): number {
  return 1 + Math.random() * Math.min(2 ** attempt, MAX_WAIT_MS - 1);
}

/** Throws the call's cancellation when nobody waits for it any more. */
export function assertWanted(call: WaitingCall): void {
  if (call.cancelled || call.remainingMs() <= 0) throw call.cancellation();
}

/**
 * Tries until no other connection is in the way.
 * @throws the call's cancellation at its deadline; what `work` throws for another reason
 */
export async function untilFree<T>(call: WaitingCall, work: () => T): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    assertWanted(call);
    await sleep(backOffMs(attempt));
    assertWanted(call);
  }
}
