import { type Fault, keyText, type MemorySystem, type Operation } from '../../src/testing/index.js';
import { placeOfId } from './model-message.js';
import type { PlayedSource } from './played-source.js';

/** One request to the outside world. Moments are steps of the journal; undefined is what has not come. */
export interface OperationRecord {
  readonly operation: Operation;
  readonly fault: Fault | undefined;
  /** Keys of what it writes. */
  readonly ids: ReadonlySet<string>;
  readonly startedAt: number;
  readonly startedMs: number;
  effectAt: number | undefined;
  endedAt: number | undefined;
  endedMs: number | undefined;
  error: unknown;
}

/** A message that became durable. */
export interface StoreRecord {
  readonly id: string;
  readonly instance: string;
  readonly at: number;
}

/** Something that happened to a source, and when. */
interface SourceEvent {
  readonly source: string;
  readonly partition?: string;
  readonly at: number;
}

/** Everything that became true while a history was played, in one order. */
export class Journal {
  readonly operations: OperationRecord[] = [];
  /** By destination, as they came. */
  readonly stores: Map<string, StoreRecord[]> = new Map();
  /** Partitions that were taken without warning. */
  readonly losses: SourceEvent[] = [];
  /** Partitions that nobody was to have for a while. */
  readonly releases: SourceEvent[] = [];
  /** Sources that went on elsewhere because a position was lost. */
  readonly detours: SourceEvent[] = [];
  readonly #system: MemorySystem;
  readonly #open = new Map<Operation, OperationRecord>();
  readonly #faults = new WeakMap<Operation, Fault>();
  readonly #replaced = new Set<string>();
  /** Sources that went on at their earliest position. */
  readonly #fromBeginning = new Set<string>();
  /** Stream and partition to the offset before which messages may be missing. */
  readonly #missing = new Map<string, number>();
  readonly #sources: readonly PlayedSource[];
  #steps = 0;

  constructor(system: MemorySystem, sources: readonly PlayedSource[]) {
    this.#system = system;
    this.#sources = sources;
    system.events.listen((event) => {
      if (event.type === 'stored') this.#stored(event.destination);
      else if (event.type === 'operation') this.#happened(event);
    });
  }

  /** The next moment. */
  step(): number {
    return ++this.#steps;
  }

  #stored(destination: string): void {
    const records = this.stores.get(destination) ?? [];
    this.stores.set(destination, records);
    const at = this.step();
    for (const { message, instance } of this.#system.destination(destination).stored.slice(records.length))
      records.push({ id: keyText(message), instance, at });
  }

  #happened(event: { readonly operation: Operation; readonly phase: string; readonly error?: unknown }): void {
    const { operation, phase, error } = event;
    const at = this.step();
    const nowMs = this.#system.clock.now();
    if (phase === 'start') {
      const record: OperationRecord = {
        operation,
        fault: this.#faults.get(operation),
        ids: new Set(operation.messages.map(keyText)),
        startedAt: at,
        startedMs: nowMs,
        effectAt: undefined,
        endedAt: undefined,
        endedMs: undefined,
        error: undefined,
      };
      this.operations.push(record);
      this.#open.set(operation, record);
      return;
    }
    const record = this.#open.get(operation);
    if (record === undefined) return;
    if (phase === 'effect') record.effectAt = at;
    else Object.assign(record, { endedAt: at, endedMs: nowMs, error });
  }

  /** An operation that is about to start gets a fault of the history. */
  scripted(operation: Operation, fault: Fault): void {
    this.#faults.set(operation, fault);
  }

  lost({ id }: PlayedSource, partition: string): void {
    this.losses.push({ source: id, partition, at: this.step() });
  }

  released({ id }: PlayedSource, partition: string): void {
    this.releases.push({ source: id, partition, at: this.step() });
  }

  discarded({ stream }: PlayedSource, partition: string, before: number): void {
    this.#mayMiss(stream, partition, before);
  }

  replaced({ id }: PlayedSource): void {
    this.#replaced.add(id);
  }

  /** A source goes on elsewhere; at the latest position it skips what is there now. */
  positionLost(id: string, how: 'earliest' | 'latest' | undefined): void {
    this.detours.push({ source: id, at: this.step() });
    if (how === 'earliest') this.#fromBeginning.add(id);
    const source = this.#sources.find((each) => each.id === id);
    if (how !== 'latest' || source === undefined) return;
    for (const partition of source.partitions)
      this.#mayMiss(source.stream, partition, this.#system.stream(source.stream).log(partition).entries.length);
  }

  #mayMiss(stream: string, partition: string, before: number): void {
    const place = `${stream}/${partition}`;
    this.#missing.set(place, Math.max(before, this.#missing.get(place) ?? 0));
  }

  /** Whether the outside system itself has lost the message. */
  mayBeMissing(id: string): boolean {
    const { stream, partition, index } = placeOfId(id);
    return index < (this.#missing.get(`${stream}/${partition}`) ?? 0);
  }

  /** Whether a source was replaced by another one and read again from its beginning. */
  restarted(source: string): boolean {
    return this.#replaced.has(source) && this.#fromBeginning.has(source);
  }
}
