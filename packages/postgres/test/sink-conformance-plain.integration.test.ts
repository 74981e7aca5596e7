import { conformance } from '@sluice/testkit';
import { openSinkHarness } from './sink-conformance-harness.js';

conformance(() => openSinkHarness({ mode: 'append', atomic: false }), { title: 'a sink that appends, not atomic' });
conformance(() => openSinkHarness({ mode: 'upsert', atomic: false }), { title: 'a sink that upserts, not atomic' });
