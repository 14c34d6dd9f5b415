/** `waystone/testing`: the conformance kit. A backend that passes it keeps the contract. */
import "../require-node.js";

export type { Clause, ClauseContext, ClauseGroup, ClauseNeed, ClauseScale } from "./clause.js";
export { CLAUSE_GROUPS } from "./clauses/index.js";
export { type DescribeStorageOptions, describeStorage } from "./describe-storage.js";
export {
  type FaultPlan,
  type FaultyStorage,
  faultyStorage,
  type InjectedFault,
  type SeededFaultsOptions,
  seededFaults,
} from "./faulty-storage.js";
export { MANUAL_CLOCK_START, type ManualClock, manualClock } from "./manual-clock.js";
export type { CheckParameters, CheckReport, PropertyTester } from "./model/property-tester.js";
export { ProgramFailure, type RunProgramsOptions, runPrograms } from "./model/run-programs.js";
export {
  type ClauseReport,
  type FailedClause,
  type RunClausesOptions,
  runClauses,
  type SkippedClause,
} from "./run-clauses.js";
export {
  type NodeTestApi,
  type NodeTestOptions,
  nodeTestRunner,
  type TestRunner,
  type VitestApi,
  type VitestContext,
  vitestRunner,
} from "./runner.js";
export type { OpenHandleOptions, StorageFactory, StorageHarness, StorageSupport } from "./storage-factory.js";
