/** Leases: who may write, told by a fencing token and not by a clock (L1). */
import type { CallOptions, Lease, LeaseSubject } from "./call.js";

export interface AcquireLeaseOptions extends CallOptions {
  /** Name of the holder. The same owner may acquire again at once: the new token fences the old one off. */
  readonly owner: string;
  /** After this many milliseconds another owner may acquire, unless the lease is renewed. */
  readonly ttlMs: number;
}

export interface RenewLeaseOptions extends CallOptions {
  /** Counted from now. Default: as acquired. */
  readonly ttlMs?: number | undefined;
}

export interface LeaseStorage {
  /** Takes the lease, with a token above every earlier one. @throws ConflictError while another owner holds it */
  acquireLease(subject: LeaseSubject, options: AcquireLeaseOptions): Promise<Lease>;

  /** Prolongs the lease; the token stays. @throws FencedError if it was superseded, released or deleted with its subject */
  renewLease(lease: Lease, options?: RenewLeaseOptions): Promise<Lease>;

  /** Gives the lease up; writes under it are refused from now on. `false` if it was superseded or gone. */
  releaseLease(lease: Lease, options?: CallOptions): Promise<boolean>;
}
