import fc from 'fast-check';
import type { ErrorCode } from '../../src/error.js';
import type { Fault, OperationName } from '../../src/testing/index.js';

/** A fault of an operation of a name. */
export interface NamedFault {
  readonly name: OperationName;
  readonly fault: Fault;
}

const retryable = fc.constantFrom<ErrorCode>(
  'not_connected',
  'timeout',
  'rate_limited',
  'conflict',
  'resource_exhausted',
  'unknown',
);
const shortWait = fc.constantFrom(0, 0, 1, 7, 40);

/** Faults of any operation. */
const plainFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ outcome: retryable, waitMs: shortWait }) },
  {
    weight: 3,
    arbitrary: fc.record({ outcome: retryable, waitMs: shortWait, effect: fc.constantFrom('first', 'last') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      outcome: fc.constant('crash'),
      waitMs: shortWait,
      effect: fc.constantFrom('first', 'last', 'never'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ waitMs: fc.constantFrom(3, 30, 300, 4000, 8000) }) },
);

/** Faults of operations that can be aborted: they may also hang. */
const hangingFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 3, arbitrary: plainFault },
  {
    weight: 1,
    arbitrary: fc.record({
      waitMs: fc.constant(Number.POSITIVE_INFINITY),
      effect: fc.constantFrom('first', 'last'),
      ignoresAbortForMs: fc.constantFrom(0, 0, 500, 900),
    }),
  },
);

/** Faults of reads, which nobody ends by a time limit because waiting is what they do. */
const readFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 4, arbitrary: plainFault },
  { weight: 1, arbitrary: fc.record({ waitMs: fc.constant(5000), ignoresAbortForMs: fc.constantFrom(500, 900) }) },
  { weight: 1, arbitrary: fc.constant<Fault>({ outcome: 'lease_lost' }) },
);

/** Never settles, even when it is aborted. */
const endless: Fault = { waitMs: Number.POSITIVE_INFINITY, ignoresAbortForMs: Number.POSITIVE_INFINITY };
const endlessAfterEffect: Fault = { ...endless, effect: 'first' };

const writeFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 3, arbitrary: hangingFault },
  {
    weight: 1,
    arbitrary: fc.record({
      waitMs: shortWait,
      failures: fc.array(fc.record({ index: fc.nat({ max: 6 }), code: retryable }), { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant(endless) },
);

function faultOf(names: readonly OperationName[], fault: fc.Arbitrary<Fault>): fc.Arbitrary<NamedFault> {
  return fc.record({ name: fc.constantFrom(...names), fault });
}

/** A flush that has done nothing. */
export const failedFlush: fc.Arbitrary<NamedFault> = fc.record({
  name: fc.constant<OperationName>('sink.flush'),
  fault: fc.record({ outcome: retryable, waitMs: shortWait }),
});

/** A fault of anything that a pipeline asks of the outside world. */
export const namedFault: fc.Arbitrary<NamedFault> = fc.oneof(
  { weight: 6, arbitrary: faultOf(['sink.write'], writeFault) },
  { weight: 6, arbitrary: faultOf(['sink.flush'], hangingFault) },
  { weight: 3, arbitrary: faultOf(['source.read', 'source.partitions'], readFault) },
  { weight: 2, arbitrary: faultOf(['sink.open', 'source.open'], hangingFault) },
  { weight: 5, arbitrary: faultOf(['sink.claim', 'source.commit', 'store.save', 'store.claim'], plainFault) },
  { weight: 1, arbitrary: faultOf(['sink.claim', 'source.commit'], fc.constantFrom(endless, endlessAfterEffect)) },
  // A save is waited for, however long it takes: no other one may be begun beside it.
  { weight: 1, arbitrary: faultOf(['store.save'], fc.constant<Fault>({ waitMs: 9000 })) },
  { weight: 1, arbitrary: faultOf(['sink.close', 'source.close', 'store.release'], plainFault) },
);
