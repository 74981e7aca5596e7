// Receives the same paced stream of datagrams in turn with a bare socket that keeps nothing, with a loop written by hand, with
// the source driver, and with a whole pipeline, and compares the CPU time of each message with that of the loop. `--json`
// prints the result as JSON. Exits with 1 when Sluice misses its target by more than double, or loses datagrams at a rate at
// which the bare socket loses none in any run.
import { fork } from 'node:child_process';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Message, pipeline } from '@sluice/core';
import { inlineSink } from '@sluice/core/testing';
import { sourceConfig } from '../dist/config.js';
import { udp } from '../dist/index.js';
import { openUdpSource } from '../dist/source.js';

const ratesPerSecond = [100_000, 200_000, 300_000];
const durationMs = 1000;
const runs = 5;
const target = { ratio: 0.95, addedMicros: 0.1 };
const config = { host: '127.0.0.1', port: 0, recvBufferBytes: 8 * 1024 * 1024 };

/** One way to receive. */
interface Receiver {
  readonly port: number;
  received(): number;
  close(): Promise<void>;
}

/** What one way to receive did with one stream. */
interface Run {
  readonly sent: number;
  readonly received: number;
  readonly cpuMicros: number;
}

/** The runs of one way to receive at one rate. */
interface Result {
  readonly perSecond: number;
  readonly receiver: string;
  /** The median of the runs. */
  readonly lostPercent: number;
  /** The run that lost most. */
  readonly worstLostPercent: number;
  /** User and system, for each message; the median of the runs. */
  readonly cpuMicrosPerMessage: number;
  /** Compared with the loop written by hand, at the same rate. */
  readonly ratio: number;
  readonly addedMicros: number;
}

const receivers: Readonly<Record<string, () => Promise<Receiver>>> = {
  'bare socket': openBare,
  'by hand': openByHand,
  driver: openDriver,
  pipeline: openPipeline,
};

/** Stands for user code, which looks at the payload and the sender of each message. */
let looked = 0;

function look(messages: readonly Pick<Message, 'payload' | 'headers'>[]): void {
  for (const { payload, headers } of messages) {
    if (payload instanceof Uint8Array) looked += payload.length + headers.length;
  }
}

function openBare(): Promise<Receiver> {
  return openSocket((payload, from) => {
    looked += payload.length + from.address.length + from.port;
  });
}

/** What a person writes who wants batches of payload and headers, as the source gives them. */
async function openByHand(): Promise<Receiver> {
  const batchMs = 5;
  let batch: Pick<Message, 'payload' | 'headers'>[] = [];
  const handOver = setInterval(() => {
    look(batch);
    batch = [];
  }, batchMs);
  const receiver = await openSocket((payload, { address, port, family }) => {
    batch.push({
      payload,
      headers: [
        ['address', address],
        ['port', port],
        ['family', family],
      ],
    });
  });
  return {
    ...receiver,
    close: () => {
      clearInterval(handOver);
      return receiver.close();
    },
  };
}

