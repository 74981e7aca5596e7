/** What a process of a benchmark says about itself. */
export interface Cost {
  readonly messages: number;
  readonly ms: number;
  /** Of the process, all threads, per message. */
  readonly cpuMicroseconds: number;
}

/**
 * Does what a process of a benchmark is there for, and prints what it cost, for {@link measureProcess}. Called once, last.
 *
 * @param run resolves with how many messages it has moved
 */
export async function reportCost(run: () => Promise<number>): Promise<void> {
  const started = performance.now();
  const cpu = process.cpuUsage();
  const messages = await run();
  const { user, system } = process.cpuUsage(cpu);
  const cost: Cost = { messages, ms: performance.now() - started, cpuMicroseconds: (user + system) / messages };
  console.log(JSON.stringify(cost));
}
