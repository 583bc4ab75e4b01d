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

/** A run of many frames is faster up to about 32; from there on it only takes more memory, 17 KB a frame. */
const MOST_FRAMES = 64;

/** Silero VAD over whole blocks of frames in one call; the graph is built from the shipped file once. */
export async function openSileroDetector(options: SileroGraphOptions): Promise<SpeechDetector> {
  const session = await openSession(await sileroGraph(options));
  return {
    async detect(samples, state) {
      if (samples.length % FRAME_SAMPLES !== 0)
        throw new Error(`expected whole frames of ${FRAME_SAMPLES} samples, got ${samples.length} samples`);
      const probabilities = new Float32Array(samples.length / FRAME_SAMPLES);
      // One place for the sound of all runs: garbage of 130 KB for each would lie about until V8 looks for it.
      const room = new Float32Array(CONTEXT_SAMPLES + Math.min(samples.length, MOST_FRAMES * FRAME_SAMPLES));
      let now = state;
      for (let done = 0; done < probabilities.length; done += MOST_FRAMES) {
        const part = samples.subarray(done * FRAME_SAMPLES, (done + MOST_FRAMES) * FRAME_SAMPLES);
        const audio = room.subarray(0, CONTEXT_SAMPLES + part.length);
        audio.set(now.context);
        audio.set(part, CONTEXT_SAMPLES);
        const outputs = await session.run({
          audio: float32Tensor(audio, [audio.length]),
          state: float32Tensor(now.hidden, [2, 1, 128]),
        });
        probabilities.set(float32Data(outputs, 'probabilities'), done);
        now = {
          hidden: float32Data(outputs, 'next_state'),
          context: audio.slice(audio.length - CONTEXT_SAMPLES),
        };
      }
      return { probabilities, state: now };
    },
    close: () => session.release(),
  };
}
