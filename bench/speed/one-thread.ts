import { median, type SpeedClip } from './clips.ts';
import { RecognizerChild, type Settings } from './recognizer-child.ts';
import type { RunTimes } from './recognizer-process.ts';

/** What is timed: one of `RECOGNIZERS`, and how its process is started. */
export interface TimedSystem {
  readonly system: string;
  readonly settings: Settings;
}

export interface SystemTimes extends TimedSystem {
  /** Milliseconds over all clips, median of the rounds. */
  readonly userMs: number;
  readonly wallMs: number;
  /** This system's time over the first one's, median over rounds of the ratio within a round. */
  readonly userRatio: number;
  readonly wallRatio: number;
}

/** One clip at a time in one thread: in each round every system runs every clip, in turn, so that drift hits all alike. */
export async function timeOneThread(
  systems: readonly TimedSystem[],
  clips: readonly SpeedClip[],
  rounds: number,
): Promise<SystemTimes[]> {
  const lanes: { timed: TimedSystem; child: RecognizerChild; rounds: RunTimes[] }[] = [];
  try {
    for (const timed of systems)
      lanes.push({
        timed,
        child: await RecognizerChild.start(timed.system, timed.settings, clips),
        rounds: [],
      });
    // The first round warms up.
    for (let round = -1; round < rounds; round += 1) {
      const sums = lanes.map(() => ({ userMs: 0, wallMs: 0 }));
      for (const number of clips.keys())
        for (const [lane, sum] of sums.entries()) {
          const times = await lanes[lane]?.child.run([number]);
          sum.userMs += times?.userMs ?? Number.NaN;
          sum.wallMs += times?.wallMs ?? Number.NaN;
        }
      if (round >= 0) for (const [lane, sum] of sums.entries()) lanes[lane]?.rounds.push(sum);
    }
  } finally {
    for (const { child } of lanes) child.stop();
  }
  const first = lanes[0]?.rounds ?? [];
  return lanes.map((lane) => ({ ...lane.timed, ...summarize(lane.rounds, first) }));
}

function summarize(
  rounds: readonly RunTimes[],
  first: readonly RunTimes[],
): Omit<SystemTimes, keyof TimedSystem> {
  return {
    userMs: median(rounds.map(({ userMs }) => userMs)),
    wallMs: median(rounds.map(({ wallMs }) => wallMs)),
    userRatio: median(rounds.map(({ userMs }, round) => userMs / (first[round]?.userMs ?? Number.NaN))),
    wallRatio: median(rounds.map(({ wallMs }, round) => wallMs / (first[round]?.wallMs ?? Number.NaN))),
  };
}
