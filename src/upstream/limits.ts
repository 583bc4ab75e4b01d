export interface UpstreamLimitOptions {
  readonly maxConcurrent: number;
  /** 0 is no limit. */
  readonly requestsPerMinute: number;
  /** Of a UTC day; 0 is no limit. */
  readonly audioSecondsPerDay: number;
  /** Seconds that are already used today, asked once a day: usage outlives the process. */
  readonly usedSeconds?: (day: string) => number;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

/** A limit that is reached. */
export interface LimitHit {
  readonly limit: 'maxConcurrent' | 'requestsPerMinute' | 'audioSecondsPerDay';
  readonly retryAfterSecond: number;
}

/** Room for one request, from its first attempt to the end of its answer. */
export interface Permit {
  /** Gives the room back and counts the seconds that were used instead of those that were held. The first call counts. */
  release(usedSecond?: number): void;
}

export interface UpstreamLimits {
  /** Takes room for a request with so many seconds of audio (0 when not known). */
  enter(audioSecond: number): Permit | LimitHit;
  /** Takes one attempt from this minute's. Undefined when there was one. */
  attempt(): LimitHit | undefined;
  /** Requests inside. */
  readonly running: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What one upstream may be asked: checked and taken in one step, so that requests side by side cannot get more than there is. */
export function createUpstreamLimits(options: UpstreamLimitOptions): UpstreamLimits {
  const {
    maxConcurrent,
    requestsPerMinute,
    audioSecondsPerDay,
    usedSeconds = () => 0,
    now = Date.now,
  } = options;
  let running = 0;
  let attempts: number[] = [];
  let day = '';
  let used = 0;
  let held = 0;

  function startDay(): void {
    const today = new Date(now()).toISOString().slice(0, 10);
    if (today === day) return;
    day = today;
    used = usedSeconds(today);
  }

  function audioHit(audioSecond: number): LimitHit | undefined {
    if (audioSecondsPerDay === 0) return undefined;
    startDay();
    // Not even a recording of unknown length is sent when nothing is left.
    if (used + held + Math.max(audioSecond, 0.001) <= audioSecondsPerDay) return undefined;
    return { limit: 'audioSecondsPerDay', retryAfterSecond: (DAY_MS - (now() % DAY_MS)) / 1000 };
  }

  return {
    get running() {
      return running;
    },
    enter(audioSecond) {
      if (running >= maxConcurrent) return { limit: 'maxConcurrent', retryAfterSecond: 2 };
      const hit = audioHit(audioSecond);
      if (hit !== undefined) return hit;
      running += 1;
      held += audioSecond;
      let released = false;
      return {
        release(usedSecond = 0) {
          if (released) return;
          released = true;
          running -= 1;
          held -= audioSecond;
          startDay();
          used += usedSecond;
        },
      };
    },
    attempt() {
      if (requestsPerMinute === 0) return undefined;
      const nowMs = now();
      attempts = attempts.filter((atMs) => nowMs - atMs < MINUTE_MS);
      const [oldest] = attempts;
      if (oldest !== undefined && attempts.length >= requestsPerMinute)
        return { limit: 'requestsPerMinute', retryAfterSecond: (oldest + MINUTE_MS - nowMs) / 1000 };
      attempts.push(nowMs);
      return undefined;
    },
  };
}

export function isPermit(room: Permit | LimitHit): room is Permit {
  return 'release' in room;
}
