import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileCheckpoints } from '../../src/checkpoint/file-store.js';
import { counterOf, type HolderProcess, startHolder } from './holder-process.js';

let folder: string;
const started: HolderProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-checkpoints-'));
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((holder) => holder.kill()));
  await rm(folder, { recursive: true });
});

function start(...args: Parameters<typeof startHolder>): HolderProcess {
  const holder = startHolder(...args);
  started.push(holder);
  return holder;
}

describe('the file store, when processes die', () => {
  it('holds after each of 100 kills what was acknowledged last, or what was being saved, and is taken over at once', {
    timeout: 240_000,
  }, async () => {
    const outcomes = await Promise.all([
      killAgainAndAgain(join(folder, 'a'), 50),
      killAgainAndAgain(join(folder, 'b'), 50),
    ]);
    // Otherwise the kills did not hit what they are meant to hit.
    for (const { stored, leftovers } of outcomes) {
      expect(stored).toBeGreaterThan(0);
      expect(leftovers).toBeGreaterThan(0);
    }
    const store = fileCheckpoints({ path: join(folder, 'a') });
    await store.claim('orders');
    await store.close();
    expect(await readdir(join(folder, 'a'))).toEqual(['orders.json', 'orders.lock']);
  });

  it('refuses a second process while the first lives, and lets it take over at its first attempt after a kill', async () => {
    const first = start({ folder });
    const { pid } = await first.report('claimed');
    const second = await start({ folder }).report('failed');
    expect(second.code).toBe('fenced');
    expect(second.message).toContain(join(folder, 'orders.lock'));
    expect(second.message).toMatch(new RegExp(`last claimed by process ${pid} on host ".+" at 20\\d\\d-`));
    await first.kill();
    expect(await start({ folder }).report('claimed')).toBeDefined();
  });

  it('does so where both processes have the same pid, as in two containers', async () => {
    // Where pid namespaces are not permitted both processes believe that they have it, which is all they can know of it.
    const launcher = ['unshare', '--pid', '--fork', '--kill-child'];
    const namespaces = spawnSync(launcher[0] ?? '', [...launcher.slice(1), 'true']).status === 0;
    const startContainer = () => (namespaces ? start({ folder }, launcher) : start({ folder, pretendedPid: 1 }));
    const first = startContainer();
    expect(await first.report('claimed')).toMatchObject({ pid: 1 });
    expect(await startContainer().report('failed')).toMatchObject({ code: 'fenced' });
    await first.kill();
    expect(await startContainer().report('claimed')).toMatchObject({ pid: 1 });
  });

  it('is taken over at once from a dead process whose child lives on', async () => {
    const first = start({ folder, withChild: true });
    const { child } = await first.report('claimed');
    await first.kill();
    try {
      expect(process.kill(Number(child), 0)).toBe(true);
      expect(await start({ folder }).report('claimed')).toBeDefined();
    } finally {
      process.kill(Number(child), 'SIGKILL');
    }
  });

  it('can be read while another process saves', async () => {
    const holder = start({ folder, saves: true });
    await holder.report('saved');
    const store = fileCheckpoints({ path: folder });
    let last = 0;
    for (let load = 0; load < 50; load++) {
      const counter = counterOf(await store.load('orders'));
      expect(counter).toBeGreaterThanOrEqual(last);
      last = counter;
    }
    expect(last).toBeGreaterThan(0);
  });
});

/** Each process goes on where the one before was killed, and says what was acknowledged to it. */
async function killAgainAndAgain(path: string, kills: number): Promise<{ stored: number; leftovers: number }> {
  const store = fileCheckpoints({ path });
  let stored = 0;
  let leftovers = 0;
  for (let kill = 0; kill < kills; kill++) {
    const holder = start({ folder: path, saves: true });
    await holder.report('starting');
    await randomMoment();
    await holder.kill();

    let acknowledged = stored;
    for (const report of holder.reports) {
      if (report.type === 'failed') throw new Error(report.message);
      if (report.type === 'claimed') expect(report.counter).toBe(stored);
      if (report.type === 'saved') acknowledged = report.counter;
    }
    stored = counterOf(await store.load('orders'));
    expect([acknowledged, acknowledged + 1]).toContain(stored);
    leftovers += (await readdir(path).catch(() => [])).filter((name) => name.endsWith('.tmp')).length;
  }
  return { stored, leftovers };
}

/** Within the first few saves: every instant of starting, claiming and saving is meant to be hit. */
async function randomMoment(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, Math.random() * 40);
  await promise;
}
