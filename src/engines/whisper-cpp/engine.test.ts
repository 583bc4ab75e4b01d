import { EventEmitter, once } from 'node:events';
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
    const looks = new EventEmitter();
    const pulse = new Pulse(60_000, () => {
      looks.emit('look');
      return { nowMs: performance.now(), usedMs: 0 };
    });
    const { engine, answer } = engineThatWaits(pulse);
    const chunk = chunkOf(new Float32Array(16_000));
    engine.admit(chunk);
    const [twoLooks, step] = [once(looks, 'look').then(() => once(looks, 'look')), engine.step()];
    expect(await Promise.race([step, twoLooks.then(() => 'silent')])).toBe('silent');
    answer();
    expect(await step).toMatchObject([{ id: chunk.id, hypothesis: { text: '' } }]);
  });

  it('answers now and then while the computation uses processor time', async () => {
    const { engine, answer } = engineThatWaits(
      new Pulse(60_000, () => ({ nowMs: performance.now(), usedMs: performance.now() / 2 })),
    );
    engine.admit(chunkOf(new Float32Array(16_000)));
    expect(await engine.step()).toEqual([]);
    expect(engine.size).toBe(1);
    answer();
  });
});

/** An engine whose computation ends when it is told. */
function engineThatWaits(pulse: Pulse): { engine: WhisperCppEngine; answer: () => void } {
  let answer: (hypothesis: Hypothesis) => void = () => undefined;
  const answered = new Promise<Hypothesis>((resolve) => {
    answer = resolve;
  });
  const network: Network = { transcribe: () => answered, close: async () => undefined };
  const engine = new WhisperCppEngine(network, capabilities, { startPulse: () => pulse });
  return { engine, answer: () => answer(silence({ temperature: 0, wantsWords: false })) };
}

describe('Pulse', () => {
  it('beats while the process computes', () => {
    const pulse = new Pulse(60_000);
    const startMs = performance.now();
    while (performance.now() - startMs < 50);
    expect(pulse.beats()).toBe(true);
  });

  it('does not beat when less than 2 % of a core was used, nor after its time', () => {
    const reading = { nowMs: 0, usedMs: 0 };
    const pulse = new Pulse(1000, () => ({ ...reading }));
    const beatsAfter = (milliseconds: number, usedMs: number): boolean => {
      reading.nowMs += milliseconds;
      reading.usedMs += usedMs;
      return pulse.beats();
    };
    expect(beatsAfter(300, 7)).toBe(true);
    expect(beatsAfter(300, 5)).toBe(false);
    expect(beatsAfter(300, 7)).toBe(true);
    expect(beatsAfter(300, 300)).toBe(false);
  });
});
