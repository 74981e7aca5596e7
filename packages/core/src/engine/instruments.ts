import { createNoopMeter, type Histogram, type Meter, metrics } from '@opentelemetry/api';
import { ObservedSeries } from './observed-series.js';

/**
 * What is measured through OpenTelemetry. Names are those of the messaging semantic conventions where one exists, else under
 * `sluice.`.
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
 */
export interface Instruments {
  readonly consumed: ObservedSeries;
  readonly sent: ObservedSeries;
  readonly duration: Histogram;
  readonly receivedBytes: ObservedSeries;
  readonly failed: ObservedSeries;
  readonly retried: ObservedSeries;
  readonly deadLettered: ObservedSeries;
  readonly dropped: ObservedSeries;
  readonly inFlight: ObservedSeries;
  readonly batchSize: Histogram;
  readonly lag: ObservedSeries;
  /** What a connector counts itself. */
  counterOf(connector: string, name: string): ObservedSeries;
  gaugeOf(connector: string, name: string): ObservedSeries;
}

/** One set for each meter, because what several runs count under the same attributes is one total. */
const ofMeters = new WeakMap<Meter, Instruments>();

/** The instruments of the provider that is set now. */
export function currentInstruments(): Instruments {
  const meter = metrics.getMeter('@sluice/core');
  // Nobody will ever read these, so nothing of them outlives the run.
  if (meter === createNoopMeter()) return instrumentsOf(meter);
  const instruments = ofMeters.get(meter) ?? instrumentsOf(meter);
  ofMeters.set(meter, instruments);
  return instruments;
}

function instrumentsOf(meter: Meter): Instruments {
  const counter = (name: string, description: string, unit = '{message}'): ObservedSeries =>
    new ObservedSeries(meter.createObservableCounter(name, { unit, description }));
  return {
    consumed: counter('messaging.client.consumed.messages', 'Messages taken from sources'),
    sent: counter(
      'messaging.client.sent.messages',
      'Messages that sinks were given: taken over, or refused where an error type is given',
    ),
    duration: meter.createHistogram('messaging.client.operation.duration', {
      unit: 's',
      description: 'Duration of a write',
      advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
    }),
    receivedBytes: counter('sluice.received.bytes', 'Bytes taken from sources', 'By'),
    failed: counter('sluice.failed.messages', 'Messages of failed write attempts'),
    retried: counter('sluice.retried.messages', 'Messages written again'),
    deadLettered: counter('sluice.dead_lettered.messages', 'Messages stored as dead letters'),
    dropped: counter('sluice.dropped.messages', 'Invalid messages dropped on request'),
    inFlight: new ObservedSeries(
      meter.createObservableUpDownCounter('sluice.in_flight.messages', {
        unit: '{message}',
        description: 'Received and not yet settled',
      }),
    ),
    batchSize: meter.createHistogram('sluice.batch.messages', {
      unit: '{message}',
      description: 'Messages of one write',
      advice: { explicitBucketBoundaries: [1, 10, 100, 500, 1000, 5000, 10_000, 50_000] },
    }),
    lag: new ObservedSeries(
      meter.createObservableGauge('sluice.lag', { description: 'How much waits behind what was read' }),
    ),
    ...ofConnectors(meter),
  };
}

function ofConnectors(meter: Meter): Pick<Instruments, 'counterOf' | 'gaugeOf'> {
  const known = new Map<string, ObservedSeries>();
  const once = (name: string, make: (name: string) => ObservedSeries): ObservedSeries => {
    const series = known.get(name) ?? make(name);
    known.set(name, series);
    return series;
  };
  return {
    counterOf: (connector, name) =>
      once(nameOf(connector, name), (full) => new ObservedSeries(meter.createObservableCounter(full))),
    gaugeOf: (connector, name) =>
      once(nameOf(connector, name), (full) => new ObservedSeries(meter.createObservableGauge(full))),
  };
}

/** `droppedByQueue` of udp is `sluice.udp.dropped_by_queue`. */
function nameOf(connector: string, name: string): string {
  return `sluice.${connector}.${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
}
