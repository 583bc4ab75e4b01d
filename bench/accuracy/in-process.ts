import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Chunk, Hypothesis } from '../../src/engines/engine.ts';
import type { AttemptOptions } from '../../src/engines/moonshine/attempts.ts';
import type { BiasStrength } from '../../src/engines/moonshine/bias.ts';
import { MoonshineEngine } from '../../src/engines/moonshine/engine.ts';
import { MoonshineModel } from '../../src/engines/moonshine/model.ts';
import { type SpeechChunk, SpeechChunker } from '../../src/vad/chunking.ts';
import { FRAME_SAMPLES, initialVadState } from '../../src/vad/frames.ts';
import { openSileroDetector } from '../../src/vad/silero.ts';
import { REPOSITORY_ROOT } from './manifest.ts';

const MODELS = join(REPOSITORY_ROOT, 'models', 'bundled');
const CACHE = join(tmpdir(), 'stenographer', 'graphs');
const SAMPLE_RATE = 16_000;

/** What a chunk is asked beside its sound. */
export type Asked = Pick<Chunk, 'wantsWords' | 'wantsLogprobs' | 'bias'>;

/** A chunk's answer with its place in the recording. */
export interface PlacedHypothesis extends Hypothesis {
  readonly startSecond: number;
}

/** Voice detector, chunks and engine as the server runs them, without processes around them. */
export interface InProcess {
  /** Speech chunks of a recording, to be decoded more than once. */
  findChunks(samples: Float32Array): Promise<SpeechChunk[]>;
  decode(
    samples: Float32Array,
    chunks: readonly SpeechChunk[],
    asked: Asked,
  ): Promise<readonly PlacedHypothesis[]>;
  close(): Promise<void>;
}

export async function openInProcess(options: {
  readonly attempts?: AttemptOptions;
  readonly strength?: BiasStrength;
}): Promise<InProcess> {
  const model = await MoonshineModel.open({
    modelDirectory: join(MODELS, 'moonshine-tiny'),
    cacheDirectory: CACHE,
  });
  const detector = await openSileroDetector({
    modelFile: join(MODELS, 'silero_vad_v5.onnx'),
    cacheDirectory: CACHE,
  });
  const engine = new MoonshineEngine(model, options.attempts, options.strength);
  return {
    async findChunks(samples) {
      const whole = new Float32Array(Math.ceil(samples.length / FRAME_SAMPLES) * FRAME_SAMPLES);
      whole.set(samples);
      const { probabilities } = await detector.detect(whole, initialVadState());
      const chunker = new SpeechChunker();
      return [...chunker.push(probabilities), ...chunker.end(samples.length)];
    },
    async decode(samples, chunks, asked) {
      const answers: PlacedHypothesis[] = [];
      for (const chunk of chunks) {
        const hypothesis = await runChunk(engine, samples, chunk, asked);
        answers.push({ ...hypothesis, startSecond: chunk.startSample / SAMPLE_RATE });
      }
      return answers;
    },
    async close() {
      await model.close();
      await detector.close();
    },
  };
}

async function runChunk(
  engine: MoonshineEngine,
  samples: Float32Array,
  { startSample, endSample, speech }: SpeechChunk,
  asked: Asked,
): Promise<Hypothesis> {
  engine.admit({
    id: 0,
    samples: samples.subarray(startSample, endSample),
    paddingBefore: (speech[0]?.startSample ?? 0) - startSample,
    paddingAfter: Math.max(0, endSample - (speech.at(-1)?.endSample ?? 0)),
    speechSecond: speech.reduce((sum, span) => sum + span.endSample - span.startSample, 0) / SAMPLE_RATE,
    temperature: 0,
    speech: speech.map((span) => ({
      startSample: span.startSample - startSample,
      endSample: span.endSample - startSample,
    })),
    ...asked,
  });
  while (true) {
    const [finished] = await engine.step();
    if (finished === undefined) continue;
    if ('error' in finished) throw finished.error;
    return finished.hypothesis;
  }
}
