import { conformance } from '@sluice/testkit';
import { openPollingHarness } from './polling-harness.js';

for (const version of [17, 18] as const)
  conformance(() => openPollingHarness(version, 'tailing'), { title: `polling of Postgres ${version}` });
conformance(() => openPollingHarness(17, 'bounded'), { title: 'polling that ends' });
