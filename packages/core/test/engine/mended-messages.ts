import { keyText, type MemorySystem } from '../../src/testing/index.js';
import { isInvalid } from './model-message.js';
import type { PlayedSource } from './played-source.js';

/** The invalid messages that were mended after they had stopped the pipeline: from then on they are like any other. */
export class MendedMessages {
  readonly #system: MemorySystem;
  readonly #sources: readonly PlayedSource[];
  readonly #ids = new Set<string>();

  constructor(system: MemorySystem, sources: readonly PlayedSource[]) {
    this.#system = system;
    this.#sources = sources;
  }

  /** Whether a source message, or the one that has become this output, is mended. */
  has(id: string): boolean {
    return this.#ids.has(id.replace(/#\d$/, ''));
  }

  /** Mends the first of each partition that is still invalid; false: there was none. */
  mendFirst(): boolean {
    const before = this.#ids.size;
    for (const { stream, partitions } of this.#sources) {
      for (const partition of partitions) {
        const { entries } = this.#system.stream(stream).log(partition);
        const first = entries.find(({ message }) => isInvalid(keyText(message)) && !this.has(keyText(message)));
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
