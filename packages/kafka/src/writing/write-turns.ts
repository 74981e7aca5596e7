import { ConnectorError } from '@sluice/core/driver';

/** Lets what was prepared side by side go on in the order in which it began. */
export class WriteTurns {
  #last: Promise<void> = Promise.resolve();

  /**
   * Prepares at once, and runs `begin` with the result when all that came before has begun. A failure to prepare fails all
   * that already waits behind it with `conflict`, so that nothing overtakes.
   */
  async run<Prepared, Result>(
    prepare: () => Promise<Prepared>,
    begin: (prepared: Prepared) => Promise<Result>,
  ): Promise<Result> {
    const before = this.#last;
    const { promise: begun, resolve, reject } = Promise.withResolvers<void>();
    this.#last = begun;
    // Those that wait hear of it, and there may be none.
    begun.catch(() => {
      if (this.#last === begun) this.#last = Promise.resolve();
    });
    let running: Promise<Result>;
    try {
      const prepared = prepare();
      // Heard of below; while the turn is waited for it would count as unhandled.
      prepared.catch(() => undefined);
      await before;
      running = begin(await prepared);
      resolve();
    } catch (error) {
      reject(new ConnectorError('conflict', 'an earlier write failed', { cause: error }));
      throw error;
    }
    return await running;
  }
}
