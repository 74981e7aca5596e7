import { conformance } from '@sluice/testkit';
import { openSnapshotHarness } from './snapshot-harness.js';

for (const version of [15, 18] as const)
  conformance(() => openSnapshotHarness(version), { title: `rows of Postgres ${version}` });
