import type { Attributes } from '@opentelemetry/api';
import type { DriverMetrics } from '../connector.js';
import type { ErrorCode } from '../error.js';
import type { PipelineStats } from '../pipeline-definition.js';
import type { SourceBatch } from '../source-driver.js';
import type { Budget } from './budget.js';
import { currentInstruments, type Instruments } from './instruments.js';
import type { Lease } from './lease.js';
import type { ObservedSeries, Series } from './observed-series.js';
import type { BranchPlan, SourcePlan } from './plan.js';
import { Unread } from './unread.js';

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
  readonly unread: Unread = new Unread();
  readonly connectors: Map<string, number> = new Map();
  readonly positions: Map<string, unknown> = new Map();
  readonly #pipeline: string;
  readonly #budget: Budget;
  readonly #instruments: Instruments = currentInstruments();
  readonly #sources = new Map<SourcePlan, SourceSeries>();
  readonly #sinks = new Map<BranchPlan, SinkSeries>();
  readonly #lag = new Map<Lease, Series>();
  readonly #gauges = new Map<string, { readonly instrument: ObservedSeries; readonly series: Series }>();
  #ended = false;

  constructor(pipeline: string, budget: Budget) {
    this.#pipeline = pipeline;
    this.#budget = budget;
  }

  received(lease: Lease, { messages, bytes, lag }: SourceBatch): void {
    const count = messages.length;
    this.receivedMessages += count;
    this.receivedBytes += bytes;
    this.inFlight += count;
    this.unread.received(lease.key, count);
    const series = this.#ofSource(lease.source);
    series.consumed.value += count;
    series.receivedBytes.value += bytes;
    series.inFlight.value += count;
    series.unsettled += count;
    if (lag !== undefined) this.#lagOf(lease).value = lag;
  }

  settled(part: SourcePlan, count: number): void {
    this.inFlight -= count;
    if (this.#ended) return; // it is told as in flight no more
    const series = this.#ofSource(part);
    series.inFlight.value -= count;
    series.unsettled -= count;
  }

  wrote(part: BranchPlan, { count, failed, error, ms }: SettledWrite): void {
    const { all, operation, sent } = this.#ofSink(part);
    this.written += count - failed;
    sent.value += count - failed;
    this.#instruments.batchSize.record(count, all);
    if (error === undefined) {
      this.#instruments.duration.record(ms / 1000, operation);
      return;
    }
    const attempt = { ...operation, 'error.type': error };
    this.#instruments.duration.record(ms / 1000, attempt);
    this.#instruments.sent.total(attempt).value += failed;
    this.failed += count;
    this.#instruments.failed.total({ ...all, 'error.type': error }).value += count;
  }

  wroteAgain(part: BranchPlan, count: number): void {
    this.retried += count;
    this.#instruments.retried.total(this.#ofSink(part).all).value += count;
  }

  gaveUp(part: SourcePlan | BranchPlan, error: ErrorCode, dropped: boolean): void {
    if (dropped) this.dropped++;
    else this.deadLettered++;
    const { connector } = 'sink' in part ? part.sink : part.source;
    const attributes = { ...this.#attributes(part.id, connector.name), 'error.type': error };
    (dropped ? this.#instruments.dropped : this.#instruments.deadLettered).total(attributes).value++;
  }

  /** What a connector counts itself. */
  driverMetrics(part: string, connector: string): DriverMetrics {
    const attributes = this.#attributes(part, connector);
    return {
      add: (name, amount) => {
        const key = `${part}.${name}`;
        this.connectors.set(key, (this.connectors.get(key) ?? 0) + amount);
        this.#instruments.counterOf(connector, name).total(attributes).value += amount;
      },
      set: (name, value) => {
        const key = `${part}.${name}`;
        this.connectors.set(key, value);
        if (this.#ended) return;
        const instrument = this.#instruments.gaugeOf(connector, name);
        const gauge = this.#gauges.get(key) ?? { instrument, series: instrument.add(attributes) };
        this.#gauges.set(key, gauge);
        gauge.series.value = value;
      },
    };
  }

  /** Nothing more is read under it, so how far it was behind is told no more. */
  leaseEnded(lease: Lease): void {
    const lag = this.#lag.get(lease);
    if (lag !== undefined) this.#instruments.lag.remove(lag);
    this.#lag.delete(lease);
  }

  /** The run is over: of its metrics only the totals go on being told. */
  end(untold: number): void {
    this.unsettled = this.inFlight + this.unread.total + untold;
    this.#ended = true;
    for (const { inFlight, unsettled } of this.#sources.values()) inFlight.value -= unsettled;
    for (const lag of this.#lag.values()) this.#instruments.lag.remove(lag);
    for (const { instrument, series } of this.#gauges.values()) instrument.remove(series);
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
      lag: Object.fromEntries([...this.#lag].map(([{ key }, { value }]) => [key, value])),
      connectors: Object.fromEntries(this.connectors),
      positions: Object.fromEntries(this.positions),
      unsettled: this.unsettled,
    };
  }

  #ofSource(part: SourcePlan): SourceSeries {
    let series = this.#sources.get(part);
    if (series === undefined) {
      const { consumed, receivedBytes, inFlight } = this.#instruments;
      const all = this.#attributes(part.id, part.source.connector.name);
      const operation = { ...all, 'messaging.operation.name': 'read', 'messaging.operation.type': 'receive' };
      series = {
        consumed: consumed.total(operation),
        receivedBytes: receivedBytes.total(all),
        inFlight: inFlight.total(all),
        unsettled: 0,
      };
      this.#sources.set(part, series);
    }
    return series;
  }

  #ofSink(part: BranchPlan): SinkSeries {
    let series = this.#sinks.get(part);
    if (series === undefined) {
      const all = this.#attributes(part.id, part.sink.connector.name);
      const operation = { ...all, 'messaging.operation.name': 'write', 'messaging.operation.type': 'send' };
      series = { all, operation, sent: this.#instruments.sent.total(operation) };
      this.#sinks.set(part, series);
    }
    return series;
  }

  #lagOf(lease: Lease): Series {
    let series = this.#lag.get(lease);
    if (series === undefined) {
      const { key, source } = lease;
      const attributes = this.#attributes(source.id, source.source.connector.name);
      series = this.#instruments.lag.add({ ...attributes, 'messaging.destination.partition.id': key });
      this.#lag.set(lease, series);
    }
    return series;
  }

  #attributes(part: string, connector: string): Attributes {
    return { 'sluice.pipeline': this.#pipeline, 'sluice.part': part, 'messaging.system': connector };
  }
}

interface SourceSeries {
  readonly consumed: Series;
  readonly receivedBytes: Series;
  /** Of all runs together, and what of it is this run's. */
  readonly inFlight: Series;
  unsettled: number;
}

interface SinkSeries {
  readonly all: Attributes;
  /** With what the conventions require of their own metrics. */
  readonly operation: Attributes;
  readonly sent: Series;
}
