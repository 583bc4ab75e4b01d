import { describe, expect, it } from 'vitest';
import { promptOf } from './prompt.ts';

const keyword = (text: string) => ({ text, source: 'keyword' }) as const;

describe('promptOf', () => {
  it('is the prompt, its end when it is long', () => {
    expect(promptOf({ prompt: ' As I said. ' })).toBe('As I said.');
    expect(promptOf({ prompt: `${'x'.repeat(5000)} end` })).toMatch(/^x{1196} end$/);
  });

  it('is nothing where there is nothing', () => {
    expect(promptOf({})).toBeUndefined();
    expect(promptOf({ prompt: '  ' })).toBeUndefined();
  });

  it('names the keywords in front, and of a long prompt only the end', () => {
    expect(promptOf({ bias: [keyword('Lübeck'), keyword('Käthe')] })).toBe('Lübeck, Käthe.');
    expect(promptOf({ prompt: 'As I said.', bias: [keyword('Lübeck')] })).toBe('Lübeck. As I said.');
    const both = promptOf({ prompt: `${'x'.repeat(5000)} end`, bias: [keyword('Lübeck')] });
    expect(both).toMatch(/^Lübeck\. x+ end$/);
    expect(both?.length).toBeLessThan(420);
  });

  it('leaves names out that were only found in the prompt', () => {
    expect(promptOf({ prompt: 'Ask Käthe.', bias: [{ text: 'Käthe', source: 'prompt' }] })).toBe(
      'Ask Käthe.',
    );
  });
});
