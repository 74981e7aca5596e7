import { once } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventsOf, install, makeFolder, sluice, startSluice } from './sluice-process.js';

const toFahrenheit = `
export const transform = (message) => ({ ...message, payload: { f: message.payload.c * 1.8 + 32 } });
`;
const celsius = {
  name: 'celsius',
  source: { connector: 'file', config: { path: 'in.ndjson' }, codec: 'json' },
  transforms: ['./to-fahrenheit.ts'],
  sink: { connector: 'file', config: { path: 'out.ndjson' } },
};
const input = { 'to-fahrenheit.ts': toFahrenheit, 'in.ndjson': '{"c":0}\n{"c":100}\n' };
const output = '{"f":32}\n{"f":212}\n';

describe('sluice run', () => {
  test('runs a pipeline from YAML, says what it promises, and ends with its source', async () => {
    const folder = await makeFolder({
      ...input,
      'p.yaml': `name: celsius
source: { connector: file, config: { path: in.ndjson }, codec: json }
transforms: [./to-fahrenheit.ts]
sink: { connector: file, config: { path: out.ndjson } }
`,
    });
    const { code, stdout, stderr } = await sluice(folder, ['run', 'p.yaml']);
    expect(code).toBe(0);
    expect(stdout).toBe('');
    expect(await readFile(join(folder, 'out.ndjson'), 'utf8')).toBe(output);
    const events = eventsOf(stderr);
    expect(events.map(({ event }) => event)).toEqual(['guarantee', 'started', 'stopped']);
    expect(events[0]).toMatchObject({ delivery: 'effectively-once', ordered: true, owners: { source: 'sink' } });
    expect(events[2]).toMatchObject({ summary: { received: 2, written: 2, unsettled: 0 } });
  });

  test('runs the same pipeline from JSON, from TOML and from TypeScript', async () => {
    const folder = await makeFolder({
      ...input,
      'p.json': JSON.stringify({ ...celsius, sink: { connector: 'file', config: { path: 'json.ndjson' } } }),
      'p.toml': `name = "toml"
transforms = ["./to-fahrenheit.ts"]
[source]
connector = "file"
codec = "json"
config.path = "in.ndjson"
[sink]
connector = "file"
config = { path = "toml.ndjson" }
`,
      'p.ts': `import type { Message, PipelineDefinition } from '@sluice/core';
import { map } from '@sluice/core';
import { file } from '@sluice/file';
export const pipeline: PipelineDefinition = {
  name: 'ts',
  source: file.source({ path: 'in.ndjson' }, { codec: 'json' }),
  transforms: [map((message: Message) => ({ ...message, payload: { f: (message.payload as { c: number }).c * 1.8 + 32 } }))],
  sink: file.sink({ path: 'ts.ndjson' }),
};
`,
    });
    await install(folder, 'core', 'file');
    for (const ending of ['json', 'toml', 'ts']) {
      const { code, stderr } = await sluice(folder, ['run', `p.${ending}`]);
      expect({ ending, code, stderr: code === 0 ? '' : stderr }).toEqual({ ending, code: 0, stderr: '' });
      expect(await readFile(join(folder, `${ending}.ndjson`), 'utf8')).toBe(output);
    }
  });

  test('merges files, takes variables from the environment and --env-file, and lets the command line win', async () => {
    const folder = await makeFolder({
      'base.yaml':
        'name: ${NAME}\nsource: { connector: generate, config: { count: "${COUNT}", template: "${TEXT}" } }\n',
      'local.toml': '[sink]\nconnector = "file"\nconfig = { path = "-" }\n',
      'vars.env': 'COUNT=1000\nTEXT="0042"\nNAME=from-file\n',
    });
    const args = [
      'run',
      '-f',
      'base.yaml',
      '-f',
      'local.toml',
      '--env-file',
      'vars.env',
      '--source-count',
      '2',
      '--batch-max-messages=1',
    ];
    const { code, stdout, stderr } = await sluice(folder, args, { NAME: 'from-environment' });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '0042\n0042\n' });
    expect(eventsOf(stderr)[0]).toMatchObject({ pipeline: 'from-environment' });
  });

  test('joins several sources in one sink, and goes on behind what it has of each', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: join
sources:
  left: { connector: file, config: { path: left.txt } }
  right: { connector: file, config: { path: right.txt } }
sink: { connector: file, config: { path: out.txt } }
`,
      'left.txt': 'l1\nl2\n',
      'right.txt': 'r1\n',
    });
    const first = await sluice(folder, ['run', 'p.yaml']);
    expect({ code: first.code, delivery: eventsOf(first.stderr)[0]?.['delivery'] }).toEqual({
      code: 0,
      delivery: 'effectively-once',
    });
    await appendFile(join(folder, 'left.txt'), 'l3\n');
    await appendFile(join(folder, 'right.txt'), 'r2\n');
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    const lines = (await readFile(join(folder, 'out.txt'), 'utf8')).split('\n').slice(0, -1);
    expect(lines.filter((line) => line.startsWith('l'))).toEqual(['l1', 'l2', 'l3']);
    expect(lines.filter((line) => line.startsWith('r'))).toEqual(['r1', 'r2']);
  });

  test('at a terminal tells people what happens, with one line that is kept up to date', async () => {
    const folder = await makeFolder({
      'p.yaml':
        'name: t\nsource: { connector: generate, config: { rate: 2000, count: 1000000 } }\nsink: { connector: drop }\n',
    });
    const child = startSluice(folder, ['run', 'p.yaml'], {
      NODE_OPTIONS: '--import=data:text/javascript,process.stderr.isTTY=true',
    });
    await child.said(/\[2K[\d,]+\/s · lag [\d,]+ · in flight [\d,]+ · failed 0\r/);
    child.kill('SIGTERM');
    const { code, stderr } = await child.ended;
    expect(code).toBe(0);
    // What clears the line before anything is written begins a line.
    const lines = stderr.split(/[\r\n]+/).map((line) => line.slice(line.startsWith('\u001b[2K') ? 4 : 0));
    const told = lines.filter((line) => line !== '' && !/^[\d,]+\/s · /.test(line));
    expect(told).toEqual([
      expect.stringMatching(/^t: at-least-once, /),
      '  position of source: kept in the checkpoint store',
      't runs',
      'SIGTERM: draining; a second one leaves at once',
      expect.stringMatching(/^t stopped: \d+ received, \d+ written$/),
    ]);
  });

  test('never prints what came from a secret file', async () => {
    const folder = await makeFolder({
      token: 'hunter2-very-secret\n',
      'p.yaml':
        'name: s\nsource: { connector: file, config: { path: "/nowhere/${file:token}/x" } }\nsink: { connector: drop }\n',
    });
    for (const args of [
      ['run'],
      ['run', '--debug'],
      ['check', '--json'],
      ['validate', '--source-path', '1', '--json'],
    ]) {
      const { stdout, stderr } = await sluice(folder, [...args, 'p.yaml']);
      expect(stdout + stderr).not.toContain('hunter2');
    }
    expect((await sluice(folder, ['run', 'p.yaml'])).stderr).toContain('/nowhere/***/x');
  });

  test('drains on SIGTERM and ends with 0', async () => {
    const folder = await makeFolder({
      'p.yaml':
        'name: d\nsource: { connector: generate, config: { rate: 2000, template: "{index}" } }\nsink: { connector: file, config: { path: out.txt } }\n',
    });
    const child = startSluice(folder, ['run', 'p.yaml']);
    await child.said(/"event":"started"/);
    child.kill('SIGTERM');
    const { code, stderr } = await child.ended;
    expect(code).toBe(0);
    const stopped = eventsOf(stderr).find(({ event }) => event === 'stopped') as {
      summary: { received: number; unsettled: number };
    };
    expect(stopped.summary.unsettled).toBe(0);
    const lines = (await readFile(join(folder, 'out.txt'), 'utf8')).split('\n').slice(0, -1);
    expect(lines).toEqual(Array.from({ length: stopped.summary.received }, (_, index) => String(index)));
  });

  test('leaves at once on the second signal', async () => {
    const folder = await makeFolder({
      'p.yaml': 'name: d\nsource: { connector: generate, config: { count: 10 } }\nsink: { connector: ./stuck.js }\n',
      'stuck.js': `import { defineConnector, z } from '@sluice/core/driver';
export const stuck = defineConnector({ name: 'stuck', title: 'Stuck', contract: 1, sink: {
  config: z.strictObject({}),
  capabilities: () => ({ atomic: false, idempotent: false, overlap: 'none', payload: 'bytes', changes: true, preferred: { maxMessages: 10, maxBytes: 1000, maxInFlight: 1 } }),
  open: async () => ({ write: () => new Promise(() => { console.error('writing'); }), close: async () => undefined }),
} });
`,
    });
    await install(folder, 'core');
    const child = startSluice(folder, ['run', 'p.yaml']);
    await child.said(/writing/);
    child.kill('SIGINT');
    await child.said(/SIGINT: draining/);
    child.kill('SIGINT');
    expect((await child.ended).code).toBe(1);
    expect(child.stderr()).not.toContain('"event":"stopped"');
  });

  test('serves metrics, health and readiness on loopback', async () => {
    const folder = await makeFolder({
      'p.yaml': 'name: h\nsource: { connector: generate, config: { rate: 1000 } }\nsink: { connector: drop }\n',
    });
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const child = startSluice(folder, ['run', 'p.yaml', '--http', `:${port}`]);
    await child.said(/"event":"started"/);
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: response.status, text: await response.text() };
    };
    expect(await get('/health')).toEqual({ status: 200, text: '{"status":"ok"}\n' });
    expect(await get('/ready')).toMatchObject({ status: 200 });
    expect((await get('/nothing')).status).toBe(404);
    await expect
      .poll(async () => (await get('/metrics')).text, { timeout: 10_000 })
      .toMatch(/^sluice_\w+(\{.*\})? [1-9]/m);
    const { text } = await get('/metrics');
    expect(text).toMatch(/^target_info\{.*service_name="sluice".*\} 1$/m);
    expect(text).toMatch(/^messaging_client_consumed_messages_total\{.*messaging_system="generate".*\} [1-9]/m);
    expect(text).toMatch(/^messaging_client_sent_messages_total\{.*messaging_operation_name="write".*\} [1-9]/m);
    child.kill('SIGTERM');
    expect((await child.ended).code).toBe(0);
  });

  test('is not ready while a sink is being tried again, but healthy', async () => {
    const folder = await makeFolder({
      'p.yaml':
        'name: r\nsource: { connector: generate, config: { rate: 1000 } }\nsink: { connector: file, config: { path: /dev/full, atomic: false } }\n',
    });
    const child = startSluice(folder, ['run', 'p.yaml', '--http', '127.0.0.1:0']);
    await child.said(/"event":"degraded"/);
    const url = /serving (http:\S+)\/metrics/.exec(child.stderr())?.[1] ?? '';
    expect((await fetch(`${url}/ready`)).status).toBe(503);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  test('stores invalid messages as dead letters and goes on', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: dl
source: { connector: file, config: { path: in.ndjson }, codec: json }
sink: { connector: file, config: { path: out.ndjson } }
deadLetter: { connector: file, config: { path: dead.ndjson } }
`,
    });
    await writeFile(join(folder, 'in.ndjson'), '{"a":1}\n{oops\n{"a":2}\n');
    const { code, stderr } = await sluice(folder, ['run', 'p.yaml']);
    expect(code).toBe(0);
    expect(await readFile(join(folder, 'out.ndjson'), 'utf8')).toBe('{"a":1}\n{"a":2}\n');
    expect(eventsOf(stderr).find(({ event }) => event === 'deadLetter')).toMatchObject({ level: 'warn', count: 1 });
    const [letter] = (await readFile(join(folder, 'dead.ndjson'), 'utf8')).split('\n');
    expect(JSON.parse(letter ?? '')).toMatchObject({
      pipeline: 'dl',
      source: 'source',
      code: 'message_invalid',
      message: { payload: { text: '{oops' } },
    });
  });
});
