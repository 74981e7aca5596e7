import { expect, test } from 'vitest';
import { kafkaSettings } from '../src/servers/kafka-settings.js';

const listeners = [
  { name: 'PLAIN', protocol: 'PLAINTEXT', port: 9092 },
  { name: 'TLS', protocol: 'SSL', port: 9096 },
] as const;

function settings(more: Record<string, string> = {}): Map<string, string> {
  const text = kafkaSettings(listeners, ({ port }) => `127.0.0.1:2${port}`, more);
  expect(text.endsWith('\n')).toBe(true);
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

test('a broker listens for others everywhere and for itself inside', () => {
  expect(settings().get('listeners')).toBe(
    'INSIDE://localhost:9091,CONTROLLER://localhost:9093,PLAIN://0.0.0.0:9092,TLS://0.0.0.0:9096',
  );
  expect(settings().get('advertised.listeners')).toBe(
    'INSIDE://localhost:9091,PLAIN://127.0.0.1:29092,TLS://127.0.0.1:29096',
  );
  expect(settings().get('listener.security.protocol.map')).toBe(
    'INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,TLS:SSL',
  );
});

test('settings of the test win', () => {
  expect(settings().get('auto.create.topics.enable')).toBe('false');
  expect(settings({ 'auto.create.topics.enable': 'true' }).get('auto.create.topics.enable')).toBe('true');
});

test('line breaks and backslashes arrive as they are', () => {
  expect(settings({ pattern: 'a\\b\nc' }).get('pattern')).toBe('a\\\\b\\nc');
});
