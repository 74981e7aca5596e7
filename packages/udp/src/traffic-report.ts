import type { AddressInfo } from 'node:net';
import type { DriverContext } from '@sluice/core/driver';
import { type KernelDrops, kernelDropsOf } from './kernel-drops.js';

const intervalMs = 1000;

const queueAdvice =
  'the pipeline is slower than the senders; make it faster, or raise queueMaxBytes and queueMaxMessages';
const kernelAdvice =
  'the receive buffer was full; raise recvBufferBytes, or share the port between processes with reusePort';

/**
 * Tells the metrics what was received and what was lost, and the user about the first loss of each kind. Datagrams are
 * counted in plain fields in between, because a metric per datagram would cost more than the datagram.
 */
export class TrafficReport {
  /** Datagrams received since the last report. */
  received = 0;
  /** Datagrams received and then dropped because the queue was full, since the last report. */
  droppedByQueue = 0;
  readonly #context: DriverContext;
  readonly #toldLosses = new Set<string>();
  #kernelDrops: KernelDrops | undefined;
  #knownKernelDrops = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: DriverContext) {
    this.#context = context;
  }

  /** Begins to report every second what happens at a bound socket of this process. */
  async start(bound: AddressInfo): Promise<void> {
    this.#kernelDrops = await kernelDropsOf(bound);
    await this.tell();
    this.#timer = setInterval(() => void this.tell(), intervalMs).unref();
  }

  /** Stops the reports; one more can be asked for. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Reports what was counted here. */
  tellCounts(): void {
    this.#context.metrics.add('received', this.received);
    this.received = 0;
    this.#tellLoss('droppedByQueue', this.droppedByQueue, queueAdvice);
    this.droppedByQueue = 0;
  }

  /** Reports what was counted here, and what the kernel tells. */
  async tell(): Promise<void> {
    this.tellCounts();
    const drops = await this.#kernelDrops?.();
    if (drops === undefined) return;
    // An older answer may come after a newer one.
    const latest = Math.max(drops, this.#knownKernelDrops);
    this.#tellLoss('droppedByKernel', latest - this.#knownKernelDrops, kernelAdvice);
    this.#knownKernelDrops = latest;
  }

  #tellLoss(metric: string, amount: number, advice: string): void {
    this.#context.metrics.add(metric, amount);
    if (amount === 0 || this.#toldLosses.has(metric)) return;
    this.#toldLosses.add(metric);
    this.#context.notice(`datagrams are being lost (${amount} so far, counted as ${metric}): ${advice}`);
  }
}
