/** All clauses, in the order of the contract. */
import type { ClauseGroup } from "../clause.js";
import { checkpointWriteClauses } from "./checkpoint-writes.js";
import { checkpointClauses } from "./checkpoints.js";
import { cleanupClauses } from "./cleanup.js";
import { clockClauses } from "./clocks.js";
import { concurrencyClauses } from "./concurrency.js";
import { conversationClauses } from "./conversations.js";
import { expiryClauses } from "./expiry.js";
import { failureClauses } from "./failures.js";
import { historyClauses } from "./history.js";
import { idempotencyClauses } from "./idempotency.js";
import { identifierPairClauses } from "./identifier-pairs.js";
import { identifierClauses } from "./identifiers.js";
import { isolationClauses } from "./isolation.js";
import { itemFilterClauses } from "./item-filters.js";
import { itemListingClauses } from "./item-listing.js";
import { itemClauses } from "./items.js";
import { largeExportClauses } from "./large-export.js";
import { leaseClauses } from "./leases.js";
import { lifecycleClauses } from "./lifecycle.js";
import { malformedRecordClauses } from "./malformed-records.js";
import { metadataClauses } from "./metadata.js";
import { metadataFilterClauses } from "./metadata-filters.js";
import { pruningClauses } from "./pruning.js";
import { recordClauses } from "./records.js";
import { sessionBatchClauses } from "./session-batches.js";
import { sessionListingClauses } from "./session-listing.js";
import { sessionClauses } from "./sessions.js";
import { taskContextClauses } from "./task-contexts.js";
import { tenantClauses } from "./tenants.js";
import { threadClauses } from "./threads.js";
import { valueClauses } from "./values.js";

export const CLAUSE_GROUPS: readonly ClauseGroup[] = [
  identifierClauses,
  identifierPairClauses,
  valueClauses,
  metadataClauses,
  isolationClauses,
  sessionClauses,
  sessionBatchClauses,
  sessionListingClauses,
  metadataFilterClauses,
  idempotencyClauses,
  expiryClauses,
  cleanupClauses,
  conversationClauses,
  historyClauses,
  checkpointClauses,
  checkpointWriteClauses,
  threadClauses,
  pruningClauses,
  taskContextClauses,
  itemClauses,
  itemListingClauses,
  itemFilterClauses,
  leaseClauses,
  tenantClauses,
  failureClauses,
  lifecycleClauses,
  recordClauses,
  malformedRecordClauses,
  clockClauses,
  concurrencyClauses,
  largeExportClauses,
];
