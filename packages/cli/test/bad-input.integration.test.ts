import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectOneError, good, runFile } from './bad-input.js';
import { eventsOf, makeFolder, sluice, startSluice } from './sluice-process.js';

describe('what fails outside ends with exit code 1 and one error', () => {
  test('a missing input file', async () => {
    expectOneError(
      await runFile(good.replace('generate, config: { count: 10 }', 'file, config: { path: gone.txt }')),
      1,
      /gone\.txt.* does not exist/,
    );
  });

  test('an input file that may not be read', async () => {
    // Nobody may read it, not even the superuser.
    const path = '/sys/bus/cpu/uevent';
    expectOneError(
      await runFile(good.replace('generate, config: { count: 10 }', `file, config: { path: ${path} }`)),
      1,
      /^file source could not .*\/sys\/bus\/cpu\/uevent.*Give/,
    );
  });

  test('an input that is a folder', async () => {
    const result = await runFile(good.replace('generate, config: { count: 10 }', 'file, config: { path: . }'));
    expect(result.code).toBeGreaterThan(0);
    expectOneError(result, result.code ?? 0, /folder/);
  });

  test('an output that may not be written', async () => {
    const folder = await makeFolder({ 'p.yaml': good.replace('drop', 'file, config: { path: /proc/out.txt }') });
    const result = await sluice(folder, ['run', 'p.yaml']);
    expectOneError(result, result.code ?? 0, /\/proc\//);
    expect(result.code).toBeGreaterThan(0);
  });

  test('a full disk holds messages back, and nothing is lost', async () => {
    const folder = await makeFolder({
      'p.yaml': `${good.replace('drop', 'file, config: { path: /dev/full, atomic: false }')}retry: { maxAttempts: 3, initialDelayMs: 1 }\n`,
    });
    const child = startSluice(folder, ['run', 'p.yaml']);
    await child.said(/"event":"degraded"[^\n]*full/);
    child.kill('SIGTERM');
    const { code, stderr } = await child.ended;
    expect(code).toBe(1);
    expect(stderr).not.toMatch(/\n\s+at /);
    const positions = await sluice(folder, ['positions', 'get', 'p.yaml', '--json']);
    expect(JSON.parse(positions.stdout)).toMatchObject({ positions: {} });
  });

  test('a full disk under a sink that stores the position with its output: it goes on where there is room again', async () => {
    const lines = Array.from({ length: 1000 }, (_, index) => `${index}\n`).join('');
    const folder = await makeFolder({
      'p.yaml': `name: full
source: { connector: file, config: { path: in.txt } }
sink: { connector: file, config: { path: out.txt } }
retry: { initialDelayMs: 1, maxDelayMs: 20, maxAttempts: 1000000 }
`,
      'in.txt': lines,
      full: '',
    });
    const child = startSluice(folder, ['run', 'p.yaml'], {
      FULL_DISK: join(folder, 'full'),
      NODE_OPTIONS: `--import=${new URL('full-disk.ts', import.meta.url).href}`,
    });
    await child.said(/"event":"degraded"[^\n]*full/);
    await rm(join(folder, 'full'));
    const { code, stderr } = await child.ended;
    expect({ code, last: eventsOf(stderr).at(-1) }).toMatchObject({ code: 0, last: { event: 'stopped' } });
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(await readFile(join(folder, 'out.txt'), 'utf8')).toBe(lines);
  });

  test('a reader of standard output that goes away', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: pipe\nsource: { connector: generate, config: { rate: 1000 } }\nsink: { connector: file, config: { path: "-" } }\n`,
    });
    const child = startSluice(folder, ['run', 'p.yaml']);
    await child.said(/"event":"started"/);
    child.closeStdout();
    const result = await child.ended;
    expectOneError(result, 1, /standard output/);
  });

  test('a UDP port that is in use', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const result = await runFile(
      good.replace('generate, config: { count: 10 }', `udp, config: { port: ${port}, host: 127.0.0.1 }`),
      {},
      ['--open-timeout-ms', '300'],
    );
    socket.close();
    expectOneError(result, 1, new RegExp(String(port)));
  });

  test('an HTTP port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const result = await runFile(good, {}, ['--http', `:${port}`]);
    server.close();
    expectOneError(result, 1, /the port is in use/);
  });

  test('a message that is not valid in its codec, without dead letters', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: codec\nsource: { connector: file, config: { path: in.ndjson }, codec: json }\nsink: { connector: file, config: { path: out.ndjson } }\n`,
      'in.ndjson': '{"a":1}\n{oops\n{"a":2}\n',
    });
    expectOneError(await sluice(folder, ['run', 'p.yaml']), 1, /json/i);
    await writeFile(join(folder, 'in.ndjson'), '{"a":1}\n{"b":1\n{"a":2}\n'.replace('{"b":1', '{"b":'));
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(1);
  });

  test('a codec that is wrong for the whole source stops at the threshold instead of draining it', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: codec
source: { connector: file, config: { path: in.txt }, codec: json }
sink: { connector: file, config: { path: out.ndjson } }
deadLetter: { connector: file, config: { path: dead.ndjson }, maxRatio: 0.1, window: 100 }
`,
      'in.txt': 'no json\n'.repeat(50_000),
    });
    expectOneError(
      await sluice(folder, ['run', 'p.yaml']),
      1,
      /more than 10 % of the latest 100 messages are invalid, most often because: .*json/i,
    );
    expect((await readFile(join(folder, 'dead.ndjson'), 'utf8')).split('\n').length).toBeLessThan(40_000);
  });

  test('a second instance on the same checkpoint', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: twice\nsource: { connector: generate, config: { rate: 100 } }\nsink: { connector: drop }\n`,
    });
    const first = startSluice(folder, ['run', 'p.yaml']);
    await first.said(/"event":"started"/);
    expectOneError(await sluice(folder, ['run', 'p.yaml']), 1, /pipeline "twice" runs already/);
    expectOneError(await sluice(folder, ['positions', 'reset', 'p.yaml']), 1, /pipeline "twice" runs already/);
    first.kill('SIGTERM');
    expect((await first.ended).code).toBe(0);
  });

  test('a damaged checkpoint, by its name and with what to do', async () => {
    const folder = await makeFolder({ 'p.yaml': good });
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    const path = join(folder, '.sluice/checkpoints/good.json');
    await chmod(path, 0o644);
    await writeFile(path, (await readFile(path, 'utf8')).replace('10', '11'));
    expectOneError(await sluice(folder, ['run', 'p.yaml']), 1, /good\.json/);
  });
});
