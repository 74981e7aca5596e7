import type { History, MessageKind } from './history.js';

/** Where a source message lies. */
export interface MessagePlace {
  readonly stream: string;
  readonly partition: string;
  /** Offset in its partition. */
  readonly index: number;
}

/** The name of a source message says where it lies and what becomes of it. */
export function messageId({ stream, partition, index }: MessagePlace, kind: MessageKind): string {
  return `${stream}/${partition}/${index}:${kind}`;
}

/** Where a message lies, by its name or by that of something that it has become. */
export function placeOfId(id: string): MessagePlace {
  const [stream = '', partition = '', rest = ''] = id.split('/');
  return { stream, partition, index: Number.parseInt(rest, 10) };
}

/** Names of what a message becomes, if nothing is invalid. */
export function outputsOf(id: string): string[] {
  if (id.endsWith(':drop') || id.endsWith(':control')) return [];
  return id.endsWith(':expand') || id.endsWith(':refuseOne') ? [`${id}#0`, `${id}#1`, `${id}#2`] : [id];
}

/** Whether this output does not reach one of the sinks: the first one refuses it, or a transform of the first or last one throws. */
export function isRefusedBy(sink: number, { sinks }: History, output: string): boolean {
  if (sink === sinks.length - 1 && output.endsWith(':throwLate')) return true;
  return sink === 0 && (isRefused(output) || output.endsWith(':throwFirst'));
}

/** Whether the first sink refuses this output. */
export function isRefused(output: string): boolean {
  return output.endsWith(':refuse') || output.endsWith(':refuseOne#1');
}

/** Whether a source message is invalid, in whole or in part. */
export function isInvalid(id: string): boolean {
  return /:(throw|throwFirst|throwLate|broken|refuse|refuseOne)$/.test(id);
}

/** Whether a source message ends the run, as long as nobody mends it. */
export function stopsRun(history: History, id: string): boolean {
  if (history.onInvalid === 'stop') return isInvalid(id);
  if (history.onInvalid !== 'stopUnlessFirst' || !isInvalid(id)) return false;
  return !outputsOf(id).some((output) => isRefusedBy(0, history, output));
}

/** Whether a source message is passed when there is a dead letter of it. */
export function isLettered(history: History, id: string): boolean {
  return history.onInvalid !== 'drop' && isInvalid(id) && !stopsRun(history, id);
}
