import { conformance } from '@sluice/testkit';
import { openCdcHarness } from './conformance-harness.js';

conformance(() => openCdcHarness(15, 'never'), { title: 'changes of Postgres 15' });
conformance(() => openCdcHarness(18, 'initial'), { title: 'rows of Postgres 18, then their changes' });
