import { conformance } from '@sluice/testkit';
import { openSinkHarness } from './sink-conformance-harness.js';

conformance(() => openSinkHarness(18, { mode: 'mirror', atomic: true }, 40), { title: 'a sink that mirrors, atomic' });
