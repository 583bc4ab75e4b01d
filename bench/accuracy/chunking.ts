import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type AttemptOptions, DEFAULT_ATTEMPTS } from '../../src/engines/moonshine/attempts.ts';
import { MoonshineEngine } from '../../src/engines/moonshine/engine.ts';
import { MoonshineModel } from '../../src/engines/moonshine/model.ts';
import {
  type ChunkingOptions,
  DEFAULT_CHUNKING,
  type SpeechChunk,
  SpeechChunker,
} from '../../src/vad/chunking.ts';
import { FRAME_SAMPLES, initialVadState } from '../../src/vad/frames.ts';
import { openSileroDetector } from '../../src/vad/silero.ts';
import { decodeToSamples } from './decode-samples.ts';
import { type Clip, ENGLISH_SETS, REPOSITORY_ROOT, readEnglishClips } from './manifest.ts';
import { normalizedWords } from './normalize.ts';
import { percent } from './report.ts';
import { addErrors, countWordErrors, errorCount, NO_ERRORS, wordErrorRate } from './wer.ts';

/**
 * How cut lengths, paddings and second attempts change the word error rate: the measurement behind DEFAULT_CHUNKING and
 * DEFAULT_ATTEMPTS. One line a variant; each argument is a JSON object of the options that differ from the defaults:
 *
 *   npx tsx bench/accuracy/chunking.ts '{}' '{"longestFrames":469}' '{"doubtfulLogprob":-0.2}'
 *   npx tsx bench/accuracy/chunking.ts --sets long_real,long_joined '{}' '{"longestFrames":250}'
 */
type Variant = Partial<ChunkingOptions & AttemptOptions>;

interface PreparedClip extends Clip {
  readonly samples: Float32Array;
  readonly probabilities: Float32Array;
}

const MODELS = join(REPOSITORY_ROOT, 'models', 'bundled');
const CACHE = join(tmpdir(), 'stenographer', 'graphs');

await main();

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { sets: { type: 'string' } },
    allowPositionals: true,
  });
  const clips = await prepare(values.sets?.split(',') ?? ENGLISH_SETS);
  const model = await MoonshineModel.open({
    modelDirectory: join(MODELS, 'moonshine-tiny'),
    cacheDirectory: CACHE,
  });
  for (const text of positionals.length === 0 ? ['{}'] : positionals) {
    const variant = JSON.parse(text) as Variant;
    const engine = new MoonshineEngine(model, { ...DEFAULT_ATTEMPTS, ...variant });
    let total = NO_ERRORS;
    const bySet = new Map<string, typeof total>();
    for (const clip of clips) {
      const hypothesis = await transcribe(engine, clip, { ...DEFAULT_CHUNKING, ...variant });
      const errors = countWordErrors(normalizedWords(clip.reference), normalizedWords(hypothesis));
      total = addErrors(total, errors);
      bySet.set(clip.set, addErrors(bySet.get(clip.set) ?? NO_ERRORS, errors));
    }
    const sets = [...bySet].map(([set, errors]) => `${set} ${percent(wordErrorRate(errors))}`);
    console.log(
      `${text}: ${percent(wordErrorRate(total))} % (${errorCount(total)} of ${total.referenceWords}); ${sets.join(', ')}`,
    );
  }
  await model.close();
}

async function prepare(sets: readonly string[]): Promise<PreparedClip[]> {
  const detector = await openSileroDetector({
    modelFile: join(MODELS, 'silero_vad_v5.onnx'),
    cacheDirectory: CACHE,
  });
  const prepared: PreparedClip[] = [];
  for (const clip of readEnglishClips(sets)) {
    const samples = await decodeToSamples(clip.path);
    const whole = new Float32Array(Math.ceil(samples.length / FRAME_SAMPLES) * FRAME_SAMPLES);
    whole.set(samples);
    const { probabilities } = await detector.detect(whole, initialVadState());
    prepared.push({ ...clip, samples, probabilities });
  }
  await detector.close();
  return prepared;
}

async function transcribe(
  engine: MoonshineEngine,
  clip: PreparedClip,
  options: ChunkingOptions,
): Promise<string> {
  const chunker = new SpeechChunker(options);
  const chunks = [...chunker.push(clip.probabilities), ...chunker.end(clip.samples.length)];
  const texts: string[] = [];
  for (const chunk of chunks) texts.push(await runChunk(engine, chunk, clip.samples));
  return texts.join(' ');
}

async function runChunk(engine: MoonshineEngine, chunk: SpeechChunk, samples: Float32Array): Promise<string> {
  const [first, last] = [chunk.speech[0], chunk.speech.at(-1)];
  engine.admit({
    id: 0,
    samples: samples.subarray(chunk.startSample, chunk.endSample),
    paddingBefore: (first?.startSample ?? 0) - chunk.startSample,
    paddingAfter: Math.max(0, chunk.endSample - (last?.endSample ?? 0)),
    speechSecond: chunk.speech.reduce((sum, span) => sum + span.endSample - span.startSample, 0) / 16_000,
    temperature: 0,
  });
  while (true) {
    const [finished] = await engine.step();
    if (finished === undefined) continue;
    if ('error' in finished) throw finished.error;
    return finished.hypothesis.text;
  }
}
