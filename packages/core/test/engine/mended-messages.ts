import { keyText, type MemorySystem } from '../../src/testing/index.js';
import type { History } from './history.js';
import { stopsRun } from './model-message.js';
import type { PlayedSource } from './played-source.js';

/** The invalid messages that were mended after they had stopped the pipeline: from then on they are like any other. */
export class MendedMessages {
  readonly #system: MemorySystem;
  readonly #history: History;
  readonly #sources: readonly PlayedSource[];
  readonly #ids = new Set<string>();

  constructor(system: MemorySystem, history: History, sources: readonly PlayedSource[]) {
    this.#system = system;
    this.#history = history;
    this.#sources = sources;
  }

  /** Whether a source message, or the one that has become this output, is mended. */
  has(id: string): boolean {
    return this.#ids.has(id.replace(/#\d$/, ''));
  }

  /** Whether a source message still stops the pipeline. */
  stops(id: string): boolean {
    return stopsRun(this.#history, id) && !this.has(id);
  }

  /** Mends the first of each partition that still stops the pipeline; false: there was none. */
  mendFirst(): boolean {
    const before = this.#ids.size;
    for (const { stream, partitions } of this.#sources) {
      for (const partition of partitions) {
        const { entries } = this.#system.stream(stream).log(partition);
        const first = entries.find(({ message }) => this.stops(keyText(message)));
        if (first === undefined) continue;
        first.failure = undefined;
        this.#ids.add(keyText(first.message));
      }
    }
    return this.#ids.size > before;
  }

  mendAll(): void {
    while (this.mendFirst());
  }
}
