import {
  type Attributes,
  type Counter,
  type Gauge,
  type Histogram,
  type Meter,
  metrics,
  type UpDownCounter,
} from '@opentelemetry/api';
import type { DriverMetrics } from '../connector.js';
import type { ErrorCode } from '../error.js';
import type { PipelineStats } from '../pipeline-definition.js';
import type { Budget } from './budget.js';
import type { BranchPlan, SourcePlan } from './plan.js';

/** A source or a sink that is measured. */
type Part = SourcePlan | BranchPlan;

/** A write that has settled. */
export interface SettledWrite {
  readonly count: number;
  /** How many of them were not taken over, and why. */
  readonly failed: number;
  readonly error: ErrorCode | undefined;
  readonly ms: number;
}

/**
 * The counters of one run: as plain numbers for `pipeline.stats()` and as OpenTelemetry metrics, which cost nothing while
 * nobody listens. One reading per batch, never per message.
 *
 * Names are those of the messaging semantic conventions where one exists, else under `sluice.`.
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
 */
export class RunStats {
  receivedMessages = 0;
  receivedBytes = 0;
  written = 0;
  filtered = 0;
  failed = 0;
  retried = 0;
  deadLettered = 0;
  dropped = 0;
  unsettled = 0;
  inFlight = 0;
  readonly lag: Map<string, number> = new Map();
  readonly connectors: Map<string, number> = new Map();
  readonly positions: Map<string, unknown> = new Map();
  readonly #pipeline: string;
  readonly #budget: Budget;
  readonly #instruments: Instruments;
  readonly #attributes = new Map<Part, PartAttributes>();

  constructor(pipeline: string, budget: Budget) {
    this.#pipeline = pipeline;
    this.#budget = budget;
    this.#instruments = instrumentsOf(metrics.getMeter('@sluice/core'));
  }

  received(
    part: SourcePlan,
    key: string,
    batch: { readonly count: number; readonly bytes: number; readonly lag: number | undefined },
  ): void {
    this.receivedMessages += batch.count;
    this.receivedBytes += batch.bytes;
    this.inFlight += batch.count;
    const { all: attributes, operation } = this.#attributesOf(part);
    this.#instruments.consumed.add(batch.count, operation);
    this.#instruments.receivedBytes.add(batch.bytes, attributes);
    this.#instruments.inFlight.add(batch.count, attributes);
    if (batch.lag !== undefined) {
      this.lag.set(key, batch.lag);
      this.#instruments.lag.record(batch.lag, { ...attributes, 'messaging.destination.partition.id': key });
    }
  }

  settled(part: SourcePlan, count: number): void {
    this.inFlight -= count;
    this.#instruments.inFlight.add(-count, this.#attributesOf(part).all);
  }

  wrote(part: BranchPlan, { count, failed, error, ms }: SettledWrite): void {
    const { all, operation } = this.#attributesOf(part);
    this.written += count - failed;
    this.#instruments.batchSize.record(count, all);
    this.#instruments.sent.add(count - failed, operation);
    if (error === undefined) {
      this.#instruments.duration.record(ms / 1000, operation);
      return;
    }
    const attempt = { ...operation, 'error.type': error };
    this.#instruments.duration.record(ms / 1000, attempt);
    this.#instruments.sent.add(failed, attempt);
    this.failed += count;
    this.#instruments.failed.add(count, { ...all, 'error.type': error });
  }

  wroteAgain(part: BranchPlan, count: number): void {
    this.retried += count;
    this.#instruments.retried.add(count, this.#attributesOf(part).all);
  }

