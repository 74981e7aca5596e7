import { conformance } from '@sluice/testkit';
import { openPollingHarness } from './polling-harness.js';

for (const version of [15, 18] as const)
  conformance(() => openPollingHarness(version, 'woken'), {
    title: `listening and catching up on Postgres ${version}`,
  });
conformance(() => openPollingHarness(18, 'notified'), { title: 'notifications' });
