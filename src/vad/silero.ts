import { openSession } from '../onnx/session.ts';
import { float32Data, float32Tensor } from '../onnx/tensor.ts';
import { CONTEXT_SAMPLES, FRAME_SAMPLES, type VadState } from './frames.ts';
import { type SileroGraphOptions, sileroGraph } from './silero-graph.ts';

/** A loaded voice detector. */
export interface SpeechDetector {
  /**
   * Speech probability of each frame in [frames * 512] samples at 16 kHz, and the state to go on with. Samples that fill no frame
   * are an error: pad the last one with zeros.
   */
  detect(samples: Float32Array, state: VadState): Promise<{ probabilities: Float32Array; state: VadState }>;
  close(): Promise<void>;
}

/** Silero VAD over whole blocks of frames in one call; the graph is built from the shipped file once. */
export async function openSileroDetector(options: SileroGraphOptions): Promise<SpeechDetector> {
  const session = await openSession(await sileroGraph(options));
  return {
    async detect(samples, state) {
      if (samples.length === 0) return { probabilities: new Float32Array(0), state };
      if (samples.length % FRAME_SAMPLES !== 0)
        throw new Error(`expected whole frames of ${FRAME_SAMPLES} samples, got ${samples.length} samples`);
      const audio = new Float32Array(CONTEXT_SAMPLES + samples.length);
      audio.set(state.context);
      audio.set(samples, CONTEXT_SAMPLES);
      const outputs = await session.run({
        audio: float32Tensor(audio, [audio.length]),
        state: float32Tensor(state.hidden, [2, 1, 128]),
      });
      return {
        probabilities: float32Data(outputs, 'probabilities'),
        state: {
          hidden: float32Data(outputs, 'next_state'),
          context: audio.slice(audio.length - CONTEXT_SAMPLES),
        },
      };
    },
    close: () => session.release(),
  };
}
