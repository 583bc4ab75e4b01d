import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GGML_MAGIC, GgmlWriter, type TensorSpec } from './ggml-writer.ts';

export interface GgmlParakeetOptions {
  /** Layers of the encoder, 1 to 24; each makes it slower only. Default 1. */
  readonly encoderLayers?: number;
}

/** What the model says to any sound. */
export const PARAKEET_SAYS = 'Hello from Parakeet.';

const PIECES = ['▁Hello', '▁from', '▁Para', 'keet', '.'];
const BLANK = PIECES.length;
const DURATIONS = [0, 1, 2, 3, 4];

const N_STATE = 32;
const N_HEAD = 2;
const N_MELS = 16;
const N_FFT = 512;
const N_WINDOW = 400;
const SUBSAMPLING = 8;
const N_CHANNELS = 8;
const N_KERNEL = 9;
const N_HIDDEN = 16;

/**
 * Writes a Parakeet TDT model in whisper.cpp's file format, whole and tiny. Its encoder computes but is not listened to; its prediction
 * network and joint, set by hand, say one sentence a piece at a time, and blanks from then on.
 */
export async function writeGgmlParakeet(
  path: string,
  { encoderLayers = 1 }: GgmlParakeetOptions = {},
): Promise<void> {
  const writer = new GgmlWriter()
    .int32(GGML_MAGIC, PIECES.length, 1000, N_STATE, N_HEAD, encoderLayers, N_MELS, 1)
    .int32(N_FFT, SUBSAMPLING, N_CHANNELS, N_KERNEL, N_HIDDEN, 1, DURATIONS.length, 10)
    .int32(N_MELS, N_FFT / 2 + 1)
    .float32(new Float32Array(N_MELS * (N_FFT / 2 + 1)).fill(1))
    .int32(N_WINDOW)
    .float32(
      Float32Array.from({ length: N_WINDOW }, (_, index) => Math.sin((Math.PI * index) / N_WINDOW) ** 2),
    )
    .int32(...DURATIONS)
    .int32(PIECES.length);
  for (const piece of PIECES) writer.bytes(Buffer.from(piece, 'utf8'));
  const layers = Array.from({ length: encoderLayers }, (_, layer) => encoderLayer(`encoder.layers.${layer}`));
  for (const tensor of [...subsampling(), ...layers.flat(), ...predictor()]) writer.tensor(tensor);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, writer.finish());
}

function subsampling(): TensorSpec[] {
  const convolution = (place: number, shape: readonly number[]): TensorSpec[] => [
    { name: `encoder.pre_encode.conv.${place}.weight`, shape, type: 'f32', values: 0.125 },
    { name: `encoder.pre_encode.conv.${place}.bias`, shape: [1, 1, N_CHANNELS, 1], type: 'f32' },
  ];
  return [
    matrix('encoder.pre_encode.out.weight', (N_MELS / SUBSAMPLING) * N_CHANNELS, N_STATE),
    vector('encoder.pre_encode.out.bias', N_STATE),
    ...convolution(0, [3, 3, 1, N_CHANNELS]),
    ...convolution(2, [3, 3, 1, N_CHANNELS]),
    ...convolution(3, [1, 1, N_CHANNELS, N_CHANNELS]),
    ...convolution(5, [3, 3, 1, N_CHANNELS]),
    ...convolution(6, [1, 1, N_CHANNELS, N_CHANNELS]),
  ];
}

function encoderLayer(name: string): TensorSpec[] {
  const norms = ['norm_feed_forward1', 'norm_conv', 'norm_self_att', 'norm_feed_forward2', 'norm_out'];
  const projections = ['linear_q', 'linear_k', 'linear_v', 'linear_out', 'linear_pos'];
  const positionBias = { shape: [N_STATE / N_HEAD, N_HEAD], type: 'f32' } as const;
  return [
    ...norms.flatMap((norm) => [
      vector(`${name}.${norm}.weight`, N_STATE, 1),
      vector(`${name}.${norm}.bias`, N_STATE),
    ]),
    ...['feed_forward1', 'feed_forward2'].flatMap((part) => [
      matrix(`${name}.${part}.linear1.weight`, N_STATE, 4 * N_STATE),
      matrix(`${name}.${part}.linear2.weight`, 4 * N_STATE, N_STATE),
    ]),
    ...projections.map((part) => matrix(`${name}.self_attn.${part}.weight`, N_STATE, N_STATE)),
    { name: `${name}.self_attn.pos_bias_u`, ...positionBias },
    { name: `${name}.self_attn.pos_bias_v`, ...positionBias },
    matrix(`${name}.conv.pointwise_conv1.weight`, N_STATE, 2 * N_STATE),
    { name: `${name}.conv.depthwise_conv.weight`, shape: [N_KERNEL, N_STATE], type: 'f32' },
    matrix(`${name}.conv.pointwise_conv2.weight`, N_STATE, N_STATE),
    vector(`${name}.conv.batch_norm.weight`, N_STATE, 1),
    vector(`${name}.conv.batch_norm.bias`, N_STATE),
    vector(`${name}.conv.batch_norm.running_mean`, N_STATE),
    vector(`${name}.conv.batch_norm.running_var`, N_STATE, 1),
    { name: `${name}.conv.batch_norm.num_batches_tracked`, shape: [1], type: 'i32' },
  ];
}

/** The last piece is one dimension of the state, and makes the next one the most probable. Each moves on by two frames of 80 ms. */
function predictor(): TensorSpec[] {
  const pieces = [...PIECES.keys(), BLANK];
  const outputs = PIECES.length + 1 + DURATIONS.length;
  const diagonal = (rows: number, weight: number): ReadonlyMap<number, number> =>
    new Map(pieces.map((piece) => [(rows + piece) * N_HIDDEN + piece, weight]));
  // Gates stand in the order input, forget, output, cell: always take, never keep, always give.
  const gates = new Map(
    Array.from({ length: 3 * N_HIDDEN }, (_, row) => [row, row >= N_HIDDEN && row < 2 * N_HIDDEN ? -10 : 10]),
  );
  const next = new Map(pieces.map((piece) => [((piece + 1) % (BLANK + 1)) * N_HIDDEN + piece, 10]));
  return [
    matrix('decoder.prediction.embed.weight', N_HIDDEN, PIECES.length + 1, diagonal(0, 1)),
    matrix('decoder.prediction.dec_rnn.lstm.weight_ih_l0', N_HIDDEN, 4 * N_HIDDEN, diagonal(3 * N_HIDDEN, 3)),
    matrix('decoder.prediction.dec_rnn.lstm.weight_hh_l0', N_HIDDEN, 4 * N_HIDDEN),
    vector('decoder.prediction.dec_rnn.lstm.bias_h_l0', 4 * N_HIDDEN, gates),
    matrix('joint.pred.weight', N_HIDDEN, N_HIDDEN, diagonal(0, 1)),
    vector('joint.pred.bias', N_HIDDEN),
    matrix('joint.enc.weight', N_STATE, N_HIDDEN),
    vector('joint.enc.bias', N_HIDDEN),
    matrix('joint.joint_net.2.weight', N_HIDDEN, outputs, next),
    vector('joint.joint_net.2.bias', outputs, new Map([[PIECES.length + 1 + DURATIONS.indexOf(2), 10]])),
  ];
}

function vector(name: string, length: number, values: TensorSpec['values'] = 0): TensorSpec {
  return { name, shape: [length], type: 'f32', values };
}

function matrix(name: string, columns: number, rows: number, values: TensorSpec['values'] = 0): TensorSpec {
  return { name, shape: [columns, rows], type: 'f16', values };
}
