import { exitCode } from './exit-code.js';

const names = ['SIGINT', 'SIGTERM'] as const;

/** A signal for the engine that follows those of the process. */
export interface StopSignals {
  readonly signal: AbortSignal;
  /** Gives the process its usual behaviour back. */
  release(): void;
}

/** The first SIGINT or SIGTERM asks to drain, the second one leaves at once: what is unsettled is read again by the next run. */
export function stopOnSignals(onFirst: (name: string) => void): StopSignals {
  const controller = new AbortController();
  const listener = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCode.failed);
    onFirst(name);
    controller.abort();
  };
  for (const name of names) process.on(name, listener);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of names) process.off(name, listener);
    },
  };
}
