import { join } from 'node:path';
import { openSession } from '../../onnx/session.ts';
import { boolTensor, float32Data, float32Tensor, int64Tensor, type Tensor } from '../../onnx/tensor.ts';

/** What the decoder says about the next token of one sequence. */
export interface NextToken {
  /** [32768] unnormalised log probabilities. */
  readonly logits: Float32Array;
}

/** Decoder state of one chunk between two steps; its inside belongs to the graphs that made it. */
export interface SequenceState {
  readonly length: number;
}

/** The model as the decoding loop sees it, whatever graphs lie behind. */
export interface MoonshineGraphs {
  /** Runs the encoder over [samples] f32 at 16 kHz and opens an empty sequence on its output. */
  encode(samples: Float32Array): Promise<SequenceState>;
  /** Feeds one token to each sequence and answers what follows, in the same order. */
  step(sequences: readonly SequenceState[], tokens: readonly number[]): Promise<readonly NextToken[]>;
  close(): Promise<void>;
}

const LAYERS = 6;
const HEADS = 8;
const HEAD_SIZE = 36;
const HIDDEN_SIZE = 288;

interface StockSequence extends SequenceState {
  length: number;
  readonly hiddenStates: Tensor;
  /** `past_key_values.*` by input name. */
  past: Record<string, Tensor>;
}

/** The two graphs as shipped (Moonshine Tiny, u8 weights), one sequence at a time. */
export async function openStockGraphs(modelDir: string): Promise<MoonshineGraphs> {
  const encoder = await openSession(join(modelDir, 'encoder_model.onnx'));
  const decoder = await openSession(join(modelDir, 'decoder_model_merged.onnx'));

  async function stepOne(sequence: StockSequence, token: number): Promise<NextToken> {
    const outputs = await decoder.run({
      input_ids: int64Tensor([token], [1, 1]),
      encoder_hidden_states: sequence.hiddenStates,
      use_cache_branch: boolTensor(sequence.length > 0),
      ...sequence.past,
    });
    const past: Record<string, Tensor> = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      if (!name.startsWith('present.')) continue;
      // The cached branch answers empty cross-attention caches: those of the first step stay.
      if (sequence.length > 0 && name.includes('.encoder.')) continue;
      past[name.replace('present', 'past_key_values')] = tensor;
    }
    sequence.past = { ...sequence.past, ...past };
    sequence.length += 1;
    return { logits: float32Data(outputs, 'logits') };
  }

  return {
    async encode(samples) {
      const outputs = await encoder.run({ input_values: float32Tensor(samples, [1, samples.length]) });
      const hiddenStates = outputs.last_hidden_state;
      if (hiddenStates === undefined) throw new Error('the encoder gave no hidden states');
      return {
        length: 0,
        hiddenStates,
        past: emptyCaches(hiddenStates.dims[1] ?? 0),
      } satisfies StockSequence as SequenceState;
    },
    async step(sequences, tokens) {
      const answers: NextToken[] = [];
      for (const [index, sequence] of sequences.entries())
        answers.push(await stepOne(sequence as StockSequence, tokens[index] ?? 0));
      return answers;
    },
    async close() {
      await encoder.release();
      await decoder.release();
    },
  };
}

function emptyCaches(frames: number): Record<string, Tensor> {
  if (frames * HIDDEN_SIZE === 0) throw new Error('the encoder gave no frames: the chunk is too short');
  const empty = (): Tensor => float32Tensor(new Float32Array(0), [1, HEADS, 0, HEAD_SIZE]);
  const caches: Record<string, Tensor> = {};
  for (let layer = 0; layer < LAYERS; layer += 1)
    for (const side of ['decoder', 'encoder'])
      for (const part of ['key', 'value']) caches[`past_key_values.${layer}.${side}.${part}`] = empty();
  return caches;
}
