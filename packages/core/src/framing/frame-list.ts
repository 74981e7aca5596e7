import type { ConnectorError } from '../error.js';
import type { Value } from '../message.js';
import type { BatchFailure } from '../sink-driver.js';
import type { Frames } from './framing.js';

/** The messages of one push, while they are being cut. */
export class FrameList implements Frames {
  readonly payloads: Value[] = [];
  readonly ends: number[] = [];
  readonly failures: BatchFailure[] = [];

  /** A message that ends at offset `end` of the stream. */
  add(payload: Value, end: number): void {
    this.payloads.push(payload);
    this.ends.push(end);
  }

  /** A message that could not be made sense of; `bytes` is what is known of it. */
  fail(bytes: Buffer, end: number, error: ConnectorError): void {
    this.failures.push({ index: this.payloads.length, error });
    this.add(bytes, end);
  }
}
