import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hypothesis } from '../engines/engine.ts';
import { LanguageGate, type LanguageGateOptions } from './language-gate.ts';

function answer(text: string, language?: string): Hypothesis {
  const rest = { tokens: [], tokenEnds: [], logprobs: [], avgLogprob: 0, temperature: 0 };
  return { text, ...rest, ...(language === undefined ? {} : { language }) };
}

/** An engine whose answers the test gives: each call waits for `reply`. */
function scriptedEngine() {
  const calls: {
    readonly chunk: string;
    readonly language: string | undefined;
    readonly reply: (hypothesis: Hypothesis) => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  return {
    calls,
    chunk: (chunk: string) => (language: string | undefined) =>
      new Promise<Hypothesis>((reply, fail) => {
        calls.push({ chunk, language, reply, fail });
      }),
    asked: () => calls.map(({ chunk, language }) => `${chunk}:${language ?? '?'}`),
  };
}

function gateWith(options: Partial<LanguageGateOptions> = {}): LanguageGate {
  return new LanguageGate({ candidates: [], codeOf: (heard) => heard, mostWaiting: 4, ...options });
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('LanguageGate', () => {
  it('transcribes one chunk in what the engine hears and all others in that language', async () => {
    const engine = scriptedEngine();
    const gate = gateWith();
    const answers = [gate.submit(9, engine.chunk('a')), gate.submit(9, engine.chunk('b'))];
    expect(engine.asked()).toEqual(['a:?']);
    engine.calls[0]?.reply(answer('Guten Tag.', 'de'));
    expect((await answers[0])?.text).toBe('Guten Tag.');
    const later = gate.submit(1, engine.chunk('c'));
    expect(engine.asked()).toEqual(['a:?', 'b:de', 'c:de']);
    for (const call of engine.calls.slice(1)) call.reply(answer(call.chunk));
    expect((await Promise.all([answers[1], later])).map((one) => one?.text)).toEqual(['b', 'c']);
    expect(gate.language).toBe('de');
    expect(gate.overruled).toBeUndefined();
  });

  it('waits for a chunk with enough speech, which goes first', async () => {
    const engine = scriptedEngine();
    const gate = gateWith();
    const hum = gate.submit(0.4, engine.chunk('hum'));
    expect(engine.asked()).toEqual([]);
    const talk = gate.submit(12, engine.chunk('talk'));
    expect(engine.asked()).toEqual(['talk:?']);
    engine.calls[0]?.reply(answer('Bonjour.', 'fr'));
    await talk;
    expect(engine.asked()).toEqual(['talk:?', 'hum:fr']);
    engine.calls[1]?.reply(answer('Hm.'));
    expect((await hum).text).toBe('Hm.');
  });

  it('makes do with what there is when the recording ends, and when too many wait', async () => {
    const engine = scriptedEngine();
    const ended = gateWith();
    void ended.submit(0.5, engine.chunk('short'));
    void ended.submit(1.5, engine.chunk('longer'));
    ended.end();
    expect(engine.asked()).toEqual(['longer:?']);
    const other = scriptedEngine();
    const crowded = gateWith({ mostWaiting: 3 });
    for (const [index, second] of [0.5, 2, 1].entries()) void crowded.submit(second, other.chunk(`${index}`));
    expect(other.asked()).toEqual(['1:?']);
  });

  it('lets the next chunk tell the language when one fails or holds no words', async () => {
    const engine = scriptedEngine();
    const gate = gateWith();
    const [failing, empty, third] = ['a', 'b', 'c'].map((chunk) => gate.submit(5, engine.chunk(chunk)));
    engine.calls[0]?.fail(new Error('told to fail'));
    await expect(failing).rejects.toThrow('told to fail');
    expect(engine.asked()).toEqual(['a:?', 'b:?']);
    engine.calls[1]?.reply(answer('', 'nn'));
    expect((await empty)?.text).toBe('');
    expect(engine.asked()).toEqual(['a:?', 'b:?', 'c:?']);
    engine.calls[2]?.reply(answer('Hola.', 'es'));
    await third;
    expect(gate.language).toBe('es');
  });

  it('does not ask again an engine that names no language, or one the model does not know', async () => {
    for (const language of [undefined, 'xx']) {
      const engine = scriptedEngine();
      const gate = gateWith({ codeOf: (heard) => (heard === 'xx' ? undefined : heard) });
      const first = gate.submit(5, engine.chunk('a'));
      void gate.submit(5, engine.chunk('b'));
      void gate.submit(5, engine.chunk('c'));
      engine.calls[0]?.reply(answer('words', language));
      await first;
      expect(engine.asked()).toEqual(['a:?', 'b:?', 'c:?']);
      expect(gate.language).toBeUndefined();
    }
  });

  it('keeps what is heard when it is a candidate', async () => {
    const engine = scriptedEngine();
    const gate = gateWith({ candidates: ['en', 'de'] });
    const first = gate.submit(5, engine.chunk('a'));
    engine.calls[0]?.reply(answer('Hallo.', 'de'));
    expect((await first).text).toBe('Hallo.');
    expect(gate).toMatchObject({ language: 'de', overruled: undefined });
  });

  it('takes the first candidate when something else is heard, for the first chunk too', async () => {
    const engine = scriptedEngine();
    const gate = gateWith({ candidates: ['de', 'en'] });
    const first = gate.submit(5, engine.chunk('a'));
    const second = gate.submit(5, engine.chunk('b'));
    engine.calls[0]?.reply(answer('Hallo daar.', 'nl'));
    await settled();
    expect(engine.asked().sort()).toEqual(['a:?', 'a:de', 'b:de']);
    for (const call of engine.calls.slice(1)) call.reply(answer(`${call.chunk} in ${call.language}`));
    expect((await first).text).toBe('a in de');
    expect((await second).text).toBe('b in de');
    expect(gate).toMatchObject({ language: 'de', overruled: 'nl' });
  });

  it('leaves nobody waiting when the work is aborted', async () => {
    const gate = gateWith();
    const aborted = () => Promise.reject(new Error('aborted'));
    const answers = [gate.submit(0.5, aborted), gate.submit(0.5, aborted)];
    gate.end();
    for (const result of await Promise.allSettled(answers)) expect(result.status).toBe('rejected');
  });

  it('answers every chunk, hears one at a time, and keeps to what it heard', async () => {
    const chunk = fc.record({
      speechSecond: fc.double({ min: 0.1, max: 10, noNaN: true }),
      outcome: fc.constantFrom('words', 'empty', 'fails'),
      language: fc.constantFrom('de', 'fr', 'en'),
    });
    const candidates = fc.constantFrom([], ['de', 'en'], ['nl']);
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 15 }), candidates, async (chunks, expected) => {
        const gate = gateWith({ candidates: expected, mostWaiting: 3 });
        let hearing = 0;
        let mostHearing = 0;
        const told: string[] = [];
        // As the transcriber does: a bounded number of chunks under way, answers awaited in order.
        const underWay: Promise<Hypothesis>[] = [];
        const results: PromiseSettledResult<Hypothesis>[] = [];
        for (const { speechSecond, outcome, language } of chunks) {
          const heard = gate.submit(speechSecond, async (wanted) => {
            if (wanted === undefined) {
              hearing += 1;
              mostHearing = Math.max(mostHearing, hearing);
            } else told.push(wanted);
            await settled();
            if (wanted === undefined) hearing -= 1;
            if (outcome === 'fails') throw new Error('told to fail');
            return outcome === 'empty' ? answer('', language) : answer('words', wanted ?? language);
          });
          heard.catch(() => undefined);
          underWay.push(heard);
          if (underWay.length >= 4) results.push(...(await Promise.allSettled(underWay.splice(0, 1))));
        }
        gate.end();
        results.push(...(await Promise.allSettled(underWay)));
        expect(results).toHaveLength(chunks.length);
        expect(mostHearing).toBeLessThanOrEqual(1);
        for (const language of told) expect(language).toBe(gate.language);
        const spoken = chunks.some(({ outcome }) => outcome === 'words');
        expect(gate.language !== undefined).toBe(spoken);
        if (expected.length > 0 && spoken) expect(expected).toContain(gate.language);
      }),
      { numRuns: 200 },
    );
  });
});
