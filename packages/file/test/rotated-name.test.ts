import { describe, expect, test } from 'vitest';
import { isRotatedName, rotatedName, rotationNumber } from '../src/rotated-name.js';

describe('names of rotated files', () => {
  test('keep the extensions, so that patterns and decompression still fit', () => {
    expect(rotatedName('orders.ndjson', 1)).toBe('orders.000001.ndjson');
    expect(rotatedName('orders.ndjson.gz', 12)).toBe('orders.000012.ndjson.gz');
    expect(rotatedName('my.app.log', 3)).toBe('my.app.000003.log');
    expect(rotatedName('syslog', 3)).toBe('syslog.000003');
    expect(rotatedName('.hidden', 3)).toBe('.hidden.000003');
  });

  test('give their number back, and no other name has one', () => {
    for (const name of ['orders.ndjson', 'orders.ndjson.gz', 'syslog'])
      expect(rotationNumber(name, rotatedName(name, 41))).toBe(41);
    for (const other of [
      'orders.ndjson',
      'orders.checkpoint.ndjson',
      'orders.1.ndjson',
      'orders.000001.ndjson.tmp',
      'other.000001.ndjson',
    ]) {
      expect(rotationNumber('orders.ndjson', other), other).toBeUndefined();
    }
  });

  test('are known by a number or date', () => {
    for (const other of [
      'app.log.1',
      'app.log-20260131',
      'app.2026-01-31.log',
      'app.log.2026-01-31T10:00:00',
      'app-000002.log',
    ]) {
      expect(isRotatedName('app.log', other), other).toBe(true);
    }
    for (const other of [
      'app.log',
      'app.log.checkpoint',
      'app.log.lock',
      'app.log.1.gz',
      'app.log.bak',
      'app.log.1.tmp',
      'my-app.log.1',
      'app.log1',
    ]) {
      expect(isRotatedName('app.log', other), other).toBe(false);
    }
  });
});
