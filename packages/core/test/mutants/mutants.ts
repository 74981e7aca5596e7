/** The real engine with one thing wrong, and the test that must notice. */
export interface Mutant {
  /** What is wrong, as a sentence. */
  readonly name: string;
  /** Below `src/engine`. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Other guards of the same promise in the same file, of which one is enough. */
  readonly guards?: readonly { readonly find: string; readonly replace: string }[];
  readonly test: { readonly file: string; readonly title: string };
}

/** Every promise of the engine that a line or two could break. */
export const mutants: readonly Mutant[] = [
  {
    name: 'commits before the checkpoint is saved',
    file: 'settler.ts',
    find: '    if (stored.length === 0) return true;',
    replace: '    for (const { lease, position } of stored) this.#run.commit(lease, position);',
    test: { file: 'settling.test.ts', title: 'does not commit what the checkpoint store has not' },
  },
  {
    name: 'lets a store that fails hold up the commits of a source that keeps its own position',
    file: 'settler.ts',
    find: '    else this.#commitKept();\n',
    replace: '',
    test: {
      file: 'fan.test.ts',
      title:
        'are told before they give a partition up, though the store has refused the checkpoint of another one before',
    },
  },
  {
    name: 'lets an older lease of a partition take back what a newer one has settled',
    file: 'settler.ts',
    find: 'new Set([...stored.map(({ lease }) => lease), ...this.#moved])',
    replace: 'new Set([...this.#moved, ...stored.map(({ lease }) => lease)])',
    test: {
      file: 'settling.test.ts',
      title: 'never goes back to what an older lease of the partition has settled, which the store had refused',
    },
  },
  {
    name: 'passes unfinished messages',
    file: 'ack-tracker.ts',
    find: 'entry !== undefined && entry.pending === 0; ) {',
    replace: 'entry !== undefined; ) {',
    test: { file: 'ack-tracker.test.ts', title: 'takes the longest finished prefix, once' },
  },
  {
    name: 'does not move the position past filtered messages',
    file: 'receive.ts',
    find: '  finishPart(hub, segment);\n}',
    replace: '  if (flow.messages.length > 0) finishPart(hub, segment);\n}',
    test: { file: 'settling.test.ts', title: 'moves the position past filtered messages, also where nothing is left' },
  },
  {
    name: "leaves what comes before a message that a sink's own step finds invalid, as if it were written",
    file: 'receive.ts',
    find: ': all.filter(({ writer }) => stopsAtInvalid(hub.plan, writer.branch))',
    replace: ': all.filter(() => false)',
    guards: [{ find: 'if (!stopsAtInvalid(hub.plan, writer.branch)) for', replace: 'for' }],
    test: {
      file: 'no-dead-letters.test.ts',
      title: "a message on which a sink's own transform throws stops the pipeline at it ({})",
    },
  },
  {
    name: 'writes a dead letter of what lies behind the message that stops the pipeline',
    file: 'receive.ts',
    find: 'count === undefined ? failures : failures.filter(({ index }) => index < count)',
    replace: 'failures',
    test: {
      file: 'no-dead-letters.test.ts',
      title:
        'a message that stops the pipeline has no dead letter of another sink written behind it (batches that can be cut: true)',
    },
  },
  {
    name: "settles what a sink's own step gives back after its lease was lost",
    file: 'receive.ts',
    find: 'if (segment.lease.discarded || segment.lease.lost) return;\n  queue(hub, segment, all);',
    replace: 'if (!segment.lease.discarded && !segment.lease.lost) queue(hub, segment, all);',
    test: { file: 'connection-lost.test.ts', title: "has what a sink's own transform still worked on read again" },
  },
  {
    name: 'flushes an atomic sink that has a part of a batch which stops the pipeline',
    file: 'sink-writer.ts',
    find: 'if (stopsAtInvalid(this.#hub.plan, this.branch)) this.#queues.forget(piece);',
    replace: '',
    test: {
      file: 'no-dead-letters.test.ts',
      title: 'an atomic sink stores nothing of a batch of which it refuses a message when it has some of it',
    },
  },
  {
    name: 'puts failed messages behind later ones',
    file: 'write-queues.ts',
    find: 'const at = queue.pieces.findIndex((other) => other.order > piece.order);',
    replace: 'const at: number = -1;',
    test: {
      file: 'order.test.ts',
      title: 'is that of first arrival where a write that failed had happened, with overlap none',
    },
  },
  {
    name: 'tries a failed write again while later ones of its partition are under way',
    file: 'sink-writer.ts',
    find: ' || (ordered && queue.failing && queue.inFlight > 0)',
    replace: '',
    test: {
      file: 'order.test.ts',
      title: 'waits for every write of the partition under way before it tries a failed one again',
    },
  },
  {
    name: 'overlaps writes that the sink wants one at a time',
    file: 'sink-writer.ts',
    find: "this.#slots = overlap === 'none' ? 1 : Math.max(1, preferred.maxInFlight);",
    replace: 'this.#slots = Math.max(2, preferred.maxInFlight);',
    test: { file: 'order.test.ts', title: 'are one at a time with overlap none' },
  },
  {
    name: 'goes on with a sink whose write may still take effect',
    file: 'sink-session.ts',
    find: '          this.broken = true; // it may still take effect: only a fresh driver can be trusted\n',
    replace: '',
    test: { file: 'timeout.test.ts', title: 'has the sink opened again before the next try when it ignores the abort' },
  },
  {
    name: 'believes in a failed flush without a claim',
    file: 'restarter.ts',
    find: '    return this.#claimUntilDone(this.#atomicWriters(), keys);',
    replace: '    return keys.length > 0 ? {} : this.#claimUntilDone(this.#atomicWriters(), keys);',
    test: {
      file: 'flush.test.ts',
      title: 'stores nothing a second time where the sink is atomic, because the claim tells',
    },
  },
  {
    name: 'claims while something is taken over and not flushed',
    file: 'restarter.ts',
    find: '          await this.#settler.cycle();\n',
    replace: '',
    test: {
      file: 'atomic-sink.test.ts',
      title: 'is claimed again at the start of every lease, after what was taken over is flushed',
    },
  },
  {
    name: 'goes on after another instance has fenced it',
    file: 'restarter.ts',
    find: "(error.code === 'fenced' && (lostLease || this.#claimInDoubt))",
    replace: "error.code === 'fenced' || lostLease",
    test: {
      file: 'atomic-sink.test.ts',
      title: 'fences the first one, which stops for good, and nothing is stored twice',
    },
  },
  {
    name: 'reads on when the budget is used up',
    file: 'budget.ts',
    find: 'return this.bytes >= this.maxBytes || this.messages >= this.maxMessages;',
    replace: 'return this.bytes >= this.maxBytes * 100 || this.messages >= this.maxMessages * 100;',
    test: {
      file: 'budget.test.ts',
      title: 'stops reading when the messages are used up, and overshoots by no more than one batch for each partition',
    },
  },
  {
    name: 'reads on without a pause',
    file: 'read-lease.ts',
    find: 'if (budget.full) {',
    replace: 'if (budget.messages < 0) {',
    test: {
      file: 'budget.test.ts',
      title: 'stops reading when the messages are used up, and overshoots by no more than one batch for each partition',
    },
  },
  {
    name: 'asks each partition for the whole budget',
    file: 'read-lease.ts',
    find: 'const share = Math.max(2, partitions);',
    replace: 'const share = Math.min(1, partitions);',
    test: {
      file: 'budget.test.ts',
      title: 'asks each partition for its share of the budget and for a mebibyte at most',
    },
  },
  {
    name: 'gives a partition up while a sink has to write again what nobody else has',
    file: 'lease-endings.ts',
    find: 'if (!lease.retained || lease.lost || lease.tracker.empty || this.#run.stopping) return;',
    replace: 'return;',
    test: {
      file: 'unkept-and-window.test.ts',
      title: 'has its messages written again after a failed flush also while their partition is given up',
    },
  },
  {
    name: 'lets the checkpoint pass a dead letter that is not durable',
    file: 'dead-letters.ts',
    find: '    segment.pending++;\n    if (this.#exceeded) return;',
    replace: '    if (this.#exceeded) return;',
    test: {
      file: 'dead-letter-sink.test.ts',
      title: 'holds only the position when it is down, and gets all when it is back',
    },
  },
  {
    name: 'commits under a lease that was lost',
    file: 'committer.ts',
    find: ' || lease.lost || lease.over) return;',
    replace: ') return;',
    guards: [{ find: '      if (lease.lost || lease.over) continue;\n', replace: '' }],
    test: { file: 'leases.test.ts', title: 'does not commit under the new lease what was written under the old one' },
  },
  {
    name: 'ends the run though a partition of the last set was lost',
    file: 'source-runner.ts',
    find: '    if (this.#isLastSet) this.#fail(error);\n',
    replace: '',
    test: {
      file: 'leases.test.ts',
      title: 'is read again before the run ends when its loss is found out by the last commit',
    },
  },
  {
    name: 'flushes half a message',
    file: 'sink-writer.ts',
    find: ' && (!atomic || stuck() || this.#queues.begun === 0));',
    replace: ' && (atomic || stuck()));',
    guards: [
      { find: '(this.#queues.begun === 0 && !this.#queues.torn)', replace: 'this.#queues.begun >= 0' },
      {
        find: 'begunOnly: this.gate.paused, mayStart: this.#mayStart',
        replace: 'begunOnly: false, mayStart: (queue) => !this.gate.paused && this.#mayStart(queue)',
      },
    ],
    test: { file: 'atomic-sink.test.ts', title: 'is flushed with whole source messages and whole batches only' },
  },
  {
    name: 'lets the writes overlap again after a flush that has brought nothing further',
    file: 'settler.ts',
    find: 'const isProgress = taken.size > 0 || (retained && ![...this.#run.leases].some((lease) => lease.readsAgain));',
    replace: 'const isProgress = taken.size > 0 || [...this.#run.leases].some((lease) => lease.retained);',
    test: {
      file: 'care-after-failure.test.ts',
      title: 'comes to an end where a message that the sink refuses makes the one behind it fail',
    },
  },
  {
    name: 'lets the writes overlap again while what was discarded is not read again',
    file: 'settler.ts',
    find: '.some((lease) => lease.readsAgain)',
    replace: '.some(() => false)',
    test: {
      file: 'care-after-failure.test.ts',
      title: 'goes on while what was discarded is not read again, whatever else is flushed',
    },
  },
  {
    name: 'stays careful for ever where nothing has to be read again',
    file: 'settler.ts',
    find: 'const isProgress = taken.size > 0 || (retained && ![...this.#run.leases].some((lease) => lease.readsAgain));',
    replace: 'const isProgress = taken.size > 0 || [...this.#run.leases].every((lease) => lease.retained);',
    test: {
      file: 'care-after-failure.test.ts',
      title: 'ends with the flush of what cannot be read again where nothing else was discarded',
    },
  },
  {
    name: 'retries a full disk for ever',
    file: 'part-error.ts',
    find: "return error.code === 'not_connected' ||",
    replace: "return error.outcome === 'retryable' ||",
    test: { file: 'flush.test.ts', title: 'ten times in vain, and then it is fatal' },
  },
  {
    name: 'fails because it was stopped while a sink was opened again for its claim',
    file: 'restarter.ts',
    find: "if (this.#run.stopping && error.code === 'aborted') return;",
    replace: '',
    test: { file: 'shutdown.test.ts', title: 'is no failure while an atomic sink is opened again for its claim' },
  },
];
