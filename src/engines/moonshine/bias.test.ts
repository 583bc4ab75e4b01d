import { describe, expect, it } from 'vitest';
import type { BiasPhrase } from '../engine.ts';
import { buildBiasTrie, DEFAULT_STRENGTH } from './bias.ts';
import { DecodedSequence } from './decoder.ts';
import { decodeTokens, END_TOKEN, encodeText } from './tokenizer.ts';

const VOCABULARY = 32_768;

/** A model that would say `favourite`, and likes `heard` less by the given nats at each of its tokens. */
interface Model {
  readonly favourite: string;
  readonly heard?: { readonly text: string; readonly behind: readonly number[] };
}

/** Runs a sequence against the model to its end; answers its text and how many steps it took. */
function decode(
  model: Model,
  ...phrases: readonly BiasPhrase[]
): { text: string; steps: number; score: number } {
  const sequence = new DecodedSequence({
    budget: 40,
    temperature: 0,
    minimumTokens: 0,
    random: () => 0.5,
    bias: phrases.length === 0 ? undefined : buildBiasTrie(phrases, DEFAULT_STRENGTH),
  });
  let steps = 0;
  while (!sequence.finished && steps < 200) {
    steps += 1;
    sequence.accept(answer(model, sequence.tokens));
  }
  return { text: decodeTokens(sequence.tokens).text, steps, score: sequence.score };
}

function answer({ favourite, heard }: Model, tokens: readonly number[]) {
  const logits = new Float32Array(VOCABULARY).fill(-30);
  const paths = [
    { path: [...encodeText(favourite, 'space'), END_TOKEN], behind: [] as readonly number[] },
    ...(heard ? [{ path: [...encodeText(heard.text, 'space'), END_TOKEN], behind: heard.behind }] : []),
  ];
  let known = false;
  for (const { path, behind } of [...paths].reverse()) {
    if (!tokens.every((token, index) => path[index] === token)) continue;
    known = true;
    const next = path[tokens.length] ?? END_TOKEN;
    const lead = Math.max(...logits);
    logits[next] = lead < 0 ? 10 - (behind[tokens.length] ?? 0) : Math.max(logits[next] ?? 0, 10);
  }
  // Off every path, or where a heard path falls behind something else.
  if (!known) logits[END_TOKEN] = 10;
  const only = heard && tokens.every((token, index) => encodeText(heard.text, 'space')[index] === token);
  if (only && Math.max(...logits) < 10) logits[encodeText('zzz', 'space')[0] ?? 5] = 10;
  const token = logits.indexOf(Math.max(...logits));
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return { token, logprob: (logits[token] ?? 0) - total, logits };
}

const keyword = (text: string): BiasPhrase => ({ text, source: 'keyword' });

describe('BiasSearch', () => {
  const sheridan: Model = {
    favourite: 'He met Sheridan here',
    heard: {
      text: 'He met Sherburn here',
      behind: encodeText('He met Sherburn', 'space').map((_, i) => (i === 3 ? 2 : 0)),
    },
  };

  it('writes a phrase that was heard and is only spelled unusually', () => {
    expect(decode(sheridan).text).toBe('He met Sheridan here');
    expect(decode(sheridan, keyword('Sherburn')).text).toBe('He met Sherburn here');
  });

  it("goes back to the model's own words where a phrase falls behind again and again", () => {
    const model: Model = {
      favourite: 'He met Sheridan here',
      heard: {
        text: 'He met Sherlockian here',
        behind: encodeText('He met Sherlockian', 'space').map(() => 4),
      },
    };
    expect(decode(model, keyword('Sherlockian')).text).toBe('He met Sheridan here');
  });

  it('leaves text alone that holds none of the phrases, without a step more', () => {
    const plain = decode({ favourite: 'Good morning to you' });
    const biased = decode(
      { favourite: 'Good morning to you' },
      keyword('Zarathustra'),
      keyword('Kubernetes'),
    );
    expect(biased).toEqual(plain);
  });

  it('puts nothing behind the end', () => {
    expect(decode({ favourite: '' }, keyword('Zarathustra')).text).toBe('');
  });

  it('compares attempts as if the phrase had been the favourite', () => {
    expect(decode(sheridan, keyword('Sherburn')).score).toBeGreaterThan(-0.1);
  });
});

describe('BiasSearch in scripts without spaces', () => {
  const heardAs = (favourite: string, text: string, alike: string, nats: number): Model => {
    const path = encodeText(text, 'space');
    const first = encodeText(alike, 'space').length;
    return { favourite, heard: { text, behind: path.map((_, index) => (index === first ? nats : 0)) } };
  };

  it.each([
    ['我叫李明远你好', '我叫黎鸣远你好', '我叫', '黎鸣远'],
    ['今日は当京に行く', '今日は東京に行く', '今日は', '東京'],
  ])('writes a name in the middle of %s', (favourite, text, alike, name) => {
    const model = heardAs(favourite, text, alike, 2);
    expect(decode(model).text).toBe(favourite);
    expect(decode(model, keyword(name)).text).toBe(text);
  });

  it('does not put a name where nothing like it was heard, nor a single character anywhere', () => {
    const far = heardAs('我叫李明远你好', '我叫黎鸣远你好', '我叫', 12);
    expect(decode(far, keyword('黎鸣远')).text).toBe('我叫李明远你好');
    const near = heardAs('我叫李明远你好', '我叫黎鸣远你好', '我叫', 1);
    expect(decode(near, keyword('黎')).text).toBe('我叫李明远你好');
  });

  it('finds a Korean word, which stands between spaces', () => {
    const model = heardAs('저는 김 민수 입니다', '저는 박 민수 입니다', '저는', 2);
    expect(decode(model, keyword('박')).text).toBe('저는 박 민수 입니다');
  });
});

describe('buildBiasTrie', () => {
  it("knows a lower-case phrase with the capital of a sentence's start too", () => {
    const { words } = buildBiasTrie([keyword('kubernetes')]);
    for (const text of ['kubernetes', 'Kubernetes']) {
      let node: typeof words | undefined = words;
      for (const token of encodeText(text, 'space')) node = node?.children.get(token);
      expect(node?.complete).toBe(true);
    }
  });

  it('takes common words of a prompt for no terms', () => {
    expect(buildBiasTrie([{ text: 'morning', source: 'prompt' }]).words.children.size).toBe(0);
    expect(buildBiasTrie([{ text: 'apomorphine', source: 'prompt' }]).words.children.size).toBeGreaterThan(0);
  });

  it('prefers phrases of a prompt less than keywords', () => {
    const first = encodeText('Zarathustra', 'space')[0] ?? 0;
    const allowance = (source: BiasPhrase['source']): number =>
      buildBiasTrie([{ text: 'Zarathustra', source }]).words.children.get(first)?.allowance ?? 0;
    expect(allowance('prompt')).toBeLessThan(allowance('keyword'));
  });
});
