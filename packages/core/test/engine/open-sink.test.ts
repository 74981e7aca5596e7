import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMessage, type Message } from '../../src/message.js';
import type { OpenSink, OpenSinkSettings } from '../../src/open-sink.js';
import { delay, fail, failMessages, hang, keyText, type MemorySinkInput } from '../../src/testing/index.js';
import { expectNoViolations, keys, sinkKinds, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const until = <T>(promise: Promise<T>): Promise<T> => here.system.clock.settle(promise);

function open(config: Partial<MemorySinkInput> = {}, settings: OpenSinkSettings = {}): Promise<OpenSink> {
  return until(here.memory.sink({ destination: 'out', ...config }).open({ clock: here.instance.clock, ...settings }));
}

const messages = (...names: readonly string[]): Partial<Message>[] => names.map((key) => ({ key, payload: key }));

describe.each(sinkKinds)('an open sink: %s', (_name, config) => {
  it('fills the fields of messages that are left out, and has them durably when the write resolves', async () => {
    const sink = await open(config);
    await until(sink.write([{ key: 'a', payload: { total: 3 } }, {}]));
    expect(here.system.destination('out').stored.map(({ message }) => message)).toEqual([
      createMessage({ key: 'a', payload: Buffer.from('{"total":3}') }),
      createMessage({}),
    ]);
    await until(sink.close());
  });

  it('tries again what may pass', async () => {
    const retried: string[] = [];
    const sink = await open(config, { onRetry: (error, attempt) => retried.push(`${error.code} ${attempt}`) });
    here.system.faults.next('sink.write', fail('conflict'), fail('not_connected'));
    await until(sink.write(messages('a', 'b')));
    expect(here.stored()).toEqual(['a', 'b']);
    expect(retried).toEqual(['conflict 1', 'not_connected 2']);
    await until(sink.close());
  });

  it('names the messages that can never be written by their index, and has all others durably', async () => {
    const sink = await open({ ...config, limits: { maxMessages: 2 } });
    here.system.destination('out').refuses = (message) =>
      /[bd]/.test(keyText(message)) ? 'message_invalid' : undefined;
    await expect(until(sink.write(messages('a', 'b', 'c', 'd', 'e')))).rejects.toMatchObject({
      name: 'BatchError',
      failures: [
        { index: 1, error: { code: 'message_invalid' } },
        { index: 3, error: { code: 'message_invalid' } },
      ],
    });
    expect(here.stored()).toEqual(['a', 'c', 'e']);
    await until(sink.close());
  });

  it('keeps the order of several writes that are not awaited', async () => {
    const sink = await open(config);
    here.system.faults.next('sink.write', fail('conflict', 50), delay(10));
    await until(Promise.all(keys('a', 5).map((key) => sink.write(messages(key)))));
    expect(here.stored()).toEqual(keys('a', 5));
    await until(sink.close());
  });

  it('waits for writes under way when it is closed', async () => {
    const sink = await open(config);
    here.system.faults.next('sink.write', delay(500));
    const write = sink.write(messages('a'));
    await until(sink.close());
    await write;
    expect(here.stored()).toEqual(['a']);
    await until(sink.close());
    await expect(until(sink.write(messages('b')))).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('an open sink', () => {
  it('writes nothing for an empty array', async () => {
    const sink = await open();
    await until(sink.write([]));
    expect(here.writes()).toEqual([]);
  });

  it('goes on in order after a message in the middle that may pass later', async () => {
    const sink = await open();
    here.system.faults.next('sink.write', failMessages('resource_exhausted', 1));
    await until(sink.write(messages(...keys('a', 4))));
    expect(here.stored()).toEqual(keys('a', 4));
  });

  it('takes a write apart that is refused as a whole', async () => {
    const sink = await open();
    here.system.faults.decideBy(({ name, messages: written }) =>
      name === 'sink.write' && written.some(({ key }) => key === 'b') ? fail('message_too_large') : undefined,
    );
    await expect(until(sink.write(messages('a', 'b', 'c')))).rejects.toMatchObject({ failures: [{ index: 1 }] });
    expect(here.stored()).toEqual(['a', 'c']);
  });

  it('gives up after maxAttempts what is not known to pass', async () => {
    const sink = await open({}, { retry: { maxAttempts: 3 } });
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? fail('unknown') : undefined));
    await expect(until(sink.write(messages('a')))).rejects.toMatchObject({
      code: 'unknown',
      message: expect.stringContaining('gave up after 3'),
    });
    expect(here.writes()).toHaveLength(3);
  });

  it('aborts a write after timeoutMs', async () => {
    const sink = await open({}, { timeoutMs: 100 });
    here.system.faults.next('sink.write', hang());
    const started = here.system.clock.now();
    await until(sink.write(messages('a')));
    expect(here.callsOf('sink.write')[0]?.endedAt).toBe(started + 100);
  });

  it('ends waiting and writing when its signal is aborted', async () => {
    const controller = new AbortController();
    const sink = await open({}, { signal: controller.signal });
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? fail('rate_limited') : undefined));
    const write = sink.write(messages('a'));
    const refused = write.then(
      () => 'written',
      (error: unknown) => error,
    );
    await here.system.clock.advance(1000);
    controller.abort();
    await here.system.clock.advance(0);
    expect(await refused).toMatchObject({ code: 'rate_limited' });
  });

  it('fails when it cannot be opened', async () => {
    here.system.faults.next('sink.open', fail('permission_denied'));
    await expect(open()).rejects.toMatchObject({ code: 'permission_denied', operation: 'open' });
  });

  it('encodes with its codec, and names what that cannot encode', async () => {
    const sink = await until(
      here.memory.sink({ destination: 'out' }, { codec: 'text' }).open({ clock: here.instance.clock }),
    );
    await expect(until(sink.write([{ payload: 'good' }, { payload: { not: 'text' } }]))).rejects.toMatchObject({
      failures: [{ index: 1 }],
    });
    expect(here.system.destination('out').stored.map(({ message }) => message.payload)).toEqual([Buffer.from('good')]);
  });
});
