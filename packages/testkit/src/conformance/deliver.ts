import { asNative, expectMessages } from './comparison.js';
import type { NativeMessage, SourcePlace } from './harness.js';
import { numberedMessages } from './native-messages.js';
import type { LeaseSettings, OpenedSource, SourceLease } from './opened-source.js';
import type { Trial } from './trial.js';

/** What was sent to a place and is read from it. */
export interface Delivery {
  readonly place: SourcePlace;
  readonly opened: OpenedSource;
  /** What was produced, by partition. */
  readonly sent: ReadonlyMap<string, readonly NativeMessage[]>;
  readonly leases: ReadonlyMap<string, SourceLease>;
}

/** What is to be sent and how it is read. */
export interface DeliverySettings extends LeaseSettings {
  /** Default 1. */
  readonly partitions?: number;
  /** Messages of each partition. Default 100. */
  readonly count?: number;
  readonly payloadBytes?: number;
}

/**
 * Fills a new place with numbered messages and begins to read it, in the order that this source needs: what nobody keeps is
 * sent when it is read already, everything else before.
 */
export async function deliver(trial: Trial, settings: DeliverySettings = {}): Promise<Delivery> {
  const { partitions = 1, count = 100, payloadBytes } = settings;
  const size = payloadBytes === undefined ? {} : { payloadBytes };
  const place = await trial.sourcePlace(partitions);
  const sent = new Map(
    place.partitions.map((partition) => [
      partition,
      numberedMessages(trial.source.harness.carries, { count, ...size, label: labelOf(place, partition) }),
    ]),
  );
  const { opened, leases } = await readAround(trial, place, {
    ...settings,
    produce: async () => {
      for (const [partition, messages] of sent) await place.produce(messages, partition);
    },
  });
  return { place, opened, sent, leases };
}

/** A delivery of one partition, taken apart. */
export function theOnly({ place, opened, sent, leases }: Delivery): {
  readonly place: SourcePlace;
  readonly opened: OpenedSource;
  readonly partition: string;
  readonly sent: readonly NativeMessage[];
  readonly lease: SourceLease;
} {
  const [lease] = leases.values();
  if (lease === undefined) throw new Error('the place has no partition');
  return { place, opened, partition: lease.partition, lease, sent: sent.get(lease.partition) ?? [] };
}

/** Opens the source and begins to read every partition of the place, and produces when this source can take it. */
export async function readAround(
  trial: Trial,
  place: SourcePlace,
  { produce, ...settings }: LeaseSettings & { readonly produce: () => Promise<void> },
): Promise<{ readonly opened: OpenedSource; readonly leases: ReadonlyMap<string, SourceLease> }> {
  const passing = trial.source.capabilities.position === 'none';
  if (!passing) await produce();
  const opened = await trial.openSource(place);
  const leases = new Map<string, SourceLease>();
  for (const partition of place.partitions) leases.set(partition, await opened.lease(partition, settings));
  if (passing) await produce();
  return { opened, leases };
}

/** Reads every partition to the end of what was sent, and compares it by content and order. */
export async function expectDelivered(trial: Trial, { leases, sent }: Delivery): Promise<void> {
  await Promise.all(
    [...leases].map(async ([partition, lease]) => {
      const expected = sent.get(partition) ?? [];
      await (trial.source.capabilities.bounded ? lease.rest() : lease.take(expected.length));
      expectRead(trial, lease, expected);
    }),
  );
}

/** Compares what a lease has brought with what was sent. */
export function expectRead(trial: Trial, lease: SourceLease, expected: readonly NativeMessage[]): void {
  const { capabilities, harness } = trial.source;
  const read = lease.messages.map((message) => asNative(message, harness.carries));
  const what = lease.partition === '' ? 'what was read' : `what was read of partition "${lease.partition}"`;
  expectMessages(read, expected, { what, anyOrder: capabilities.order === 'none' });
}

/** Part of the payloads of a partition: its number in the order of creation, because names may be long paths. */
export function labelOf(place: SourcePlace, partition: string): string {
  return `p${place.partitions.indexOf(partition)}`;
}
