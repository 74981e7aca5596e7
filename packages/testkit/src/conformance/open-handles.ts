import { createHook } from 'node:async_hooks';
import { readdir, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** What keeps this process alive, but for timers, and which files it holds, by kind, to be compared with a later time. */
export type OpenHandles = ReadonlyMap<string, number>;

/** Looks at sockets and other resources, and, where the system tells, at open files. */
export async function openHandles(): Promise<OpenHandles> {
  const counts = new Map<string, number>();
  const resources = process.getActiveResourcesInfo().filter((name) => !ofLooking.test(name));
  for (const name of [...resources, ...(await openFiles())]) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const looks = 10;

/** The least of each kind that is seen in some looks: what the test runner opens comes and goes meanwhile. */
export async function fewestHandles(): Promise<OpenHandles> {
  let fewest = await openHandles();
  for (let look = 1; look < looks; look += 1) {
    await delay(10);
    const now = await openHandles();
    fewest = new Map([...fewest].map(([name, count]) => [name, Math.min(count, now.get(name) ?? 0)]));
  }
  return fewest;
}

/** Timers that were begun during a stretch of time. */
export interface WatchedTimers {
  /** Ends the stretch. */
  stop(): void;
  /** How many of them are neither over nor cleared, and keep this process alive. */
  left(): number;
  /** Forgets them. */
  forget(): void;
}

/** Watches timers one by one: a count would be wrong by those of others that end meanwhile. */
export function watchTimers(): WatchedTimers {
  const timers = new Map<number, NodeJS.Timeout>();
  let isOver = false;
  const hook = createHook({
    init(id, type, _trigger, resource) {
      if (type === 'Timeout' && !isOver) timers.set(id, resource as NodeJS.Timeout); // that is its type
    },
    destroy: (id) => void timers.delete(id),
  }).enable();
  return {
    stop: () => {
      isOver = true;
    },
    left: () => [...timers.values()].filter((timer) => timer.hasRef()).length,
    forget: () => void hook.disable(),
  };
}

/** What is there now and was not before, for people. */
export function leftBehind(before: OpenHandles, now: OpenHandles): readonly string[] {
  return [...now]
    .map(([name, count]) => ({ name, more: count - (before.get(name) ?? 0) }))
    .filter(({ more }) => more > 0)
    .map(({ name, more }) => `${more} of ${name}`);
}

/** Requests that end by themselves, what looking opens itself, and timers, which are watched one by one. */
const ofLooking = /^(FSReqPromise|FSReqCallback|Immediate|GetAddrInfoReqWrap|CloseReq|TickObject|Timeout)$/;

/** Targets of the open file descriptors; sockets and pipes count as resources already. */
async function openFiles(): Promise<readonly string[]> {
  if (process.platform !== 'linux') return [];
  const descriptors = '/proc/self/fd';
  const targets = await Promise.all(
    (await readdir(descriptors)).map((name) => readlink(`${descriptors}/${name}`).catch(() => '')), // it is closed again
  );
  return targets.filter((target) => target.startsWith('/') && !/^\/(proc|dev)\//.test(target));
}