async function openSocket(take: (payload: Buffer, from: RemoteInfo) => void): Promise<Receiver> {
  let received = 0;
  const socket = createSocket({ type: 'udp4', recvBufferSize: config.recvBufferBytes });
  socket.on('message', (payload, from) => {
    received++;
    take(payload, from);
  });
  socket.bind(config.port, config.host);
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    received: () => received,
    close: async () => {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}

async function openDriver(): Promise<Receiver> {
  let received = 0;
  const opened = Promise.withResolvers<Socket>();
  const abort = new AbortController();
  const nothing = () => undefined;
  const context = {
    pipeline: 'bench',
    id: 'source',
    signal: abort.signal,
    metrics: { add: nothing, set: nothing },
    notice: nothing,
  };
  const driver = await openUdpSource(sourceConfig.parse(config), { onSocket: opened.resolve }, context);
  const read = async () => {
    const limits = { maxMessages: 10_000, maxBytes: 1024 * 1024, signal: abort.signal };
    for await (const { messages } of driver.read('', undefined, limits)) {
      received += messages.length;
      look(messages);
    }
  };
  const reading = read();
  return {
    port: (await opened.promise).address().port,
    received: () => received,
    close: async () => {
      abort.abort();
      await reading;
      await driver.close();
    },
  };
}

async function openPipeline(): Promise<Receiver> {
  let received = 0;
  const opened = Promise.withResolvers<Socket>();
  const abort = new AbortController();
  const sink = inlineSink('count', {
    write: async ({ messages }) => {
      received += messages.length;
      look(messages);
    },
  });
  const source = udp.source(config, { onSocket: opened.resolve });
  const running = pipeline({ name: 'bench', source, sink }).run({ signal: abort.signal });
  return {
    port: (await opened.promise).address().port,
    received: () => received,
    close: async () => {
      abort.abort();
      await running;
    },
  };
}

async function measure(open: () => Promise<Receiver>, perSecond: number): Promise<Run> {
  const receiver = await open();
  const program = fileURLToPath(new URL('./sender.ts', import.meta.url));
  const sender = fork(program, [receiver.port, perSecond, durationMs].map(String));
  await once(sender, 'message');
  const before = process.cpuUsage();
  sender.send('go');
  const [sent] = (await once(sender, 'message')) as [number]; // all that the sender says after it was told to go
  for (let seen = -1; seen !== receiver.received(); await sleep(50)) seen = receiver.received();
  const { user, system } = process.cpuUsage(before);
  const received = receiver.received();
  await receiver.close();
  return { sent, received, cpuMicros: user + system };
}

/** All ways to receive at one rate, in turn, so that whatever else the machine does meets each of them. */
async function compare(perSecond: number): Promise<Result[]> {
  const byReceiver = new Map<string, Run[]>(Object.keys(receivers).map((name) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const [name, open] of Object.entries(receivers)) byReceiver.get(name)?.push(await measure(open, perSecond));
  }
  const cpuOf = ({ cpuMicros, received }: Run) => cpuMicros / received;
  const byHand = (byReceiver.get('by hand') ?? []).map(cpuOf);
  return [...byReceiver].map(([receiver, all]) => {
    const cpu = all.map(cpuOf);
    const lost = all.map(({ sent, received }) => 100 * (1 - received / sent));
    // Run by run, because what else the machine does changes more slowly than that.
    const beside = (of: (own: number, loop: number) => number) =>
      median(cpu.map((own, run) => of(own, byHand[run] ?? 0)));
    return {
      perSecond,
      receiver,
      lostPercent: median(lost),
      worstLostPercent: Math.max(...lost),
      cpuMicrosPerMessage: median(cpu),
      ratio: beside((own, loop) => loop / own),
      addedMicros: beside((own, loop) => own - loop),
    };
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Why the results of Sluice are not good enough; empty when they are. */
function misses(results: readonly Result[]): string[] {
  // Where the bare socket loses something in any run, it is the machine that is too busy to tell.
  const steady = results.filter(
    ({ receiver, worstLostPercent }) => receiver === 'bare socket' && worstLostPercent === 0,
  );
  const losesNothing = new Set(steady.map(({ perSecond }) => perSecond));
  const ours = results.filter(({ receiver }) => receiver === 'driver' || receiver === 'pipeline');
  return ours.flatMap(({ perSecond, receiver, ratio, addedMicros, lostPercent }) => {
    const slow = 1 - ratio > 2 * (1 - target.ratio) && addedMicros > 2 * target.addedMicros;
    const at = `${receiver} at ${perSecond}/s`;
    return [
      ...(slow ? [`${at}: ratio ${ratio.toFixed(2)}, ${addedMicros.toFixed(2)} µs added`] : []),
      ...(lostPercent > 0 && losesNothing.has(perSecond)
        ? [`${at}: lost ${lostPercent.toFixed(3)} %, the bare socket nothing`]
        : []),
    ];
  });
}

function print(results: readonly Result[]): void {
  console.log(
    `datagrams of 100 bytes over loopback, ${runs} runs of ${durationMs} ms in turn; target: ratio ${target.ratio} or ${target.addedMicros} µs added`,
  );
  console.table(
    results.map((result) => ({
      'datagrams/s': result.perSecond,
      receiver: result.receiver,
      'lost %': result.lostPercent.toFixed(3),
      'CPU s per million': result.cpuMicrosPerMessage.toFixed(2),
      ratio: result.ratio.toFixed(3),
      'µs added': result.addedMicros.toFixed(3),
    })),
  );
}

for (const open of Object.values(receivers)) await measure(open, 100_000); // warms the code up
const results: Result[] = [];
for (const perSecond of ratesPerSecond) results.push(...(await compare(perSecond)));
const missed = misses(results);
if (process.argv.includes('--json'))
  console.log(JSON.stringify({ target, durationMs, runs, results, missed }, null, 2));
else print(results);
for (const text of missed) console.error(`missed: ${text}`);
if (missed.length > 0 || looked === 0) process.exitCode = 1;
