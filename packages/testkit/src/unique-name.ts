import { randomBytes } from 'node:crypto';

/**
 * A name that no other test uses, so that tests of several packages, processes and runs can share a server: the given
 * word, a hyphen, and twelve hexadecimal digits. Valid as a Kafka topic, a queue, a bucket and a host name.
 */
export function uniqueName(word: string): string {
  return `${word}-${randomBytes(6).toString('hex')}`;
}
