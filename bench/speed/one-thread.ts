import type { Recognizer } from '../accuracy/stock-system.ts';
import { median, type SpeedClip } from './clips.ts';
import { RECOGNIZERS } from './recognizers.ts';

export interface SystemTimes {
  readonly system: string;
  /** Milliseconds over all clips, median of the rounds. */
  readonly userMs: number;
  readonly wallMs: number;
  /** This system's time over ours, median over rounds of the ratio within a round. */
  readonly userRatio: number;
  readonly wallRatio: number;
}

interface Round {
  readonly userMs: number;
  readonly wallMs: number;
}

/** One clip at a time in one thread: in each round every system runs every clip, in turn, so that drift hits all alike. */
export async function timeOneThread(
  systems: readonly string[],
  clips: readonly SpeedClip[],
  rounds: number,
): Promise<SystemTimes[]> {
  const recognizers = new Map<string, Recognizer>();
  for (const name of systems) {
    const create = RECOGNIZERS[name];
    if (create === undefined) throw new Error(`no recognizer ${name}`);
    recognizers.set(name, await create());
  }
  const times = new Map<string, Round[]>(systems.map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    const sums = new Map(systems.map((name) => [name, { userMs: 0, wallMs: 0 }]));
    for (const clip of clips)
      for (const [name, recognizer] of recognizers) {
        const sum = sums.get(name);
        const { userMs, wallMs } = await time(() => recognizer.recognize(clip.samples));
        if (sum !== undefined) {
          sum.userMs += userMs;
          sum.wallMs += wallMs;
        }
      }
    // The first round warms up.
    if (round >= 0) for (const [name, sum] of sums) times.get(name)?.push(sum);
  }
  for (const recognizer of recognizers.values()) await recognizer.close();
  const ours = times.get(systems[0] ?? '') ?? [];
  return systems.map((system) => summarize(system, times.get(system) ?? [], ours));
}

async function time(work: () => Promise<unknown>): Promise<Round> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallMs = performance.now() - start;
  return { userMs: process.cpuUsage(cpu).user / 1000, wallMs };
}

function summarize(system: string, rounds: readonly Round[], ours: readonly Round[]): SystemTimes {
  return {
    system,
    userMs: median(rounds.map((round) => round.userMs)),
    wallMs: median(rounds.map((round) => round.wallMs)),
    userRatio: median(rounds.map((round, index) => round.userMs / (ours[index]?.userMs ?? Number.NaN))),
    wallRatio: median(rounds.map((round, index) => round.wallMs / (ours[index]?.wallMs ?? Number.NaN))),
  };
}
