/** AES-256-GCM of bytes, and the text that carries it: `wse1.KEY.BASE64`. The nonce stands first, the tag last. */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac, randomFillSync } from "node:crypto";
import { CorruptionError } from "../../contract/errors.js";
import type { SubjectKey } from "./tenant-keys.js";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES };

/** Begins each sealed text; the digit is the version of the form. */
const PREFIX = "wse1.";

/** What a content is bound to beside its subject: it opens nowhere else. */
export function bound(...names: readonly (string | number | boolean | null)[]): Buffer {
  return Buffer.from(JSON.stringify(names));
}

/** Seals bytes with a nonce of their own: nobody sees that two of them are equal. */
export function seal(key: SubjectKey, binding: Uint8Array, content: Uint8Array): Buffer {
  return encrypt(key, nextNonce(), binding, content);
}

/** The nonce of `sealAlike`: 16 characters of base64, which name the content within its subject. */
export function nonceOf(key: SubjectKey, binding: Uint8Array, content: Uint8Array): string {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(binding.length);
  const digest = createHmac("sha256", key.nonces).update(length).update(binding).update(content).digest();
  return digest.toString("base64", 0, NONCE_BYTES);
}

/** Seals bytes with the nonce that `nonceOf` gives for these very bytes: equal ones become equal, others never share a nonce. */
export function sealAlike(key: SubjectKey, nonce: string, binding: Uint8Array, content: Uint8Array): Buffer {
  return encrypt(key, Buffer.from(nonce, "base64"), binding, content);
}

function encrypt(key: SubjectKey, nonce: Uint8Array, binding: Uint8Array, content: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key.cipher, nonce, OPTIONS);
  cipher.setAAD(binding);
  const body = cipher.update(content);
  cipher.final();
  return Buffer.concat([nonce, body, cipher.getAuthTag()]);
}

/** The content. @throws CorruptionError unless it was sealed by this key and bound to the same */
export function open(key: SubjectKey, binding: Uint8Array, sealed: Uint8Array, what: string): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw unverified(what);
  const decipher = createDecipheriv("aes-256-gcm", key.cipher, sealed.subarray(0, NONCE_BYTES), OPTIONS);
  decipher.setAAD(binding);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const content = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    // The cause would say nothing more, and nothing of the content may go with an error.
    throw unverified(what);
  }
  return content;
}

/** The error for a content that does not open. */
export function unverified(what: string): CorruptionError {
  return new CorruptionError(
    `the encrypted content of ${what} cannot be verified: it was changed, or moved from elsewhere, or its key has another secret`,
  );
}

export function sealedText(key: SubjectKey, sealed: Buffer): string {
  return `${PREFIX}${key.id}.${sealed.toString("base64")}`;
}

/** A sealed text in its parts; `undefined` for a text that is none. */
export function partsOf(text: unknown): { readonly keyId: string; readonly sealed: Buffer } | undefined {
  if (typeof text !== "string" || !text.startsWith(PREFIX)) return undefined;
  const dot = text.indexOf(".", PREFIX.length);
  if (dot === -1) return undefined;
  return { keyId: text.slice(PREFIX.length, dot), sealed: Buffer.from(text.slice(dot + 1), "base64") };
}

/** Random nonces, drawn many at once. */
const pool = Buffer.alloc(NONCE_BYTES * 256);
let poolAt = pool.length;

function nextNonce(): Uint8Array {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  const nonce = Buffer.from(pool.subarray(poolAt, poolAt + NONCE_BYTES));
  poolAt += NONCE_BYTES;
  return nonce;
}
