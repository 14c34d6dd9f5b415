/**
 * Where things of a tenant are: ids go to shards by a hash, and each shard has a hash tag that lies in a slice of a Cluster's slots of
 * its own. Both are part of the format: another hash would look for what is stored in another place.
 */

import { tagOf } from "../keys.js";

/** Slots of a Redis Cluster. */
const SLOTS = 16_384;

/** Names of shards that are remembered, by tenants. */
const REMEMBERED_TENANTS = 256;

/** The shard of an id: FNV-1a over its UTF-8 bytes, and the last step of MurmurHash3, which lets every bit count. */
export function shardOfId(id: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(id)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % shards;
}

/**
 * Names of a tenant's shards, which stand in hash tags as names of tenants do: `acme/3.17` is shard 3. What stands behind the point is the
 * first number that brings the tag into the slice of slots that is this shard's: Clusters give masters contiguous slots, and shards are
 * spread as evenly as slots are. The last slash ends the tenant's name, so that no two tenants have one tag.
 */
export class ShardNames {
  readonly #shards: number;
  readonly #names = new Map<string, readonly string[]>();

  constructor(shards: number) {
    this.#shards = shards;
  }

  of(tenant: string): readonly string[] {
    let names = this.#names.get(tenant);
    if (names === undefined) {
      if (this.#names.size >= REMEMBERED_TENANTS) this.#names.clear();
      names = Array.from({ length: this.#shards }, (_, shard) => shardName(tenant, shard, this.#shards));
      this.#names.set(tenant, names);
    }
    return names;
  }
}

function shardName(tenant: string, shard: number, shards: number): string {
  const start = crc16(Buffer.from(tagOf(`${tenant}/${shard}.`)));
  for (let salt = 0; ; salt++) {
    const slot = crcOfDigits(salt, start) % SLOTS;
    if (Math.floor((slot * shards) / SLOTS) === shard) return `${tenant}/${shard}.${salt}`;
  }
}

/** CRC16 of a byte, as a Cluster computes slots (XMODEM). */
const CRC_OF_BYTE: readonly number[] = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

function crcOfNext(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ (CRC_OF_BYTE[(crc >>> 8) ^ byte] as number);
}

function crc16(bytes: Uint8Array): number {
  return bytes.reduce(crcOfNext, 0);
}

/** Of bytes that are followed by the digits of a number: a tenant of many shards looks at very many numbers. */
function crcOfDigits(number: number, before: number): number {
  const crc = number < 10 ? before : crcOfDigits(Math.floor(number / 10), before);
  return crcOfNext(crc, 48 + (number % 10));
}
