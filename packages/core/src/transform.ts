import type { Message } from './message.js';

/** Turns a message into another one. */
export type MapFunction = (message: Message) => Message | Promise<Message>;
/** Says whether a message goes on. */
export type FilterFunction = (message: Message) => boolean | Promise<boolean>;
/** Turns a message into any number of messages. */
export type FlatMapFunction = (message: Message) => readonly Message[] | Promise<readonly Message[]>;

/** A step between source and sink. A step that throws makes that one message invalid. */
export type Transform =
  | { readonly kind: 'map'; readonly apply: MapFunction; readonly label?: string }
  | { readonly kind: 'filter'; readonly apply: FilterFunction; readonly label?: string }
  | { readonly kind: 'flatMap'; readonly apply: FlatMapFunction; readonly label?: string };

/** A step that replaces each message. Synchronous functions are never awaited; asynchronous ones run one after the other. */
export function map(apply: MapFunction): Transform {
  return { kind: 'map', apply };
}

/** A step that lets through the messages for which `apply` says true. */
export function filter(apply: FilterFunction): Transform {
  return { kind: 'filter', apply };
}

/** A step that replaces each message by any number of messages. All of them settle together. */
export function flatMap(apply: FlatMapFunction): Transform {
  return { kind: 'flatMap', apply };
}
