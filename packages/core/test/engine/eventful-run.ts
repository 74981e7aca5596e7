import type { PipelineStats } from '../../src/pipeline-definition.js';
import { fail } from '../../src/testing/index.js';
import { filter, flatMap, map } from '../../src/transform.js';
import { keys, type World } from './world.js';

/** A run in which something of each kind happens: ten messages, of which two are filtered, one is invalid and one doubled. */
export function eventfulRun(here: World): Promise<PipelineStats> {
  here.produce('p', ...keys('p', 10));
  here.system.faults.next({ name: 'sink.write', target: 'out' }, fail('conflict', 20));
  return here.run({
    transforms: [
      filter(({ key }) => key !== 'p1' && key !== 'p2'),
      map((message) => {
        if (message.key === 'p3') throw new Error('bad');
        return message;
      }),
      flatMap((message) => (message.key === 'p4' ? [message, message] : [message])),
    ],
    deadLetter: { sink: here.memory.sink({ destination: 'dead', payload: 'value' }), maxRatio: 1 },
  });
}
