import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { chunkOf } from '../../../test/support/drive-engine.ts';
import { capabilitiesOf } from '../capabilities.ts';
import type { Hypothesis } from '../engine.ts';
import { type Network, WhisperCppEngine } from './engine.ts';
import { silence } from './hypothesis.ts';
import { Pulse } from './pulse.ts';

const capabilities = capabilitiesOf({
  engine: 'whisper-cpp',
  languages: ['en'],
  abilities: { translate: false, words: true, prompt: true },
});

describe('WhisperCppEngine', () => {
  it('stays silent while the computation uses no processor time, and goes on when it ends', async () => {
    let answer: (hypothesis: Hypothesis) => void = () => undefined;
    const network: Network = {
      transcribe: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
      close: async () => undefined,
    };
    const engine = new WhisperCppEngine(network, capabilities);
    const chunk = chunkOf(new Float32Array(16_000));
    engine.admit(chunk);
    const step = engine.step();
    expect(await Promise.race([step, delay(1000, 'silent')])).toBe('silent');
    answer(silence({ temperature: 0, wantsWords: false }));
    expect(await step).toMatchObject([{ id: chunk.id, hypothesis: { text: '' } }]);
  });
});

describe('Pulse', () => {
  it('beats while the process computes, for so long and no longer', () => {
    const [pulse, tooLong] = [new Pulse(60_000), new Pulse(10)];
    burn(50);
    expect(pulse.beats()).toBe(true);
    expect(tooLong.beats()).toBe(false);
    // Blocks without computing.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    expect(pulse.beats()).toBe(false);
  });
});

function burn(milliseconds: number): void {
  const startMs = performance.now();
  while (performance.now() - startMs < milliseconds);
}
