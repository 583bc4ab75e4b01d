import { ModelFileError, UnreadableWeightsError } from '../../onnx/graph/model-file.ts';
import type { MoonshineBackend } from './backend.ts';
import type { EncodedSpeech } from './graphs/speech-memory.ts';
import { PublishedModel } from './published-model.ts';
import { createRandom } from './random.ts';

/**
 * Most that two of them may differ, as the root mean square of the difference over that of the published one's values. Moonshine
 * tiny differs by 0.05 in the encoder and 0.04 in the decoder, which is rounding: the published graphs in 8 bits are as far from floats.
 * Two matrices of one layer exchanged make it 0.2 to 0.8.
 */
const TOLERANCE = 0.15;
const SAMPLES = 24_000;
const STEPS = 6;

/**
 * Whether graphs built from a model's weights compute what its published ones do. Names of weights can agree and their meaning differ
 * between one export and the next; that would be heard in every word and said by nobody.
 * @throws UnreadableWeightsError when they do not. A file that cannot be run itself is no measure: then nothing is said.
 */
export async function compareWithPublished(built: MoonshineBackend, modelDirectory: string): Promise<void> {
  const published = await openMeasure(modelDirectory);
  if (published === undefined) return;
  try {
    const { encoder, decoder } = await differences(built, published);
    // A NaN is larger than anything.
    if (encoder <= TOLERANCE && decoder <= TOLERANCE) return;
    throw new UnreadableWeightsError(
      `graphs built from its weights do not compute what its own graphs do (encoder off by ${encoder.toFixed(2)}, decoder by ${decoder.toFixed(2)}, allowed ${TOLERANCE})`,
    );
  } finally {
    await published.close();
  }
}

async function openMeasure(modelDirectory: string): Promise<PublishedModel | undefined> {
  try {
    return await PublishedModel.open(modelDirectory);
  } catch (error) {
    if (error instanceof ModelFileError) return undefined;
    throw error;
  }
}

/** How far the encoders are apart, and the decoders after what the published encoder heard. */
export async function differences(
  built: MoonshineBackend,
  published: MoonshineBackend,
): Promise<{ encoder: number; decoder: number }> {
  const samples = murmur();
  const [heard, expected] = [await built.encode(samples), await published.encode(samples)];
  const width = expected.states.length / expected.frames;
  const encoder = relativeError(heard.states.subarray(0, heard.frames * width), expected.states);
  if (heard.frames !== expected.frames) return { encoder, decoder: Number.NaN };
  const { tokens, logits } = await favourites(published, expected);
  const own = await follow(built, expected, tokens);
  const errors = own.map((row, step) => relativeError(centred(row), centred(logits[step] ?? row)));
  return { encoder, decoder: errors.reduce((sum, error) => sum + error, 0) / STEPS };
}

/** What a model would say, and how probable it took every token to be. */
async function favourites(model: MoonshineBackend, speech: EncodedSpeech) {
  const tokens: number[] = [];
  const logits: Float32Array[] = [];
  const batch = model.createBatch<string>();
  batch.join('it', speech);
  while (tokens.length < STEPS)
    await batch.step(
      (_, next) => {
        tokens.push(next.token);
        logits.push(Float32Array.from(next.logits ?? []));
        return { token: next.token };
      },
      () => true,
    );
  return { tokens, logits };
}

/** The logits of a model that is made to say `tokens`. */
async function follow(model: MoonshineBackend, speech: EncodedSpeech, tokens: readonly number[]) {
  const logits: Float32Array[] = [];
  const batch = model.createBatch<string>();
  batch.join('it', speech);
  for (const token of tokens)
    await batch.step(
      (_, next) => {
        logits.push(Float32Array.from(next.logits ?? []));
        return { token };
      },
      () => true,
    );
  return logits;
}

/** Noise that swells like syllables: no speech is at hand, and silence would show little. */
function murmur(): Float32Array {
  const random = createRandom([1]);
  return Float32Array.from(
    { length: SAMPLES },
    (_, sample) => 0.3 * (random() - 0.5) * (1 + Math.sin(sample / 600)),
  );
}

/** Only differences between logits mean anything. */
function centred(logits: Float32Array): Float32Array {
  const mean = logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
  return logits.map((logit) => logit - mean);
}

function relativeError(values: Float32Array, expected: Float32Array): number {
  if (values.length !== expected.length) return Number.NaN;
  let [difference, size] = [0, 0];
  for (const [index, value] of expected.entries()) {
    difference += ((values[index] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(difference / size);
}
