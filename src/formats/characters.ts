const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** How many characters a reader sees: accents and composed emoji count with their base. */
export function characterCount(text: string): number {
  return isPlain(text) ? text.length : [...GRAPHEMES.segment(text)].length;
}

/** Parts of at most `count` characters each, never cut inside one. */
export function cutCharacters(text: string, count: number): string[] {
  if (characterCount(text) <= count) return [text];
  const characters = isPlain(text)
    ? [...text]
    : [...GRAPHEMES.segment(text)].map((grapheme) => grapheme.segment);
  const parts: string[] = [];
  for (let start = 0; start < characters.length; start += count)
    parts.push(characters.slice(start, start + count).join(''));
  return parts;
}

function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
