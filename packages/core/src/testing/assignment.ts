import type { Clock } from '../clock.js';

/** One consumer of a group. */
export interface Member {
  readonly instance: string;
  /** The set of partitions it was told last. */
  told: readonly string[];
  /** Whether its instance lives; the outside system notices later that it does not. */
  alive: boolean;
  /** What it has lost since. */
  readonly lost: Set<string>;
  /** It was told that no other set will come, so it keeps what it holds until it leaves, and gets nothing else. */
  final: boolean;
}

/** Who holds which partition of a group, and who is to hold it. A partition moves when its holder has let it go. */
export interface Assignment {
  join(instance: string): Member;
  /** Takes everything from a member that has gone. */
  leave(member: Member): void;
  /** What a member holds or may take now. */
  setFor(member: Member): readonly string[];
  /** The member is told a set and holds it from now on. What is not in it has to be let go within the time limit. */
  tell(member: Member, set: readonly string[]): void;
  /** The member gives up what it holds outside of the set that it was told last. */
  letGo(member: Member): void;
  /** Whether the member holds the partition. */
  holds(member: Member, partition: string): boolean;
  /** Moves a partition: gracefully to an instance, or to nobody (null). Undefined: wherever the spread puts it. */
  assign(partition: string, instance: string | null | undefined): void;
  /** Takes a partition from its holder without warning. The holder is told a set without it before it can have it again. */
  lose(partition: string): void;
  /** Whether every partition is held by the living member that is to have it. */
  readonly stable: boolean;
  /** Name of the instance that holds the partition. */
  holder(partition: string): string | undefined;
}

/** What an assignment works on. */
export interface AssignmentSetup {
  readonly clock: Clock;
  /** How long a member may take to let a partition go before it loses it. */
  readonly revokeTimeoutMs: number;
  partitions(): readonly string[];
  /** Somebody's set may have changed. */
  changed(): void;
  lost(partition: string): void;
}

/** Spreads partitions evenly over members in the order of joining, unless a test assigns them. */
export function createAssignment({ clock, revokeTimeoutMs, partitions, changed, lost }: AssignmentSetup): Assignment {
  const members: Member[] = [];
  const holders = new Map<string, Member>();
  const wishes = new Map<string, string | null>();

  function target(partition: string): Member | undefined {
    const holder = holders.get(partition);
    if (holder?.final) return holder;
    const wish = wishes.get(partition);
    if (wish === null) return undefined;
    return choose(members, wish, partitions().indexOf(partition));
  }

  function setFor(member: Member): readonly string[] {
    return partitions().filter(
      (partition) =>
        target(partition) === member && (holders.get(partition) ?? member) === member && !member.lost.has(partition),
    );
  }

  function lose(partition: string): void {
    const holder = holders.get(partition);
    // A holder whose last set is without it already needs no other one before it can have it again.
    if (holder?.told.includes(partition)) holder.lost.add(partition);
    holders.delete(partition);
    lost(partition);
    changed();
  }

  const heldBy = (member: Member): string[] =>
    [...holders].filter(([, holder]) => holder === member).map(([partition]) => partition);

  return {
    setFor,
    lose,
    join(instance) {
      const member: Member = { instance, told: [], alive: true, lost: new Set(), final: false };
      members.push(member);
      changed();
      return member;
    },
    leave(member) {
      const index = members.indexOf(member);
      if (index < 0) return;
      members.splice(index, 1);
      for (const partition of heldBy(member)) holders.delete(partition);
      changed();
    },
    tell(member, set) {
      member.told = set;
      member.lost.clear();
      for (const partition of set) holders.set(partition, member);
      for (const partition of heldBy(member)) {
        if (set.includes(partition)) continue;
        clock.after(revokeTimeoutMs, () => {
          if (holders.get(partition) === member && member.told === set) lose(partition);
        });
      }
      changed();
    },
    letGo(member) {
      const leaving = heldBy(member).filter((partition) => !member.told.includes(partition));
      for (const partition of leaving) holders.delete(partition);
      if (leaving.length > 0) changed();
    },
    holds: (member, partition) => holders.get(partition) === member,
    assign(partition, instance) {
      if (instance === undefined) wishes.delete(partition);
      else wishes.set(partition, instance);
      changed();
    },
    get stable() {
      return partitions().every((partition) => {
        const holder = holders.get(partition);
        return holder?.alive === true && holder === target(partition);
      });
    },
    holder: (partition) => holders.get(partition)?.instance,
  };
}

/** The member that a partition is for: the one that is wished, or by its index; of those that still ask if that one does not. */
function choose(members: readonly Member[], wish: string | undefined, index: number): Member | undefined {
  const wished = members.find(({ instance }) => instance === wish);
  const chosen = wished ?? members[index % members.length];
  if (chosen?.final !== true) return chosen;
  const asking = members.filter(({ final }) => !final);
  return asking[index % asking.length];
}
