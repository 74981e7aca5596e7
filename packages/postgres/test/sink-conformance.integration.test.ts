import { conformance } from '@sluice/testkit';
import { openSinkHarness } from './sink-conformance-harness.js';

conformance(() => openSinkHarness(15, { mode: 'append', atomic: true }), { title: 'a sink that appends, atomic' });
