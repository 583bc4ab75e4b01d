const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Full-width and wide characters (Unicode's East Asian Width W and F), and signs that are shown as pictures. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;

/** How wide a text stands in a line: full-width characters count 2, accents and composed signs with their base. */
export function textWidth(text: string): number {
  if (isPlain(text)) return text.length;
  return [...GRAPHEMES.segment(text)].reduce((sum, { segment }) => sum + graphemeWidth(segment), 0);
}

/** Parts of at most `width` (2 or more) each, never cut inside a character. */
export function cutToWidth(text: string, width: number): string[] {
  if (textWidth(text) <= width) return [text];
  const parts: string[] = [];
  let part = '';
  let used = 0;
  for (const { segment } of GRAPHEMES.segment(text)) {
    const added = graphemeWidth(segment);
    if (used + added > width) {
      parts.push(part);
      part = '';
      used = 0;
    }
    part += segment;
    used += added;
  }
  return [...parts, part];
}

function graphemeWidth(grapheme: string): number {
  return WIDE.test(grapheme) ? 2 : 1;
}

function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