  gaveUp(part: Part, error: ErrorCode, dropped: boolean): void {
    if (dropped) this.dropped++;
    else this.deadLettered++;
    const attributes = { ...this.#attributesOf(part).all, 'error.type': error };
    (dropped ? this.#instruments.dropped : this.#instruments.deadLettered).add(1, attributes);
  }

  /** What a connector counts itself. */
  driverMetrics(part: string, connector: string): DriverMetrics {
    const meter = metrics.getMeter('@sluice/core');
    const instruments = new Map<string, Counter | Gauge>();
    const attributes = partAttributes(this.#pipeline, part, connector);
    return {
      add: (name, amount) => {
        const key = `${part}.${name}`;
        this.connectors.set(key, (this.connectors.get(key) ?? 0) + amount);
        const counter = instruments.get(name) ?? meter.createCounter(`sluice.${connector}.${snakeCase(name)}`);
        instruments.set(name, counter);
        (counter as Counter).add(amount, attributes); // a name is a counter or a gauge, never both
      },
      set: (name, value) => {
        this.connectors.set(`${part}.${name}`, value);
        const gauge = instruments.get(name) ?? meter.createGauge(`sluice.${connector}.${snakeCase(name)}`);
        instruments.set(name, gauge);
        (gauge as Gauge).record(value, attributes); // a name is a counter or a gauge, never both
      },
    };
  }

  snapshot(): PipelineStats {
    return {
      received: this.receivedMessages,
      receivedBytes: this.receivedBytes,
      written: this.written,
      filtered: this.filtered,
      failed: this.failed,
      retried: this.retried,
      deadLettered: this.deadLettered,
      dropped: this.dropped,
      inFlight: this.inFlight,
      inFlightBytes: this.#budget.bytes,
      lag: Object.fromEntries(this.lag),
      connectors: Object.fromEntries(this.connectors),
      positions: Object.fromEntries(this.positions),
      unsettled: this.unsettled,
    };
  }

  #attributesOf(part: Part): PartAttributes {
    let attributes = this.#attributes.get(part);
    if (attributes === undefined) {
      const { connector, direction } = 'sink' in part ? part.sink : part.source;
      const all = partAttributes(this.#pipeline, part.id, connector.name);
      const operation =
        direction === 'sink'
          ? { 'messaging.operation.name': 'write', 'messaging.operation.type': 'send' }
          : { 'messaging.operation.name': 'read', 'messaging.operation.type': 'receive' };
      attributes = { all, operation: { ...all, ...operation } };
      this.#attributes.set(part, attributes);
    }
    return attributes;
  }
}

interface PartAttributes {
  readonly all: Attributes;
  /** With what the conventions require of their own metrics. */
  readonly operation: Attributes;
}

function partAttributes(pipeline: string, part: string, connector: string): Attributes {
  return { 'sluice.pipeline': pipeline, 'sluice.part': part, 'messaging.system': connector };
}

/** `droppedByQueue` is `dropped_by_queue` among metrics. */
function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

interface Instruments {
  readonly consumed: Counter;
  readonly sent: Counter;
  readonly duration: Histogram;
  readonly receivedBytes: Counter;
  readonly failed: Counter;
  readonly retried: Counter;
  readonly deadLettered: Counter;
  readonly dropped: Counter;
  readonly inFlight: UpDownCounter;
  readonly batchSize: Histogram;
  readonly lag: Gauge;
}

function instrumentsOf(meter: Meter): Instruments {
  const messages = { unit: '{message}' };
  return {
    consumed: meter.createCounter('messaging.client.consumed.messages', {
      ...messages,
      description: 'Messages taken from sources',
    }),
    sent: meter.createCounter('messaging.client.sent.messages', {
      ...messages,
      description: 'Messages that sinks were given: taken over, or refused where an error type is given',
    }),
    duration: meter.createHistogram('messaging.client.operation.duration', {
      unit: 's',
      description: 'Duration of a write',
      advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
    }),
    receivedBytes: meter.createCounter('sluice.received.bytes', {
      unit: 'By',
      description: 'Bytes taken from sources',
    }),
    failed: meter.createCounter('sluice.failed.messages', {
      ...messages,
      description: 'Messages of failed write attempts',
    }),
    retried: meter.createCounter('sluice.retried.messages', { ...messages, description: 'Messages written again' }),
    deadLettered: meter.createCounter('sluice.dead_lettered.messages', {
      ...messages,
      description: 'Messages stored as dead letters',
    }),
    dropped: meter.createCounter('sluice.dropped.messages', {
      ...messages,
      description: 'Invalid messages dropped on request',
    }),
    inFlight: meter.createUpDownCounter('sluice.in_flight.messages', {
      ...messages,
      description: 'Received and not yet settled',
    }),
    batchSize: meter.createHistogram('sluice.batch.messages', {
      ...messages,
      description: 'Messages of one write',
      advice: { explicitBucketBoundaries: [1, 10, 100, 500, 1000, 5000, 10_000, 50_000] },
    }),
    lag: meter.createGauge('sluice.lag', { description: 'How much waits behind what was read' }),
  };
}
