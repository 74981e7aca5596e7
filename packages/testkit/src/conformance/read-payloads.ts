import type { Behaviour } from './behaviour.js';
import { expectRead, readAround, theOnly } from './deliver.js';
import type { Carries, NativeMessage } from './harness.js';
import { nativeMessage, numberedMessages } from './native-messages.js';
import { forSource, unless } from './subject.js';
import type { Trial } from './trial.js';

const mebibyte = 1024 * 1024;

/** What becomes of the parts of a message on their way through a source. */
export const readPayloadBehaviours: readonly Behaviour[] = [
  {
    title: 'a source keeps every byte of a payload',
    area: 'read',
    inapplicable: forSource(),
    run: (trial) => expectKept(trial, payloadKinds(trial.source.harness.carries)),
  },
  {
    title: 'a source tells null from an empty payload',
    area: 'read',
    inapplicable: forSource(({ harness: { carries } }) => unless(carries.nullPayload, 'its system knows no null')),
    run: (trial) => {
      const { carries } = trial.source.harness;
      return expectKept(trial, carries.emptyPayload ? [null, new Uint8Array(), null] : [null, Buffer.from('x'), null]);
    },
  },
  {
    title: 'a source reads a payload of 1 MiB, or the largest that its system takes',
    area: 'read',
    inapplicable: forSource(),
    async run(trial) {
      const { carries } = trial.source.harness;
      const payloadBytes = Math.min(mebibyte, carries.maxPayloadBytes);
      await expectRoundTrip(trial, numberedMessages(carries, { count: 3, payloadBytes }));
    },
  },
  {
    title: 'a source keeps the key of a message',
    area: 'read',
    inapplicable: forSource(({ harness: { carries } }) => unless(carries.key, 'its system has no keys')),
    run: expectNumbered,
  },
  {
    title: 'a source keeps the headers of a message, with their order and repeats',
    area: 'read',
    inapplicable: forSource(({ harness: { carries } }) =>
      unless(carries.headers !== 'none', 'its system has no headers'),
    ),
    run: expectNumbered,
  },
  {
    title: 'a source keeps the time of a message, in milliseconds',
    area: 'read',
    inapplicable: forSource(({ harness: { carries } }) => unless(carries.timestamp, 'its system keeps no time')),
    run: expectNumbered,
  },
];

function payloadKinds({ anyByte, emptyPayload }: Carries): readonly Uint8Array[] {
  const bytes = anyByte
    ? [
        Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
        Buffer.from([0xff, 0xfe, 0xc3, 0x28]),
        Buffer.from([0]),
      ]
    : [Buffer.from(Array.from({ length: 95 }, (_, index) => index + 32)), Buffer.from('ünïcödé ✓')];
  return [Buffer.from('x'), ...(emptyPayload ? [new Uint8Array()] : []), ...bytes, Buffer.from('last')];
}

function expectKept(trial: Trial, payloads: readonly (Uint8Array | null)[]): Promise<void> {
  const { carries } = trial.source.harness;
  return expectRoundTrip(
    trial,
    payloads.map((payload, number) => nativeMessage(carries, payload, `${number}`, number)),
  );
}

function expectNumbered(trial: Trial): Promise<void> {
  return expectRoundTrip(trial, numberedMessages(trial.source.harness.carries, { count: 5 }));
}

async function expectRoundTrip(trial: Trial, messages: readonly NativeMessage[]): Promise<void> {
  const place = await trial.sourcePlace();
  const [partition = ''] = place.partitions;
  const produce = (): Promise<void> => place.produce(messages, partition);
  const { lease } = theOnly({
    place,
    sent: new Map(),
    ...(await readAround(trial, place, { produce, commits: true })),
  });
  await lease.take(messages.length);
  expectRead(trial, lease, messages);
}
