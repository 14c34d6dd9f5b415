/** All clauses, in the order of the contract. */
import type { ClauseGroup } from "../clause.js";
import { absentClauses } from "./absent.js";
import { changeFeedClauses } from "./change-feeds.js";
import { checkpointDeletionClauses } from "./checkpoint-deletion.js";
import { checkpointWriteClauses } from "./checkpoint-writes.js";
import { checkpointClauses } from "./checkpoints.js";
import { cleanupClauses } from "./cleanup.js";
import { clockClauses } from "./clocks.js";
import { concurrencyClauses } from "./concurrency.js";
import { conditionalReadClauses } from "./conditional-reads.js";
import { conversationClauses } from "./conversations.js";
import { expiryClauses } from "./expiry.js";
import { failureClauses } from "./failures.js";
import { fencingClauses } from "./fencing.js";
import { growthClauses } from "./growth.js";
import { historyClauses } from "./history.js";
import { idempotencyClauses } from "./idempotency.js";
import { identifierPairClauses } from "./identifier-pairs.js";
import { identifierClauses } from "./identifiers.js";
import { importEdgeClauses } from "./import-edges.js";
import { isolationClauses } from "./isolation.js";
import { itemChangeClauses } from "./item-changes.js";
import { itemFilterClauses } from "./item-filters.js";
import { itemListingClauses } from "./item-listing.js";
import { itemVectorClauses } from "./item-vectors.js";
import { itemClauses } from "./items.js";
import { largeExportClauses } from "./large-export.js";
import { largeStepClauses } from "./large-steps.js";
import { largeValueClauses } from "./large-values.js";
import { leaseClauses } from "./leases.js";
import { lifecycleClauses } from "./lifecycle.js";
import { limitClauses } from "./limits.js";
import { longTextClauses } from "./long-texts.js";
import { malformedRecordClauses } from "./malformed-records.js";
import { messageDeletionClauses } from "./message-deletion.js";
import { messageIdClauses } from "./message-ids.js";
import { metadataClauses } from "./metadata.js";
import { metadataFilterClauses } from "./metadata-filters.js";
import { nearestItemClauses } from "./nearest-items.js";
import { pruningClauses } from "./pruning.js";
import { recordConflictClauses } from "./record-conflicts.js";
import { recordFilterClauses } from "./record-filters.js";
import { recordStreamClauses } from "./record-streams.js";
import { recordTailClauses } from "./record-tails.js";
import { recordClauses } from "./records.js";
import { replacedCheckpointClauses } from "./replaced-checkpoints.js";
import { sessionBatchClauses } from "./session-batches.js";
import { sessionDeletionClauses } from "./session-deletion.js";
import { sessionEndClauses } from "./session-ends.js";
import { sessionListingClauses } from "./session-listing.js";
import { sessionMetadataClauses } from "./session-metadata.js";
import { sessionClauses } from "./sessions.js";
import { sharedStateClauses } from "./shared-states.js";
import { storedBytesClauses } from "./stored-bytes.js";
import { storedReplacementClauses } from "./stored-replacements.js";
import { taskContextClauses } from "./task-contexts.js";
import { tenantClauses } from "./tenants.js";
import { threadClauses } from "./threads.js";
import { valueClauses } from "./values.js";

export const CLAUSE_GROUPS: readonly ClauseGroup[] = [
  identifierClauses,
  identifierPairClauses,
  valueClauses,
  metadataClauses,
  limitClauses,
  isolationClauses,
  sessionClauses,
  sessionMetadataClauses,
  sessionEndClauses,
  absentClauses,
  sessionBatchClauses,
  sessionDeletionClauses,
  sessionListingClauses,
  metadataFilterClauses,
  idempotencyClauses,
  expiryClauses,
  cleanupClauses,
  conversationClauses,
  messageIdClauses,
  messageDeletionClauses,
  historyClauses,
  checkpointClauses,
  replacedCheckpointClauses,
  conditionalReadClauses,
  checkpointWriteClauses,
  threadClauses,
  pruningClauses,
  checkpointDeletionClauses,
  sharedStateClauses,
  taskContextClauses,
  itemClauses,
  itemListingClauses,
  itemFilterClauses,
  itemChangeClauses,
  itemVectorClauses,
  nearestItemClauses,
  leaseClauses,
  fencingClauses,
  tenantClauses,
  failureClauses,
  lifecycleClauses,
  recordClauses,
  recordFilterClauses,
  recordConflictClauses,
  recordStreamClauses,
  recordTailClauses,
  importEdgeClauses,
  malformedRecordClauses,
  clockClauses,
  concurrencyClauses,
  largeStepClauses,
  largeValueClauses,
  longTextClauses,
  growthClauses,
  storedBytesClauses,
  largeExportClauses,
  storedReplacementClauses,
  changeFeedClauses,
];
