/** Text of one subtitle cue: a single line, and nothing in it that reads as a time line (the reference writer shortens the arrow). */
export function cueText(text: string): string {
  return text.trim().replace(/\s+/g, ' ').replaceAll('-->', '->');
}
