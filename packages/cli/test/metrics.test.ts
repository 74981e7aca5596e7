import type { IncomingMessage, ServerResponse } from 'node:http';
import { metrics } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { collectMetrics } from '../src/metrics.js';

test('a scrape has the totals of always, and of gauges what is observed now', async () => {
  const answer = collectMetrics();
  const scrape = (): Promise<string> =>
    new Promise((resolve) => {
      const response = { setHeader: () => undefined, end: resolve };
      answer({} as IncomingMessage, response as unknown as ServerResponse); // as much of them as an answer needs
    });
  const meter = metrics.getMeter('test');
  const lags = new Map([
    ['p', 5],
    ['q', 7],
  ]);
  meter.createObservableGauge('lag').addCallback((result) => {
    for (const [partition, lag] of lags) result.observe(lag, { partition });
  });
  let total = 2;
  meter.createObservableCounter('read').addCallback((result) => result.observe(total));
  const told = async (): Promise<string[]> =>
    [...(await scrape()).matchAll(/^(?:lag\{partition="\w"|read_total\{).*/gm)].map(([line]) =>
      line.replaceAll(/,?otel_scope\w+="\w+"/g, ''),
    );
  expect(await told()).toEqual(['lag{partition="p"} 5', 'lag{partition="q"} 7', 'read_total{} 2']);
  expect(await told()).toEqual(['lag{partition="p"} 5', 'lag{partition="q"} 7', 'read_total{} 2']);
  lags.delete('q');
  total = 3;
  expect(await told()).toEqual(['lag{partition="p"} 5', 'read_total{} 3']);
});
