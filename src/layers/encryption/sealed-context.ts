/** The sealed form of a version of a task context: with it stands who has sealed it, as sessions may share a context. */
import { CorruptionError } from "../../contract/errors.js";
import type { Metadata } from "../../contract/json.js";
import { decodeMetadata } from "../../domain/metadata.js";
import { METADATA_MUST_SHRINK } from "./compression.js";
import { contextMetadataPlace, contextPlace } from "./places.js";
import { isEmpty, SEALED, type TenantSeals } from "./tenant-seals.js";

/** What is stored in place of a context. */
export type SealedVersion = readonly [label: string, sealed: string];

/** A version that was opened; who may hold it is not asked yet. */
export interface OpenedVersion {
  readonly label: string;
  readonly text: string;
  /** For errors. */
  readonly what: string;
}

/** `undefined` for what was never sealed, where that may be read. @throws CorruptionError */
export async function openVersion(
  seals: TenantSeals,
  stored: unknown,
  version: number,
): Promise<OpenedVersion | undefined> {
  const parts = sealedVersion(stored);
  if (parts === undefined) return seals.plaintext(`version ${version} of a task context`);
  const [label, sealed] = parts;
  const place = contextPlace(label, version);
  const text = await seals.openText(sealed, place);
  return text === undefined ? undefined : { label, text, what: place.what };
}

/** Metadata of a version, sealed whole. */
export function sealedMetadata(seals: TenantSeals, text: string, label: string, version: number): Metadata {
  return { [SEALED]: [label, seals.sealText(text, contextMetadataPlace(label, version), METADATA_MUST_SHRINK)] };
}

/** @throws CorruptionError */
export async function openedMetadata(seals: TenantSeals, stored: Metadata, version: number): Promise<Metadata> {
  if (!seals.rules.metadata || isEmpty(stored)) return stored;
  const what = `the metadata of version ${version} of a task context`;
  const parts = sealedVersion(stored[SEALED]);
  if (parts === undefined) return seals.plaintext(what) ?? stored;
  const [label, sealed] = parts;
  const text = await seals.openText(sealed, contextMetadataPlace(label, version));
  if (text === undefined) throw new CorruptionError(`${what} is not encrypted`);
  return decodeMetadata(text);
}

/** The sealed form, if it is one. */
export function sealedVersion(stored: unknown): SealedVersion | undefined {
  if (!Array.isArray(stored) || stored.length !== 2) return undefined;
  const [label, sealed] = stored as readonly unknown[];
  return typeof label === "string" && typeof sealed === "string" ? [label, sealed] : undefined;
}
