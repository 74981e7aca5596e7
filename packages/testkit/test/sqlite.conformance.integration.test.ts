import { conformance } from '../src/conformance/conformance.js';
import { openSqliteHarness } from './sqlite-harness.js';

conformance(() => openSqliteHarness({ atomic: true }), { title: 'SQLite as an atomic sink conforms' });
conformance(() => openSqliteHarness({ atomic: false }), { title: 'SQLite as a plain sink conforms' });
