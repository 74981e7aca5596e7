import type { Guarantee, PipelineEvent, PipelineStats } from '@sluice/core';
import { ConnectorError } from '@sluice/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventText } from '../src/event-text.js';
import { trackHealth } from '../src/health.js';
import { parseAddress } from '../src/http.js';
import { liveText, startLiveLine } from '../src/live-line.js';
import { jsonLog, textLog } from '../src/log.js';
import { createOutput } from '../src/output.js';
import { quietLog } from '../src/quiet-log.js';

const stats: PipelineStats = {
  received: 0,
  receivedBytes: 0,
  written: 0,
  filtered: 0,
  failed: 1,
  retried: 0,
  deadLettered: 2,
  dropped: 0,
  inFlight: 1500,
  inFlightBytes: 0,
  lag: { 'source:0': 10, 'source:1': 5 },
  connectors: {},
  positions: {},
  unsettled: 0,
};
const frame = { at: 0, pipeline: 'p' };

function makeOutput(json = false) {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) };
  const output = createOutput({ stdout: stream, stderr: stream }).with({ json, debug: false });
  return { output, written };
}

describe('the live line', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('tells rate, lag, in flight and failed', () => {
    expect(liveText(stats, 12_345.6)).toBe('12,346/s · lag 15 · in flight 1,500 · failed 3');
  });

  test('leaves the lag out where no source tells it', () => {
    expect(liveText({ ...stats, lag: {} }, 0)).toBe('0/s · in flight 1,500 · failed 3');
  });

  test('tells what was lost before it could be received', () => {
    const connectors = { 'source.received': 9, 'source.droppedByKernel': 1200, 'source.droppedByQueue': 3 };
    expect(liveText({ ...stats, lag: {}, connectors }, 0)).toBe('0/s · in flight 1,500 · failed 3 · lost 1,203');
  });

  test('is drawn again in place, is no wider than the terminal, and makes room for other lines', () => {
    const written: string[] = [];
    let received = 0;
    const terminal = { columns: 20, write: (text: string) => written.push(text) };
    const { output } = makeOutput();
    const log = textLog({ ...output, note: (text) => void written.push(`${text}\n`) });
    const line = startLiveLine(terminal, log, () => ({ ...stats, received }));
    received = 500;
    vi.advanceTimersByTime(500);
    expect(written).toEqual(['\r\x1b[2K', '1,000/s · lag 15 · ']);
    line.log.note('hello');
    line.stop();
    line.log.note('bye');
    vi.advanceTimersByTime(5000);
    expect(written.slice(2)).toEqual(['\r\x1b[2K', 'hello\n', '\r\x1b[2K', 'bye\n']);
  });
});

describe('the JSON log', () => {
  test('writes one object per event, with level and text, and no secret', () => {
    const { output } = makeOutput();
    output.hide(['hunter2']);
    const lines: Record<string, unknown>[] = [];
    const log = jsonLog(output, { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
    const error = new ConnectorError('timeout', 'sink is slow: hunter2.');
    log.event({ ...frame, type: 'degraded', part: 'sink', error, attempt: 2, delayMs: 1500 });
    log.event({ ...frame, type: 'stopped', summary: stats, error });
    log.failure(error);
    log.guarantee('p', {
      delivery: 'at-most-once',
      summary: 's',
      ordered: true,
      owners: {},
      reasons: [],
    } satisfies Guarantee);
    expect(lines.map(({ level, event }) => [level, event])).toEqual([
      ['warn', 'degraded'],
      ['info', 'stopped'],
      ['error', 'failed'],
      ['info', 'guarantee'],
    ]);
    expect(lines[3]).toEqual({
      level: 'info',
      time: expect.any(String),
      event: 'guarantee',
      pipeline: 'p',
      delivery: 'at-most-once',
      ordered: true,
      owners: {},
      msg: 's',
    });
    expect(lines[0]).toMatchObject({
      msg: 'sink: sink is slow: ***; attempt 2 failed, the next is in 1.5 s',
      error: { code: 'timeout' },
    });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });
});

describe('the line at the end', () => {
  const endOf = (changed: Partial<PipelineStats>): string => {
    const summary = { ...stats, deadLettered: 0, ...changed };
    return eventText({ ...frame, type: 'stopped', summary, error: undefined });
  };

  test.each([
    ['p stopped: nothing new', {}],
    ['p stopped: 3 received, 2 written, 1 dead letter', { received: 3, written: 2, deadLettered: 1 }],
    ['p stopped: 5 received, 3 written, 2 dead letters', { received: 5, written: 3, deadLettered: 2 }],
    ['p stopped: 5 received, 1 written, 4 filtered', { received: 5, written: 1, filtered: 4 }],
    ['p stopped: nothing new, 7 lost before they were received', { connectors: { 'source.droppedByKernel': 7 } }],
    [
      'p stopped: 5 received, 1 written, 1 dropped as invalid, 3 left unsettled',
      { received: 5, written: 1, dropped: 1, unsettled: 3 },
    ],
  ])('says "%s"', (text, changed) => {
    expect(endOf(changed)).toBe(text);
  });
});

describe('a quiet log', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('tells the first dead letter at once, the others once per second, and the rest before the end', () => {
    const told: string[] = [];
    const { output } = makeOutput();
    const log = quietLog({
      ...textLog(output),
      event: (event) => void told.push(event.type === 'deadLetter' ? String(event.count) : event.type),
    });
    const letter = {
      ...frame,
      type: 'deadLetter',
      part: 'source',
      count: 1,
      dropped: false,
      error: new ConnectorError('message_invalid', 'bad'),
    } as const;
    for (let count = 0; count < 100; count++) log.event(letter);
    expect(told).toEqual(['1']);
    vi.advanceTimersByTime(1000);
    expect(told).toEqual(['1', '99']);
    log.event(letter);
    log.event({ ...frame, type: 'stopped', summary: stats, error: undefined });
    expect(told).toEqual(['1', '99', '1', 'stopped']);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('results', () => {
  test('are text, or JSON on one line, without secrets', () => {
    for (const json of [false, true]) {
      const { output, written } = makeOutput(json);
      output.hide(['hunter2']);
      output.result({ a: 'x hunter2', n: 10n }, 'a is hunter2');
      expect(written).toEqual([json ? '{"a":"x ***","n":"10"}\n' : 'a is ***\n']);
    }
  });
});

describe('health', () => {
  test('is ready between start and stop while nothing is tried again, and healthy until it fails', () => {
    const { onEvent, health } = trackHealth();
    const error = new ConnectorError('timeout', 'slow');
    const after = (event: PipelineEvent) => {
      onEvent(event);
      return [health().healthy, health().ready];
    };
    expect(health()).toMatchObject({ healthy: true, ready: false });
    expect(after({ ...frame, type: 'started' })).toEqual([true, true]);
    expect(after({ ...frame, type: 'degraded', part: 'sink', error, attempt: 1, delayMs: 1 })).toEqual([true, false]);
    expect(after({ ...frame, type: 'recovered', part: 'sink' })).toEqual([true, true]);
    expect(after({ ...frame, type: 'stopped', summary: stats, error })).toEqual([false, false]);
  });
});

describe('--http', () => {
  test.each([
    [':9090', { host: '127.0.0.1', port: 9090 }],
    ['9090', { host: '127.0.0.1', port: 9090 }],
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['localhost:80', { host: 'localhost', port: 80 }],
  ])('takes %s', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  test.each(['', 'x', ':70000', '::1:80', 'a:b'])('refuses %j', (text) => {
    expect(() => parseAddress(text)).toThrow('is not an address');
  });
});
