import type { Value } from '../message.js';
import type { BatchFailure } from '../sink-driver.js';

/** The framings that core has. */
export type FramingName = 'lines' | 'csv' | 'length-prefixed' | 'whole';

/** Where a framing stands in a stream of bytes, as a JSON value: it is part of the positions of the sources that use it. */
export interface FramingPosition {
  /** Offset of the next message, in bytes from the start of the (uncompressed) stream. */
  readonly bytes: number;
  /** csv: the names of the columns, once the header was read. */
  readonly columns?: readonly string[];
}

/** Messages cut from a stream. */
export interface Frames {
  /** Bytes of each message, views into the chunks where possible; csv: an object of strings, or the raw bytes where it failed. */
  readonly payloads: readonly Value[];
  /** Offset just after each message, delimiter included, from the start of the stream. Same length as `payloads`. */
  readonly ends: readonly number[];
  /** Messages that could not be made sense of, by index: the engine makes them invalid. */
  readonly failures: readonly BatchFailure[];
}

/** Cuts one stream of bytes into messages. Holds at most one unfinished message. */
export interface Unframer {
  /** Takes the next bytes over and returns the messages that are whole now. The chunk must not be changed afterwards. */
  push(chunk: Uint8Array): Frames;
  /** The stream has ended: returns what is left, e.g. a last line without newline. A cut-off message is a failure. */
  end(): Frames;
  /** The position just after the message that ended at `bytes` (one of `ends`), or 0 before the first. */
  positionAt(bytes: number): FramingPosition;
  /** How many bytes of an unfinished message are held. */
  readonly heldBytes: number;
}

/** A way to cut bytes into messages, and to put messages into bytes. */
export interface Framing {
  readonly name: FramingName;
  /** Begins to cut a stream whose first byte lies at `position`. */
  unframe(position?: FramingPosition): Unframer;
  /**
   * The bytes of one message as they stand in a stream: with its newline, its length, its quotes. csv takes values, all others
   * bytes. `first` says that it is the first of its stream (csv writes the header then).
   *
   * @throws {ConnectorError} `message_invalid` when the payload contains the delimiter, is null, or has no such form
   */
  frame(payload: Value, first: boolean): Uint8Array;
  /**
   * The frames of many messages in one buffer, faster than one by one: in `scratch` when they fit there. Undefined when one of
   * them has no such form, and `frame` then tells which. Only for framings in which the first message is like the others.
   */
  join?(messages: readonly { readonly payload: Value }[], scratch: Uint8Array): Uint8Array | undefined;
}
