/** The files of a pattern that is not followed, a few at a time. */
export interface FileQueue {
  /** A new set whenever files were finished and others take their place. */
  sets(signal: AbortSignal): AsyncGenerator<readonly string[]>;
  /** This file was read to its end. */
  finished(path: string): void;
}

/** Reads `files` in their order, `maxOpenFiles` at the same time. */
export function fileQueue(files: readonly string[], maxOpenFiles: number): FileQueue {
  const held = new Set(files.slice(0, maxOpenFiles));
  const finished = new Set<string>();
  let taken = held.size;
  let wake = (): void => undefined;
  return {
    async *sets(signal) {
      signal.addEventListener('abort', () => wake(), { once: true });
      yield [...held];
      while (taken < files.length) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (signal.aborted || finished.size > 0) resolve();
        });
        if (signal.aborted) return;
        for (const path of finished) held.delete(path);
        finished.clear();
        for (const path of files.slice(taken, taken + maxOpenFiles - held.size)) {
          held.add(path);
          taken++;
        }
        yield [...held];
      }
    },
    finished: (path) => {
      if (held.has(path)) finished.add(path);
      wake();
    },
  };
}
