import { isMap, type Path } from './tree.js';

/** A place in a pipeline file that names a connector. */
export interface Endpoint {
  readonly path: Path;
  readonly direction: 'source' | 'sink';
  readonly connector: string;
}

/** Every source, sink and dead-letter sink of a pipeline file that names its connector, whether or not the rest is right. */
export function endpointsOf(file: unknown): readonly Endpoint[] {
  if (!isMap(file)) return [];
  return [
    ...endpoint(['source'], 'source', file['source']),
    ...several('sources', 'source', file['sources']),
    ...endpoint(['sink'], 'sink', file['sink']),
    ...several('sinks', 'sink', file['sinks']),
    ...endpoint(['deadLetter'], 'sink', file['deadLetter']),
  ];
}

function several(name: string, direction: Endpoint['direction'], parts: unknown): readonly Endpoint[] {
  if (!isMap(parts)) return [];
  return Object.entries(parts).flatMap(([id, part]) => [
    ...endpoint([name, id], direction, part),
    ...(isMap(part) ? endpoint([name, id, 'deadLetter'], 'sink', part['deadLetter']) : []),
  ]);
}

function endpoint(path: Path, direction: Endpoint['direction'], part: unknown): readonly Endpoint[] {
  if (!isMap(part) || typeof part['connector'] !== 'string' || part['connector'] === '') return [];
  return [{ path, direction, connector: part['connector'] }];
}
