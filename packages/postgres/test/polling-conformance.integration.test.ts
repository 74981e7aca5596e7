import { conformance } from '@sluice/testkit';
import { openPollingHarness } from './polling-harness.js';

for (const version of [15, 18] as const)
  conformance(() => openPollingHarness(version, 'tailing'), { title: `polling of Postgres ${version}` });
conformance(() => openPollingHarness(15, 'bounded'), { title: 'polling that ends' });
