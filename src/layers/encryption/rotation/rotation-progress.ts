/** How far a rotation is, kept in the store: another process goes on where this one was killed. */
import { Buffer } from "node:buffer";
import type { StorageBackend } from "../../../contract/storage-backend.js";
import { bound, open, partsOf, seal, sealedText } from "../seal.js";
import type { TenantSeals } from "../tenant-seals.js";

/** What is gone through, in this order. */
export const PHASES = ["grants", "sessions", "threads", "items"] as const;
export type RotationPhase = (typeof PHASES)[number];

/** Where to go on: the page that was not done. */
export interface RotationPoint {
  readonly phase: RotationPhase;
  readonly cursor: string | null;
}

export const START: RotationPoint = { phase: "grants", cursor: null };

const NAMESPACE = ["rotation"];
const PLACE = bound("rotation");
const FIELD = "wse";

/** Points of the rotation to the current key. Who can write to the store cannot make one up. */
export class RotationPoints {
  readonly #view: StorageBackend | undefined;
  readonly #seals: TenantSeals;
  readonly #name: string;

  /** @param view the tenant that holds the grants; without one nothing is kept */
  constructor(view: StorageBackend | undefined, seals: TenantSeals, keyId: string) {
    this.#view = view;
    this.#seals = seals;
    this.#name = keyId;
  }

  async read(): Promise<RotationPoint | undefined> {
    const item = await this.#view?.getItem(NAMESPACE, this.#name);
    const parts = partsOf(item?.value[FIELD]);
    if (parts === undefined) return undefined;
    const key = await this.#seals.keys.byId(parts.keyId, "grant", this.#name);
    return JSON.parse(open(key, PLACE, parts.sealed, "the point of a rotation").toString()) as RotationPoint;
  }

  async write(point: RotationPoint): Promise<void> {
    const key = this.#seals.keys.current("grant", this.#name);
    const sealed = sealedText(key, seal(key, PLACE, Buffer.from(JSON.stringify(point))));
    await this.#view?.putItem(NAMESPACE, this.#name, { [FIELD]: sealed });
  }

  async forget(): Promise<void> {
    await this.#view?.deleteItem(NAMESPACE, this.#name);
  }
}
