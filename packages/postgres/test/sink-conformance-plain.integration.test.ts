import { conformance } from '@sluice/testkit';
import { openSinkHarness } from './sink-conformance-harness.js';

conformance(() => openSinkHarness(15, { mode: 'append', atomic: false }), { title: 'a sink that appends, not atomic' });
conformance(() => openSinkHarness(18, { mode: 'upsert', atomic: false }), { title: 'a sink that upserts, not atomic' });
