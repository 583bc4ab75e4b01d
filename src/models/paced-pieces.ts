import type { Readable } from 'node:stream';
import type { Clock } from '../util/clock.ts';
import { DownloadError } from './download-error.ts';

/** A body that brings less than this a second, over a minute, is given up, as uploads are by default. */
export const SLOWEST_BYTES_PER_SECOND = 1024;
const WINDOW_SECONDS = 60;

/**
 * The pieces of a body. One that trickles, so that it is never silent and never done either, is destroyed, and the iteration throws a
 * transient DownloadError with `fruitless`.
 */
export async function* pacedPieces(body: Readable, host: string, clock: Clock): AsyncGenerator<Buffer> {
  let windowBytes = 0;
  let stopWatch = watch();
  function watch(): () => void {
    return clock.after(WINDOW_SECONDS * 1000, () => {
      if (windowBytes < SLOWEST_BYTES_PER_SECOND * WINDOW_SECONDS) body.destroy(tooSlow(host));
      else {
        windowBytes = 0;
        stopWatch = watch();
      }
    });
  }
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      windowBytes += piece.length;
      yield piece;
    }
  } finally {
    stopWatch();
  }
}

function tooSlow(host: string): DownloadError {
  return new DownloadError(
    `${host} sends less than ${SLOWEST_BYTES_PER_SECOND} bytes a second. Try again later, or set HF_ENDPOINT to a mirror; what is here is kept.`,
    { transient: true, fruitless: true },
  );
}
