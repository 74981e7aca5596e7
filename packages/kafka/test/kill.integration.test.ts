import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type KafkaServer, startKafka, uniqueName } from '@sluice/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { KillOrder } from './kill-child.js';
import { readTopic } from './read-topic.js';
import { type SinkWorld, sinkWorld } from './sink-world.js';

let kafka: KafkaServer;
let world: SinkWorld;

beforeAll(async () => {
  kafka = await startKafka();
  world = sinkWorld(kafka);
}, 120_000);

afterAll(async () => {
  await world?.close();
  await kafka?.stop();
});

/** Runs the child until it ends or, with a delay, kills it so long after it has begun to run. */
async function run(order: KillOrder, killAfterMs?: number): Promise<'ended' | 'killed'> {
  const hooks = join(import.meta.dirname, 'resolve-typescript.ts');
  const args = ['--no-warnings', '--import', hooks, join(import.meta.dirname, 'kill-child.ts'), JSON.stringify(order)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (output === '' && killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    output += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(output).toContain('effectively once');
  if (signal === 'SIGKILL') return 'killed';
  expect(code).toBe(0);
  return 'ended';
}

it('lets a reader see each message once and in order, however often the pipeline is killed', async () => {
  const topic = await world.createTopic(2);
  const partitions = ['a', 'b', 'c'];
  const total = 40_000;
  const order = { brokers: kafka.brokers, topic, pipeline: uniqueName('killed'), partitions, total };
  let kills = 0;
  while ((await run(order, 60 + ((kills * 37) % 400))) === 'killed') {
    kills++;
    if (kills === 15) {
      expect(await run(order)).toBe('ended');
      break;
    }
  }
  expect(kills).toBeGreaterThan(8);
  const stored = (await readTopic(kafka, topic)).flat();
  for (const partition of partitions) {
    const values = stored.filter(({ key }) => key?.toString() === partition).map(({ value }) => Number(value));
    const wrong = values.findIndex((value, index) => value !== index);
    expect(wrong === -1 ? undefined : values.slice(Math.max(0, wrong - 2), wrong + 3)).toBeUndefined();
    expect(values.length).toBe(total);
  }
}, 240_000);
