import { checkChunk } from '../capabilities.ts';
import type { Chunk, Hypothesis } from '../engine.ts';
import type { Network } from './engine.ts';
import { silence, toHypothesis } from './hypothesis.ts';
import { NativeModel } from './native-model.ts';
import { isDigitalSilence, toPcm } from './pcm.ts';
import type { NetworkOptions } from './whisper.ts';

const SAMPLES_PER_MS = 16;

/**
 * Parakeet TDT. It finds out the language by itself and does not tell it; the binding gives one segment for the whole chunk and no
 * times of words.
 */
export async function openParakeet({
  binding,
  path,
  log,
  threads,
  useGpu,
  capabilities,
}: NetworkOptions): Promise<Network> {
  const model = await NativeModel.open<{ readonly maxThreads: number }>({
    open: () => new binding.ParakeetContext({ filePath: path, useGpu }),
    log,
  });
  return {
    async transcribe(chunk: Chunk, track): Promise<Hypothesis | undefined> {
      checkChunk(chunk, capabilities);
      const { samples, speech } = chunk;
      const said = { temperature: 0, wantsWords: false };
      if (isDigitalSilence(samples)) return silence(said);
      const result = await track(model.run(toPcm(samples), { maxThreads: threads }));
      if (result === undefined) return undefined;
      // The segment's end is in other units where the chunk is longer than the model's context: it is the chunk's.
      const segments = result.segments.map(({ text }) => ({
        text,
        t0: 0,
        t1: samples.length / SAMPLES_PER_MS,
      }));
      return toHypothesis({ ...result, segments }, { ...said, lengthSamples: samples.length, speech });
    },
    close: () => model.close(),
  };
}
