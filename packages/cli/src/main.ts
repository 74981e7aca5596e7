import { exitCode, exitCodeOf } from './exit-code.js';
import { messageOf } from './message-of.js';
import { createOutput } from './output.js';
import { runProgram } from './program.js';

/** How long something that a connector left open may keep the process alive after everything is done. */
const graceMs = 1000;

const output = createOutput(process);
let ended = false;

function end(code: number): void {
  ended = true;
  process.exitCode = code;
  setTimeout(() => process.exit(), graceMs).unref();
}

function failUnexpectedly(error: unknown): void {
  output.note(
    `error: stopped by an error that nothing caught: ${messageOf(error)}; --debug shows where it comes from: mend it if that is a ` +
      'module of yours, and please report it otherwise',
  );
  if (process.argv.includes('--debug') && error instanceof Error) output.note(error.stack ?? '');
  process.exit(exitCode.failed);
}

/** What Node remarks on a user's file that it loads: the error says what matters of it, and the rest is no matter of a pipeline. */
const ofLoading =
  /^(MODULE_TYPELESS_PACKAGE_JSON|Failed to load the ES module|Type Stripping is an experimental feature)/;

// Nobody listens when Node was told to keep its warnings to itself.
if (process.listenerCount('warning') > 0) {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message, code }: Error & { readonly code?: string }) => {
    if (!ofLoading.test(code ?? message)) output.note(`${name}: ${message}`);
  });
}

// An empty event loop ends the process as if all were well.
process.on('exit', (code) => {
  if (ended || code !== exitCode.done) return;
  output.note(
    'error: the process ended before its work was done: a transform, connector or pipeline file waits for something that ' +
      'never comes, or calls process.exit(); mend it and run again, which reads again what was not settled',
  );
  process.exitCode = exitCode.failed;
});
process.on('uncaughtException', failUnexpectedly);
process.on('unhandledRejection', failUnexpectedly);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read a result has seen enough (`sluice list | head -1`); a pipeline that writes there notices by itself.
  if (error.code !== 'EPIPE') failUnexpectedly(error);
});

runProgram(process.argv.slice(2), output).then(end, (error: unknown) => {
  output.failure(error);
  end(exitCodeOf(error));
});
