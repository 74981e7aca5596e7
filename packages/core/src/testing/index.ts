export type { Assignment, Member } from './assignment.js';
export type { Fault, Faults, Operation, OperationMatch, OperationName } from './faults.js';
export {
  crash,
  crashAfterEffect,
  delay,
  endRead,
  fail,
  failAfterEffect,
  failMessages,
  hang,
  hangAfterEffect,
  hangIgnoringAbort,
} from './faults.js';
export { inlineSink, inlineSource } from './inline-connector.js';
export type { MemorySinkConfig, MemorySinkInput, MemorySourceConfig, MemorySourceInput } from './memory-config.js';
export { type MemoryConnector, memoryConnector } from './memory-connector.js';
export { keyText, type MemoryDestination, type StoredMessage } from './memory-destination.js';
export type { CommitRecord, Lease, MemoryGroup } from './memory-group.js';
export type { MemoryInstance } from './memory-instance.js';
export type { LogEntry, MemoryLog, ProducedMessage } from './memory-log.js';
export { type Place, placeOf } from './memory-position.js';
export type { MemoryStream } from './memory-stream.js';
export { type MemorySystem, type MemorySystemSettings, memorySystem } from './memory-system.js';
export { type Audit, audit, type Identify, type IsStored, type SettlingRule, watchSettling } from './oracle.js';
export type { SystemEvent, SystemEvents } from './system-event.js';
export type { Violations } from './violations.js';
export { type VirtualClock, virtualClock } from './virtual-clock.js';
