import type { FastifyRequest } from 'fastify';
import type { AudioSource } from '../audio/audio.ts';
import { AudioTooLongError } from '../errors.ts';
import type { Services } from '../services.ts';
import type { UsageStatus } from '../store/store.ts';
import { accountOf } from './limits.ts';

/** The longest `maxAudioSeconds` can be: for counting what was done already. */
const LONGEST_SECONDS = 86_400;

const FORMATS: ReadonlySet<string> = new Set(['json', 'text', 'srt', 'vtt', 'verbose_json', 'diarized_json']);

export interface ForwardMeter {
  /** Seconds of the recording, when they had to be known before it was sent. */
  readonly audioSecond: number | undefined;
  /**
   * Counts an answer: at once where its length is known, by measuring it or from the answer itself; else when the recording has been
   * measured, which the answer need not wait for but the upload has to. Never rejects.
   */
  count(status: UsageStatus, toldSecond: number | undefined): Promise<void>;
  /** Nothing came of it. Does nothing after `count`. */
  cancel(): void;
}

export interface ForwardMeterOptions {
  readonly services: Services;
  readonly request: FastifyRequest;
  readonly file: AudioSource;
  /** `upstream/model`. */
  readonly target: string;
  readonly responseFormat: string;
  /** The upstream has an amount of audio of its own. */
  readonly limitsAudio: boolean;
}

/**
 * Takes a recording that is sent elsewhere from its key's quota, before it is sent. Only where there is a quota is it measured for that.
 * Throws QuotaExceededError, and what is wrong with a recording that cannot be measured.
 */
export async function meterForward(options: ForwardMeterOptions): Promise<ForwardMeter> {
  const { services, request, file, target } = options;
  const account = accountOf(request, services);
  const { audioSecondsPerDay, audioSecondsPerMonth } = account.limits;
  const hasQuota = audioSecondsPerDay !== undefined || audioSecondsPerMonth !== undefined;
  const startMs = performance.now();
  const audioSecond =
    hasQuota || options.limitsAudio
      ? await services.audioMeter.measure(file, {
          maximumSeconds: services.config.maxAudioSeconds,
          signal: request.gone,
        })
      : undefined;
  const reservation = services.accounts.usage.reserve(account);
  try {
    reservation.grow(audioSecond ?? 0);
  } catch (error) {
    void reservation.settle();
    throw error;
  }
  let ended = false;
  return {
    audioSecond,
    async count(status, toldSecond) {
      if (ended) return;
      ended = true;
      const second = audioSecond ?? toldSecond ?? (await measureAfterwards(options));
      services.metrics.audioSeconds.inc({ model: target, outcome: status }, second);
      await reservation.settle({
        requestId: request.id,
        model: target,
        format: FORMATS.has(options.responseFormat) ? options.responseFormat : 'other',
        audioMs: second * 1000,
        processingMs: performance.now() - startMs,
        status,
      });
    },
    cancel() {
      if (ended) return;
      ended = true;
      void reservation.settle();
      services.metrics.audioSeconds.inc({ model: target, outcome: 'failed' }, audioSecond ?? 0);
    },
  };
}

/** The answer is there already: a recording that only the service can read counts nothing, and the log says so. */
async function measureAfterwards({ services, request, file, target }: ForwardMeterOptions): Promise<number> {
  try {
    return await services.audioMeter.measure(file, { maximumSeconds: LONGEST_SECONDS });
  } catch (error) {
    if (error instanceof AudioTooLongError) return LONGEST_SECONDS;
    request.log.warn(
      { target, err: error },
      'a forwarded recording could not be measured and counts 0 seconds',
    );
    return 0;
  }
}
