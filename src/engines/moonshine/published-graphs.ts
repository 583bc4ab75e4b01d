import { basename, join } from 'node:path';
import { ModelFileError } from '../../onnx/graph/model-file.ts';
import { type InferenceSession, openSession } from '../../onnx/session.ts';
import { DECODER_FILE, ENCODER_FILE } from './graphs/moonshine-graphs.ts';

/** The published graphs, found to have the inputs and outputs that their publisher's own code uses (moonshine-onnx/src/model.py). */
export interface PublishedGraphs {
  /** `input_values` [1, samples] to `last_hidden_state` [1, frames, hidden]. */
  readonly encoder: InferenceSession;
  /**
   * `input_ids` [1, 1], `encoder_hidden_states`, `use_cache_branch` [1] and the caches to `logits` [1, 1, vocabulary] and the caches
   * grown by one.
   */
  readonly decoder: InferenceSession;
  readonly caches: readonly PublishedCache[];
}

/** Keys or values of one attention of one layer. */
export interface PublishedCache {
  readonly input: string;
  readonly output: string;
  /** Of the speech: complete after the first step and not fed back later; otherwise of the text so far. */
  readonly ofSpeech: boolean;
  /** [0, heads, 1, head size]: what goes in at the first step. */
  readonly emptyDims: readonly number[];
}

/** Entries of Moonshine's vocabulary in all languages: 32,000 Llama pieces and special tokens. */
const VOCABULARY = 32_768;

const ENCODER_INPUT = 'input_values';
const DECODER_INPUTS = ['input_ids', 'encoder_hidden_states', 'use_cache_branch'];

/**
 * Opens `encoder_model.onnx` and `decoder_model_merged.onnx` of a folder.
 * @throws ModelFileError when ONNX Runtime cannot load one, or it is not a graph of Moonshine.
 */
export async function openPublishedGraphs(modelDirectory: string): Promise<PublishedGraphs> {
  const encoder = await openFile(join(modelDirectory, ENCODER_FILE));
  try {
    checkEncoder(encoder);
    const decoder = await openFile(join(modelDirectory, DECODER_FILE));
    try {
      return { encoder, decoder, caches: checkDecoder(decoder, widthOf(encoder, 'outputMetadata')) };
    } catch (error) {
      await decoder.release();
      throw error;
    }
  } catch (error) {
    await encoder.release();
    throw error;
  }
}

async function openFile(path: string): Promise<InferenceSession> {
  try {
    return await openSession(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    // Clients are shown the reason, and paths are none of their business.
    throw new ModelFileError(
      `${basename(path)}: ONNX Runtime cannot load it (${reason.replaceAll(path, 'the file').trim()}); fetch it again`,
      { cause },
    );
  }
}

function checkEncoder({ inputNames, outputMetadata }: InferenceSession): void {
  requireInputs(ENCODER_FILE, inputNames, [ENCODER_INPUT]);
  if (outputMetadata.length !== 1)
    throw notMoonshine(ENCODER_FILE, `it has ${outputMetadata.length} outputs, expected 1`);
  requireFloats(ENCODER_FILE, outputMetadata);
}

function checkDecoder(decoder: InferenceSession, width: number | undefined): readonly PublishedCache[] {
  const { inputNames, inputMetadata, outputNames, outputMetadata } = decoder;
  const layers = Math.floor(inputNames.filter((name) => name.startsWith('past_key_values.')).length / 4);
  const inputs = Array.from({ length: Math.max(1, layers) }, (_, layer) => cacheInputs(layer)).flat();
  requireInputs(DECODER_FILE, inputNames, [...DECODER_INPUTS, ...inputs]);
  if (outputNames.length !== inputs.length + 1)
    throw notMoonshine(
      DECODER_FILE,
      `it has ${outputNames.length} outputs for ${inputs.length} inputs past_key_values`,
    );
  requireFloats(DECODER_FILE, [
    ...inputMetadata.filter(({ name }) => inputs.includes(name)),
    ...outputMetadata,
  ]);
  const vocabulary = lastSize(outputMetadata[0]);
  if (vocabulary !== undefined && vocabulary !== VOCABULARY)
    throw notMoonshine(DECODER_FILE, `its vocabulary has ${vocabulary} entries, expected ${VOCABULARY}`);
  const expected = lastSize(inputMetadata.find(({ name }) => name === 'encoder_hidden_states'));
  if (width !== undefined && expected !== undefined && width !== expected)
    throw new ModelFileError(
      `${ENCODER_FILE} has a width of ${width} and ${DECODER_FILE} one of ${expected}; they are of different models`,
    );
  // As in the publisher's code the order of the outputs counts, not their names.
  return inputs.map((input, index) => ({
    input,
    output: outputNames[index + 1] ?? '',
    ofSpeech: input.includes('.encoder.'),
    emptyDims: emptyDims(inputMetadata.find(({ name }) => name === input)),
  }));
}

function cacheInputs(layer: number): string[] {
  return ['decoder', 'encoder'].flatMap((side) =>
    ['key', 'value'].map((part) => `past_key_values.${layer}.${side}.${part}`),
  );
}

type Metadata = InferenceSession['inputMetadata'][number];

/** A size that the file leaves open may be any: without elements it is not looked at. */
function emptyDims(metadata: Metadata | undefined): number[] {
  const shape = metadata?.isTensor === true ? metadata.shape : [];
  const [heads, headSize] = [shape[1], shape[3]];
  return [0, typeof heads === 'number' ? heads : 1, 1, typeof headSize === 'number' ? headSize : 1];
}

function widthOf(session: InferenceSession, side: 'outputMetadata'): number | undefined {
  return lastSize(session[side][0]);
}

function lastSize(metadata: Metadata | undefined): number | undefined {
  const size = metadata?.isTensor === true ? metadata.shape.at(-1) : undefined;
  return typeof size === 'number' ? size : undefined;
}

function requireInputs(file: string, found: readonly string[], wanted: readonly string[]): void {
  const missing = wanted.find((name) => !found.includes(name));
  if (missing !== undefined) throw notMoonshine(file, `it has no input "${missing}"`);
  const unknown = found.find((name) => !wanted.includes(name));
  if (unknown !== undefined) throw notMoonshine(file, `it wants an input "${unknown}"`);
}

function requireFloats(file: string, all: readonly Metadata[]): void {
  for (const metadata of all)
    if (metadata.isTensor && metadata.type !== 'float32')
      throw notMoonshine(file, `"${metadata.name}" is of type ${metadata.type}, expected float32`);
}

function notMoonshine(file: string, reason: string): ModelFileError {
  return new ModelFileError(`${file} is not of a Moonshine model this version knows: ${reason}`);
}
