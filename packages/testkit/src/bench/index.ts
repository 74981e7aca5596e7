export { type BenchOptions, benchOptions } from './bench-options.js';
export { type BenchCase, type Benchmark, runBenchmark } from './benchmark.js';
export { reportCost } from './cost.js';
export { type Measured, measureProcess } from './measured-process.js';
export { allowedMiB } from './verdict.js';
