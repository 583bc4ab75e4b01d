import { openSession } from '../onnx/session.ts';
import { float32Data, float32Tensor, int64Tensor } from '../onnx/tensor.ts';
import { CONTEXT_SAMPLES, FRAME_SAMPLES, type VadState } from './frames.ts';

/** A loaded voice detector. */
export interface SpeechDetector {
  /**
   * Speech probability of each whole frame in [frames * 512] samples at 16 kHz, and the state to go on with. Samples that fill
   * no frame are an error: pad the last one with zeros.
   */
  detect(samples: Float32Array, state: VadState): Promise<{ probabilities: Float32Array; state: VadState }>;
  close(): Promise<void>;
}

/** Silero VAD v5 as shipped (16 kHz: 512 samples a frame after 64 of context), one call a frame. */
export async function openSileroDetector(modelPath: string): Promise<SpeechDetector> {
  const session = await openSession(modelPath);
  const sampleRate = int64Tensor([16_000], []);
  return {
    async detect(samples, state) {
      if (samples.length % FRAME_SAMPLES !== 0)
        throw new Error(`expected whole frames of ${FRAME_SAMPLES} samples, got ${samples.length} samples`);
      const probabilities = new Float32Array(samples.length / FRAME_SAMPLES);
      const padded = new Float32Array(CONTEXT_SAMPLES + samples.length);
      padded.set(state.context);
      padded.set(samples, CONTEXT_SAMPLES);
      let hidden = float32Tensor(state.hidden, [2, 1, 128]);
      for (let frame = 0; frame < probabilities.length; frame += 1) {
        const start = frame * FRAME_SAMPLES;
        const input = padded.slice(start, start + CONTEXT_SAMPLES + FRAME_SAMPLES);
        const outputs = await session.run({
          input: float32Tensor(input, [1, input.length]),
          state: hidden,
          sr: sampleRate,
        });
        probabilities[frame] = float32Data(outputs, 'output')[0] ?? 0;
        hidden = float32Tensor(float32Data(outputs, 'stateN'), [2, 1, 128]);
      }
      return {
        probabilities,
        state: {
          hidden: hidden.data as Float32Array,
          context: padded.slice(padded.length - CONTEXT_SAMPLES),
        },
      };
    },
    close: () => session.release(),
  };
}
