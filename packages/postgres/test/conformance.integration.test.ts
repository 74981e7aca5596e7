import { conformance } from '@sluice/testkit';
import { openCdcHarness } from './conformance-harness.js';

for (const version of [15, 18] as const)
  conformance(() => openCdcHarness(version), { title: `changes of Postgres ${version}` });
